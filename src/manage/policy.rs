//! Authorization policy of management: which clients an actor can see and edit, and which scopes and
//! resource servers it can grant.
//!
//! Rights over Keyward are scope tokens with the prefix `keyward:`. A client can use them only together
//! with the resource that is the management API.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::actor::Permit;
use super::rights::RightType;
use super::{invalid, not_found};
use crate::error::{Error, refusal};
use crate::scope::{Scope, is_right};
use crate::store::client::{self, Client};
use crate::store::resource_server::{self, Resources};
use crate::store::{Database, Transaction, cluster_settings};

/// Finds a client that the actor can see. A client of another account is reported as not found, so that
/// not even its existence shows.
///
/// # Errors
/// `not_found`; a [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub(super) fn find_visible<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    client_id: &str,
) -> Result<Client, Error> {
    let found =
        client::find(database, client_id)?.filter(|client| permit.can_access(&client.account_id));
    found.ok_or_else(|| not_found("client", client_id))
}

/// Finds a client that the actor can change or create credentials for. Whoever has a credential of the
/// client has all of its rights, so a client with more rights over Keyward than the actor is refused:
/// this prevents privilege escalation.
///
/// # Errors
/// `not_found`; `access_denied` if the client has a right that the actor does not have.
pub(super) fn find_editable<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    client_id: &str,
) -> Result<Client, Error> {
    let client = find_visible(database, permit, client_id)?;
    match permit.check_grantable(&client.scope) {
        Ok(()) => Ok(client),
        Err(_) => Err(refusal::client_has_more_rights()),
    }
}

/// Who receives a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grantee {
    /// A client that people manage.
    Client,
    /// A client that registers itself (RFC 7591), or registered itself before.
    SelfRegistered,
}

/// The audience of the management API; none if no issuer is known yet.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub(super) fn management_audience<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
) -> Result<Option<String>, Error> {
    let known = cluster_settings::management_audience(database)?;
    Ok(known.or_else(|| {
        permit
            .assumed_issuer()
            .map(|issuer| issuer.management_audience())
    }))
}

/// Checks that each identifier is a resource server or the management API.
///
/// # Errors
/// `invalid_request` for an identifier that is malformed or unknown.
pub(super) fn known_resources<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    identifiers: &[String],
) -> Result<Resources, Error> {
    let management = management_audience(database, permit)?;
    for identifier in identifiers {
        resource_server::check_identifier(identifier)
            .map_err(|error| invalid(error.to_string()).field("resources"))?;
        if management.as_ref() != Some(identifier)
            && resource_server::find(database, identifier)?.is_none()
        {
            return Err(refusal::resource_unknown(identifier).field("resources"));
        }
    }
    Ok(identifiers.iter().map(String::as_str).collect())
}

/// A scope and resource servers that an actor wants to grant.
pub(super) struct GrantRequest<'a> {
    /// The account that the grantee belongs to.
    pub account: &'a str,
    /// Who receives the grant.
    pub grantee: Grantee,
    /// The scope that the grantee can ask for at most.
    pub scope: &'a Scope,
    /// The resource servers that the grantee can ask tokens for.
    pub resources: &'a Resources,
    /// The client before the change, if it exists: it keeps what it has.
    pub current: Option<&'a Client>,
}

/// A grant that was made and is probably a mistake: none of the client's resource servers describes
/// these scope tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The scope tokens that none of the resource servers describes.
    pub unknown: String,
    /// The scope tokens that they describe.
    pub known: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "none of the resource servers describes the scope {}; they describe: {}",
            self.unknown, self.known
        )
    }
}

/// Checks a grant. An operator can grant any scope and resource server; others what the account's
/// clients have already; and nobody a right over Keyward that they do not have. Returns a warning if
/// the scope is probably a mistake.
///
/// # Errors
/// `invalid_scope` or `invalid_request`, naming the scope token or the identifier that is refused.
pub(super) fn check_grant<R: RightType>(
    transaction: &mut Transaction<'_>,
    permit: &Permit<R>,
    request: &GrantRequest<'_>,
) -> Result<Option<Warning>, Error> {
    let database = transaction.database();
    if !permit.is_operator() {
        check_delegable(database, request)?;
    }
    permit.check_grantable(request.scope)?;
    let management = management_audience(database, permit)?.unwrap_or_default();
    check_management_access(request, &management)?;
    find_undescribed(database, request.scope, request.resources)
}

/// Refuses rights over Keyward to a client that registers itself, and rights without the management
/// API, which would have no effect.
fn check_management_access(request: &GrantRequest<'_>, management: &str) -> Result<(), Error> {
    let has_management = request.resources.contains(management);
    let right = request.scope.rights().next();
    match (request.grantee, right, has_management) {
        (Grantee::SelfRegistered, Some(right), _) => {
            Err(refusal::registrant_right(right).field("scope"))
        }
        (Grantee::SelfRegistered, None, true) => {
            Err(refusal::registrant_management(management).field("resources"))
        }
        (Grantee::Client, Some(right), false) => {
            Err(refusal::right_needs_management(right, management).field("resources"))
        }
        _ => Ok(()),
    }
}

