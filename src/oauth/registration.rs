//! Dynamic client registration (RFC 7591) and its management (RFC 7592).

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::authorization::Authorization;
use super::{AuthorizationServer, client_assertion, client_credentials, token_endpoint};
use crate::clock::Timestamp;
use crate::config::Registration;
use crate::credential::{Credential, Kind};
use crate::directory::ClientEntry;
use crate::error::{Code, Error};
use crate::guard::{self, StoredSecret};
use crate::outbound;
use crate::scope::Scope;
use crate::store::account::{self, Account};
use crate::store::client::{self, AuthMethod, Client};
use crate::store::client_secret::{self, ClientSecret};
use crate::store::registration_token::{self, RegistrationToken};
use crate::store::resource_server::Resources;

/// The longest name, in characters, and the longest URI, in bytes.
const MAX_NAME: usize = 100;
const MAX_URI: usize = 512;

/// Where clients go that register openly.
const OPEN_ACCOUNT: &str = "Open registration";

/// What a client says of itself (RFC 7591 section 2). Unknown members are ignored, as the RFC says.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, expecting = "a JSON object")]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Ours: the resource servers for which the client wants tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(flatten)]
    rest: Kept,
}

/// What is kept as it came, and given back.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uris: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_version: Option<String>,
}

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

/// The most that a client may register for.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Limits {
    scope: String,
    resources: Vec<String>,
}

impl Limits {
    fn new(scope: &Scope, resources: &Resources) -> Self {
        Limits { scope: scope.to_string(), resources: resources.iter().map(str::to_owned).collect() }
    }
}

/// What registration needs of a request.
pub struct Request {
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// Whence it came.
    pub address: IpAddr,
    /// When it came.
    pub now: Timestamp,
}

/// Registers a client (RFC 7591 section 3).
///
/// # Errors
/// `invalid_token`, `invalid_client_metadata`, `invalid_redirect_uri`.
pub async fn register(server: &AuthorizationServer, request: &Request, body: &[u8]) -> Result<ClientInformation, Error> {
    let initial = match server.settings.registration {
        Registration::Off => return Err(Error::new(Code::AccessDenied, "Registration is off")),
        Registration::Open => {
            if let Some(wait) = server.throttle.registered(request.address, request.now) {
                return Err(Error::too_many_requests(wait).detail("too many open registrations from one address"));
            }
            None
        }
        Registration::Token => Some(initial_access_token(server, request).await?),
    };
    let limits = match &initial {
        Some(token) => Limits::new(&token.scope, &token.resources),
        None => Limits::new(&server.settings.registration_scope, &server.settings.registration_resources),
    };
    let registered = Registered::check(server, parse(body)?, &limits)?;

    let now = request.now;
    let access_token = Credential::generate(Kind::RegistrationAccessToken);
    let mut client = Client {
        registration_limits: Some(to_json(&limits)?),
        registration_token_hash: Some(guard::hash(&access_token)),
        ..Client::new(String::new(), String::new(), registered.auth_method, now)
    };
    registered.write_to(&mut client);
    let secret = new_secret(&client, now);

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
                None => open_account(transaction, now)?,
            };
            let row = Client { account_id: account_id.clone(), ..row };
            client::insert(transaction, &row)?;
            if let Some(secret) = &secret_row {
                client_secret::insert(transaction, secret)?;
            }
            Ok(account_id)
        })
        .await?;
    client.account_id = account;
    tracing::info!(client_id = client.client_id, account = client.account_id, "client registered");
    Ok(information(server, &client, secret.map(|(secret, _)| secret), &access_token))
}

