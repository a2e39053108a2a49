//! What the nodes serve with: commands beside them must reckon with the same issuer and times, though
//! their own settings say otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::prelude::*;

use super::schema::deployment;
use super::{Database, DatabaseUrl, StoreError, Transaction, client, resource_server};
use crate::clock::Timestamp;

/// For how long after its last use another issuer cannot be taken in silence: tokens of it are still around,
/// and a node that serves with it may be.
const RECENT: Duration = Duration::from_secs(3600);

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
    /// When a node last said that it serves with this issuer.
    pub used_at: Timestamp,
    settings: String,
    /// Whether the issuer is a setting, and not the default that follows the address listened on.
    pub issuer_set: bool,
}

/// A setting that two nodes of a deployment do not agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub setting: String,
    /// The value of this node.
    pub own: String,
    /// The value of the node that started last.
    pub other: String,
}

/// What came of a node that wants to serve.
pub enum Joined {
    /// It serves.
    Serves {
        /// The settings that differ from those that others served with a short time ago.
        differences: Vec<Difference>,
        /// The issuer that was in use a short time ago, where it was another one.
        replaced: Option<String>,
    },
    /// Another issuer was in use a short time ago.
    OtherIssuer(Deployment),
}

impl Deployment {
    /// What a node serves with that starts now; `issuer_set` where the issuer is not the default.
    pub fn new(
        issuer: String,
        issuer_set: bool,
        jwks_max_age: Duration,
        token_ttl: Duration,
        settings: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Deployment {
            id: 1,
            issuer,
            jwks_max_age: seconds(jwks_max_age),
            token_ttl: seconds(token_ttl),
            written_at: now,
            used_at: now,
            settings: serde_json::to_string(settings).unwrap_or_default(),
            issuer_set,
        }
    }

    /// The settings that `other` has otherwise. One that either does not know, being of another version, is
    /// none of them.
    pub fn differences(&self, other: &Deployment) -> Vec<Difference> {
        let read = |row: &Deployment| {
            serde_json::from_str::<BTreeMap<String, String>>(&row.settings).unwrap_or_default()
        };
        let mut others = read(other);
        let pairs = read(self).into_iter().filter_map(|(setting, own)| {
            let other = others.remove(&setting)?;
            Some(Difference {
                setting,
                own,
                other,
            })
        });
        pairs
            .filter(|difference| difference.own != difference.other)
            .collect()
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
    Ok(deployment::table
        .find(1)
        .select(Deployment::as_select())
        .first(database)
        .optional()?)
}

/// The audience of the management API; unknown before the first node has started.
///
/// # Errors
/// Where the database gave no answer.
pub fn management_audience(database: &mut Database) -> Result<Option<String>, StoreError> {
    Ok(find(database)?.map(|deployment| resource_server::management_audience(&deployment.issuer)))
}

/// The issuer that the nodes serve with, of a database that may not be there and is left as it is.
///
/// # Errors
/// Where the database gave no answer.
pub fn issuer_of(url: &DatabaseUrl) -> Result<Option<String>, StoreError> {
    if url.is_missing()? {
        return Ok(None);
    }
    Ok(deployment::table
        .find(1)
        .select(deployment::issuer)
        .first(&mut url.connect()?.database)
        .optional()?)
}

/// Writes down what this node serves with. A time that was longer before counts until what was issued or
/// fetched under it has expired: a node that serves with it may not have been restarted yet. Another issuer
/// that was in use a short time ago is left in its place unless `may_replace` allows it.
///
/// # Errors
/// Where the database gave no answer.
pub fn join(
    transaction: &mut Transaction<'_>,
    own: &Deployment,
    may_replace: impl FnOnce(&Deployment) -> bool,
) -> Result<Joined, StoreError> {
    let Some(before) = find(transaction.database)? else {
        diesel::insert_into(deployment::table)
            .values(own)
            .execute(transaction.database)?;
        return Ok(Joined::Serves {
            differences: Vec::new(),
            replaced: None,
        });
    };
    // By one clock, where there is one: the nodes' may differ.
    let own = &Deployment {
        written_at: super::clock::database_now(transaction.database)?.unwrap_or(own.written_at),
        ..own.clone()
    };
    let recent = own
        .written_at
        .duration_since(before.used_at.max(before.written_at))
        < RECENT;
    if recent && before.issuer != own.issuer && !may_replace(&before) {
        return Ok(Joined::OtherIssuer(before));
    }
    if before.issuer != own.issuer {
        let [old, new] = [&before.issuer, &own.issuer]
            .map(|issuer| resource_server::management_audience(issuer));
        client::rename_resource(transaction, &old, &new, own.written_at)?;
    }
    let age = own.written_at.duration_since(before.written_at);
    let longest = |own: i64, before: i64, counts: bool| if counts { own.max(before) } else { own };
    let row = Deployment {
        jwks_max_age: longest(
            own.jwks_max_age,
            before.jwks_max_age,
            age < before.jwks_max_age(),
        ),
        token_ttl: longest(own.token_ttl, before.token_ttl, age < before.token_ttl()),
        ..own.clone()
    };
    diesel::update(deployment::table.find(1))
        .set(&row)
        .execute(transaction.database)?;
    let differences = if recent {
        own.differences(&before)
    } else {
        Vec::new()
    };
    let replaced = (recent && before.issuer != own.issuer).then_some(before.issuer);
    Ok(Joined::Serves {
        differences,
        replaced,
    })
}

/// Says that a node still serves with this issuer; gives what all serve with, which is another issuer where
/// somebody changed it.
///
/// # Errors
/// Where the database gave no answer.
pub fn touch(
    database: &mut Database,
    issuer: &str,
    now: Timestamp,
) -> Result<Option<Deployment>, StoreError> {
    let own = deployment::table.find(1).filter(
        deployment::issuer
            .eq(issuer)
            .and(deployment::used_at.lt(now)),
    );
    diesel::update(own)
        .set(deployment::used_at.eq(now))
        .execute(database)?;
    find(database)
}
