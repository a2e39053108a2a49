//! The client secrets and API keys that are about to expire.

use std::time::Duration;

use diesel::dsl::{AsExprOf, sql};
use diesel::expression::{SqlLiteral, UncheckedBind};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable};

use super::schema::{api_keys, client_secrets, clients};
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;

const DAY: u64 = 24 * 3600;

/// How long before its expiry a credential is announced, the shortest first.
const WARNINGS: [Duration; 3] = [
    Duration::from_secs(DAY),
    Duration::from_secs(7 * DAY),
    Duration::from_secs(30 * DAY),
];

/// A credential that expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// What it is.
    pub kind: ExpiringKind,
    /// Its id.
    pub id: String,
    /// Its client.
    pub client_id: String,
    /// The account of the client.
    pub account_id: String,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was created or last announced.
    pub known_since: Timestamp,
}

/// The kind of a credential that expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ExpiringKind {
    ClientSecret,
    ApiKey,
}

/// A row of one of the two queries: id, client, account, expiry, creation, last announcement.
type Row = (
    String,
    String,
    String,
    Option<Timestamp>,
    Timestamp,
    Option<Timestamp>,
);

fn expiring(kind: ExpiringKind, rows: Vec<Row>) -> impl Iterator<Item = Expiring> {
    rows.into_iter().filter_map(
        move |(id, client_id, account_id, expires_at, created_at, announced)| {
            Some(Expiring {
                kind,
                id,
                client_id,
                account_id,
                expires_at: expires_at?,
                known_since: announced.unwrap_or(created_at),
            })
        },
    )
}

type Condition = UncheckedBind<SqlLiteral<Nullable<Bool>>, AsExprOf<i64, BigInt>>;

/// The credentials that one warning is for.
#[derive(Clone, Copy)]
struct Due {
    /// They expire after this instant: at the end of the next shorter warning, or now.
    after: Timestamp,
    /// They expire at this instant at the latest.
    until: Timestamp,
    /// How long before the expiry they are announced.
    warning: Duration,
}

impl Due {
    /// The condition that the warning began since the credential was created or last announced. A key
    /// that was made for a week is thus first announced on its last day.
    fn unannounced(self, columns: &str) -> Condition {
        let warning = i64::try_from(self.warning.as_millis()).unwrap_or(i64::MAX);
        sql::<Nullable<Bool>>(columns).bind::<BigInt, _>(warning)
    }
}

/// At most `limit` secrets and keys of enabled clients in open accounts that are to be announced at
/// `now`, each with how long before its expiry that is. Those that were rotated are not: they are
/// replaced.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn to_announce(
    database: &mut Database,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(Expiring, Duration)>, StoreError> {
    let mut found = Vec::new();
    let mut after = now;
    for warning in WARNINGS {
        let until = now.saturating_add(warning);
        let due = Due {
            after,
            until,
            warning,
        };
        let left = |found: &Vec<_>| i64::try_from(limit.saturating_sub(found.len())).unwrap_or(0);
        let secrets = secrets(database, due, left(&found))?;
        found.extend(expiring(ExpiringKind::ClientSecret, secrets).map(|one| (one, warning)));
        let keys = keys(database, due, left(&found))?;
        found.extend(expiring(ExpiringKind::ApiKey, keys).map(|one| (one, warning)));
        after = until;
    }
    Ok(found)
}

fn secrets(database: &mut Database, due: Due, limit: i64) -> Result<Vec<Row>, StoreError> {
    let newer = diesel::alias!(client_secrets as newer);
    let successor = newer
        .filter(
            newer
                .field(client_secrets::client_id)
                .eq(client_secrets::client_id),
        )
        .filter(
            newer
                .field(client_secrets::created_at)
                .gt(client_secrets::created_at),
        )
        .filter(
            newer.field(client_secrets::expires_at).is_null().or(newer
                .field(client_secrets::expires_at)
                .gt(client_secrets::expires_at)),
        );
    Ok(client_secrets::table
        .inner_join(clients::table.on(clients::client_id.eq(client_secrets::client_id)))
        .filter(client_secrets::expires_at.gt(due.after))
        .filter(client_secrets::expires_at.le(due.until))
        .filter(due.unannounced(
            "COALESCE(client_secrets.expiry_announced_at, client_secrets.created_at) \
             < client_secrets.expires_at - ",
        ))
        .filter(clients::disabled_at.is_null())
        .filter(clients::account_closed_at.is_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(successor)))
        .order(client_secrets::expires_at)
        .limit(limit)
        .select((
            client_secrets::id,
            client_secrets::client_id,
            clients::account_id,
            client_secrets::expires_at,
            client_secrets::created_at,
            client_secrets::expiry_announced_at,
        ))
        .load(database)?)
}

fn keys(database: &mut Database, due: Due, limit: i64) -> Result<Vec<Row>, StoreError> {
    Ok(api_keys::table
        .inner_join(clients::table.on(clients::client_id.eq(api_keys::client_id)))
        .filter(api_keys::expires_at.gt(due.after))
        .filter(api_keys::expires_at.le(due.until))
        .filter(due.unannounced(
            "COALESCE(api_keys.expiry_announced_at, api_keys.created_at) < api_keys.expires_at - ",
        ))
        .filter(api_keys::replaced_by.is_null())
        .filter(clients::disabled_at.is_null())
        .filter(clients::account_closed_at.is_null())
        .order(api_keys::expires_at)
        .limit(limit)
        .select((
            api_keys::id,
            api_keys::client_id,
            clients::account_id,
            api_keys::expires_at,
            api_keys::created_at,
            api_keys::expiry_announced_at,
        ))
        .load(database)?)
}

/// Records that a credential was announced. Returns whether it still exists with this expiry, and
/// was not announced since it was read.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn announce(
    transaction: &mut Transaction<'_>,
    one: &Expiring,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let database = &mut *transaction.database;
    let rows = match one.kind {
        ExpiringKind::ClientSecret => {
            let announced = client_secrets::expiry_announced_at;
            let row = client_secrets::table
                .find(&one.id)
                .filter(client_secrets::expires_at.eq(one.expires_at))
                .filter(announced.is_null().or(announced.le(one.known_since)));
            diesel::update(row)
                .set(announced.eq(now))
                .execute(database)?
        }
        ExpiringKind::ApiKey => {
            let announced = api_keys::expiry_announced_at;
            let row = api_keys::table
                .find(&one.id)
                .filter(api_keys::expires_at.eq(one.expires_at))
                .filter(announced.is_null().or(announced.le(one.known_since)));
            diesel::update(row)
                .set(announced.eq(now))
                .execute(database)?
        }
    };
    if rows > 0 {
        transaction.modify();
    }
    Ok(rows > 0)
}