/// Shows a client what is registered of it (RFC 7592 section 2.1).
///
/// # Errors
/// `invalid_token`.
pub async fn read(server: &AuthorizationServer, request: &Request, client_id: &str) -> Result<ClientInformation, Error> {
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
    check_update(&entry, body)?;
    let limits = entry.client.registration_limits.as_deref().unwrap_or_default();
    let limits: Limits = serde_json::from_str(limits).map_err(|error| Error::server_error(error.to_string()))?;
    let registered = Registered::check(server, parse(body)?, &limits)?;

    let now = request.now;
    let id = client_id.to_owned();
    let (client, secret) = server
        .store
        .write(now, move |transaction| {
            let database = transaction.database();
            let Some(mut client) = client::find(database, &id)? else {
                return Err(invalid_token("The client is gone"));
            };
            let secrets = client_secret::list(database, &id)?;
            registered.write_to(&mut client);
            client::update(transaction, &client)?;
            if !client.auth_method.uses_secret() {
                for secret in secrets {
                    client_secret::delete(transaction, &id, &secret.id)?;
                }
                return Ok((client, None));
            }
            let live = secrets.iter().any(|secret| secret.expires_at.is_none_or(|end| end > now));
            let secret = if live { None } else { new_secret(&client, now) };
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
pub async fn delete(server: &AuthorizationServer, request: &Request, client_id: &str) -> Result<(), Error> {
    let (entry, _) = registrant(server, request, client_id).await?;
    let id = entry.client.client_id.clone();
    server.store.write(request.now, move |transaction| Ok::<_, Error>(client::delete(transaction, &id)?)).await?;
    tracing::info!(client_id, "client deleted by its registration access token");
    Ok(())
}

fn to_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::server_error(error.to_string()))
}

fn new_secret(client: &Client, now: Timestamp) -> Option<(Credential, ClientSecret)> {
    client.auth_method.uses_secret().then(|| client_secret::generate(&client.client_id, None, now))
}

fn open_account(transaction: &mut crate::store::Transaction<'_>, now: Timestamp) -> Result<String, Error> {
    if let Some(account) = account::find(transaction.database(), OPEN_ACCOUNT)? {
        return Ok(account.id);
    }
    let account = Account { id: crate::credential::new_id(), name: OPEN_ACCOUNT.to_owned(), created_at: now };
    account::insert(transaction, &account)?;
    Ok(account.id)
}

fn invalid_token(description: &'static str) -> Error {
    Error::new(Code::InvalidToken, description)
}

fn failed(server: &AuthorizationServer, request: &Request, client_id: Option<&str>, reason: &str) -> Error {
    match server.throttle.failed(client_id, request.address, request.now) {
        Some(wait) => Error::too_many_requests(wait).detail(reason),
        None => invalid_token("The token is missing, unknown, used up or ended").detail(reason),
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1).
fn bearer(authorization: Option<&str>, kind: Kind) -> Option<Credential> {
    Credential::parse(Authorization::parse(authorization?)?.bearer()?, kind)
}

async fn initial_access_token(server: &AuthorizationServer, request: &Request) -> Result<RegistrationToken, Error> {
    let Some(presented) = bearer(request.authorization.as_deref(), Kind::InitialAccessToken) else {
        return Err(failed(server, request, None, "no initial access token"));
    };
    let id = presented.id().to_owned();
    let found = server.store.read(move |database| registration_token::find(database, &id)).await?;
    let Some(token) = found else {
        guard::compare_with_nothing(presented.expose().as_bytes());
        return Err(failed(server, request, None, "unknown initial access token"));
    };
    if !StoredSecret::new(token.hash.clone()).matches(&presented) {
        return Err(failed(server, request, None, "wrong initial access token"));
    }
    if token.expires_at.is_some_and(|end| end <= request.now) {
        return Err(failed(server, request, None, "the initial access token has ended"));
    }
    if token.uses_left.is_some_and(|left| left < 1) {
        return Err(failed(server, request, None, "the initial access token is used up"));
    }
    Ok(token)
}

/// RFC 7592 section 2: whoever holds the registration access token of the client that the URL names.
async fn registrant(
    server: &AuthorizationServer,
    request: &Request,
    client_id: &str,
) -> Result<(Arc<ClientEntry>, Credential), Error> {
    let Some(presented) = bearer(request.authorization.as_deref(), Kind::RegistrationAccessToken) else {
        return Err(failed(server, request, None, "no registration access token"));
    };
    let entry = server.directory.client(client_id).await?;
    let hash = entry.as_ref().and_then(|entry| entry.client.registration_token_hash.clone());
    match (entry, hash) {
        (Some(entry), Some(hash)) => {
            let right = StoredSecret::new(hash).matches(&presented);
            if right && entry.client.disabled_at.is_none() {
                return Ok((entry, presented));
            }
            let reason = if right { "the client is disabled" } else { "wrong registration access token" };
            Err(failed(server, request, Some(client_id), reason))
        }
        _ => {
            guard::compare_with_nothing(presented.expose().as_bytes());
            Err(failed(server, request, None, "unknown client, or one that did not register itself"))
        }
    }
}

fn parse(body: &[u8]) -> Result<Metadata, Error> {
    // serde would take the members of an array in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(invalid("The client metadata is unreadable: it must be a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| invalid(format!("The client metadata is unreadable: {error}")))
}

fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidClientMetadata, description)
}

