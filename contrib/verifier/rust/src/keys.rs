use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use crate::flight::SingleFlight;
use crate::issuer::Issuer;
use crate::{Refusal, lock};

/// How long the keys are fresh if the response does not say so.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);

/// The longest that the keys are taken to be fresh.
const LONGEST_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// A public key and the one algorithm that it is used with.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) decoding: DecodingKey,
    pub(crate) algorithm: Algorithm,
}

/// The keys of the issuer, fetched when they are needed.
pub(crate) struct Keys {
    issuer: Arc<Issuer>,
    min_interval: Duration,
    cache: Arc<Mutex<Cache>>,
    fetches: SingleFlight<(), ()>,
}

/// What is known of the issuer's keys.
#[derive(Default)]
struct Cache {
    by_kid: HashMap<String, Arc<Key>>,
    fresh_until: Option<Instant>,
    attempt: Option<Attempt>,
}

/// The last request for the keys.
#[derive(Clone, Copy)]
struct Attempt {
    ended_at: Instant,
    succeeded: bool,
}

/// How to get the key of a `kid`.
#[derive(Debug)]
enum Lookup {
    Found(Arc<Key>),
    /// The key is known but no longer fresh, and the issuer did not answer the last request. It is
    /// used while another request is sent.
    FoundStale(Arc<Key>),
    /// The keys have to be fetched first.
    Fetch,
    /// The issuer has no such key.
    Unknown,
    /// The issuer did not answer, so nothing is known about such a key.
    Unavailable,
}

impl Keys {
    pub(crate) fn new(issuer: Arc<Issuer>, min_interval: Duration) -> Self {
        Keys {
            issuer,
            min_interval,
            cache: Arc::default(),
            fetches: SingleFlight::new(),
        }
    }

    /// Returns the key of this `kid`.
    pub(crate) async fn key(&self, kid: &str) -> Result<Arc<Key>, Refusal> {
        match self.lookup(kid) {
            Lookup::Found(key) => return Ok(key),
            Lookup::FoundStale(key) => {
                self.fetches.start(&(), self.fetch());
                return Ok(key);
            }
            Lookup::Fetch => {}
            Lookup::Unknown => return Err(Refusal::InvalidToken),
            Lookup::Unavailable => return Err(Refusal::Unavailable),
        }
        self.fetches.run(&(), self.fetch()).await;
        let cache = lock(&self.cache);
        match cache.by_kid.get(kid) {
            Some(key) => Ok(Arc::clone(key)),
            None if cache.attempt.is_some_and(|attempt| attempt.succeeded) => {
                Err(Refusal::InvalidToken)
            }
            None => Err(Refusal::Unavailable),
        }
    }

    fn lookup(&self, kid: &str) -> Lookup {
        lock(&self.cache).lookup(kid, Instant::now(), self.min_interval)
    }

    /// Returns the call that fetches the keys. If it fails, the old keys stay.
    fn fetch(&self) -> impl FnOnce() + Send + 'static {
        let (issuer, cache) = (Arc::clone(&self.issuer), Arc::clone(&self.cache));
        move || {
            let result = issuer.keys();
            let mut cache = lock(&cache);
            let now = Instant::now();
            cache.attempt = Some(Attempt {
                ended_at: now,
                succeeded: result.is_ok(),
            });
            match result {
                Ok(published) => {
                    cache.by_kid = published.keys.into_iter().filter_map(parse).collect();
                    cache.fresh_until = now.checked_add(published.max_age);
                }
                Err(error) => tracing::warn!(%error, "cannot fetch the keys of the issuer"),
            }
        }
    }
}

impl Cache {
    /// Decides what to do for a token with this `kid`. `min_interval` is the shortest time between
    /// two requests for the keys.
    fn lookup(&self, kid: &str, now: Instant, min_interval: Duration) -> Lookup {
        let may_fetch = self
            .attempt
            .is_none_or(|attempt| now.saturating_duration_since(attempt.ended_at) >= min_interval);
        let failing = self.attempt.is_some_and(|attempt| !attempt.succeeded);
        let fresh = self.fresh_until.is_some_and(|until| now < until);
        match self.by_kid.get(kid) {
            Some(key) if fresh || !may_fetch => Lookup::Found(Arc::clone(key)),
            Some(key) if failing => Lookup::FoundStale(Arc::clone(key)),
            Some(_) => Lookup::Fetch,
            None if may_fetch => Lookup::Fetch,
            None if failing => Lookup::Unavailable,
            None => Lookup::Unknown,
        }
    }
}

