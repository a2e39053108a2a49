//! Client metadata (RFC 7591 section 2): what a client says of itself, and what of it is registered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AuthorizationServer, client_credentials, token_endpoint};
use crate::crypto::jws::JwkSet;
use crate::error::{Code, Error};
use crate::net::http_client;
use crate::scope::Scope;
use crate::store::client::{AuthMethod, Client};
use crate::store::resource_server::Resources;
use crate::uri::ExternalUri;

/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// The most redirect URIs that a client has.
const MAX_REDIRECT_URIS: usize = 20;

/// What a client says of itself (RFC 7591 section 2). Unknown members are ignored, as the RFC says.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, expecting = "a JSON object")]
pub struct Metadata {
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
pub struct Kept {
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

impl Metadata {
    /// What is registered of a client.
    pub fn of(client: &Client) -> Self {
        let words = |text: &str| {
            text.split(' ')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        Metadata {
            client_name: Some(client.name.clone()),
            token_endpoint_auth_method: Some(client.auth_method.to_string()),
            grant_types: Some(words(&client.grant_types)),
            response_types: Some(Vec::new()),
            scope: Some(client.scope.to_string()),
            resources: Some(words(client.resources.as_str())),
            jwks: client
                .jwks
                .as_deref()
                .and_then(|jwks| serde_json::from_str(jwks).ok()),
            jwks_uri: client.jwks_uri.clone(),
            rest: serde_json::from_str(&client.metadata).unwrap_or_default(),
        }
    }
}

/// The most that a client may register for.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Limits {
    scope: String,
    resources: Vec<String>,
}

impl Limits {
    /// What an initial access token, or the settings, allow.
    pub fn new(scope: &Scope, resources: &Resources) -> Self {
        Limits {
            scope: scope.to_string(),
            resources: resources.iter().map(str::to_owned).collect(),
        }
    }

    /// As they stand in a client's row.
    ///
    /// # Errors
    /// A fault of Keyward's own.
    pub fn to_json(&self) -> Result<String, Error> {
        to_json(self)
    }

    /// Those of a client that registered itself.
    ///
    /// # Errors
    /// A fault of Keyward's own: they cannot be read.
    pub fn of(client: &Client) -> Result<Self, Error> {
        let limits = client.registration_limits.as_deref().unwrap_or_default();
        serde_json::from_str(limits).map_err(|error| Error::server_error(error.to_string()))
    }
}

/// Reads what a client sends.
///
/// # Errors
/// `invalid_client_metadata` where it is no JSON object of such members.
pub fn parse(body: &[u8]) -> Result<Metadata, Error> {
    // serde would take the members of an array in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(invalid(
            "The client metadata is unreadable: it must be a JSON object",
        ));
    }
    serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The client metadata is unreadable: {error}")))
}

/// Metadata that cannot be registered.
pub fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidClientMetadata, description)
}

/// Metadata that was checked, as it goes into the row; save for what it asks for, which is held against
/// the limits when it is written.
pub struct Registered {
    name: Option<String>,
    /// How the client will authenticate.
    pub auth_method: AuthMethod,
    grant_types: String,
    scope: Option<Scope>,
    resources: Option<Vec<String>>,
    jwks: Option<String>,
    jwks_uri: Option<String>,
    metadata: String,
}

impl Registered {
    /// Checks metadata, save for what it asks for.
    ///
    /// # Errors
    /// `invalid_client_metadata`, `invalid_redirect_uri`.
    pub fn check(server: &AuthorizationServer, mut metadata: Metadata) -> Result<Self, Error> {
        if let Some(uris) = &metadata.rest.redirect_uris {
            metadata.rest.redirect_uris = Some(check_redirect_uris(uris)?.into());
        }
        check_name(metadata.client_name.as_deref())?;
        check_kept(&metadata.rest)?;
        let auth_method = match metadata.token_endpoint_auth_method.as_deref() {
            // RFC 7591 section 2: "If unspecified or omitted, the default is client_secret_basic".
            None => AuthMethod::ClientSecretBasic,
            Some(text) => text
                .parse()
                .map_err(|error| invalid(format!("token_endpoint_auth_method: {error}")))?,
        };
        let jwks = check_keys(server, &metadata, auth_method)?;
        let scope = metadata.scope.as_deref().map(str::parse).transpose();
        Ok(Registered {
            name: metadata.client_name,
            auth_method,
            grant_types: check_grant_types(metadata.grant_types.as_deref())?,
            scope: scope.map_err(|error| invalid(format!("scope: {error}")))?,
            resources: metadata.resources,
            jwks,
            jwks_uri: metadata.jwks_uri,
            metadata: to_json(&metadata.rest)?,
        })
    }

