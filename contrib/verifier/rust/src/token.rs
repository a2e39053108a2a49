use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};

use crate::Caller;
use crate::keys::Key;
use crate::options::Options;

/// The longest credential that is looked at, in bytes.
const MAX_CREDENTIAL: usize = 8192;

/// The members of a JOSE header that decide how a JWT is verified.
pub(crate) struct Header {
    pub(crate) kid: String,
    algorithm: Algorithm,
}

/// What a JWT access token must fulfil.
pub(crate) struct TokenRules {
    issuer: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
}

impl TokenRules {
    pub(crate) fn new(options: &Options) -> Self {
        TokenRules {
            issuer: options.issuer.clone(),
            audience: options.audience.clone(),
            algorithms: options.algorithms.clone(),
            leeway: options.leeway,
        }
    }

    /// Verifies the signature and the claims of a JWT (RFC 9068 section 4). The algorithm is that
    /// of the key, never one that only the token names.
    pub(crate) fn verify(
        &self,
        jwt: &str,
        header: &Header,
        key: &Key,
        now: SystemTime,
    ) -> Option<Caller> {
        if header.algorithm != key.algorithm || !self.algorithms.contains(&key.algorithm) {
            return None;
        }
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // The times are checked below, with the time as an argument.
        validation.validate_exp = false;
        let token = jsonwebtoken::decode::<Map<String, Value>>(jwt, &key.decoding, &validation);
        let claims = token.ok()?.claims;
        self.is_current(&claims, now).then(|| Caller::new(claims))?
    }

    /// Whether the token is valid at this time, by `exp` and `nbf`.
    fn is_current(&self, claims: &Map<String, Value>, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs_f64();
        let leeway = self.leeway.as_secs_f64();
        let expires = claims.get("exp").and_then(Value::as_f64);
        let starts = match claims.get("nbf") {
            None => Some(0.0),
            Some(nbf) => nbf.as_f64(),
        };
        expires.is_some_and(|exp| now < exp + leeway)
            && starts.is_some_and(|nbf| nbf <= now + leeway)
    }
}

/// Returns the header of a JWT, if it is that of an access token.
pub(crate) fn header(jwt: &str) -> Option<Header> {
    let header = jsonwebtoken::decode_header(jwt).ok()?;
    // An ID token or a logout token has the same issuer and keys, and another type.
    let typ = header.typ?.to_ascii_lowercase();
    if typ != "at+jwt" && typ != "application/at+jwt" {
        return None;
    }
    // No extension is known that `crit` could name (RFC 7515 section 4.1.11).
    if header.crit.is_some() {
        return None;
    }
    Some(Header {
        kid: header.kid?,
        algorithm: header.alg,
    })
}

/// Whether a credential has the three parts of a signed JWT. An API key has no period.
pub(crate) fn is_jwt(credential: &str) -> bool {
    credential.matches('.').count() == 2
}

/// Returns the token of a Bearer header, or the API key of a Basic header: Base64 of `KEY` or of
/// `KEY:`.
pub(crate) fn credential(authorization: &str) -> Option<String> {
    let (scheme, value) = authorization.split_once(' ')?;
    let value = value.trim();
    let credential = if scheme.eq_ignore_ascii_case("Bearer") {
        value.to_owned()
    } else if scheme.eq_ignore_ascii_case("Basic") {
        let decoded = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
        match decoded.split_once(':') {
            Some((key, "")) => key.to_owned(),
            Some(_) => return None,
            None => decoded,
        }
    } else {
        return None;
    };
    let is_valid = !credential.is_empty()
        && credential.len() <= MAX_CREDENTIAL
        && credential.bytes().all(is_token_byte);
    is_valid.then_some(credential)
}

/// The characters of `b64token` (RFC 6750 section 2.1).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_are_bearer_tokens_and_api_keys() {
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let cases = [
            ("Bearer abc".to_owned(), Some("abc")),
            ("bearer  abc ".to_owned(), Some("abc")),
            (basic("abc"), Some("abc")),
            (basic("abc:"), Some("abc")),
            (basic("abc:password"), None),
            (basic(""), None),
            ("Basic !!!".to_owned(), None),
            ("Bearer".to_owned(), None),
            ("Bearer ".to_owned(), None),
            ("Bearer a b".to_owned(), None),
            ("DPoP abc".to_owned(), None),
            (format!("Bearer {}", "a".repeat(MAX_CREDENTIAL + 1)), None),
        ];
        for (authorization, expected) in cases {
            let found = credential(&authorization);
            assert_eq!(found.as_deref(), expected, "{authorization:.40}");
        }
    }

    #[test]
    fn the_header_is_that_of_an_access_token() {
        let base = json!({"alg": "RS256", "typ": "at+jwt", "kid": "a"});
        let with = |name: &str, value: Value| {
            let mut header = base.clone();
            header[name] = value;
            header
        };
        let cases = [
            (base.clone(), true),
            (with("typ", json!("application/AT+JWT")), true),
            (with("typ", json!("JWT")), false),
            (with("typ", Value::Null), false),
            (with("kid", Value::Null), false),
            (with("alg", json!("none")), false),
            (with("crit", json!(["b64"])), false),
        ];
        for (document, expected) in cases {
            let encoded = BASE64_URL_SAFE_NO_PAD.encode(document.to_string());
            let found = header(&format!("{encoded}.e30.AA")).is_some();
            assert_eq!(found, expected, "{document}");
        }
    }

    #[test]
    fn tokens_are_valid_between_nbf_and_exp() {
        let rules = TokenRules::new(&Options::new("https://i.example", "https://a.example"));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let cases = [
            (json!({"exp": 1_001}), true),
            (json!({"exp": 996}), true),
            (json!({"exp": 995}), false),
            (json!({"exp": "2000"}), false),
            (json!({}), false),
            (json!({"exp": 2_000, "nbf": 1_005}), true),
            (json!({"exp": 2_000, "nbf": 1_006}), false),
            (json!({"exp": 2_000, "nbf": "now"}), false),
        ];
        for (claims, expected) in cases {
            let valid = rules.is_current(claims.as_object().unwrap(), now);
            assert_eq!(valid, expected, "{claims}");
        }
    }
}
