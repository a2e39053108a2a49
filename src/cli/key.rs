//! `keyward key`

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::output::{Output, when};
use super::{Context, Lifetime};
use crate::clock::parse_duration;
use crate::credential::Credential;
use crate::error::{Code, Error};
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyView, NewApiKey};
use crate::scope::Scope;
use crate::store::api_key::IpRanges;

#[derive(Subcommand)]
pub enum Key {
    /// Make an API key
    Create {
        client_id: String,

        /// What to call it; unique among the client's keys
        #[arg(long)]
        name: String,

        /// A part of the client's scope [default: all of it]
        #[arg(long)]
        scope: Option<Scope>,

        #[command(flatten)]
        expires_in: Lifetime,

        /// An address or range from which it may be presented; may be repeated [default: anywhere]
        #[arg(long = "allow-ip", value_name = "RANGE")]
        allowed_ips: Vec<String>,

        /// Let it manage the client's keys
        #[arg(long)]
        manage_keys: bool,
    },
    /// List the API keys of a client
    List { client_id: String },
    /// Make a key that takes the place of another
    Rotate {
        client_id: String,
        key_id: String,

        /// For how long the old one goes on
        #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse_duration)]
        grace: Duration,
    },
    /// End an API key
    Delete { client_id: String, key_id: String },
}

impl Key {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let store = context.store()?;
        let operator = context.operator();
        let now = context.now;
        match self {
            Key::Create {
                client_id,
                name,
                scope,
                expires_in,
                allowed_ips,
                manage_keys,
            } => {
                let ranges = IpRanges::from_words(allowed_ips.iter().map(String::as_str));
                let allowed_ips =
                    ranges.map_err(|reason| Error::new(Code::InvalidRequest, reason))?;
                let expires_at = expires_in.span.map(|span| now.saturating_add(span));
                let new = NewApiKey {
                    name,
                    scope,
                    expires_at,
                    allowed_ips,
                    manage_keys,
                };
                let (key, view) =
                    api_key::create(&store, operator.may(KeysWrite)?, &client_id, new, now).await?;
                Ok(made(&key, &view))
            }
            Key::List { client_id } => {
                let keys = api_key::list(&store, operator.may(KeysRead)?, &client_id).await?;
                let rows = keys.iter().map(|key| {
                    [
                        key.id.clone(),
                        key.name.clone(),
                        key.shown.clone(),
                        key.created_by.clone(),
                        key.created_at.to_string(),
                        when(key.last_used_at),
                        when(key.expires_at),
                    ]
                });
                Ok(Output::table(
                    &keys,
                    [
                        "ID",
                        "NAME",
                        "BEGINS",
                        "MADE BY",
                        "MADE",
                        "LAST USED",
                        "ENDS",
                    ],
                    rows,
                ))
            }
            Key::Rotate {
                client_id,
                key_id,
                grace,
            } => {
                let (key, view) = api_key::rotate(
                    &store,
                    operator.may(KeysWrite)?,
                    &client_id,
                    &key_id,
                    grace,
                    now,
                )
                .await?;
                Ok(made(&key, &view))
            }
            Key::Delete { client_id, key_id } => {
                api_key::delete(&store, operator.may(KeysWrite)?, &client_id, &key_id, now).await?;
                Ok(Output::done(format!("Deleted the API key {key_id}")))
            }
        }
    }
}

fn made(key: &Credential, view: &ApiKeyView) -> Output {
    let authorization = api_key::authorization_header(key.expose());
    let words = format!(
        "Made the API key {} ({}), shown this once:\n  {}\n  Authorization: {authorization}",
        view.name,
        view.id,
        key.expose()
    );
    let mut document = json!(view);
    document["api_key"] = json!(key.expose());
    document["authorization"] = json!(authorization);
    Output::new(&document, words)
}
