//! The client certificate of a request (RFC 8705): that of the TLS connection, or the one that a
//! trusted proxy forwards in a header. It is parsed when it is needed, not before.
//!
//! Whether the sender holds the private key was checked by the TLS handshake, of this server or of
//! the proxy. Nothing else is checked here: neither the chain nor the validity.

use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use clap::ValueEnum;
use percent_encoding::percent_decode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The largest certificate, in bytes of DER.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// The largest header with a certificate or a chain, in bytes.
const MAX_HEADER: usize = 64 * 1024;

/// The most certificates of a chain, with that of the client.
const MAX_CHAIN: usize = 10;

/// Base64 as RFC 8941 section 3.3.5 has it: padding may be missing.
const BYTE_SEQUENCE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The header in which trusted proxies forward the client certificate. No other one is read: a
/// proxy that does not set it forwards what the client sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CertificateHeader {
    /// No header is read.
    #[default]
    Off,
    /// `Client-Cert`, and `Client-Cert-Chain` (RFC 9440).
    ClientCert,
    /// `X-SSL-Client-Cert`: percent-encoded PEM, as in nginx's variable `$ssl_client_escaped_cert`.
    XSslClientCert,
    /// `X-Forwarded-Client-Cert`, by Envoy.
    XForwardedClientCert,
}

/// Why a client certificate cannot be used. The text says what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    /// The header is given more than once.
    #[error("the header is given more than once")]
    Repeated,
    /// The header or the certificate is too large.
    #[error("it is too large")]
    TooLarge,
    /// The chain is too long.
    #[error("there are more than {MAX_CHAIN} certificates")]
    TooMany,
    /// The header does not have the expected form.
    #[error("the header {0}")]
    Header(&'static str),
    /// The text is not PEM.
    #[error("it is not a certificate in PEM")]
    NotPem,
    /// The bytes are no certificate.
    #[error("it is not an X.509 certificate")]
    NotX509,
}

/// A certificate with those that the sender gave to build its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain {
    /// The certificate of the client first. It is never empty.
    certificates: Vec<CertificateDer<'static>>,
    thumbprint: String,
}

impl CertificateChain {
    fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, InvalidCertificate> {
        if certificates.len() > MAX_CHAIN {
            return Err(InvalidCertificate::TooMany);
        }
        let leaf = certificates.first().ok_or(InvalidCertificate::NotX509)?;
        check_certificate(leaf)?;
        Ok(CertificateChain {
            thumbprint: thumbprint(leaf),
            certificates,
        })
    }

    /// The certificates of a PEM text, that of the client first. Anything else in it is ignored.
    ///
    /// # Errors
    /// [`InvalidCertificate`] if it has none, or they cannot be read.
    pub fn of_pem(text: &str) -> Result<Self, InvalidCertificate> {
        if text.len() > MAX_HEADER {
            return Err(InvalidCertificate::TooLarge);
        }
        match pem_certificates(text.as_bytes()) {
            Some(certificates) => CertificateChain::new(certificates),
            None => Err(InvalidCertificate::NotPem),
        }
    }

    /// The certificate of the client, in DER.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        // `new` refuses an empty chain.
        self.certificates.first().unwrap_or(&EMPTY)
    }

    /// The certificates that the sender gave to build the chain.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        self.certificates.get(1..).unwrap_or_default()
    }

    /// The thumbprint of the client's certificate, as in `x5t#S256` (RFC 8705 section 3.1).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }
}

static EMPTY: CertificateDer<'static> = CertificateDer::from_slice(&[]);

/// Checks that `der` is one X.509 certificate of an acceptable size.
///
/// # Errors
/// [`InvalidCertificate::TooLarge`], [`InvalidCertificate::NotX509`].
pub fn check_certificate(der: &[u8]) -> Result<(), InvalidCertificate> {
    if der.len() > MAX_CERTIFICATE {
        return Err(InvalidCertificate::TooLarge);
    }
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], _)) => Ok(()),
        _ => Err(InvalidCertificate::NotX509),
    }
}

/// The base64url-encoded SHA-256 hash of a certificate in DER (RFC 8705 section 3.1).
pub fn thumbprint(der: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    URL_SAFE_NO_PAD.encode(hash)
}

/// The client certificate of a request, if it has one. Clones share the parsed certificate.
#[derive(Clone, Default)]
pub struct ClientCertificate(Option<Arc<Presented>>);

struct Presented {
    source: Source,
    chain: OnceLock<Result<CertificateChain, InvalidCertificate>>,
}

