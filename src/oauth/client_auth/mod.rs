//! Client authentication (RFC 6749 section 2.3, RFC 7523 section 2.2, RFC 8705 section 2), for all
//! endpoints. One file per authentication method checks what [`authenticate`] found in the request. A
//! client assertion of another issuer, or an X.509-SVID, authenticates its client by a trust rule
//! ([`trust`](super::trust)), whatever method the client is registered with.
//!
//! [`authenticate`] is the only function that makes an [`AuthenticatedClient`], and every operation
//! that needs one takes it as an argument.

use std::borrow::Cow;
use std::sync::Arc;

use super::authorization_header::AuthorizationHeader;
use super::failures::{FailureSubject, FailureTarget};
use super::reason::{Reason, Rejection};
use super::trust::{Refused, Workload, spiffe_id};
use super::{AuthorizationServer, FormRequest};
use crate::cache::{ClientEntry, SecretEntry};
use crate::credential::{Credential, Kind};
use crate::error::{Code, Error};
use crate::store::client::{Client, could_be_id};

mod certificate;
pub mod private_key_jwt;
mod secret;
mod workload;
mod x509_svid;

pub use workload::SPIFFE_JWT;
pub use x509_svid::SPIFFE_X509;

/// The proof that a request was sent by this client.
pub struct AuthenticatedClient {
    entry: Arc<ClientEntry>,
    /// The workload that acts as the client, if a trust rule authenticated it.
    workload: Option<Arc<Workload>>,
}

impl AuthenticatedClient {
    /// The client, with its secrets and resource servers.
    pub fn client(&self) -> &ClientEntry {
        &self.entry
    }

    /// A shared reference to the client.
    pub fn shared(&self) -> Arc<ClientEntry> {
        self.entry.clone()
    }

    /// The client id.
    pub fn client_id(&self) -> &str {
        &self.entry.client_id
    }

    /// The workload that acts as the client, if a trust rule authenticated it.
    pub fn workload(&self) -> Option<Arc<Workload>> {
        self.workload.clone()
    }
}

/// The credential that a request presents.
enum PresentedCredential<'a> {
    /// A client secret, in the `Authorization` header or in the body.
    Secret {
        client_id: Cow<'a, str>,
        secret: Cow<'a, str>,
    },
    /// A client assertion (RFC 7523 section 2.2), with the `client_id` of the body if there is one.
    Assertion {
        client_id: Option<&'a str>,
        assertion: &'a str,
        kind: AssertionKind,
    },
    /// The client certificate of the request, with the `client_id` of the body, which RFC 8705
    /// section 2 requires. There may be no certificate: then the client is not authenticated.
    Certificate { client_id: &'a str },
}

/// What authenticated the client.
enum AuthenticatedBy<'c> {
    /// This secret of the client.
    Secret(&'c SecretEntry),
    /// A trust rule, which accepted the credential of a workload.
    TrustRule(Arc<Workload>),
    /// A key or a certificate of the client.
    OwnKey,
}

/// The `client_assertion_type` of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AssertionKind {
    /// A JWT (RFC 7523 section 2.2), of the client itself or of another issuer.
    JwtBearer,
    /// A SPIFFE JWT-SVID (draft-ietf-oauth-spiffe-client-auth section 3.1).
    JwtSpiffe,
}

impl PresentedCredential<'_> {
    /// The id that a client secret contains.
    fn secret_id(&self) -> Option<String> {
        match self {
            PresentedCredential::Secret { secret, .. } => {
                let secret = Credential::parse(secret, Kind::ClientSecret)?;
                Some(secret.id().to_owned())
            }
            _ => None,
        }
    }

    /// The client id that the credential claims. It is used to find the client, and proves nothing.
    fn claimed_client_id(&self) -> Option<String> {
        let claimed = match self {
            PresentedCredential::Secret { client_id, .. } => Some(client_id.clone().into_owned()),
            PresentedCredential::Certificate { client_id }
            | PresentedCredential::Assertion {
                client_id: Some(client_id),
                ..
            } => Some((*client_id).to_owned()),
            PresentedCredential::Assertion { assertion, .. } => {
                private_key_jwt::unverified_subject(assertion)
            }
        };
        claimed.filter(|id| could_be_id(id))
    }
}

