//! `keyward announcement`

use clap::Subcommand;

use super::Context;
use super::confirmation::Confirmation;
use super::output::Output;
use crate::clock::DateOrTime;
use crate::error::Error;
use crate::manage::actor::{AnnouncementsRead, AnnouncementsWrite};
use crate::manage::announcement::{self, AnnouncementChanges, NewAnnouncement, Severity};

#[derive(Subcommand)]
pub enum Announcement {
    /// Create an announcement, which the portal shows to its users until it ends or they dismiss it
    Create {
        /// How serious it is: info, warning or critical
        #[arg(
            long,
            value_name = "SEVERITY",
            default_value = "info",
            hide_possible_values = true
        )]
        severity: Severity,

        /// Text in English: plain text on one line, up to 500 characters
        #[arg(long, value_name = "TEXT")]
        text_en: String,

        /// Text in French, with the same limits
        #[arg(long, value_name = "TEXT")]
        text_fr: String,

        /// Account whose users see it, by id or name [default: all accounts]
        #[arg(long)]
        account: Option<String>,

        /// When it begins: a date or a time in UTC, such as 2026-11-21T20:00:00Z [default: now]
        #[arg(long, value_name = "TIME")]
        from: Option<DateOrTime>,

        /// When it ends
        #[arg(long, value_name = "TIME")]
        until: DateOrTime,
    },
    /// List announcements, also those that ended in the last 30 days
    List,
    /// Change an announcement; values that are not given stay as they are
    #[command(arg_required_else_help = true)]
    Update {
        id: String,

        /// How serious it is: info, warning or critical
        #[arg(long, value_name = "SEVERITY", hide_possible_values = true)]
        severity: Option<Severity>,

        /// Text in English
        #[arg(long, value_name = "TEXT")]
        text_en: Option<String>,

        /// Text in French
        #[arg(long, value_name = "TEXT")]
        text_fr: Option<String>,

        /// When it begins
        #[arg(long, value_name = "TIME")]
        from: Option<DateOrTime>,

        /// When it ends
        #[arg(long, value_name = "TIME")]
        until: Option<DateOrTime>,
    },
    /// Delete an announcement
    Delete {
        id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
}

impl Announcement {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let store = context.store()?;
        let operator = context.operator();
        match self {
            Announcement::Create {
                severity,
                text_en,
                text_fr,
                account,
                from,
                until,
            } => {
                let new = NewAnnouncement {
                    severity,
                    text_en,
                    text_fr,
                    account,
                    starts_at: from.map(DateOrTime::start),
                    ends_at: until.end(),
                };
                let created =
                    announcement::create(&store, operator.may(AnnouncementsWrite)?, new).await?;
                let words = format!("Created the announcement {}", created.id);
                Ok(Output::new(&created, words))
            }
            Announcement::List => {
                let all = announcement::list(&store, operator.may(AnnouncementsRead)?).await?;
                let rows = all.iter().map(|one| {
                    [
                        one.id.clone(),
                        one.severity.as_str().to_owned(),
                        one.account_id.clone().unwrap_or_else(|| "all".to_owned()),
                        one.starts_at.to_string(),
                        one.ends_at.to_string(),
                        one.text_en.clone(),
                    ]
                });
                let head = ["ID", "SEVERITY", "ACCOUNT", "FROM", "UNTIL", "TEXT"];
                Ok(Output::table(&all, head, rows))
            }
            Announcement::Update {
                id,
                severity,
                text_en,
                text_fr,
                from,
                until,
            } => {
                let changes = AnnouncementChanges {
                    severity,
                    text_en,
                    text_fr,
                    starts_at: from.map(DateOrTime::start),
                    ends_at: until.map(DateOrTime::end),
                };
                let permit = operator.may(AnnouncementsWrite)?;
                let changed = announcement::update(&store, permit, &id, changes).await?;
                let words = format!("Updated the announcement {id}");
                Ok(Output::new(&changed, words))
            }
            Announcement::Delete { id, confirmation } => {
                confirmation.ask(&format!("This deletes the announcement {id}."))?;
                announcement::delete(&store, operator.may(AnnouncementsWrite)?, &id).await?;
                Ok(Output::done(format!("Deleted the announcement {id}")))
            }
        }
    }
}
