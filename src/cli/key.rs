//! `keyward key`

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::confirmation::Confirmation;
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
    /// Create an API key
    Create {
        client_id: String,

        /// Display name; unique among the keys of the client
        #[arg(long)]
        name: String,

        /// Subset of the client's scope [default: the whole scope]
        #[arg(long)]
        scope: Option<Scope>,

        #[command(flatten)]
        expires_in: Lifetime,

        /// IP address or range that may present the key; can be repeated [default: any address]
        #[arg(long = "allow-ip", value_name = "RANGE")]
        allowed_ips: Vec<String>,

        /// Allow it to manage the client's API keys
        #[arg(long)]
        manage_keys: bool,
    },
    /// List the API keys of a client
    List { client_id: String },
    /// Create an API key that replaces another
    Rotate {
        client_id: String,
        key_id: String,

        /// How long the replaced key stays valid
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
        grace: Duration,
    },
    /// Delete an API key; it is refused at once
    Delete {
        client_id: String,
        key_id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
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
                let expires_at = expires_in.duration.map(|span| now.saturating_add(span));
                let new = NewApiKey {
                    name,
                    scope,
                    expires_at,
                    allowed_ips,
                    manage_keys,
                };
                let (key, view) =
                    api_key::create(&store, operator.may(KeysWrite)?, &client_id, new).await?;
                Ok(created(&key, &view))
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
                        "PREFIX",
                        "CREATED BY",
                        "CREATED",
                        "LAST USED",
                        "EXPIRES",
                    ],
                    rows,
                ))
            }
            Key::Rotate {
                client_id,
                key_id,
                grace,
            } => {
                let (key, view) =
                    api_key::rotate(&store, operator.may(KeysWrite)?, &client_id, &key_id, grace)
                        .await?;
                Ok(created(&key, &view))
            }
            Key::Delete {
                client_id,
                key_id,
                confirmation,
            } => {
                confirmation.ask(&format!("This deletes the API key {key_id}."))?;
                api_key::delete(&store, operator.may(KeysWrite)?, &client_id, &key_id).await?;
                Ok(Output::done(format!("Deleted the API key {key_id}")))
            }
        }
    }
}

fn created(key: &Credential, view: &ApiKeyView) -> Output {
    let header = api_key::authorization_header(key);
    let authorization = header.expose();
    let words = format!(
        "Created the API key {} ({}). It is shown only once:\n  {}\n  Authorization: {authorization}",
        view.name,
        view.id,
        key.expose()
    );
    let mut document = json!(view);
    document["api_key"] = json!(key.expose());
    document["authorization"] = json!(authorization);
    Output::new(&document, words)
}
