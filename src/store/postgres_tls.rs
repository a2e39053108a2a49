//! TLS to Postgres. The bundled libpq has no TLS: that would take OpenSSL, which needs Perl to
//! build, while Keyward needs nothing but Rust and a C compiler. So libpq connects to a Unix socket
//! of this process, a bridge, which forwards its bytes over rustls to the server that the URL
//! names.
//!
//! The socket accepts connections of this process only. Channel binding is not supported, since
//! libpq would have to see the server's certificate for that. The server's offer of it is removed
//! from what libpq reads, because libpq closes a connection without TLS on which it is offered.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use super::postgres_url::{Roots, Server, SslMode, TlsOptions};

/// The timeout for connecting if `connect_timeout` is not set.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum length of a message before the end of the authentication.
const LARGEST_MESSAGE: usize = 64 * 1024;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const CANCEL_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x2e];

/// The protection of the last connection to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observed {
    Nothing,
    Plain,
    Tls12,
    Tls13,
}

impl Observed {
    fn of(number: u8) -> Self {
        [
            Observed::Nothing,
            Observed::Plain,
            Observed::Tls12,
            Observed::Tls13,
        ]
        .get(usize::from(number))
        .copied()
        .unwrap_or(Observed::Nothing)
    }
}

/// The timeouts of the connections to a server.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub connect: Duration,
    /// How long sent data may stay unacknowledged (`TCP_USER_TIMEOUT`).
    pub unacknowledged: Duration,
    pub keepalive_idle: Duration,
}

/// Unix sockets of this process, one for each server, whose connections are forwarded over TLS.
/// They are closed when the bridge is dropped.
pub(super) struct Bridge {
    /// The `host` for libpq. The `port` is the number of the server, counted from 1.
    pub host: String,
    observed: Arc<AtomicU8>,
    _running: oneshot::Sender<()>,
    #[cfg(not(target_os = "linux"))]
    _folder: Folder,
}

struct Upstream {
    server: Server,
    options: TlsOptions,
    timeouts: Timeouts,
    observed: Arc<AtomicU8>,
}

/// Why a connection failed.
enum ConnectError {
    /// The server does not answer; libpq tries the next one.
    Unreachable(String),
    /// The server answers, but must not be used.
    Refused(String),
}

impl Bridge {
    /// Opens the sockets and starts the thread that serves them.
    ///
    /// # Errors
    /// The error of the operating system if it gives no socket or starts no thread.
    pub fn start(
        servers: &[Server],
        options: &TlsOptions,
        timeouts: Timeouts,
    ) -> std::io::Result<Self> {
        let name = format!(
            "keyward-{}-{}",
            std::process::id(),
            uuid::Uuid::now_v7().simple()
        );
        #[cfg(target_os = "linux")]
        let host = format!("@{name}");
        #[cfg(not(target_os = "linux"))]
        let folder = Folder::new(&name)?;
        #[cfg(not(target_os = "linux"))]
        let host = folder.0.display().to_string();
        let observed = Arc::new(AtomicU8::new(Observed::Nothing as u8));
        let mut listeners = Vec::new();
        for (index, server) in servers
            .iter()
            .enumerate()
            .filter(|(_, server)| !server.is_socket())
        {
            let listener = listen(&format!("{host}/.s.PGSQL.{}", index + 1))?;
            listener.set_nonblocking(true)?;
            let upstream = Upstream {
                server: server.clone(),
                options: options.clone(),
                timeouts,
                observed: observed.clone(),
            };
            listeners.push((listener, Arc::new(upstream)));
        }
        let (running, closed) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("postgres-tls".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    for (listener, upstream) in listeners {
                        tokio::spawn(accept(listener, upstream));
                    }
                    // Nothing is ever sent: the channel closes when the bridge is dropped.
                    let _ = closed.await;
                });
            })?;
        Ok(Bridge {
            host,
            observed,
            _running: running,
            #[cfg(not(target_os = "linux"))]
            _folder: folder,
        })
    }

    /// The protection of the last connection.
    pub fn observed(&self) -> Observed {
        Observed::of(self.observed.load(Ordering::Relaxed))
    }

    /// Lets the next connection ask the server for TLS again.
    pub fn reset_observed(&self) {
        self.observed
            .store(Observed::Nothing as u8, Ordering::Relaxed);
    }
}

