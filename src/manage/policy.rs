//! What may be granted, to whom: the rules for scopes and resource servers, in one place for all entry
//! points. Rights over Keyward are scope tokens of the prefix `keyward:`, and count for a client only
//! together with the resource that is the management API.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::actor::{Permit, Right};
use super::invalid;
use crate::error::{Code, Error};
use crate::scope::{Scope, is_right};
use crate::store::client::{self, Client};
use crate::store::resource_server::{self, Resources};
use crate::store::{Database, Transaction, cluster_settings};

/// Who gets a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grantee {
    /// A client that people made.
    Client,
    /// A client that registers, or has registered, itself.
    Registrant,
}

/// The audience of the management API.
///
/// # Errors
/// Where the database gave no answer.
pub(super) fn management_audience<R: Right>(
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

/// Resource servers by their identifiers: those that there are, and the management API.
///
/// # Errors
/// An identifier that is malformed, or of no resource server.
pub(super) fn known_resources<R: Right>(
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
            let unknown =
                invalid(format!("There is no resource server {identifier}")).field("resources");
            return Err(unknown.phrase("not-there", [("name", identifier.as_str().into())]));
        }
    }
    Ok(identifiers.iter().map(String::as_str).collect())
}

/// What somebody wants to grant.
pub(super) struct Wanted<'a> {
    /// Within this account.
    pub account: &'a str,
    /// To whom.
    pub grantee: Grantee,
    /// The most that it may ask for.
    pub scope: &'a Scope,
    /// The resource servers for which it may ask for tokens.
    pub resources: &'a Resources,
    /// The client as it is, where there is one: what it has, it keeps.
    pub current: Option<&'a Client>,
}

/// What was done all the same, and is most likely not meant: none of the resource servers has these words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The words of the scope that none of the resource servers describes.
    pub unknown: String,
    /// The words that they describe.
    pub known: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "none of the resource servers has the scope {}; they have: {}",
            self.unknown, self.known
        )
    }
}

/// Whether this may be granted within an account. An operator grants what there is, others what an operator
/// has granted to the account's clients before; and nobody a right over Keyward that they have not. Gives a
/// warning where the scope is most likely a typing error.
///
/// # Errors
/// `invalid_scope` or `invalid_request`, with the token or the identifier that is refused.
pub(super) fn check_grant<R: Right>(
    transaction: &mut Transaction<'_>,
    permit: &Permit<R>,
    wanted: &Wanted<'_>,
) -> Result<Option<Warning>, Error> {
    let database = transaction.database();
    if permit.account().is_some() {
        check_ceiling(database, wanted)?;
    }
    permit.check_gift(wanted.scope)?;
    check_management(database, permit, wanted)?;
    undescribed(database, wanted.scope, wanted.resources)
}

fn check_management<R: Right>(
    database: &mut Database,
    permit: &Permit<R>,
    wanted: &Wanted<'_>,
) -> Result<(), Error> {
    let Wanted {
        grantee,
        scope,
        resources,
        ..
    } = *wanted;
    let management = management_audience(database, permit)?.unwrap_or_default();
    let managed = resources.contains(&management);
    let right = scope.rights().next();
    match (grantee, right, managed) {
        (Grantee::Registrant, Some(right), _) => {
            let reason = format!(
                "{right} is a right over Keyward, which no client that registers itself can have"
            );
            Err(Error::new(Code::InvalidScope, reason)
                .phrase("right-of-registrant", [("right", right.into())])
                .field("scope"))
        }
        (Grantee::Registrant, None, true) => Err(invalid(format!(
            "{management} is the management API, which no client that registers itself can use"
        ))
        .phrase("management-of-registrant", [])
        .field("resources")),
        (Grantee::Client, Some(right), false) => Err(invalid(format!(
            "The right {right} is of use only together with the resource {management}"
        ))
        .phrase(
            "right-without-management",
            [
                ("right", right.into()),
                ("resource", management.as_str().into()),
            ],
        )
        .field("resources")),
        _ => Ok(()),
    }
}

/// How many clients of the account are looked at for one grant, and how many pairs of a scope token and a
/// resource server it can have: the check holds the lock of all who write.
const MOST_HOLDERS: usize = 16;
const MOST_PAIRS: usize = 10_000;

/// So many clients are taken as they come. In most accounts the first will do, and to find the one with the most
/// takes a look at all of them.
const ANY_HOLDERS: usize = 4;

