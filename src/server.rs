//! The composition root: makes the parts of a server, runs them, and stops them in order.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::{App, web};

use crate::cache::{self, Cache};
use crate::clock::Timestamp;
use crate::config::{Issuer, MtlsBaseUrl, Settings};
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::Error;
use crate::http;
use crate::jobs::{self, ReloadedFiles, cluster_settings};
use crate::manage::signing_key::{self, RotationPolicy, SigningKeyServices};
use crate::net::connections::Connections;
use crate::net::listener;
use crate::net::tls::Certificate;
use crate::oauth::AuthorizationServer;
use crate::portal;
use crate::span::Scope;
use crate::store::token_records::TokenRecords;
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;

mod accept;
mod reload;
mod signals;

use accept::AskedClients;
pub use cluster_settings::IssuerChange;
pub use reload::ReadSettings;
use signals::Action;
pub use signals::Signals;

/// The listening socket and its certificate. Opened before the database, so that a server that
/// cannot serve creates nothing.
pub struct Listener {
    socket: TcpListener,
    certificate: Option<Arc<Certificate>>,
    max_connections: usize,
}

impl Listener {
    /// Listens on the address of the settings, and reads the TLS files.
    ///
    /// # Errors
    /// The address is in use; a setting or the certificate cannot be used; `max_connections` is
    /// more than the system allows.
    pub fn bind(settings: &Settings) -> Result<Self, Error> {
        let certificate = match (&settings.tls_cert, &settings.tls_key) {
            (Some(cert), Some(key)) => Some(Certificate::load(cert, key)?),
            _ => None,
        };
        let descriptors = listener::raise_descriptor_limit();
        let max_connections = listener::connection_limit(descriptors, settings.max_connections)
            .map_err(|error| Error::server_error(error.to_string()).field("max_connections"))?;
        let listen = settings.listen;
        let socket = listener::listen(listen).map_err(|error| {
            Error::server_error(format!("cannot listen on {listen}: {error}")).field("listen")
        })?;
        Ok(Listener {
            socket,
            certificate,
            max_connections,
        })
    }
}

/// A server that listens and is ready to run.
pub struct Server {
    listener: Listener,
    oauth: web::Data<AuthorizationServer>,
    poller: cache::Poller,
}

impl Server {
    /// Opens the keys, and fills the cache from the store.
    ///
    /// # Errors
    /// The key file or the database cannot be used; nodes of this database serve with another
    /// issuer, and `issuer_change` does not allow to replace it.
    pub async fn new(
        listener: Listener,
        mut settings: Settings,
        store: Arc<Store>,
        issuer_change: IssuerChange,
        now: Timestamp,
    ) -> Result<Self, Error> {
        // Port 0 in the settings has become a real port, which the default issuer contains.
        settings.listen = listener
            .socket
            .local_addr()
            .map_err(|error| Error::server_error(error.to_string()))?;
        let issuer = settings.issuer();
        settings.check(&issuer)?;
        let sealing_keys = prepare(&store, &settings, &issuer, issuer_change, now).await?;
        let (cache, poller) = open_cache(store.clone(), now).await?;
        let records = if settings.token_records.is_on() {
            TokenRecords::start(store.clone())
                .map_err(|error| Error::server_error(error.to_string()))?
        } else {
            TokenRecords::Off
        };
        let oauth =
            AuthorizationServer::new(settings, issuer, cache, store, sealing_keys, records)?;
        // Before the first request: the clock of this machine may be days behind.
        oauth.learn_seen().await?;
        Ok(Server {
            listener,
            oauth: web::Data::new(oauth),
            poller,
        })
    }

    /// The authorization server, for what the first start creates.
    pub fn oauth(&self) -> &AuthorizationServer {
        &self.oauth
    }

