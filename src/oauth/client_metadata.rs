//! Client metadata (RFC 7591 section 2): what a client sends at its registration, and how it is
//! validated.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Switch;
use crate::crypto::jws::JwkSet;
use crate::error::{Code, Error};
use crate::net::http_client;
use crate::scope::Scope;
use crate::store::client::{AuthMethod, Client};
use crate::store::grant_type::{GrantType, GrantTypes};
use crate::store::resource_server::Resources;
use crate::store::security_profile::SecurityProfile;
use crate::uri::ExternalUri;

/// The maximum length of a client name, in characters.
const MAX_NAME: usize = 100;

/// The maximum number of redirect URIs of a client.
const MAX_REDIRECT_URIS: usize = 20;

/// Client metadata (RFC 7591 section 2) as it is sent and returned. Unknown members are ignored, as
/// the RFC requires.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, expecting = "a JSON object")]
pub struct ClientMetadata {
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
    /// An extension member: the resource servers that the client wants tokens for.
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    /// RFC 9449 section 5.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_bound_access_tokens: Option<bool>,
    /// An extension member: the security profile that the client follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(flatten)]
    passthrough: PassthroughMetadata,
}

/// The members that Keyward stores and returns, and does not use itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct PassthroughMetadata {
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

impl ClientMetadata {
    /// The registered metadata of a client.
    pub fn of(client: &Client) -> Self {
        ClientMetadata {
            client_name: Some(client.name.clone()),
            token_endpoint_auth_method: Some(client.auth_method.to_string()),
            grant_types: Some(client.grant_types.names().map(str::to_owned).collect()),
            response_types: Some(Vec::new()),
            scope: Some(client.scope.to_string()),
            resources: Some(client.resources.iter().map(str::to_owned).collect()),
            jwks: client
                .jwks
                .as_deref()
                .and_then(|jwks| serde_json::from_str(jwks).ok()),
            jwks_uri: client.jwks_uri.clone(),
            dpop_bound_access_tokens: Some(client.dpop_bound_access_tokens),
            profile: Some(client.profile)
                .filter(|profile| *profile != SecurityProfile::None)
                .map(|profile| profile.as_str().to_owned()),
            passthrough: serde_json::from_str(&client.metadata).unwrap_or_default(),
        }
    }
}

/// The scope and resource servers that a client may register for, at most.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct RegistrationLimits {
    scope: String,
    resources: Vec<String>,
}

impl RegistrationLimits {
    /// The limits that an initial access token, or the settings, set.
    pub fn new(scope: &Scope, resources: &Resources) -> Self {
        RegistrationLimits {
            scope: scope.to_string(),
            resources: resources.iter().map(str::to_owned).collect(),
        }
    }

    /// The limits as JSON, for the row of a client.
    ///
    /// # Errors
    /// A server error if they cannot be serialized.
    pub fn to_json(&self) -> Result<String, Error> {
        to_json(self)
    }

    /// The limits of a client that registered itself.
    ///
    /// # Errors
    /// A server error if they are unreadable.
    pub fn of(client: &Client) -> Result<Self, Error> {
        let limits = client.registration_limits.as_deref().unwrap_or_default();
        serde_json::from_str(limits).map_err(|error| Error::server_error(error.to_string()))
    }
}

/// Parses the metadata that a client sends.
///
/// # Errors
/// `invalid_client_metadata` if it is not a JSON object, or a member has the wrong type.
pub fn parse(body: &[u8]) -> Result<ClientMetadata, Error> {
    // serde would accept an array, as the members in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(invalid(
            "The client metadata is unreadable: it must be a JSON object",
        ));
    }
    serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The client metadata is unreadable: {error}")))
}

/// The error for metadata that cannot be registered (RFC 7591 section 3.2.2).
pub fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidClientMetadata, description)
}

/// Client metadata that was validated on its own. The requested scope and resource servers are
/// checked against the limits in [`ValidatedMetadata::apply`].
pub struct ValidatedMetadata {
    name: Option<String>,
    /// How the client authenticates.
    pub auth_method: AuthMethod,
    grant_types: GrantTypes,
    scope: Option<Scope>,
    resources: Option<Vec<String>>,
    jwks: Option<String>,
    jwks_uri: Option<String>,
    dpop_bound_access_tokens: bool,
    profile: Option<SecurityProfile>,
    server_profile: SecurityProfile,
    passthrough: String,
}

