//! The composition root: what serves, put together from its parts, and taken down in order.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::clock::Timestamp;
use crate::config::Settings;
use crate::directory::{self, Directory};
use crate::error::Error;
use crate::http;
use crate::manage::actor::{ALL_RIGHTS, OPERATOR_SCOPE};
use crate::manage::signing_key::{self, Times};
use crate::oauth::AuthorizationServer;
use crate::portal;
use crate::store::deployment::{self, Deployment};
use crate::store::token_records::TokenRecords;
use crate::store::{Store, api_key, audit, changes, client_assertion, counts, idempotency, invitation, session, token};

/// How long requests in flight may take once the server is told to stop.
const SHUTDOWN_SECONDS: u64 = 30;

/// How often ended rows are looked for, and how many go at a time.
const PURGE_EVERY: Duration = Duration::from_secs(5);
const PURGE_BATCH: i64 = 500;

/// How often what is collected in memory is written.
const USAGE_EVERY: Duration = Duration::from_secs(5);

/// How long API keys that have ended stay in lists.
const ENDED_KEYS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long counts are kept: the day that is shown, and the hour that has begun.
const COUNTS_KEPT: Duration = Duration::from_secs(25 * 3600);

/// How often the age of the signing key is looked at.
const ROTATION_EVERY: Duration = Duration::from_secs(1);

/// A server that listens and is ready to run.
pub struct Server {
    listener: TcpListener,
    tls: Option<ServerConfig>,
    oauth: web::Data<AuthorizationServer>,
    follower: directory::Follower,
}

impl Server {
    /// Listens, sees to the keys, and fills memory from the store.
    ///
    /// # Errors
    /// The address is taken; the certificate, the key file or the database cannot be used.
    pub async fn bind(mut settings: Settings, store: Arc<Store>, now: Timestamp) -> Result<Self, Error> {
        let reserved = |token: &str| ALL_RIGHTS.contains(&token) || token == OPERATOR_SCOPE;
        if let Some(right) = settings.registration_scope.iter().find(|token| reserved(token)) {
            return Err(Error::server_error(format!("registration_scope must not give anybody the right {right}")));
        }
        let listen = settings.listen;
        let unusable = |error: std::io::Error| Error::server_error(format!("cannot listen on {listen}: {error}"));
        let listener = TcpListener::bind(listen).map_err(unusable)?;
        // With port 0 only now is it known.
        settings.listen = listener.local_addr().map_err(unusable)?;
        let tls = match (&settings.tls_cert, &settings.tls_key) {
            (Some(cert), Some(key)) => Some(tls_config(cert, key).map_err(Error::server_error)?),
            _ => None,
        };

        let issuer = settings.issuer();
        let key_file = signing_key::key_file(&store, &settings.keys_dir).await?;
        let own = Deployment::new(issuer.to_string(), settings.jwks_max_age, settings.token_ttl, now);
        store.write(now, move |transaction| deployment::write(transaction, &own)).await.map_err(Error::from)?;
        signing_key::ensure(&store, &key_file, Times::in_force(&store, &settings).await?, now).await?;
        let (directory, follower) = Directory::open(store.clone(), now)?;
        let records = if settings.token_records.is_on() {
            TokenRecords::start(store.clone()).map_err(|error| Error::server_error(error.to_string()))?
        } else {
            TokenRecords::Off
        };
        let oauth = AuthorizationServer::new(settings, issuer, directory, store, key_file, records);
        let oauth = oauth.map_err(|error| Error::server_error(error.to_string()))?;
        Ok(Server { listener, tls, oauth: web::Data::new(oauth), follower })
    }

    /// The parts, for what is made at the first start.
    pub fn oauth(&self) -> &AuthorizationServer {
        &self.oauth
    }

