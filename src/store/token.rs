//! Records of the access tokens that were issued, never the tokens themselves, and revocations.
//!
//! Introspection and revocation do not need the records: they check the signature and the
//! revocations.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use serde::Serialize;
use uuid::Uuid;

use super::schema::{revocations, tokens};
use super::{Change, Database, StoreError, Transaction};
use crate::clock::Timestamp;

/// A row of `tokens`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Serialize, schemars::JsonSchema)]
pub struct Token {
    /// The `jti` of the token: a UUIDv7, so that ids are in the order of time.
    pub jti: String,
    /// The client that it was issued to.
    pub client_id: String,
    /// The scope of the token.
    pub scope: String,
    /// The resource servers in its `aud`, separated by spaces.
    pub audience: String,
    /// When the token was issued.
    pub issued_at: Timestamp,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// The [`Client::token_epoch`](super::client::Client::token_epoch) that it was issued under.
    #[serde(skip)]
    pub token_epoch: i64,
    /// The API key that was exchanged for the token. The token is active only while the key is.
    pub api_key_id: Option<String>,
    /// The claim `cnf` as JSON: the key that the token is bound to; none for a Bearer token.
    #[serde(skip)]
    pub cnf: Option<String>,
}

/// The millisecond in which a token was issued, read from its `jti`, a UUIDv7 (RFC 9562 section
/// 5.7).
pub fn issued_at(jti: Uuid) -> Timestamp {
    Timestamp::from_millis(i64::try_from(jti.as_u128() >> 80).unwrap_or(i64::MAX))
}

/// Inserts many records at once, and leaves those that exist already unchanged.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert_all(database: &mut Database, rows: &[Token]) -> Result<(), StoreError> {
    match database {
        Database::Sqlite(database) => {
            for row in rows {
                diesel::insert_or_ignore_into(tokens::table)
                    .values(row)
                    .execute(database)?;
            }
        }
        // One statement with nine parameters, whatever the number of rows.
        Database::Postgres(database) => {
            let text = |column: fn(&Token) -> &str| rows.iter().map(column).collect::<Vec<_>>();
            let instant = |column: fn(&Token) -> Timestamp| {
                rows.iter()
                    .map(|row| column(row).millis())
                    .collect::<Vec<_>>()
            };
            diesel::sql_query(
                "INSERT INTO tokens (jti, client_id, scope, audience, issued_at, expires_at, token_epoch, api_key_id, cnf) \
                 SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (jti) DO NOTHING",
            )
            .bind::<Array<Text>, _>(text(|row| &row.jti))
            .bind::<Array<Text>, _>(text(|row| &row.client_id))
            .bind::<Array<Text>, _>(text(|row| &row.scope))
            .bind::<Array<Text>, _>(text(|row| &row.audience))
            .bind::<Array<BigInt>, _>(instant(|row| row.issued_at))
            .bind::<Array<BigInt>, _>(instant(|row| row.expires_at))
            .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.token_epoch).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.api_key_id.as_deref()).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.cnf.as_deref()).collect::<Vec<_>>())
            .execute(database)?;
        }
    }
    Ok(())
}

/// The record of the token with this `jti`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database, jti: &str) -> Result<Option<Token>, StoreError> {
    Ok(tokens::table
        .find(jti)
        .select(Token::as_select())
        .first(database)
        .optional()?)
}

/// The records of a client's tokens that have not expired at `now` and are older than the token
/// `before`, the newest first. There is no index by client, since every issued token would have to
/// update it: this scans the unexpired records.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(
    database: &mut Database,
    client_id: &str,
    now: Timestamp,
    before: &str,
    limit: i64,
) -> Result<Vec<Token>, StoreError> {
    Ok(tokens::table
        .filter(tokens::client_id.eq(client_id))
        .filter(tokens::expires_at.gt(now))
        .filter(tokens::jti.lt(before))
        .order(tokens::jti.desc())
        .limit(limit)
        .select(Token::as_select())
        .load(database)?)
}

/// Revokes a token; returns whether it was not revoked before.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn revoke(
    transaction: &mut Transaction<'_>,
    jti: &str,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    if is_revoked(transaction.database, jti)? {
        return Ok(false);
    }
    diesel::insert_into(revocations::table)
        .values((
            revocations::jti.eq(jti),
            revocations::expires_at.eq(expires_at),
        ))
        .execute(transaction.modify())?;
    transaction.changed(Change::Revocation {
        jti: jti.to_owned(),
        expires_at,
    });
    Ok(true)
}

/// Whether the token was revoked individually.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn is_revoked(database: &mut Database, jti: &str) -> Result<bool, StoreError> {
    Ok(revocations::table
        .find(jti)
        .select(revocations::jti)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// The `jti` and expiry of up to `limit` revoked tokens that have not expired at `now`.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn live_revocations(
    database: &mut Database,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(String, Timestamp)>, StoreError> {
    Ok(revocations::table
        .filter(revocations::expires_at.gt(now))
        .limit(limit)
        .select((revocations::jti, revocations::expires_at))
        .load(database)?)
}

/// Deletes, of the `limit` oldest records, those of tokens that expired before `before`; returns
/// how many. It scans no further, so its cost does not grow with the number of unexpired records.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sql = "DELETE FROM tokens WHERE expires_at <= $1 AND jti IN (SELECT jti FROM tokens ORDER BY jti LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}

/// Deletes revocations in the same way as [`purge`].
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge_revocations(
    database: &mut Database,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let sql = "DELETE FROM revocations WHERE expires_at <= $1 AND jti IN (SELECT jti FROM revocations ORDER BY jti LIMIT $2)";
    Ok(diesel::sql_query(sql)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