impl ValidatedMetadata {
    /// Validates metadata. A `jwks_uri` at a private IP address is accepted if `private_jwks_uri`
    /// is on. `server_profile` is the security profile of the server, which the client must follow.
    ///
    /// # Errors
    /// `invalid_client_metadata`, `invalid_redirect_uri`.
    pub fn new(
        mut metadata: ClientMetadata,
        private_jwks_uri: Switch,
        server_profile: SecurityProfile,
    ) -> Result<Self, Error> {
        if let Some(uris) = &metadata.passthrough.redirect_uris {
            metadata.passthrough.redirect_uris = Some(check_redirect_uris(uris)?.into());
        }
        check_name(metadata.client_name.as_deref())?;
        check_passthrough(&metadata.passthrough)?;
        let auth_method = match metadata.token_endpoint_auth_method.as_deref() {
            // RFC 7591 section 2: "If unspecified or omitted, the default is client_secret_basic".
            None => AuthMethod::ClientSecretBasic,
            Some(text) => text
                .parse()
                .map_err(|error| invalid(format!("token_endpoint_auth_method: {error}")))?,
        };
        let jwks = check_keys(&metadata, auth_method, private_jwks_uri)?;
        let scope = metadata.scope.as_deref().map(str::parse).transpose();
        let profile = metadata.profile.as_deref().map(str::parse).transpose();
        Ok(ValidatedMetadata {
            name: metadata.client_name,
            auth_method,
            grant_types: check_grant_types(metadata.grant_types.as_deref())?,
            scope: scope.map_err(|error| invalid(format!("scope: {error}")))?,
            resources: metadata.resources,
            jwks,
            jwks_uri: metadata.jwks_uri,
            dpop_bound_access_tokens: metadata.dpop_bound_access_tokens.unwrap_or(false),
            profile: profile.map_err(|error| invalid(format!("profile: {error}")))?,
            server_profile,
            passthrough: to_json(&metadata.passthrough)?,
        })
    }

    /// Applies the metadata to the row of a client. Scope and resource servers that it does not ask
    /// for are set to the limits. `management_audience` is the audience of the management API,
    /// which cannot be registered.
    ///
    /// # Errors
    /// `invalid_client_metadata` if it asks for more than the limits, for rights over Keyward, or
    /// for no resource server although the limits have some: its tokens would get another audience.
    /// Also if it removes the client's security profile, or does not follow it.
    pub fn apply(
        &self,
        client: &mut Client,
        limits: &RegistrationLimits,
        management_audience: &str,
    ) -> Result<(), Error> {
        let allowed: Scope = limits
            .scope
            .parse()
            .map_err(|_| Error::server_error("unreadable registration limits"))?;
        let scope = self.scope.clone().unwrap_or_else(|| allowed.clone());
        if !scope.is_subset(&allowed) {
            return Err(invalid(format!(
                "scope: the maximum that can be registered here is {:?}",
                limits.scope
            )));
        }
        if let Some(right) = scope.rights().next() {
            return Err(invalid(format!(
                "scope: {right} is a right over Keyward, which cannot be registered"
            )));
        }
        let resources = self.resources.as_ref().unwrap_or(&limits.resources);
        let not_allowed = resources.iter().find(|identifier| {
            !limits.resources.contains(identifier) || *identifier == management_audience
        });
        if let Some(identifier) = not_allowed {
            return Err(invalid(format!(
                "resources: {} cannot be registered here",
                printable(identifier)
            )));
        }
        if resources.is_empty() && !limits.resources.is_empty() {
            let all = limits.resources.join(", ");
            return Err(invalid(format!(
                "resources: at least one is needed; what can be registered here is {all}"
            )));
        }
        client.profile = self.check_profile(client.profile)?;
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
        client.dpop_bound_access_tokens = self.dpop_bound_access_tokens;
        client.metadata.clone_from(&self.passthrough);
        Ok(())
    }
}

