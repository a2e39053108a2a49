//! The active API keys and client secrets of the installation that were not used for 90 days.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantNames};

use super::credential_use::unused_before;
use super::names::{UnknownName, named_in_json};
use super::{Database, StoreError};
use crate::clock::Timestamp;

/// The kind of an unused credential.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr, VariantNames,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownName, parse_err_fn = unknown_kind)]
pub enum UnusedKind {
    /// An API key.
    ApiKey,
    /// A client secret.
    ClientSecret,
}

fn unknown_kind(_: &str) -> UnknownName {
    let names = UnusedKind::VARIANTS.join(" or ");
    UnknownName(format!("the kind of a credential is {names}"))
}

named_in_json!(UnusedKind);

impl UnusedKind {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The table, and since when a credential in it is not used, as it is indexed.
    const fn source(self) -> (&'static str, &'static str) {
        match self {
            UnusedKind::ApiKey => ("api_keys", "COALESCE(c.last_used_at, c.created_at)"),
            UnusedKind::ClientSecret => (
                "client_secrets",
                "COALESCE(c.last_used_at, CASE WHEN c.use_recorded_from > c.created_at THEN c.use_recorded_from ELSE c.created_at END)",
            ),
        }
    }
}

/// An active API key or client secret that was not used for 90 days.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct UnusedCredential {
    /// What it is.
    pub kind: UnusedKind,
    /// The id of the API key or the secret.
    pub id: String,
    /// The display name; a secret may have none.
    pub name: Option<String>,
    /// The client that it belongs to.
    pub client_id: String,
    /// The display name of the client.
    pub client_name: String,
    /// The id of the client's account.
    pub account: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to the minute; null if it never was.
    pub last_used_at: Option<Timestamp>,
    /// When it expires; null if it does not.
    pub expires_at: Option<Timestamp>,
    /// Since when it is known not to be used.
    pub unused_since: Timestamp,
}

impl UnusedCredential {
    /// The place in the list.
    pub fn position(&self) -> UnusedPosition {
        UnusedPosition {
            unused_since: self.unused_since,
            kind: self.kind,
            id: self.id.clone(),
        }
    }
}

/// A place in the list of unused credentials, which is ordered by time, kind and id. Ids have the order of
/// the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedPosition {
    unused_since: Timestamp,
    kind: UnusedKind,
    id: String,
}

impl UnusedPosition {
    /// After which time and id the credentials of a kind are in the list after this position.
    fn begin(&self, kind: UnusedKind) -> (Timestamp, &str) {
        match kind.cmp(&self.kind) {
            Ordering::Less => {
                let next = self.unused_since.saturating_add(Duration::from_millis(1));
                (next, "")
            }
            Ordering::Equal => (self.unused_since, &self.id),
            Ordering::Greater => (self.unused_since, ""),
        }
    }
}

impl fmt::Display for UnusedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.unused_since.as_millis();
        write!(f, "{millis}-{}-{}", self.kind.as_str(), self.id)
    }
}

/// A text that is no [`UnusedPosition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPosition;

impl FromStr for UnusedPosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (millis, rest) = text.split_once('-').ok_or(InvalidPosition)?;
        let (kind, id) = rest.split_once('-').ok_or(InvalidPosition)?;
        let millis: i64 = millis.parse().map_err(|_| InvalidPosition)?;
        if id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(InvalidPosition);
        }
        Ok(UnusedPosition {
            unused_since: Timestamp::from_millis(millis),
            kind: kind.parse().map_err(|_| InvalidPosition)?,
            id: id.to_owned(),
        })
    }
}

/// How many API keys and client secrets are not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct UnusedCounts {
    /// How many active API keys were not used for 90 days.
    pub api_keys: i64,
    /// How many active client secrets were not used for 90 days.
    pub client_secrets: i64,
}

impl UnusedCounts {
    /// How many there are of both kinds.
    pub const fn total(self) -> i64 {
        self.api_keys + self.client_secrets
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Text)]
    client_id: String,
    #[diesel(sql_type = Text)]
    client_name: String,
    #[diesel(sql_type = Text)]
    account_id: String,
    #[diesel(sql_type = BigInt)]
    created_at: Timestamp,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_used_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<BigInt>)]
    expires_at: Option<Timestamp>,
    #[diesel(sql_type = BigInt)]
    unused_since: Timestamp,
}

