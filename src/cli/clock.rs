//! `keyward clock`

use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::confirmation::Confirmation;
use super::output::Output;
use crate::error::Error;
use crate::manage::clock;

#[derive(Subcommand)]
pub enum Clock {
    /// Set the recorded time to now, after a node whose clock was ahead recorded a time in the future and new tokens
    /// are refused as expired. Correct the clocks first. Revokes all tokens issued until now
    Reset(Confirmation),
}

impl Clock {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let Clock::Reset(confirmation) = self;
        confirmation.ask("This revokes all tokens issued until now.")?;
        let recorder = context.operator().recorder().clone();
        let previous = clock::reset(&context.store()?, recorder).await?;
        let now = context.now;
        let words = format!(
            "Changed the recorded time from {previous} to {now}. All tokens issued until now are revoked. Running servers apply \
             this within seconds; new tokens are active"
        );
        Ok(Output::new(&json!({"was": previous, "now": now}), words))
    }
}