/// RFC 7592 section 2.2: what an update must hold and must not.
fn check_update(entry: &ClientEntry, body: &[u8]) -> Result<(), Error> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| invalid(format!("The client metadata is unreadable: {error}")))?;
    if value["client_id"] != entry.client.client_id.as_str() {
        return Err(invalid("client_id must be there, and be the client's own"));
    }
    for member in ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"] {
        if value.get(member).is_some() {
            return Err(invalid(format!("{member} must not be in an update")));
        }
    }
    if let Some(presented) = value.get("client_secret") {
        let presented = presented.as_str().and_then(|text| Credential::parse(text, Kind::ClientSecret));
        let own = presented.is_some_and(|presented| entry.secrets.iter().any(|own| own.secret.matches(&presented)));
        if !own {
            return Err(invalid("client_secret must be the client's own, or left out"));
        }
    }
    Ok(())
}

/// Metadata that was checked, as it goes into the row.
struct Registered {
    name: Option<String>,
    auth_method: AuthMethod,
    grant_types: String,
    scope: Scope,
    resources: Resources,
    jwks: Option<String>,
    jwks_uri: Option<String>,
    metadata: String,
}

impl Registered {
    fn check(server: &AuthorizationServer, metadata: Metadata, limits: &Limits) -> Result<Self, Error> {
        if let Some(uris) = &metadata.rest.redirect_uris {
            check_redirect_uris(uris)?;
        }
        check_name(metadata.client_name.as_deref())?;
        check_kept(&metadata.rest)?;
        let auth_method = match metadata.token_endpoint_auth_method.as_deref() {
            // RFC 7591 section 2: "If unspecified or omitted, the default is client_secret_basic".
            None => AuthMethod::ClientSecretBasic,
            Some(text) => text.parse().map_err(|error| invalid(format!("token_endpoint_auth_method: {error}")))?,
        };
        let jwks = check_keys(server, &metadata, auth_method)?;
        let scope = match metadata.scope.as_deref() {
            None => limits.scope.parse(),
            Some(text) => text.parse(),
        };
        let scope: Scope = scope.map_err(|error| invalid(format!("scope: {error}")))?;
        let most: Scope = limits.scope.parse().map_err(|_| Error::server_error("unreadable registration limits"))?;
        if !scope.is_subset(&most) {
            return Err(invalid(format!("scope: the most that can be registered here is {:?}", limits.scope)));
        }
        let resources = metadata.resources.as_ref().unwrap_or(&limits.resources);
        if let Some(beyond) = resources.iter().find(|identifier| !limits.resources.contains(identifier)) {
            return Err(invalid(format!("resources: {} cannot be registered here", printable(beyond))));
        }
        Ok(Registered {
            name: metadata.client_name,
            auth_method,
            grant_types: check_grant_types(metadata.grant_types.as_deref())?,
            scope,
            resources: resources.iter().map(String::as_str).collect(),
            jwks,
            jwks_uri: metadata.jwks_uri,
            metadata: to_json(&metadata.rest)?,
        })
    }

    fn write_to(&self, client: &mut Client) {
        client.name = self.name.clone().unwrap_or_else(|| client.client_id.clone());
        client.auth_method = self.auth_method;
        client.grant_types.clone_from(&self.grant_types);
        client.scope = self.scope.clone();
        client.resources = self.resources.clone();
        client.jwks.clone_from(&self.jwks);
        client.jwks_uri.clone_from(&self.jwks_uri);
        client.metadata.clone_from(&self.metadata);
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(100).collect()
}

fn check_name(name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let length = name.chars().count();
    if (1..=MAX_NAME).contains(&length) && !name.trim().is_empty() && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(invalid(format!("client_name has between one and {MAX_NAME} characters, none of them a control character")))
    }
}

fn check_redirect_uris(uris: &Value) -> Result<(), Error> {
    let refused = || Error::new(Code::InvalidRedirectUri, "redirect_uris is an array of absolute URIs without fragments");
    let uris = uris.as_array().filter(|uris| uris.len() <= 20).ok_or_else(refused)?;
    let sound = |uri: &Value| {
        let text = uri.as_str().filter(|text| text.len() <= MAX_URI)?;
        url::Url::parse(text).ok().filter(|url| url.fragment().is_none())
    };
    if uris.iter().all(|uri| sound(uri).is_some()) { Ok(()) } else { Err(refused()) }
}

