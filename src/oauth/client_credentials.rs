//! The client credentials grant (RFC 6749 section 4.4), with resource indicators (RFC 8707).
//!
//! The one seam with oxide-auth: its state machine asks, in the RFC's order, and this file answers.
//! None of its types leaves here. Its HTTP layer is not used: see `docs/architecture.md`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use oxide_auth::code_grant::client_credentials::{
    ClientCredentials, Input, Output, Request as Flow,
};
use oxide_auth::primitives::grant::Extensions;
use oxide_auth::primitives::registrar::{BoundClient, ExactUrl, PreGrant, RegisteredUrl};

use super::access_token::Grant;
use super::client_authentication::AuthenticatedClient;
use super::parameters::Parameters;
use crate::error::{Code, Error};
use crate::scope::Scope;
use crate::store::resource_server::Resources;

/// The value of `grant_type`.
pub const GRANT_TYPE: &str = "client_credentials";

/// Decides what the client gets.
///
/// # Errors
/// `invalid_scope`, `invalid_target`.
pub fn grant(client: &AuthenticatedClient, parameters: &Parameters) -> Result<Grant, Error> {
    let entry = &client.entry().client;
    let requested = parameters.get("scope").map(parse_scope).transpose()?;
    let resources = decide_resources(&entry.resources, parameters)?;
    let scope = negotiate(client, requested.as_ref())?;
    Ok(Grant::to_client(client, scope, resources))
}

/// Reads a `scope` parameter.
///
/// # Errors
/// `invalid_scope`
pub fn parse_scope(text: &str) -> Result<Scope, Error> {
    text.parse()
        .map_err(|error| Error::new(Code::InvalidScope, format!("Not a scope: {error}")))
}

/// None asked: all that the client may have. More than that: refused, never cut down in silence.
///
/// # Errors
/// `invalid_scope`
pub fn decide_scope(allowed: &Scope, requested: Option<&Scope>) -> Result<Scope, Error> {
    let Some(requested) = requested.filter(|scope| !scope.is_empty()) else {
        return Ok(allowed.clone());
    };
    if requested.is_subset(allowed) {
        return Ok(requested.clone());
    }
    let own: BTreeSet<&str> = allowed.iter().collect();
    let beyond: Vec<&str> = requested
        .iter()
        .filter(|token| !own.contains(token))
        .take(5)
        .collect();
    let beyond = beyond.join(" ");
    Err(Error::new(
        Code::InvalidScope,
        format!("The client may not have the scope {beyond}"),
    )
    .about(beyond))
}

/// RFC 8707 section 2. None asked: all that the client may use.
///
/// # Errors
/// `invalid_target`
pub fn decide_resources(allowed: &Resources, parameters: &Parameters) -> Result<Resources, Error> {
    let requested: Vec<&str> = parameters
        .all("resource")
        .chain(parameters.all("audience"))
        .collect();
    if requested.is_empty() {
        return Ok(allowed.clone());
    }
    if let Some(beyond) = requested
        .iter()
        .find(|identifier| !allowed.contains(identifier))
    {
        let shown: String = beyond
            .chars()
            .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\'))
            .take(200)
            .collect();
        return Err(Error::new(
            Code::InvalidTarget,
            format!("The client may not use the resource {shown}"),
        )
        .about(shown));
    }
    Ok(requested.into_iter().collect())
}

/// The request as the state machine reads it: authenticated by us, beforehand.
struct Proven<'a> {
    client: &'a AuthenticatedClient,
    requested: Option<&'a Scope>,
}

impl Flow for Proven<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((self.client.client_id().into(), Cow::Borrowed(&[])))
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.requested.map(|scope| scope.as_str().into())
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(GRANT_TYPE.into())
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Drives the state machine from end to end.
fn negotiate(client: &AuthenticatedClient, requested: Option<&Scope>) -> Result<Scope, Error> {
    let fault = |what: &str| Error::server_error(format!("client credentials flow: {what}"));
    // The grant has no redirect; the machine wants one all the same.
    let nowhere: RegisteredUrl = ExactUrl::new("urn:none".to_owned())
        .map_err(|_| fault("redirect"))?
        .into();
    let mut flow = ClientCredentials::new(&Proven { client, requested });
    let mut input = Input::None;
    loop {
        input = match flow.advance(input) {
            // The proof is in the type of `client`.
            Output::Authenticate { client: name, .. } if name == client.client_id() => {
                Input::Authenticated
            }
            Output::Binding { client_id } => Input::Bound {
                bound_client: BoundClient {
                    client_id: client_id.to_owned().into(),
                    redirect_uri: Cow::Owned(nowhere.clone()),
                },
            },
            Output::Extend => Input::Extended {
                extensions: Extensions::new(),
            },
            Output::Negotiate {
                bound_client,
                scope,
            } => {
                let requested = scope
                    .map(|scope| scope.to_string().parse())
                    .transpose()
                    .map_err(|_| fault("scope"))?;
                let scope = decide_scope(&client.entry().client.scope, requested.as_ref())?;
                Input::Negotiated {
                    pre_grant: PreGrant {
                        client_id: bound_client.client_id.clone().into_owned(),
                        redirect_uri: nowhere.clone(),
                        scope: scope.as_str().parse().map_err(|_| fault("scope"))?,
                    },
                }
            }
            // In random order: our own type puts it into one.
            Output::Ok { pre_grant, .. } => {
                return pre_grant
                    .scope
                    .to_string()
                    .parse()
                    .map_err(|_| fault("scope"));
            }
            Output::Authenticate { .. } => return Err(fault("another client")),
            Output::Err(_) => return Err(fault("refused")),
        };
    }
}
