use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use crate::keys::max_age;
use crate::options::{Options, OptionsError};

/// The longest response that is read, in bytes.
const MAX_BODY: u64 = 1024 * 1024;

/// The HTTP client for the two endpoints of the issuer. Its methods block.
pub(crate) struct Issuer {
    agent: Agent,
    jwks_uri: String,
    introspection_endpoint: String,
    /// The value of `Authorization` for introspection.
    authorization: Option<String>,
}

/// The JWK Set (RFC 7517 section 5) and how long it is fresh.
pub(crate) struct Published {
    /// Each key is parsed on its own, so that one of an unknown type does not hide the others.
    pub(crate) keys: Vec<Value>,
    pub(crate) max_age: Duration,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

impl Issuer {
    pub(crate) fn new(options: &Options) -> Result<Self, OptionsError> {
        let base = options.issuer.trim_end_matches('/');
        Ok(Issuer {
            agent: match &options.agent {
                Some(agent) => agent.clone(),
                None => default_agent(options.timeout)?,
            },
            jwks_uri: format!("{base}/.well-known/jwks.json"),
            introspection_endpoint: format!("{base}/oauth/introspect"),
            authorization: options.credentials.as_ref().map(|(id, secret)| {
                let pair = format!("{}:{}", form_encode(id), form_encode(secret));
                format!("Basic {}", BASE64_STANDARD.encode(pair))
            }),
        })
    }

    /// Fetches the keys. The error is for the log.
    pub(crate) fn keys(&self) -> Result<Published, String> {
        let request = self.agent.get(&self.jwks_uri);
        let request = request.config().http_status_as_error(false).build();
        let response = request.call();
        let mut response = successful(response).map_err(|error| self.keys_error(&error))?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let max_age = max_age(header("cache-control"), header("age"));
        let JwkSet { keys } = json(&mut response).map_err(|error| self.keys_error(&error))?;
        Ok(Published { keys, max_age })
    }

    fn keys_error(&self, error: &str) -> String {
        format!("{}: {error}", self.jwks_uri)
    }

    /// Introspects a credential (RFC 7662): the members of the response if it is active. The error
    /// is for the log.
    pub(crate) fn introspect(
        &self,
        credential: &str,
    ) -> Result<Option<Map<String, Value>>, String> {
        let mut request = self.agent.post(&self.introspection_endpoint);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.config().http_status_as_error(false).build();
        let response = request
            .header("accept", "application/json")
            .send_form([("token", credential)]);
        let members: Result<Map<String, Value>, String> =
            successful(response).and_then(|mut response| json(&mut response));
        let members =
            members.map_err(|error| format!("{}: {error}", self.introspection_endpoint))?;
        match members.get("active") {
            Some(Value::Bool(true)) => Ok(Some(members)),
            Some(Value::Bool(false)) => Ok(None),
            _ => Err(format!(
                "{}: the response has no `active`",
                self.introspection_endpoint
            )),
        }
    }
}

fn default_agent(timeout: Duration) -> Result<Agent, OptionsError> {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> = found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    if let (true, Some(error)) = (roots.is_empty(), found.errors.first()) {
        return Err(OptionsError(format!(
            "cannot read the certificate authorities of the system: {error}"
        )));
    }
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .build();
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        // The issuer does not redirect, and the credentials are for it alone.
        .max_redirects(0)
        .tls_config(tls)
        .build();
    Ok(config.into())
}

/// Returns the response if its status is 200.
fn successful(response: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, String> {
    let response = response.map_err(|error| error.to_string())?;
    match response.status() {
        StatusCode::OK => Ok(response),
        status => Err(format!("status {status}")),
    }
}

fn json<T: serde::de::DeserializeOwned>(response: &mut Response<Body>) -> Result<T, String> {
    let body = response.body_mut().with_config().limit(MAX_BODY);
    let text = body.read_to_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Encodes a client id or secret for HTTP Basic authentication (RFC 6749 section 2.3.1).
fn form_encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