    /// Serves until SIGTERM or SIGINT; then answers what is in flight, and returns.
    ///
    /// # Errors
    /// Where the system refuses threads or sockets.
    pub async fn run(self) -> std::io::Result<()> {
        self.follower.run()?;
        tokio::spawn(purge(self.oauth.clone()));
        tokio::spawn(rotate(self.oauth.clone()));
        tokio::spawn(write_usage(self.oauth.clone()));

        let (oauth, metrics) = (self.oauth.clone(), web::Data::new(http::Metrics::new(Timestamp::now().seconds())));
        let server = HttpServer::new(move || {
            let issuer = oauth.issuer.clone();
            App::new()
                .app_data(oauth.clone())
                .app_data(metrics.clone())
                .wrap(from_fn(http::observe))
                .configure(|config| portal::routes(&issuer, config))
                .configure(|config| http::routes(&issuer, config))
        });
        let server = server
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .client_request_timeout(Duration::from_secs(10))
            .keep_alive(Duration::from_secs(75))
            .disable_signals();
        let server = match self.tls {
            Some(tls) => server.listen_rustls_0_23(self.listener, tls)?,
            None => server.listen(self.listener)?,
        };
        let settings = &self.oauth.settings;
        tracing::info!(listen = %settings.listen, issuer = %self.oauth.issuer, database = %settings.database_url, "serving");
        if let Some(warning) = self.oauth.store.transport().warning() {
            tracing::warn!(database = %settings.database_url, "{warning}");
        }
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(async move {
            stop_signal().await;
            tracing::info!("stopping: no new connections, requests in flight are answered");
            handle.stop(true).await;
        });
        if settings.listen.ip().is_unspecified() && settings.issuer.is_none() {
            tracing::warn!(issuer = %self.oauth.issuer, "nobody can reach this issuer: set it to the URL that callers use");
        }
        running.await?;
        if let Err(error) = self.oauth.usage.write(&self.oauth.store).await {
            tracing::warn!(reason = %error, "cannot write what was counted and noted");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
        tracing::error!("cannot hear signals: stop this process with SIGKILL, nothing is lost by it");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn tls_config(cert: &Path, key: &Path) -> Result<ServerConfig, String> {
    let said = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| said(cert, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| said(key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    config.with_no_client_auth().with_single_cert(chain, private).map_err(|error| said(cert, &error))
}

/// Writes what is collected: when API keys were last used, failed authentications, and counts.
async fn write_usage(oauth: web::Data<AuthorizationServer>) {
    loop {
        tokio::time::sleep(USAGE_EVERY).await;
        if let Err(error) = oauth.usage.write(&oauth.store).await {
            tracing::warn!(reason = %error, "cannot write what was counted and noted");
        }
    }
}

/// Promise 7: what has ended goes, a little at a time. Every node does it; a row goes once.
async fn purge(oauth: web::Data<AuthorizationServer>) {
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        let now = Timestamp::now();
        oauth.directory.forget_ended(now);
        // A little late, so that no node with a slower clock still wants it.
        let ended = now.minus(Duration::from_secs(60));
        let unread = now.minus(directory::CHANGES_KEPT);
        let audit_kept = oauth.settings.audit_kept;
        loop {
            let batch = oauth.store.append(move |database| {
                let tokens = token::purge(database, ended, PURGE_BATCH)?;
                let assertions = client_assertion::purge(database, ended, PURGE_BATCH)?;
                let keys = api_key::purge(database, now.minus(ENDED_KEYS_KEPT), PURGE_BATCH)?;
                let keys = keys + idempotency::purge(database, ended, PURGE_BATCH)?;
                let people = session::purge(database, ended, PURGE_BATCH)? + invitation::purge(database, ended, PURGE_BATCH)?;
                let counted = counts::purge(database, now.minus(COUNTS_KEPT), PURGE_BATCH)?;
                let audited = audit::purge(database, now.minus(audit_kept), PURGE_BATCH)?;
                Ok(tokens + assertions + keys + people + counted + audited + changes::purge(database, unread, PURGE_BATCH)?)
            });
            match batch.await {
                Ok(0) => break,
                Ok(rows) => tracing::debug!(rows, "purged"),
                Err(error) => {
                    tracing::warn!(reason = %error, "cannot purge");
                    break;
                }
            }
            // Others write too.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Rotates the signing key when it reaches its age.
async fn rotate(oauth: web::Data<AuthorizationServer>) {
    loop {
        let times = match Times::in_force(&oauth.store, &oauth.settings).await {
            Ok(times) => times,
            Err(error) => {
                tracing::warn!(reason = error.reason(), "cannot see to the age of the signing key");
                tokio::time::sleep(ROTATION_EVERY).await;
                continue;
            }
        };
        tokio::time::sleep(ROTATION_EVERY).await;
        let keys = oauth.directory.known_signing_keys();
        let key_file = oauth.signing_keys.key_file();
        match signing_key::rotate_if_due(&oauth.store, &keys, key_file, times, Timestamp::now()).await {
            Ok(Some(key)) => tracing::info!(kid = key.kid, signs_from = %key.signs_from, "signing key rotated by age"),
            Ok(None) => {}
            Err(error) => tracing::warn!(reason = error.reason(), "cannot rotate the signing key"),
        }
    }
}
