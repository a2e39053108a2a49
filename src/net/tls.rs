//! TLS of the server: certificate and key, which can be replaced while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::Error;

/// How often the files are looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A certificate with its key, from two files.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
}

/// What tells that a file was written or replaced.
type Stamp = [Option<(SystemTime, u64, u64)>; 2];

impl Certificate {
    /// Reads the files, in PEM.
    ///
    /// # Errors
    /// A file cannot be read, or the key is not the certificate's; the file is named.
    pub fn load(cert: &Path, key: &Path) -> Result<Arc<Self>, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let current = ArcSwap::new(read(cert, key, &provider)?);
        Ok(Arc::new(Certificate {
            cert: cert.to_owned(),
            key: key.to_owned(),
            provider,
            current,
        }))
    }

    /// What rustls serves with: HTTP/2 where the client offers it, else HTTP/1.1.
    ///
    /// # Errors
    /// The cryptographic library has no usable protocol version.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, String> {
        let config = ServerConfig::builder_with_provider(self.provider.clone());
        let config = config
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Reads the files again. A pair that cannot be used is logged, and the present one stays.
    pub fn reload(&self) {
        match read(&self.cert, &self.key, &self.provider) {
            Ok(renewed) if renewed.cert == self.current.load().cert => {}
            Ok(renewed) => {
                self.current.store(renewed);
                tracing::info!(cert = %self.cert.display(), "TLS certificate reloaded");
            }
            Err(error) => {
                tracing::error!(
                    reason = error.reason(),
                    "cannot reload the TLS certificate: the present one stays in use"
                )
            }
        }
    }

    /// Reloads the files whenever they change. Two looks in a row must find the same: certificate and key
    /// are two files, and one is written first.
    pub async fn watch(self: Arc<Self>) {
        let (mut loaded, mut seen) = (self.stamp(), self.stamp());
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let certificate = self.clone();
            let Ok(stamp) = tokio::task::spawn_blocking(move || certificate.stamp()).await else {
                continue;
            };
            // Also where a file is gone: the next start would fail for want of it.
            if stamp != loaded && stamp == seen {
                self.reload();
                loaded = stamp;
            }
            seen = stamp;
        }
    }

    /// The end of the certificate's validity, in seconds since the epoch.
    pub fn not_after(&self) -> Option<i64> {
        let current = self.current.load();
        let (_, certificate) = x509_parser::parse_x509_certificate(current.cert.first()?).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }

    fn stamp(&self) -> Stamp {
        use std::os::unix::fs::MetadataExt;
        [&self.cert, &self.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        })
    }
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
    let chain =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable("tls_cert", cert, &error))?;
    if chain.is_empty() {
        return Err(unusable("tls_cert", cert, &"there is no certificate in it"));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("tls_key", key, &error))?;
    let pair = CertifiedKey::from_der(chain, private, provider);
    pair.map(Arc::new).map_err(|error| {
        unusable(
            "tls_cert",
            cert,
            &format!("with {}: {error}", key.display()),
        )
    })
}