/// Listens on an abstract address, which leaves nothing to clean up and needs no writable folder.
#[cfg(target_os = "linux")]
fn listen(path: &str) -> std::io::Result<UnixListener> {
    use std::os::linux::net::SocketAddrExt;
    let name = path.strip_prefix('@').unwrap_or(path);
    UnixListener::bind_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn listen(path: &str) -> std::io::Result<UnixListener> {
    UnixListener::bind(path)
}

/// A private folder, which is removed with the bridge.
#[cfg(not(target_os = "linux"))]
struct Folder(std::path::PathBuf);

#[cfg(not(target_os = "linux"))]
impl Folder {
    fn new(name: &str) -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }
}

#[cfg(not(target_os = "linux"))]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn accept(listener: UnixListener, upstream: Arc<Upstream>) {
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            return tracing::error!(%error, "cannot listen for connections to forward to Postgres");
        }
    };
    loop {
        match listener.accept().await {
            Ok((local, _)) => {
                tokio::spawn(serve(local, upstream.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to forward to Postgres");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(mut local: UnixStream, upstream: Arc<Upstream>) {
    // Other processes, even of the same user, are rejected.
    let own = local
        .peer_cred()
        .ok()
        .and_then(|peer| peer.pid())
        .and_then(|pid| u32::try_from(pid).ok());
    if own != Some(std::process::id()) {
        return;
    }
    // libpq sends its first message before the server is contacted.
    let Ok(startup) = read_startup(&mut local).await else {
        return;
    };
    // An I/O error closes the connection, and libpq reports that.
    let _ = match upstream.open().await {
        Ok(Stream::Tls(server)) => forward(local, *server, &startup).await,
        Ok(Stream::Plain(server)) => forward(local, server, &startup).await,
        Err(error) => local.write_all(&error.message()).await,
    };
}

async fn read_startup(local: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 4];
    local.read_exact(&mut message).await?;
    let length = message_length(&message)?;
    message.resize(length, 0);
    local
        .read_exact(message.get_mut(4..).unwrap_or_default())
        .await?;
    Ok(message)
}

/// The length field of a message, which includes its own four bytes.
fn message_length(bytes: &[u8]) -> std::io::Result<usize> {
    let length = bytes
        .try_into()
        .map(u32::from_be_bytes)
        .ok()
        .and_then(|length| usize::try_from(length).ok());
    length
        .filter(|length| (4..=LARGEST_MESSAGE).contains(length))
        .ok_or_else(|| {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "a message with an invalid length",
            )
        })
}

/// Forwards bytes in both directions until one side closes the connection.
async fn forward<S: AsyncRead + AsyncWrite + Unpin>(
    mut local: UnixStream,
    mut upstream: S,
    startup: &[u8],
) -> std::io::Result<()> {
    upstream.write_all(startup).await?;
    upstream.flush().await?;
    if startup.get(4..8) != Some(&CANCEL_REQUEST) {
        forward_authentication_request(&mut local, &mut upstream).await?;
    }
    tokio::io::copy_bidirectional_with_sizes(&mut local, &mut upstream, 16 * 1024, 16 * 1024)
        .await
        .map(drop)
}

/// Forwards the server's messages up to its authentication request.
async fn forward_authentication_request<S: AsyncRead + Unpin>(
    local: &mut UnixStream,
    upstream: &mut S,
) -> std::io::Result<()> {
    loop {
        let mut head = [0; 5];
        upstream.read_exact(&mut head).await?;
        let [kind, length @ ..] = head;
        let mut body = vec![0; message_length(&length)? - 4];
        upstream.read_exact(&mut body).await?;
        if kind == b'R' {
            body = without_channel_binding(&body);
        }
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        local
            .write_all(&[&[kind], length.to_be_bytes().as_slice(), &body].concat())
            .await?;
        if kind == b'R' || kind == b'E' {
            return Ok(());
        }
    }
}

/// Removes the SASL mechanisms with channel binding from an authentication request; any other
/// message is unchanged.
fn without_channel_binding(body: &[u8]) -> Vec<u8> {
    const SASL: [u8; 4] = 10_u32.to_be_bytes();
    match body.strip_prefix(&SASL) {
        Some(mechanisms) => {
            let kept = mechanisms
                .split_inclusive(|byte| *byte == 0)
                .filter(|name| !name.ends_with(b"-PLUS\0"));
            [SASL.as_slice(), &kept.collect::<Vec<_>>().concat()].concat()
        }
        None => body.to_vec(),
    }
}

/// Why there is no usable TLS configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TlsError(String);

enum Stream {
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    Plain(TcpStream),
}

impl ConnectError {
    /// The error as a message of Postgres. After the first code libpq tries the next
    /// server.
    fn message(&self) -> Vec<u8> {
        let (code, reason) = match self {
            ConnectError::Unreachable(reason) => ("57P03", reason),
            ConnectError::Refused(reason) => ("08006", reason),
        };
        let fields = format!(
            "SFATAL\0VFATAL\0C{code}\0M{}\0\0",
            reason.replace('\0', " ")
        );
        let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
        [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
    }
}

impl Upstream {
    async fn open(&self) -> Result<Stream, ConnectError> {
        let too_long =
            |_| ConnectError::Unreachable(format!("{} does not answer in time", self.name()));
        tokio::time::timeout(self.timeouts.connect * 2, self.open_without_timeout())
            .await
            .map_err(too_long)?
    }

    fn name(&self) -> String {
        format!("{} port {}", self.server.host, self.server.port)
    }

    async fn open_without_timeout(&self) -> Result<Stream, ConnectError> {
        let mut stream = self.connect().await?;
        let broken =
            |error: std::io::Error| ConnectError::Unreachable(format!("{}: {error}", self.name()));
        if !self.options.direct {
            stream.write_all(&SSL_REQUEST).await.map_err(broken)?;
            // One byte only: anything after it would not be authenticated by TLS.
            let answer = stream.read_u8().await.map_err(broken)?;
            match (answer, self.options.mode) {
                (b'S', _) => {}
                (b'N', SslMode::Prefer | SslMode::Disable) => {
                    self.observed
                        .store(Observed::Plain as u8, Ordering::Relaxed);
                    return Ok(Stream::Plain(stream));
                }
                (b'N', mode) => {
                    let reason = format!(
                        "{} offers no TLS, which sslmode={} wants",
                        self.name(),
                        mode.as_str()
                    );
                    return Err(ConnectError::Refused(reason));
                }
                _ => {
                    return Err(ConnectError::Refused(format!(
                        "{} answers the question for TLS as no Postgres does",
                        self.name()
                    )));
                }
            }
        }
        let config =
            client_config(&self.options).map_err(|error| ConnectError::Refused(error.0))?;
        let address = stream.peer_addr().map_err(broken)?.ip();
        let name = match ServerName::try_from(self.server.host.clone()) {
            Ok(name) => name,
            Err(_) if self.options.mode == SslMode::VerifyFull => {
                return Err(ConnectError::Refused(format!(
                    "{}: no certificate can be for such a host",
                    self.name()
                )));
            }
            Err(_) => ServerName::IpAddress(address.into()),
        };
        let tls = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await;
        let tls = tls.map_err(|error| ConnectError::Refused(self.explain(&error)))?;
        let observed = match tls.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => Observed::Tls13,
            _ => Observed::Tls12,
        };
        self.observed.store(observed as u8, Ordering::Relaxed);
        Ok(Stream::Tls(Box::new(tls)))
    }

    async fn connect(&self) -> Result<TcpStream, ConnectError> {
        let unreachable =
            |error: std::io::Error| ConnectError::Unreachable(format!("{}: {error}", self.name()));
        let host = self
            .server
            .address
            .as_ref()
            .unwrap_or(&self.server.host)
            .clone();
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, self.server.port))
            .await
            .map_err(unreachable)?
            .collect();
        let mut last_error =
            ConnectError::Unreachable(format!("{}: the name has no address", self.name()));
        for address in addresses {
            match tokio::time::timeout(self.timeouts.connect, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    self.tune(&stream).map_err(unreachable)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last_error = unreachable(error),
                Err(_) => {
                    last_error = ConnectError::Unreachable(format!(
                        "{} does not answer in time",
                        self.name()
                    ))
                }
            }
        }
        Err(last_error)
    }

    /// Sets socket options, so that a server that vanishes does not block a connection for minutes.
    fn tune(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(self.timeouts.unacknowledged))?;
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(self.timeouts.keepalive_idle)
                .with_interval(Duration::from_secs(2)),
        )
    }

    /// Describes an error, with the parameter that may fix it.
    fn explain(&self, error: &std::io::Error) -> String {
        let reason = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let explained = match reason {
            // A bad signature means a different CA of the same name.
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
                match &self.options.roots {
                    Some(Roots::File(file)) => {
                        format!("its certificate was not issued by a CA of sslrootcert={}", file.display())
                    }
                    _ => "its certificate was not issued by a CA that this system trusts; name another by sslrootcert".to_owned(),
                }
            }
            Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })) => {
                let names = if presented.is_empty() { "no host (subjectAltName)".to_owned() } else { presented.join(", ") };
                format!("its certificate is for {names}, and not for this host")
            }
            Some(rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
                "its certificate has expired".to_owned()
            }
            Some(other) => other.to_string(),
            None => error.to_string(),
        };
        format!(
            "no TLS with {} (sslmode={}): {explained}",
            self.name(),
            self.options.mode.as_str()
        )
    }
}