/// How many clients of the account are read for one grant: the check holds the lock of all writers.
const MAX_HOLDERS: usize = 16;

/// How many pairs of a scope token and a resource server one grant can have.
const MAX_PAIRS: usize = 10_000;

/// How many clients are read in the order of an index before the query looks for the one with the most
/// pairs, which reads all clients of the account. In most accounts the first client is enough.
const MAX_UNORDERED_HOLDERS: usize = 4;

/// Refuses to delegate what the account does not have. A token is good for each of its scope tokens at
/// each of its resource servers, so each such pair must be one that a client of the account has
/// already; an operator granted it. A client without a resource server has its scope for the issuer
/// alone, which counts as one more resource server.
fn check_delegable(database: &mut Database, request: &GrantRequest<'_>) -> Result<(), Error> {
    if request.scope.is_empty() && request.resources.is_empty() {
        return Ok(());
    }
    let mut missing = Pairs::of(request.scope, request.resources);
    if let Some(client) = request.current {
        missing.remove(&client.scope, &client.resources);
    }
    if missing.count() > MAX_PAIRS {
        return Err(too_many_pairs());
    }
    for round in 0..MAX_HOLDERS {
        let Some((token, identifier)) = missing.first() else {
            return Ok(());
        };
        let account = request.account;
        let with_most = round >= MAX_UNORDERED_HOLDERS;
        let Some((scope, resources)) =
            client::holder(database, account, token, identifier, with_most)?
        else {
            let nobody_has_the_resource =
                client::holder(database, account, "", identifier, false)?.is_none();
            let token = if nobody_has_the_resource && !identifier.is_empty() {
                ""
            } else {
                token
            };
            return Err(not_delegable(token, identifier));
        };
        missing.remove(&scope, &resources);
    }
    match missing.first() {
        Some(_) => Err(too_many_pairs()),
        None => Ok(()),
    }
}

fn too_many_pairs() -> Error {
    refusal::too_many_combinations().field("scope")
}

fn not_delegable(token: &str, identifier: &str) -> Error {
    if token.is_empty() {
        return refusal::resource_not_in_account(identifier).field("resources");
    }
    if identifier.is_empty() {
        return refusal::scope_not_in_account(token).field("scope");
    }
    refusal::scope_and_resource_not_in_account(token, identifier).field("scope")
}

/// The pairs of a resource server and a scope token in a grant. The empty text stands for "no scope
/// token" and for "no resource server": a client may use a resource server without a scope, and have a
/// scope without a resource server.
struct Pairs<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Pairs<'a> {
    fn of(scope: &'a Scope, resources: &'a Resources) -> Self {
        let tokens: BTreeSet<&str> = if scope.is_empty() {
            BTreeSet::from([""])
        } else {
            scope.iter().collect()
        };
        let identifiers: Vec<&str> = if resources.is_empty() {
            vec![""]
        } else {
            resources.iter().collect()
        };
        Pairs(
            identifiers
                .into_iter()
                .map(|identifier| (identifier, tokens.clone()))
                .collect(),
        )
    }

    fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// The first pair, as scope token and resource server.
    fn first(&self) -> Option<(&'a str, &'a str)> {
        let (identifier, tokens) = self.0.first_key_value()?;
        Some((tokens.first()?, identifier))
    }

    /// Removes the pairs that a client with this scope and these resource servers has.
    fn remove(&mut self, scope: &Scope, resources: &Resources) {
        let held: BTreeSet<&str> = scope.iter().chain([""]).collect();
        for (identifier, tokens) in &mut self.0 {
            let has_resource = if identifier.is_empty() {
                resources.is_empty()
            } else {
                resources.contains(identifier)
            };
            if has_resource {
                tokens.retain(|token| !held.contains(token));
            }
        }
        self.0.retain(|_, tokens| !tokens.is_empty());
    }
}

/// Warns of scope tokens that none of the resource servers describes, if all of them describe their
/// scopes: most likely a typing error. An operator may be ahead of the description, so it is not an
/// error.
pub(super) fn find_undescribed(
    database: &mut Database,
    scope: &Scope,
    resources: &Resources,
) -> Result<Option<Warning>, Error> {
    let mut described = Vec::new();
    for identifier in resources.iter() {
        // The management API has no row: its scope is the rights.
        if let Some(server) = resource_server::find(database, identifier)? {
            described.push(server.scope);
        }
    }
    Ok(undescribed(scope, &described))
}

