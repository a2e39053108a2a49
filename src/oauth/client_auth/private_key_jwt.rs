//! `private_key_jwt`: client authentication by a signed assertion (RFC 7521, RFC 7523). How a JWT
//! is read and verified is in [`crate::crypto::jws`]; this file has the rules of assertions.

use std::sync::Arc;

use serde::Deserialize;

use crate::cache::ClientEntry;
use crate::clock::Timestamp;
use crate::config::{Issuer, Switch};
use crate::credential::Fingerprint;
use crate::crypto::jws::{JwkSet, Jws, SignatureError, WantedKey};
use crate::crypto::jwt::{JwtAudience, TimeClaims, TimeError};
use crate::error::Error;
use crate::net::http_client::JwksError;
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::store::client::{AuthMethod, Client};
use crate::store::security_profile::SecurityProfile;
use crate::store::used_jti;

/// The `client_assertion_type` of a JWT (RFC 7523 section 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far in the future an assertion may expire, in seconds. Its id is remembered until then.
const MAX_LIFETIME: i64 = 3600;

/// The claims of an assertion (RFC 7523 section 3).
#[derive(Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    aud: JwtAudience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
}

impl AssertionClaims {
    fn times(&self) -> TimeClaims {
        TimeClaims::new(self.exp, self.nbf, self.iat)
    }
}

