//! TLS to Postgres. The libpq that is built in has none: OpenSSL needs Perl to be built, and this
//! needs nothing but Rust and a C compiler. So libpq connects to a socket of this process, and what
//! it says goes on by rustls to the server that the URL names.
//!
//! The socket takes nobody but this process. What it cannot do for libpq: channel binding, for which
//! libpq would have to see the server's certificate. The server's offer of it is left out of what
//! libpq reads, because libpq breaks off where it is offered on a connection that it takes for plain.

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

/// Where no `connect_timeout` is set.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The most that a message before the end of the authentication may hold.
const LARGEST_MESSAGE: usize = 64 * 1024;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const CANCEL_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x2e];

/// What the last connection to a server turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Plain,
    Tls12,
    Tls13,
}

impl Seen {
    fn of(number: u8) -> Self {
        [Seen::Nothing, Seen::Plain, Seen::Tls12, Seen::Tls13]
            .get(usize::from(number))
            .copied()
            .unwrap_or(Seen::Nothing)
    }
}

/// How long to wait for what on the way to a server.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub connect: Duration,
    /// How long what was sent may stay without an answer of the machine.
    pub unacknowledged: Duration,
    pub keepalive_idle: Duration,
}

/// Sockets of this process, one for each server, whose connections go on by TLS. Ends when dropped.
pub(super) struct Bridge {
    /// What libpq takes as `host`. The port is the server's number, from 1 on.
    pub host: String,
    seen: Arc<AtomicU8>,
    _running: oneshot::Sender<()>,
    #[cfg(not(target_os = "linux"))]
    _folder: Folder,
}

struct Far {
    server: Server,
    options: TlsOptions,
    patience: Patience,
    seen: Arc<AtomicU8>,
}

/// Why there is no connection.
enum Failure {
    /// Nobody answers: the next server may.
    Unreachable(String),
    /// Whoever answers is not to be talked to.
    Refused(String),
}

impl Bridge {
    /// Opens the sockets and starts the thread that serves them.
    ///
    /// # Errors
    /// Where the system gives no socket or no thread.
    pub fn start(
        servers: &[Server],
        options: &TlsOptions,
        patience: Patience,
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
        let seen = Arc::new(AtomicU8::new(Seen::Nothing as u8));
        let mut listeners = Vec::new();
        for (index, server) in servers
            .iter()
            .enumerate()
            .filter(|(_, server)| !server.is_socket())
        {
            let listener = listen(&format!("{host}/.s.PGSQL.{}", index + 1))?;
            listener.set_nonblocking(true)?;
            let far = Far {
                server: server.clone(),
                options: options.clone(),
                patience,
                seen: seen.clone(),
            };
            listeners.push((listener, Arc::new(far)));
        }
        let (running, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("postgres-tls".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    for (listener, far) in listeners {
                        tokio::spawn(accept(listener, far));
                    }
                    // Nothing is ever sent: it ends with the bridge.
                    let _ = ended.await;
                });
            })?;
        Ok(Bridge {
            host,
            seen,
            _running: running,
            #[cfg(not(target_os = "linux"))]
            _folder: folder,
        })
    }

    /// What the last connection turned out to be.
    pub fn seen(&self) -> Seen {
        Seen::of(self.seen.load(Ordering::Relaxed))
    }

    /// The next connection finds out again.
    pub fn forget(&self) {
        self.seen.store(Seen::Nothing as u8, Ordering::Relaxed);
    }
}

/// Without a name in the file system: nothing to clean up, and no folder that must be writable.
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

/// A folder of our own, for as long as the bridge stands.
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

