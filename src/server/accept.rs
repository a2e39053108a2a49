//! From an accepted socket to HTTP: the connection table, TLS, the HTTP version, the application.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use tokio_util::either::Either;

use super::Listener;
use crate::client_certificate::ClientCertificate;
use crate::net::connections::{Activity, Connection, Connections};
use crate::net::tls::{Certificate, ClientCertificateRequest};

/// How long a peer may take to send the head of its first request.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may take to shut down.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long requests in flight may take after the server was asked to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 30;

/// The HTTP/2 flow-control windows: how much of a body a peer may send before a handler reads it.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// A connection in clear text or with TLS.
type Stream = Either<Connection, TlsStream<Connection>>;

/// A stream with its HTTP version and the address of the peer, as actix-http takes it.
type Accepted = (Stream, Protocol, Option<SocketAddr>);

/// Which clients are asked for a certificate in the TLS handshake. A browser that has one would ask
/// its user which to present, so a host name of its own is best (RFC 8705 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedClients {
    /// None.
    Nobody,
    /// All.
    Everybody,
    /// Those that ask for this host name (RFC 6066 section 3).
    OfHost(String),
}

/// How a listener serves.
pub struct Options {
    /// Whether HTTP/2 is accepted in clear text.
    pub http2_cleartext: bool,
    /// Which clients are asked for a certificate.
    pub asked_clients: AskedClients,
}

/// Starts the workers, each with an application of its own. Returns the future that ends when they
/// do.
///
/// # Errors
/// The system refuses threads or sockets, or TLS cannot be set up.
pub fn start<F, I, S, B>(
    listener: Listener,
    connections: &Arc<Connections>,
    options: Options,
    application: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error>,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>>,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let workers = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections.accept_limit().div_ceil(workers))
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
    let stopping = server.graceful_shutdown_signal();
    let (name, security) = match &listener.certificate {
        Some(certificate) => {
            let security = Security::tls(certificate, options.asked_clients);
            ("https", security.map_err(io::Error::other)?)
        }
        None => {
            let http2_cleartext = options.http2_cleartext;
            ("http", Security::ClearText { http2_cleartext })
        }
    };
    let connections = connections.clone();
    let server = server.listen(name, listener.socket, move || {
        let (connections, security) = (connections.clone(), security.clone());
        let accept = fn_service(move |stream: TcpStream| {
            let admitted = admit(&connections, stream);
            let security = security.clone();
            async move {
                security
                    .negotiate(admitted?)
                    .await
                    .map_err(DispatchError::Io)
            }
        });
        let application = application()
            .into_factory()
            .map_err(|error| error.into().error_response());
        let stopping = stopping.clone();
        let http = HttpService::build()
            // The connection table closes idle connections, without a timer for each request.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(REQUEST_HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .h2_initial_window_size(STREAM_WINDOW)
            .h2_initial_connection_window_size(CONNECTION_WINDOW)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|stream: &Stream, data| {
                data.insert(activity(stream).clone());
                if let Some(certificate) = client_certificate(stream) {
                    data.insert(certificate);
                }
            })
            .finish(map_config(application, |()| AppConfig::default()));
        accept.and_then(http)
    })?;
    Ok(server.run())
}

fn admit(connections: &Arc<Connections>, stream: TcpStream) -> Result<Connection, DispatchError> {
    connections.admit(stream).ok_or_else(|| {
        let refused = io::Error::new(io::ErrorKind::QuotaExceeded, "too many connections");
        DispatchError::Io(refused)
    })
}

fn activity(stream: &Stream) -> &Arc<Activity> {
    match stream {
        Either::Left(connection) => connection.activity(),
        Either::Right(stream) => stream.get_ref().0.activity(),
    }
}

/// The certificate that the client presented in the handshake, or in the one that its session
/// resumes; none if it presented none.
fn client_certificate(stream: &Stream) -> Option<ClientCertificate> {
    let Either::Right(stream) = stream else {
        return None;
    };
    let certificates = stream.get_ref().1.peer_certificates()?;
    Some(ClientCertificate::of_connection(certificates))
}

/// How connections of a listener are protected.
#[derive(Clone)]
enum Security {
    Tls(TlsAcceptor),
    /// TLS that asks for a client certificate for one host name alone. Sessions are not shared: one
    /// without a certificate cannot be resumed where one is asked for.
    TlsByHost {
        host: String,
        asking: Arc<ServerConfig>,
        other: Arc<ServerConfig>,
    },
    ClearText {
        http2_cleartext: bool,
    },
}

impl Security {
    fn tls(certificate: &Arc<Certificate>, asked: AskedClients) -> Result<Self, rustls::Error> {
        let config = |request| certificate.server_config(request);
        Ok(match asked {
            AskedClients::Nobody => Security::Tls(config(ClientCertificateRequest::None)?.into()),
            AskedClients::Everybody => {
                Security::Tls(config(ClientCertificateRequest::Optional)?.into())
            }
            AskedClients::OfHost(host) => Security::TlsByHost {
                host,
                asking: config(ClientCertificateRequest::Optional)?,
                other: config(ClientCertificateRequest::None)?,
            },
        })
    }

    /// Performs the TLS handshake, if any, and finds out the HTTP version.
    async fn negotiate(&self, connection: Connection) -> io::Result<Accepted> {
        let peer = connection.peer();
        let (stream, http2) = match self {
            Security::Tls(acceptor) => {
                let stream = acceptor.accept(connection).await?;
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                (Either::Right(stream), http2)
            }
            Security::TlsByHost {
                host,
                asking,
                other,
            } => {
                let start = LazyConfigAcceptor::new(Acceptor::default(), connection).await?;
                let name = start.client_hello().server_name().map(str::to_owned);
                let config = match name {
                    Some(name) if name.eq_ignore_ascii_case(host) => asking,
                    _ => other,
                };
                let stream = start.into_stream(config.clone()).await?;
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                (Either::Right(stream), http2)
            }
            Security::ClearText { http2_cleartext } => {
                let http2 = *http2_cleartext && connection.begins_with_http2().await?;
                (Either::Left(connection), http2)
            }
        };
        let protocol = if http2 {
            activity(&stream).set_http2();
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        Ok((stream, protocol, peer))
    }
}
