//! The status of the installation, for operators: nodes, database, signing keys, background jobs, and
//! what needs attention.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use super::actor::{Permit, StatusRead};
use crate::clock::Timestamp;
use crate::config::Settings;
use crate::crypto::jws::SignatureAlgorithm;
use crate::error::Error;
use crate::store::clock::not_before;
use crate::store::cluster_settings;
use crate::store::mail::{self, Mail};
use crate::store::node::{self, Node};
use crate::store::signing_key::{self, SigningKey, asked_algorithms, signing_with};
use crate::store::statistics::{self, Statistics};
use crate::store::unused_credential::{self, UnusedCounts};
use crate::store::{Database, DatabaseUrl, Store, StoreError};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How old the report of a node gets before the node writes it again, if nothing changes.
pub const REPORT_PERIOD: Duration = Duration::from_secs(30);

/// After how long without a report a node counts as missing.
const MISSING_AFTER: Duration = Duration::from_secs(100);

/// How long a message waits at most if e-mail is sent: servers refuse a sender or a recipient that they do
/// not know for some minutes.
const MAIL_LATE_AFTER: Duration = Duration::from_secs(15 * 60);

/// How long before its end a certificate is pointed out.
const EXPIRY_NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// A background job of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JobReport {
    /// The name.
    pub name: String,
    /// The time between the starts of two runs, in seconds.
    pub period_seconds: u64,
    /// When the last run ended; null if the job has not run on this node.
    pub last_run_at: Option<Timestamp>,
    /// When a run last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// How many runs have failed since.
    pub failures: u64,
    /// Why the last run failed; null if it succeeded.
    pub last_error: Option<String>,
}

/// What a node reports of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct NodeReport {
    /// Whether the node runs the background jobs of which the installation needs one.
    pub leader: bool,
    /// Whether the node knows all changes of the last second, so that it answers from memory.
    pub cache_fresh: bool,
    /// How many milliseconds the clock of the database server is ahead of the node's.
    pub clock_difference_ms: i64,
    /// What is wrong with the clocks; null if they agree.
    pub clock_problem: Option<String>,
    /// When the TLS certificate that the node serves expires; null without one.
    pub certificate_expires_at: Option<Timestamp>,
    /// The background jobs.
    pub jobs: Vec<JobReport>,
}

/// A node.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct NodeStatus {
    /// The id, which is new after each start.
    pub id: String,
    /// The host name.
    pub name: String,
    /// The version of Keyward.
    pub version: String,
    /// When the node started.
    pub started_at: Timestamp,
    /// When the node last reported.
    pub seen_at: Timestamp,
    /// Whether the node has reported lately. One that stops in order is not listed any more.
    pub up: bool,
    /// What the node reported.
    #[serde(flatten)]
    pub report: NodeReport,
}

/// The database.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct DatabaseStatus {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    /// The version of the database software.
    pub software: String,
    /// The size of the files, in bytes.
    pub bytes: i64,
    /// How many migrations were applied.
    pub migrations: usize,
    /// The newest migration.
    pub newest_migration: String,
}

/// The signing key of an algorithm.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct SigningKeyStatus {
    /// The algorithm.
    pub algorithm: &'static str,
    /// The key that signs now; null if there is none.
    pub kid: Option<String>,
    /// When the key began to sign.
    pub signs_from: Option<Timestamp>,
    /// When the key is replaced: by its successor if there is one, else by age.
    pub next_rotation_at: Option<Timestamp>,
}

/// A kind of problem.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, IntoStaticStr, VariantNames, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProblemKind {
    /// No node has reported lately.
    NoNode,
    /// A node has not reported lately, and did not stop in order.
    NodeMissing,
    /// The nodes have different versions.
    VersionsDiffer,
    /// The clocks disagree.
    Clock,
    /// A background job fails.
    JobFails,
    /// A TLS certificate has expired, or does so within two weeks.
    CertificateExpires,
    /// No key signs for an algorithm that is asked for.
    NoSigningKey,
    /// E-mail is not sent.
    MailFails,
}

impl NodeReport {
    /// The report without what changes all the time: the times, and by how much the clocks differ.
    #[must_use]
    pub fn without_times(&self) -> Self {
        let has_happened = |at: Option<Timestamp>| at.map(|_| Timestamp::EPOCH);
        let jobs = self.jobs.iter().map(|job| JobReport {
            last_run_at: has_happened(job.last_run_at),
            last_success_at: has_happened(job.last_success_at),
            failures: job.failures.min(1),
            last_error: job.last_error.as_ref().map(|_| String::new()),
            ..job.clone()
        });
        NodeReport {
            clock_difference_ms: 0,
            clock_problem: self.clock_problem.as_ref().map(|_| String::new()),
            jobs: jobs.collect(),
            ..self.clone()
        }
    }
}