enum Source {
    /// The certificates of the TLS connection.
    Connection(Vec<CertificateDer<'static>>),
    /// The header of a trusted proxy.
    Forwarded(ForwardedCertificate),
}

/// What a trusted proxy forwards.
pub struct ForwardedCertificate {
    /// The header that the certificate is in.
    pub header: CertificateHeader,
    /// The field lines of the header.
    pub certificate: Vec<Vec<u8>>,
    /// The field lines of `Client-Cert-Chain`.
    pub chain: Vec<Vec<u8>>,
}

impl ClientCertificate {
    /// No certificate.
    pub const NONE: ClientCertificate = ClientCertificate(None);

    /// The certificates that a client presented in the TLS handshake of its connection; none if
    /// there are none.
    pub fn of_connection(certificates: &[CertificateDer<'_>]) -> Self {
        if certificates.is_empty() {
            return ClientCertificate::NONE;
        }
        let certificates = certificates.iter().map(|one| one.clone().into_owned());
        ClientCertificate::new(Source::Connection(certificates.collect()))
    }

    /// The certificate that a trusted proxy forwards; none if the header is missing or empty.
    pub fn forwarded(forwarded: ForwardedCertificate) -> Self {
        match &*forwarded.certificate {
            [] => ClientCertificate::NONE,
            [line] if line.trim_ascii().is_empty() => ClientCertificate::NONE,
            _ => ClientCertificate::new(Source::Forwarded(forwarded)),
        }
    }

    fn new(source: Source) -> Self {
        ClientCertificate(Some(Arc::new(Presented {
            source,
            chain: OnceLock::new(),
        })))
    }

    /// Whether the request has a certificate, readable or not.
    pub fn is_present(&self) -> bool {
        self.0.is_some()
    }

    /// The certificate, if a proxy forwarded it. That of the connection is the proxy's own where a
    /// proxy asks about the request of somebody else.
    #[must_use]
    pub fn if_forwarded(&self) -> &Self {
        match self.0.as_deref() {
            Some(Presented {
                source: Source::Forwarded(_),
                ..
            }) => self,
            _ => &ClientCertificate::NONE,
        }
    }

    /// The certificate with its chain, parsed at the first call; `None` if there is none.
    ///
    /// # Errors
    /// [`InvalidCertificate`] if it cannot be read.
    pub fn chain(&self) -> Result<Option<&CertificateChain>, InvalidCertificate> {
        let Some(presented) = self.0.as_deref() else {
            return Ok(None);
        };
        let chain = presented.chain.get_or_init(|| match &presented.source {
            Source::Connection(certificates) => CertificateChain::new(certificates.clone()),
            Source::Forwarded(forwarded) => forwarded.parse(),
        });
        chain.as_ref().map(Some).map_err(|error| *error)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0.as_deref().map(|presented| &presented.source) {
            None => "none",
            Some(Source::Connection(_)) => "of the connection",
            Some(Source::Forwarded(_)) => "forwarded",
        };
        f.write_str(text)
    }
}

impl ForwardedCertificate {
    fn parse(&self) -> Result<CertificateChain, InvalidCertificate> {
        let [line] = &*self.certificate else {
            return Err(InvalidCertificate::Repeated);
        };
        let chain_length: usize = self.chain.iter().map(Vec::len).sum();
        if line.len() > MAX_HEADER || chain_length > MAX_HEADER {
            return Err(InvalidCertificate::TooLarge);
        }
        let certificates = match self.header {
            CertificateHeader::Off => Err(InvalidCertificate::Header("is not read")),
            CertificateHeader::ClientCert => {
                let mut certificates = vec![byte_sequence(line)?];
                for item in self
                    .chain
                    .iter()
                    .flat_map(|line| line.split(|b| *b == b','))
                {
                    // RFC 9110 section 5.6.1.2: empty elements of a list are ignored.
                    if !item.trim_ascii().is_empty() {
                        certificates.push(byte_sequence(item)?);
                    }
                }
                Ok(certificates)
            }
            CertificateHeader::XSslClientCert => escaped_pem(line).and_then(|certificates| {
                if certificates.len() == 1 {
                    Ok(certificates)
                } else {
                    Err(InvalidCertificate::Header("does not have one certificate"))
                }
            }),
            CertificateHeader::XForwardedClientCert => envoy_element(line),
        }?;
        CertificateChain::new(certificates)
    }
}

/// A certificate as a byte sequence (RFC 9440 section 2.1, RFC 8941 section 3.3.5).
fn byte_sequence(text: &[u8]) -> Result<CertificateDer<'static>, InvalidCertificate> {
    text.trim_ascii()
        .strip_prefix(b":")
        .and_then(|text| text.strip_suffix(b":"))
        .and_then(|text| BYTE_SEQUENCE.decode(text).ok())
        .map(CertificateDer::from)
        .ok_or(InvalidCertificate::Header("is not a byte sequence"))
}

/// The certificates of a percent-encoded PEM text.
fn escaped_pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidCertificate> {
    let pem: Vec<u8> = percent_decode(text.trim_ascii()).collect();
    pem_certificates(&pem).ok_or(InvalidCertificate::Header(
        "is not a percent-encoded PEM text",
    ))
}

/// The certificates of a PEM text; none if there are none, or one is malformed.
fn pem_certificates(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    certificates.ok().filter(|found| !found.is_empty())
}

/// The certificates in `Cert` and `Chain` of Envoy's header. It must have one element: with several,
/// the others are by the sender or by proxies before, and which of them is the client's cannot be
/// told. `Chain` begins with the certificate itself.
fn envoy_element(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidCertificate> {
    let malformed = InvalidCertificate::Header("is not a list of names and values");
    let mut certificate = None;
    let mut chain = None;
    let mut rest = str::from_utf8(text).map_err(|_| malformed)?.trim_ascii();
    loop {
        let (name, after) = rest.split_once('=').ok_or(malformed)?;
        let (value, after) = envoy_value(after).ok_or(malformed)?;
        let field = match name.trim_ascii() {
            name if name.eq_ignore_ascii_case("cert") => Some(&mut certificate),
            name if name.eq_ignore_ascii_case("chain") => Some(&mut chain),
            _ => None,
        };
        if field.is_some_and(|field| field.replace(value).is_some()) {
            return Err(InvalidCertificate::Header("has a name twice"));
        }
        rest = match after.as_bytes().first() {
            None => break,
            Some(b';') => &after[1..],
            Some(b',') => return Err(InvalidCertificate::Header("has several elements")),
            Some(_) => return Err(malformed),
        };
    }
    let certificate = certificate
        .map(|text| escaped_pem(text.as_bytes()))
        .transpose()?;
    let chain = chain.map(|text| escaped_pem(text.as_bytes())).transpose()?;
    match (certificate, chain) {
        (None, None) => Err(InvalidCertificate::Header("has neither Cert nor Chain")),
        (Some(certificate), None) if certificate.len() == 1 => Ok(certificate),
        (None, Some(chain)) => Ok(chain),
        (Some(certificate), Some(chain)) if *certificate == chain[..1] => Ok(chain),
        _ => Err(InvalidCertificate::Header("contradicts itself")),
    }
}

/// Splits a value, quoted or not, from what follows it. Escapes in quoted values are kept.
fn envoy_value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(text.split_at(text.find([';', ',']).unwrap_or(text.len())));
    };
    let mut escaped = false;
    let end = quoted.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    Some((&quoted[..end], &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    struct Sample {
        der: CertificateDer<'static>,
        pem: String,
    }

    fn sample(name: &str) -> Sample {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        Sample {
            der: certificate.der().clone(),
            pem: certificate.pem(),
        }
    }

    fn escaped(pem: &str) -> String {
        percent_encode(pem.as_bytes(), NON_ALPHANUMERIC).to_string()
    }

    fn read(
        header: CertificateHeader,
        lines: &[&str],
        chain: &[&str],
    ) -> Result<Option<Vec<CertificateDer<'static>>>, InvalidCertificate> {
        let owned = |lines: &[&str]| lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        let certificate = ClientCertificate::forwarded(ForwardedCertificate {
            header,
            certificate: owned(lines),
            chain: owned(chain),
        });
        let chain = certificate.chain()?;
        Ok(chain.map(|chain| chain.certificates.clone()))
    }

    #[test]
    fn a_proxy_forwards_a_certificate_with_or_without_its_chain() {
        use CertificateHeader::{ClientCert, XForwardedClientCert, XSslClientCert};
        let (leaf, ca) = (sample("client"), sample("ca"));
        let bytes = |sample: &Sample| format!(":{}:", STANDARD.encode(&sample.der));
        let unpadded = bytes(&leaf).replace('=', "");
        let pem = escaped(&leaf.pem);
        let both = escaped(&format!("{}{}", leaf.pem, ca.pem));
        let one = vec![leaf.der.clone()];
        let two = vec![leaf.der.clone(), ca.der.clone()];
        let envoy = format!("By=spiffe://a/b;Hash=00;Subject=\"CN=\\\"a;b,c\\\"\";Cert=\"{pem}\"");
        let envoy_chain = format!("Cert={pem};Chain=\"{both}\";URI=");
        let envoy_only_chain = format!("chain={both}");
        for (header, line, chain, expected) in [
            (ClientCert, &*bytes(&leaf), &[][..], &one),
            (ClientCert, &unpadded, &[], &one),
            (ClientCert, &bytes(&leaf), &[&*bytes(&ca)], &two),
            (
                ClientCert,
                &bytes(&leaf),
                &[&*format!(" , {}", bytes(&ca)), ""],
                &two,
            ),
            (XSslClientCert, &pem, &[], &one),
            // Not a header of nginx.
            (XSslClientCert, &pem, &["garbage"], &one),
            (XForwardedClientCert, &envoy, &[], &one),
            (XForwardedClientCert, &envoy_chain, &[], &two),
            (XForwardedClientCert, &envoy_only_chain, &[], &two),
        ] {
            let found = read(header, &[line], chain);
            assert_eq!(
                found.as_ref(),
                Ok(&Some(expected.clone())),
                "{header:?} {line}"
            );
        }
        for header in [ClientCert, XSslClientCert, XForwardedClientCert] {
            assert_eq!(read(header, &[], &[]), Ok(None));
            assert_eq!(read(header, &[" "], &[]), Ok(None));
        }
    }

    #[test]
    fn a_malformed_header_is_refused() {
        use CertificateHeader::{ClientCert, XForwardedClientCert, XSslClientCert};
        use InvalidCertificate::{Header, NotX509, Repeated, TooLarge, TooMany};
        let sequence = Header("is not a byte sequence");
        let pem = Header("is not a percent-encoded PEM text");
        let pairs = Header("is not a list of names and values");
        let contradiction = Header("contradicts itself");
        let (leaf, other) = (sample("client"), sample("other"));
        let (cert, second) = (escaped(&leaf.pem), escaped(&other.pem));
        let bytes = format!(":{}:", STANDARD.encode(&leaf.der));
        let trailing = format!(":{}:", STANDARD.encode([&leaf.der, &b"x"[..]].concat()));
        let long = vec![&*bytes; MAX_CHAIN];
        let huge = "x".repeat(MAX_HEADER + 1);
        let envoy = |text: &str| text.replace("CERT", &cert).replace("OTHER", &second);
        for (header, lines, chain, expected) in [
            (ClientCert, &[&*bytes, &bytes][..], &[][..], Repeated),
            (ClientCert, &["", &bytes], &[], Repeated),
            (ClientCert, &[&huge], &[], TooLarge),
            (ClientCert, &[&bytes], &[&*huge], TooLarge),
            (ClientCert, &[&bytes], &long, TooMany),
            (ClientCert, &["x"], &[], sequence),
            (ClientCert, &[":x:"], &[], sequence),
            (ClientCert, &[&bytes], &["x"], sequence),
            (ClientCert, &[&format!("{bytes}, {bytes}")], &[], sequence),
            (ClientCert, &["::"], &[], NotX509),
            (ClientCert, &[":AAAA:"], &[], NotX509),
            (ClientCert, &[&trailing], &[], NotX509),
            (XSslClientCert, &["x"], &[], pem),
            (XSslClientCert, &[&bytes], &[], pem),
            (XSslClientCert, &[&cert[..40]], &[], pem),
            (
                XSslClientCert,
                &[&format!("{cert}{second}")],
                &[],
                Header("does not have one certificate"),
            ),
            (XForwardedClientCert, &[&cert], &[], pairs),
            (XForwardedClientCert, &[&envoy("Cert=\"CERT")], &[], pairs),
            (
                XForwardedClientCert,
                &[&envoy("Cert=\"CERT\"x")],
                &[],
                pairs,
            ),
            (
                XForwardedClientCert,
                &["Hash=00;URI=spiffe://a"],
                &[],
                Header("has neither Cert nor Chain"),
            ),
            (
                XForwardedClientCert,
                &[&envoy("Cert=CERT;Cert=OTHER")],
                &[],
                Header("has a name twice"),
            ),
            (
                XForwardedClientCert,
                &[&envoy("Cert=CERT,Cert=OTHER")],
                &[],
                Header("has several elements"),
            ),
            (
                XForwardedClientCert,
                &[&envoy("Cert=CERT;Chain=OTHER")],
                &[],
                contradiction,
            ),
            (
                XForwardedClientCert,
                &[&envoy("Cert=CERTOTHER")],
                &[],
                contradiction,
            ),
        ] {
            assert_eq!(
                read(header, lines, chain),
                Err(expected),
                "{header:?} {lines:?}"
            );
        }
    }

    #[test]
    fn the_certificate_of_a_connection_is_not_a_forwarded_one() {
        let certificate = ClientCertificate::of_connection(&[sample("client").der]);
        assert!(certificate.is_present() && certificate.chain().unwrap().is_some());
        assert!(!certificate.if_forwarded().is_present());
        assert!(!ClientCertificate::of_connection(&[]).is_present());
        let unreadable = ClientCertificate::of_connection(&[CertificateDer::from_slice(b"x")]);
        assert_eq!(unreadable.chain(), Err(InvalidCertificate::NotX509));
    }

    #[test]
    fn a_thumbprint_is_the_hash_in_base64url() {
        // The SHA-256 of "abc" (FIPS 180-4).
        assert_eq!(
            thumbprint(b"abc"),
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
        );
    }
}
