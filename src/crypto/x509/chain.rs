//! Certificate authorities, and whether a chain of certificates ends at one of them (RFC 5280
//! section 6). The path is built and verified by rustls.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, RootCertStore};
use x509_parser::certificate::X509Certificate;

use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;

/// Why a chain was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// It does not end at one of the certificate authorities.
    UnknownAuthority,
    /// One of its certificates has expired.
    Expired,
    /// One of its certificates is not valid yet.
    NotValidYet,
    /// The certificate is not for client authentication (RFC 5280 section 4.2.1.12).
    WrongPurpose,
    /// Something else is wrong; the text says what.
    Other(String),
}

/// Why certificates cannot be used as certificate authorities.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAuthorities {
    /// There are none.
    #[error("there is no certificate in it")]
    None,
    /// One cannot be read.
    #[error(transparent)]
    Certificate(#[from] rustls::Error),
    /// They cannot be used together.
    #[error(transparent)]
    Verifier(#[from] VerifierBuilderError),
}

/// Certificate authorities whose client certificates are accepted.
#[derive(Debug)]
pub struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl Eq for Authorities {}

impl Authorities {
    /// The certificate authorities with these certificates.
    ///
    /// # Errors
    /// [`InvalidAuthorities`] if there are none, or one cannot be read.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, InvalidAuthorities> {
        if certificates.is_empty() {
            return Err(InvalidAuthorities::None);
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone())?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Authorities {
            certificates,
            verifier,
        })
    }

    /// Checks that a chain ends at one of the certificate authorities, and is valid at `now` for the
    /// authentication of a client.
    ///
    /// # Errors
    /// [`ChainError`]
    pub fn verify(&self, chain: &CertificateChain, now: Timestamp) -> Result<(), ChainError> {
        let seconds = u64::try_from(now.seconds()).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let verified = self
            .verifier
            .verify_client_cert(chain.leaf(), chain.intermediates(), now);
        match verified {
            Ok(_) => Ok(()),
            Err(rustls::Error::InvalidCertificate(error)) => Err(chain_error(&error)),
            Err(error) => Err(ChainError::Other(error.to_string())),
        }
    }
}

fn chain_error(error: &CertificateError) -> ChainError {
    match error {
        // A bad signature is that of an authority with the same name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            ChainError::UnknownAuthority
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => ChainError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ChainError::NotValidYet
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ChainError::WrongPurpose
        }
        other => ChainError::Other(other.to_string()),
    }
}

/// Why a certificate is not valid at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidityError {
    /// It is not valid before this instant.
    NotBegun(Timestamp),
    /// It expired at this instant.
    Ended(Timestamp),
}

/// When a certificate is valid (RFC 5280 section 4.1.2.5): from when, and until when.
pub fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    (
        Timestamp::from_seconds(validity.not_before.timestamp()),
        Timestamp::from_seconds(validity.not_after.timestamp()),
    )
}

/// Checks that a certificate is valid at `now`.
///
/// # Errors
/// [`ValidityError`]
pub fn check_validity(
    certificate: &X509Certificate<'_>,
    now: Timestamp,
) -> Result<(), ValidityError> {
    let (not_before, not_after) = validity(certificate);
    if now.seconds() < not_before.seconds() {
        Err(ValidityError::NotBegun(not_before))
    } else if now.seconds() > not_after.seconds() {
        Err(ValidityError::Ended(not_after))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_is_valid_for_a_while() {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 2, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
        // 2026-01-01 and 2026-02-01.
        let at = Timestamp::from_seconds;
        let (begin, end) = (1_767_225_600, 1_769_904_000);
        for (now, expected) in [
            (begin - 1, Err(ValidityError::NotBegun(at(begin)))),
            (begin, Ok(())),
            (end, Ok(())),
            (end + 1, Err(ValidityError::Ended(at(end)))),
        ] {
            assert_eq!(check_validity(&certificate, at(now)), expected, "{now}");
        }
    }
}
