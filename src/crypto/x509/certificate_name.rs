//! The name by which a client's certificate is recognized (RFC 8705 section 2.1.2).

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::{DistinguishedName, InvalidDistinguishedName};

/// The longest name, in bytes.
const MAX_LENGTH: usize = 1024;

/// Which name of a certificate is compared. The names of the variants are the members of client
/// metadata (RFC 8705 section 2.1.2).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray, VariantNames,
)]
pub enum NameKind {
    /// The subject: an RFC 4514 string.
    #[strum(serialize = "tls_client_auth_subject_dn")]
    SubjectDn,
    /// A `dNSName` of the subject alternative names.
    #[strum(serialize = "tls_client_auth_san_dns")]
    SanDns,
    /// A `uniformResourceIdentifier`.
    #[strum(serialize = "tls_client_auth_san_uri")]
    SanUri,
    /// An `iPAddress`.
    #[strum(serialize = "tls_client_auth_san_ip")]
    SanIp,
    /// An `rfc822Name`.
    #[strum(serialize = "tls_client_auth_san_email")]
    SanEmail,
}

impl NameKind {
    /// All kinds.
    pub const ALL: &'static [NameKind] = <NameKind as VariantArray>::VARIANTS;

    /// The members of client metadata.
    pub const NAMES: &'static [&'static str] = <NameKind as VariantNames>::VARIANTS;

    /// The member of client metadata.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Why a text is not a name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Empty, too long, or with characters that no such name has.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Not a distinguished name.
    #[error("not a distinguished name as in RFC 4514, such as CN=client,O=Acme: {0}")]
    DistinguishedName(#[from] InvalidDistinguishedName),
    /// The text in the database has no kind.
    #[error("a name without its kind")]
    NoKind,
}

/// The name that the certificate of a client must have.
#[derive(
    Clone, Debug, PartialEq, Eq, diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
)]
#[diesel(sql_type = diesel::sql_types::Text)]
pub struct CertificateName {
    kind: NameKind,
    /// The kind and the name, separated by a space.
    text: String,
}

