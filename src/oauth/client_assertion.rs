//! `private_key_jwt`: client authentication by a signed assertion (RFC 7521, RFC 7523).

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::AuthorizationServer;
use super::failure::Reason;
use super::keys::parse_public_jwk;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::error::Error;
use crate::store::client::Client;
use crate::store::client_assertion;
use crate::store::signing_key::Algorithm as SigningAlgorithm;

/// RFC 7523 section 2.2.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The algorithms that an assertion may be signed with.
pub const ALGORITHMS: [(&str, Algorithm); 4] =
    [("RS256", Algorithm::RS256), ("PS256", Algorithm::PS256), ("ES256", Algorithm::ES256), ("EdDSA", Algorithm::EdDSA)];

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// How far ahead an assertion may end, in seconds: for so long its use must be remembered.
const LONGEST: i64 = 3600;

/// The most keys that are tried where the assertion names none.
const MAX_KEYS: usize = 10;

/// RFC 7523 section 3.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
}

/// The client that an assertion claims to be of: to find its keys, no more.
pub fn unproven_subject(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    jsonwebtoken::dangerous::insecure_decode::<Subject>(assertion).ok().map(|token| token.claims.sub)
}

/// Checks an assertion of `client`, and that it serves for the first time. The inner error is the
/// exact reason, for the log.
///
/// # Errors
/// Where the database could not say whether it has served before.
pub async fn check(
    server: &AuthorizationServer,
    client: &Client,
    assertion: &str,
    now: Timestamp,
) -> Result<Result<(), Reason>, Error> {
    let header = match jsonwebtoken::decode_header(assertion) {
        Ok(header) => header,
        Err(error) => return Ok(Err(Reason::assertion_not_a_jwt(&error.to_string()))),
    };
    if !ALGORITHMS.iter().any(|(_, algorithm)| *algorithm == header.alg) {
        return Ok(Err(Reason::assertion_algorithm()));
    }
    if header.crit.is_some() {
        return Ok(Err(Reason::assertion_critical_header()));
    }
    let kid = header.kid.as_deref();
    let keys = match keys(server, client, kid, now).await {
        Ok(keys) => keys,
        Err(reason) => return Ok(Err(reason)),
    };
    let claims = match proven_claims(assertion, header.alg, kid, &keys) {
        Ok(claims) => claims,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Err(reason) = check_claims(server, client, &claims, now) {
        return Ok(Err(reason));
    }
    // Without a `jti`, what was signed is as good a name for it; not the signature, which for ES256
    // has two spellings.
    let signed = assertion.rsplit_once('.').map_or(assertion, |(signed, _)| signed);
    let name = claims.jti.as_deref().unwrap_or(signed);
    let id = Fingerprint::of(format!("{}\0{name}", client.client_id).as_bytes()).hex();
    let expires_at = Timestamp::from_seconds(seconds(claims.exp).saturating_add(LEEWAY + 1));
    let first = server.store.append(move |database| client_assertion::claim(database, &id, expires_at)).await?;
    Ok(if first { Ok(()) } else { Err(Reason::assertion_used()) })
}

async fn keys(server: &AuthorizationServer, client: &Client, kid: Option<&str>, now: Timestamp) -> Result<JwkSet, Reason> {
    match (&client.jwks, &client.jwks_uri) {
        (Some(jwks), _) => serde_json::from_str(jwks).map_err(|error| Reason::assertion_keys_unreadable(&error.to_string())),
        (None, Some(uri)) => {
            server.outbound.jwks(uri, kid, now).await.map_err(|error| Reason::assertion_keys_unreachable(&error))
        }
        (None, None) => Err(Reason::assertion_no_keys()),
    }
}

fn proven_claims(assertion: &str, algorithm: Algorithm, kid: Option<&str>, keys: &JwkSet) -> Result<Claims, Reason> {
    let fits = |key: &&Jwk| {
        let named = kid.is_none() || key.common.key_id.is_none() || key.common.key_id.as_deref() == kid;
        let for_signatures = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        // RFC 8725 section 3.1: what the key says of its algorithm binds.
        let own_algorithm = key.common.key_algorithm.is_none_or(|own| own == KeyAlgorithm::from(algorithm));
        let verifies = key.common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let kind = match (&key.algorithm, algorithm) {
            (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
            (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
            (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
            _ => false,
        };
        named && for_signatures && own_algorithm && verifies && kind
    };
    // What the claims say is checked below, with the request's own clock.
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let mut reason = Reason::assertion_no_fitting_key();
    for key in keys.keys.iter().filter(fits).take(MAX_KEYS) {
        let decoded = DecodingKey::from_jwk(key).and_then(|key| jsonwebtoken::decode::<Claims>(assertion, &key, &validation));
        match decoded {
            Ok(token) => return Ok(token.claims),
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => {
                reason = Reason::assertion_wrong_signature(&error.to_string());
            }
            Err(error) => reason = Reason::assertion_unreadable(&error.to_string()),
        }
    }
    Err(reason)
}

fn check_claims(server: &AuthorizationServer, client: &Client, claims: &Claims, now: Timestamp) -> Result<(), Reason> {
    if claims.iss != client.client_id || claims.sub != client.client_id {
        return Err(Reason::assertion_wrong_client());
    }
    // A single string: an array could name another server, whose assertion then serves here.
    let audience = claims.aud.as_str().unwrap_or_default();
    let token_endpoint = server.settings.assertion_for_token_endpoint.is_on();
    let for_us = audience == server.issuer.as_str() || token_endpoint && audience == server.issuer.endpoint("/oauth/token");
    if !for_us {
        return Err(Reason::assertion_wrong_audience(&claims.aud.to_string()));
    }
    let now = now.seconds();
    let (exp, nbf, iat) = (seconds(claims.exp), claims.nbf.map(seconds), claims.iat.map(seconds));
    // That one has served before may be forgotten by then.
    let past = server.clock.is_past(Timestamp::from_seconds(exp.saturating_add(LEEWAY)));
    if exp.saturating_add(LEEWAY) <= now || past {
        return Err(Reason::assertion_ended(now - exp));
    }
    if exp > now + LONGEST + LEEWAY {
        return Err(Reason::assertion_too_long(exp - now, LONGEST));
    }
    if let Some(ahead) = nbf.max(iat).map(|start| start - now).filter(|ahead| *ahead > LEEWAY) {
        return Err(Reason::assertion_not_begun(ahead));
    }
    Ok(())
}

/// A `NumericDate`; what is beyond all bounds stays there.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and fractions of a second do not matter")]
fn seconds(date: f64) -> i64 {
    (date as i64).clamp(-1 << 50, 1 << 50)
}

/// Checks a key set that a client wants to register.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn check_jwks(jwks: &Value) -> Result<(), String> {
    let Some(keys) = jwks.get("keys").and_then(Value::as_array) else {
        return Err("jwks is an object with an array keys".to_owned());
    };
    if keys.is_empty() || keys.len() > 20 {
        return Err("jwks holds between one and 20 keys".to_owned());
    }
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    if keys.iter().any(|key| private.iter().any(|member| key.get(member).is_some())) {
        return Err("jwks holds a private or symmetric key; register the public half alone, and make a new pair".to_owned());
    }
    // RFC 7517 section 5: keys of other kinds are passed over. One must serve, though.
    let mut reason = "jwks holds no key that can sign an assertion: RSA of 2048 bits or more, P-256 or Ed25519".to_owned();
    for key in keys {
        match check_key(key) {
            Ok(()) => return Ok(()),
            Err(unusable) => reason = unusable,
        }
    }
    Err(reason)
}

/// Whether a key can verify an assertion.
fn check_key(key: &Value) -> Result<(), String> {
    let algorithm = match (key["kty"].as_str(), key["crv"].as_str()) {
        (Some("RSA"), _) => SigningAlgorithm::Rs256,
        (Some("EC"), Some("P-256")) => SigningAlgorithm::Es256,
        (Some("OKP"), Some("Ed25519")) => SigningAlgorithm::EdDsa,
        _ => return Err("jwks holds no key that can sign an assertion: RSA of 2048 bits or more, P-256 or Ed25519".to_owned()),
    };
    if key["use"] == "enc" {
        return Err("jwks holds keys for encryption alone".to_owned());
    }
    serde_json::from_value::<Jwk>(key.clone()).map_err(|error| format!("jwks holds an unreadable key: {error}"))?;
    parse_public_jwk(key, algorithm).map(drop).map_err(|reason| format!("jwks: {reason}"))
}
