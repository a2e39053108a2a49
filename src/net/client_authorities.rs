//! The certificate authorities whose client certificates are accepted (RFC 8705 section 2.1), from
//! a PEM file that can be replaced while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};

use super::file_state::{FilePolls, file_state};
use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;
use crate::config::Settings;
use crate::error::Error;

/// Why a certificate was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub enum ChainError {
    /// It does not chain to one of the certificate authorities.
    UnknownAuthority,
    /// It, or a certificate above it, has expired.
    Expired,
    /// It, or a certificate above it, is not valid yet.
    NotValidYet,
    /// It is not for client authentication (RFC 5280 section 4.2.1.12).
    WrongPurpose,
    /// Something else is wrong; the text says what.
    Other(String),
}

/// The certificate authorities of the setting `tls_client_ca`.
#[derive(Debug)]
pub struct ClientAuthorities {
    file: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<Authorities>,
    polls: Mutex<FilePolls<1>>,
}

/// The content of the file, and the verifier that was made of it.
#[derive(Debug)]
struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// Checks the file of the setting `tls_client_ca`, if it is set.
///
/// # Errors
/// As [`ClientAuthorities::load`].
pub fn check(settings: &Settings) -> Result<(), Error> {
    let file = settings.tls_client_ca.as_deref();
    file.map_or(Ok(()), |file| ClientAuthorities::load(file).map(drop))
}

impl ClientAuthorities {
    /// Reads the file.
    ///
    /// # Errors
    /// The file cannot be read, or has no usable certificate. The error names the file.
    pub fn load(file: &Path) -> Result<Arc<Self>, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let current = ArcSwap::from_pointee(read(file, &provider)?);
        Ok(Arc::new(ClientAuthorities {
            file: file.to_owned(),
            provider,
            current,
            polls: Mutex::new(FilePolls::new([file_state(file)])),
        }))
    }

    /// Reads the file again. A file that cannot be used is logged, and the present certificate
    /// authorities stay in use.
    pub fn reload(&self) {
        match read(&self.file, &self.provider) {
            Ok(renewed) if renewed.certificates == self.current.load().certificates => {}
            Ok(renewed) => {
                self.current.store(Arc::new(renewed));
                tracing::info!(file = %self.file.display(), "client certificate authorities reloaded");
            }
            Err(error) => {
                tracing::error!(
                    error = error.reason(),
                    "cannot reload the client certificate authorities: the present ones stay in use"
                );
            }
        }
    }

    /// Reloads the file if it has changed since it was loaded and not since the last call.
    pub fn reload_if_changed(&self) {
        let now = [file_state(&self.file)];
        let changed = self.polls.lock().is_settled_change(now);
        if changed {
            self.reload();
        }
    }

    /// Checks that a certificate chains to one of the certificate authorities, and is valid at `now`
    /// for the authentication of a client (RFC 5280 section 6).
    ///
    /// # Errors
    /// [`ChainError`]
    pub fn verify(&self, chain: &CertificateChain, now: Timestamp) -> Result<(), ChainError> {
        let seconds = u64::try_from(now.seconds()).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let verifier = &self.current.load().verifier;
        match verifier.verify_client_cert(chain.leaf(), chain.intermediates(), now) {
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

fn read(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Authorities, Error> {
    let unusable = |error: &dyn std::fmt::Display| {
        Error::server_error(format!("{}: {error}", file.display())).field("tls_client_ca")
    };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        return Err(unusable(&"there is no certificate in it"));
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| unusable(&error))?;
    Ok(Authorities {
        certificates,
        verifier,
    })
}
