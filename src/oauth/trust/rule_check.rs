//! Whether one trust rule accepts a credential.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::PresentedAs;
use super::foreign_jwt::ForeignJwt;
use super::issuer_keys::KeyChecks;
use super::workload_credential::WorkloadCredential;
use crate::cache::{ClientEntry, TrustRuleEntry};
use crate::clock::Timestamp;
use crate::crypto::jwt::{JwtAudience, TimeClaims, TimeError};
use crate::oauth::AuthorizationServer;
use crate::oauth::reason::{Reason, Rejection};
use crate::store::trust_rule::{Condition, RuleKind, TrustRule};

/// How far in the future a JWT may expire, in seconds. Managed identities of Azure get tokens for a
/// day and some hours.
const MAX_LIFETIME: i64 = 48 * 3600;

/// How far in the future an ID-JAG may expire, in seconds. Identity providers issue them for some
/// minutes.
const MAX_ID_JAG_LIFETIME: i64 = 3600;

/// Why one rule does not accept a credential.
pub(super) struct Failure {
    pub(super) rejection: Rejection,
    /// How many conditions the credential meets.
    pub(super) conditions_met: usize,
    /// Whether it meets all of them.
    pub(super) is_meant: bool,
}

/// Checks a credential against one rule. Returns the client that the rule names.
pub(super) async fn check(
    server: &AuthorizationServer,
    rule: &TrustRuleEntry,
    credential: &WorkloadCredential<'_>,
    now: Timestamp,
    keys: &mut KeyChecks,
) -> Result<Arc<ClientEntry>, Failure> {
    let (met, unmet) = compare(rule, credential.claims());
    let failure = |is_meant| {
        move |rejection| Failure {
            rejection,
            conditions_met: met,
            is_meant,
        }
    };
    check_addressee(rule, credential)
        .and_then(|()| unmet.map_or(Ok(()), Err))
        .map_err(Rejection::from)
        .map_err(failure(false))?;
    check_rule(rule, now)
        .map_err(Rejection::from)
        .map_err(failure(true))?;
    let client = enabled_client(server, rule).await.map_err(failure(true))?;
    if let WorkloadCredential::Jwt(jwt, presented_as) = credential {
        check_profile(server, &client, jwt, *presented_as)
            .and_then(|()| check_audience(server, rule, &jwt.registered.aud, *presented_as))
            .and_then(|()| check_times(rule, &jwt.times(), now, server.clock.past()))
            .map_err(Rejection::from)
            .map_err(failure(true))?;
    }
    keys.check(server, rule, credential, now)
        .await
        .map_err(failure(true))?;
    Ok(client)
}

/// An ID-JAG is for one client: another client must not use it.
fn check_addressee(rule: &TrustRule, credential: &WorkloadCredential<'_>) -> Result<(), Reason> {
    let WorkloadCredential::Jwt(jwt, _) = credential else {
        return Ok(());
    };
    match &jwt.id_jag {
        Some(id_jag) if id_jag.client_id != rule.client_id => {
            let shown: String = id_jag.client_id.chars().take(200).collect();
            Err(Reason::id_jag_wrong_client(&rule.id, &shown))
        }
        _ => Ok(()),
    }
}

/// How many conditions the credential meets, and why it is refused if it does not meet all.
fn compare(rule: &TrustRule, claims: &Map<String, Value>) -> (usize, Option<Reason>) {
    let mut met = 0;
    let mut first_unmet = None;
    for condition in rule.conditions.iter() {
        if condition.matches(claims) {
            met += 1;
        } else {
            first_unmet.get_or_insert(condition);
        }
    }
    let unmet = |one: &Condition| Reason::trust_condition_unmet(&rule.id, &one.to_string());
    (met, first_unmet.map(unmet))
}

fn check_rule(rule: &TrustRule, now: Timestamp) -> Result<(), Reason> {
    if rule.disabled_at.is_some() {
        return Err(Reason::trust_rule_disabled(&rule.id));
    }
    match rule.expires_at {
        Some(end) if end <= now => Err(Reason::trust_rule_ended(&rule.id, end)),
        _ => Ok(()),
    }
}

async fn enabled_client(
    server: &AuthorizationServer,
    rule: &TrustRule,
) -> Result<Arc<ClientEntry>, Rejection> {
    let client = server.cache.client(&rule.client_id).await?;
    let client = client.ok_or_else(Reason::unknown_client)?;
    if let Some(reason) = Reason::refusing(&client) {
        return Err(reason.into());
    }
    Ok(client)
}