impl ValidatedMetadata {
    /// The client's security profile after the change, which its authentication method must follow. A
    /// client can set a profile and not remove it: otherwise a stolen registration access token would
    /// be enough to undo what an operator decided.
    fn check_profile(&self, current: SecurityProfile) -> Result<SecurityProfile, Error> {
        let profile = self.profile.unwrap_or(current);
        if profile < current {
            let current = current.as_str();
            return Err(invalid(format!(
                "profile: the client cannot remove its security profile {current}"
            )));
        }
        let followed = profile.max(self.server_profile);
        if !followed.allows_auth_method(self.auth_method) {
            return Err(invalid(format!(
                "token_endpoint_auth_method: the security profile {} does not allow {}",
                followed.as_str(),
                self.auth_method
            )));
        }
        Ok(profile)
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
            "client_name must have between one and {MAX_NAME} characters, none of them a control character"
        )))
    }
}

/// Validates and normalizes the redirect URIs.
fn check_redirect_uris(uris: &Value) -> Result<Vec<String>, Error> {
    let invalid =
        |reason: String| Error::new(Code::InvalidRedirectUri, format!("redirect_uris: {reason}"));
    let uris = uris
        .as_array()
        .filter(|uris| uris.len() <= MAX_REDIRECT_URIS);
    let uris = uris.ok_or_else(|| {
        invalid(format!(
            "must be an array of at most {MAX_REDIRECT_URIS} URIs"
        ))
    })?;
    let checked = uris.iter().map(|uri| {
        let text = uri
            .as_str()
            .ok_or_else(|| invalid("each must be a string".to_owned()))?;
        let uri = ExternalUri::parse(text).and_then(ExternalUri::for_redirect);
        uri.map(|uri| uri.to_string())
            .map_err(|error| invalid(error.to_string()))
    });
    checked.collect()
}

fn check_passthrough(metadata: &PassthroughMetadata) -> Result<(), Error> {
    let uris = [
        ("client_uri", &metadata.client_uri),
        ("logo_uri", &metadata.logo_uri),
        ("tos_uri", &metadata.tos_uri),
        ("policy_uri", &metadata.policy_uri),
    ];
    for (name, uri) in uris {
        if let Some(text) = uri {
            let page = ExternalUri::parse(text).and_then(ExternalUri::for_page);
            page.map_err(|error| invalid(format!("{name}: {error}")))?;
        }
    }
    let too_many_contacts = metadata
        .contacts
        .as_ref()
        .is_some_and(|contacts| contacts.len() > 10);
    let has_unusable_text = metadata
        .contacts
        .iter()
        .flatten()
        .chain(&metadata.software_id)
        .chain(&metadata.software_version)
        .any(|text| text.len() > 200 || text.contains('\0'));
    if too_many_contacts || has_unusable_text {
        return Err(invalid(
            "contacts must be at most ten; they, software_id and software_version must have at most 200 bytes each",
        ));
    }
    Ok(())
}

/// Unsupported grant types are left out, as RFC 7591 section 2 allows; the response has the rest.
fn check_grant_types(wanted: Option<&[String]>) -> Result<GrantTypes, Error> {
    let Some(wanted) = wanted else {
        return Ok(GrantTypes::from_iter([GrantType::ClientCredentials]));
    };
    let supported: Vec<GrantType> = wanted.iter().flat_map(|name| name.parse()).collect();
    if supported.is_empty() && !wanted.is_empty() {
        return Err(invalid(format!(
            "grant_types: the supported ones are {}",
            GrantType::NAMES.join(", ")
        )));
    }
    Ok(supported.into_iter().collect())
}

/// Checks `jwks` and `jwks_uri`. Returns the JWK Set as text.
fn check_keys(
    metadata: &ClientMetadata,
    auth_method: AuthMethod,
    private_jwks_uri: Switch,
) -> Result<Option<String>, Error> {
    match (&metadata.jwks, &metadata.jwks_uri) {
        // RFC 7591 section 2: "MUST NOT both be present".
        (Some(_), Some(_)) => Err(invalid("jwks and jwks_uri must not both be present")),
        (None, None) if auth_method == AuthMethod::PrivateKeyJwt => {
            Err(invalid("private_key_jwt needs jwks or jwks_uri"))
        }
        (Some(jwks), None) => {
            JwkSet::check_registered(jwks).map_err(invalid)?;
            Ok(Some(jwks.to_string()))
        }
        (None, Some(uri)) => check_jwks_uri(uri, private_jwks_uri).map(|()| None),
        (None, None) => Ok(None),
    }
}

