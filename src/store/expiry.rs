//! The client secrets and API keys that are about to expire.

use std::time::Duration;

use diesel::prelude::*;

use super::schema::{api_keys, client_secrets, clients};
use super::{Database, StoreError, Transaction};
use crate::clock::Timestamp;

const DAY: u64 = 24 * 3600;

/// How long before its expiry a credential is announced, the longest first.
pub const WARNINGS: [Duration; 3] = [
    Duration::from_secs(30 * DAY),
    Duration::from_secs(7 * DAY),
    Duration::from_secs(DAY),
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

impl Expiring {
    /// How long before the expiry the credential is to be announced now: the shortest of [`WARNINGS`]
    /// that has begun since it was created or last announced. A key that was made for a week is
    /// thus first announced on its last day.
    pub fn due_warning(&self, now: Timestamp) -> Option<Duration> {
        let begins = |warning: &Duration| self.expires_at.saturating_sub(*warning);
        let begun = WARNINGS
            .into_iter()
            .rev()
            .find(|warning| begins(warning) <= now)?;
        (now < self.expires_at && self.known_since < begins(&begun)).then_some(begun)
    }
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
                known_since: announced.unwrap_or(created_at).max(created_at),
            })
        },
    )
}

/// The secrets and keys of enabled clients that are to be announced at `now`. Those that were rotated
/// are not: they are replaced.
///
/// # Errors
/// [`StoreError`] if the database did not answer.
pub fn to_announce(
    database: &mut Database,
    now: Timestamp,
) -> Result<Vec<(Expiring, Duration)>, StoreError> {
    let horizon = now.saturating_add(WARNINGS[0]);
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
    let secrets: Vec<Row> = client_secrets::table
        .inner_join(clients::table.on(clients::client_id.eq(client_secrets::client_id)))
        .filter(client_secrets::expires_at.gt(now))
        .filter(client_secrets::expires_at.le(horizon))
        .filter(clients::disabled_at.is_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(successor)))
        .select((
            client_secrets::id,
            client_secrets::client_id,
            clients::account_id,
            client_secrets::expires_at,
            client_secrets::created_at,
            client_secrets::expiry_announced_at,
        ))
        .load(database)?;
    let keys: Vec<Row> = api_keys::table
        .inner_join(clients::table.on(clients::client_id.eq(api_keys::client_id)))
        .filter(api_keys::expires_at.gt(now))
        .filter(api_keys::expires_at.le(horizon))
        .filter(api_keys::replaced_by.is_null())
        .filter(clients::disabled_at.is_null())
        .select((
            api_keys::id,
            api_keys::client_id,
            clients::account_id,
            api_keys::expires_at,
            api_keys::created_at,
            api_keys::expiry_announced_at,
        ))
        .load(database)?;
    let all =
        expiring(ExpiringKind::ClientSecret, secrets).chain(expiring(ExpiringKind::ApiKey, keys));
    Ok(all
        .filter_map(|one| one.due_warning(now).map(|warning| (one, warning)))
        .collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_due_once() {
        let day = |day: i64| Timestamp::from_seconds(day * 24 * 3600);
        let expiring = |known_since| Expiring {
            kind: ExpiringKind::ApiKey,
            id: String::new(),
            client_id: String::new(),
            account_id: String::new(),
            expires_at: day(100),
            known_since: day(known_since),
        };
        // (created or announced on day, now on day, the days of the warning)
        for (known_since, now, days) in [
            (0, 69, None),
            (0, 70, Some(30)),
            (70, 71, None),
            (70, 93, Some(7)),
            (0, 95, Some(7)),
            (95, 98, None),
            (95, 99, Some(1)),
            (99, 99, None),
            (0, 100, None),
            // It was made for ten days.
            (90, 90, None),
            (90, 93, Some(7)),
        ] {
            let due = expiring(known_since).due_warning(day(now));
            let expected = days.map(|days| Duration::from_secs(days * DAY));
            assert_eq!(due, expected, "{known_since} {now}");
        }
    }
}