/// Authenticates the client that sent a request.
///
/// # Errors
/// `invalid_request` if the request uses two authentication methods at once; `invalid_client`, with
/// the same description and after about the same time for every cause; too many requests if
/// authentication failed too often.
pub async fn authenticate(
    server: &AuthorizationServer,
    request: &FormRequest,
) -> Result<AuthenticatedClient, Error> {
    let credential = match presented_credential(request) {
        Ok(credential) => credential,
        Err(rejection) => {
            let reason = rejection.into_reason()?;
            return Err(reject(server, request, None, None, None, reason));
        }
    };
    let client_id = credential.claimed_client_id();
    let was_cached = client_id
        .as_deref()
        .is_some_and(|id| server.cache.has_cached_client(id));
    let entry = match &client_id {
        // A SPIFFE ID is not the id of a client: a trust rule names the client.
        Some(client_id) if !spiffe_id::has_scheme(client_id) => {
            server.cache.client(client_id).await?
        }
        _ => None,
    };
    if let Some(entry) = &entry
        && is_second_method(server, request, &credential, entry).await?
    {
        return Err(two_methods());
    }
    let checked = check(server, request, &credential, entry.as_deref()).await;
    let (reason, meant_client) = match (&entry, checked) {
        (_, Ok(AuthenticatedBy::TrustRule(workload))) => {
            let entry = workload.client().clone();
            record_use(server, request, &entry, None);
            return Ok(AuthenticatedClient {
                entry,
                workload: Some(workload),
            });
        }
        (Some(entry), Ok(by)) => match check_profile(server, entry) {
            Ok(()) => {
                let secret = match by {
                    AuthenticatedBy::Secret(secret) => Some(secret.id.as_str()),
                    AuthenticatedBy::TrustRule(_) | AuthenticatedBy::OwnKey => None,
                };
                record_use(server, request, entry, secret);
                return Ok(AuthenticatedClient {
                    entry: entry.clone(),
                    workload: None,
                });
            }
            Err(reason) => (reason, None),
        },
        (None, Ok(_)) => (Reason::unknown_client(), None),
        (_, Err(refused)) => (refused.rejection.into_reason()?, refused.client),
    };
    // Each failure takes one database lookup. Otherwise its duration would tell which clients are
    // cached, and so which ones exist.
    if was_cached && let Some(client_id) = &client_id {
        server.cache.dummy_lookup(client_id).await;
    }
    Err(reject(
        server,
        request,
        client_id.as_deref(),
        entry.or(meant_client).as_deref(),
        credential.secret_id().as_deref(),
        reason,
    ))
}

fn record_use(
    server: &AuthorizationServer,
    request: &FormRequest,
    client: &ClientEntry,
    secret_id: Option<&str>,
) {
    let client_id = &client.client_id;
    let context = &request.context;
    server
        .usage
        .record_authentication(client_id, secret_id, context);
}

/// Checks a credential by its method.
async fn check<'c>(
    server: &AuthorizationServer,
    request: &FormRequest,
    credential: &PresentedCredential<'_>,
    entry: Option<&'c ClientEntry>,
) -> Result<AuthenticatedBy<'c>, Refused> {
    let context = &request.context;
    let now = context.received_at;
    match credential {
        PresentedCredential::Certificate { client_id } => {
            if x509_svid::applies(server, client_id, entry, context).await? {
                let checked = x509_svid::check(server, client_id, context).await;
                return checked.map(|workload| AuthenticatedBy::TrustRule(Arc::new(workload)));
            }
            certificate::check(server, entry, context).await?;
        }
        PresentedCredential::Secret { secret, .. } => {
            let secret = secret::check(entry, secret, now)?;
            return Ok(AuthenticatedBy::Secret(secret));
        }
        PresentedCredential::Assertion {
            client_id: named,
            assertion,
            kind,
        } => {
            if workload::applies(server, *named, assertion, *kind).await? {
                let checked = workload::check(server, *named, assertion, context).await;
                return checked.map(|workload| AuthenticatedBy::TrustRule(Arc::new(workload)));
            }
            private_key_jwt::check(server, entry, assertion, now).await?;
        }
    }
    Ok(AuthenticatedBy::OwnKey)
}