async fn accept(listener: UnixListener, far: Arc<Far>) {
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(reason = %error, "no socket for TLS to Postgres"),
    };
    loop {
        match listener.accept().await {
            Ok((near, _)) => {
                tokio::spawn(serve(near, far.clone()));
            }
            Err(error) => {
                tracing::warn!(reason = %error, "cannot take a connection for TLS to Postgres");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(mut near: UnixStream, far: Arc<Far>) {
    // Another process, even of the same user, has no business here.
    let own = near
        .peer_cred()
        .ok()
        .and_then(|peer| peer.pid())
        .and_then(|pid| u32::try_from(pid).ok());
    if own != Some(std::process::id()) {
        return;
    }
    // What libpq says first, before anything is known of the server.
    let Ok(startup) = read_startup(&mut near).await else {
        return;
    };
    // An error on the way ends the connection, which libpq tells.
    let _ = match far.open().await {
        Ok(Stream::Tls(server)) => carry(near, *server, &startup).await,
        Ok(Stream::Plain(server)) => carry(near, server, &startup).await,
        Err(failure) => near.write_all(&failure.message()).await,
    };
}

async fn read_startup(near: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 4];
    near.read_exact(&mut message).await?;
    let length = message_length(&message)?;
    message.resize(length, 0);
    near.read_exact(message.get_mut(4..).unwrap_or_default())
        .await?;
    Ok(message)
}

/// The length that a message says it has, its own four bytes included.
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
                "a message of no possible length",
            )
        })
}

/// Bytes both ways, until one side ends.
async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    mut near: UnixStream,
    mut far: S,
    startup: &[u8],
) -> std::io::Result<()> {
    far.write_all(startup).await?;
    far.flush().await?;
    if startup.get(4..8) != Some(&CANCEL_REQUEST) {
        carry_offer(&mut near, &mut far).await?;
    }
    tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, 16 * 1024, 16 * 1024)
        .await
        .map(drop)
}

/// Carries what the server says until it asks for a password, or asks for none.
async fn carry_offer<S: AsyncRead + Unpin>(
    near: &mut UnixStream,
    far: &mut S,
) -> std::io::Result<()> {
    loop {
        let mut head = [0; 5];
        far.read_exact(&mut head).await?;
        let [kind, length @ ..] = head;
        let mut body = vec![0; message_length(&length)? - 4];
        far.read_exact(&mut body).await?;
        if kind == b'R' {
            body = without_channel_binding(&body);
        }
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        near.write_all(&[&[kind], length.to_be_bytes().as_slice(), &body].concat())
            .await?;
        if kind == b'R' || kind == b'E' {
            return Ok(());
        }
    }
}

/// An offer of SASL mechanisms without those that bind to the channel; every other message as it is.
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

enum Stream {
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    Plain(TcpStream),
}

impl Failure {
    /// As a Postgres says it. By the first code libpq goes on to the next server.
    fn message(&self) -> Vec<u8> {
        let (code, reason) = match self {
            Failure::Unreachable(reason) => ("57P03", reason),
            Failure::Refused(reason) => ("08006", reason),
        };
        let fields = format!(
            "SFATAL\0VFATAL\0C{code}\0M{}\0\0",
            reason.replace('\0', " ")
        );
        let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
        [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
    }
}

impl Far {
    async fn open(&self) -> Result<Stream, Failure> {
        let too_long = |_| Failure::Unreachable(format!("{} does not answer in time", self.name()));
        tokio::time::timeout(self.patience.connect * 2, self.open_at_leisure())
            .await
            .map_err(too_long)?
    }

    fn name(&self) -> String {
        format!("{} port {}", self.server.host, self.server.port)
    }