/// Checks that the security profile of the client lets a JWT stand for the client's own key. Beside an
/// ID-JAG the client authenticates itself, and only the signature algorithm is restricted. An
/// X.509-SVID needs no such check: the workload proves possession of its key, as a client with
/// `tls_client_auth` does.
fn check_profile(
    server: &AuthorizationServer,
    client: &ClientEntry,
    jwt: &ForeignJwt<'_>,
    presented_as: PresentedAs,
) -> Result<(), Reason> {
    let profile = server.security_profile(client);
    if presented_as != PresentedAs::IdJag && !profile.allows_workloads() {
        return Err(Reason::profile_workload(profile.as_str()));
    }
    match jwt.jws.accepted_algorithm() {
        Ok(algorithm) if !profile.allows_algorithm(algorithm) => Err(Reason::profile_algorithm(
            profile.as_str(),
            &jwt.jws.header.alg,
        )),
        // Any other algorithm is refused with the signature.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The JWT must be for this server alone: whoever else it is for could present it here.
fn check_audience(
    server: &AuthorizationServer,
    rule: &TrustRule,
    audience: &JwtAudience,
    presented_as: PresentedAs,
) -> Result<(), Reason> {
    let issuer = server.issuer.as_str();
    let expected = rule.audience.as_deref().unwrap_or(issuer);
    let is_endpoint = |sole: &str| {
        rule.audience.is_none()
            && presented_as == PresentedAs::Grant
            && sole == server.issuer.endpoint("/oauth/token")
    };
    match audience.sole() {
        Some(sole) if sole == expected || is_endpoint(sole) => Ok(()),
        _ => Err(Reason::trust_wrong_audience(
            &rule.id,
            expected,
            &audience.shown(),
        )),
    }
}

/// By `past`, the last instant of which every clock agrees that it has passed, the id of a JWT that
/// serves once may have been purged.
fn check_times(
    rule: &TrustRule,
    times: &TimeClaims,
    now: Timestamp,
    past: Timestamp,
) -> Result<(), Reason> {
    let id = &rule.id;
    if rule.single_use && times.refused_from() <= past {
        return Err(Reason::trust_token_ended(id, times.expired_for(now)));
    }
    let max_lifetime = match rule.kind {
        RuleKind::Workload | RuleKind::SpiffeX509 => MAX_LIFETIME,
        RuleKind::IdJag => MAX_ID_JAG_LIFETIME,
    };
    times.check(now, max_lifetime).map_err(|error| match error {
        TimeError::Expired { seconds } => Reason::trust_token_ended(id, seconds),
        TimeError::TooLong { seconds } => Reason::trust_token_too_long(id, seconds, max_lifetime),
        TimeError::NotYetValid { seconds } => Reason::trust_token_not_begun(id, seconds),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::oauth::trust) fn rule(single_use: bool) -> TrustRule {
        TrustRule {
            id: "r1".to_owned(),
            account_id: "a1".to_owned(),
            client_id: "c1".to_owned(),
            issuer: "https://id.example".to_owned(),
            jwks: None,
            jwks_uri: None,
            audience: None,
            conditions: r#"[{"claim":"sub","operator":"exact","value":"x"}]"#
                .parse()
                .unwrap(),
            single_use,
            expires_at: Some(Timestamp::from_seconds(20_000)),
            disabled_at: None,
            disabled_by: None,
            created_at: Timestamp::EPOCH,
            created_by: "test".to_owned(),
            kind: RuleKind::Workload,
        }
    }

    #[test]
    fn a_jwt_is_valid_for_a_while() {
        let at = Timestamp::from_seconds;
        let day: i32 = 24 * 3600;
        for (exp, nbf, now, past, single_use, refused) in [
            (10_000, None::<i32>, 9_000, 0, false, None),
            (10_000, None, 10_059, 0, false, None),
            (10_000, None, 10_060, 0, false, Some("trust_token_ended")),
            (10_000 + day, None, 10_000, 0, false, None),
            (
                10_000 + 3 * day,
                None,
                10_000,
                0,
                false,
                Some("trust_token_too_long"),
            ),
            (10_000, Some(9_060), 9_000, 0, false, None),
            (
                10_000,
                Some(9_061),
                9_000,
                0,
                false,
                Some("trust_token_not_begun"),
            ),
            // A clock that was set back: the id of a JWT that serves once may have been purged.
            (10_000, None, 9_000, 10_060, false, None),
            (10_000, None, 9_000, 10_060, true, Some("trust_token_ended")),
        ] {
            let times = TimeClaims::new(f64::from(exp), nbf.map(f64::from), None);
            let found = check_times(&rule(single_use), &times, at(now), at(past));
            let found = found.err().map(|reason| reason.code());
            assert_eq!(found, refused, "{exp} {nbf:?} at {now}");
        }
    }

    #[test]
    fn a_rule_must_be_enabled_and_not_expired() {
        let now = Timestamp::from_seconds(10_000);
        let expired = Timestamp::from_seconds(20_000);
        let disabled = TrustRule {
            disabled_at: Some(now),
            ..rule(false)
        };
        for (rule, at, refused) in [
            (&rule(false), now, None),
            (&rule(false), expired, Some("trust_rule_ended")),
            (&disabled, now, Some("trust_rule_disabled")),
        ] {
            let found = check_rule(rule, at).err().map(|reason| reason.code());
            assert_eq!(found, refused);
        }
    }
}
