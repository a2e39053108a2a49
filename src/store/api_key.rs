//! API key: a named credential of a client that is presented straight to a resource server.

use std::fmt;
use std::str::FromStr;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::schema::{api_keys, revoked_api_keys};
use super::{Change, Database, StoreError, Transaction};
use crate::client_ip::{ClientIp, parse_network};
use crate::clock::Timestamp;
use crate::scope::Scope;

/// A row of `api_keys`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(treat_none_as_null = true)]
pub struct ApiKey {
    /// The id inside the key; its `jti` at introspection.
    pub id: String,
    /// Whose it is.
    pub client_id: String,
    /// Unique within the client.
    pub name: String,
    /// Argon2id, as a PHC string.
    pub hash: String,
    /// Its first characters, for lists.
    pub shown: String,
    /// A part of the client's scope; all of it where there is none here.
    pub scope: Option<Scope>,
    /// Whether it may manage the client's keys.
    pub manage_keys: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: String,
    /// Whence it may be presented.
    pub allowed_ips: IpRanges,
    /// When it was last presented and right, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The key that replaced it at a rotation; none for a key that was not rotated. Empty for one that was
    /// rotated before this column existed and whose successor had been deleted by then.
    pub replaced_by: Option<String>,
}

impl ApiKey {
    /// Whether it has ended by `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The most ranges of one key.
const MAX_RANGES: usize = 50;

/// Networks and addresses; none stands for anywhere.
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
    /// With a space between.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the client IP lies in one of them, or there is none. One that is unknown lies in none.
    pub fn allow(&self, client_ip: ClientIp) -> bool {
        match client_ip {
            _ if self.ranges.is_empty() => true,
            ClientIp::Known(address) => self.ranges.iter().any(|range| range.contains(&address)),
            ClientIp::Unknown => false,
        }
    }

    /// From what people write, each a network or an address.
    ///
    /// # Errors
    /// A sentence that names the one that is neither.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let range = |word: &str| {
            let shown: String = word.chars().take(60).collect();
            let range = parse_network(word).map(|range| range.trunc());
            range.ok_or_else(|| {
                format!("{shown:?} is no IP address and no range, such as 203.0.113.0/24")
            })
        };
        let ranges: Vec<IpNet> = words.into_iter().map(range).collect::<Result<_, _>>()?;
        if ranges.len() > MAX_RANGES {
            return Err(format!("{MAX_RANGES} ranges are the most"));
        }
        let text = ranges
            .iter()
            .map(IpNet::to_string)
            .collect::<Vec<_>>()
            .join(" ");
        Ok(IpRanges { text, ranges })
    }
}

impl FromStr for IpRanges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
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

/// By its id.
///
/// # Errors
/// Where the database gave no answer.
pub fn find(database: &mut Database, id: &str) -> Result<Option<ApiKey>, StoreError> {
    Ok(api_keys::table
        .find(id)
        .select(ApiKey::as_select())
        .first(database)
        .optional()?)
}

/// Those of a client, the oldest first, ended ones too.
///
/// # Errors
/// Where the database gave no answer.
pub fn list(database: &mut Database, client_id: &str) -> Result<Vec<ApiKey>, StoreError> {
    let own = api_keys::table.filter(api_keys::client_id.eq(client_id));
    Ok(own
        .order((api_keys::created_at, api_keys::id))
        .select(ApiKey::as_select())
        .load(database)?)
}

/// Adds one; the name must be free within the client.
///
/// # Errors
/// Where the database gave no answer.
pub fn insert(transaction: &mut Transaction<'_>, key: &ApiKey) -> Result<(), StoreError> {
    diesel::insert_into(api_keys::table)
        .values(key)
        .execute(transaction.modify())?;
    transaction.changed(Change::ApiKey(key.id.clone()));
    Ok(())
}

/// Writes all of its columns.
///
/// # Errors
/// Where the database gave no answer.
pub fn update(transaction: &mut Transaction<'_>, key: &ApiKey) -> Result<(), StoreError> {
    diesel::update(api_keys::table.find(&key.id))
        .set(key)
        .execute(transaction.modify())?;
    transaction.changed(Change::ApiKey(key.id.clone()));
    Ok(())
}

/// A row of `revoked_api_keys`: an API key that was revoked lately and authenticates nobody.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
pub struct RevokedApiKey {
    /// The id inside the key.
    pub id: String,
    /// The client that it belonged to.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// Argon2id, as a PHC string.
    pub hash: String,
    /// When it was revoked.
    pub revoked_at: Timestamp,
}

/// A revoked API key by its id.
///
/// # Errors
/// Where the database gave no answer.
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

/// The ids and names of a client's API keys, those that were revoked lately too.
///
/// # Errors
/// Where the database gave no answer.
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

/// Removes one, and keeps for a while what tells it from a key that never was; nothing happens if it is
/// gone already.
///
/// # Errors
/// Where the database gave no answer.
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

/// Writes when each of these was last used. No node keeps that in memory, so it is no change.
///
/// # Errors
/// Where the database gave no answer.
pub fn note_used(database: &mut Database, used: &[(String, Timestamp)]) -> Result<(), StoreError> {
    for (id, at) in used {
        // Another node may have written a later one.
        let earlier = api_keys::last_used_at
            .is_null()
            .or(api_keys::last_used_at.lt(at));
        diesel::update(api_keys::table.find(id).filter(earlier))
            .set(api_keys::last_used_at.eq(at))
            .execute(database)?;
    }
    Ok(())
}

/// Removes up to `limit` that expired, and as many that were revoked, before `moment`; returns how many.
///
/// # Errors
/// Where the database gave no answer.
pub fn purge(database: &mut Database, moment: Timestamp, limit: i64) -> Result<usize, StoreError> {
    let expired = "DELETE FROM api_keys WHERE id IN (SELECT id FROM api_keys WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    let expired = diesel::sql_query(expired)
        .bind::<BigInt, _>(moment)
        .bind::<BigInt, _>(limit)
        .execute(database)?;
    let revoked = "DELETE FROM revoked_api_keys WHERE id IN \
                   (SELECT id FROM revoked_api_keys WHERE revoked_at < $1 ORDER BY revoked_at LIMIT $2)";
    Ok(expired
        + diesel::sql_query(revoked)
            .bind::<BigInt, _>(moment)
            .bind::<BigInt, _>(limit)
            .execute(database)?)
}
