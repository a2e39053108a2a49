//! API key: a named credential of a client that it presents directly to a resource server.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::credential_use::{LAST_USE_PRECISION, is_unused};
use super::resource_server::Resources;
use super::schema::{api_keys, revoked_api_keys};
use super::{Change, Database, StoreError, Transaction};
use crate::client_ip::{ClientIp, parse_network};
use crate::clock::Timestamp;
use crate::scope::Scope;

/// A row of `api_keys`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(treat_none_as_null = true)]
pub struct ApiKey {
    /// The id inside the key; the `jti` at introspection.
    pub id: String,
    /// The client that the key belongs to.
    pub client_id: String,
    /// The display name, unique within the client.
    pub name: String,
    /// The Argon2id hash of the key, as a PHC string.
    pub hash: String,
    /// The first characters of the key, for lists.
    pub shown: String,
    /// The scope of the key, a subset of the client's; none for all of the client's scope.
    pub scope: Option<Scope>,
    /// Whether the key may manage the client's API keys.
    pub manage_keys: bool,
    /// When the key was created.
    pub created_at: Timestamp,
    /// When the key expires; none if it does not.
    pub expires_at: Option<Timestamp>,
    /// The actor who created the key.
    pub created_by: String,
    /// The client IP addresses from which the key may be presented.
    pub allowed_ips: IpRanges,
    /// When the key last authenticated a request, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The key that replaced this one at a rotation; none for a key that was not rotated. Empty for
    /// a key that was rotated before this column existed and whose successor had been deleted by
    /// then.
    pub replaced_by: Option<String>,
    /// The resource servers that the key is for, a subset of the client's and never empty; none for
    /// all of the client's.
    pub resources: Option<Resources>,
}

impl ApiKey {
    /// Whether the key has expired at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether the key is active and was not used for 90 days.
    pub fn is_unused(&self, now: Timestamp) -> bool {
        !self.is_expired(now) && is_unused(self.last_used_at, self.created_at, now)
    }
}

/// The maximum number of ranges of one key.
const MAX_RANGES: usize = 50;

/// IP networks and addresses; an empty list stands for all addresses.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    diesel::expression::AsExpression,
    diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub struct IpRanges {
    text: String,
    ranges: Vec<IpNet>,
}

impl IpRanges {
    /// The ranges, separated by spaces.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the client IP address is in one of the ranges, or there are none. An unknown address
    /// is in no range.
    pub fn allow(&self, client_ip: ClientIp) -> bool {
        match client_ip {
            _ if self.ranges.is_empty() => true,
            ClientIp::Known(address) => self.ranges.iter().any(|range| range.contains(&address)),
            ClientIp::Unknown => false,
        }
    }

    /// Parses ranges, each a network or an address.
    ///
    /// # Errors
    /// [`InvalidIpRanges`] if one is neither, or there are too many.
    pub fn from_words<'a>(
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidIpRanges> {
        let range = |word: &str| {
            parse_network(word)
                .map(|range| range.trunc())
                .ok_or_else(|| InvalidIpRanges::Range(word.chars().take(60).collect()))
        };
        let ranges: Vec<IpNet> = words.into_iter().map(range).collect::<Result<_, _>>()?;
        if ranges.len() > MAX_RANGES {
            return Err(InvalidIpRanges::TooMany);
        }
        let text = ranges
            .iter()
            .map(IpNet::to_string)
            .collect::<Vec<_>>()
            .join(" ");
        Ok(IpRanges { text, ranges })
    }
}

/// A text that is not a list of [`IpRanges`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIpRanges {
    /// One of the ranges cannot be parsed.
    #[error("{0:?} is no IP address and no range, such as 203.0.113.0/24")]
    Range(String),
    /// There are too many ranges.
    #[error("{MAX_RANGES} ranges are the most")]
    TooMany,
}

impl From<InvalidIpRanges> for Cow<'static, str> {
    fn from(error: InvalidIpRanges) -> Self {
        error.to_string().into()
    }
}

impl FromStr for IpRanges {
    type Err = InvalidIpRanges;

    fn from_str(text: &str) -> Result<Self, InvalidIpRanges> {
        IpRanges::from_words(text.split(' ').filter(|word| !word.is_empty()))
    }
}

impl fmt::Display for IpRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl schemars::JsonSchema for IpRanges {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IpRanges".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "array", "items": {"type": "string"}, "examples": [["203.0.113.0/24"]]})
    }
}

impl Serialize for IpRanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.text.split(' ').filter(|word| !word.is_empty()))
    }
}

