//! Identity Assertion JWT Authorization Grants
//! (draft-ietf-oauth-identity-assertion-authz-grant): what an identity provider says about a user,
//! and how it limits the access token.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::crypto::jwt::JwtAudience;
use crate::error::{Code, Error};
use crate::oauth::binding::Binding;
use crate::oauth::reason::Reason;
use crate::scope::Scope;
use crate::store::resource_server::Resources;

/// The JOSE header `typ` of an ID-JAG.
pub const TYP: &str = "oauth-id-jag+jwt";

/// The grant profile in the server metadata (`authorization_grant_profiles_supported`).
pub const PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// The maximum length of the `sub` of a user, in bytes (OpenID Connect Core section 2).
const MAX_SUBJECT: usize = 255;

/// The characters of a user's `sub` that are percent-encoded in a fragment (RFC 3986 section 3.5).
const NOT_IN_FRAGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'/')
    .remove(b'+')
    .remove(b'=');

/// The claims of an ID-JAG.
pub struct IdJag {
    /// The `sub` of the user at the identity provider.
    user: String,
    /// The client that the ID-JAG was issued for.
    pub(super) client_id: String,
    /// The scope that the identity provider allows; none if it does not limit the scope.
    scope: Option<Scope>,
    /// The resource servers that the identity provider allows; none if it does not limit them.
    resources: Option<Vec<String>>,
    /// The key of which the client must prove possession.
    binding: Option<Binding>,
}

#[derive(Deserialize)]
struct IdJagClaims {
    sub: Option<String>,
    jti: Option<String>,
    iat: Option<f64>,
    client_id: Option<String>,
    scope: Option<String>,
    resource: Option<JwtAudience>,
    cnf: Option<Value>,
    authorization_details: Option<Value>,
}

impl IdJag {
    /// Reads the claims. One that would limit the token in a way that is not supported is refused.
    pub(super) fn parse(claims: &Map<String, Value>) -> Result<Self, Reason> {
        let claims = IdJagClaims::deserialize(claims)
            .map_err(|error| Reason::assertion_unreadable(&error.to_string()))?;
        let missing = |claim| move || Reason::id_jag_claim_missing(claim);
        let not_empty = |text: &String| !text.is_empty();
        claims.iat.ok_or_else(missing("iat"))?;
        claims.jti.filter(not_empty).ok_or_else(missing("jti"))?;
        let user = claims
            .sub
            .filter(|sub| (1..=MAX_SUBJECT).contains(&sub.len()))
            .ok_or_else(missing("sub"))?;
        let client_id = claims.client_id.filter(not_empty);
        let client_id = client_id.ok_or_else(missing("client_id"))?;
        if claims.authorization_details.is_some() {
            return Err(Reason::id_jag_claim_unsupported("authorization_details"));
        }
        let scope = claims.scope.as_deref().map(str::parse).transpose();
        let binding = claims.cnf.map(serde_json::from_value).transpose();
        Ok(IdJag {
            user,
            client_id,
            scope: scope.map_err(|_| Reason::id_jag_claim_unsupported("scope"))?,
            resources: claims.resource.map(|resource| match resource {
                JwtAudience::One(one) => vec![one],
                JwtAudience::Many(many) => many,
            }),
            binding: binding.map_err(|_| Reason::id_jag_claim_unsupported("cnf"))?,
        })
    }

    /// The `sub` of the access token: the issuer of the ID-JAG, and as its fragment the user's
    /// `sub`. Two issuers may give the same `sub` to different users, and an issuer could give one
    /// that is the id of a client; with the issuer before it, neither is mistaken for the other. An
    /// issuer has no fragment, so the first `#` ends it.
    pub(super) fn subject(&self, issuer: &str) -> String {
        let user = utf8_percent_encode(&self.user, NOT_IN_FRAGMENT);
        format!("{issuer}#{user}")
    }

    /// The user's `sub`, for the audit.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// The key of which the client must prove possession.
    pub(super) fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// The part of the client's scope that the identity provider allows.
    ///
    /// # Errors
    /// `invalid_scope` if it allows none of it, although it names a scope.
    pub(super) fn limit_scope(&self, allowed: &Scope) -> Result<Scope, Error> {
        let Some(own) = &self.scope else {
            return Ok(allowed.clone());
        };
        let both = allowed.intersection(own);
        if both.is_empty() && !own.is_empty() {
            let description = "The client is not allowed the scope of the assertion";
            let shown: String = own.as_str().chars().take(200).collect();
            return Err(Error::new(Code::InvalidScope, description).about(shown));
        }
        Ok(both)
    }

