//! `keyward sealing-key`

use clap::Subcommand;

use super::Context;
use super::confirmation::Confirmation;
use super::output::Output;
use crate::error::{Code, Error};
use crate::manage::actor::SigningKeysWrite;
use crate::manage::sealing_key::{self, Loss, Rotated};
use crate::manage::signing_key::RotationPolicy;

#[derive(Subcommand)]
pub enum SealingKey {
    /// Re-encrypt everything with a new sealing key
    Rotate {
        /// Only add the new key to the file, so that the file can be copied to other nodes first
        #[arg(long)]
        prepare: bool,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Remove old keys from the file, once every node has the new one
    Prune(Confirmation),
    /// Restore service after the sealing key file was lost for good
    Reset {
        /// Confirm; without this flag, only list what is lost
        #[arg(long)]
        yes: bool,
    },
}

impl SealingKey {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let store = context.store()?;
        let operator = context.operator();
        let permit = operator.may(SigningKeysWrite)?;
        match self {
            SealingKey::Rotate { prepare: true, .. } => {
                sealing_key::prepare(&context.sealing_keys(&store).await?, permit).await?;
                Ok(Output::done(
                    "Added a new key to the file. Copy the file to every node, then run: keyward sealing-key rotate",
                ))
            }
            SealingKey::Rotate {
                prepare: false,
                confirmation,
            } => {
                let sealing_keys = context.sealing_keys(&store).await?;
                confirmation.ask(
                    "This replaces the sealing key; if no new one is prepared, the present one is removed from the file.",
                )?;
                let rotated = sealing_key::rotate(&store, permit, &sealing_keys).await?;
                Ok(done(&rotated))
            }
            SealingKey::Prune(confirmation) => {
                let sealing_keys = context.sealing_keys(&store).await?;
                confirmation.ask(
                    "This removes the old sealing keys from the file: backups made with them cannot be decrypted without a copy of it.",
                )?;
                Ok(done(
                    &sealing_key::prune(&store, permit, &sealing_keys).await?,
                ))
            }
            SealingKey::Reset { yes } => {
                let folder = &context.settings.keys_dir;
                if !yes {
                    let loss = sealing_key::assess(&store, permit, folder).await?;
                    if loss.is_empty() {
                        return Err(Error::new(
                            Code::Conflict,
                            "Nothing is lost: the sealing key file decrypts everything in this database",
                        ));
                    }
                    let words = format!(
                        "{}\nTo confirm, run: keyward sealing-key reset --yes",
                        lost(&loss)
                    );
                    return Ok(Output::new(&loss, words).refused());
                }
                let policy = RotationPolicy::effective(&store, &context.settings).await?;
                let loss = sealing_key::reset(&store, permit, folder, policy).await?;
                Ok(Output::new(&loss, lost(&loss)))
            }
        }
    }
}

fn done(rotated: &Rotated) -> Output {
    let sealed = format!(
        "Re-encrypted {} signing keys, {} TOTP secrets and the secrets of {} webhooks with the new key",
        rotated.signing_keys, rotated.second_factors, rotated.webhooks
    );
    let next = match rotated.keys_in_file {
        1 => "The old key is only needed for backups made before",
        _ => "Copy the file to every node, then run: keyward sealing-key prune",
    };
    Output::new(rotated, format!("{sealed}. {next}"))
}

fn lost(loss: &Loss) -> String {
    let mut lines = Vec::new();
    if !loss.signing_keys.is_empty() {
        lines.push(format!(
            "Signing keys that can no longer sign (their tokens stay valid until they expire): {}",
            loss.signing_keys.join(" ")
        ));
    }
    if !loss.second_factors.is_empty() {
        lines.push(format!(
            "Users whose authenticator codes are refused (recovery codes still work; otherwise run: keyward user reset-second-factor EMAIL): {}",
            loss.second_factors.join(" ")
        ));
    }
    if !loss.webhooks.is_empty() {
        lines.push(format!(
            "Webhooks that send nothing until you run keyward webhook rotate-secret: {}",
            loss.webhooks.join(" ")
        ));
    }
    if let Some(kid) = &loss.new_signing_key {
        lines.push(format!(
            "The key {kid} signs from now on. Start the servers; running servers continue by themselves"
        ));
    }
    lines.join("\n")
}