/// Parses a JWK for signatures by an algorithm that this crate knows.
fn parse(jwk: Value) -> Option<(String, Arc<Key>)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let usage = jwk.common.public_key_use.as_ref();
    if usage.is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match (&jwk.algorithm, jwk.common.key_algorithm) {
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::PS256)) => Algorithm::PS256,
        (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS256) | None) => Algorithm::RS256,
        (AlgorithmParameters::EllipticCurve(key), Some(KeyAlgorithm::ES256) | None)
            if key.curve == EllipticCurve::P256 =>
        {
            Algorithm::ES256
        }
        // `UNKNOWN_ALGORITHM` is how `Ed25519`, the other name of the algorithm (RFC 9864), is read.
        (
            AlgorithmParameters::OctetKeyPair(key),
            Some(KeyAlgorithm::EdDSA | KeyAlgorithm::UNKNOWN_ALGORITHM) | None,
        ) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let kid = jwk.common.key_id?;
    Some((
        kid,
        Arc::new(Key {
            decoding,
            algorithm,
        }),
    ))
}

/// Returns how long a response is fresh (RFC 9111 section 4.2), from `Cache-Control` and `Age`.
pub(crate) fn max_age(cache_control: Option<&str>, age: Option<&str>) -> Duration {
    let Some(cache_control) = cache_control else {
        return DEFAULT_MAX_AGE;
    };
    let mut max_age = DEFAULT_MAX_AGE;
    for directive in cache_control.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" | "no-store" => return Duration::ZERO,
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse();
                max_age = seconds.map_or(Duration::ZERO, Duration::from_secs);
            }
            _ => {}
        }
    }
    let age = age.and_then(|age| age.trim().parse().ok());
    max_age
        .saturating_sub(age.map_or(Duration::ZERO, Duration::from_secs))
        .min(LONGEST_MAX_AGE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    #[test]
    fn cache_control_says_how_long_the_keys_are_fresh() {
        let cases = [
            (None, None, 300),
            (Some("public, max-age=60"), None, 60),
            (Some("public, Max-Age=60"), Some("20"), 40),
            (Some("max-age=60"), Some("90"), 0),
            (Some("max-age=x"), None, 0),
            (Some("no-cache, max-age=60"), None, 0),
            (Some("public"), None, 300),
            (Some("max-age=999999999"), None, 86_400),
        ];
        for (cache_control, age, seconds) in cases {
            let expected = Duration::from_secs(seconds);
            assert_eq!(max_age(cache_control, age), expected, "{cache_control:?}");
        }
    }

    #[test]
    fn a_key_has_one_algorithm() {
        let curve =
            |alg: Value| json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "a", "alg": alg});
        let rsa =
            |alg: Value| json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a", "alg": alg});
        let cases = [
            (rsa(json!("RS256")), Some(Algorithm::RS256)),
            (rsa(json!("PS256")), Some(Algorithm::PS256)),
            (rsa(Value::Null), Some(Algorithm::RS256)),
            (rsa(json!("HS256")), None),
            (rsa(json!("RS512")), None),
            (curve(json!("EdDSA")), Some(Algorithm::EdDSA)),
            (curve(json!("Ed25519")), Some(Algorithm::EdDSA)),
            (curve(json!("ES256")), None),
            (
                json!({"kty": "oct", "k": "AA", "kid": "a", "alg": "HS256"}),
                None,
            ),
            (
                json!({"kty": "AKP", "pub": "AA", "kid": "a", "alg": "ML-DSA-44"}),
                None,
            ),
            (
                json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a", "use": "enc"}),
                None,
            ),
            (json!("not a key"), None),
        ];
        for (jwk, expected) in cases {
            let algorithm = parse(jwk.clone()).map(|(_, key)| key.algorithm);
            assert_eq!(algorithm, expected, "{jwk}");
        }
    }

    #[test]
    fn keys_are_fetched_when_stale_or_unknown_and_kept_if_the_issuer_is_away() {
        let now = Instant::now();
        let key =
            || parse(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "known"})).unwrap();
        let after = |seconds| now + Duration::from_secs(seconds);
        let attempt = |succeeded| {
            Some(Attempt {
                ended_at: now,
                succeeded,
            })
        };
        let cases = [
            ("known", attempt(true), 1, "Found"),
            ("known", attempt(true), 61, "Fetch"),
            ("known", attempt(false), 1, "Found"),
            ("known", attempt(false), 61, "FoundStale"),
            ("unknown", attempt(true), 1, "Unknown"),
            ("unknown", attempt(true), 5, "Fetch"),
            ("unknown", attempt(false), 1, "Unavailable"),
            ("unknown", attempt(false), 5, "Fetch"),
            ("unknown", None, 0, "Fetch"),
        ];
        for (kid, attempt, seconds, expected) in cases {
            let cache = Cache {
                by_kid: HashMap::from([key()]),
                fresh_until: Some(after(60)),
                attempt,
            };
            let lookup = format!("{:?}", cache.lookup(kid, after(seconds), INTERVAL));
            let name = lookup.split('(').next().unwrap();
            assert_eq!(name, expected, "{kid} after {seconds} s");
        }
    }
}