/// A token says for each of its resource servers that it has each word of its scope. So for each such pair
/// there must be a client of the account that has it already: it came from an operator once. A client without a
/// resource server has its words for the issuer alone, which is one more audience.
fn check_ceiling(database: &mut Database, wanted: &Wanted<'_>) -> Result<(), Error> {
    let Wanted {
        account,
        scope,
        resources,
        current,
        ..
    } = *wanted;
    if scope.is_empty() && resources.is_empty() {
        return Ok(());
    }
    let mut open = Pairs::of(scope, resources);
    if let Some(client) = current {
        open.remove(&client.scope, &client.resources);
    }
    let too_many = || {
        let reason = "This takes more pairs of a scope and a resource server than can be checked at once; make several clients";
        Error::new(Code::InvalidScope, reason)
            .phrase("pairs-too-many", [])
            .field("scope")
    };
    if open.count() > MOST_PAIRS {
        return Err(too_many());
    }
    for round in 0..MOST_HOLDERS {
        let Some((word, identifier)) = open.first() else {
            return Ok(());
        };
        let found = client::holder(database, account, word, identifier, round >= ANY_HOLDERS)?;
        let Some((scope, resources)) = found else {
            let of_none = client::holder(database, account, "", identifier, false)?.is_none();
            return Err(beyond_account(
                if of_none && !identifier.is_empty() {
                    ""
                } else {
                    word
                },
                identifier,
            ));
        };
        open.remove(&scope, &resources);
    }
    if open.first().is_some() {
        Err(too_many())
    } else {
        Ok(())
    }
}

fn beyond_account(word: &str, identifier: &str) -> Error {
    if word.is_empty() {
        return invalid(format!(
            "No client of the account may use {identifier}; ask an operator"
        ))
        .phrase("resource-beyond-account", [("resource", identifier.into())])
        .field("resources");
    }
    if identifier.is_empty() {
        let reason = format!(
            "No client of the account has the scope {word} without a resource server; ask an operator"
        );
        return Error::new(Code::InvalidScope, reason)
            .phrase("scope-beyond-account", [("scope", word.into())])
            .field("scope");
    }
    Error::new(
        Code::InvalidScope,
        format!("No client of the account has the scope {word} for {identifier}; ask an operator"),
    )
    .phrase(
        "pair-beyond-account",
        [("scope", word.into()), ("resource", identifier.into())],
    )
    .field("scope")
}

/// The words of a scope for each resource server. No word and no resource server are the empty text: a client
/// may use a resource server without a scope, and have a scope without a resource server.
struct Pairs<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Pairs<'a> {
    fn of(scope: &'a Scope, resources: &'a Resources) -> Self {
        let words: BTreeSet<&str> = if scope.is_empty() {
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
                .map(|identifier| (identifier, words.clone()))
                .collect(),
        )
    }

    fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    fn first(&self) -> Option<(&'a str, &'a str)> {
        let (identifier, words) = self.0.first_key_value()?;
        Some((words.first()?, identifier))
    }

    /// Those that a client with this scope and these resource servers has.
    fn remove(&mut self, scope: &Scope, resources: &Resources) {
        let held: BTreeSet<&str> = scope.iter().chain([""]).collect();
        for (identifier, words) in &mut self.0 {
            if if identifier.is_empty() {
                resources.is_empty()
            } else {
                resources.contains(identifier)
            } {
                words.retain(|word| !held.contains(word));
            }
        }
        self.0.retain(|_, words| !words.is_empty());
    }
}

/// Where all of the resource servers describe their scopes, a token that none of them describes is most
/// likely a typing error. An operator may mean it all the same, so it is a warning.
pub(super) fn undescribed(
    database: &mut Database,
    scope: &Scope,
    resources: &Resources,
) -> Result<Option<Warning>, Error> {
    let mut described = Vec::new();
    for identifier in resources.iter() {
        // The management API is none of the rows: its scope is the rights.
        let Some(server) = resource_server::find(database, identifier)? else {
            continue;
        };
        if server.scope.is_empty() {
            return Ok(None);
        }
        described.push(server.scope);
    }
    let known =
        |token: &str| is_right(token) || described.iter().any(|scope| scope.contains(token));
    let unknown: Vec<&str> = scope
        .iter()
        .filter(|token| !described.is_empty() && !known(token))
        .collect();
    if unknown.is_empty() {
        return Ok(None);
    }
    let known: Vec<&str> = described.iter().map(Scope::as_str).collect();
    Ok(Some(Warning {
        unknown: unknown.join(" "),
        known: known.join(" "),
    }))
}
