//! The certificate authorities whose client certificates are accepted (RFC 8705 section 2.1), from
//! a PEM file that can be replaced while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::file_state::{FilePolls, file_state};
use crate::client_certificate::CertificateChain;
use crate::clock::Timestamp;
use crate::config::Settings;
use crate::crypto::x509::{Authorities, ChainError};
use crate::error::Error;

/// The certificate authorities of the setting `tls_client_ca`.
#[derive(Debug)]
pub struct ClientAuthorities {
    file: PathBuf,
    current: ArcSwap<Authorities>,
    polls: Mutex<FilePolls<1>>,
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
        let current = ArcSwap::from_pointee(read(file)?);
        Ok(Arc::new(ClientAuthorities {
            file: file.to_owned(),
            current,
            polls: Mutex::new(FilePolls::new([file_state(file)])),
        }))
    }

    /// Reads the file again. A file that cannot be used is logged, and the present certificate
    /// authorities stay in use.
    pub fn reload(&self) {
        match read(&self.file) {
            Ok(renewed) if renewed == **self.current.load() => {}
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
        self.current.load().verify(chain, now)
    }
}

fn read(file: &Path) -> Result<Authorities, Error> {
    let unusable = |error: &dyn std::fmt::Display| {
        Error::server_error(format!("{}: {error}", file.display())).field("tls_client_ca")
    };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&error))?;
    Authorities::new(certificates).map_err(|error| unusable(&error))
}
