//! Writes what this node reports of itself, for the status of the installation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use super::election::Election;
use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::manage::status::{JobReport, NodeReport, REPORT_PERIOD};
use crate::net::tls::Certificate;
use crate::oauth::AuthorizationServer;
use crate::store::node::{self, Node};

/// How often a node checks whether there is something new to report.
pub(super) const PERIOD: Duration = Duration::from_secs(5);

/// The longest reason of a failure in a report, in characters.
const MAX_REASON: usize = 300;

/// The last runs of the background jobs of this node, by name.
#[derive(Default)]
pub(super) struct JobReports(Mutex<BTreeMap<&'static str, JobReport>>);

impl JobReports {
    /// Adds a job that has not run yet.
    pub(super) fn add(&self, name: &'static str, period: Duration) {
        let report = JobReport {
            name: name.to_owned(),
            period_seconds: period.as_secs(),
            last_run_at: None,
            last_success_at: None,
            failures: 0,
            last_error: None,
        };
        self.0.lock().insert(name, report);
    }

    /// Records a run that succeeded.
    pub(super) fn succeeded(&self, name: &'static str, now: Timestamp) {
        if let Some(report) = self.0.lock().get_mut(name) {
            report.last_run_at = Some(now);
            report.last_success_at = Some(now);
            report.failures = 0;
            report.last_error = None;
        }
    }

    /// Records a run that failed.
    pub(super) fn failed(&self, name: &'static str, reason: &str, now: Timestamp) {
        if let Some(report) = self.0.lock().get_mut(name) {
            report.last_run_at = Some(now);
            report.failures += 1;
            report.last_error = Some(reason.chars().take(MAX_REASON).collect());
        }
    }

    /// Clears the outcome of a job that another node runs now.
    pub(super) fn left(&self, name: &'static str) {
        if let Some(report) = self.0.lock().get_mut(name) {
            report.failures = 0;
            report.last_error = None;
        }
    }

    fn all(&self) -> Vec<JobReport> {
        self.0.lock().values().cloned().collect()
    }
}

/// Reports this node.
pub(super) struct NodeReporter {
    server: Arc<AuthorizationServer>,
    election: Option<Arc<Election>>,
    certificate: Option<Arc<Certificate>>,
    jobs: Arc<JobReports>,
    id: String,
    started_at: Timestamp,
    /// What was reported last, without times, and when, by the time since boot.
    reported: Mutex<Option<(NodeReport, Duration)>>,
}

impl NodeReporter {
    pub(super) fn new(
        server: &Arc<AuthorizationServer>,
        election: Option<Arc<Election>>,
        certificate: Option<Arc<Certificate>>,
        jobs: Arc<JobReports>,
    ) -> Self {
        NodeReporter {
            server: server.clone(),
            election,
            certificate,
            jobs,
            id: Uuid::now_v7().to_string(),
            started_at: Timestamp::now(),
            reported: Mutex::default(),
        }
    }

    /// Writes the report if it has changed or is old.
    pub(super) async fn run(self: Arc<Self>) -> Result<(), Error> {
        let now = Timestamp::now();
        let report = self.report(now);
        let current = (report.without_times(), clock::since_boot());
        let is_known = self.reported.lock().as_ref().is_some_and(|(reported, at)| {
            *reported == current.0 && current.1.saturating_sub(*at) < REPORT_PERIOD
        });
        if is_known {
            return Ok(());
        }
        let row = Node {
            id: self.id.clone(),
            name: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            seen_at: now,
            report: serde_json::to_string(&report)
                .map_err(|error| Error::server_error(error.to_string()))?,
        };
        let write = move |database: &mut _| node::report(database, &row);
        self.server.store.write_untracked(write).await?;
        *self.reported.lock() = Some(current);
        Ok(())
    }

    fn report(&self, now: Timestamp) -> NodeReport {
        let server = &self.server;
        let not_after = self
            .certificate
            .as_ref()
            .and_then(|certificate| certificate.not_after());
        NodeReport {
            leader: self
                .election
                .as_ref()
                .is_none_or(|election| election.is_leader(clock::since_boot())),
            cache_fresh: server.cache.is_fresh(),
            clock_difference_ms: server.clock.difference(),
            clock_problem: server.clock.problems(now).into_iter().next(),
            certificate_expires_at: not_after.map(Timestamp::from_seconds),
            jobs: self.jobs.all(),
        }
    }

    /// Removes this node from the status, when it stops.
    pub(super) async fn leave(&self) -> Result<(), Error> {
        let id = self.id.clone();
        let delete = move |database: &mut _| node::delete(database, &id);
        Ok(self.server.store.write_untracked(delete).await?)
    }
}
