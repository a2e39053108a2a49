//! `keyward key`

use std::time::Duration;

use clap::{ArgAction, Subcommand};
use serde_json::json;

use super::confirmation::Confirmation;
use super::output::{Output, unused, when};
use super::unused::UnusedArgs;
use super::usage::UsageArgs;
use super::{Context, Lifetime, parse_lifetime};
use crate::clock::parse_duration;
use crate::credential::Credential;
use crate::error::{Code, Error};
use crate::manage::actor::{KeysRead, KeysWrite};
use crate::manage::api_key::{self, ApiKeyPatch, ApiKeyView, NewApiKey, Resources};
use crate::manage::unused_credential::UnusedKind;
use crate::manage::usage::Subject;
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

        /// Resource server of the client that the key is for; can be repeated [default: all of them]
        #[arg(long = "resource", value_name = "URI")]
        resources: Option<Vec<String>>,
    },
    /// List the API keys of a client, or those of all clients that were not used for 90 days
    List {
        #[arg(required_unless_present = "unused")]
        client_id: Option<String>,

        #[command(flatten)]
        unused: UnusedArgs,
    },
    /// Show how often and from where an API key was used
    Usage {
        client_id: String,
        key_id: String,

        #[command(flatten)]
        usage: UsageArgs,
    },
    /// Change an API key; values that are not given stay as they are
    Update {
        client_id: String,
        key_id: String,

        /// Display name; unique among the keys of the client
        #[arg(long)]
        name: Option<String>,

        /// Replace the scope by this subset of the client's scope
        #[arg(long, conflicts_with = "whole_scope")]
        scope: Option<Scope>,

        /// Give the key the whole scope of the client
        #[arg(long)]
        whole_scope: bool,

        /// Remaining lifetime, such as 90d
        #[arg(long, value_name = "DURATION", value_parser = parse_lifetime, conflicts_with = "no_expiry")]
        expires_in: Option<Duration>,

        /// Let the key never expire
        #[arg(long)]
        no_expiry: bool,

        /// Replace the IP addresses and ranges that may present the key; can be repeated
        #[arg(long = "allow-ip", value_name = "RANGE", conflicts_with = "any_ip")]
        allowed_ips: Vec<String>,

        /// Let any IP address present the key
        #[arg(long)]
        any_ip: bool,

        /// Allow it to manage the client's API keys, or not
        #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
        manage_keys: Option<bool>,

        /// Replace the resource servers that the key is for; can be repeated
        #[arg(
            long = "resource",
            value_name = "URI",
            conflicts_with = "all_resources"
        )]
        resources: Option<Vec<String>>,

        /// Let the key be for all resource servers of the client
        #[arg(long)]
        all_resources: bool,
    },
    /// Create an API key that replaces another
    Rotate {
        client_id: String,
        key_id: String,

        /// How long the replaced key stays valid
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
        grace: Duration,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Delete API keys, all of them or none; they are refused at once
    Delete {
        client_id: String,

        #[arg(required = true)]
        key_id: Vec<String>,

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
                resources,
            } => {
                let allowed_ips = ip_ranges(&allowed_ips)?;
                let expires_at = expires_in.duration.map(|span| now.saturating_add(span));
                let new = NewApiKey {
                    name,
                    scope,
                    expires_at,
                    allowed_ips,
                    manage_keys,
                    resources: parse_resources(resources)?,
                };
                let (key, view) =
                    api_key::create(&store, operator.may(KeysWrite)?, &client_id, new).await?;
                Ok(created(&key, &view))
            }
            Key::List {
                client_id: None,
                unused,
            } => {
                unused
                    .list(context.json, &store, &operator, UnusedKind::ApiKey)
                    .await
            }
            Key::List {
                client_id: Some(client_id),
                ..
            } => {
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
                        unused(key.unused),
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
                        "HINT",
                    ],
                    rows,
                ))
            }
            Key::Usage {
                client_id,
                key_id,
                usage,
            } => {
                usage
                    .show(&context, &store, &client_id, Subject::ApiKey(key_id))
                    .await
            }
            Key::Update {
                client_id,
                key_id,
                name,
                scope,
                whole_scope,
                expires_in,
                no_expiry,
                allowed_ips,
                any_ip,
                manage_keys,
                resources,
                all_resources,
            } => {
                let patch = ApiKeyPatch {
                    name,
                    scope: scope.map(Some).or(whole_scope.then_some(None)),
                    expires_at: expires_in
                        .map(|span| Some(now.saturating_add(span)))
                        .or(no_expiry.then_some(None)),
                    allowed_ips: if any_ip || !allowed_ips.is_empty() {
                        Some(ip_ranges(&allowed_ips)?)
                    } else {
                        None
                    },
                    manage_keys,
                    resources: if all_resources {
                        Some(None)
                    } else {
                        parse_resources(resources)?.map(Some)
                    },
                };
                let permit = operator.may(KeysWrite)?;
                let key = api_key::update(&store, permit, &client_id, &key_id, patch).await?;
                let words = format!("Updated the API key {} ({})", key.name, key.id);
                Ok(Output::new(&json!(key), words))
            }
            Key::Rotate {
                client_id,
                key_id,
                grace,
                confirmation,
            } => {
                if grace.is_zero() {
                    confirmation.ask(&format!(
                        "This replaces the API key {key_id}, which is refused at once."
                    ))?;
                }
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
                let named = key_id.join(", ");
                let noun = match key_id.len() {
                    1 => "API key",
                    _ => "API keys",
                };
                confirmation.ask(&format!("This deletes the {noun} {named}."))?;
                let ids = key_id.into_iter().collect();
                let permit = operator.may(KeysWrite)?;
                api_key::delete_all(&store, permit, &client_id, ids).await?;
                Ok(Output::done(format!("Deleted the {noun} {named}")))
            }
        }
    }
}

fn ip_ranges(words: &[String]) -> Result<IpRanges, Error> {
    IpRanges::from_words(words.iter().map(String::as_str))
        .map_err(|reason| Error::new(Code::InvalidRequest, reason))
}

fn parse_resources(identifiers: Option<Vec<String>>) -> Result<Option<Resources>, Error> {
    let parsed = identifiers.map(|all| Resources::parse_all(&all));
    parsed
        .transpose()
        .map_err(|error| Error::new(Code::InvalidRequest, error.to_string()))
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
