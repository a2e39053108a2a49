//! Client authentication (RFC 6749 section 2.3, RFC 7523 section 2.2), for all endpoints.
//!
//! [`authenticate`] is the only maker of an [`AuthenticatedClient`], and every verb that needs one
//! takes it as an argument. Mutual TLS (RFC 8705) will be one more variant of [`Presented`], read
//! from the connection; a DPoP proof (RFC 9449) binds the token and not the client, and belongs
//! into the grant.

use std::borrow::Cow;
use std::sync::Arc;

use super::authorization::Authorization;
use super::failure::{Reason, Whose};
use super::{AuthorizationServer, Request, client_assertion};
use crate::cache::ClientEntry;
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::error::{Code, Error};
use crate::store::client::{AuthMethod, could_be_id};

/// The proof that a request comes from this client.
pub struct AuthenticatedClient {
    entry: Arc<ClientEntry>,
}

impl AuthenticatedClient {
    /// What is known of it.
    pub fn entry(&self) -> &ClientEntry {
        &self.entry
    }

    /// The same, to keep.
    pub fn shared(&self) -> Arc<ClientEntry> {
        self.entry.clone()
    }

    /// Its id.
    pub fn client_id(&self) -> &str {
        &self.entry.client.client_id
    }
}

/// What a request presents.
enum Presented<'a> {
    Secret {
        client_id: Cow<'a, str>,
        secret: Cow<'a, str>,
    },
    Assertion {
        client_id: Option<&'a str>,
        assertion: &'a str,
    },
}

/// Finds out who calls.
///
/// # Errors
/// `invalid_request` where it authenticates in two ways at once; `invalid_client`, in the same words
/// for every cause and after about the same time, where it fails; too many requests where it failed
/// too often.
pub async fn authenticate(
    server: &AuthorizationServer,
    request: &Request,
) -> Result<AuthenticatedClient, Error> {
    let presented = match presented(request)? {
        Ok(presented) => presented,
        Err(reason) => return Err(failed(server, request, None, None, reason)),
    };
    let client_id = match &presented {
        Presented::Secret { client_id, .. } => Some(client_id.clone().into_owned()),
        Presented::Assertion {
            client_id,
            assertion,
        } => client_id
            .map(str::to_owned)
            .or_else(|| client_assertion::unproven_subject(assertion)),
    };
    let client_id = client_id.filter(|id| could_be_id(id));
    let remembered = client_id
        .as_deref()
        .is_some_and(|id| server.cache.has_cached_client(id));
    let entry = match &client_id {
        Some(client_id) => server.cache.client(client_id).await?,
        None => None,
    };
    let checked = match &presented {
        Presented::Secret { secret, .. } => {
            check_secret(entry.as_deref(), secret, request.context.received_at)
        }
        Presented::Assertion { assertion, .. } => {
            check_assertion(
                server,
                entry.as_deref(),
                assertion,
                request.context.received_at,
            )
            .await?
        }
    };
    match (entry, checked) {
        (Some(entry), Ok(())) => Ok(AuthenticatedClient { entry }),
        (entry, checked) => {
            // Each failure costs one look into the store, or its time would tell which clients memory
            // knows, and so which there are.
            if remembered && let Some(client_id) = &client_id {
                server.cache.dummy_lookup(client_id).await;
            }
            let reason = checked.err().unwrap_or_else(Reason::unknown_client);
            Err(failed(
                server,
                request,
                client_id.as_deref(),
                entry.as_deref(),
                reason,
            ))
        }
    }
}

fn failed(
    server: &AuthorizationServer,
    request: &Request,
    client_id: Option<&str>,
    entry: Option<&ClientEntry>,
    reason: Reason,
) -> Error {
    let client = entry.map(|entry| &entry.client);
    let whose = Whose {
        client_id,
        client,
        target: client_id.unwrap_or_default(),
    };
    let reason = match client_id {
        Some(client_id) => reason.of_client(client_id),
        None => reason,
    };
    server.failed(&request.context, &whose, &reason, Error::invalid_client())
}

/// RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each
/// request." The inner error is a reason to refuse.
fn presented(request: &Request) -> Result<Result<Presented<'_>, Reason>, Error> {
    let parameters = &request.parameters;
    let (client_id, secret) = (parameters.get("client_id"), parameters.get("client_secret"));
    let assertion = parameters.get("client_assertion");
    let assertion_type = parameters.get("client_assertion_type");
    let methods = [
        request.authorization.is_some(),
        secret.is_some(),
        assertion.is_some() || assertion_type.is_some(),
    ];
    if methods.into_iter().filter(|used| *used).count() > 1 {
        return Err(Error::new(
            Code::InvalidRequest,
            "The request uses more than one method of client authentication",
        ));
    }
    if let Some(header) = &request.authorization {
        let credentials =
            Authorization::parse(header).and_then(|header| header.client_credentials());
        let Some((name, secret)) = credentials else {
            return Ok(Err(Reason::unreadable_authorization()));
        };
        if client_id.is_some_and(|id| id != name) {
            return Err(Error::new(
                Code::InvalidRequest,
                "client_id is not the one of the Authorization header",
            ));
        }
        return Ok(Ok(Presented::Secret {
            client_id: name.into(),
            secret: secret.into(),
        }));
    }
    if let Some(assertion) = assertion {
        return match assertion_type {
            Some(client_assertion::TYPE) => Ok(Ok(Presented::Assertion {
                client_id,
                assertion,
            })),
            _ => Err(Error::new(
                Code::InvalidRequest,
                "client_assertion_type is missing or not the one for JWTs",
            )),
        };
    }
    Ok(match (client_id, secret) {
        (Some(client_id), Some(secret)) => Ok(Presented::Secret {
            client_id: client_id.into(),
            secret: secret.into(),
        }),
        (None, Some(_)) => Err(Reason::secret_without_client()),
        _ => Err(Reason::no_authentication()),
    })
}

/// One comparison for each call, whatever is wrong.
fn check_secret(
    entry: Option<&ClientEntry>,
    presented: &str,
    now: Timestamp,
) -> Result<(), Reason> {
    let credential = Credential::parse(presented, Kind::ClientSecret);
    let stored = entry.and_then(|entry| {
        let id = credential.as_ref()?.id();
        entry.secrets.iter().find(|secret| secret.id == id)
    });
    let (Some(credential), Some(stored)) = (&credential, stored) else {
        secret_hash::dummy_verify(presented.as_bytes());
        return Err(match (entry, &credential) {
            (None, _) => Reason::unknown_client(),
            (_, None) => Reason::not_a_secret(),
            (_, Some(credential)) => Reason::no_such_secret(credential.id()),
        });
    };
    let right = stored.secret.matches(credential);
    let client = entry.map(|entry| &entry.client);
    if !right {
        return Err(Reason::wrong_secret(&stored.id));
    }
    if let Some(end) = stored.expires_at.filter(|end| *end <= now) {
        return Err(Reason::secret_ended(&stored.id, end));
    }
    match client {
        Some(client) if client.disabled_at.is_some() => Err(Reason::client_disabled()),
        Some(client) if !client.auth_method.uses_secret() => {
            Err(Reason::wrong_method(client.auth_method.as_str()))
        }
        Some(_) => Ok(()),
        None => Err(Reason::unknown_client()),
    }
}

async fn check_assertion(
    server: &AuthorizationServer,
    entry: Option<&ClientEntry>,
    assertion: &str,
    now: Timestamp,
) -> Result<Result<(), Reason>, Error> {
    let Some(entry) = entry else {
        return Ok(Err(Reason::unknown_client()));
    };
    if entry.client.disabled_at.is_some() {
        return Ok(Err(Reason::client_disabled()));
    }
    if entry.client.auth_method != AuthMethod::PrivateKeyJwt {
        return Ok(Err(Reason::wrong_method(entry.client.auth_method.as_str())));
    }
    client_assertion::check(server, &entry.client, assertion, now).await
}
