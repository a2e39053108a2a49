//! What the nodes serve with: commands beside them must reckon with the same issuer and times, though
//! their own settings say otherwise.

use std::time::Duration;

use diesel::prelude::*;

use super::schema::deployment;
use super::{Database, StoreError, Transaction};
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

/// Writes it down. A time that was longer before counts until what was issued or fetched under it
/// has ended: a node that serves with it may not have been restarted yet.
///
/// # Errors
/// Where the database gave no answer.
pub fn write(transaction: &mut Transaction<'_>, own: &Deployment) -> Result<(), StoreError> {
    let Some(before) = find(transaction.database)? else {
        diesel::insert_into(deployment::table).values(own).execute(transaction.database)?;
        return Ok(());
    };
    // By one clock, where there is one: the nodes' may differ.
    let own =
        &Deployment { written_at: super::clock::database_now(transaction.database)?.unwrap_or(own.written_at), ..own.clone() };
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
