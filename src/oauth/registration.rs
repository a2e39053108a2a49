//! Dynamic client registration (RFC 7591) and its management (RFC 7592).

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::AuthorizationServer;
use super::authorization::Authorization;
use super::client_metadata::{Limits, Metadata, Registered, invalid, parse};
use super::failure::{Reason, Whose};
use crate::cache::ClientEntry;
use crate::config::Registration;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash::{self, StoredSecret};
use crate::domain;
use crate::error::{Code, Error};
use crate::request_context::RequestContext;
use crate::store::account::{self, AccountKind};
use crate::store::audit::{Action, Recorder};
use crate::store::client::{self, Client};
use crate::store::client_secret;
use crate::store::registration_token::{self, RegistrationToken};

/// The client information response (RFC 7591 section 3.2.1).
#[derive(Debug, Serialize)]
pub struct ClientInformation {
    client_id: String,
    /// Only in the answer that made it: afterwards nobody knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    client_id_issued_at: i64,
    /// Zero: it does not end by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    registration_access_token: String,
    registration_client_uri: String,
    #[serde(flatten)]
    metadata: Metadata,
}

/// What registration needs of a request.
pub struct Request {
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// Whence and when it came.
    pub context: RequestContext,
}

/// Registers a client (RFC 7591 section 3).
///
/// # Errors
/// `invalid_token`, `invalid_client_metadata`, `invalid_redirect_uri`.
pub async fn register(
    server: &AuthorizationServer,
    request: &Request,
    body: &[u8],
) -> Result<ClientInformation, Error> {
    let initial = match server.settings.registration {
        Registration::Off => return Err(Error::new(Code::AccessDenied, "Registration is off")),
        Registration::Open => {
            if let Some(wait) = server.rate_limiter.registered(request.context.client_ip) {
                server.usage.metrics.count_rate_limited();
                return Err(Error::too_many_requests(
                    "Too many registrations from one network; try again later",
                    wait,
                ));
            }
            None
        }
        Registration::Token => Some(initial_access_token(server, request).await?),
    };
    let limits = match &initial {
        Some(token) => Limits::new(&token.scope, &token.resources),
        None => Limits::new(
            &server.settings.registration_scope,
            &server.settings.registration_resources,
        ),
    };
    let registered = Registered::check(server, parse(body)?)?;

    let now = request.context.received_at;
    let access_token = Credential::generate(Kind::RegistrationAccessToken);
    let mut client = Client {
        registration_limits: Some(limits.to_json()?),
        registration_token_hash: Some(secret_hash::hash(&access_token)),
        ..Client::new(String::new(), String::new(), registered.auth_method, now)
    };
    registered.write_to(&mut client, &limits, &server.issuer.management_audience())?;
    let secret = domain::client::generate_secret(&client, now);

    let actor = match &initial {
        Some(token) => format!("initial access token {}", token.id),
        None => format!("client {}", client.client_id),
    };
    let recorder = Recorder::in_request(actor, &request.context);
    let (row, secret_row) = (client.clone(), secret.as_ref().map(|(_, row)| row.clone()));
    let account = server
        .store
        .write(now, move |transaction| {
            let account_id = match &initial {
                Some(token) => {
                    if !registration_token::take_use(transaction, &token.id)? {
                        return Err(invalid_token("The initial access token has no use left"));
                    }
                    token.account_id.clone()
                }
                None => {
                    let kind = AccountKind::OpenRegistration;
                    account::find_or_create(transaction, &recorder, kind)?.id
                }
            };
            ensure_capacity(transaction, &account_id)?;
            let row = Client {
                account_id: account_id.clone(),
                ..row.clone()
            };
            domain::client::create(transaction, &recorder, &row, secret_row.as_ref(), None)?;
            Ok(account_id)
        })
        .await?;
    client.account_id = account;
    tracing::info!(
        client_id = client.client_id,
        account = client.account_id,
        "client registered"
    );
    Ok(information(
        server,
        &client,
        secret.map(|(secret, _)| secret),
        &access_token,
    ))
}

/// Shows a client what is registered of it (RFC 7592 section 2.1).
///
/// # Errors
/// `invalid_token`.
pub async fn read(
    server: &AuthorizationServer,
    request: &Request,
    client_id: &str,
) -> Result<ClientInformation, Error> {
    let (entry, access_token) = registrant(server, request, client_id).await?;
    Ok(information(server, &entry.client, None, &access_token))
}

