//! `private_key_jwt`: client authentication by a signed assertion (RFC 7521, RFC 7523).

use std::sync::Arc;

use serde::Deserialize;

use super::AuthorizationServer;
use super::failure::Reason;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::crypto::jws::{JwkSet, Jws, SignatureAlgorithm};
use crate::error::Error;
use crate::net::http_client::JwksError;
use crate::store::client::Client;
use crate::store::client_assertion;

/// RFC 7523 section 2.2.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

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
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
}

/// RFC 7519 section 4.1.3: "an array of case-sensitive strings", or "a single case-sensitive string".
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// The audience where it is the only one: an array could name another server beside us, which
    /// could then use the assertion here.
    fn sole(&self) -> Option<&str> {
        match self {
            Audience::One(one) => Some(one),
            Audience::Many(many) => match many.as_slice() {
                [one] => Some(one),
                _ => None,
            },
        }
    }

    /// For the log, shortened.
    fn shown(&self) -> String {
        let text = match self {
            Audience::One(one) => format!("{one:?}"),
            Audience::Many(many) => format!("{many:?}"),
        };
        text.chars().take(200).collect()
    }
}

/// The client that an assertion claims to be of: to find its keys, no more.
pub fn unproven_subject(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    Jws::parse(assertion)
        .ok()?
        .claims::<Subject>()
        .ok()
        .map(|claims| claims.sub)
}

/// Checks an assertion of `client`, and that it serves for the first time. The inner error is the
/// exact reason, for the log.
///
/// # Errors
/// Where the database could not say whether it has served before; where the client's keys could not be
/// fetched for want of a turn.
pub async fn check(
    server: &AuthorizationServer,
    client: &Client,
    assertion: &str,
    now: Timestamp,
) -> Result<Result<(), Reason>, Error> {
    let jws = match Jws::parse(assertion) {
        Ok(jws) => jws,
        Err(error) => return Ok(Err(Reason::assertion_not_a_jwt(&error.to_string()))),
    };
    let Some(algorithm) = jws.header.algorithm() else {
        return Ok(Err(Reason::assertion_algorithm()));
    };
    if jws.header.has_critical_extensions() {
        return Ok(Err(Reason::assertion_critical_header()));
    }
    let keys = match keys(server, client, jws.header.kid.as_deref()).await? {
        Ok(keys) => keys,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Err(reason) = prove(&jws, algorithm, &keys) {
        return Ok(Err(reason));
    }
    let claims = match jws.claims::<Claims>() {
        Ok(claims) => claims,
        Err(reason) => return Ok(Err(Reason::assertion_unreadable(&reason))),
    };
    if let Err(reason) = check_claims(server, client, &claims, now) {
        return Ok(Err(reason));
    }
    // Without a `jti`, what was signed is as good a name for it; not the signature, which for ES256
    // has two spellings.
    let name = claims.jti.as_deref().unwrap_or(jws.signed);
    let id = Fingerprint::of(format!("{}\0{name}", client.client_id).as_bytes()).hex();
    let expires_at = Timestamp::from_seconds(seconds(claims.exp).saturating_add(LEEWAY + 1));
    let first = server
        .store
        .write_untracked(move |database| client_assertion::claim(database, &id, expires_at))
        .await?;
    Ok(if first {
        Ok(())
    } else {
        Err(Reason::assertion_used())
    })
}

async fn keys(
    server: &AuthorizationServer,
    client: &Client,
    kid: Option<&str>,
) -> Result<Result<Arc<JwkSet>, Reason>, Error> {
    Ok(match (&client.jwks, &client.jwks_uri) {
        (Some(jwks), _) => serde_json::from_str(jwks)
            .map(Arc::new)
            .map_err(|error| Reason::assertion_keys_unreadable(&error.to_string())),
        (None, Some(uri)) => match server.http_client.jwks(uri, &client.account_id, kid).await {
            Ok(keys) => Ok(keys),
            Err(JwksError::Fetch(reason)) => Err(Reason::assertion_keys_unreachable(&reason)),
            // Not the client's fault: it may come again, and it counts as no failed attempt.
            Err(JwksError::Busy) => {
                return Err(Error::unavailable(format!(
                    "jwks_uri {uri}: {}",
                    JwksError::Busy
                )));
            }
        },
        (None, None) => Err(Reason::assertion_no_keys()),
    })
}

/// Whether one of the keys made the signature.
fn prove(jws: &Jws<'_>, algorithm: SignatureAlgorithm, keys: &JwkSet) -> Result<(), Reason> {
    if let Some(reason) = keys.why_unusable() {
        return Err(Reason::assertion_no_usable_key(reason));
    }
    let mut reason = Reason::assertion_no_fitting_key();
    for key in keys
        .fitting(algorithm, jws.header.kid.as_deref())
        .take(MAX_KEYS)
    {
        match key.parsed(algorithm) {
            Ok(key) if jws.is_signed_by(&key) => return Ok(()),
            Ok(_) => reason = Reason::assertion_wrong_signature(),
            Err(unusable) => reason = Reason::assertion_no_usable_key(&unusable),
        }
    }
    Err(reason)
}

fn check_claims(
    server: &AuthorizationServer,
    client: &Client,
    claims: &Claims,
    now: Timestamp,
) -> Result<(), Reason> {
    if claims.iss != client.client_id || claims.sub != client.client_id {
        return Err(Reason::assertion_wrong_client());
    }
    let token_endpoint = server.issuer.endpoint("/oauth/token");
    match claims.aud.sole() {
        Some(audience) if audience == server.issuer.as_str() => {}
        Some(audience) if audience == token_endpoint => {
            if !server.settings.assertion_for_token_endpoint.is_on() {
                return Err(Reason::assertion_for_token_endpoint());
            }
        }
        _ => return Err(Reason::assertion_wrong_audience(&claims.aud.shown())),
    }
    let now = now.seconds();
    let (exp, nbf, iat) = (
        seconds(claims.exp),
        claims.nbf.map(seconds),
        claims.iat.map(seconds),
    );
    // That one has served before may be forgotten by then.
    let past = server
        .clock
        .is_past(Timestamp::from_seconds(exp.saturating_add(LEEWAY)));
    if exp.saturating_add(LEEWAY) <= now || past {
        return Err(Reason::assertion_ended(now - exp));
    }
    if exp > now + LONGEST + LEEWAY {
        return Err(Reason::assertion_too_long(exp - now, LONGEST));
    }
    if let Some(ahead) = nbf
        .max(iat)
        .map(|start| start - now)
        .filter(|ahead| *ahead > LEEWAY)
    {
        return Err(Reason::assertion_not_begun(ahead));
    }
    Ok(())
}

/// A `NumericDate`; what is beyond all bounds stays there.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and fractions of a second do not matter"
)]
fn seconds(date: f64) -> i64 {
    (date as i64).clamp(-1 << 50, 1 << 50)
}