/// The key with this id, expired or not; none if it was revoked.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<ApiKey>, StoreError> {
    Ok(api_keys::table
        .find(id)
        .select(ApiKey::as_select())
        .first(database)
        .optional()?)
}

/// The keys of a client, the oldest first, expired ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn list(database: &mut Database, client_id: &str) -> Result<Vec<ApiKey>, StoreError> {
    let own = api_keys::table.filter(api_keys::client_id.eq(client_id));
    Ok(own
        .order((api_keys::created_at, api_keys::id))
        .select(ApiKey::as_select())
        .load(database)?)
}

/// Inserts a key; its name must be free within the client.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn insert(transaction: &mut Transaction<'_>, key: &ApiKey) -> Result<(), StoreError> {
    diesel::insert_into(api_keys::table)
        .values(key)
        .execute(transaction.modify())?;
    transaction.changed(Change::ApiKey(key.id.clone()));
    Ok(())
}

/// Updates all columns of a key.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn update(transaction: &mut Transaction<'_>, key: &ApiKey) -> Result<(), StoreError> {
    diesel::update(api_keys::table.find(&key.id))
        .set(key)
        .execute(transaction.modify())?;
    transaction.changed(Change::ApiKey(key.id.clone()));
    Ok(())
}

/// A row of `revoked_api_keys`: an API key that was revoked recently. It authenticates nobody, and
/// tells a client that still presents it from an attacker who guesses.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct RevokedApiKey {
    /// The id inside the key.
    pub id: String,
    /// The client that the key belonged to.
    pub client_id: String,
    /// The display name.
    pub name: String,
    /// The Argon2id hash of the key, as a PHC string.
    pub hash: String,
    /// When the key was revoked.
    pub revoked_at: Timestamp,
}

/// The recently revoked API key with this id.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find_revoked(
    database: &mut Database,
    id: &str,
) -> Result<Option<RevokedApiKey>, StoreError> {
    Ok(revoked_api_keys::table
        .find(id)
        .select(RevokedApiKey::as_select())
        .first(database)
        .optional()?)
}

/// The ids and names of a client's API keys, recently revoked ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn names(
    database: &mut Database,
    client_id: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let live = api_keys::table
        .filter(api_keys::client_id.eq(client_id))
        .select((api_keys::id, api_keys::name));
    let mut names: Vec<(String, String)> = live.load(database)?;
    let revoked = revoked_api_keys::table.filter(revoked_api_keys::client_id.eq(client_id));
    names.extend(
        revoked
            .select((revoked_api_keys::id, revoked_api_keys::name))
            .load::<(String, String)>(database)?,
    );
    Ok(names)
}

/// The ids, clients and names of the API keys with these ids, recently revoked ones too.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find_names(
    database: &mut Database,
    ids: &[String],
) -> Result<Vec<(String, String, String)>, StoreError> {
    let live = api_keys::table.filter(api_keys::id.eq_any(ids));
    let mut names: Vec<(String, String, String)> = live
        .select((api_keys::id, api_keys::client_id, api_keys::name))
        .load(database)?;
    let revoked = revoked_api_keys::table.filter(revoked_api_keys::id.eq_any(ids));
    let columns = (
        revoked_api_keys::id,
        revoked_api_keys::client_id,
        revoked_api_keys::name,
    );
    names.extend(
        revoked
            .select(columns)
            .load::<(String, String, String)>(database)?,
    );
    Ok(names)
}

/// Revokes a key, if it exists, and records it among the recently revoked keys.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn delete(
    transaction: &mut Transaction<'_>,
    id: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(key) = find(transaction.database, id)? else {
        return Ok(());
    };
    let revoked = RevokedApiKey {
        id: key.id,
        client_id: key.client_id,
        name: key.name,
        hash: key.hash,
        revoked_at: now,
    };
    diesel::insert_into(revoked_api_keys::table)
        .values(revoked)
        .execute(transaction.modify())?;
    diesel::delete(api_keys::table.find(id)).execute(transaction.modify())?;
    transaction.changed(Change::ApiKey(id.to_owned()));
    Ok(())
}

/// Records when each of these keys was last used. No node caches that, so it adds no change to the
/// feed. A use within a minute of the one that is recorded is not written.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn touch(database: &mut Database, used: &[(String, Timestamp)]) -> Result<(), StoreError> {
    for (id, at) in used {
        let minute_before = at.saturating_sub(LAST_USE_PRECISION);
        let earlier = api_keys::last_used_at
            .is_null()
            .or(api_keys::last_used_at.lt(minute_before));
        diesel::update(api_keys::table.find(id).filter(earlier))
            .set(api_keys::last_used_at.eq(at))
            .execute(database)?;
    }
    Ok(())
}

