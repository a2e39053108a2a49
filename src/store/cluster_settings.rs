//! The settings that all nodes of a cluster share. Commands that run beside the nodes use the same
//! issuer and durations, even if their own settings differ.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::prelude::*;

use super::schema::deployment;
use super::{Database, DatabaseUrl, StoreError, Transaction, client, resource_server};
use crate::clock::Timestamp;

/// How long after its last use an issuer counts as in use: tokens of it may still be active, and
/// nodes may still serve with it. Until then it is not replaced without the operator's consent.
const RECENT: Duration = Duration::from_secs(3600);

/// The only row of `deployment`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = deployment)]
pub struct ClusterSettings {
    id: i32,
    /// The issuer (RFC 8414 section 2).
    pub issuer: String,
    jwks_max_age: i64,
    token_ttl: i64,
    written_at: Timestamp,
    /// When a node last reported that it serves with this issuer.
    pub used_at: Timestamp,
    settings: String,
    /// Whether the issuer is configured, and not the default derived from the listen address.
    pub issuer_set: bool,
}

/// A setting that differs between two nodes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The name of the setting.
    pub setting: String,
    /// The value on this node.
    pub own: String,
    /// The value on the node that started last.
    pub other: String,
}

/// The outcome of [`join`].
pub enum Joined {
    /// The node may serve.
    Serves {
        /// The settings that differ from those of nodes that served recently.
        differences: Vec<Difference>,
        /// The issuer that was recently in use, if it was a different one.
        replaced: Option<String>,
    },
    /// A different issuer was recently in use.
    OtherIssuer(ClusterSettings),
}

impl ClusterSettings {
    /// The settings of a node that starts at `now`. `issuer_set` says whether the issuer is
    /// configured.
    pub fn new(
        issuer: String,
        issuer_set: bool,
        jwks_max_age: Duration,
        token_ttl: Duration,
        settings: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        ClusterSettings {
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

    /// The settings that differ from those of `other`. Settings that one of the two versions does
    /// not know are ignored.
    pub fn differences(&self, other: &ClusterSettings) -> Vec<Difference> {
        let read = |row: &ClusterSettings| {
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

    /// Whether the node that started last has an SMTP server set.
    pub fn sends_mail(&self) -> bool {
        let settings: BTreeMap<String, String> =
            serde_json::from_str(&self.settings).unwrap_or_default();
        settings.get("smtp_url").is_some_and(|url| !url.is_empty())
    }

    /// How long resource servers may cache the JWKS.
    pub fn jwks_max_age(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.jwks_max_age).unwrap_or(0))
    }

    /// The lifetime of access tokens.
    pub fn token_ttl(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.token_ttl).unwrap_or(0))
    }
}

/// The settings of the cluster; none before the first node has started.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn find(database: &mut Database) -> Result<Option<ClusterSettings>, StoreError> {
    Ok(deployment::table
        .find(1)
        .select(ClusterSettings::as_select())
        .first(database)
        .optional()?)
}

/// The audience of the management API; none before the first node has started.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn management_audience(database: &mut Database) -> Result<Option<String>, StoreError> {
    Ok(find(database)?.map(|cluster| resource_server::management_audience(&cluster.issuer)))
}

/// The issuer of the cluster; none if no node has started or the database does not exist, in which
/// case it is not created.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
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

/// Records the settings of a node that starts. A duration that was longer before remains until
/// everything issued or cached under it has expired, since nodes may still serve with it. A
/// different issuer that was recently in use is replaced only if `may_replace` allows it.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn join(
    transaction: &mut Transaction<'_>,
    own: &ClusterSettings,
    may_replace: impl FnOnce(&ClusterSettings) -> bool,
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
    // By the clock of the database server, if there is one: the clocks of the nodes may differ.
    let own = &ClusterSettings {
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
    let row = ClusterSettings {
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

/// Records that a node still serves with this issuer; returns the settings of the cluster, whose
/// issuer differs if another node has replaced it.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn touch(
    database: &mut Database,
    issuer: &str,
    now: Timestamp,
) -> Result<Option<ClusterSettings>, StoreError> {
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
