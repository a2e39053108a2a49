//! `keyward backup` and `keyward restore`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Context;
use super::confirmation::Confirmation;
use super::output::Output;
use crate::crypto::sealing_key::KEY_FILE;
use crate::error::Error;
use crate::store::audit::Action;
use crate::store::backup::{self, Restored};

#[derive(Args)]
pub struct Backup {
    /// File to write; must not exist yet
    file: PathBuf,
}

#[derive(Args)]
pub struct Restore {
    /// File written by `keyward backup` of this or an older version
    file: PathBuf,

    #[command(flatten)]
    confirmation: Confirmation,
}

impl Backup {
    pub fn run(self, context: &Context) -> Result<Output, Error> {
        backup::backup(&context.settings.database_url, &self.file)
            .map_err(|error| context.sources.explain(error))?;
        let key = context.settings.keys_dir.join(KEY_FILE);
        let file = self.file.display().to_string();
        let words = format!(
            "Wrote {file}. Also back up {}, in another place: the signing keys in the backup cannot be decrypted without it",
            key.display()
        );
        Ok(Output::new(&json!({"file": file}), words))
    }
}

impl Restore {
    pub fn run(self, context: &Context) -> Result<Output, Error> {
        self.confirmation.ask(&format!(
            "This replaces what {} holds by the backup.",
            context.settings.database_url
        ))?;
        let entry = context.operator().recorder().entry(
            Action::DatabaseRestore,
            None,
            &self.file.display().to_string(),
        );
        let restored = backup::restore(
            &context.settings.database_url,
            &self.file,
            &entry,
            context.now,
        )?;
        let (document, words) = match restored {
            Restored::Created => (
                "created",
                "Restored the backup as a new database. Start the server: keyward serve",
            ),
            Restored::Replaced => (
                "replaced",
                "Restored the backup. Running servers apply it within a second; all portal sessions are signed out",
            ),
        };
        Ok(Output::new(&json!({"restored": document}), words))
    }
}
