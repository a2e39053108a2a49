//! `keyward clock`

use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::output::Output;
use crate::error::Error;
use crate::manage::clock;

#[derive(Subcommand)]
pub enum Clock {
    /// Go on from now where a node whose clock was ahead wrote down a moment that has not come yet, and new tokens are
    /// refused as expired. Set the clocks right first. Revokes all tokens that were issued until now
    Reset,
}

impl Clock {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let Clock::Reset = self;
        let recorder = context.operator().recorder().clone();
        let was = clock::reset(&context.store()?, recorder).await?;
        let now = context.now;
        let words = format!(
            "The last moment that a node wrote down was {was}, and is {now} now. All tokens that were issued until now are \
             revoked; running servers see it within seconds, and new tokens are active"
        );
        Ok(Output::new(&json!({"was": was, "now": now}), words))
    }
}
