//! `keyward client usage`, `keyward key usage` and `keyward secret usage`

use std::sync::Arc;

use clap::Args;

use super::Context;
use super::output::{Output, lines_of_table, write_part};
use crate::error::Error;
use crate::manage::actor::TokensRead;
use crate::manage::usage::{self, Bucket, Origin, Subject, Usage, UsagePoint};
use crate::store::Store;

#[derive(Args)]
pub struct UsageArgs {
    /// What a line stands for: hour (of the last 24) or day (of the last 90, in UTC)
    #[arg(
        long,
        value_name = "hour|day",
        default_value = "hour",
        hide_possible_values = true
    )]
    by: Bucket,

    /// Print the points as CSV
    #[arg(long)]
    csv: bool,
}

impl UsageArgs {
    /// `--csv`, if it is given.
    pub fn other_format(&self) -> Option<&'static str> {
        self.csv.then_some("--csv")
    }

    /// Shows the usage as a table, with `--json` as one document, or as CSV.
    pub async fn show(
        self,
        context: &Context,
        store: &Arc<Store>,
        client_id: &str,
        subject: Subject,
    ) -> Result<Output, Error> {
        let permit = context.operator().may(TokensRead)?;
        let usage = usage::show(store, permit, client_id, subject, self.by).await?;
        if self.csv {
            let _ = write_part(usage.to_csv().as_bytes())?;
            return Ok(Output::printed());
        }
        let mut lines = points(&usage);
        if !usage.used_from.is_empty() {
            lines.push(String::new());
            lines.extend(origins(&usage.used_from));
        }
        Ok(Output::new(&usage, lines.join("\n")))
    }
}

fn points(usage: &Usage) -> Vec<String> {
    let [at, uses, failures] = ["FROM", "USES", "FAILURES"];
    let basic = |point: &UsagePoint| {
        [
            point.at.to_string(),
            point.uses.to_string(),
            point.failures.to_string(),
        ]
    };
    if usage.points.iter().all(|point| point.kinds.is_none()) {
        return lines_of_table([at, uses, failures], usage.points.iter().map(basic));
    }
    let head = [at, uses, failures, "TOKENS", "INTROSPECTIONS", "VERIFIED"];
    let rows = usage.points.iter().map(|point| {
        let [at, uses, failures] = basic(point);
        let kinds = point.kinds.map(|kinds| {
            [kinds.tokens, kinds.introspections, kinds.verifications].map(|count| count.to_string())
        });
        let [tokens, introspections, verifications] = kinds.unwrap_or_default();
        [at, uses, failures, tokens, introspections, verifications]
    });
    lines_of_table(head, rows)
}

fn origins(origins: &[Origin]) -> Vec<String> {
    let rows = origins.iter().map(|origin| {
        [
            origin.address.clone(),
            origin.first_seen_at.to_string(),
            origin.last_seen_at.to_string(),
            origin.count.to_string(),
            origin.user_agent.clone(),
        ]
    });
    let head = ["USED FROM", "FIRST", "LAST", "REQUESTS", "USER AGENT"];
    lines_of_table(head, rows)
}
