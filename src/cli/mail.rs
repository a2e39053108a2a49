//! `keyward mail`

use clap::Subcommand;

use super::Context;
use super::output::{Output, when};
use crate::error::Error;
use crate::manage::actor::{AccountsWrite, StatusRead};
use crate::manage::mail::{self, MailView};

#[derive(Subcommand)]
pub enum Mail {
    /// List the latest messages
    List {
        /// Number of messages
        #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Send a test message
    Test {
        /// E-mail address of the recipient
        #[arg(long, value_name = "EMAIL")]
        to: String,
    },
}

impl Mail {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let store = context.store()?;
        let operator = context.operator();
        match self {
            Mail::List { limit } => {
                let permit = operator.may(StatusRead)?;
                let mails = mail::list(&store, permit, None, limit.into()).await?;
                Ok(Output::table(
                    &mails,
                    [
                        "ID",
                        "KIND",
                        "TO",
                        "STATE",
                        "ATTEMPTS",
                        "REPLY",
                        "NEXT ATTEMPT",
                    ],
                    mails.iter().map(cells),
                ))
            }
            Mail::Test { to } => {
                let sent = mail::test(&store, operator.may(AccountsWrite)?, &to).await?;
                Ok(Output::new(
                    &sent,
                    format!(
                        "A running server sends the message {}; keyward mail list shows the outcome",
                        sent.id
                    ),
                ))
            }
        }
    }
}

fn cells(view: &MailView) -> [String; 7] {
    let reply = match (view.response_status, view.failure) {
        (Some(status), _) => status.to_string(),
        (None, Some(failure)) => failure.as_str().to_owned(),
        (None, None) => "-".to_owned(),
    };
    let kind = view.action.as_deref().unwrap_or(view.kind.as_str());
    let next = match view.next_attempt_at {
        None => "-".to_owned(),
        next => when(next),
    };
    [
        view.id.clone(),
        kind.to_owned(),
        view.recipient.clone(),
        view.state.as_str().to_owned(),
        view.attempts.to_string(),
        reply,
        next,
    ]
}
