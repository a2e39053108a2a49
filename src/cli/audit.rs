//! `keyward audit`

use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;

use super::Context;
use super::output::{ListWriter, Output, write_part};
use crate::clock::{DateOrTime, InvalidDateOrTime, Timestamp, parse_duration};
use crate::error::Error;
use crate::manage::actor::AuditRead;
use crate::manage::audit::{
    self, Action, AuditEntry, AuditFilter, AuditPage, Export, ExportFormat,
};

/// How many entries are read at a time.
const PAGE: usize = 1000;

#[derive(Subcommand)]
pub enum Audit {
    /// List audit entries, newest first
    List {
        /// Only entries of this account, by id or name
        #[arg(long)]
        account: Option<String>,

        /// Only entries of this actor, such as "command line", "client ID" or the e-mail address of a user
        #[arg(long)]
        actor: Option<String>,

        /// Only entries of this action, such as client.create
        #[arg(long, value_parser = actions(), hide_possible_values = true)]
        action: Option<String>,

        /// Only entries about the object with this id; of a key or secret, its first characters suffice
        #[arg(long, value_name = "ID")]
        target: Option<String>,

        /// Only entries of the request with this id, as in the log
        #[arg(long, value_name = "ID")]
        request_id: Option<String>,

        /// Only entries since this time: a date in UTC, a time such as 2026-11-21T20:18:40Z, or a
        /// duration such as 24h before now
        #[arg(long, value_name = "TIME")]
        since: Option<Moment>,

        /// Only entries until this time; a date includes the whole day
        #[arg(long, value_name = "TIME")]
        until: Option<Moment>,

        /// Maximum number of entries [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,

        /// Print CSV or JSON Lines instead of a table
        #[arg(long, value_name = "csv|jsonl", value_parser = PossibleValuesParser::new(ExportFormat::NAMES), hide_possible_values = true, conflicts_with = "limit")]
        format: Option<String>,
    },
}

fn actions() -> PossibleValuesParser {
    PossibleValuesParser::new(Action::ALL.iter().map(|action| action.as_str()))
}

/// A point in time, as people type it.
#[derive(Clone, Copy)]
pub enum Moment {
    /// A day or an instant.
    At(DateOrTime),
    /// So long before now.
    Ago(Duration),
}

impl FromStr for Moment {
    type Err = InvalidDateOrTime;

    fn from_str(text: &str) -> Result<Self, InvalidDateOrTime> {
        match (text.parse(), parse_duration(text)) {
            (Ok(at), _) => Ok(Moment::At(at)),
            (_, Ok(duration)) => Ok(Moment::Ago(duration)),
            (Err(error), _) => Err(error),
        }
    }
}

impl Moment {
    fn at(self, now: Timestamp) -> DateOrTime {
        match self {
            Moment::At(at) => at,
            Moment::Ago(duration) => DateOrTime::Time(now.saturating_sub(duration)),
        }
    }
}

impl Audit {
    /// `--format`, if it is given.
    pub fn other_format(&self) -> Option<&'static str> {
        let Audit::List { format, .. } = self;
        format.as_ref().map(|_| "--format")
    }

    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let Audit::List {
            account,
            actor,
            action,
            target,
            request_id,
            since,
            until,
            limit,
            format,
        } = self;
        let filter = AuditFilter {
            account_id: account,
            target: target.as_deref().map(audit::typed_target),
            action,
            actor: actor.as_deref().map(audit::typed_actor),
            request_id,
            since: since.map(|since| since.at(context.now).start()),
            until: until.map(|until| until.at(context.now).end()),
            before: None,
        };
        match format {
            Some(format) => export(&context, filter, ExportFormat::parse(&format)?).await,
            None => list(&context, filter, limit.unwrap_or(usize::MAX)).await,
        }
    }
}

async fn export(
    context: &Context,
    filter: AuditFilter,
    format: ExportFormat,
) -> Result<Output, Error> {
    let permit = context.operator().may(AuditRead)?;
    let mut export = Export::new(&context.store()?, permit, filter, format);
    while let Some(part) = export.next_part().await? {
        if write_part(&part)?.is_break() {
            break;
        }
    }
    Ok(Output::printed())
}

async fn list(context: &Context, mut filter: AuditFilter, limit: usize) -> Result<Output, Error> {
    let store = context.store()?;
    let operator = context.operator();
    let head = [
        "TIME",
        "ACTION",
        "ACTOR",
        "TARGET",
        "ADDRESS",
        "REQUEST_ID",
        "REASON",
    ];
    let mut list = ListWriter::new(context.json, head);
    let mut left = limit;
    loop {
        let permit = operator.may(AuditRead)?;
        let page = audit::list(&store, permit, filter.clone(), left.min(PAGE)).await?;
        let AuditPage { entries, next } = page;
        left -= entries.len();
        let is_unread = list.write(&entries, cells)?.is_break();
        match next {
            Some(next) if left > 0 && !is_unread => filter.before = Some(next),
            _ => return list.finish(),
        }
    }
}

fn cells(entry: &AuditEntry) -> [String; 7] {
    let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        entry.happened_at.to_string(),
        entry.action.clone(),
        entry.actor.clone(),
        entry.target.clone(),
        optional(&entry.address),
        optional(&entry.request_id),
        entry.reason.clone().unwrap_or_default(),
    ]
}
