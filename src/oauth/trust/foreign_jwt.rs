//! JWTs of other issuers: which types, issuers and claims they may have. Nothing here looks at the
//! signature.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::crypto::jws::{Jws, SignatureAlgorithm, SignatureError};
use crate::crypto::jwt::{JwtAudience, TimeClaims};
use crate::oauth::reason::Reason;

/// The maximum length of an issuer that is looked up, in bytes.
const MAX_ISSUER: usize = 512;

/// The claims of a JWT that every rule evaluates.
#[derive(Deserialize)]
pub(super) struct RegisteredClaims {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) aud: JwtAudience,
    pub(super) exp: f64,
    pub(super) nbf: Option<f64>,
    pub(super) iat: Option<f64>,
    pub(super) jti: Option<String>,
}

/// A JWT of another issuer. Its signature has not been verified.
pub(super) struct ForeignJwt<'a> {
    pub(super) jws: Jws<'a>,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) claims: Map<String, Value>,
    pub(super) registered: RegisteredClaims,
}

impl<'a> ForeignJwt<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Reason> {
        let jws =
            Jws::parse(text).map_err(|error| Reason::assertion_not_a_jwt(&error.to_string()))?;
        check_type(jws.header.typ.as_deref())?;
        let algorithm = jws.accepted_algorithm().map_err(|error| match error {
            SignatureError::CriticalHeader => Reason::assertion_critical_header(),
            _ => Reason::assertion_algorithm(),
        })?;
        let claims: Map<String, Value> = jws
            .claims()
            .map_err(|error| Reason::assertion_unreadable(&error.to_string()))?;
        let registered = RegisteredClaims::deserialize(&claims)
            .map_err(|error| Reason::assertion_unreadable(&error.to_string()))?;
        Ok(ForeignJwt {
            jws,
            algorithm,
            claims,
            registered,
        })
    }

    /// The issuers whose rules may accept the JWT: its `iss`, and the trust domain of a SPIFFE ID,
    /// since a JWT-SVID need not have an `iss`.
    pub(super) fn issuers(&self) -> Vec<&str> {
        let iss = self.registered.iss.as_deref();
        let trust_domain = self.registered.sub.as_deref().and_then(trust_domain);
        let trust_domain = trust_domain.filter(|domain| iss != Some(domain));
        iss.into_iter()
            .chain(trust_domain)
            .filter(|issuer| could_be_issuer(issuer))
            .collect()
    }

    pub(super) fn times(&self) -> TimeClaims {
        let claims = &self.registered;
        TimeClaims::new(claims.exp, claims.nbf, claims.iat)
    }
}

/// Refuses a JWT whose type says that it is for something else (RFC 8725 section 3.11): an access
/// token (`at+jwt`) is for resource servers. Platforms write `JWT`, `JOSE` or nothing.
fn check_type(typ: Option<&str>) -> Result<(), Reason> {
    let Some(typ) = typ else {
        return Ok(());
    };
    let lower = typ.to_ascii_lowercase();
    match lower.strip_prefix("application/").unwrap_or(&lower) {
        "jwt" | "jose" | "client-authentication+jwt" => Ok(()),
        _ => {
            let shown: String = typ
                .chars()
                .filter(char::is_ascii_graphic)
                .take(40)
                .collect();
            Err(Reason::trust_token_type(&shown))
        }
    }
}

/// The trust domain of a SPIFFE ID, as a URI.
pub fn trust_domain(spiffe_id: &str) -> Option<&str> {
    let path = spiffe_id.strip_prefix("spiffe://")?.find('/')?;
    spiffe_id.get(..path + "spiffe://".len())
}

/// Whether `text` has the form of an issuer. Nothing else is looked up.
pub fn could_be_issuer(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ISSUER && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_of_another_type_is_refused() {
        for (typ, accepted) in [
            (None, true),
            (Some("JWT"), true),
            (Some("jwt"), true),
            (Some("JOSE"), true),
            (Some("application/jwt"), true),
            (Some("client-authentication+jwt"), true),
            (Some("at+jwt"), false),
            (Some("application/at+jwt"), false),
            (Some("oauth-id-jag+jwt"), false),
            (Some("dpop+jwt"), false),
            (Some(""), false),
        ] {
            assert_eq!(check_type(typ).is_ok(), accepted, "{typ:?}");
        }
    }

    #[test]
    fn the_trust_domain_of_a_spiffe_id_is_found() {
        for (id, domain) in [
            (
                "spiffe://acme.example/ns/a/sa/b",
                Some("spiffe://acme.example"),
            ),
            ("spiffe://acme.example", None),
            ("https://acme.example/a", None),
            ("", None),
        ] {
            assert_eq!(trust_domain(id), domain, "{id}");
        }
    }
}