/// Checks that the security profile of the client allows the method that it is registered with.
fn check_profile(server: &AuthorizationServer, client: &ClientEntry) -> Result<(), Reason> {
    let profile = server.security_profile(client);
    if profile.allows_auth_method(client.auth_method) {
        Ok(())
    } else {
        Err(Reason::profile_secret(profile.as_str()))
    }
}

/// Whether the request has a credential beside a client certificate that already authenticates the
/// client. A certificate beside the credential of another client is none: tokens may be bound to it,
/// and a proxy may forward every certificate.
async fn is_second_method(
    server: &AuthorizationServer,
    request: &FormRequest,
    credential: &PresentedCredential<'_>,
    entry: &ClientEntry,
) -> Result<bool, Error> {
    let context = &request.context;
    if matches!(credential, PresentedCredential::Certificate { .. })
        || !entry.auth_method.uses_certificate()
        || !context.client_certificate.is_present()
    {
        return Ok(false);
    }
    match certificate::check(server, Some(entry), context).await {
        Ok(()) => Ok(true),
        Err(rejection) => rejection.into_reason().map(|_| false),
    }
}

fn two_methods() -> Error {
    Error::new(
        Code::InvalidRequest,
        "The request uses more than one method of client authentication",
    )
}

/// Records the failure, and returns the error to answer with.
fn reject(
    server: &AuthorizationServer,
    request: &FormRequest,
    client_id: Option<&str>,
    entry: Option<&ClientEntry>,
    secret_id: Option<&str>,
    reason: Reason,
) -> Error {
    // Only a secret of the client has counters.
    let secrets = entry.map_or(&[][..], |entry| &entry.secrets);
    let own_secret = secrets
        .iter()
        .find(|own| Some(own.id.as_str()) == secret_id);
    let client = entry.map(|entry| -> &Client { entry });
    let own_id = client.map(|client| client.client_id.as_str());
    let subject = FailureSubject {
        client_id,
        client,
        target: FailureTarget::Client(client_id.or(own_id).unwrap_or_default()),
        secret_id: own_secret.map(|secret| secret.id.as_str()),
    };
    let reason = match client_id {
        Some(client_id) => reason.of_client(client_id),
        None => reason,
    };
    let refusal = Error::invalid_client();
    server.record_failed_authentication(&request.context, &subject, &reason, refusal)
}

/// Finds the credential in a request. RFC 6749 section 2.3: "The client MUST NOT use more than one
/// authentication method in each request."
///
/// # Errors
/// [`Rejection::Error`] with `invalid_request` if the request is ambiguous; [`Rejection::Inactive`]
/// if it has no complete credential.
fn presented_credential(request: &FormRequest) -> Result<PresentedCredential<'_>, Rejection> {
    let parameters = &request.parameters;
    let client_id = parameters.get("client_id");
    let secret = parameters.get("client_secret");
    let assertion = parameters.get("client_assertion");
    let assertion_type = parameters.get("client_assertion_type");
    let used = [
        request.authorization.is_some(),
        secret.is_some(),
        assertion.is_some() || assertion_type.is_some(),
    ];
    if used.into_iter().filter(|used| *used).count() > 1 {
        return Err(two_methods().into());
    }
    if let Some(header) = &request.authorization {
        return basic_credential(header, client_id);
    }
    if let Some(assertion) = assertion {
        let kind = match assertion_type {
            Some(private_key_jwt::ASSERTION_TYPE) => AssertionKind::JwtBearer,
            Some(workload::SPIFFE_ASSERTION_TYPE) => AssertionKind::JwtSpiffe,
            _ => {
                return Err(invalid_request(
                    "client_assertion_type is missing or not one for JWTs",
                ));
            }
        };
        return Ok(PresentedCredential::Assertion {
            client_id,
            assertion,
            kind,
        });
    }
    match (client_id, secret) {
        (Some(client_id), Some(secret)) => Ok(PresentedCredential::Secret {
            client_id: client_id.into(),
            secret: secret.into(),
        }),
        (None, Some(_)) => Err(Reason::secret_without_client().into()),
        (Some(client_id), None) if assertion_type.is_none() => {
            Ok(PresentedCredential::Certificate { client_id })
        }
        (None, None)
            if assertion_type.is_none() && request.context.client_certificate.is_present() =>
        {
            Err(invalid_request(
                "client_id is missing: a client certificate does not name the client",
            ))
        }
        _ => Err(Reason::no_authentication().into()),
    }
}