fn check_kept(kept: &Kept) -> Result<(), Error> {
    let uris = [
        ("client_uri", &kept.client_uri),
        ("logo_uri", &kept.logo_uri),
        ("tos_uri", &kept.tos_uri),
        ("policy_uri", &kept.policy_uri),
    ];
    for (name, uri) in uris {
        let web = |text: &str| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if uri.as_deref().is_some_and(|text| text.len() > MAX_URI || !web(text)) {
            return Err(invalid(format!("{name} is a web address of {MAX_URI} bytes at the most")));
        }
    }
    let texts = kept.contacts.iter().flatten().chain(&kept.software_id).chain(&kept.software_version);
    if kept.contacts.as_ref().is_some_and(|contacts| contacts.len() > 10)
        || texts.into_iter().any(|text| text.len() > 200 || text.contains('\0'))
    {
        return Err(invalid("contacts are ten at the most; they, software_id and software_version have 200 bytes at the most"));
    }
    Ok(())
}

/// What is not offered is left out, as RFC 7591 section 2 allows; the answer says what remained.
fn check_grant_types(wanted: Option<&[String]>) -> Result<String, Error> {
    let Some(wanted) = wanted else { return Ok(client_credentials::GRANT_TYPE.to_owned()) };
    let offered: Vec<&str> =
        wanted.iter().map(String::as_str).filter(|name| token_endpoint::GRANT_TYPES.contains(name)).collect();
    if offered.is_empty() && !wanted.is_empty() {
        return Err(invalid(format!("grant_types: what is offered is {}", token_endpoint::GRANT_TYPES.join(", "))));
    }
    Ok(offered.join(" "))
}

fn check_keys(server: &AuthorizationServer, metadata: &Metadata, auth_method: AuthMethod) -> Result<Option<String>, Error> {
    match (&metadata.jwks, &metadata.jwks_uri) {
        // RFC 7591 section 2: "MUST NOT both be present".
        (Some(_), Some(_)) => Err(invalid("jwks and jwks_uri exclude each other")),
        (None, None) if auth_method == AuthMethod::PrivateKeyJwt => Err(invalid("private_key_jwt needs jwks or jwks_uri")),
        (Some(jwks), None) => {
            client_assertion::check_jwks(jwks).map_err(invalid)?;
            Ok(Some(jwks.to_string()))
        }
        (None, Some(uri)) => check_jwks_uri(uri, server.settings.private_jwks_uri.is_on()).map(|()| None),
        (None, None) => Ok(None),
    }
}

/// What can be refused right away; the address behind the name is checked at each fetch.
fn check_jwks_uri(uri: &str, private_addresses: bool) -> Result<(), Error> {
    let url = url::Url::parse(uri)
        .ok()
        .filter(|url| url.scheme() == "https" && uri.len() <= MAX_URI && url.username().is_empty() && url.password().is_none());
    let address = match url.as_ref().and_then(url::Url::host) {
        None => return Err(invalid("jwks_uri is an https URL without a user")),
        Some(url::Host::Domain(_)) => return Ok(()),
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
    };
    if private_addresses || outbound::is_public(address) {
        Ok(())
    } else {
        Err(invalid("jwks_uri must not name a loopback, private or link-local address"))
    }
}

fn information(
    server: &AuthorizationServer,
    client: &Client,
    secret: Option<Credential>,
    access_token: &Credential,
) -> ClientInformation {
    let rest = serde_json::from_str(&client.metadata).unwrap_or_default();
    let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    ClientInformation {
        client_id: client.client_id.clone(),
        client_secret_expires_at: secret.is_some().then_some(0),
        client_secret: secret.map(|secret| secret.expose().to_owned()),
        client_id_issued_at: client.created_at.seconds(),
        registration_access_token: access_token.expose().to_owned(),
        registration_client_uri: server.issuer.endpoint(&format!("/oauth/register/{}", client.client_id)),
        metadata: Metadata {
            client_name: Some(client.name.clone()),
            token_endpoint_auth_method: Some(client.auth_method.to_string()),
            grant_types: Some(words(&client.grant_types)),
            response_types: Some(Vec::new()),
            scope: Some(client.scope.to_string()),
            resources: Some(words(client.resources.as_str())),
            jwks: client.jwks.as_deref().and_then(|jwks| serde_json::from_str(jwks).ok()),
            jwks_uri: client.jwks_uri.clone(),
            rest,
        },
    }
}
