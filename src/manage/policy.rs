//! What may be granted, to whom: the rules for scopes and resource servers, in one place for all entry
//! points. Rights over Keyward are scope tokens of the prefix `keyward:`, and count for a client only
//! together with the resource that is the management API.

use super::actor::{Permit, Right};
use super::invalid;
use crate::error::{Code, Error};
use crate::scope::{Scope, is_right};
use crate::store::resource_server::{self, Resources};
use crate::store::{Database, Transaction, client, deployment};

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
pub(super) fn management_audience<R: Right>(database: &mut Database, permit: &Permit<R>) -> Result<Option<String>, Error> {
    let known = deployment::management_audience(database)?;
    Ok(known.or_else(|| permit.assumed_issuer().map(|issuer| issuer.management_audience())))
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
        resource_server::check_identifier(identifier).map_err(|error| invalid(error.to_string()).field("resources"))?;
        if management.as_ref() != Some(identifier) && resource_server::find(database, identifier)?.is_none() {
            let unknown = invalid(format!("There is no resource server {identifier}")).field("resources");
            return Err(unknown.phrase("not-there", [("name", identifier.as_str().into())]));
        }
    }
    Ok(identifiers.iter().map(String::as_str).collect())
}

/// Whether this scope and these resource servers may be granted within an account. An operator grants
/// what there is, others what an operator has granted to the account's clients before; and nobody a
/// right over Keyward that they have not. Scope tokens that no resource server has are warned of.
///
/// # Errors
/// `invalid_scope` or `invalid_request`, with the token or the identifier that is refused.
pub(super) fn check_grant<R: Right>(
    transaction: &mut Transaction<'_>,
    permit: &Permit<R>,
    account: &str,
    grantee: Grantee,
    scope: &Scope,
    resources: &Resources,
) -> Result<(), Error> {
    let database = transaction.database();
    if permit.account().is_some() {
        check_ceiling(database, account, scope, resources)?;
    }
    permit.check_gift(scope)?;
    check_management(database, permit, grantee, scope, resources)?;
    warn_of_undescribed(database, scope, resources)
}

fn check_management<R: Right>(
    database: &mut Database,
    permit: &Permit<R>,
    grantee: Grantee,
    scope: &Scope,
    resources: &Resources,
) -> Result<(), Error> {
    let management = management_audience(database, permit)?.unwrap_or_default();
    let managed = resources.contains(&management);
    let right = scope.rights().next();
    match (grantee, right, managed) {
        (Grantee::Registrant, Some(right), _) => {
            let reason = format!("{right} is a right over Keyward, which no client that registers itself can have");
            Err(Error::new(Code::InvalidScope, reason).phrase("right-of-registrant", [("right", right.into())]).field("scope"))
        }
        (Grantee::Registrant, None, true) => {
            Err(invalid(format!("{management} is the management API, which no client that registers itself can use"))
                .phrase("management-of-registrant", [])
                .field("resources"))
        }
        (Grantee::Client, Some(right), false) => {
            Err(invalid(format!("The right {right} is of use only together with the resource {management}"))
                .phrase("right-without-management", [("right", right.into()), ("resource", management.as_str().into())])
                .field("resources"))
        }
        _ => Ok(()),
    }
}

fn check_ceiling(database: &mut Database, account: &str, scope: &Scope, resources: &Resources) -> Result<(), Error> {
    for token in scope.iter() {
        if !client::any_has_scope(database, account, token)? {
            let reason = format!("No client of the account has the scope {token}; ask an operator");
            return Err(Error::new(Code::InvalidScope, reason)
                .phrase("scope-beyond-account", [("scope", token.into())])
                .field("scope"));
        }
    }
    for identifier in resources.iter() {
        if !client::any_may_use(database, account, identifier)? {
            return Err(invalid(format!("No client of the account may use {identifier}; ask an operator"))
                .phrase("resource-beyond-account", [("resource", identifier.into())])
                .field("resources"));
        }
    }
    Ok(())
}

/// Where all of the resource servers describe their scopes, a token that none of them describes is most
/// likely a typing error. An operator may mean it all the same, so it is a warning: on standard error for a
/// command, in the log for the server.
fn warn_of_undescribed(database: &mut Database, scope: &Scope, resources: &Resources) -> Result<(), Error> {
    let mut described = Vec::new();
    for identifier in resources.iter() {
        // The management API is none of the rows: its scope is the rights.
        let Some(server) = resource_server::find(database, identifier)? else { continue };
        if server.scope.is_empty() {
            return Ok(());
        }
        described.push(server.scope);
    }
    let known = |token: &str| is_right(token) || described.iter().any(|scope| scope.contains(token));
    let unknown: Vec<&str> = scope.iter().filter(|token| !described.is_empty() && !known(token)).collect();
    if !unknown.is_empty() {
        let known: Vec<&str> = described.iter().map(Scope::as_str).collect();
        tracing::warn!("none of the resource servers has the scope {}; they have: {}", unknown.join(" "), known.join(" "));
    }
    Ok(())
}