impl ProblemKind {
    /// The code.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The codes of all kinds.
    pub const CODES: &'static [&'static str] = <ProblemKind as VariantNames>::VARIANTS;
}

/// Something that needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// The kind.
    pub code: ProblemKind,
    /// What it is about: a node, an algorithm, or a node and a job.
    pub subject: String,
    /// Details in English; null if the code says all.
    pub detail: Option<String>,
}

/// The status of the installation.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Status {
    /// The version of the program that answers.
    pub version: &'static str,
    /// The issuer; null before the first node has started.
    pub issuer: Option<String>,
    /// The time of the status, by the clock of the database server if it has one.
    pub time: Timestamp,
    /// The database.
    pub database: DatabaseStatus,
    /// The nodes.
    pub nodes: Vec<NodeStatus>,
    /// The signing keys, by algorithm.
    pub signing_keys: Vec<SigningKeyStatus>,
    /// How many active credentials were not used for 90 days: no problem, but worth a look.
    pub unused_credentials: UnusedCounts,
    /// What needs attention; empty if nothing does.
    pub problems: Vec<Problem>,
}

/// Shows the status of the installation. `settings` are those of the process that answers.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<StatusRead>,
    settings: &Settings,
) -> Result<Status, Error> {
    let kind = match store.url() {
        DatabaseUrl::Sqlite(_) => "sqlite",
        DatabaseUrl::Postgres(_) => "postgres",
    };
    let max_age = settings.signing_key_max_age;
    let profile = settings.security_profile;
    store
        .read(move |database| {
            let time = not_before(database, permit.now())?;
            let Statistics {
                bytes,
                migrations,
                newest_migration,
                software,
            } = statistics::read(database)?;
            let nodes: Vec<NodeStatus> = node::list(database)?
                .into_iter()
                .map(|node| node_status(node, time))
                .collect();
            let keys = signing_key::list(database)?;
            let mut asked = asked_algorithms(database, profile)?;
            asked.push(SignatureAlgorithm::default());
            let signing_keys = key_statuses(&keys, &asked, max_age, time);
            Ok(Status {
                version: VERSION,
                issuer: cluster_settings::find(database)?.map(|cluster| cluster.issuer),
                time,
                database: DatabaseStatus {
                    kind,
                    software,
                    bytes,
                    migrations,
                    newest_migration,
                },
                unused_credentials: unused_credential::count(database, time)?,
                problems: problems(&nodes, &signing_keys, late_mail(database, time)?, time),
                nodes,
                signing_keys,
            })
        })
        .await
}

fn node_status(node: Node, now: Timestamp) -> NodeStatus {
    NodeStatus {
        up: now.duration_since(node.seen_at) < MISSING_AFTER,
        // A node of a version that reports in another way is listed without its report.
        report: serde_json::from_str(&node.report).unwrap_or_default(),
        id: node.id,
        name: node.name,
        version: node.version,
        started_at: node.started_at,
        seen_at: node.seen_at,
    }
}

/// The keys that sign at `now`, and the algorithms that lack one.
fn key_statuses(
    keys: &[SigningKey],
    asked: &[SignatureAlgorithm],
    max_age: Duration,
    now: Timestamp,
) -> Vec<SigningKeyStatus> {
    SignatureAlgorithm::ALL
        .into_iter()
        .filter_map(|algorithm| match signing_with(keys, algorithm, now) {
            Some(key) => {
                let signs_from = key.signs_from.max(key.created_at);
                let by_age = signs_from.saturating_add(max_age);
                let successor = keys
                    .iter()
                    .filter(|other| other.algorithm == algorithm && other.signs_from > now)
                    .map(|other| other.signs_from)
                    .min();
                Some(SigningKeyStatus {
                    algorithm: algorithm.as_str(),
                    kid: Some(key.kid.clone()),
                    signs_from: Some(signs_from),
                    next_rotation_at: Some(successor.or(key.signs_until).unwrap_or(by_age)),
                })
            }
            None => asked.contains(&algorithm).then(|| SigningKeyStatus {
                algorithm: algorithm.as_str(),
                kid: None,
                signs_from: None,
                next_rotation_at: None,
            }),
        })
        .collect()
}

/// A message that has failed, or has waited for so long that no node seems to send any.
fn late_mail(database: &mut Database, now: Timestamp) -> Result<Option<Mail>, StoreError> {
    mail::late(database, now.saturating_sub(MAIL_LATE_AFTER))
}

