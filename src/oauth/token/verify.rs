//! Verification of Keyward's own access tokens: the signature, which never changes and is cached,
//! and whether the token is active, which is determined each time.

use std::sync::Arc;

use super::access_token::Claims;
use crate::cache::ClientEntry;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::crypto::jws::{Header, Jws, JwsError};
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::store::resource_server::TokenTyp;
use crate::store::signing_key::{SigningKey, State};

/// The maximum length of a token, in bytes. Issued tokens are about a tenth of that, with ML-DSA-44 a
/// quarter.
const MAX_LENGTH: usize = 16 * 1024;

/// A token whose signature was verified. It may still be inactive: see [`check_active`].
pub struct VerifiedToken {
    /// The claims of the token.
    pub claims: Arc<Claims>,
    kid: String,
}

/// Verifies the signature of an access token, or finds it in the cache of verified tokens.
///
/// # Errors
/// [`Rejection::Inactive`] if it is not a token that Keyward signed; [`Rejection::Error`] if the
/// signing keys cannot be read.
pub async fn verify(
    server: &AuthorizationServer,
    token: &str,
    now: Timestamp,
) -> Result<Arc<Claims>, Rejection> {
    verify_with(server, token, |key| key.state(now) != State::Gone).await
}

/// Verifies the signature of an access token that is to be revoked. A signing key counts as
/// published until it has expired by any clock, because the clock of this machine may be ahead; a
/// key that was retired at once does not count.
///
/// # Errors
/// As [`verify`].
pub async fn verify_for_revocation(
    server: &AuthorizationServer,
    token: &str,
) -> Result<Arc<Claims>, Rejection> {
    verify_with(server, token, |key| {
        !key.published_until
            .is_some_and(|end| server.clock.is_past(end))
    })
    .await
}

async fn verify_with(
    server: &AuthorizationServer,
    token: &str,
    is_trusted: impl Fn(&SigningKey) -> bool,
) -> Result<Arc<Claims>, Rejection> {
    if token.len() > MAX_LENGTH {
        return Err(Reason::token_too_long().into());
    }
    let keys = server.cache.signing_keys().await?;
    let trusted_key = |kid: &str| keys.iter().find(|key| key.kid == kid && is_trusted(key));

    let fingerprint = Fingerprint::of(token.as_bytes());
    if let Some(verified) = server.verified.get(&fingerprint) {
        return if trusted_key(&verified.kid).is_some() {
            Ok(verified.claims.clone())
        } else {
            Err(Reason::token_signing_key_retired().into())
        };
    }
    let jws = Jws::parse(token).map_err(|error| match error {
        JwsError::Parts => Reason::not_a_token(),
        JwsError::Header(_) => Reason::token_header_unreadable(),
        JwsError::Signature => Reason::token_signature_unreadable(),
    })?;
    check_header(&jws.header)?;
    let kid = jws.header.kid.as_deref().unwrap_or_default();
    let key = trusted_key(kid).ok_or_else(Reason::token_unknown_key)?;
    // RFC 8725 section 3.1: the algorithm is the key's; the header can only agree with it.
    if jws.header.algorithm() != Some(key.algorithm) {
        return Err(Reason::token_wrong_algorithm().into());
    }
    if !server.signing_keys.verify(key, &jws) {
        return Err(Reason::token_wrong_signature().into());
    }
    let claims: Claims = jws
        .claims()
        .map_err(|_| Reason::token_claims_unreadable())?;
    if claims.iss != server.issuer.as_str() {
        return Err(Reason::token_of_another_issuer().into());
    }
    let claims = Arc::new(claims);
    let verified = VerifiedToken {
        claims: claims.clone(),
        kid: key.kid.clone(),
    };
    server.verified.insert(fingerprint, Arc::new(verified));
    Ok(claims)
}

