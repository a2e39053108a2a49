//! The names of the objects and actors in audit entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::AuditEntry;
use crate::error::Error;
use crate::manage::actor::Permit;
use crate::manage::rights::AuditRead;
use crate::store::{Store, account, api_key, client, client_secret, trust_rule, user};

/// A credential or a rule of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOfClient {
    /// The client.
    pub client_id: String,
    /// The display name; none if the object has none.
    pub name: Option<String>,
}

/// Names of existing objects by their ids. What the actor cannot see, or was deleted, is missing.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The names of accounts.
    pub accounts: BTreeMap<String, String>,
    /// The names of clients.
    pub clients: BTreeMap<String, String>,
    /// API keys.
    pub api_keys: BTreeMap<String, PartOfClient>,
    /// Client secrets.
    pub secrets: BTreeMap<String, PartOfClient>,
    /// Trust rules.
    pub trust_rules: BTreeMap<String, PartOfClient>,
    /// The ids of users by their e-mail addresses.
    pub users: BTreeMap<String, String>,
}

/// The names of the targets, actors and clients of these entries.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn names(
    store: &Arc<Store>,
    permit: Permit<AuditRead>,
    entries: &[AuditEntry],
) -> Result<Names, Error> {
    let named: BTreeSet<String> = entries.iter().flat_map(named_in).collect();
    let named: Vec<String> = named.into_iter().collect();
    store
        .read(move |database| {
            let account = permit.account();
            let part = |(id, client_id, name): (String, String, Option<String>)| {
                (id, PartOfClient { client_id, name })
            };
            let api_keys = api_key::find_names(database, &named)?;
            let secrets = client_secret::find_clients(database, &named)?;
            let trust_rules = trust_rule::find_clients(database, &named)?;
            let mut names = Names {
                accounts: account::find_names(database, &named)?.into_iter().collect(),
                clients: BTreeMap::new(),
                api_keys: api_keys
                    .into_iter()
                    .map(|(id, client_id, name)| part((id, client_id, Some(name))))
                    .collect(),
                secrets: secrets
                    .into_iter()
                    .map(|(id, client_id)| part((id, client_id, None)))
                    .collect(),
                trust_rules: trust_rules
                    .into_iter()
                    .map(|(id, client_id)| part((id, client_id, None)))
                    .collect(),
                users: user::find_ids(database, account, &named)?
                    .into_iter()
                    .collect(),
            };
            let parts = [&names.api_keys, &names.secrets, &names.trust_rules];
            let owners = parts.into_iter().flat_map(BTreeMap::values);
            let client_ids: Vec<String> = owners
                .map(|part| part.client_id.clone())
                .chain(named.iter().cloned())
                .collect();
            names.clients = client::find_names(database, account, &client_ids)?
                .into_iter()
                .collect();
            let clients = &names.clients;
            for parts in [
                &mut names.api_keys,
                &mut names.secrets,
                &mut names.trust_rules,
            ] {
                // The client of another account is none that the actor can see.
                parts.retain(|_, part| clients.contains_key(&part.client_id));
            }
            names.accounts.retain(|id, _| permit.can_access(id));
            Ok(names)
        })
        .await
}

/// The ids and addresses in an entry that may have a name.
fn named_in(entry: &AuditEntry) -> Vec<String> {
    // An actor is a kind and an id, such as `client ID` or `API key ID`.
    let actor = entry.actor.rsplit_once(' ').map(|(_, id)| id.to_owned());
    [
        Some(entry.target.clone()),
        actor,
        entry.client_id.clone(),
        entry.account_id.clone(),
    ]
    .into_iter()
    .flatten()
    // Postgres takes no NUL in a text.
    .filter(|text| !text.is_empty() && !text.contains('\0'))
    .collect()
}