/// Replaces what is registered of a client (RFC 7592 section 2.2).
///
/// # Errors
/// `invalid_token`, `invalid_client_metadata`, `invalid_redirect_uri`.
pub async fn update(
    server: &AuthorizationServer,
    request: &Request,
    client_id: &str,
    body: &[u8],
) -> Result<ClientInformation, Error> {
    let (entry, access_token) = registrant(server, request, client_id).await?;
    check_update(server, &entry, &access_token, body)?;
    let registered = Registered::check(server, parse(body)?)?;

    let now = request.context.received_at;
    let (id, management) = (client_id.to_owned(), server.issuer.management_audience());
    let proven = entry.client.registration_token_hash.clone();
    let recorder = Recorder::in_request(format!("client {id}"), &request.context);
    let (client, secret) = server
        .store
        .write(now, move |transaction| {
            let database = transaction.database();
            let found = client::find(database, &id)?;
            let mut client = check_still_proven(found, proven.as_ref())?;
            let secrets = client_secret::list(database, &id)?;
            let before = client.resources.clone();
            let limits = Limits::of(&client)?;
            registered.write_to(&mut client, &limits, &management)?;
            // The right to introspect is for the resource servers that it was given for.
            if client.may_introspect && !client.resources.is_subset(&before) {
                return Err(invalid(
                    "resources: only an operator gives other ones to a client that introspects",
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

/// Deletes a client (RFC 7592 section 2.3): its secrets, its keys and all its tokens are refused
/// from then on.
///
/// # Errors
/// `invalid_token`.
pub async fn delete(
    server: &AuthorizationServer,
    request: &Request,
    client_id: &str,
) -> Result<(), Error> {
    let (entry, _) = registrant(server, request, client_id).await?;
    let id = entry.client.client_id.clone();
    let now = request.context.received_at;
    let proven = entry.client.registration_token_hash.clone();
    let recorder = Recorder::in_request(format!("client {id}"), &request.context);
    server
        .store
        .write(now, move |transaction| {
            let client =
                check_still_proven(client::find(transaction.database(), &id)?, proven.as_ref())?;
            domain::client::delete(transaction, &recorder, &client)?;
            Ok::<_, Error>(())
        })
        .await?;
    tracing::info!(client_id, "client deleted by its registration access token");
    Ok(())
}

/// Under the lock: what was taken away since the registration access token was looked at stays away.
fn check_still_proven(found: Option<Client>, proven: Option<&String>) -> Result<Client, Error> {
    let still = found.filter(|client| {
        client.registration_token_hash.as_ref() == proven && client.disabled_at.is_none()
    });
    still.ok_or_else(|| invalid_token("The client or its registration access token is gone"))
}

/// Refuses one more client if the account has reached its limit: registrations must not fill the disk.
fn ensure_capacity(
    transaction: &mut crate::store::Transaction<'_>,
    account_id: &str,
) -> Result<(), Error> {
    let database = transaction.database();
    let most = account::find(database, account_id)?.map_or(0, |account| account.client_limit());
    if client::has_as_many(database, account_id, most)? {
        return Err(Error::new(
            Code::AccessDenied,
            "The account has as many clients as it can have",
        )
        .detail(format!(
            "account {account_id} has {most} clients, the most that it can have"
        )));
    }
    Ok(())
}

fn invalid_token(description: &'static str) -> Error {
    Error::new(Code::InvalidToken, description)
}

fn failed(
    server: &AuthorizationServer,
    request: &Request,
    client_id: Option<&str>,
    reason: &Reason,
) -> Error {
    let whose = Whose {
        client_id,
        client: None,
        target: client_id.unwrap_or_default(),
    };
    server.failed(
        &request.context,
        &whose,
        reason,
        invalid_token("The token is missing, unknown, used up or ended"),
    )
}

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1).
fn bearer(authorization: Option<&str>, kind: Kind) -> Option<Credential> {
    Credential::parse(Authorization::parse(authorization?)?.bearer()?, kind)
}

async fn initial_access_token(
    server: &AuthorizationServer,
    request: &Request,
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

/// RFC 7592 section 2: whoever holds the registration access token of the client that the URL names.
async fn registrant(
    server: &AuthorizationServer,
    request: &Request,
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
        .and_then(|entry| entry.client.registration_token_hash.clone());
    match (entry, hash) {
        (Some(entry), Some(hash)) => {
            let right = StoredSecret::new(hash).matches(&presented);
            if right && entry.client.disabled_at.is_none() {
                return Ok((entry, presented));
            }
            let reason = if right {
                Reason::client_disabled()
            } else {
                Reason::wrong_registration_token()
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

/// RFC 7592 section 2.2: what an update must hold and must not. The members of the answer that a client
/// must not send are passed over where they are as the answer had them: libraries send all that they
/// were given.
fn check_update(
    server: &AuthorizationServer,
    entry: &ClientEntry,
    access_token: &Credential,
    body: &[u8],
) -> Result<(), Error> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The client metadata is unreadable: {error}")))?;
    let client = &entry.client;
    if value["client_id"] != client.client_id.as_str() {
        return Err(invalid("client_id must be there, and be the client's own"));
    }
    let given = |member: &str| value.get(member).filter(|value| !value.is_null());
    let unchanged = [
        (
            "registration_access_token",
            given("registration_access_token").is_none_or(|value| {
                let presented = value
                    .as_str()
                    .and_then(|text| Credential::parse(text, Kind::RegistrationAccessToken));
                presented.is_some_and(|presented| {
                    presented.fingerprint().matches(&access_token.fingerprint())
                })
            }),
        ),
        (
            "registration_client_uri",
            given("registration_client_uri")
                .is_none_or(|value| *value == registration_client_uri(server, client)),
        ),
        (
            "client_id_issued_at",
            given("client_id_issued_at").is_none_or(|value| *value == client.created_at.seconds()),
        ),
        (
            "client_secret_expires_at",
            given("client_secret_expires_at").is_none_or(|value| {
                *value == 0
                    || entry
                        .secrets
                        .iter()
                        .any(|secret| secret.expires_at.is_some_and(|end| *value == end.seconds()))
            }),
        ),
    ];
    if let Some((member, _)) = unchanged.iter().find(|(_, unchanged)| !unchanged) {
        return Err(invalid(format!(
            "{member} cannot be changed: leave it out, or send it as it was in the answer"
        )));
    }
    if let Some(presented) = value.get("client_secret") {
        let presented = presented
            .as_str()
            .and_then(|text| Credential::parse(text, Kind::ClientSecret));
        let own = presented.is_some_and(|presented| {
            entry
                .secrets
                .iter()
                .any(|own| own.secret.matches(&presented))
        });
        if !own {
            return Err(invalid(
                "client_secret must be the client's own, or left out",
            ));
        }
    }
    Ok(())
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
        metadata: Metadata::of(client),
    }
}