/// RFC 9068 section 4: a JWT of another kind is not an access token. The type `JWT` is safe here
/// too: of all that the signing keys sign, access tokens alone have it.
fn check_header(header: &Header) -> Result<(), Reason> {
    let typ = header.short_type().unwrap_or_default();
    if typ.parse::<TokenTyp>().is_err() {
        return Err(Reason::token_wrong_type());
    }
    // RFC 7515 section 4.1.11: Keyward understands no critical extension.
    if header.has_critical_extensions() {
        return Err(Reason::token_critical_header());
    }
    Ok(())
}

/// Checks that a verified token is active at `now`: not expired, not revoked, and its client exists
/// and is enabled. Returns that client.
///
/// # Errors
/// [`Rejection::Inactive`] if it is not; [`Rejection::Error`] if neither the cache nor the database
/// can answer.
pub async fn check_active(
    server: &AuthorizationServer,
    claims: &Claims,
    now: Timestamp,
) -> Result<Arc<ClientEntry>, Rejection> {
    check_not_expired(claims.expires_at(), now, server.clock.past())?;
    let Some(client) = server.cache.client(&claims.client_id).await? else {
        return Err(Reason::owner_deleted().into());
    };
    if let Some(reason) = Reason::refusing_owner(&client) {
        return Err(reason.into());
    }
    if client.has_revoked(claims.token_epoch, claims.issued_at()) {
        return Err(Reason::all_tokens_revoked().into());
    }
    if server.cache.is_revoked(claims.jti).await? {
        return Err(Reason::token_revoked().into());
    }
    if let Some(id) = &claims.api_key {
        let key = server.cache.api_key(id).await?;
        if key.is_none_or(|key| key.is_expired(now)) {
            return Err(Reason::token_api_key_ended().into());
        }
    }
    Ok(client)
}

/// `past` is the last instant of which every clock agrees that it has passed: see
/// [`ClockWatch::past`](crate::clock::watch::ClockWatch::past).
fn check_not_expired(expires_at: Timestamp, now: Timestamp, past: Timestamp) -> Result<(), Reason> {
    // RFC 7519 section 4.1.4: "on or after" the expiration time the token must not be accepted.
    if now >= expires_at {
        return Err(Reason::token_ended());
    }
    if expires_at <= past {
        return Err(Reason::token_ended_by_later_clock());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_access_tokens_have_an_accepted_header() {
        for (header, refused) in [
            (json!({"typ": "at+jwt"}), None),
            (json!({"typ": "JWT"}), None),
            (json!({"typ": "application/at+jwt"}), None),
            (json!({"typ": "APPLICATION/at+jwt"}), None),
            (json!({}), Some("token_wrong_type")),
            (json!({"typ": ""}), Some("token_wrong_type")),
            (json!({"typ": "dpop+jwt"}), Some("token_wrong_type")),
            (
                json!({"typ": "token-introspection+jwt"}),
                Some("token_wrong_type"),
            ),
            (json!({"typ": "application/"}), Some("token_wrong_type")),
            (json!({"typ": "text/at+jwt"}), Some("token_wrong_type")),
            (
                json!({"typ": "at+jwt", "crit": []}),
                Some("token_critical_header"),
            ),
            (
                json!({"typ": "at+jwt", "crit": null}),
                Some("token_critical_header"),
            ),
        ] {
            let mut members = header.clone();
            members["alg"] = json!("RS256");
            let parsed: Header = serde_json::from_value(members).unwrap();
            let found = check_header(&parsed).err().map(|reason| reason.code());
            assert_eq!(found, refused, "{header}");
        }
    }

    #[test]
    fn a_token_expires_by_the_later_of_two_clocks() {
        let at = Timestamp::from_millis;
        for (name, now, past, refused) in [
            ("a millisecond before", 9_999, 0, None),
            ("at the expiration time", 10_000, 0, Some("token_ended")),
            ("after it", 10_001, 0, Some("token_ended")),
            ("a clock that was set back", 5_000, 9_999, None),
            (
                "a clock that was set back far",
                5_000,
                10_000,
                Some("token_ended_by_later_clock"),
            ),
        ] {
            let found = check_not_expired(at(10_000), at(now), at(past));
            assert_eq!(found.err().map(|reason| reason.code()), refused, "{name}");
        }
    }
}