    /// Serves until SIGTERM or SIGINT, then finishes the requests in flight. SIGHUP reloads the
    /// settings and the TLS files; one that arrived during the start is handled first.
    ///
    /// # Errors
    /// The system refuses threads or sockets.
    pub async fn run(
        self,
        signals: Signals,
        telemetry: Telemetry,
        read_settings: ReadSettings,
    ) -> std::io::Result<()> {
        let Server {
            listener,
            oauth,
            poller,
        } = self;
        poller.run()?;
        let certificate = listener.certificate.clone();
        let max_connections = listener.max_connections;
        let connections = connections(max_connections, &oauth);
        let files = ReloadedFiles {
            certificate: certificate.clone(),
            client_authorities: oauth.client_authorities().cloned(),
        };
        let jobs = jobs::start(&oauth, &connections, &files, portal::mail_text::render);
        let process = web::Data::new(http::ProcessState {
            connections: connections.clone(),
            telemetry: telemetry.clone(),
            certificate: certificate.clone(),
        });
        let documents = web::Data::new(http::Documents::new(&oauth));
        let application = {
            let oauth = oauth.clone();
            move || {
                let issuer = oauth.issuer.clone();
                App::new()
                    .app_data(oauth.clone())
                    .app_data(process.clone())
                    .app_data(documents.clone())
                    .wrap(from_fn(http::observe))
                    .configure(|config| portal::routes(&issuer, config))
                    .configure(|config| http::routes(&issuer, config))
            }
        };
        let options = accept::Options {
            http2_cleartext: oauth.settings.http2_cleartext.is_on(),
            asked_clients: asked_clients(&oauth),
        };
        let running = accept::start(listener, &connections, options, application)?;
        log_start(&oauth, max_connections);
        let reload = {
            let oauth = oauth.clone();
            move || reload::reload(&oauth, &telemetry, &read_settings, &files)
        };
        tokio::spawn(handle_signals(
            signals,
            reload,
            connections,
            running.handle(),
        ));
        running.await?;
        jobs.finish().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Prepares the database for this node: the settings that all nodes share, the keys that seal, and
/// a key that signs. On a read-only database these must be there already, for a node that only
/// serves reads.
async fn prepare(
    store: &Arc<Store>,
    settings: &Settings,
    issuer: &Issuer,
    issuer_change: IssuerChange,
    now: Timestamp,
) -> Result<SealingKeyFile, Error> {
    let read_only = matches!(store.check_writable().await, Err(StoreError::ReadOnly));
    let sealing_keys = signing_key::open_or_create_sealing_keys(store, &settings.keys_dir).await?;
    let own = cluster_settings::own(settings, issuer, now);
    if read_only {
        tracing::warn!(
            "the database is read-only: until it accepts writes no token is issued and nothing can be changed"
        );
        cluster_settings::compare(store, &own, issuer).await?;
        signing_key::check(store, &sealing_keys, now).await?;
    } else {
        cluster_settings::join(store, own, issuer, issuer_change, now).await?;
        let services = SigningKeyServices {
            store,
            sealing_keys: &sealing_keys,
            policy: RotationPolicy::effective(store, settings).await?,
        };
        signing_key::ensure(services, now).await?;
    }
    Ok(sealing_keys)
}

async fn open_cache(
    store: Arc<Store>,
    now: Timestamp,
) -> Result<(Arc<Cache>, cache::Poller), Error> {
    Scope::current()
        .run_blocking(move || Cache::open(store, now))
        .await
        .map_err(|error| Error::server_error(error.to_string()))?
        .map_err(Error::from)
}

fn connections(max_connections: usize, oauth: &web::Data<AuthorizationServer>) -> Arc<Connections> {
    let oauth = oauth.clone();
    Connections::new(
        max_connections,
        Box::new(move |address| oauth.settings.trusted_proxies.contains(address)),
    )
}

/// Which clients are asked for a certificate: those that use the host name of `mtls_base_url`, if
/// it is another one than that of the issuer.
fn asked_clients(oauth: &AuthorizationServer) -> AskedClients {
    if !oauth.settings.tls_client_certificate.is_on() {
        return AskedClients::Nobody;
    }
    let base_url = oauth.settings.mtls_base_url.as_ref();
    match base_url.and_then(MtlsBaseUrl::host_name) {
        Some(host) if !oauth.issuer.has_host(host) => AskedClients::OfHost(host.to_owned()),
        _ => AskedClients::Everybody,
    }
}

fn log_start(oauth: &AuthorizationServer, max_connections: usize) {
    let settings = oauth.settings.current();
    let (issuer, database) = (&oauth.issuer, &settings.database_url);
    tracing::info!(listen = %settings.listen, %issuer, %database, max_connections, "serving");
    if settings.listen.ip().is_unspecified() && settings.issuer.is_none() {
        tracing::warn!(
            %issuer,
            "clients cannot reach this issuer: set it to the URL that they use"
        );
    }
    if let Some(warning) = oauth.store.transport().warning() {
        tracing::warn!(%database, "{warning}");
    }
}

/// Reloads at each SIGHUP. At SIGTERM or SIGINT stops the workers, and closes connections as soon
/// as they are idle.
async fn handle_signals(
    mut signals: Signals,
    reload: impl Fn(),
    connections: Arc<Connections>,
    workers: actix_web::dev::ServerHandle,
) {
    while signals.next().await == Action::Reload {
        reload();
    }
    tracing::info!("stopping: no new connections, requests in flight are finished");
    tokio::select! {
        () = connections.drain() => {}
        () = workers.stop(true) => {}
    }
}
