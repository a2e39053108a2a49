//! `keyward client`

use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgAction, Args, Subcommand};
use serde_json::json;

use super::confirmation::Confirmation;
use super::output::{ListWriter, Output};
use super::token::read_text_file;
use super::usage::UsageArgs;
use super::{Context, Limits};
use crate::crypto::x509::{CertificateName, CertificateNames};
use crate::error::Error;
use crate::manage::actor::{ClientsRead, ClientsWrite};
use crate::manage::client::{
    self, ClientPatch, ClientView, CreatedClient, ListPosition, NewClient,
};
use crate::manage::usage::Subject;
use crate::scope::Scope;
use crate::store::Store;
use crate::store::client::AuthMethod;
use crate::store::security_profile::SecurityProfile;

#[derive(Subcommand)]
pub enum Client {
    /// Create a client with a secret and a first API key
    Create {
        /// Display name
        #[arg(long)]
        name: String,

        /// Owning account, by id or name [default: the oldest account]
        #[arg(long)]
        account: Option<String>,

        #[command(flatten)]
        limits: Limits,

        /// Allow it to introspect tokens for its resource servers
        #[arg(long)]
        introspect: bool,

        /// Client authentication method: client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth or self_signed_tls_client_auth
        #[arg(long, value_name = "METHOD", default_value = "client_secret_basic")]
        auth_method: AuthMethod,

        /// File with the JWK Set of its public keys, for private_key_jwt, or of its certificates (x5c), for self_signed_tls_client_auth
        #[arg(long, value_name = "FILE")]
        jwks: Option<PathBuf>,

        /// Require a DPoP proof with each token request, so that its tokens are bound to its key
        #[arg(long)]
        dpop_bound_access_tokens: bool,

        /// Security profile: none or fapi2
        #[arg(long, value_name = "PROFILE", default_value = "none")]
        profile: SecurityProfile,

        #[command(flatten)]
        certificate_name: CertificateNameArgs,

        /// Require a client certificate with each token request, so that its tokens are bound to it
        #[arg(long)]
        tls_client_certificate_bound_access_tokens: bool,
    },
    /// List clients
    List {
        /// Only clients of this account, by id or name
        #[arg(long)]
        account: Option<String>,
    },
    /// Show a client
    Show { client_id: String },
    /// Change a client; values that are not given stay as they are
    Update {
        client_id: String,

        /// Display name
        #[arg(long)]
        name: Option<String>,

        /// Replace the allowed scope
        #[arg(long)]
        scope: Option<Scope>,

        /// Replace the allowed resource servers; can be repeated, "" for none
        #[arg(long = "resource", value_name = "URI")]
        resources: Option<Vec<String>>,

        /// Allow or forbid introspection
        #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
        introspect: Option<bool>,

        /// Client authentication method: client_secret_basic, client_secret_post, private_key_jwt,
        /// tls_client_auth or self_signed_tls_client_auth
        #[arg(long, value_name = "METHOD")]
        auth_method: Option<AuthMethod>,

        /// File with the JWK Set that replaces its public keys or certificates (x5c)
        #[arg(long, value_name = "FILE")]
        jwks: Option<PathBuf>,

        /// Require a DPoP proof with each token request, or not
        #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
        dpop_bound_access_tokens: Option<bool>,

        /// Security profile: none or fapi2
        #[arg(long, value_name = "PROFILE")]
        profile: Option<SecurityProfile>,

        #[command(flatten)]
        certificate_name: CertificateNameArgs,

        /// Require a client certificate with each token request, or not
        #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
        tls_client_certificate_bound_access_tokens: Option<bool>,
    },
    /// Show how often and from where a client was used
    Usage {
        client_id: String,

        #[command(flatten)]
        usage: UsageArgs,
    },
    /// Disable clients, all of them or none: everything that they present is refused
    Disable {
        #[arg(required = true)]
        client_id: Vec<String>,
    },
    /// Re-enable a disabled client
    Enable { client_id: String },
    /// Replace the registration access token of a client that registered itself
    RenewRegistrationToken {
        client_id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Revoke the registration access token of a client that registered itself
    RevokeRegistrationToken {
        client_id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Delete a client with its secrets, API keys and tokens
    Delete {
        client_id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
}

/// The name that the certificate of a client must have, for tls_client_auth
#[derive(Args)]
pub struct CertificateNameArgs {
    /// Subject of the client's certificate, as in RFC 4514, for tls_client_auth
    #[arg(long, value_name = "DN")]
    tls_client_auth_subject_dn: Option<String>,

    /// DNS name in the client's certificate, for tls_client_auth
    #[arg(long, value_name = "NAME")]
    tls_client_auth_san_dns: Option<String>,

    /// URI in the client's certificate, for tls_client_auth
    #[arg(long, value_name = "URI")]
    tls_client_auth_san_uri: Option<String>,

    /// IP address in the client's certificate, for tls_client_auth
    #[arg(long, value_name = "ADDRESS")]
    tls_client_auth_san_ip: Option<String>,

    /// E-mail address in the client's certificate, for tls_client_auth
    #[arg(long, value_name = "EMAIL")]
    tls_client_auth_san_email: Option<String>,
}

impl CertificateNameArgs {
    fn name(self) -> Result<Option<CertificateName>, Error> {
        client::certificate_name(CertificateNames {
            tls_client_auth_subject_dn: self.tls_client_auth_subject_dn,
            tls_client_auth_san_dns: self.tls_client_auth_san_dns,
            tls_client_auth_san_uri: self.tls_client_auth_san_uri,
            tls_client_auth_san_ip: self.tls_client_auth_san_ip,
            tls_client_auth_san_email: self.tls_client_auth_san_email,
        })
    }
}

/// How many clients are read at a time.
const PAGE: i64 = 1000;

/// Prints all clients of one account or of all.
async fn list(
    context: &Context,
    store: &Arc<Store>,
    account: Option<String>,
) -> Result<Output, Error> {
    let operator = context.operator();
    let mut list = ListWriter::new(context.json, ["CLIENT_ID", "NAME", "SCOPE", "STATE"]);
    let cells = |client: &ClientView| {
        [
            client.client_id.clone(),
            client.name.clone(),
            client.scope.to_string(),
            state(client),
        ]
    };
    let mut after = None;
    loop {
        let permit = operator.may(ClientsRead)?;
        let page = client::list_after(store, permit, account.clone(), after, PAGE).await?;
        let Some(last) = page.last() else {
            return list.finish();
        };
        after = Some(ListPosition::of(last));
        if list.write(&page, cells)?.is_break() {
            return list.finish();
        }
    }
}

impl Client {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let creates = matches!(self, Client::Create { .. });
        let store = if creates {
            context.store_or_new()?
        } else {
            context.store()?
        };
        let operator = context.operator();
        match self {
            Client::Create {
                name,
                account,
                limits,
                introspect,
                auth_method,
                jwks,
                dpop_bound_access_tokens,
                profile,
                certificate_name,
                tls_client_certificate_bound_access_tokens,
            } => {
                let jwks = jwks.as_deref().map(read_text_file).transpose()?;
                let Limits { scope, resources } = limits;
                let new = NewClient {
                    name,
                    account,
                    scope,
                    resources,
                    may_introspect: introspect,
                    auth_method,
                    jwks,
                    dpop_bound_access_tokens,
                    profile,
                    certificate_name: certificate_name.name()?,
                    tls_client_certificate_bound_access_tokens,
                };
                Ok(created(
                    client::create(&store, operator.may(ClientsWrite)?, new).await?,
                ))
            }
            Client::List { account } => list(&context, &store, account).await,
            Client::Show { client_id } => Ok(shown(
                &client::show(&store, operator.may(ClientsRead)?, &client_id).await?,
            )),
            Client::Update {
                client_id,
                name,
                scope,
                resources,
                introspect,
                auth_method,
                jwks,
                dpop_bound_access_tokens,
                profile,
                certificate_name,
                tls_client_certificate_bound_access_tokens,
            } => {
                let jwks = jwks.as_deref().map(read_text_file).transpose()?;
                let resources = resources.map(|all| {
                    all.into_iter()
                        .filter(|identifier| !identifier.is_empty())
                        .collect()
                });
                let change = ClientPatch {
                    name,
                    scope,
                    resources,
                    may_introspect: introspect,
                    auth_method,
                    jwks,
                    dpop_bound_access_tokens,
                    profile,
                    certificate_name: certificate_name.name()?,
                    tls_client_certificate_bound_access_tokens,
                    ..ClientPatch::default()
                };
                let changed =
                    client::update(&store, operator.may(ClientsWrite)?, &client_id, change).await?;
                Ok(shown(&changed.client).warning(changed.warning.as_ref()))
            }
            Client::Usage { client_id, usage } => {
                usage
                    .show(&context, &store, &client_id, Subject::Client)
                    .await
            }
            Client::Disable { client_id } => {
                let permit = operator.may(ClientsWrite)?;
                if let [only] = client_id.as_slice() {
                    return Ok(shown(&client::disable(&store, permit, only).await?));
                }
                let named = client_id.join(", ");
                let ids = client_id.into_iter().collect();
                client::disable_all(&store, permit, ids).await?;
                Ok(Output::done(format!("Disabled the clients {named}")))
            }
            Client::Enable { client_id } => Ok(shown(
                &client::enable(&store, operator.may(ClientsWrite)?, &client_id).await?,
            )),
            Client::RenewRegistrationToken {
                client_id,
                confirmation,
            } => {
                confirmation.ask(&format!(
                    "This replaces the registration access token of the client {client_id}: the present one is refused at once."
                ))?;
                let token = client::renew_registration_token(
                    &store,
                    operator.may(ClientsWrite)?,
                    &client_id,
                )
                .await?;
                let uri = context
                    .issuer(&store)
                    .await?
                    .endpoint(&format!("/oauth/register/{client_id}"));
                let words = format!(
                    "The new registration access token is shown only once:\n  {}\nUse it at {uri}",
                    token.expose()
                );
                let document = json!({"registration_access_token": token.expose(), "registration_client_uri": uri});
                Ok(Output::new(&document, words))
            }
            Client::RevokeRegistrationToken {
                client_id,
                confirmation,
            } => {
                confirmation.ask(&format!(
                    "This revokes the registration access token of the client {client_id}."
                ))?;
                let permit = operator.may(ClientsWrite)?;
                let view = client::revoke_registration_token(&store, permit, &client_id).await?;
                Ok(shown(&view))
            }
            Client::Delete {
                client_id,
                confirmation,
            } => {
                confirmation.ask(&format!(
                    "This deletes the client {client_id} with its secrets, API keys and tokens."
                ))?;
                client::delete(&store, operator.may(ClientsWrite)?, &client_id).await?;
                Ok(Output::done(format!("Deleted the client {client_id}")))
            }
        }
    }
}

fn created(created: CreatedClient) -> Output {
    let view = ClientView::from(created.client);
    let secret = created.secret.as_ref().map(|secret| secret.expose());
    let api_key = created.api_key.as_ref().map(|key| key.expose());
    let words = format!(
        "Created the client {}. Its secrets are shown only once:\n  client_id      {}\n  client_secret  {}\n  API key        {}",
        view.name,
        view.client_id,
        secret.unwrap_or("(none: it authenticates with its key or certificate)"),
        api_key.unwrap_or("(none: its security profile does not allow API keys)"),
    );
    let mut document = json!(view);
    document["client_secret"] = json!(secret);
    document["api_key"] = json!(api_key);
    Output::new(&document, words).warning(created.warning.as_ref())
}

/// The name that the certificate must have, for people.
fn certificate_name(client: &ClientView) -> Option<String> {
    let name = client.certificate_names.clone().into_name().ok()??;
    Some(format!("{} {}", name.kind().as_str(), name.name()))
}

fn state(client: &ClientView) -> String {
    match client.disabled_by {
        _ if client.account_closed_at.is_some() => "account closed".to_owned(),
        _ if client.enabled => "enabled".to_owned(),
        None => "disabled".to_owned(),
        Some(by) => format!("disabled by {}", by.as_str()),
    }
}

fn shown(client: &ClientView) -> Output {
    let words = [
        ("client_id", client.client_id.clone()),
        ("name", client.name.clone()),
        ("account", client.account.clone()),
        ("auth_method", client.auth_method.to_owned()),
        ("grant_types", client.grant_types.join(" ")),
        ("scope", client.scope.to_string()),
        ("resources", client.resources.as_str().to_owned()),
        ("introspect", client.introspect.to_string()),
        ("dpop_bound", client.dpop_bound_access_tokens.to_string()),
        ("profile", client.profile.as_str().to_owned()),
        (
            "certificate",
            certificate_name(client).unwrap_or_else(|| "(any)".to_owned()),
        ),
        (
            "mtls_bound",
            client
                .tls_client_certificate_bound_access_tokens
                .to_string(),
        ),
        (
            "enabled",
            client.disabled_by.map_or_else(
                || client.enabled.to_string(),
                |by| format!("false, disabled by {}", by.as_str()),
            ),
        ),
        ("created_at", client.created_at.to_string()),
    ];
    let lines: Vec<String> = words
        .into_iter()
        .map(|(name, value)| format!("{name:12} {value}"))
        .collect();
    Output::new(client, lines.join("\n"))
}
