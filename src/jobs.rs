//! Background jobs: what a node does beside answering requests.
//!
//! | job | period | runs on |
//! | --- | --- | --- |
//! | `leader_election` | 2 s | every node, on Postgres |
//! | `clock_check` | 5 s | every node |
//! | `usage_flush` | 5 s | every node |
//! | `cluster_settings_check` | 60 s | every node |
//! | `node_report` | 5 s | every node |
//! | `connection_sweep` | 1 s | every node |
//! | `certificate_reload` | 2 s | every node with a TLS certificate |
//! | `client_authorities_reload` | 2 s | every node with certificate authorities for clients |
//! | `purge` | 5 s | the leader |
//! | `signing_key_rotation` | 1 s | the leader |
//! | `webhooks` | 1 s | the leader |
//! | `mail` | 1 s | the leader |
//! | `search_keys` | 5 s | the leader |
//! | `account_deletion` | 5 s | the leader |
//! | `expiry_warnings` | 5 min | the leader |
//! | `traffic_sums` | 60 s | the leader |
//!
//! A leader saves the other nodes the work. No job relies on it: two nodes that purge or rotate at
//! the same time do no harm, since each of these writes is checked within its own transaction.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::manage::mail::Render;
use crate::net::client_authorities::ClientAuthorities;
use crate::net::connections::Connections;
use crate::net::tls::Certificate;
use crate::oauth::AuthorizationServer;
use crate::span::Scope;
use crate::store::DatabaseUrl;

mod account_deletion;
mod backoff;
mod clocks;
pub mod cluster_settings;
mod election;
mod expiry;
mod mail;
mod node_report;
mod purge;
mod rotation;
mod search_keys;
mod supervisor;
mod traffic_sums;
mod webhooks;

use cluster_settings::SettingsCheck;
use election::Election;
use node_report::{JobReports, NodeReporter};
use supervisor::{Job, RunOn};

/// Files that are read again when they change.
#[derive(Clone)]
pub struct ReloadedFiles {
    /// The TLS certificate of the server.
    pub certificate: Option<Arc<Certificate>>,
    /// The certificate authorities for client certificates.
    pub client_authorities: Option<Arc<ClientAuthorities>>,
}

/// The background jobs of a node that runs.
pub struct Jobs {
    election: Option<Arc<Election>>,
    reporter: Arc<NodeReporter>,
    webhooks: Arc<webhooks::Sender>,
    server: Arc<AuthorizationServer>,
    stop: CancellationToken,
    supervisor: JoinHandle<()>,
}

