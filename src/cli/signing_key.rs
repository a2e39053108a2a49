//! `keyward signing-key`

use std::path::PathBuf;

use clap::Subcommand;

use super::Context;
use super::confirmation::Confirmation;
use super::output::{Output, when};
use crate::clock::Timestamp;
use crate::crypto::jws::SignatureAlgorithm;
use crate::error::{Code, Error};
use crate::manage::actor::{SigningKeysRead, SigningKeysWrite};
use crate::manage::signing_key::{
    self, RetirementMode, RotationPolicy, SigningKeyServices, SigningKeyView,
};
use crate::secret::SecretBytes;

#[derive(Subcommand)]
pub enum SigningKey {
    /// List the keys with their states
    List,
    /// Show a key with its public key
    Show {
        #[arg(allow_hyphen_values = true)]
        kid: String,

        /// Print only the public key, in PEM
        #[arg(long)]
        pem: bool,
    },
    /// Create a key; it starts to sign when every cached JWK Set has expired
    Rotate {
        /// Algorithm that the key signs with: RS256, PS256, ES256, Ed25519 or ML-DSA-44
        #[arg(long, value_name = "ALG", default_value = "RS256")]
        algorithm: SignatureAlgorithm,
    },
    /// Import a private key in PEM; it starts to sign in the same way
    Import {
        file: PathBuf,

        /// Algorithm that the key signs with [default: by the kind of the key, for RSA RS256]
        #[arg(long, value_name = "ALG")]
        algorithm: Option<SignatureAlgorithm>,
    },
    /// Stop signing with a key; it stays published until the last token that it signed has expired
    Retire {
        #[arg(allow_hyphen_values = true)]
        kid: String,

        /// The key was compromised: unpublish it now and refuse all tokens that it signed
        #[arg(long)]
        now: bool,

        #[command(flatten)]
        confirmation: Confirmation,
    },
}

impl SigningKey {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let store = context.store()?;
        let operator = context.operator();
        let policy = RotationPolicy::effective(&store, &context.settings).await?;
        let services = |sealing_keys| SigningKeyServices {
            store: &store,
            sealing_keys,
            policy,
        };
        match self {
            SigningKey::List => {
                let keys = signing_key::list(&store, operator.may(SigningKeysRead)?).await?;
                let end = |end: Option<Timestamp>| match end {
                    Some(Timestamp::EPOCH) => "retired".to_owned(),
                    end => when(end),
                };
                let rows = keys.iter().map(|key| {
                    [
                        key.kid.clone(),
                        key.algorithm.to_owned(),
                        key.state.clone(),
                        key.signs_from.to_string(),
                        end(key.signs_until),
                        end(key.published_until),
                    ]
                });
                Ok(Output::table(
                    &keys,
                    [
                        "KID",
                        "ALG",
                        "STATE",
                        "SIGNS FROM",
                        "SIGNS UNTIL",
                        "PUBLISHED UNTIL",
                    ],
                    rows,
                ))
            }
            SigningKey::Show { kid, pem } => {
                let shown = signing_key::show(&store, operator.may(SigningKeysRead)?, &kid).await?;
                let public = shown.pem.trim_end();
                let words = match pem {
                    true => public.to_owned(),
                    false => format!(
                        "{} ({}, {})\n{}\n{public}",
                        shown.key.kid, shown.key.algorithm, shown.key.state, shown.jwk
                    ),
                };
                Ok(Output::new(&shown, words))
            }
            SigningKey::Rotate { algorithm } => {
                let key = signing_key::rotate(
                    services(&context.sealing_keys_or_new(&store).await?),
                    operator.may(SigningKeysWrite)?,
                    algorithm,
                )
                .await?;
                Ok(pending(&key))
            }
            SigningKey::Import { file, algorithm } => {
                let pem = std::fs::read(&file);
                let pem = pem.map_err(|error| {
                    Error::new(Code::InvalidRequest, format!("{}: {error}", file.display()))
                })?;
                let pem = SecretBytes::new(pem);
                let key = signing_key::import(
                    services(&context.sealing_keys_or_new(&store).await?),
                    operator.may(SigningKeysWrite)?,
                    pem.expose(),
                    algorithm,
                )
                .await?;
                Ok(pending(&key))
            }
            SigningKey::Retire {
                kid,
                now,
                confirmation,
            } => {
                confirmation.ask(&if now {
                    format!("This retires the signing key {kid} at once: all tokens that it signed are refused.")
                } else {
                    format!("This retires the signing key {kid}.")
                })?;
                let mode = if now {
                    RetirementMode::Immediate
                } else {
                    RetirementMode::Graceful
                };
                let key = signing_key::retire(
                    services(&context.sealing_keys(&store).await?),
                    operator.may(SigningKeysWrite)?,
                    &kid,
                    mode,
                )
                .await?;
                let words = match key.published_until {
                    Some(Timestamp::EPOCH) => {
                        format!(
                            "The key {} is no longer published, and tokens that it signed are refused",
                            key.kid
                        )
                    }
                    _ => format!(
                        "The key {} signs until {} and is published until {}",
                        key.kid,
                        when(key.signs_until),
                        when(key.published_until)
                    ),
                };
                Ok(Output::new(&key, words))
            }
        }
    }
}

fn pending(key: &SigningKeyView) -> Output {
    Output::new(
        key,
        format!(
            "The {} key {} is published, and signs from {}",
            key.algorithm, key.kid, key.signs_from
        ),
    )
}
