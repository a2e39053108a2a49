//! What a new trust rule may say.

use serde_json::Value;

use super::{
    BroadCondition, Condition, Conditions, NewTrustRule, Operator, RuleKind, TrustRuleView,
};
use crate::crypto::jws::JwkSet;
use crate::error::{Error, refusal};
use crate::oauth::trust::spiffe_id;
use crate::store::trust_rule::breadth::{self, TooBroad};
use crate::uri::ExternalUri;

/// The maximum length of an audience, in bytes.
const MAX_AUDIENCE: usize = 512;

/// The conditions that a new rule would have, whether or not the rest of it is complete, and the one
/// that is probably too broad, if there is one.
///
/// # Errors
/// `invalid_request` for conditions that cannot be used.
pub fn preview(new: &NewTrustRule) -> Result<(Vec<Condition>, Option<BroadCondition>), Error> {
    let all = all_conditions(new)?;
    let broad = Conditions::new(all.clone())
        .ok()
        .and_then(|conditions| breadth::check(&new.issuer, &conditions).ok().flatten());
    Ok((all, broad))
}

/// The condition of a rule that is probably too broad, if there is one.
pub fn broad_condition(rule: &TrustRuleView) -> Option<BroadCondition> {
    let conditions = Conditions::new(rule.conditions.clone()).ok()?;
    breadth::check(&rule.issuer, &conditions).ok().flatten()
}

pub(super) fn check_new(new: &NewTrustRule) -> Result<(Conditions, Option<BroadCondition>), Error> {
    if new.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
        return Err(refusal::expiry_in_the_past("trust rule").field("expires_in"));
    }
    check_issuer(new)?;
    check_keys(new)?;
    match new.kind {
        RuleKind::IdJag if new.audience.is_some() => {
            return Err(refusal::trust_id_jag_audience().field("audience"));
        }
        RuleKind::SpiffeX509 => check_for_svids(new)?,
        RuleKind::IdJag | RuleKind::Workload => {}
    }
    if let Some(audience) = &new.audience {
        let is_visible = audience.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !(1..=MAX_AUDIENCE).contains(&audience.len()) {
            return Err(refusal::trust_audience(MAX_AUDIENCE).field("audience"));
        }
    }
    let conditions = Conditions::new(all_conditions(new)?)
        .map_err(|error| refusal::trust_conditions(&error.to_string()).field("conditions"))?;
    let broad = breadth::check(&new.issuer, &conditions)
        .map_err(|error| too_broad(&error).field("conditions"))?;
    Ok((conditions, broad))
}

/// What a certificate does not have, a rule for X.509-SVIDs cannot ask for.
fn check_for_svids(new: &NewTrustRule) -> Result<(), Error> {
    if new.audience.is_some() {
        return Err(refusal::trust_svid_audience().field("audience"));
    }
    if new.single_use == Some(true) {
        return Err(refusal::trust_svid_single_use().field("single_use"));
    }
    match new.conditions.iter().find(|one| one.claim() != "sub") {
        Some(other) => Err(refusal::trust_svid_condition(other.claim()).field("conditions")),
        None => Ok(()),
    }
}

fn too_broad(error: &TooBroad) -> Error {
    match error {
        TooBroad::NoIdentity => refusal::trust_no_identity(&error.to_string()),
        TooBroad::SharedIssuer { issuer, forms } => refusal::trust_shared_issuer(issuer, forms),
    }
}

/// The conditions of the rule. An ID-JAG is for the client that presents it; this condition says so
/// where the rule is shown.
fn all_conditions(new: &NewTrustRule) -> Result<Vec<Condition>, Error> {
    let mut all = new.conditions.clone();
    if new.kind == RuleKind::IdJag && !all.iter().any(|one| one.claim() == "client_id") {
        let own = Condition::new("client_id", Operator::Exact, &new.client_id)
            .map_err(|error| refusal::trust_conditions(&error.to_string()).field("conditions"))?;
        all.insert(0, own);
    }
    Ok(all)
}

