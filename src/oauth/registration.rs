//! Dynamic client registration (RFC 7591) and its management (RFC 7592).

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::AuthorizationServer;
use super::authorization_header::AuthorizationHeader;
use super::client_metadata::{
    ClientMetadata, RegistrationLimits, ValidatedMetadata, invalid, parse,
};
use super::failures::{FailureSubject, FailureTarget};
use super::reason::Reason;
use crate::cache::ClientEntry;
use crate::config::Registration;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash::{self, StoredSecret};
use crate::domain;
use crate::error::{Code, Error, refusal};
use crate::request_context::RequestContext;
use crate::store::account::{self, AccountKind};
use crate::store::audit::{Action, Recorder};
use crate::store::client::{self, AuthMethod, Client};
use crate::store::client_secret;
use crate::store::registration_token::{self, RegistrationToken};
use crate::store::trust_rule;

/// The client information response (RFC 7591 section 3.2.1).
#[derive(Debug, Serialize)]
pub struct ClientInformation {
    client_id: String,
    /// Only in the response that created it: afterwards Keyward only has its hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    client_id_issued_at: i64,
    /// Zero: it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    registration_access_token: String,
    registration_client_uri: String,
    #[serde(flatten)]
    metadata: ClientMetadata,
}

/// A request to a registration endpoint.
pub struct RegistrationRequest {
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The context of the request.
    pub context: RequestContext,
}

/// Registers a client (RFC 7591 section 3).
///
/// # Errors
/// `invalid_token`, `invalid_client_metadata`, `invalid_redirect_uri`.
pub async fn register(
    server: &AuthorizationServer,
    request: &RegistrationRequest,
    body: &[u8],
) -> Result<ClientInformation, Error> {
    let initial = check_may_register(server, request).await?;
    let limits = match &initial {
        Some(token) => RegistrationLimits::new(&token.scope, &token.resources),
        None => RegistrationLimits::new(
            &server.settings.registration_scope,
            &server.settings.registration_resources,
        ),
    };
    let metadata = validated(server, body)?;

    let now = request.context.received_at;
    let access_token = Credential::generate(Kind::RegistrationAccessToken);
    let mut client = Client {
        registration_limits: Some(limits.to_json()?),
        registration_token_hash: Some(secret_hash::hash(&access_token)),
        ..Client::new(String::new(), String::new(), metadata.auth_method, now)
    };
    metadata.apply(&mut client, &limits, &server.issuer.management_audience())?;
    let secret = domain::client::generate_secret(&client, now);

    let actor = match &initial {
        Some(token) => format!("initial access token {}", token.id),
        None => format!("client {}", client.client_id),
    };
    let recorder = Recorder::in_request(actor, &request.context);
    let row = client.clone();
    let secret_row = secret.as_ref().map(|(_, row)| row.clone());
    client.account_id = server
        .store
        .write(now, move |transaction| {
            let account_id = take_account(transaction, &recorder, initial.as_ref())?;
            ensure_capacity(transaction, &account_id)?;
            let row = Client {
                account_id,
                ..row.clone()
            };
            domain::client::create(transaction, &recorder, &row, secret_row.as_ref(), None)?;
            Ok::<_, Error>(row.account_id)
        })
        .await?;
    tracing::info!(
        client_id = client.client_id,
        account_id = client.account_id,
        "client registered"
    );
    Ok(information(
        server,
        &client,
        secret.map(|(secret, _)| secret),
        &access_token,
    ))
}

/// The metadata of a request, validated by the settings of the server.
fn validated(server: &AuthorizationServer, body: &[u8]) -> Result<ValidatedMetadata, Error> {
    let settings = server.settings.current();
    let profile = settings.security_profile;
    let metadata = ValidatedMetadata::new(parse(body)?, settings.private_jwks_uri, profile)?;
    let method = metadata.auth_method();
    if server.auth_methods().any(|supported| supported == method) {
        return Ok(metadata);
    }
    let supported: Vec<_> = server.auth_methods().map(AuthMethod::as_str).collect();
    Err(invalid(format!(
        "token_endpoint_auth_method: {method} is not supported here; the supported ones are {}",
        supported.join(", ")
    )))
}

