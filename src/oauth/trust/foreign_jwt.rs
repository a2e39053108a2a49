//! JWTs of other issuers: which types, issuers and claims they may have. Nothing here looks at the
//! signature.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::id_jag::{self, IdJag};
use super::spiffe_id::SpiffeId;
use crate::crypto::jws::{Header, Jws, SignatureAlgorithm, SignatureError};
use crate::crypto::jwt::{JwtAudience, TimeClaims};
use crate::oauth::reason::Reason;
use crate::store::trust_rule::RuleKind;

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
    /// The claims of an ID-JAG, if it is one.
    pub(super) id_jag: Option<IdJag>,
}

impl<'a> ForeignJwt<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Reason> {
        let jws =
            Jws::parse(text).map_err(|error| Reason::assertion_not_a_jwt(&error.to_string()))?;
        let kind = kind_of(&jws.header)?;
        let algorithm = jws.accepted_algorithm().map_err(|error| match error {
            SignatureError::CriticalHeader => Reason::assertion_critical_header(),
            _ => Reason::assertion_algorithm(),
        })?;
        let claims: Map<String, Value> = jws
            .claims()
            .map_err(|error| Reason::assertion_unreadable(&error.to_string()))?;
        let registered = RegisteredClaims::deserialize(&claims)
            .map_err(|error| Reason::assertion_unreadable(&error.to_string()))?;
        let is_id_jag = kind == RuleKind::IdJag;
        let id_jag = is_id_jag.then(|| IdJag::parse(&claims)).transpose()?;
        Ok(ForeignJwt {
            id_jag,
            jws,
            algorithm,
            claims,
            registered,
        })
    }

    /// The kind of the rules that may accept the JWT.
    pub(super) fn kind(&self) -> RuleKind {
        match self.id_jag {
            None => RuleKind::Workload,
            Some(_) => RuleKind::IdJag,
        }
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

/// The kind of the rules for a JWT with this header.
fn kind_of(header: &Header) -> Result<RuleKind, Reason> {
    if header.may_authenticate() {
        Ok(RuleKind::Workload)
    } else if header.has_type(id_jag::TYP) {
        Ok(RuleKind::IdJag)
    } else {
        Err(unexpected_type(header.typ.as_deref().unwrap_or_default()))
    }
}

/// The reason for refusing a JWT of this type.
pub(super) fn unexpected_type(typ: &str) -> Reason {
    let shown: String = typ
        .chars()
        .filter(char::is_ascii_graphic)
        .take(40)
        .collect();
    Reason::trust_token_type(&shown)
}

/// Whether the type of a JWT says that it is an ID-JAG.
pub fn is_id_jag(text: &str) -> bool {
    Jws::parse(text).is_ok_and(|jws| kind_of(&jws.header) == Ok(RuleKind::IdJag))
}

/// The trust domain of a SPIFFE ID, as a URI.
pub fn trust_domain(spiffe_id: &str) -> Option<&str> {
    SpiffeId::parse(spiffe_id).ok().map(SpiffeId::trust_domain)
}

/// Whether `text` has the form of an issuer. Nothing else is looked up.
pub fn could_be_issuer(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ISSUER && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_type_of_a_jwt_decides_which_rules_are_for_it() {
        let (workload, id_jag) = (Some(RuleKind::Workload), Some(RuleKind::IdJag));
        for (typ, kind) in [
            (None, workload),
            (Some("JWT"), workload),
            (Some("jwt"), workload),
            (Some("JOSE"), workload),
            (Some("application/jwt"), workload),
            (Some("client-authentication+jwt"), workload),
            (Some("oauth-id-jag+jwt"), id_jag),
            (Some("application/oauth-id-jag+jwt"), id_jag),
            (Some("at+jwt"), None),
            (Some("application/at+jwt"), None),
            (Some("dpop+jwt"), None),
            (Some(""), None),
        ] {
            let mut header = json!({"alg": "RS256"});
            if let Some(typ) = typ {
                header["typ"] = typ.into();
            }
            let header: Header = serde_json::from_value(header).unwrap();
            assert_eq!(kind_of(&header).ok(), kind, "{typ:?}");
        }
    }
}
