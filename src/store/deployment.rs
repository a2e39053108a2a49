//! What the nodes serve with: commands beside them must reckon with the same issuer and times, though
//! their own settings say otherwise.

use std::time::Duration;

use diesel::prelude::*;

use super::schema::deployment;
use super::{Database, StoreError, Transaction, client, resource_server};
use crate::clock::Timestamp;

/// The one row of `deployment`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = deployment)]
pub struct Deployment {
    id: i32,
    /// The issuer.
    pub issuer: String,
    jwks_max_age: i64,
    token_ttl: i64,
    written_at: Timestamp,
}

impl Deployment {
    /// What a node serves with that starts now.
    pub fn new(issuer: String, jwks_max_age: Duration, token_ttl: Duration, now: Timestamp) -> Self {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Deployment { id: 1, issuer, jwks_max_age: seconds(jwks_max_age), token_ttl: seconds(token_ttl), written_at: now }
    }

    /// How long resource servers may keep the published keys.
    pub fn jwks_max_age(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.jwks_max_age).unwrap_or(0))
    }

    /// How long a token lives.
    pub fn token_ttl(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.token_ttl).unwrap_or(0))
    }
}

/// What the nodes serve with, where one has started.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database) -> Result<Option<Deployment>, StoreError> {
    Ok(deployment::table.find(1).select(Deployment::as_select()).first(database).optional()?)
}

/// The audience of the management API; unknown before the first node has started.
///
/// # Errors
/// Where the database gave no answer.
pub fn management_audience(database: &mut Database) -> Result<Option<String>, StoreError> {
    Ok(find(database)?.map(|deployment| resource_server::management_audience(&deployment.issuer)))
}

/// Writes it down. Where the issuer changes, the clients of the management API keep it: it is the same
/// resource under its new name. A time that was longer before counts until what was issued or fetched under it
/// has ended: a node that serves with it may not have been restarted yet.
///
/// # Errors
/// Where the database gave no answer.
pub fn write(transaction: &mut Transaction<'_>, own: &Deployment) -> Result<(), StoreError> {
    let Some(before) = find(transaction.database)? else {
        diesel::insert_into(deployment::table).values(own).execute(transaction.database)?;
        return Ok(());
    };
    if before.issuer != own.issuer {
        let [old, new] = [&before.issuer, &own.issuer].map(|issuer| resource_server::management_audience(issuer));
        client::rename_resource(transaction, &old, &new)?;
    }
    let age = own.written_at.since(before.written_at);
    let longest = |own: i64, before: i64, counts: bool| if counts { own.max(before) } else { own };
    let row = Deployment {
        jwks_max_age: longest(own.jwks_max_age, before.jwks_max_age, age < before.jwks_max_age()),
        token_ttl: longest(own.token_ttl, before.token_ttl, age < before.token_ttl()),
        ..own.clone()
    };
    diesel::update(deployment::table.find(1)).set(&row).execute(transaction.database)?;
    Ok(())
}