impl CertificateName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidName`] if the text cannot be a name of this kind.
    pub fn new(kind: NameKind, name: &str) -> Result<Self, InvalidName> {
        let name = name.trim();
        let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        let expected = |what: &'static str, fits: bool| {
            if fits && is_word {
                Ok(())
            } else {
                Err(InvalidName::Expected(what))
            }
        };
        if name.len() > MAX_LENGTH || name.contains(char::is_control) {
            return Err(InvalidName::Expected(
                "at most 1024 bytes without control characters",
            ));
        }
        match kind {
            NameKind::SubjectDn => {
                name.parse::<DistinguishedName>()?;
            }
            NameKind::SanDns => expected("a DNS name", !name.contains(['/', ':', '@']))?,
            NameKind::SanUri => expected("a URI", url::Url::parse(name).is_ok())?,
            NameKind::SanIp => expected("an IP address", name.parse::<IpAddr>().is_ok())?,
            NameKind::SanEmail => {
                let parts = name.rsplit_once('@');
                let fits =
                    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
                expected("an e-mail address", fits)?;
            }
        }
        Ok(CertificateName {
            kind,
            text: format!("{} {name}", kind.as_str()),
        })
    }

    /// Which name of a certificate is compared.
    pub fn kind(&self) -> NameKind {
        self.kind
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.text.split_once(' ').map_or("", |(_, name)| name)
    }

    /// The kind and the name, as they are stored.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a certificate has the name. Wildcards have no meaning on either side.
    pub fn matches(&self, certificate: &X509Certificate<'_>) -> bool {
        let name = self.name();
        if self.kind == NameKind::SubjectDn {
            let subject = DistinguishedName::of(certificate.subject());
            return name
                .parse()
                .is_ok_and(|expected: DistinguishedName| expected == subject);
        }
        let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
            return false;
        };
        let names = &alternatives.value.general_names;
        names.iter().any(|found| match (self.kind, found) {
            (NameKind::SanDns, GeneralName::DNSName(found)) => found.eq_ignore_ascii_case(name),
            (NameKind::SanUri, GeneralName::URI(found)) => *found == name,
            (NameKind::SanIp, GeneralName::IPAddress(octets)) => {
                ip_address(octets).is_some_and(|found| name.parse() == Ok(found))
            }
            (NameKind::SanEmail, GeneralName::RFC822Name(found)) => is_same_mailbox(found, name),
            _ => false,
        })
    }
}

/// The members of client metadata that name a certificate (RFC 8705 section 2.1.2). At most one of
/// them may be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub struct CertificateNames {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_subject_dn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_dns: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_email: Option<String>,
}

/// Why the members do not name a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNames {
    /// RFC 8705 section 2.1.2: exactly one must be used.
    #[error("only one of {} may be set", NameKind::NAMES.join(", "))]
    Several,
    /// A member has no name of its kind.
    #[error("{kind}: {1}", kind = .0.as_str())]
    Invalid(NameKind, InvalidName),
}

impl CertificateNames {
    /// The members for this name.
    pub fn of(name: Option<&CertificateName>) -> Self {
        let mut names = CertificateNames::default();
        if let Some(name) = name {
            *names.member(name.kind) = Some(name.name().to_owned());
        }
        names
    }

    fn member(&mut self, kind: NameKind) -> &mut Option<String> {
        match kind {
            NameKind::SubjectDn => &mut self.tls_client_auth_subject_dn,
            NameKind::SanDns => &mut self.tls_client_auth_san_dns,
            NameKind::SanUri => &mut self.tls_client_auth_san_uri,
            NameKind::SanIp => &mut self.tls_client_auth_san_ip,
            NameKind::SanEmail => &mut self.tls_client_auth_san_email,
        }
    }

    /// The name that they give; `None` if none is set.
    ///
    /// # Errors
    /// [`InvalidNames`] if several are set, or one cannot be a name of its kind.
    pub fn into_name(mut self) -> Result<Option<CertificateName>, InvalidNames> {
        let mut found = None;
        for kind in NameKind::ALL {
            let Some(text) = self.member(*kind).take() else {
                continue;
            };
            let name = CertificateName::new(*kind, &text)
                .map_err(|error| InvalidNames::Invalid(*kind, error))?;
            if found.replace(name).is_some() {
                return Err(InvalidNames::Several);
            }
        }
        Ok(found)
    }
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

/// RFC 5280 section 7.5: the host part is compared without regard to case, the local part exactly.
fn is_same_mailbox(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((local, domain)), Some((other_local, other_domain))) => {
            local == other_local && domain.eq_ignore_ascii_case(other_domain)
        }
        _ => false,
    }
}

impl FromStr for CertificateName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (kind, name) = text.split_once(' ').ok_or(InvalidName::NoKind)?;
        let kind = kind.parse().map_err(|_| InvalidName::NoKind)?;
        CertificateName::new(kind, name)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_name_must_be_one_of_its_kind() {
        use NameKind::{SanDns, SanEmail, SanIp, SanUri, SubjectDn};
        for (kind, text, valid) in [
            (SubjectDn, "CN=a,O=b c", true),
            (SubjectDn, "a", false),
            (SanDns, "client.example", true),
            (SanDns, " client.example\n", true),
            (SanDns, "", false),
            (SanDns, "a b", false),
            (SanDns, "https://client.example", false),
            (SanDns, "a@client.example", false),
            (SanUri, "spiffe://acme.example/batch", true),
            (SanUri, "urn:acme:batch", true),
            (SanUri, "client.example", false),
            (SanIp, "192.0.2.7", true),
            (SanIp, "2001:db8::7", true),
            (SanIp, "192.0.2.0/24", false),
            (SanEmail, "batch@acme.example", true),
            (SanEmail, "@acme.example", false),
            (SanEmail, "acme.example", false),
            (SanEmail, "a\0@acme.example", false),
        ] {
            let name = CertificateName::new(kind, text);
            assert_eq!(name.is_ok(), valid, "{kind:?} {text}");
            if let Ok(name) = name {
                assert_eq!(name.as_str().parse::<CertificateName>(), Ok(name.clone()));
                assert_eq!((name.kind(), name.name()), (kind, text.trim()));
            }
        }
        assert!(CertificateName::new(SanDns, &"a".repeat(MAX_LENGTH + 1)).is_err());
        assert_eq!("x y".parse::<CertificateName>(), Err(InvalidName::NoKind));
        assert_eq!("x".parse::<CertificateName>(), Err(InvalidName::NoKind));
    }

    #[test]
    fn at_most_one_member_names_the_certificate() {
        let names =
            |json: serde_json::Value| -> CertificateNames { serde_json::from_value(json).unwrap() };
        let one = serde_json::json!({"tls_client_auth_san_dns": "a.example"});
        let name = names(one.clone()).into_name().unwrap();
        assert_eq!(name.as_ref().map(CertificateName::name), Some("a.example"));
        let members = CertificateNames::of(name.as_ref());
        assert_eq!(serde_json::to_value(members).unwrap(), one);
        assert_eq!(CertificateNames::of(None).into_name(), Ok(None));
        let two = serde_json::json!({"tls_client_auth_san_dns": "a.example", "tls_client_auth_san_ip": "192.0.2.7"});
        assert_eq!(names(two).into_name(), Err(InvalidNames::Several));
        let wrong = serde_json::json!({"tls_client_auth_san_ip": "a.example"});
        let expected =
            InvalidNames::Invalid(NameKind::SanIp, InvalidName::Expected("an IP address"));
        assert_eq!(names(wrong).into_name(), Err(expected));
    }

    #[test]
    fn a_certificate_has_names_of_several_kinds() {
        use NameKind::{SanDns, SanEmail, SanIp, SanUri, SubjectDn};
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "batch");
        params.subject_alt_names = vec![
            SanType::DnsName("client.acme.example".try_into().unwrap()),
            SanType::DnsName("*.wild.example".try_into().unwrap()),
            SanType::URI("spiffe://acme.example/Batch".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
            SanType::Rfc822Name("Batch@Acme.example".try_into().unwrap()),
        ];
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
        for (kind, name, matches) in [
            (SanDns, "client.acme.example", true),
            (SanDns, "CLIENT.acme.example", true),
            (SanDns, "acme.example", false),
            (SanDns, "client.acme.example.", false),
            (SanDns, "a.wild.example", false),
            (SanDns, "*.acme.example", false),
            (SanDns, "batch", false),
            (SanUri, "spiffe://acme.example/Batch", true),
            (SanUri, "spiffe://acme.example/batch", false),
            (SanUri, "spiffe://acme.example/Batch/", false),
            (SanIp, "192.0.2.7", true),
            (SanIp, "2001:DB8:0::7", true),
            (SanIp, "192.0.2.8", false),
            (SanIp, "::ffff:192.0.2.7", false),
            (SanEmail, "Batch@acme.EXAMPLE", true),
            (SanEmail, "batch@acme.example", false),
            (SubjectDn, "CN=batch", true),
            (SubjectDn, "CN=other", false),
        ] {
            let name = CertificateName::new(kind, name).unwrap();
            assert_eq!(name.matches(&certificate), matches, "{}", name.as_str());
        }
    }
}
