//! The client credentials grant (RFC 6749 section 4.4), with resource indicators (RFC 8707).
//!
//! This is the one seam with oxide-auth: its state machine asks for each step in the order of the
//! RFC, and this file answers. The granted scope is decided once, in its step `Negotiate`. None of
//! its types leaves this file, and its HTTP layer is not used: see `docs/architecture.md`.

use std::borrow::Cow;
use std::sync::LazyLock;

use oxide_auth::code_grant::client_credentials::{
    ClientCredentials, Input, Output, Request as FlowRequest,
};
use oxide_auth::primitives::grant::Extensions;
use oxide_auth::primitives::registrar::{BoundClient, ExactUrl, PreGrant, RegisteredUrl};

use super::{Grant, GrantType, PermittedGrantType, decide_resources, decide_scope, parse_scope};
use crate::error::Error;
use crate::oauth::client_auth::AuthenticatedClient;
use crate::oauth::parameters::Parameters;
use crate::scope::Scope;

/// Decides what an authenticated client is granted.
///
/// # Errors
/// `invalid_scope`, `invalid_target`.
pub fn grant(
    grant_type: PermittedGrantType,
    client: &AuthenticatedClient,
    parameters: &Parameters,
) -> Result<Grant, Error> {
    let requested = parameters.get("scope").map(parse_scope).transpose()?;
    let resources = decide_resources(&client.client().resources, parameters)?;
    let scope = negotiate_scope(client, requested.as_ref())?;
    let workload = client.workload();
    Ok(Grant {
        grant_type,
        client: client.shared(),
        scope,
        resources,
        not_after: workload.as_ref().and_then(|workload| workload.not_after()),
        api_key: None,
        issued_token_type: None,
        workload,
        binding: None,
    })
}

/// The request as oxide-auth's state machine reads it. The client is authenticated already.
struct AuthenticatedFlow<'a> {
    client: &'a AuthenticatedClient,
    requested: Option<&'a Scope>,
}

impl FlowRequest for AuthenticatedFlow<'_> {
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
        Some(GrantType::ClientCredentials.as_str().into())
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// oxide-auth requires a redirect URI of every client; the client credentials grant has none.
static NO_REDIRECT_URI: LazyLock<Option<RegisteredUrl>> =
    LazyLock::new(|| ExactUrl::new("urn:none".to_owned()).ok().map(Into::into));

/// Drives the state machine to its end, and returns the scope that was decided in `Negotiate`.
fn negotiate_scope(
    client: &AuthenticatedClient,
    requested: Option<&Scope>,
) -> Result<Scope, Error> {
    let fault = |what: &str| Error::server_error(format!("client credentials flow: {what}"));
    let redirect_uri = NO_REDIRECT_URI
        .as_ref()
        .ok_or_else(|| fault("redirect URI"))?;
    let mut granted = None;
    let mut flow = ClientCredentials::new(&AuthenticatedFlow { client, requested });
    let mut input = Input::None;
    loop {
        input = match flow.advance(input) {
            // `AuthenticatedClient` is the proof.
            Output::Authenticate { client: id, .. } if id == client.client_id() => {
                Input::Authenticated
            }
            Output::Authenticate { .. } => return Err(fault("another client")),
            Output::Binding { client_id } => Input::Bound {
                bound_client: BoundClient {
                    client_id: client_id.to_owned().into(),
                    redirect_uri: Cow::Borrowed(redirect_uri),
                },
            },
            Output::Extend => Input::Extended {
                extensions: Extensions::new(),
            },
            Output::Negotiate { bound_client, .. } => {
                let scope = decide_scope(&client.client().scope, requested)?;
                let pre_grant = PreGrant {
                    client_id: bound_client.client_id.clone().into_owned(),
                    redirect_uri: redirect_uri.clone(),
                    scope: scope.as_str().parse().map_err(|_| fault("scope"))?,
                };
                granted = Some(scope);
                Input::Negotiated { pre_grant }
            }
            Output::Ok { .. } => return granted.ok_or_else(|| fault("no negotiation")),
            Output::Err(_) => return Err(fault("refused")),
        };
    }
}