/// The client id and secret of an `Authorization: Basic` header (RFC 6749 section 2.3.1).
fn basic_credential<'a>(
    header: &str,
    client_id: Option<&str>,
) -> Result<PresentedCredential<'a>, Rejection> {
    let (name, secret) = AuthorizationHeader::parse(header)
        .and_then(|header| header.client_credentials())
        .ok_or_else(Reason::unreadable_authorization)?;
    if client_id.is_some_and(|id| id != name) {
        return Err(invalid_request(
            "client_id is not the one of the Authorization header",
        ));
    }
    Ok(PresentedCredential::Secret {
        client_id: name.into(),
        secret: secret.into(),
    })
}

fn invalid_request(description: &'static str) -> Rejection {
    Error::new(Code::InvalidRequest, description).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_certificate::ClientCertificate;
    use crate::client_ip::ClientIp;
    use crate::clock::Timestamp;
    use crate::oauth::parameters::Parameters;
    use crate::request_context::{RequestContext, RequestId, UserAgent};
    use crate::trace_context::TraceContext;

    const ASSERTION_TYPE: &str =
        "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    fn request(authorization: Option<&str>, body: &str) -> FormRequest {
        let form = Some("application/x-www-form-urlencoded");
        FormRequest {
            authorization: authorization.map(str::to_owned),
            parameters: Parameters::parse(form, body.as_bytes()).unwrap(),
            context: RequestContext {
                client_ip: ClientIp::Unknown,
                client_certificate: ClientCertificate::NONE,
                user_agent: UserAgent::NONE,
                received_at: Timestamp::EPOCH,
                request_id: RequestId::new(Timestamp::EPOCH, &[0; 10]),
                trace: TraceContext::new(None, 0, 0),
            },
        }
    }

    #[test]
    fn a_request_presents_one_credential() {
        let assertion = format!("client_assertion=x&{ASSERTION_TYPE}");
        let assertion_and_id = format!("{assertion}&client_id=app");
        let assertion_and_secret = format!("{assertion}&client_secret=x");
        // app:secret
        let basic = Some("Basic YXBwOnNlY3JldA==");
        for (authorization, body, expected) in [
            (basic, "", Ok(Some("app"))),
            (basic, "client_id=app", Ok(Some("app"))),
            (None, "client_id=app&client_secret=x", Ok(Some("app"))),
            (None, &*assertion, Ok(None)),
            (None, &*assertion_and_id, Ok(Some("app"))),
            (None, "", Err("no_authentication")),
            (None, "client_id=app", Ok(Some("app"))),
            (None, "client_secret=x", Err("secret_without_client")),
            (Some("Basic !"), "", Err("unreadable_authorization")),
            (Some("Bearer x"), "", Err("unreadable_authorization")),
            (basic, "client_id=other", Err("invalid_request")),
            (basic, "client_secret=x", Err("invalid_request")),
            (basic, &*assertion, Err("invalid_request")),
            (None, &*assertion_and_secret, Err("invalid_request")),
            (None, "client_assertion=x", Err("invalid_request")),
            (
                None,
                "client_assertion=x&client_assertion_type=y",
                Err("invalid_request"),
            ),
        ] {
            let request = request(authorization, body);
            let found = match presented_credential(&request) {
                Ok(credential) => Ok(credential.claimed_client_id()),
                Err(rejection) => Err(rejection
                    .into_reason()
                    .map_or_else(|error| error.code().as_str(), |reason| reason.code())),
            };
            assert_eq!(
                found.as_ref().map(Option::as_deref),
                expected.as_ref().map(|id| *id),
                "{authorization:?} {body}"
            );
        }
    }
}