/// Checks that the setting `registration` allows the request. Returns the initial access token if it
/// requires one.
async fn check_may_register(
    server: &AuthorizationServer,
    request: &RegistrationRequest,
) -> Result<Option<RegistrationToken>, Error> {
    match server.settings.registration {
        Registration::Off => Err(Error::new(Code::AccessDenied, "Registration is off")),
        Registration::Open => match server.rate_limiter.registered(request.context.client_ip) {
            Some(wait) => {
                server.usage.metrics.count_rate_limited();
                Err(Error::too_many_requests(
                    "Too many registrations from one network; try again later",
                    wait,
                ))
            }
            None => Ok(None),
        },
        Registration::Token => initial_access_token(server, request).await.map(Some),
    }
}

/// Takes one use of the initial access token. Returns the account of the new client: that of the
/// token, or the one of open registration.
fn take_account(
    transaction: &mut crate::store::Transaction<'_>,
    recorder: &Recorder,
    initial: Option<&RegistrationToken>,
) -> Result<String, Error> {
    let Some(token) = initial else {
        let kind = AccountKind::OpenRegistration;
        return Ok(account::find_or_create(transaction, recorder, kind)?.id);
    };
    if registration_token::take_use(transaction, &token.id)? {
        Ok(token.account_id.clone())
    } else {
        Err(invalid_token("The initial access token has no uses left"))
    }
}

/// Reads the registration of a client (RFC 7592 section 2.1).
///
/// # Errors
/// `invalid_token`.
pub async fn read(
    server: &AuthorizationServer,
    request: &RegistrationRequest,
    client_id: &str,
) -> Result<ClientInformation, Error> {
    let (entry, access_token) = authenticate_registrant(server, request, client_id).await?;
    Ok(information(server, &entry, None, &access_token))
}

/// Replaces the registered metadata of a client (RFC 7592 section 2.2).
///
/// # Errors
/// `invalid_token`, `invalid_client_metadata`, `invalid_redirect_uri`.
pub async fn update(
    server: &AuthorizationServer,
    request: &RegistrationRequest,
    client_id: &str,
    body: &[u8],
) -> Result<ClientInformation, Error> {
    let (entry, access_token) = authenticate_registrant(server, request, client_id).await?;
    check_update(server, &entry, &access_token, body)?;
    let metadata = validated(server, body)?;

    let now = request.context.received_at;
    let id = client_id.to_owned();
    let management = server.issuer.management_audience();
    let authenticated_hash = entry.registration_token_hash.clone();
    let recorder = Recorder::in_request(format!("client {id}"), &request.context);
    let (client, secret) = server
        .store
        .write(now, move |transaction| {
            let database = transaction.database();
            let found = client::find(database, &id)?;
            let mut client = check_still_registered(found, authenticated_hash.as_ref())?;
            let secrets = client_secret::list(database, &id)?;
            let before = client.resources.clone();
            let limits = RegistrationLimits::of(&client)?;
            metadata.apply(&mut client, &limits, &management)?;
            // The right to introspect was granted for these resource servers only.
            if client.may_introspect && !client.resources.is_subset(&before) {
                return Err(invalid(
                    "resources: only an operator can add resource servers to a client that introspects",
                ));
            }
            domain::client::update(transaction, &recorder, Action::ClientUpdate, &client)?;
            if !client.auth_method.uses_secret() {
                for secret in secrets {
                    client_secret::delete(transaction, &id, &secret.id)?;
                }
                return Ok((client, None));
            }
            let live = secrets
                .iter()
                .any(|secret| secret.expires_at.is_none_or(|end| end > now));
            let secret = if live {
                None
            } else {
                domain::client::generate_secret(&client, now)
            };
            if let Some((_, row)) = &secret {
                client_secret::insert(transaction, row)?;
            }
            Ok((client, secret.map(|(secret, _)| secret)))
        })
        .await?;
    Ok(information(server, &client, secret, &access_token))
}