/// Builds the TLS configuration, again for each connection, so that renewed files take effect.
fn client_config(options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let versions: Vec<_> = [
        (options.tls13, &rustls::version::TLS13),
        (options.tls12, &rustls::version::TLS12),
    ]
    .into_iter()
    .filter_map(|(wanted, version)| wanted.then_some(version))
    .collect();
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder
        .with_protocol_versions(&versions)
        .map_err(|error| TlsError(error.to_string()))?;
    let (roots, named) = match &options.roots {
        None => (None, Vec::new()),
        Some(roots) => trusted(roots).map(|(roots, named)| (Some(roots), named))?,
    };
    let verifier = Verifier {
        roots,
        named,
        by_name: options.mode == SslMode::VerifyFull,
        algorithms,
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &options.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let describe = |name: &str, file: &std::path::Path, error: &dyn std::fmt::Display| {
                TlsError(format!("{name}={}: {error}", file.display()))
            };
            let chain = CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let chain = chain.map_err(|error| describe("sslcert", certificate, &error))?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| describe("sslkey", key, &error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| describe("sslcert", certificate, &error))?
        }
    };
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    config.enable_sni = options.sni;
    // There are few connections, and each must be verified in full.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn trusted(roots: &Roots) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsError> {
    let mut store = RootCertStore::empty();
    let Roots::File(file) = roots else {
        let loaded = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(loaded.certs);
        return match store.is_empty() {
            true => {
                let reason = "this system has no certificates of CAs; name a file by sslrootcert";
                Err(TlsError(reason.to_owned()))
            }
            false => Ok((store, Vec::new())),
        };
    };
    let describe = |error: &dyn std::fmt::Display| {
        TlsError(format!("sslrootcert={}: {error}", file.display()))
    };
    let certificates =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| describe(&error))?;
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|error| describe(&error))?;
    }
    if store.is_empty() {
        Err(describe(&"there is no certificate in it"))
    } else {
        Ok((store, certificates))
    }
}

