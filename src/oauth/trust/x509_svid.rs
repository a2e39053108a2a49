//! X.509-SVIDs (the X509-SVID specification, and draft-ietf-oauth-spiffe-client-auth section 3.2):
//! what the client certificate of a workload must be. Nothing here looks at its chain. The TLS
//! handshake proved that the sender has the private key.

use serde_json::{Map, Value, json};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::spiffe_id::SpiffeId;
use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;
use crate::crypto::x509::{check_validity, validity};
use crate::oauth::reason::Reason;

/// The maximum length of a URI that a reason shows, in characters.
const MAX_SHOWN: usize = 200;

/// An X.509-SVID. Its chain has not been verified.
pub(super) struct X509Svid<'a> {
    pub(super) chain: &'a CertificateChain,
    /// What the conditions of rules are compared with: the SPIFFE ID as `sub`, beside what the
    /// certificate says in members that have the names of the claims of a JWT.
    pub(super) claims: Map<String, Value>,
    spiffe_id: String,
    trust_domain: String,
}

impl<'a> X509Svid<'a> {
    /// Reads the certificate of a workload, and checks all that does not depend on its chain: one
    /// SPIFFE ID, no certificate authority, a key for signatures, and its validity at `now`.
    pub(super) fn parse(chain: &'a CertificateChain, now: Timestamp) -> Result<Self, Reason> {
        let (_, certificate) = x509_parser::parse_x509_certificate(chain.leaf())
            .map_err(|error| Reason::certificate_unreadable(&error.to_string()))?;
        let uri = only_uri(&certificate)?;
        let spiffe_id = SpiffeId::parse(uri)
            .map_err(|error| Reason::svid_not_a_spiffe_id(&shown(uri), &error.to_string()))?;
        if certificate.is_ca() {
            return Err(Reason::certificate_of_authority());
        }
        check_key_usage(&certificate)?;
        check_validity(&certificate, now)?;
        Ok(X509Svid {
            chain,
            claims: claims(spiffe_id, &certificate, chain),
            spiffe_id: spiffe_id.as_str().to_owned(),
            trust_domain: spiffe_id.trust_domain().to_owned(),
        })
    }

    /// The trust domain of the SPIFFE ID, as a URI: the issuer of the rules that may accept the
    /// certificate.
    pub(super) fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Checks that a `client_id` which is a SPIFFE ID is that of the certificate.
    pub(super) fn check_client_id(&self, client_id: &str) -> Result<(), Reason> {
        if client_id == self.spiffe_id {
            Ok(())
        } else {
            let (client_id, own) = (shown(client_id), shown(&self.spiffe_id));
            Err(Reason::svid_wrong_client_id(&client_id, &own))
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// The one URI among the subject alternative names. Names of other kinds are ignored.
fn only_uri<'a>(certificate: &X509Certificate<'a>) -> Result<&'a str, Reason> {
    let alternatives = certificate
        .subject_alternative_name()
        .map_err(|error| Reason::certificate_unreadable(&error.to_string()))?;
    let names = alternatives.map_or(&[][..], |names| &names.value.general_names);
    let uris: Vec<&'a str> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris.as_slice() {
        [uri] => Ok(uri),
        uris => Err(Reason::svid_uri_names(uris.len())),
    }
}

/// X509-SVID specification section 4.3: `digitalSignature` is set, and neither `keyCertSign` nor
/// `cRLSign` is.
fn check_key_usage(certificate: &X509Certificate<'_>) -> Result<(), Reason> {
    let usage = certificate
        .key_usage()
        .map_err(|error| Reason::certificate_unreadable(&error.to_string()))?;
    let wrong = match usage.map(|usage| usage.value) {
        None => "it has none",
        Some(usage) if usage.key_cert_sign() => "keyCertSign is set",
        Some(usage) if usage.crl_sign() => "cRLSign is set",
        Some(usage) if !usage.digital_signature() => "digitalSignature is not set",
        Some(_) => return Ok(()),
    };
    Err(Reason::svid_key_usage(wrong))
}

fn claims(
    spiffe_id: SpiffeId<'_>,
    certificate: &X509Certificate<'_>,
    chain: &CertificateChain,
) -> Map<String, Value> {
    let (not_before, not_after) = validity(certificate);
    let claims = json!({
        "sub": spiffe_id.as_str(),
        "nbf": not_before.seconds(),
        "exp": not_after.seconds(),
        "cnf": {"x5t#S256": chain.thumbprint()},
    });
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
    };

    use super::*;

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn parse(change: impl FnOnce(&mut CertificateParams)) -> Result<String, &'static str> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![uri("spiffe://acme.example/batch")];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let chain = CertificateChain::of_pem(&certificate.pem()).unwrap();
        // 2026-01-01.
        let now = Timestamp::from_seconds(1_767_225_600);
        X509Svid::parse(&chain, now)
            .map(|svid| svid.spiffe_id)
            .map_err(|reason| reason.code())
    }

    #[test]
    fn a_certificate_must_be_that_of_one_workload() {
        use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyCertSign, KeyEncipherment};
        let id = || Ok("spiffe://acme.example/batch".to_owned());
        assert_eq!(parse(|_| {}), id());
        let dns = || SanType::DnsName("batch.acme.example".try_into().unwrap());
        assert_eq!(
            parse(|params| params.subject_alt_names.push(dns())),
            id(),
            "names of other kinds are ignored"
        );
        for names in [
            vec![],
            vec![dns()],
            vec![
                uri("spiffe://acme.example/a"),
                uri("spiffe://acme.example/b"),
            ],
            vec![uri("spiffe://acme.example/a"), uri("https://acme.example/")],
        ] {
            let found = parse(|params| params.subject_alt_names = names);
            assert_eq!(found, Err("svid_uri_names"));
        }
        for name in [
            "https://acme.example/a",
            "spiffe://acme.example",
            "spiffe://Acme.example/a",
            "spiffe://acme.example/a?b",
        ] {
            let found = parse(|params| params.subject_alt_names = vec![uri(name)]);
            assert_eq!(found, Err("svid_not_a_spiffe_id"), "{name}");
        }
        for usages in [
            vec![],
            vec![KeyEncipherment],
            vec![DigitalSignature, KeyCertSign],
            vec![DigitalSignature, CrlSign],
        ] {
            let found = parse(|params| params.key_usages = usages);
            assert_eq!(found, Err("svid_key_usage"));
        }
        let authority = parse(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        assert_eq!(authority, Err("certificate_of_authority"));
        let ended = parse(|params| params.not_after = date_time_ymd(2025, 1, 1));
        assert_eq!(ended, Err("certificate_ended"));
        let early = parse(|params| params.not_before = date_time_ymd(2027, 1, 1));
        assert_eq!(early, Err("certificate_not_begun"));
    }
}