fn check_issuer(new: &NewTrustRule) -> Result<(), Error> {
    let refused = |detail: &str| refusal::trust_issuer(detail).field("issuer");
    if new.kind == RuleKind::SpiffeX509 || spiffe_id::has_scheme(&new.issuer) {
        if !spiffe_id::is_trust_domain(&new.issuer) {
            return Err(refusal::trust_domain().field("issuer"));
        }
        if new.jwks.is_none() && new.jwks_uri.is_none() {
            return Err(refusal::trust_domain_keys().field("jwks"));
        }
        if new.kind == RuleKind::IdJag {
            return Err(refusal::trust_id_jag_issuer().field("issuer"));
        }
        return Ok(());
    }
    ExternalUri::parse(&new.issuer)
        .and_then(|uri| uri.for_keys(|_| true))
        .map_err(|error| refused(&error.to_string()))?;
    if new.issuer.contains('?') {
        return Err(refused("must have no query"));
    }
    Ok(())
}

fn check_keys(new: &NewTrustRule) -> Result<(), Error> {
    match (&new.jwks, &new.jwks_uri) {
        (Some(_), Some(_)) => Err(refusal::trust_keys_twice().field("jwks")),
        (Some(jwks), None) => {
            let refused = |detail: &str| refusal::trust_jwks(detail).field("jwks");
            let set: Value = serde_json::from_str(jwks)
                .map_err(|error| refused(&format!("not JSON: {error}")))?;
            JwkSet::check_registered(&set).map_err(|error| refused(&error.to_string()))?;
            if new.kind == RuleKind::SpiffeX509 {
                let bundle = JwkSet::try_from(set).map_err(|error| refused(&error.to_string()))?;
                bundle.authorities().map_err(refused)?;
            }
            Ok(())
        }
        (None, Some(uri)) => ExternalUri::parse(uri)
            .and_then(|uri| uri.for_keys(|_| true))
            .map(drop)
            .map_err(|error| refusal::trust_jwks_uri(&error.to_string()).field("jwks_uri")),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_an_issuer_and_how_to_get_its_keys() {
        let keys = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "jwt-svid",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let private = keys.replace("\"x\"", "\"d\": \"AA\", \"x\"");
        let some = |text: &str| Some(text.to_owned());
        for (issuer, jwks, jwks_uri, accepted) in [
            ("https://id.example", None, None, true),
            ("https://id.example/tenant/", None, None, true),
            ("https://id.example", some(keys), None, true),
            (
                "https://id.example",
                None,
                some("https://id.example/keys"),
                true,
            ),
            ("https://kubernetes.default.svc", some(keys), None, true),
            ("spiffe://acme.example", some(keys), None, true),
            (
                "spiffe://acme.example",
                None,
                some("https://spire.example/"),
                true,
            ),
            ("spiffe://acme.example", None, None, false),
            ("spiffe://acme.example/batch", some(keys), None, false),
            ("spiffe://", some(keys), None, false),
            ("http://id.example", None, None, false),
            ("https://id.example?tenant=1", None, None, false),
            ("https://id.example#x", None, None, false),
            ("id.example", None, None, false),
            ("", None, None, false),
            (
                "https://id.example",
                some(keys),
                some("https://id.example/keys"),
                false,
            ),
            (
                "https://id.example",
                None,
                some("http://id.example/keys"),
                false,
            ),
            ("https://id.example", some("{}"), None, false),
            ("https://id.example", some("x"), None, false),
            ("https://id.example", some(&private), None, false),
        ] {
            let new = NewTrustRule {
                client_id: "c1".to_owned(),
                issuer: issuer.to_owned(),
                jwks,
                jwks_uri,
                conditions: vec!["sub=spiffe://acme.example/batch".parse().unwrap()],
                ..NewTrustRule::default()
            };
            assert_eq!(check_new(&new).is_ok(), accepted, "{new:?}");
        }
    }

    #[test]
    fn a_rule_for_id_jags_is_for_one_client_and_for_the_issuer_identifier() {
        let id_jag = || NewTrustRule {
            kind: RuleKind::IdJag,
            client_id: "c1".to_owned(),
            issuer: "https://idp.example".to_owned(),
            ..NewTrustRule::default()
        };
        let texts = |new: &NewTrustRule| -> Vec<String> {
            let (conditions, _) = check_new(new).unwrap();
            conditions.iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts(&id_jag()), ["client_id=c1"]);
        let with_condition = NewTrustRule {
            conditions: vec!["email^=ada@".parse().unwrap()],
            ..id_jag()
        };
        assert_eq!(texts(&with_condition), ["client_id=c1", "email^=ada@"]);
        let workload = NewTrustRule {
            kind: RuleKind::Workload,
            ..id_jag()
        };
        let with_audience = NewTrustRule {
            audience: Some("https://other.example".to_owned()),
            ..id_jag()
        };
        let of_trust_domain = NewTrustRule {
            issuer: "spiffe://acme.example".to_owned(),
            jwks_uri: Some("https://spire.example/".to_owned()),
            ..id_jag()
        };
        // Google signs for everybody.
        let shared = NewTrustRule {
            issuer: "https://accounts.google.com".to_owned(),
            ..id_jag()
        };
        for refused in [workload, with_audience, of_trust_domain, shared] {
            assert!(check_new(&refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_rule_for_x509_svids_asks_for_what_a_certificate_has() {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let bundle = |used: &str| {
            let x5c = STANDARD.encode(authority.der());
            let key = serde_json::json!({"kty": "EC", "use": used, "x5c": [x5c]});
            Some(serde_json::json!({"keys": [key]}).to_string())
        };
        let rule = || NewTrustRule {
            kind: RuleKind::SpiffeX509,
            client_id: "c1".to_owned(),
            issuer: "spiffe://acme.example".to_owned(),
            jwks: bundle("x509-svid"),
            conditions: vec!["sub=spiffe://acme.example/batch".parse().unwrap()],
            ..NewTrustRule::default()
        };
        assert_eq!(check_new(&rule()).unwrap().1, None);
        let by_endpoint = NewTrustRule {
            jwks: None,
            jwks_uri: Some("https://spire.example/".to_owned()),
            conditions: vec!["sub^=spiffe://acme.example/".parse().unwrap()],
            ..rule()
        };
        assert!(check_new(&by_endpoint).unwrap().1.is_some(), "it is broad");
        for (refused, field) in [
            (
                NewTrustRule {
                    issuer: "https://id.example".to_owned(),
                    ..rule()
                },
                "issuer",
            ),
            (
                NewTrustRule {
                    issuer: "spiffe://acme.example/a".to_owned(),
                    ..rule()
                },
                "issuer",
            ),
            (
                NewTrustRule {
                    jwks: None,
                    ..rule()
                },
                "jwks",
            ),
            (
                NewTrustRule {
                    jwks: bundle("sig"),
                    ..rule()
                },
                "jwks",
            ),
            (
                NewTrustRule {
                    audience: Some("x".to_owned()),
                    ..rule()
                },
                "audience",
            ),
            (
                NewTrustRule {
                    single_use: Some(true),
                    ..rule()
                },
                "single_use",
            ),
            (
                NewTrustRule {
                    conditions: vec!["email=a@b".parse().unwrap()],
                    ..rule()
                },
                "conditions",
            ),
            (
                NewTrustRule {
                    conditions: vec![],
                    ..rule()
                },
                "conditions",
            ),
        ] {
            let error = check_new(&refused).unwrap_err();
            assert_eq!(error.wrong_field(), Some(field), "{error:?}");
        }
    }
}