    /// Puts it into a client's row, with what it asks for within these limits; all of the limits where
    /// it asks for nothing in particular. `management` is the audience of the management API.
    ///
    /// # Errors
    /// `invalid_client_metadata` where it asks for more than the limits, for rights over Keyward, or for
    /// no resource server at all: that would be another audience.
    pub fn write_to(
        &self,
        client: &mut Client,
        limits: &Limits,
        management: &str,
    ) -> Result<(), Error> {
        let most: Scope = limits
            .scope
            .parse()
            .map_err(|_| Error::server_error("unreadable registration limits"))?;
        let scope = self.scope.clone().unwrap_or_else(|| most.clone());
        if !scope.is_subset(&most) {
            return Err(invalid(format!(
                "scope: the most that can be registered here is {:?}",
                limits.scope
            )));
        }
        if let Some(right) = scope.rights().next() {
            return Err(invalid(format!(
                "scope: {right} is a right over Keyward, which cannot be registered"
            )));
        }
        let resources = self.resources.as_ref().unwrap_or(&limits.resources);
        let beyond = resources
            .iter()
            .find(|identifier| !limits.resources.contains(identifier) || *identifier == management);
        if let Some(beyond) = beyond {
            return Err(invalid(format!(
                "resources: {} cannot be registered here",
                printable(beyond)
            )));
        }
        if resources.is_empty() && !limits.resources.is_empty() {
            let all = limits.resources.join(", ");
            return Err(invalid(format!(
                "resources: at least one is needed; what can be registered here is {all}"
            )));
        }
        client.scope = scope;
        client.resources = resources.iter().map(String::as_str).collect();
        client.name = self
            .name
            .clone()
            .unwrap_or_else(|| client.client_id.clone());
        client.auth_method = self.auth_method;
        client.grant_types.clone_from(&self.grant_types);
        client.jwks.clone_from(&self.jwks);
        client.jwks_uri.clone_from(&self.jwks_uri);
        client.metadata.clone_from(&self.metadata);
        Ok(())
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(100)
        .collect()
}

fn check_name(name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let length = name.chars().count();
    if (1..=MAX_NAME).contains(&length)
        && !name.trim().is_empty()
        && !name.chars().any(char::is_control)
    {
        Ok(())
    } else {
        Err(invalid(format!(
            "client_name has between one and {MAX_NAME} characters, none of them a control character"
        )))
    }
}

/// The redirect URIs as they are kept.
fn check_redirect_uris(uris: &Value) -> Result<Vec<String>, Error> {
    let invalid =
        |reason: String| Error::new(Code::InvalidRedirectUri, format!("redirect_uris: {reason}"));
    let uris = uris
        .as_array()
        .filter(|uris| uris.len() <= MAX_REDIRECT_URIS);
    let uris = uris.ok_or_else(|| {
        invalid(format!(
            "it is an array of {MAX_REDIRECT_URIS} URIs at the most"
        ))
    })?;
    let checked = uris.iter().map(|uri| {
        let text = uri
            .as_str()
            .ok_or_else(|| invalid("each of them is a string".to_owned()))?;
        let uri = ExternalUri::parse(text).and_then(ExternalUri::for_redirect);
        uri.map(|uri| uri.to_string())
            .map_err(|error| invalid(error.to_string()))
    });
    checked.collect()
}

fn check_kept(kept: &Kept) -> Result<(), Error> {
    let uris = [
        ("client_uri", &kept.client_uri),
        ("logo_uri", &kept.logo_uri),
        ("tos_uri", &kept.tos_uri),
        ("policy_uri", &kept.policy_uri),
    ];
    for (name, uri) in uris {
        if let Some(text) = uri {
            let page = ExternalUri::parse(text).and_then(ExternalUri::for_page);
            page.map_err(|error| invalid(format!("{name}: {error}")))?;
        }
    }
    let texts = kept
        .contacts
        .iter()
        .flatten()
        .chain(&kept.software_id)
        .chain(&kept.software_version);
    if kept
        .contacts
        .as_ref()
        .is_some_and(|contacts| contacts.len() > 10)
        || texts
            .into_iter()
            .any(|text| text.len() > 200 || text.contains('\0'))
    {
        return Err(invalid(
            "contacts are ten at the most; they, software_id and software_version have 200 bytes at the most",
        ));
    }
    Ok(())
}

/// What is not offered is left out, as RFC 7591 section 2 allows; the answer says what remained.
fn check_grant_types(wanted: Option<&[String]>) -> Result<String, Error> {
    let Some(wanted) = wanted else {
        return Ok(client_credentials::GRANT_TYPE.to_owned());
    };
    let offered: Vec<&str> = wanted
        .iter()
        .map(String::as_str)
        .filter(|name| token_endpoint::GRANT_TYPES.contains(name))
        .collect();
    if offered.is_empty() && !wanted.is_empty() {
        return Err(invalid(format!(
            "grant_types: what is offered is {}",
            token_endpoint::GRANT_TYPES.join(", ")
        )));
    }
    Ok(offered.join(" "))
}

fn check_keys(
    server: &AuthorizationServer,
    metadata: &Metadata,
    auth_method: AuthMethod,
) -> Result<Option<String>, Error> {
    match (&metadata.jwks, &metadata.jwks_uri) {
        // RFC 7591 section 2: "MUST NOT both be present".
        (Some(_), Some(_)) => Err(invalid("jwks and jwks_uri exclude each other")),
        (None, None) if auth_method == AuthMethod::PrivateKeyJwt => {
            Err(invalid("private_key_jwt needs jwks or jwks_uri"))
        }
        (Some(jwks), None) => {
            JwkSet::check_registered(jwks).map_err(invalid)?;
            Ok(Some(jwks.to_string()))
        }
        (None, Some(uri)) => {
            check_jwks_uri(uri, server.settings.private_jwks_uri.is_on()).map(|()| None)
        }
        (None, None) => Ok(None),
    }
}

/// What can be refused right away; the address behind a name is checked at each fetch.
fn check_jwks_uri(uri: &str, private_addresses: bool) -> Result<(), Error> {
    let allowed = |address| private_addresses || http_client::is_public(address);
    let checked = ExternalUri::parse(uri).and_then(|uri| uri.for_keys(allowed));
    checked
        .map(drop)
        .map_err(|error| invalid(format!("jwks_uri: {error}")))
}

/// JSON for a column.
fn to_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::server_error(error.to_string()))
}
