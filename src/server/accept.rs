//! From an accepted socket to HTTP: the table of connections, TLS, the version of HTTP, the application.

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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Listener;
use crate::net::connections::{Activity, Connection, Connections};

/// How long a peer may take to send the head of its first request.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection that ends may take to do so.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long requests in flight may take once the server stops, in seconds.
const SHUTDOWN_SECONDS: u64 = 30;

/// How much of a body a peer may send by HTTP/2 before somebody reads it: by stream, by connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Starts the workers, each with an application of its own; gives the future that ends when they do.
///
/// # Errors
/// The system refuses threads or sockets; TLS cannot be set up.
pub fn start<F, I, S, B>(
    listener: Listener,
    connections: &Arc<Connections>,
    http2_cleartext: bool,
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
    let connections = connections.clone();
    let server = match &listener.certificate {
        Some(certificate) => {
            let config = certificate.server_config().map_err(io::Error::other)?;
            let acceptor = TlsAcceptor::from(Arc::new(config));
            server.listen("https", listener.socket, move || {
                let (connections, acceptor, stopping) =
                    (connections.clone(), acceptor.clone(), stopping.clone());
                let tls = fn_service(move |stream: TcpStream| {
                    let (connection, acceptor) = (admit(&connections, stream), acceptor.clone());
                    async move {
                        handshake(connection?, acceptor)
                            .await
                            .map_err(DispatchError::Io)
                    }
                });
                tls.and_then(http(
                    application(),
                    |stream: &TlsStream<Connection>| stream.get_ref().0.activity(),
                    move || {
                        let stopping = stopping.clone();
                        async move { stopping.notified().await }
                    },
                ))
            })?
        }
        None => server.listen("http", listener.socket, move || {
            let (connections, stopping) = (connections.clone(), stopping.clone());
            let plain = fn_service(move |stream: TcpStream| {
                let connection = admit(&connections, stream);
                async move {
                    version(connection?, http2_cleartext)
                        .await
                        .map_err(DispatchError::Io)
                }
            });
            plain.and_then(http(application(), Connection::activity, move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            }))
        })?,
    };
    Ok(server.run())
}

/// A connection with what actix wants to know of it.
type Accepted<T> = (T, Protocol, Option<SocketAddr>);

fn admit(connections: &Arc<Connections>, stream: TcpStream) -> Result<Connection, DispatchError> {
    let refused = || {
        DispatchError::Io(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            "too many connections",
        ))
    };
    connections.admit(stream).ok_or_else(refused)
}

async fn handshake(
    connection: Connection,
    acceptor: TlsAcceptor,
) -> io::Result<Accepted<TlsStream<Connection>>> {
    let peer = connection.peer();
    let stream = acceptor.accept(connection).await?;
    let (connection, session) = stream.get_ref();
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => http2(connection),
        _ => Protocol::Http1,
    };
    Ok((stream, protocol, peer))
}

async fn version(
    connection: Connection,
    http2_cleartext: bool,
) -> io::Result<Accepted<Connection>> {
    let protocol = match http2_cleartext && connection.begins_with_http2().await? {
        true => http2(&connection),
        false => Protocol::Http1,
    };
    let peer = connection.peer();
    Ok((connection, protocol, peer))
}

fn http2(connection: &Connection) -> Protocol {
    connection.activity().set_http2();
    Protocol::Http2
}

fn http<T, I, S, B, G>(
    application: I,
    activity: fn(&T) -> &Arc<Activity>,
    stopping: impl Fn() -> G + 'static,
) -> impl ServiceFactory<Accepted<T>, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error>,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>>,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
    G: Future<Output = ()> + 'static,
{
    let application = application
        .into_factory()
        .map_err(|error| error.into().error_response());
    HttpService::build()
        // The table of connections closes idle ones, without a timer for each request.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(REQUEST_HEAD_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .h2_initial_window_size(STREAM_WINDOW)
        .h2_initial_connection_window_size(CONNECTION_WINDOW)
        .graceful_shutdown_signal(stopping)
        .on_connect_ext(move |stream: &T, data| {
            data.insert(activity(stream).clone());
        })
        .finish(map_config(application, |()| AppConfig::default()))
}