    async fn open_at_leisure(&self) -> Result<Stream, Failure> {
        let mut stream = self.connect().await?;
        let broken =
            |error: std::io::Error| Failure::Unreachable(format!("{}: {error}", self.name()));
        if !self.options.direct {
            stream.write_all(&SSL_REQUEST).await.map_err(broken)?;
            // One byte and no more: what came after it would have been said by nobody known.
            let answer = stream.read_u8().await.map_err(broken)?;
            match (answer, self.options.mode) {
                (b'S', _) => {}
                (b'N', SslMode::Prefer | SslMode::Disable) => {
                    self.seen.store(Seen::Plain as u8, Ordering::Relaxed);
                    return Ok(Stream::Plain(stream));
                }
                (b'N', mode) => {
                    let reason = format!(
                        "{} offers no TLS, which sslmode={} wants",
                        self.name(),
                        mode.as_str()
                    );
                    return Err(Failure::Refused(reason));
                }
                _ => {
                    return Err(Failure::Refused(format!(
                        "{} answers the question for TLS as no Postgres does",
                        self.name()
                    )));
                }
            }
        }
        let config = client_config(&self.options).map_err(Failure::Refused)?;
        let address = stream.peer_addr().map_err(broken)?.ip();
        let name = match ServerName::try_from(self.server.host.clone()) {
            Ok(name) => name,
            Err(_) if self.options.mode == SslMode::VerifyFull => {
                return Err(Failure::Refused(format!(
                    "{}: no certificate can be for such a host",
                    self.name()
                )));
            }
            Err(_) => ServerName::IpAddress(address.into()),
        };
        let tls = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await;
        let tls = tls.map_err(|error| Failure::Refused(self.explain(&error)))?;
        let seen = match tls.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => Seen::Tls13,
            _ => Seen::Tls12,
        };
        self.seen.store(seen as u8, Ordering::Relaxed);
        Ok(Stream::Tls(Box::new(tls)))
    }

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let unreachable =
            |error: std::io::Error| Failure::Unreachable(format!("{}: {error}", self.name()));
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
        let mut failure = Failure::Unreachable(format!("{}: the name has no address", self.name()));
        for address in addresses {
            match tokio::time::timeout(self.patience.connect, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    self.tune(&stream).map_err(unreachable)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = unreachable(error),
                Err(_) => {
                    failure =
                        Failure::Unreachable(format!("{} does not answer in time", self.name()))
                }
            }
        }
        Err(failure)
    }

    /// A server that went away without a word must not hang a connection for minutes.
    fn tune(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(self.patience.unacknowledged))?;
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(self.patience.keepalive_idle)
                .with_interval(Duration::from_secs(2)),
        )
    }

    /// What is wrong, by the name of the setting that mends it.
    fn explain(&self, error: &std::io::Error) -> String {
        let reason = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let explained = match reason {
            // A bad signature: another CA of the same name.
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

/// Read for each connection, so that renewed files count.
fn client_config(options: &TlsOptions) -> Result<ClientConfig, String> {
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
        .map_err(|error| error.to_string())?;
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
            let said = |name: &str, file: &std::path::Path, error: &dyn std::fmt::Display| {
                format!("{name}={}: {error}", file.display())
            };
            let chain = CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let chain = chain.map_err(|error| said("sslcert", certificate, &error))?;
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| said("sslkey", key, &error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| said("sslcert", certificate, &error))?
        }
    };
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    config.enable_sni = options.sni;
    // There are few connections, and each is to be looked at whole.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn trusted(roots: &Roots) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let mut store = RootCertStore::empty();
    let Roots::File(file) = roots else {
        let loaded = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(loaded.certs);
        return match store.is_empty() {
            true => {
                Err("this system has no certificates of CAs; name a file by sslrootcert".to_owned())
            }
            false => Ok((store, Vec::new())),
        };
    };
    let said = |error: &dyn std::fmt::Display| format!("sslrootcert={}: {error}", file.display());
    let certificates =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| said(&error))?;
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|error| said(&error))?;
    }
    if store.is_empty() {
        Err(said(&"there is no certificate in it"))
    } else {
        Ok((store, certificates))
    }
}

/// As strict as the `sslmode`. In any case the server must hold the key of its certificate.
#[derive(Debug)]
struct Verifier {
    /// None: whoever answers.
    roots: Option<RootCertStore>,
    /// The certificates of `sslrootcert`. Many a server has a certificate that it signed itself, which
    /// is named there: it is trusted as it stands.
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

impl Default for Patience {
    fn default() -> Self {
        Patience {
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
    fn an_offer_without_channel_binding() {
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
    fn lengths_that_cannot_be() {
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