/// Verifies the server's certificate as strictly as the `sslmode` requires. The handshake proves in
/// any case that the server has the private key of its certificate.
#[derive(Debug)]
struct Verifier {
    /// The trusted CAs; none if the certificate is not verified.
    roots: Option<RootCertStore>,
    /// The certificates of `sslrootcert`. A self-signed certificate of the server may be among
    /// them, and is then trusted as it is.
    named: Vec<CertificateDer<'static>>,
    by_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(roots) = &self.roots else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if !self.named.contains(end_entity) {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.by_name {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: CONNECT_TIMEOUT,
            unacknowledged: Duration::from_secs(4),
            keepalive_idle: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_binding_is_removed_from_the_offer() {
        let offer = |names: &str| [&[0, 0, 0, 10], names.as_bytes()].concat();
        assert_eq!(
            without_channel_binding(&offer("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")),
            offer("SCRAM-SHA-256\0\0")
        );
        assert_eq!(
            without_channel_binding(&offer("SCRAM-SHA-256\0\0")),
            offer("SCRAM-SHA-256\0\0")
        );
        for other in [[0, 0, 0, 0].as_slice(), &[0, 0, 0, 5, 1, 2, 3, 4], &[]] {
            assert_eq!(without_channel_binding(other), other);
        }
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for (bytes, wanted) in [
            ([0, 0, 0, 4], Some(4)),
            ([0, 0, 0, 3], None),
            ([0xff; 4], None),
            ([0, 1, 0, 0], Some(65536)),
        ] {
            assert_eq!(message_length(&bytes).ok(), wanted);
        }
    }
}