/// How long a node that stops waits for the runs of jobs that are in progress.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Starts all jobs. They run until [`Jobs::finish`]. `render` writes the texts of e-mail.
pub fn start(
    server: &Arc<AuthorizationServer>,
    connections: &Arc<Connections>,
    files: &ReloadedFiles,
    render: Render,
) -> Jobs {
    // Processes that share a SQLite file run on one machine: nothing is saved that would be worth a
    // write to the disk every two seconds.
    let election = (matches!(server.store.url(), DatabaseUrl::Postgres(_)))
        .then(|| Arc::new(Election::new(server)));
    let reports = Arc::new(JobReports::default());
    let reporter = Arc::new(NodeReporter::new(
        server,
        election.clone(),
        files.certificate.clone(),
        reports.clone(),
    ));
    let sender = Arc::new(webhooks::Sender::new(server));
    let mut jobs = vec![
        Job::new(
            "clock_check",
            Duration::from_secs(5),
            RunOn::EveryNode,
            server,
            clocks::check,
        ),
        Job::new(
            "usage_flush",
            Duration::from_secs(5),
            RunOn::EveryNode,
            server,
            flush_usage,
        ),
        Job::new(
            "cluster_settings_check",
            Duration::from_secs(60),
            RunOn::EveryNode,
            &Arc::new(SettingsCheck::new(server)),
            SettingsCheck::run,
        ),
        Job::new(
            "node_report",
            node_report::PERIOD,
            RunOn::EveryNode,
            &reporter,
            NodeReporter::run,
        ),
        Job::new(
            "connection_sweep",
            Duration::from_secs(1),
            RunOn::EveryNode,
            connections,
            sweep_connections,
        ),
        Job::new(
            "purge",
            Duration::from_secs(5),
            RunOn::Leader,
            server,
            purge::run,
        ),
        Job::new(
            "signing_key_rotation",
            Duration::from_secs(1),
            RunOn::Leader,
            server,
            rotation::run,
        ),
        Job::new(
            "webhooks",
            webhooks::PERIOD,
            RunOn::Leader,
            &sender,
            webhooks::Sender::run,
        ),
        Job::new(
            "mail",
            mail::PERIOD,
            RunOn::Leader,
            &Arc::new(mail::Sender::new(server, render)),
            mail::Sender::run,
        ),
        Job::new(
            "search_keys",
            Duration::from_secs(5),
            RunOn::Leader,
            server,
            search_keys::run,
        ),
        Job::new(
            "account_deletion",
            Duration::from_secs(5),
            RunOn::Leader,
            server,
            account_deletion::run,
        ),
        Job::new(
            "expiry_warnings",
            expiry::PERIOD,
            RunOn::Leader,
            server,
            expiry::run,
        ),
        Job::new(
            "traffic_sums",
            traffic_sums::PERIOD,
            RunOn::Leader,
            server,
            traffic_sums::run,
        ),
    ];
    if let Some(certificate) = &files.certificate {
        jobs.push(Job::new(
            "certificate_reload",
            Duration::from_secs(2),
            RunOn::EveryNode,
            certificate,
            reload_certificate,
        ));
    }
    if let Some(authorities) = &files.client_authorities {
        jobs.push(Job::new(
            "client_authorities_reload",
            Duration::from_secs(2),
            RunOn::EveryNode,
            authorities,
            reload_client_authorities,
        ));
    }
    if let Some(election) = &election {
        jobs.push(Job::new(
            "leader_election",
            election::PERIOD,
            RunOn::EveryNode,
            election,
            Election::run,
        ));
    }
    let stop = CancellationToken::new();
    let supervised = supervisor::run(
        jobs,
        election.clone(),
        server.clone(),
        reports,
        stop.clone(),
    );
    Jobs {
        election,
        reporter,
        webhooks: sender,
        server: server.clone(),
        stop,
        supervisor: tokio::spawn(supervised),
    }
}

impl Jobs {
    /// Stops the jobs, writes what is still in memory and steps down as the leader, after the last
    /// request.
    pub async fn finish(self) {
        self.stop.cancel();
        // A report or an election in progress would write again what is deleted below.
        if tokio::time::timeout(STOP_TIMEOUT, self.supervisor)
            .await
            .is_err()
        {
            tracing::warn!("background jobs are still running");
        }
        // A delivery that is cut off is sent again.
        self.webhooks.finish(STOP_TIMEOUT).await;
        let server = &self.server;
        let written = server.usage.write(&server.store, Timestamp::now()).await;
        match written.map_err(Error::from) {
            // If the database does not answer, the node must not wait for it twice before it stops.
            Err(error) => {
                tracing::warn!(error = error.reason(), "cannot write the usage counters");
            }
            Ok(()) => {
                if let Err(error) = self.reporter.leave().await {
                    tracing::warn!(
                        error = error.reason(),
                        "cannot delete the report of this node"
                    );
                }
            }
        }
        if let Some(election) = &self.election
            && let Err(error) = election.step_down().await
        {
            tracing::warn!(error = error.reason(), "cannot step down as the leader");
        }
    }
}

/// Writes what is collected in memory: counters, the use of credentials, failed authentications.
async fn flush_usage(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    server
        .usage
        .write_due(&server.store, Timestamp::now())
        .await?;
    Ok(())
}

async fn sweep_connections(connections: Arc<Connections>) -> Result<(), Error> {
    connections.sweep();
    Ok(())
}

async fn reload_certificate(certificate: Arc<Certificate>) -> Result<(), Error> {
    Scope::current()
        .run_blocking(move || certificate.reload_if_changed())
        .await
        .map_err(|error| Error::server_error(error.to_string()))
}

async fn reload_client_authorities(authorities: Arc<ClientAuthorities>) -> Result<(), Error> {
    Scope::current()
        .run_blocking(move || authorities.reload_if_changed())
        .await
        .map_err(|error| Error::server_error(error.to_string()))
}
