//! What an actor can grant to a client.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::Error;
use crate::manage::actor::Permit;
use crate::manage::policy::management_audience;
use crate::manage::rights::{ClientsWrite, Right};
use crate::scope::is_right;
use crate::store::client;
use crate::store::resource_server;
use crate::store::{Database, Store};

/// What an actor can grant to a client, as a form offers it.
#[derive(Default)]
pub struct Grantable {
    /// Scope tokens that are not rights over Keyward.
    pub scope: BTreeSet<String>,
    /// Scope tokens that are rights over Keyward.
    pub rights: BTreeSet<String>,
    /// Identifiers of resource servers.
    pub resources: BTreeSet<String>,
}

/// What the actor can grant to clients: for an operator what the resource servers describe, for others
/// what clients of the account have already.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn grantable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
) -> Result<Grantable, Error> {
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            match permit.account() {
                None => grantable_by_operator(database, &permit),
                Some(account) => grantable_within(database, &permit, account),
            }
        })
        .await
}

fn grantable_by_operator(
    database: &mut Database,
    permit: &Permit<ClientsWrite>,
) -> Result<Grantable, Error> {
    let mut grantable = Grantable::default();
    for server in resource_server::list(database)? {
        grantable
            .scope
            .extend(server.scope.iter().map(str::to_owned));
        grantable.resources.insert(server.identifier);
    }
    grantable
        .resources
        .extend(management_audience(database, permit)?);
    grantable
        .rights
        .extend(Right::ALL.iter().map(|right| right.as_str().to_owned()));
    Ok(grantable)
}

fn grantable_within(
    database: &mut Database,
    permit: &Permit<ClientsWrite>,
    account: &str,
) -> Result<Grantable, Error> {
    let mut grantable = Grantable::default();
    for (scope, resources) in client::grants(database, account)? {
        if permit.check_grantable(&scope).is_err() {
            continue;
        }
        for token in scope.iter() {
            let tokens = if is_right(token) {
                &mut grantable.rights
            } else {
                &mut grantable.scope
            };
            tokens.insert(token.to_owned());
        }
        grantable
            .resources
            .extend(resources.iter().map(str::to_owned));
    }
    Ok(grantable)
}