/// The unused credentials of these kinds, of one account or of all, those that are unused for the longest
/// time first; at most `limit` after a position.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(
    database: &mut Database,
    kinds: &[UnusedKind],
    account_id: Option<&str>,
    after: Option<&UnusedPosition>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<UnusedCredential>, StoreError> {
    let mut found = Vec::new();
    for kind in kinds {
        let rows = list_kind(database, *kind, account_id, after, limit, now)?;
        found.extend(rows.into_iter().map(|row| UnusedCredential {
            kind: *kind,
            id: row.id,
            name: row.name,
            client_id: row.client_id,
            client_name: row.client_name,
            account: row.account_id,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            unused_since: row.unused_since,
        }));
    }
    // Those of one kind are in order.
    found.sort_by_key(|credential| (credential.unused_since, credential.kind));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn list_kind(
    database: &mut Database,
    kind: UnusedKind,
    account_id: Option<&str>,
    after: Option<&UnusedPosition>,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Row>, StoreError> {
    let (table, since) = kind.source();
    // Those of an account are found by its clients: its own may be the last of the whole installation. SQLite
    // keeps to the order of a CROSS JOIN.
    let (tables, owner) = match account_id {
        Some(_) => (
            format!("clients o CROSS JOIN {table} c"),
            "o.account_id = $5",
        ),
        None => (format!("{table} c CROSS JOIN clients o"), "$5 = ''"),
    };
    // SQLite numbers the parameters by their first occurrence, Postgres by their names.
    let query = format!(
        "SELECT c.id, c.name, c.client_id, o.name AS client_name, o.account_id, c.created_at, c.last_used_at, c.expires_at, \
         {since} AS unused_since FROM {tables} WHERE o.client_id = c.client_id \
         AND {since} >= $1 AND {since} <= $2 AND ({since} > $1 OR c.id > $3) \
         AND (c.expires_at IS NULL OR c.expires_at > $4) AND {owner} \
         ORDER BY {since}, c.id LIMIT $6"
    );
    let (begin, after_id) = after.map_or((Timestamp::EPOCH, ""), |after| after.begin(kind));
    Ok(sql_query(query)
        .bind::<BigInt, _>(begin)
        .bind::<BigInt, _>(unused_before(now))
        .bind::<Text, _>(after_id)
        .bind::<BigInt, _>(now)
        .bind::<Text, _>(account_id.unwrap_or_default())
        .bind::<BigInt, _>(limit)
        .load(database)?)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// The largest number of unused credentials of a kind that is counted.
const MAX_COUNT: i64 = 10_000;

/// How many credentials of the installation are not used, [`MAX_COUNT`] of each kind at most.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn count(database: &mut Database, now: Timestamp) -> Result<UnusedCounts, StoreError> {
    let mut count = |kind: UnusedKind| -> Result<i64, StoreError> {
        let (table, since) = kind.source();
        let query = format!(
            "SELECT count(*) AS count FROM (SELECT 1 FROM {table} c \
             WHERE {since} <= $1 AND (c.expires_at IS NULL OR c.expires_at > $2) LIMIT $3) AS counted"
        );
        let counted: Count = sql_query(query)
            .bind::<BigInt, _>(unused_before(now))
            .bind::<BigInt, _>(now)
            .bind::<BigInt, _>(MAX_COUNT)
            .get_result(database)?;
        Ok(counted.count)
    };
    Ok(UnusedCounts {
        api_keys: count(UnusedKind::ApiKey)?,
        client_secrets: count(UnusedKind::ClientSecret)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = UnusedPosition {
            unused_since: Timestamp::from_millis(1_800_000_000_123),
            kind: UnusedKind::ApiKey,
            id: "AbC123".to_owned(),
        };
        assert_eq!(position.to_string(), "1800000000123-api_key-AbC123");
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in [
            "",
            "--",
            "x-api_key-y",
            "1800000000123",
            "1-api_key-a b",
            "1-key-a",
            "1-api_key-\0",
        ] {
            assert_eq!(
                text.parse::<UnusedPosition>(),
                Err(InvalidPosition),
                "{text:?}"
            );
        }
    }
}