fn undescribed(scope: &Scope, described: &[Scope]) -> Option<Warning> {
    if described.is_empty() || described.iter().any(Scope::is_empty) {
        return None;
    }
    let is_known =
        |token: &str| is_right(token) || described.iter().any(|scope| scope.contains(token));
    let unknown: Vec<&str> = scope.iter().filter(|token| !is_known(token)).collect();
    if unknown.is_empty() {
        return None;
    }
    let known: Vec<&str> = described.iter().map(Scope::as_str).collect();
    Some(Warning {
        unknown: unknown.join(" "),
        known: known.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::message::Message;

    const MANAGEMENT: &str = "https://issuer.example/api/v1";

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    fn resources(identifiers: &[&str]) -> Resources {
        identifiers.iter().copied().collect()
    }

    #[test]
    fn rights_need_the_management_api_and_are_not_for_self_registered_clients() {
        use Grantee::{Client, SelfRegistered};
        type Case<'a> = (Grantee, &'a str, &'a [&'a str], Result<(), &'a str>);
        let cases: [Case<'_>; 9] = [
            (Client, "", &[], Ok(())),
            (Client, "a", &["https://x"], Ok(())),
            (Client, "keyward:keys:read", &[MANAGEMENT], Ok(())),
            (Client, "", &[MANAGEMENT], Ok(())),
            (
                Client,
                "keyward:keys:read",
                &["https://x"],
                Err("right_needs_management"),
            ),
            (
                Client,
                "keyward:keys:read",
                &[],
                Err("right_needs_management"),
            ),
            (SelfRegistered, "a", &["https://x"], Ok(())),
            (
                SelfRegistered,
                "keyward:keys:read",
                &[MANAGEMENT],
                Err("registrant_right"),
            ),
            (
                SelfRegistered,
                "a",
                &[MANAGEMENT],
                Err("registrant_management"),
            ),
        ];
        for (grantee, tokens, identifiers, expected) in cases {
            let (scope, resources) = (scope(tokens), resources(identifiers));
            let request = GrantRequest {
                account: "acme",
                grantee,
                scope: &scope,
                resources: &resources,
                current: None,
            };
            let checked = check_management_access(&request, MANAGEMENT);
            let checked = checked.map_err(|error| error.refusal().map(Message::code));
            assert_eq!(
                checked,
                expected.map_err(Some),
                "{grantee:?} {tokens:?} {identifiers:?}"
            );
        }
    }

    #[test]
    fn what_a_client_has_is_not_missing_from_a_grant() {
        // The grant, what a client of the account has, and the first pair that is still missing.
        type Grant = (&'static str, &'static [&'static str]);
        type Case = (Grant, Grant, Option<(&'static str, &'static str)>);
        let cases: [Case; 8] = [
            (("a", &["https://x"]), ("a", &["https://x"]), None),
            (
                ("a", &["https://x"]),
                ("a b", &["https://x", "https://y"]),
                None,
            ),
            (
                ("a b", &["https://x"]),
                ("a", &["https://x"]),
                Some(("b", "https://x")),
            ),
            (
                ("a", &["https://x", "https://y"]),
                ("a", &["https://x"]),
                Some(("a", "https://y")),
            ),
            // A scope token for one resource server is none for another.
            (
                ("a", &["https://x"]),
                ("a", &["https://y"]),
                Some(("a", "https://x")),
            ),
            // Without a resource server the scope is for the issuer alone.
            (("a", &[]), ("a", &["https://x"]), Some(("a", ""))),
            (("a", &[]), ("a", &[]), None),
            // A resource server without a scope.
            (("", &["https://x"]), ("a", &["https://x"]), None),
        ];
        for ((tokens, identifiers), (held, held_for), expected) in cases {
            let (wanted, wanted_for) = (scope(tokens), resources(identifiers));
            let mut missing = Pairs::of(&wanted, &wanted_for);
            missing.remove(&scope(held), &resources(held_for));
            assert_eq!(
                missing.first(),
                expected,
                "{tokens:?} {identifiers:?} of {held:?} {held_for:?}"
            );
        }
    }

    #[test]
    fn pairs_are_counted_before_they_are_looked_up() {
        let count = |tokens: &str, identifiers: &[&str]| {
            Pairs::of(&scope(tokens), &resources(identifiers)).count()
        };
        assert_eq!(count("", &[]), 1);
        assert_eq!(count("a b c", &[]), 3);
        assert_eq!(count("a b c", &["https://x", "https://y"]), 6);
    }

    #[test]
    fn a_refusal_names_the_scope_the_resource_server_or_the_pair() {
        let cases = [
            ("", "https://x", "resource_not_in_account"),
            ("a", "", "scope_not_in_account"),
            ("a", "https://x", "scope_and_resource_not_in_account"),
        ];
        for (token, identifier, expected) in cases {
            let refused = not_delegable(token, identifier);
            assert_eq!(refused.refusal().map(Message::code), Some(expected));
        }
    }

    #[test]
    fn a_scope_that_no_resource_server_describes_gives_a_warning() {
        let cases: [(&str, &[&str], Option<&str>); 6] = [
            ("a", &["a b"], None),
            ("a c", &["a b"], Some("c")),
            ("a c", &["a b", "c"], None),
            // One of them describes nothing, so everything may be meant.
            ("a c", &["a b", ""], None),
            ("c", &[], None),
            ("keyward:keys:read a", &["a"], None),
        ];
        for (tokens, described, expected) in cases {
            let described: Vec<Scope> = described.iter().map(|text| scope(text)).collect();
            let warning = undescribed(&scope(tokens), &described);
            let unknown = warning.as_ref().map(|warning| warning.unknown.as_str());
            assert_eq!(unknown, expected, "{tokens:?} {described:?}");
        }
    }
}
