//! `keyward backup` and `keyward restore`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Context;
use super::output::Output;
use crate::crypto::sealing_key::KEY_FILE;
use crate::error::Error;
use crate::store::backup::{self, Restored};

#[derive(Args)]
pub struct Backup {
    /// The file to write; it must not exist yet
    file: PathBuf,
}

#[derive(Args)]
pub struct Restore {
    /// A file that `keyward backup` wrote, by this or an older version
    file: PathBuf,
}

impl Backup {
    pub fn run(self, context: &Context) -> Result<Output, Error> {
        backup::backup(&context.settings.database_url, &self.file)
            .map_err(|error| context.sources.explain(error))?;
        let key = context.settings.keys_dir.join(KEY_FILE);
        let file = self.file.display().to_string();
        let words = format!(
            "{file} is written. Keep {} too, in another place: without it the signing keys do not open",
            key.display()
        );
        Ok(Output::new(&json!({"file": file}), words))
    }
}

impl Restore {
    pub fn run(self, context: &Context) -> Result<Output, Error> {
        let entry = context.operator().entry(
            "database.restore",
            None,
            &self.file.display().to_string(),
            context.now,
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
                "The backup is the database now. Start the server: keyward serve",
            ),
            Restored::Replaced => (
                "replaced",
                "The database holds what the backup held. Running servers see it within a second; sessions in the portal have ended",
            ),
        };
        Ok(Output::new(&json!({"restored": document}), words))
    }
}
