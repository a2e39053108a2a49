//! Queries of the audit log.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::actor::Permit;
use super::policy::find_visible;
use super::rights::AuditRead;
use super::{account, invalid};
use crate::error::Error;
use crate::store::Store;
use crate::store::api_key;
use crate::store::audit;
pub use crate::store::audit::{Action, Audience, AuditEntry, AuditFilter, AuditPage};

mod export;
mod names;

pub use export::{Export, ExportFormat};
pub use names::{Names, names};

/// The maximum length of a condition, in bytes. No stored value is longer.
const MAX_CONDITION_LENGTH: usize = 600;

/// A page of the entries that the actor can see and that match the filter, newest first: at most
/// `limit`. A page of a filter with several conditions may have fewer entries, or none, and a next
/// page all the same.
///
/// # Errors
/// `not_found` for an account that the actor cannot see; `invalid_request` for a condition that no entry
/// can match.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<AuditRead>,
    filter: AuditFilter,
    limit: usize,
) -> Result<AuditPage, Error> {
    check_filter(&filter)?;
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            let account_id = account::filter(database, &permit, filter.account_id.as_deref())?;
            let filter = AuditFilter {
                account_id,
                ..filter.clone()
            };
            Ok(audit::list(database, &filter, limit)?)
        })
        .await
}

fn check_filter(filter: &AuditFilter) -> Result<(), Error> {
    let conditions = [
        &filter.target,
        &filter.action,
        &filter.actor,
        &filter.request_id,
        &filter.before,
    ];
    // Postgres takes no NUL in a text.
    let is_impossible = |text: &String| text.contains('\0') || text.len() > MAX_CONDITION_LENGTH;
    if conditions.into_iter().flatten().any(is_impossible) {
        return Err(invalid("A condition is too long, or contains a NUL"));
    }
    Ok(())
}

/// The target of a filter, as people type it. Of the first characters of a key or secret, as lists show them, that
/// is the id.
pub fn typed_target(text: &str) -> String {
    let mut parts = text.split('_');
    match (parts.next(), parts.next()) {
        (Some(prefix), Some(id)) if prefix.len() == 3 && prefix.starts_with("kw") => id.to_owned(),
        _ => text.to_owned(),
    }
}

/// The actor of a filter, as people type it. Users are found by their email address.
pub fn typed_actor(text: &str) -> String {
    if text.contains('@') && !text.contains(' ') {
        format!("user {}", text.to_lowercase())
    } else {
        text.to_owned()
    }
}

/// A failure of a client.
#[derive(Debug)]
pub struct Failure {
    /// The audit entry.
    pub entry: AuditEntry,
    /// The name of the API key that was presented, if it was one.
    pub api_key: Option<String>,
}

/// The newest failures of a client, at most `limit`: failed authentications with its secrets and
/// assertions, rejected tokens and API keys (also revoked ones), and refused requests.
///
/// # Errors
/// `not_found` for an unknown client.
pub async fn failures(
    store: &Arc<Store>,
    permit: Permit<AuditRead>,
    client_id: &str,
    limit: usize,
) -> Result<Vec<Failure>, Error> {
    let id = client_id.to_owned();
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            find_visible(database, &permit, &id)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let entries = audit::failures(database, &id, limit)?;
            let names: BTreeMap<String, String> =
                api_key::names(database, &id)?.into_iter().collect();
            let with_key_name = |entry: AuditEntry| Failure {
                api_key: names.get(&entry.target).cloned(),
                entry,
            };
            Ok(entries.into_iter().map(with_key_name).collect())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_no_entry_can_match_is_refused() {
        let condition = |actor: &str| AuditFilter {
            actor: Some(actor.to_owned()),
            ..AuditFilter::default()
        };
        let longest = "a".repeat(MAX_CONDITION_LENGTH);
        let too_long = "a".repeat(MAX_CONDITION_LENGTH + 1);
        let cases = [
            (AuditFilter::default(), true),
            (condition("user ada@acme.example"), true),
            (condition(&longest), true),
            (condition(&too_long), false),
            (condition("a\0b"), false),
        ];
        for (filter, valid) in cases {
            assert_eq!(check_filter(&filter).is_ok(), valid, "{filter:?}");
        }
    }

    #[test]
    fn keys_and_secrets_are_found_by_their_first_characters() {
        for (typed, target) in [
            ("kwk_0123456789abcdef_", "0123456789abcdef"),
            ("kws_0123456789abcdef", "0123456789abcdef"),
            ("0123456789abcdef", "0123456789abcdef"),
            ("https://orders.example/", "https://orders.example/"),
            ("a_name_with_underscores", "a_name_with_underscores"),
        ] {
            assert_eq!(typed_target(typed), target, "{typed}");
        }
    }

    #[test]
    fn users_are_found_by_their_email_address() {
        for (typed, actor) in [
            ("Ada@acme.example", "user ada@acme.example"),
            ("user ada@acme.example", "user ada@acme.example"),
            ("command line", "command line"),
        ] {
            assert_eq!(typed_actor(typed), actor, "{typed}");
        }
    }
}