/// The `sub` of an assertion, not verified. It is only used to find the client, and so its keys.
pub(super) fn unverified_subject(assertion: &str) -> Option<String> {
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

/// Checks an assertion of the client, and that it was not used before.
///
/// # Errors
/// [`Rejection::Inactive`] if it is not valid; [`Rejection::Error`] if the database cannot say
/// whether it was used before, or if too many key fetches are in progress.
pub(super) async fn check(
    server: &AuthorizationServer,
    entry: Option<&ClientEntry>,
    assertion: &str,
    now: Timestamp,
) -> Result<(), Rejection> {
    let client = entry.ok_or_else(Reason::unknown_client)?;
    if let Some(reason) = Reason::refusing(client) {
        return Err(reason.into());
    }
    if client.auth_method != AuthMethod::PrivateKeyJwt {
        return Err(Reason::wrong_method(client.auth_method.as_str()).into());
    }
    let jws =
        Jws::parse(assertion).map_err(|error| Reason::assertion_not_a_jwt(&error.to_string()))?;
    if !jws.header.may_authenticate() {
        return Err(Reason::assertion_wrong_type().into());
    }
    // Before the keys are fetched: an assertion that no key could verify needs none.
    let algorithm = jws.accepted_algorithm().map_err(signature_reason)?;
    let profile = server.security_profile(client);
    if !profile.allows_algorithm(algorithm) {
        return Err(Reason::profile_algorithm(profile.as_str(), &jws.header.alg).into());
    }
    let kid = jws.header.kid.as_deref().map(WantedKey::Kid);
    let keys = keys(server, client, kid).await?;
    keys.verify(&jws, algorithm).map_err(signature_reason)?;
    let claims: AssertionClaims = jws
        .claims()
        .map_err(|error| Reason::assertion_unreadable(&error.to_string()))?;
    check_parties(
        &claims,
        &client.client_id,
        &server.issuer,
        profile,
        server.settings.assertion_for_token_endpoint,
    )?;
    check_times(&claims.times(), now, server.clock.past())?;
    claim_once(server, client, &jws, &claims).await
}

fn signature_reason(error: SignatureError) -> Reason {
    match error {
        SignatureError::Algorithm => Reason::assertion_algorithm(),
        SignatureError::CriticalHeader => Reason::assertion_critical_header(),
        SignatureError::NoUsableKey(detail) => Reason::assertion_no_usable_key(&detail),
        SignatureError::NoMatchingKey => Reason::assertion_no_fitting_key(),
        SignatureError::Signature => Reason::assertion_wrong_signature(),
    }
}

/// The keys of the client: its `jwks`, or what its `jwks_uri` holds.
pub(super) async fn keys(
    server: &AuthorizationServer,
    client: &ClientEntry,
    wanted: Option<WantedKey<'_>>,
) -> Result<Arc<JwkSet>, Rejection> {
    match (client.jwks(), &client.jwks_uri) {
        (Some(Ok(keys)), _) => Ok(keys.clone()),
        (Some(Err(error)), _) => Err(Reason::assertion_keys_unreadable(&error.to_string()).into()),
        (None, Some(uri)) => match server
            .http_client
            .jwks(uri, &client.account_id, wanted)
            .await
        {
            Ok(keys) => Ok(keys),
            Err(JwksError::Fetch(reason)) => {
                Err(Reason::assertion_keys_unreachable(&reason).into())
            }
            // Not the client's fault: it can retry, and this counts as no failed attempt.
            Err(JwksError::Busy) => {
                let detail = format!("jwks_uri {uri}: {}", JwksError::Busy);
                Err(Error::unavailable(detail).into())
            }
        },
        (None, None) => Err(Reason::assertion_no_keys().into()),
    }
}

/// RFC 7523 section 3, items 1 to 3: the client is issuer and subject, and this server alone is the
/// audience: by its issuer identifier, or by its token endpoint if the setting
/// `assertion_for_token_endpoint` allows that and the security profile does not forbid it.
fn check_parties(
    claims: &AssertionClaims,
    client_id: &str,
    issuer: &Issuer,
    profile: SecurityProfile,
    for_token_endpoint: Switch,
) -> Result<(), Reason> {
    if claims.iss != client_id || claims.sub != client_id {
        return Err(Reason::assertion_wrong_client());
    }
    if profile.requires_string_audience() {
        return match &claims.aud {
            JwtAudience::One(audience) if audience == issuer.as_str() => Ok(()),
            other => Err(Reason::profile_audience(profile.as_str(), &other.shown())),
        };
    }
    match claims.aud.sole() {
        Some(audience) if audience == issuer.as_str() => Ok(()),
        Some(audience) if audience == issuer.endpoint("/oauth/token") => {
            if for_token_endpoint.is_on() {
                Ok(())
            } else {
                Err(Reason::assertion_for_token_endpoint())
            }
        }
        _ => Err(Reason::assertion_wrong_audience(&claims.aud.shown())),
    }
}

/// RFC 7523 section 3, items 4 to 6. By `past`, the last instant of which every clock agrees that
/// it has passed, the id of a used assertion may have been purged.
fn check_times(times: &TimeClaims, now: Timestamp, past: Timestamp) -> Result<(), Reason> {
    if times.refused_from() <= past {
        return Err(Reason::assertion_ended(times.expired_for(now)));
    }
    times.check(now, MAX_LIFETIME).map_err(|error| match error {
        TimeError::Expired { seconds } => Reason::assertion_ended(seconds),
        TimeError::TooLong { seconds } => Reason::assertion_too_long(seconds, MAX_LIFETIME),
        TimeError::NotYetValid { seconds } => Reason::assertion_not_begun(seconds),
    })
}

/// RFC 7523 section 3, item 7: an assertion can be used once, on one of all nodes.
async fn claim_once(
    server: &AuthorizationServer,
    client: &Client,
    jws: &Jws<'_>,
    claims: &AssertionClaims,
) -> Result<(), Rejection> {
    // Without a `jti`, the signed text identifies the assertion. The signature does not: for ES256
    // each signature has a second valid form.
    let jti = claims.jti.as_deref().unwrap_or(jws.signed);
    let id = Fingerprint::of(format!("{}\0{jti}", client.client_id).as_bytes()).hex();
    let used_until = claims
        .times()
        .refused_from()
        .saturating_add(std::time::Duration::from_secs(1));
    let first_use = server
        .store
        .write_untracked(move |database| used_jti::claim(database, &id, used_until))
        .await?;
    if first_use {
        Ok(())
    } else {
        Err(Reason::assertion_used().into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claims(changed: Value) -> AssertionClaims {
        let mut claims = json!({
            "iss": "app", "sub": "app", "aud": "https://auth.example", "exp": 10_000,
        });
        let members = claims.as_object_mut().unwrap();
        members.extend(changed.as_object().unwrap().clone());
        serde_json::from_value(claims).unwrap()
    }

    #[test]
    fn an_assertion_is_by_the_client_and_for_this_server_alone() {
        let issuer: Issuer = "https://auth.example".parse().unwrap();
        let endpoint = "https://auth.example/oauth/token";
        let none = SecurityProfile::None;
        let fapi2 = SecurityProfile::Fapi2;
        let (on, off) = (Switch::On, Switch::Off);
        let array = json!({"aud": ["https://auth.example"]});
        let both = json!({"aud": ["https://auth.example", "https://other.example"]});
        let slash = json!({"aud": "https://auth.example/"});
        let token_endpoint = json!({"aud": endpoint});
        let wrong_audience = Some("assertion_wrong_audience");
        for (changed, profile, for_token_endpoint, refused) in [
            (&json!({}), none, off, None),
            (&array, none, off, None),
            (&token_endpoint, none, on, None),
            (
                &token_endpoint,
                none,
                off,
                Some("assertion_for_token_endpoint"),
            ),
            (
                &json!({"iss": "other"}),
                none,
                on,
                Some("assertion_wrong_client"),
            ),
            (
                &json!({"sub": "other"}),
                none,
                on,
                Some("assertion_wrong_client"),
            ),
            (&slash, none, on, wrong_audience),
            (&json!({"aud": []}), none, on, wrong_audience),
            (&both, none, on, wrong_audience),
            (&json!({}), fapi2, on, None),
            (&array, fapi2, on, Some("profile_audience")),
            (&token_endpoint, fapi2, on, Some("profile_audience")),
            (&slash, fapi2, on, Some("profile_audience")),
            (&both, fapi2, on, Some("profile_audience")),
        ] {
            let claims = claims(changed.clone());
            let found = check_parties(&claims, "app", &issuer, profile, for_token_endpoint);
            assert_eq!(
                found.err().map(|reason| reason.code()),
                refused,
                "{changed} {profile:?}"
            );
        }
    }

    #[test]
    fn an_assertion_is_valid_for_a_while() {
        for (changed, now, past, refused) in [
            (json!({}), 9_000, 0, None),
            (json!({}), 10_059, 0, None),
            (json!({}), 10_060, 0, Some("assertion_ended")),
            (json!({}), 6_340, 0, None),
            (json!({}), 6_339, 0, Some("assertion_too_long")),
            (json!({"nbf": 9_060}), 9_000, 0, None),
            (json!({"nbf": 9_061}), 9_000, 0, Some("assertion_not_begun")),
            (json!({"iat": 9_061}), 9_000, 0, Some("assertion_not_begun")),
            (json!({"exp": 1e300}), 9_000, 0, Some("assertion_too_long")),
            (json!({"exp": -1e300}), 9_000, 0, Some("assertion_ended")),
            // A clock that was set back: the id of a used assertion may have been purged.
            (json!({}), 9_000, 10_059, None),
            (json!({}), 9_000, 10_060, Some("assertion_ended")),
        ] {
            let at = Timestamp::from_seconds;
            let found = check_times(&claims(changed.clone()).times(), at(now), at(past));
            assert_eq!(
                found.err().map(|reason| reason.code()),
                refused,
                "{changed} at {now}"
            );
        }
    }
}
