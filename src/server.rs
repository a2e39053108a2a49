//! The composition root: what serves, put together from its parts, and taken down in order.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, web};

use crate::cache::{self, Cache};
use crate::clock::Timestamp;
use crate::config::{Issuer, Reload, Settings};
use crate::error::Error;
use crate::http;
use crate::jobs;
use crate::manage::signing_key::{self, Times};
use crate::net::connections::Connections;
use crate::net::listener;
use crate::net::tls::Certificate;
use crate::oauth::AuthorizationServer;
use crate::portal;
use crate::store::deployment::{self, Deployment, Difference, Joined};
use crate::store::token_records::TokenRecords;
use crate::store::{Store, StoreError};
use crate::telemetry::Log;

mod accept;
mod signals;

use signals::Request;
pub use signals::Signals;

/// How often a node says that it still serves, and compares what it serves with.
const DEPLOYMENT_EVERY: Duration = Duration::from_secs(60);

/// What listens, before anything else is made or opened: whoever cannot serve leaves no trace.
pub struct Listener {
    socket: TcpListener,
    certificate: Option<Arc<Certificate>>,
    max_connections: usize,
}

impl Listener {
    /// Listens on the address of the settings, and reads the TLS files.
    ///
    /// # Errors
    /// The address is taken; a setting or the certificate cannot be used; more connections are wanted than the system
    /// allows.
    pub fn bind(settings: &Settings) -> Result<Self, Error> {
        let certificate = match (&settings.tls_cert, &settings.tls_key) {
            (Some(cert), Some(key)) => Some(Certificate::load(cert, key)?),
            _ => None,
        };
        let descriptors = listener::raise_descriptor_limit();
        let max_connections = listener::connection_limit(descriptors, settings.max_connections)
            .map_err(|reason| Error::server_error(reason).field("max_connections"))?;
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

/// Reads the settings as at the start.
pub type ReadSettings = Box<dyn Fn() -> Result<Settings, String> + Send>;

/// A server that listens and is ready to run.
pub struct Server {
    listener: Listener,
    oauth: web::Data<AuthorizationServer>,
    poller: cache::Poller,
}

impl Server {
    /// Sees to the keys, and fills memory from the store.
    ///
    /// # Errors
    /// The key file or the database cannot be used; nodes of this database serve with another issuer, and
    /// `change_issuer` does not allow to replace it.
    pub async fn new(
        listener: Listener,
        mut settings: Settings,
        store: Arc<Store>,
        change_issuer: bool,
        now: Timestamp,
    ) -> Result<Self, Error> {
        // With port 0 only now is it known.
        settings.listen = listener
            .socket
            .local_addr()
            .map_err(|error| Error::server_error(error.to_string()))?;

        let issuer = settings.issuer();
        settings.check(&issuer)?;
        // With one that takes no changes, a node whose keys and issuer are there already can serve what only reads.
        let read_only = matches!(store.check_writable().await, Err(StoreError::ReadOnly));
        let sealing_keys = signing_key::sealing_keys(&store, &settings.keys_dir).await?;
        let own = deployment_of(&settings, &issuer, now);
        if read_only {
            tracing::warn!(
                "the database is read-only: no token is issued and nothing is changed until it is not"
            );
            compare(&store, &own, &issuer).await?;
            signing_key::check(&store, &sealing_keys, now).await?;
        } else {
            join(&store, own, &settings, change_issuer, now).await?;
            signing_key::ensure(
                &store,
                &sealing_keys,
                Times::in_force(&store, &settings).await?,
                now,
            )
            .await?;
        }
        let opened = {
            let store = store.clone();
            tokio::task::spawn_blocking(move || Cache::open(store, now)).await
        };
        let (cache, poller) = opened.map_err(|error| Error::server_error(error.to_string()))??;
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

    /// The parts, for what is made at the first start.
    pub fn oauth(&self) -> &AuthorizationServer {
        &self.oauth
    }

    /// Serves until SIGTERM or SIGINT; then answers what is in flight, and returns. SIGHUP reads the
    /// settings and the TLS files again. One that came while the server started is answered first.
    ///
    /// # Errors
    /// Where the system refuses threads or sockets.
    pub async fn run(
        self,
        mut signals: Signals,
        log: Log,
        read_settings: ReadSettings,
    ) -> std::io::Result<()> {
        let Server {
            listener,
            oauth,
            poller,
        } = self;
        let settings = oauth.settings.current();
        poller.run()?;
        jobs::start(&oauth);
        tokio::spawn(compare_nodes(oauth.clone()));

        let trusted = oauth.clone();
        let connections = Connections::new(
            listener.max_connections,
            Box::new(move |address| trusted.settings.trusted_proxies.contains(address)),
        );
        tokio::spawn(connections.clone().sweep());
        let documents = web::Data::new(http::Documents::new(&oauth));
        let certificate = listener.certificate.clone();
        let process = http::ProcessState {
            connections: connections.clone(),
            log: log.clone(),
            certificate: certificate.clone(),
        };
        let process = web::Data::new(process);
        if let Some(certificate) = certificate.clone() {
            tokio::spawn(certificate.watch());
        }

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
        let http2_cleartext = settings.http2_cleartext.is_on();
        let (listen, max_connections) = (settings.listen, listener.max_connections);
        let running = accept::start(listener, &connections, http2_cleartext, application)?;
        tracing::info!(%listen, issuer = %oauth.issuer, database = %settings.database_url, max_connections, "serving");
        if listen.ip().is_unspecified() && settings.issuer.is_none() {
            tracing::warn!(issuer = %oauth.issuer, "nobody can reach this issuer: set it to the URL that callers use");
        }
        if let Some(warning) = oauth.store.transport().warning() {
            tracing::warn!(database = %settings.database_url, "{warning}");
        }
        let handle = running.handle();
        let reload = {
            let oauth = oauth.clone();
            move || reload(&oauth, &log, &read_settings, certificate.as_deref())
        };
        tokio::spawn(async move {
            while signals.next().await == Request::Reload {
                reload();
            }
            tracing::info!("stopping: no new connections, requests in flight are answered");
            connections.stop();
            handle.stop(true).await;
        });
        running.await?;
        if let Err(error) = oauth.usage.write(&oauth.store, Timestamp::now()).await {
            tracing::warn!(reason = %error, "cannot write what was counted and noted");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

fn deployment_of(settings: &Settings, issuer: &Issuer, now: Timestamp) -> Deployment {
    let issuer_set = settings.issuer.is_some();
    Deployment::new(
        issuer.to_string(),
        issuer_set,
        settings.jwks_max_age,
        settings.token_ttl,
        &settings.shared(),
        now,
    )
}

/// Joins the nodes of this database. A default issuer may take the place of another default: it follows the
/// address that is listened on. Any other change must be asked for.
async fn join(
    store: &Arc<Store>,
    own: Deployment,
    settings: &Settings,
    change_issuer: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let issuer = settings.issuer();
    let may_replace = {
        let issuer_set = own.issuer_set;
        move |before: &Deployment| change_issuer || !issuer_set && !before.issuer_set
    };
    match store
        .write(now, move |transaction| {
            deployment::join(transaction, &own, may_replace)
        })
        .await
        .map_err(Error::from)?
    {
        Joined::Serves {
            differences,
            replaced,
        } => {
            warn_of(&differences);
            if let Some(before) = replaced {
                tracing::warn!(
                    before,
                    issuer = issuer.as_str(),
                    "the issuer was changed: tokens, links and sessions of the one before are refused, and a node that still \
                     serves with it must be restarted"
                );
            }
            Ok(())
        }
        Joined::OtherIssuer(before) => Err(other_issuer(&issuer, &before)),
    }
}

fn other_issuer(issuer: &Issuer, before: &Deployment) -> Error {
    let slash = before.issuer.trim_end_matches('/') == issuer.as_str().trim_end_matches('/');
    let (theirs, used_at) = (&before.issuer, before.used_at);
    Error::server_error(format!(
        "here the issuer is {issuer}, and nodes of this database served as {theirs} at {used_at}{}: tokens, links and \
         sessions of one are worth nothing at the other; set the same issuer, or change it on purpose with \
         `keyward serve --change-issuer`",
        if slash { " (they differ by the slash at the end)" } else { "" }
    ))
    .field("issuer")
}

/// Instead of [`join`], where nothing can be written: this node must serve as the others do.
async fn compare(store: &Arc<Store>, own: &Deployment, issuer: &Issuer) -> Result<(), Error> {
    match store.read(deployment::find).await? {
        None => Err(StoreError::ReadOnly.into()),
        Some(before) if before.issuer != own.issuer => Err(other_issuer(issuer, &before)),
        Some(before) => {
            warn_of(&own.differences(&before));
            Ok(())
        }
    }
}

fn warn_of(differences: &[Difference]) {
    for Difference {
        setting,
        own,
        other,
    } in differences
    {
        tracing::warn!(
            setting,
            own,
            other,
            "another node serves with another value of this setting; set the same on all nodes"
        );
    }
}

/// Says that this node still serves, and warns where others began to serve with something else.
async fn compare_nodes(oauth: web::Data<AuthorizationServer>) {
    let mut known = Vec::new();
    loop {
        tokio::time::sleep(DEPLOYMENT_EVERY).await;
        let (now, issuer) = (Timestamp::now(), oauth.issuer.to_string());
        let own = deployment_of(&oauth.settings, &oauth.issuer, now);
        match oauth
            .store
            .write_untracked(move |database| deployment::touch(database, &issuer, now))
            .await
        {
            Ok(Some(row)) if row.issuer != own.issuer => {
                tracing::warn!(
                    own = own.issuer,
                    other = row.issuer,
                    "the issuer was changed; restart this node with the new one"
                );
            }
            Ok(Some(row)) => {
                let differences = own.differences(&row);
                if differences != known {
                    warn_of(&differences);
                    known = differences;
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(reason = %error, "cannot compare what the nodes serve with")
            }
        }
    }
}

/// Reads the settings and the TLS files again. Settings that cannot be used change nothing.
fn reload(
    oauth: &AuthorizationServer,
    log: &Log,
    read_settings: &ReadSettings,
    certificate: Option<&Certificate>,
) {
    if let Some(certificate) = certificate {
        certificate.reload();
    }
    let checked = |settings: Settings| match settings.check(&oauth.issuer) {
        Ok(()) => Ok(settings),
        Err(error) => Err(format!(
            "{}: {}",
            error.wrong_field().unwrap_or_default(),
            error.reason()
        )),
    };
    let settings = read_settings().and_then(checked);
    let changed = match settings {
        Ok(settings) => oauth.settings.reload(settings),
        Err(reason) => {
            return tracing::error!(
                reason,
                "cannot reload the settings: the present ones stay in use"
            );
        }
    };
    let names = |reload: Reload| {
        let names = changed
            .iter()
            .filter(|(_, outcome)| *outcome == reload)
            .map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let (reloaded, restart) = (names(Reload::Applied), names(Reload::NeedsRestart));
    if let Err(error) = log.set_filter(&oauth.settings.log) {
        tracing::error!(reason = error.reason(), "cannot change the log filter");
    }
    tracing::info!(changed = reloaded, "settings reloaded");
    if !restart.is_empty() {
        tracing::warn!(
            settings = restart,
            "these settings changed too, and take effect after a restart"
        );
    }
}
