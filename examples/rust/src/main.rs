//! A resource server: `GET /orders` is for callers whose access token or API key has the scope `orders:read`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program this small has no other log"
)]

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

/// How long the published keys are cached: no longer than the `max-age` of the JWK Set.
const KEYS_MAX_AGE: Duration = Duration::from_secs(300);

/// How long to wait, after a request for the keys, until an unknown `kid` leads to another one.
const KEYS_COOLDOWN: Duration = Duration::from_secs(5);

/// The claims of RFC 9068, and the members of the same names in RFC 7662, that this server uses.
#[derive(Deserialize)]
struct Claims {
    client_id: String,
    #[serde(default)]
    scope: String,
}

/// The answer to an introspection request (RFC 7662 section 2.2).
#[derive(Deserialize)]
struct Introspection {
    active: bool,
    #[serde(flatten)]
    claims: Option<Claims>,
}

/// Why a request is refused (RFC 6750 section 3).
#[derive(Debug)]
enum Refusal {
    /// There is no `Authorization` header.
    Unauthenticated,
    /// The caller presented no valid credential.
    InvalidToken,
    /// The credential is valid and lacks this scope.
    InsufficientScope(&'static str),
    /// The credential could not be checked.
    Unavailable(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refusal::Unauthenticated => "unauthorized",
            Refusal::InvalidToken => "invalid_token",
            Refusal::InsufficientScope(_) => "insufficient_scope",
            Refusal::Unavailable(_) => "temporarily_unavailable",
        })
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Refusal::Unauthenticated | Refusal::InvalidToken => StatusCode::UNAUTHORIZED,
            Refusal::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Refusal::Unauthenticated => response.insert_header((WWW_AUTHENTICATE, "Bearer")),
            Refusal::InvalidToken => {
                response.insert_header((WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#))
            }
            Refusal::InsufficientScope(scope) => {
                let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
                response.insert_header((WWW_AUTHENTICATE, challenge))
            }
            Refusal::Unavailable(reason) => {
                eprintln!("{reason}");
                response.insert_header((RETRY_AFTER, "1"))
            }
        };
        response.json(json!({"error": self.to_string()}))
    }
}

/// The published keys, by `kid`.
#[derive(Default)]
struct KeyCache {
    keys: HashMap<String, DecodingKey>,
    fetched_at: Option<Instant>,
}

impl KeyCache {
    /// The key of this `kid`. Fetches the keys again after [`KEYS_MAX_AGE`], and for an unknown `kid`, but for
    /// that at most once in [`KEYS_COOLDOWN`].
    async fn key(
        &mut self,
        authorization_server: &Client,
        kid: &str,
    ) -> Result<DecodingKey, Refusal> {
        let age = self.fetched_at.map(|fetched_at| fetched_at.elapsed());
        let expired = age.is_none_or(|age| age >= KEYS_MAX_AGE);
        let refetch = !self.keys.contains_key(kid) && age.is_some_and(|age| age >= KEYS_COOLDOWN);
        if expired || refetch {
            let document = authorization_server.jwk_set().await?;
            let by_kid = |jwk: &jsonwebtoken::jwk::Jwk| {
                let key = DecodingKey::from_jwk(jwk).ok()?;
                Some((jwk.common.key_id.clone()?, key))
            };
            self.keys = document.keys.iter().filter_map(by_kid).collect();
            self.fetched_at = Some(Instant::now());
        }
        self.keys.get(kid).cloned().ok_or(Refusal::InvalidToken)
    }
}

/// A client of the authorization server.
#[derive(Clone)]
struct Client {
    issuer: String,
    client_id: String,
    client_secret: String,
    agent: ureq::Agent,
}

impl Client {
    /// Fetches the published keys (RFC 7517).
    async fn jwk_set(&self) -> Result<JwkSet, Refusal> {
        let request = self
            .agent
            .get(format!("{}/.well-known/jwks.json", self.issuer));
        send(move || request.call()).await
    }

    /// Introspects a token or an API key (RFC 7662). Keyward describes a token only to a resource
    /// server in its audience.
    async fn introspect(&self, token: &str) -> Result<Claims, Refusal> {
        let basic = BASE64_STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret));
        let request = self
            .agent
            .post(format!("{}/oauth/introspect", self.issuer))
            .header("Authorization", format!("Basic {basic}"));
        let form = [("token", token.to_owned())];
        let answer: Introspection = send(move || request.send_form(form)).await?;
        match answer {
            Introspection {
                active: true,
                claims: Some(claims),
            } => Ok(claims),
            _ => Err(Refusal::InvalidToken),
        }
    }
}