/// Deletes a client (RFC 7592 section 2.3). Its secrets, API keys and tokens are refused from then
/// on.
///
/// # Errors
/// `invalid_token`; `access_denied` if an operator disabled one of its trust rules.
pub async fn delete(
    server: &AuthorizationServer,
    request: &RegistrationRequest,
    client_id: &str,
) -> Result<(), Error> {
    let (entry, _) = authenticate_registrant(server, request, client_id).await?;
    let id = entry.client_id.clone();
    let now = request.context.received_at;
    let authenticated_hash = entry.registration_token_hash.clone();
    let recorder = Recorder::in_request(format!("client {id}"), &request.context);
    server
        .store
        .write(now, move |transaction| {
            let client = check_still_registered(
                client::find(transaction.database(), &id)?,
                authenticated_hash.as_ref(),
            )?;
            if trust_rule::has_disabled_by_operator(transaction.database(), &id)? {
                return Err(refusal::client_of_disabled_trust_rule());
            }
            domain::client::delete(transaction, &recorder, &client)?;
            Ok(())
        })
        .await?;
    tracing::info!(client_id, "client deleted by its registration access token");
    Ok(())
}

/// Checks again, within the transaction, that the client exists and is enabled, and that its
/// registration access token is still the one that was authenticated.
fn check_still_registered(
    found: Option<Client>,
    authenticated_hash: Option<&String>,
) -> Result<Client, Error> {
    found
        .filter(|client| {
            client.registration_token_hash.as_ref() == authenticated_hash && client.is_active()
        })
        .ok_or_else(|| {
            invalid_token("The client or its registration access token no longer exists")
        })
}

/// Refuses one more client if the account is closed or has reached its limit: registrations must not fill the
/// disk.
fn ensure_capacity(
    transaction: &mut crate::store::Transaction<'_>,
    account_id: &str,
) -> Result<(), Error> {
    let database = transaction.database();
    let account = account::find(database, account_id)?;
    if account
        .as_ref()
        .is_some_and(|account| account.closed_at.is_some())
    {
        return Err(refusal::account_closed());
    }
    let limit = account.map_or(0, |account| account.client_limit());
    if client::has_as_many(database, account_id, limit)? {
        return Err(Error::new(
            Code::AccessDenied,
            "The account has reached its maximum number of clients",
        )
        .detail(format!(
            "account {account_id} has reached its maximum of {limit} clients"
        )));
    }
    Ok(())
}

fn invalid_token(description: &'static str) -> Error {
    Error::new(Code::InvalidToken, description)
}

fn failed(
    server: &AuthorizationServer,
    request: &RegistrationRequest,
    client_id: Option<&str>,
    reason: &Reason,
) -> Error {
    let subject = FailureSubject {
        client_id,
        client: None,
        target: FailureTarget::Client(client_id.unwrap_or_default()),
        secret_id: None,
    };
    let refusal = invalid_token("The token is missing, unknown, expired or has no uses left");
    server.record_failed_authentication(&request.context, &subject, reason, refusal)
}

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1).
fn bearer(authorization: Option<&str>, kind: Kind) -> Option<Credential> {
    Credential::parse(AuthorizationHeader::parse(authorization?)?.bearer()?, kind)
}

async fn initial_access_token(
    server: &AuthorizationServer,
    request: &RegistrationRequest,
) -> Result<RegistrationToken, Error> {
    let Some(presented) = bearer(request.authorization.as_deref(), Kind::InitialAccessToken) else {
        return Err(failed(server, request, None, &Reason::no_initial_token()));
    };
    let id = presented.id().to_owned();
    let found = server
        .store
        .lookup(move |database| registration_token::find(database, &id))
        .await?;
    let Some(token) = found else {
        secret_hash::dummy_verify(presented.expose().as_bytes());
        return Err(failed(
            server,
            request,
            None,
            &Reason::unknown_initial_token(),
        ));
    };
    if !StoredSecret::new(token.hash.clone()).matches(&presented) {
        return Err(failed(
            server,
            request,
            None,
            &Reason::wrong_initial_token(),
        ));
    }
    if token
        .expires_at
        .is_some_and(|end| end <= request.context.received_at)
    {
        return Err(failed(
            server,
            request,
            None,
            &Reason::initial_token_ended(),
        ));
    }
    if token.uses_left.is_some_and(|left| left < 1) {
        return Err(failed(
            server,
            request,
            None,
            &Reason::initial_token_used_up(),
        ));
    }
    Ok(token)
}

