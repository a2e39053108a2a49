//! Access tokens: a record of each that was issued, never the token itself, and the revocations.
//!
//! Introspection and revocation do not need the record: they rest on the signature and on what is
//! revoked.

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
    /// A UUIDv7: in order of time.
    pub jti: String,
    /// For whom it was issued.
    pub client_id: String,
    /// What it may.
    pub scope: String,
    /// For which resource servers, with a space between.
    pub audience: String,
    /// When.
    pub issued_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The [`Client::token_epoch`](super::client::Client::token_epoch) that it was issued under.
    #[serde(skip)]
    pub token_epoch: i64,
    /// The API key that it was exchanged for, and without which it is refused.
    pub api_key_id: Option<String>,
}

/// The millisecond in which a token was issued, which its `jti`, a UUIDv7, carries.
pub fn issued_at(jti: Uuid) -> Timestamp {
    Timestamp::from_millis(i64::try_from(jti.as_u128() >> 80).unwrap_or(i64::MAX))
}

/// Adds many at once; those that are there already stay as they are.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert_all(database: &mut Database, rows: &[Token]) -> Result<(), StoreError> {
    match database {
        Database::Sqlite(database) => {
            for row in rows {
                diesel::insert_or_ignore_into(tokens::table)
                    .values(row)
                    .execute(database)?;
            }
        }
        // One statement with eight parameters, whatever the number of rows.
        Database::Postgres(database) => {
            let text = |column: fn(&Token) -> &str| rows.iter().map(column).collect::<Vec<_>>();
            let instant = |column: fn(&Token) -> Timestamp| {
                rows.iter()
                    .map(|row| column(row).millis())
                    .collect::<Vec<_>>()
            };
            diesel::sql_query(
                "INSERT INTO tokens (jti, client_id, scope, audience, issued_at, expires_at, token_epoch, api_key_id) \
                 SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (jti) DO NOTHING",
            )
            .bind::<Array<Text>, _>(text(|row| &row.jti))
            .bind::<Array<Text>, _>(text(|row| &row.client_id))
            .bind::<Array<Text>, _>(text(|row| &row.scope))
            .bind::<Array<Text>, _>(text(|row| &row.audience))
            .bind::<Array<BigInt>, _>(instant(|row| row.issued_at))
            .bind::<Array<BigInt>, _>(instant(|row| row.expires_at))
            .bind::<Array<BigInt>, _>(rows.iter().map(|row| row.token_epoch).collect::<Vec<_>>())
            .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.api_key_id.as_deref()).collect::<Vec<_>>())
            .execute(database)?;
        }
    }
    Ok(())
}

/// By its `jti`.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, jti: &str) -> Result<Option<Token>, StoreError> {
    Ok(tokens::table
        .find(jti)
        .select(Token::as_select())
        .first(database)
        .optional()?)
}

/// The live ones of a client, the newest first, from before the token `before`. There is no index by client, which every issued
/// token would pay for: this walks what is live.
///
/// # Errors
/// Where the database gave no answer.
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

/// Revokes one; tells whether it was not so before.
///
/// # Errors
/// Where the database gave no answer.
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

/// Whether it was revoked.
///
/// # Errors
/// Where the database gave no answer.
pub fn is_revoked(database: &mut Database, jti: &str) -> Result<bool, StoreError> {
    Ok(revocations::table
        .find(jti)
        .select(revocations::jti)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// The revocations of tokens that live at `now`, `limit` at the most.
///
/// # Errors
/// Where the database gave no answer.
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

/// Removes records of tokens that have expired by `moment`, of the `limit` oldest; tells how many. It
/// looks no further: while the oldest live, a purge costs the same however many rows there are.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(database: &mut Database, moment: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let sentence = "DELETE FROM tokens WHERE expires_at <= $1 AND jti IN (SELECT jti FROM tokens ORDER BY jti LIMIT $2)";
    Ok(diesel::sql_query(sentence)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}

/// Removes revocations in the same way.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge_revocations(
    database: &mut Database,
    moment: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let sentence = "DELETE FROM revocations WHERE expires_at <= $1 AND jti IN (SELECT jti FROM revocations ORDER BY jti LIMIT $2)";
    Ok(diesel::sql_query(sentence)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?)
}