/// Sends a request on a thread where it can block, and reads the JSON of a successful response.
async fn send<T: serde::de::DeserializeOwned + Send + 'static>(
    call: impl FnOnce() -> Result<ureq::http::Response<ureq::Body>, ureq::Error> + Send + 'static,
) -> Result<T, Refusal> {
    let read = move || call()?.body_mut().read_to_string();
    let unavailable = |error: &dyn std::fmt::Display| Refusal::Unavailable(error.to_string());
    let body = web::block(read)
        .await
        .map_err(|error| unavailable(&error))?;
    let body = body.map_err(|error| unavailable(&error))?;
    serde_json::from_str(&body).map_err(|error| unavailable(&error))
}

struct ResourceServer {
    validation: Validation,
    keys: Mutex<KeyCache>,
    authorization_server: Client,
    /// Introspect JWTs too, so that a revoked one is refused at once.
    introspect_jwts: bool,
}

impl ResourceServer {
    fn from_env() -> io::Result<Self> {
        let issuer = required("ISSUER")?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&issuer]);
        validation.set_audience(&[required("AUDIENCE")?]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        validation.leeway = 5;
        let timeout = Some(Duration::from_secs(5));
        Ok(ResourceServer {
            validation,
            keys: Mutex::default(),
            authorization_server: Client {
                issuer,
                client_id: required("CLIENT_ID")?,
                client_secret: required("CLIENT_SECRET")?,
                agent: ureq::Agent::config_builder()
                    .timeout_global(timeout)
                    .build()
                    .into(),
            },
            introspect_jwts: std::env::var("INTROSPECT_JWTS").is_ok_and(|value| value == "true"),
        })
    }

    /// The claims of a caller that has the scope.
    async fn authorize(
        &self,
        request: &HttpRequest,
        scope: &'static str,
    ) -> Result<Claims, Refusal> {
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .ok_or(Refusal::Unauthenticated)?;
        let token = header
            .to_str()
            .ok()
            .and_then(credential)
            .ok_or(Refusal::InvalidToken)?;
        let claims = self.authenticate(&token).await?;
        if claims.scope.split(' ').any(|granted| granted == scope) {
            Ok(claims)
        } else {
            Err(Refusal::InsufficientScope(scope))
        }
    }

    /// Verifies JWTs offline and introspects everything else.
    async fn authenticate(&self, token: &str) -> Result<Claims, Refusal> {
        if token.matches('.').count() != 2 {
            return self.authorization_server.introspect(token).await;
        }
        let claims = self.verify(token).await?;
        if self.introspect_jwts {
            return self.authorization_server.introspect(token).await;
        }
        Ok(claims)
    }

    /// Checks a JWT access token as RFC 9068 section 4 says.
    async fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::InvalidToken)?;
        // An ID token or a logout token has the same issuer and keys, and another type.
        let (Some("at+jwt"), Some(kid)) = (header.typ.as_deref(), &header.kid) else {
            return Err(Refusal::InvalidToken);
        };
        let key = self
            .keys
            .lock()
            .await
            .key(&self.authorization_server, kid)
            .await?;
        let verified = jsonwebtoken::decode(token, &key, &self.validation);
        verified
            .map(|token| token.claims)
            .map_err(|_| Refusal::InvalidToken)
    }
}

/// The token of a Bearer header, or the API key of a Basic header: base64 of `KEY` or of `KEY:`.
fn credential(authorization: &str) -> Option<String> {
    let (scheme, value) = authorization.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("Bearer") {
        return Some(value.trim().to_owned()).filter(|token| !token.is_empty());
    }
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
    let (key, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
    (!key.is_empty() && password.is_empty()).then(|| key.to_owned())
}

async fn orders(
    server: Data<ResourceServer>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let caller = server.authorize(&request, "orders:read").await?;
    Ok(HttpResponse::Ok().json(json!({"client_id": caller.client_id, "orders": []})))
}

fn required(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

async fn serve() -> io::Result<()> {
    let resource_server = Data::new(ResourceServer::from_env()?);
    let port = std::env::var("PORT").unwrap_or_else(|_| "9000".to_owned());
    let app = move || {
        App::new()
            .app_data(resource_server.clone())
            .route("/orders", web::get().to(orders))
    };
    let server = HttpServer::new(app).bind(format!("127.0.0.1:{port}"))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}

fn main() -> io::Result<()> {
    actix_web::rt::System::new().block_on(serve())
}