    /// The resource servers of the client that the identity provider allows.
    ///
    /// # Errors
    /// `invalid_target` if it allows none of them: a token without a resource server would be for
    /// another audience.
    pub(super) fn limit_resources(&self, allowed: &Resources) -> Result<Resources, Error> {
        let Some(own) = &self.resources else {
            return Ok(allowed.clone());
        };
        let both: Resources = own
            .iter()
            .map(String::as_str)
            .filter(|identifier| allowed.contains(identifier))
            .collect();
        if both.is_empty() {
            let description = "The client is not allowed the resource of the assertion";
            let shown: String = own.join(" ").chars().take(200).collect();
            return Err(Error::new(Code::InvalidTarget, description).about(shown));
        }
        Ok(both)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(members: &Value) -> Result<IdJag, &'static str> {
        let mut claims = json!({"sub": "u1", "jti": "j", "iat": 1, "client_id": "c1"});
        for (name, value) in members.as_object().unwrap() {
            claims[name] = value.clone();
        }
        IdJag::parse(claims.as_object().unwrap()).map_err(|reason| reason.code())
    }

    #[test]
    fn claims_that_are_missing_or_not_supported_are_refused() {
        for (members, refused) in [
            (json!({}), None),
            (
                json!({"scope": "a b", "resource": ["urn:a"], "cnf": {"jkt": "x"}}),
                None,
            ),
            (json!({"act": {"sub": "agent"}, "tenant": "t"}), None),
            (json!({"sub": null}), Some("id_jag_claim_missing")),
            (json!({"sub": ""}), Some("id_jag_claim_missing")),
            (
                json!({"sub": "u".repeat(256)}),
                Some("id_jag_claim_missing"),
            ),
            (json!({"jti": null}), Some("id_jag_claim_missing")),
            (json!({"jti": ""}), Some("id_jag_claim_missing")),
            (json!({"iat": null}), Some("id_jag_claim_missing")),
            (json!({"client_id": null}), Some("id_jag_claim_missing")),
            (json!({"client_id": 7}), Some("assertion_unreadable")),
            (json!({"resource": 7}), Some("assertion_unreadable")),
            (json!({"scope": "a\"b"}), Some("id_jag_claim_unsupported")),
            (
                json!({"cnf": {"jwk": {}}}),
                Some("id_jag_claim_unsupported"),
            ),
            (
                json!({"authorization_details": []}),
                Some("id_jag_claim_unsupported"),
            ),
        ] {
            assert_eq!(parse(&members).err(), refused, "{members}");
        }
    }

    #[test]
    fn the_subject_names_the_issuer_and_the_user() {
        let issuer = "https://idp.example/tenant";
        for (user, subject) in [
            ("00u1", "https://idp.example/tenant#00u1"),
            (
                "ada@acme.example",
                "https://idp.example/tenant#ada@acme.example",
            ),
            ("auth0|7", "https://idp.example/tenant#auth0%7C7"),
            ("a#b c", "https://idp.example/tenant#a%23b%20c"),
        ] {
            let id_jag = parse(&json!({"sub": user})).ok().unwrap();
            assert_eq!(id_jag.subject(issuer), subject);
        }
    }

    #[test]
    fn an_id_jag_narrows_scope_and_resources_and_never_extends_them() {
        for (claim, granted) in [
            (json!(null), Some("a b")),
            (json!("a"), Some("a")),
            (json!("a c"), Some("a")),
            (json!(""), Some("")),
            (json!("c"), None),
        ] {
            let id_jag = parse(&json!({"scope": claim})).ok().unwrap();
            let limited = id_jag.limit_scope(&"a b".parse().unwrap()).ok();
            assert_eq!(limited.as_ref().map(Scope::as_str), granted, "{claim}");
        }
        for (claim, granted) in [
            (json!(null), Some("urn:a urn:b")),
            (json!("urn:a"), Some("urn:a")),
            (json!(["urn:b", "urn:c"]), Some("urn:b")),
            (json!("urn:c"), None),
            (json!([]), None),
        ] {
            let id_jag = parse(&json!({"resource": claim})).ok().unwrap();
            let limited = id_jag.limit_resources(&"urn:a urn:b".parse().unwrap()).ok();
            assert_eq!(limited.as_ref().map(Resources::as_str), granted, "{claim}");
        }
    }
}
