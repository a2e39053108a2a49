//! The certificate and key that the server's TLS uses. They can be replaced while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::Error;

/// A certificate chain with its key, from two PEM files.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    polls: Mutex<Polls>,
}

/// Modification time, size and inode of a file. They change when the file is written or replaced.
type FileState = Option<(SystemTime, u64, u64)>;

/// The states of the two files, as [`Certificate::reload_if_changed`] saw them.
#[derive(Debug)]
struct Polls {
    loaded: [FileState; 2],
    last: [FileState; 2],
}

impl Polls {
    /// Whether the files differ from the loaded ones and were the same in two polls in a row:
    /// certificate and key are two files, and one of them is written first.
    fn is_settled_change(&mut self, now: [FileState; 2]) -> bool {
        let settled = now == self.last;
        self.last = now;
        // A missing file is a change as well: the next start would fail, so the log should say so
        // now.
        let changed = settled && now != self.loaded;
        if changed {
            self.loaded = now;
        }
        changed
    }
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not belong to the certificate. The error names the
    /// file.
    pub fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let current = ArcSwap::new(read(cert, key, &provider)?);
        let loaded = [cert, key].map(file_state);
        Ok(Arc::new(Certificate {
            cert: cert.to_owned(),
            key: key.to_owned(),
            provider,
            current,
            polls: Mutex::new(Polls {
                loaded,
                last: loaded,
            }),
        }))
    }

    /// The rustls configuration: HTTP/2 if the client offers it by ALPN, else HTTP/1.1.
    ///
    /// # Errors
    /// The cryptographic library supports no protocol version.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Reads the files again. A pair that cannot be used is logged, and the present one stays in
    /// use.
    pub fn reload(&self) {
        match read(&self.cert, &self.key, &self.provider) {
            Ok(renewed) if renewed.cert == self.current.load().cert => {}
            Ok(renewed) => {
                self.current.store(renewed);
                tracing::info!(file = %self.cert.display(), "TLS certificate reloaded");
            }
            Err(error) => {
                tracing::error!(
                    error = error.reason(),
                    "cannot reload the TLS certificate: the present one stays in use"
                );
            }
        }
    }

    /// Reloads the files if they have changed since they were loaded and not since the last call.
    pub fn reload_if_changed(&self) {
        let now = [&self.cert, &self.key].map(|path| file_state(path));
        let changed = self.polls.lock().is_settled_change(now);
        if changed {
            self.reload();
        }
    }

    /// The end of the certificate's validity (`notAfter`), in seconds since the epoch.
    pub fn not_after(&self) -> Option<i64> {
        let current = self.current.load();
        let (_, certificate) = x509_parser::parse_x509_certificate(current.cert.first()?).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }
}

/// The state of a file; `None` if there is no such file or it cannot be read.
fn file_state(path: &Path) -> FileState {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
    let unusable = |setting: &str, file: &Path, error: &dyn std::fmt::Display| {
        Error::server_error(format!("{}: {error}", file.display())).field(setting)
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable("tls_cert", cert, &error))?;
    if chain.is_empty() {
        return Err(unusable("tls_cert", cert, &"there is no certificate in it"));
    }
    let private_key =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("tls_key", key, &error))?;
    let pair = CertifiedKey::from_der(chain, private_key, provider).map_err(|error| {
        let reason = format!("with {}: {error}", key.display());
        unusable("tls_cert", cert, &reason)
    })?;
    Ok(Arc::new(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_reloaded_once_they_have_changed_and_stay_the_same() {
        let state = |number: u64| Some((SystemTime::UNIX_EPOCH, number, number));
        let old = [state(1), state(1)];
        let half = [state(2), state(1)];
        let new = [state(2), state(2)];
        let gone = [None, state(2)];
        let mut polls = Polls {
            loaded: old,
            last: old,
        };
        for (step, (now, changed)) in [
            (old, false),
            (half, false),
            (new, false),
            (new, true),
            (new, false),
            (gone, false),
            (gone, true),
            (new, false),
            (new, true),
            (new, false),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(polls.is_settled_change(now), changed, "step {step}");
        }
    }
}