/// Authenticates the request by the registration access token of the client that the URL names (RFC
/// 7592 section 2).
async fn authenticate_registrant(
    server: &AuthorizationServer,
    request: &RegistrationRequest,
    client_id: &str,
) -> Result<(Arc<ClientEntry>, Credential), Error> {
    let Some(presented) = bearer(
        request.authorization.as_deref(),
        Kind::RegistrationAccessToken,
    ) else {
        return Err(failed(
            server,
            request,
            None,
            &Reason::no_registration_token(),
        ));
    };
    let entry = server.cache.client(client_id).await?;
    let hash = entry
        .as_ref()
        .and_then(|entry| entry.registration_token_hash.clone());
    match (entry, hash) {
        (Some(entry), Some(hash)) => {
            let matches = StoredSecret::new(hash).matches(&presented);
            let reason = match Reason::refusing(&entry) {
                _ if !matches => Reason::wrong_registration_token(),
                Some(reason) => reason,
                None => return Ok((entry, presented)),
            };
            Err(failed(server, request, Some(client_id), &reason))
        }
        _ => {
            secret_hash::dummy_verify(presented.expose().as_bytes());
            Err(failed(
                server,
                request,
                None,
                &Reason::not_registered_by_itself(),
            ))
        }
    }
}

/// Checks the members that an update must, or must not, have (RFC 7592 section 2.2). Members that a
/// client must not change are accepted if they are unchanged, since libraries send back all that they
/// received.
fn check_update(
    server: &AuthorizationServer,
    entry: &ClientEntry,
    access_token: &Credential,
    body: &[u8],
) -> Result<(), Error> {
    let sent: Value = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The client metadata is unreadable: {error}")))?;
    let client: &Client = entry;
    if sent["client_id"] != client.client_id.as_str() {
        return Err(invalid(
            "client_id must be present, and be the client's own",
        ));
    }
    for member in UNCHANGEABLE {
        let value = sent.get(member).filter(|value| !value.is_null());
        if value.is_some_and(|value| !is_unchanged(server, entry, access_token, member, value)) {
            return Err(invalid(format!(
                "{member} cannot be changed: omit it, or send it as it was in the response"
            )));
        }
    }
    let Some(value) = sent.get("client_secret") else {
        return Ok(());
    };
    let is_own = sent_credential(value, Kind::ClientSecret).is_some_and(|sent| {
        entry
            .secrets
            .iter()
            .any(|secret| secret.secret.matches(&sent))
    });
    if is_own {
        Ok(())
    } else {
        Err(invalid(
            "client_secret must be the client's own, or omitted",
        ))
    }
}

/// The members of the response that a client can send back but not change.
const UNCHANGEABLE: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_id_issued_at",
    "client_secret_expires_at",
];

fn is_unchanged(
    server: &AuthorizationServer,
    entry: &ClientEntry,
    access_token: &Credential,
    member: &str,
    value: &Value,
) -> bool {
    let client: &Client = entry;
    match member {
        "registration_access_token" => sent_credential(value, Kind::RegistrationAccessToken)
            .is_some_and(|sent| sent.fingerprint().matches(&access_token.fingerprint())),
        "registration_client_uri" => *value == registration_client_uri(server, client),
        "client_id_issued_at" => *value == client.created_at.seconds(),
        "client_secret_expires_at" => *value == 0 || is_secret_expiry(entry, value),
        _ => false,
    }
}

fn sent_credential(value: &Value, kind: Kind) -> Option<Credential> {
    Credential::parse(value.as_str()?, kind)
}

fn is_secret_expiry(entry: &ClientEntry, value: &Value) -> bool {
    entry
        .secrets
        .iter()
        .any(|secret| secret.expires_at.is_some_and(|end| *value == end.seconds()))
}

fn registration_client_uri(server: &AuthorizationServer, client: &Client) -> String {
    server
        .issuer
        .endpoint(&format!("/oauth/register/{}", client.client_id))
}

fn information(
    server: &AuthorizationServer,
    client: &Client,
    secret: Option<Credential>,
    access_token: &Credential,
) -> ClientInformation {
    ClientInformation {
        client_id: client.client_id.clone(),
        client_secret_expires_at: secret.is_some().then_some(0),
        client_secret: secret.map(|secret| secret.expose().to_owned()),
        client_id_issued_at: client.created_at.seconds(),
        registration_access_token: access_token.expose().to_owned(),
        registration_client_uri: registration_client_uri(server, client),
        metadata: ClientMetadata::of(client),
    }
}