fn problems(
    nodes: &[NodeStatus],
    signing_keys: &[SigningKeyStatus],
    late_mail: Option<Mail>,
    now: Timestamp,
) -> Vec<Problem> {
    let problem = |code, subject: &str, detail: Option<&str>| Problem {
        code,
        subject: subject.to_owned(),
        detail: detail.map(str::to_owned),
    };
    let mut found = Vec::new();
    let up: Vec<&NodeStatus> = nodes.iter().filter(|node| node.up).collect();
    if up.is_empty() {
        found.push(problem(ProblemKind::NoNode, "", None));
    }
    for node in nodes.iter().filter(|node| !node.up) {
        found.push(problem(ProblemKind::NodeMissing, &node.name, None));
    }
    if let Some(other) = up.iter().find(|node| node.version != up[0].version) {
        let versions = format!("{}, {}", up[0].version, other.version);
        found.push(problem(ProblemKind::VersionsDiffer, &versions, None));
    }
    for node in up {
        let report = &node.report;
        if let Some(detail) = &report.clock_problem {
            found.push(problem(ProblemKind::Clock, &node.name, Some(detail)));
        }
        let expires = report.certificate_expires_at;
        if expires.is_some_and(|expires| expires < now.saturating_add(EXPIRY_NOTICE)) {
            found.push(problem(ProblemKind::CertificateExpires, &node.name, None));
        }
        for job in &report.jobs {
            if let Some(error) = &job.last_error {
                let subject = format!("{}: {}", node.name, job.name);
                found.push(problem(ProblemKind::JobFails, &subject, Some(error)));
            }
        }
    }
    for key in signing_keys.iter().filter(|key| key.kid.is_none()) {
        found.push(problem(ProblemKind::NoSigningKey, key.algorithm, None));
    }
    if let Some(mail) = late_mail {
        let detail = match (mail.response_status, mail.failure) {
            (Some(code), _) => Some(format!("The server answered {code}")),
            (None, Some(failure)) => Some(format!("Last failure: {failure}")),
            (None, None) => None,
        };
        found.push(problem(ProblemKind::MailFails, "", detail.as_deref()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn node(name: &str, seen_before: u64, report: NodeReport) -> NodeStatus {
        let row = Node {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1".to_owned(),
            started_at: NOW,
            seen_at: NOW.saturating_sub(Duration::from_secs(seen_before)),
            report: serde_json::to_string(&report).unwrap(),
        };
        node_status(row, NOW)
    }

    fn found(nodes: &[NodeStatus]) -> Vec<(&'static str, String)> {
        problems(nodes, &[], None, NOW)
            .into_iter()
            .map(|problem| (problem.code.as_str(), problem.subject))
            .collect()
    }

    #[test]
    fn a_node_that_does_not_report_is_missing() {
        let well = || node("a", 10, NodeReport::default());
        let lost = || node("b", 101, NodeReport::default());
        assert_eq!(found(&[well()]), []);
        let missing = ("node_missing", "b".to_owned());
        assert_eq!(found(&[well(), lost()]), std::slice::from_ref(&missing));
        assert_eq!(found(&[lost()]), [("no_node", String::new()), missing]);
        let newer = NodeStatus {
            version: "2".to_owned(),
            ..well()
        };
        assert_eq!(
            found(&[well(), newer]),
            [("versions_differ", "1, 2".to_owned())]
        );
    }

    #[test]
    fn what_a_node_reports_can_be_a_problem() {
        let job = |error: Option<&str>| JobReport {
            name: "purge".to_owned(),
            period_seconds: 5,
            last_run_at: Some(NOW),
            last_success_at: None,
            failures: 3,
            last_error: error.map(str::to_owned),
        };
        let after = |days: u64| NOW.saturating_add(Duration::from_secs(days * 24 * 3600));
        for (report, code) in [
            (NodeReport::default(), None),
            (
                NodeReport {
                    clock_problem: Some("ahead".to_owned()),
                    ..NodeReport::default()
                },
                Some("clock"),
            ),
            (
                NodeReport {
                    certificate_expires_at: Some(after(13)),
                    ..NodeReport::default()
                },
                Some("certificate_expires"),
            ),
            (
                NodeReport {
                    certificate_expires_at: Some(after(15)),
                    jobs: vec![job(None)],
                    ..NodeReport::default()
                },
                None,
            ),
            (
                NodeReport {
                    jobs: vec![job(None), job(Some("no answer"))],
                    ..NodeReport::default()
                },
                Some("job_fails"),
            ),
        ] {
            let found = found(&[node("a", 0, report.clone())]);
            let codes: Vec<&str> = found.iter().map(|(code, _)| *code).collect();
            assert_eq!(codes, Vec::from_iter(code), "{report:?}");
        }
    }
}