/// Refuses what is unusable whatever its host resolves to. The resolved IP address is checked at
/// each fetch.
fn check_jwks_uri(uri: &str, private_jwks_uri: Switch) -> Result<(), Error> {
    let allowed = |address| private_jwks_uri.is_on() || http_client::is_public(address);
    let checked = ExternalUri::parse(uri).and_then(|uri| uri.for_keys(allowed));
    checked
        .map(drop)
        .map_err(|error| invalid(format!("jwks_uri: {error}")))
}

/// JSON text for a column.
fn to_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::server_error(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;

    fn validate(metadata: Value) -> Result<ValidatedMetadata, Error> {
        ValidatedMetadata::new(
            parse(metadata.to_string().as_bytes())?,
            Switch::Off,
            SecurityProfile::None,
        )
    }

    #[test]
    fn unusable_metadata_is_refused() {
        use Code::{InvalidClientMetadata, InvalidRedirectUri};
        for (metadata, expected) in [
            (json!([]), InvalidClientMetadata),
            (json!("x"), InvalidClientMetadata),
            (json!({"client_name": 7}), InvalidClientMetadata),
            (json!({"client_name": ""}), InvalidClientMetadata),
            (json!({"client_name": " "}), InvalidClientMetadata),
            (json!({"client_name": "a\nb"}), InvalidClientMetadata),
            (
                json!({"client_name": "x".repeat(101)}),
                InvalidClientMetadata,
            ),
            (
                json!({"token_endpoint_auth_method": "none"}),
                InvalidClientMetadata,
            ),
            (
                json!({"token_endpoint_auth_method": "private_key_jwt"}),
                InvalidClientMetadata,
            ),
            (json!({"grant_types": ["password"]}), InvalidClientMetadata),
            (json!({"scope": "a\"b"}), InvalidClientMetadata),
            (json!({"jwks": {"keys": []}}), InvalidClientMetadata),
            (
                json!({"jwks": {"keys": []}, "jwks_uri": "https://a.example/"}),
                InvalidClientMetadata,
            ),
            (
                json!({"jwks_uri": "http://a.example/"}),
                InvalidClientMetadata,
            ),
            (
                json!({"jwks_uri": "https://127.0.0.1/"}),
                InvalidClientMetadata,
            ),
            (
                json!({"client_uri": "javascript:alert(1)"}),
                InvalidClientMetadata,
            ),
            (json!({"contacts": vec!["a"; 11]}), InvalidClientMetadata),
            (
                json!({"software_id": "x".repeat(201)}),
                InvalidClientMetadata,
            ),
            (json!({"software_version": "\0"}), InvalidClientMetadata),
            (
                json!({"redirect_uris": "https://a.example/"}),
                InvalidRedirectUri,
            ),
            (json!({"redirect_uris": [7]}), InvalidRedirectUri),
            (json!({"redirect_uris": ["/path"]}), InvalidRedirectUri),
            (
                json!({"redirect_uris": vec!["https://a.example/"; 21]}),
                InvalidRedirectUri,
            ),
        ] {
            match validate(metadata.clone()) {
                Ok(_) => panic!("{metadata} was accepted"),
                Err(error) => assert_eq!(error.code(), expected, "{metadata}: {error}"),
            }
        }
    }

    #[test]
    fn a_private_jwks_uri_needs_the_setting() {
        let metadata = || parse(br#"{"jwks_uri": "https://10.0.0.1/keys"}"#).unwrap();
        let validated =
            |allowed| ValidatedMetadata::new(metadata(), allowed, SecurityProfile::None);
        assert!(validated(Switch::Off).is_err());
        assert!(validated(Switch::On).is_ok());
    }

    #[test]
    fn unsupported_grant_types_are_left_out() {
        const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
        for (metadata, registered) in [
            (json!({}), "client_credentials"),
            (json!({"grant_types": []}), ""),
            (
                json!({"grant_types": ["password", "client_credentials"]}),
                "client_credentials",
            ),
            (json!({"grant_types": [TOKEN_EXCHANGE]}), TOKEN_EXCHANGE),
        ] {
            let validated = validate(metadata.clone()).unwrap();
            assert_eq!(validated.grant_types.as_str(), registered, "{metadata}");
        }
    }

    #[test]
    fn a_client_registers_within_its_limits() {
        let limits = RegistrationLimits {
            scope: "a b".to_owned(),
            resources: vec!["urn:a".to_owned(), "urn:b".to_owned(), "urn:api".to_owned()],
        };
        for (metadata, expected) in [
            (json!({"resources": ["urn:a"]}), Some(("a b", "urn:a"))),
            (
                json!({"scope": "b", "resources": ["urn:b", "urn:a"]}),
                Some(("b", "urn:a urn:b")),
            ),
            (
                json!({"scope": "", "resources": ["urn:a"]}),
                Some(("", "urn:a")),
            ),
            (json!({"scope": "c", "resources": ["urn:a"]}), None),
            (json!({"resources": ["urn:c"]}), None),
            (json!({"resources": []}), None),
            // The limits have the management API here, which nobody can register for.
            (json!({"resources": ["urn:api"]}), None),
            (json!({}), None),
        ] {
            let mut client = Client::new(
                String::new(),
                String::new(),
                AuthMethod::ClientSecretBasic,
                Timestamp::EPOCH,
            );
            let applied =
                validate(metadata.clone())
                    .unwrap()
                    .apply(&mut client, &limits, "urn:api");
            let found = applied
                .is_ok()
                .then(|| (client.scope.as_str(), client.resources.as_str()));
            assert_eq!(found, expected, "{metadata}");
        }
    }

    #[test]
    fn a_client_sets_its_security_profile_and_cannot_remove_it() {
        use SecurityProfile::{Fapi2, None as Unrestricted};
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let keys =
            json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [jwk]}});
        let with = |profile: &str| {
            let mut metadata = keys.clone();
            metadata["profile"] = json!(profile);
            metadata
        };
        for (metadata, server, current, expected) in [
            (json!({}), Unrestricted, Unrestricted, Some(Unrestricted)),
            (json!({}), Fapi2, Unrestricted, None),
            (json!({}), Unrestricted, Fapi2, None),
            (
                json!({"profile": "fapi2"}),
                Unrestricted,
                Unrestricted,
                None,
            ),
            (with("fapi2"), Unrestricted, Unrestricted, Some(Fapi2)),
            (with("none"), Unrestricted, Fapi2, None),
            (with("none"), Fapi2, Unrestricted, Some(Unrestricted)),
            (with("fapi3"), Unrestricted, Unrestricted, None),
            (keys.clone(), Unrestricted, Fapi2, Some(Fapi2)),
            (keys.clone(), Fapi2, Unrestricted, Some(Unrestricted)),
        ] {
            let found = parse(metadata.to_string().as_bytes())
                .and_then(|metadata| ValidatedMetadata::new(metadata, Switch::Off, server))
                .and_then(|validated| validated.check_profile(current));
            assert_eq!(found.ok(), expected, "{metadata} {server:?} {current:?}");
        }
    }

    #[test]
    fn rights_over_keyward_cannot_be_registered() {
        let limits = RegistrationLimits {
            scope: "a keyward:operator".to_owned(),
            resources: Vec::new(),
        };
        for (metadata, accepted) in [
            (json!({"scope": "a"}), true),
            (json!({"scope": "keyward:operator"}), false),
            (json!({}), false),
        ] {
            let mut client = Client::new(
                String::new(),
                String::new(),
                AuthMethod::ClientSecretBasic,
                Timestamp::EPOCH,
            );
            let applied =
                validate(metadata.clone())
                    .unwrap()
                    .apply(&mut client, &limits, "urn:api");
            assert_eq!(applied.is_ok(), accepted, "{metadata}");
            assert_eq!(
                client.name == client.client_id,
                accepted,
                "the id is the default name"
            );
        }
    }
}
