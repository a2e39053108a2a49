//! The certificate and key that the server's TLS uses. They can be replaced while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};

use super::file_state::{FilePolls, file_state};
use crate::error::Error;

/// How much memory the certificates of one client may take, in bytes. The connection keeps them.
const MAX_CLIENT_CERTIFICATES: usize = 16 * 1024;

/// A certificate chain with its key, from two PEM files.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    polls: Mutex<FilePolls<2>>,
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
            polls: Mutex::new(FilePolls::new(loaded)),
        }))
    }

    /// The rustls configuration: HTTP/2 if the client offers it by ALPN, else HTTP/1.1.
    ///
    /// # Errors
    /// The cryptographic library supports no protocol version.
    pub fn server_config(
        self: &Arc<Self>,
        client: ClientCertificateRequest,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?;
        let config = match client {
            ClientCertificateRequest::None => config.with_no_client_auth(),
            ClientCertificateRequest::Optional => {
                let verifier = AnyClientCertificate(self.provider.clone());
                config.with_client_cert_verifier(Arc::new(verifier))
            }
        };
        let mut config = config.with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
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

/// Whether clients are asked for a certificate in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificateRequest {
    /// They are not asked.
    None,
    /// They are asked, and need not have one.
    Optional,
}

/// Accepts every client certificate whose private key the client proves to have. A certificate
/// means nothing before the client authenticates with it (`oauth/client_auth/certificate.rs`): only
/// then is it known which certificates the client may have, and they may be self-signed.
#[derive(Debug)]
struct AnyClientCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyClientCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let above: usize = intermediates.iter().map(|one| one.len()).sum();
        if end_entity.len() + above > MAX_CLIENT_CERTIFICATES {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