/// Deletes up to `limit` keys that expired before `before`, and as many recently revoked keys that
/// were revoked before it; returns how many.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn purge(database: &mut Database, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let expired = "DELETE FROM api_keys WHERE id IN (SELECT id FROM api_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    let expired = diesel::sql_query(expired)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .execute(database)?;
    let revoked = "DELETE FROM revoked_api_keys WHERE id IN \
                   (SELECT id FROM revoked_api_keys WHERE revoked_at < $1 ORDER BY revoked_at LIMIT $2)";
    Ok(expired
        + diesel::sql_query(revoked)
            .bind::<BigInt, _>(before)
            .bind::<BigInt, _>(limit)
            .execute(database)?)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn ranges_are_normalised() {
        for (text, expected) in [
            ("", Ok("")),
            ("203.0.113.7", Ok("203.0.113.7/32")),
            (
                "203.0.113.7/24  2001:db8::1/32",
                Ok("203.0.113.0/24 2001:db8::/32"),
            ),
            ("::ffff:203.0.113.7", Ok("203.0.113.7/32")),
            (
                "203.0.113.0/33",
                Err("\"203.0.113.0/33\" is no IP address and no range, such as 203.0.113.0/24"),
            ),
            (
                "example.com",
                Err("\"example.com\" is no IP address and no range, such as 203.0.113.0/24"),
            ),
        ] {
            let parsed = text.parse::<IpRanges>().map_err(|error| error.to_string());
            let parsed = parsed
                .as_ref()
                .map(IpRanges::as_str)
                .map_err(String::as_str);
            assert_eq!(parsed, expected, "{text}");
        }
        let many = |count| std::iter::repeat_n("203.0.113.7", count);
        assert!(IpRanges::from_words(many(MAX_RANGES)).is_ok());
        assert_eq!(
            IpRanges::from_words(many(MAX_RANGES + 1)).err(),
            Some(InvalidIpRanges::TooMany)
        );
    }

    #[test]
    fn an_address_must_be_in_a_range() {
        let known = |address: &str| ClientIp::from(address.parse::<IpAddr>().unwrap());
        for (ranges, client_ip, allowed) in [
            ("", known("198.51.100.1"), true),
            ("", ClientIp::Unknown, true),
            ("203.0.113.0/24", known("203.0.113.255"), true),
            ("203.0.113.0/24", known("203.0.114.0"), false),
            ("203.0.113.0/24", known("::ffff:203.0.113.1"), true),
            ("203.0.113.0/24", known("2001:db8::1"), false),
            ("203.0.113.0/24 2001:db8::/32", known("2001:db8::1"), true),
            ("0.0.0.0/0", ClientIp::Unknown, false),
        ] {
            let ranges: IpRanges = ranges.parse().unwrap();
            assert_eq!(ranges.allow(client_ip), allowed, "{ranges} {client_ip}");
        }
    }

    fn sample(created_at: Timestamp) -> ApiKey {
        ApiKey {
            id: String::new(),
            client_id: String::new(),
            name: String::new(),
            hash: String::new(),
            shown: String::new(),
            scope: None,
            manage_keys: false,
            created_at,
            expires_at: None,
            created_by: String::new(),
            allowed_ips: IpRanges::default(),
            last_used_at: None,
            replaced_by: None,
            resources: None,
        }
    }

    #[test]
    fn a_key_is_expired_from_its_expiry_on() {
        let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        let key = |expires_at| ApiKey {
            expires_at,
            ..sample(at(0))
        };
        for (expires_at, now, expired) in [
            (None, 1_000_000, false),
            (Some(at(10)), 9, false),
            (Some(at(10)), 10, true),
            (Some(at(10)), 11, true),
        ] {
            assert_eq!(key(expires_at).is_expired(at(now)), expired, "{now}");
        }
    }

    #[test]
    fn a_key_is_unused_after_90_days() {
        let at = |days: i64| Timestamp::from_seconds(1_800_000_000 + days * 24 * 3600);
        let key = |last_used_at, expires_at| ApiKey {
            last_used_at,
            expires_at,
            ..sample(at(0))
        };
        for (last_used, expires, now, unused) in [
            (None, None, 89, false),
            (None, None, 90, true),
            (Some(10), None, 99, false),
            (Some(10), None, 100, true),
            (Some(10), Some(100), 100, false),
            (Some(10), Some(101), 100, true),
            // The clock went back.
            (Some(10), None, 5, false),
        ] {
            let key = key(last_used.map(at), expires.map(at));
            assert_eq!(
                key.is_unused(at(now)),
                unused,
                "{last_used:?} {expires:?} {now}"
            );
        }
    }
}
