//! Runs jobs at their periods until they are stopped, logs and counts what fails, and restarts what
//! panicked.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::election::{self, Election};
use super::node_report::JobReports;
use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::metrics::{JobOutcome, Metrics};
use crate::oauth::AuthorizationServer;

/// How long a job that panicked waits before its next run, beside its period.
const RESTART_DELAY: Duration = Duration::from_secs(1);

type Outcome = Result<(), Error>;
type BoxedRun = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// Which nodes of a deployment run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunOn {
    /// The node that was elected.
    Leader,
    /// Each node for itself.
    EveryNode,
}

/// A background job.
pub(super) struct Job {
    name: &'static str,
    /// From the start of one run to the start of the next. A run that takes longer delays the next.
    period: Duration,
    on: RunOn,
    run: BoxedRun,
}

impl Job {
    /// A job that calls `run` with `state`, for the first time at once.
    pub(super) fn new<S, F>(
        name: &'static str,
        period: Duration,
        on: RunOn,
        state: &Arc<S>,
        run: fn(Arc<S>) -> F,
    ) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let state = state.clone();
        Job {
            name,
            period,
            on,
            run: Box::new(move || Box::pin(run(state.clone()))),
        }
    }
}

/// Runs all jobs, each in a task of its own, until `stop` is cancelled. It returns when the runs that are
/// in progress then have ended.
pub(super) async fn run(
    jobs: Vec<Job>,
    election: Option<Arc<Election>>,
    server: Arc<AuthorizationServer>,
    reports: Arc<JobReports>,
    stop: CancellationToken,
) {
    let is_leader = move || {
        election
            .as_ref()
            .is_none_or(|election| election.is_leader(clock::since_boot()))
    };
    let log = RunLog {
        metrics: server.usage.metrics.clone(),
        reports,
    };
    supervise(jobs, is_leader, log, stop).await;
}

/// Where the outcomes of runs are recorded.
#[derive(Clone)]
struct RunLog {
    metrics: Arc<Metrics>,
    reports: Arc<JobReports>,
}

async fn supervise(
    jobs: Vec<Job>,
    is_leader: impl Fn() -> bool + Clone + Send + Sync + 'static,
    log: RunLog,
    stop: CancellationToken,
) {
    let mut tasks = JoinSet::new();
    let mut running: HashMap<Id, Arc<Job>> = HashMap::new();
    for job in jobs {
        log.metrics.add_job(job.name, job.period);
        log.reports.add(job.name, job.period);
        let job = Arc::new(job);
        let task = run_job(
            job.clone(),
            Duration::ZERO,
            is_leader.clone(),
            log.clone(),
            stop.clone(),
        );
        running.insert(tasks.spawn(task).id(), job);
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        // A task returns only when it is stopped.
        let Err(error) = ended else { continue };
        let Some(job) = running.remove(&error.id()) else {
            continue;
        };
        let reason = error.to_string();
        tracing::error!(
            job = job.name,
            error = reason,
            "background job stopped: restarting it"
        );
        log.metrics.count_job(job.name, JobOutcome::Panic);
        log.reports.failed(job.name, &reason, Timestamp::now());
        let delay = RESTART_DELAY + job.period;
        let task = run_job(
            job.clone(),
            delay,
            is_leader.clone(),
            log.clone(),
            stop.clone(),
        );
        running.insert(tasks.spawn(task).id(), job);
    }
}

async fn run_job(
    job: Arc<Job>,
    delay: Duration,
    is_leader: impl Fn() -> bool,
    log: RunLog,
    stop: CancellationToken,
) {
    let RunLog { metrics, reports } = log;
    let mut ticks = tokio::time::interval_at(Instant::now() + delay, job.period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = Failures::default();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if job.on == RunOn::Leader && !is_leader() {
            metrics.clear_job_success(job.name);
            reports.left(job.name);
            // A new leader does not wait for the rest of a long period.
            ticks.reset_after(job.period.min(election::PERIOD));
            continue;
        }
        match (job.run)().await {
            Ok(()) => {
                metrics.count_job(job.name, JobOutcome::Success);
                let now = Timestamp::now();
                metrics.set_job_success(job.name, now);
                reports.succeeded(job.name, now);
                if let Some(count) = failures.end() {
                    tracing::info!(
                        job = job.name,
                        failures = count,
                        "background job succeeded again"
                    );
                }
            }
            Err(error) => {
                metrics.count_job(job.name, JobOutcome::Failure);
                reports.failed(job.name, error.reason(), Timestamp::now());
                if let Some(count) = failures.add() {
                    tracing::warn!(
                        job = job.name,
                        error = error.reason(),
                        failures = count,
                        "background job failed"
                    );
                }
            }
        }
    }
}

/// Counts failures in a row, so that a job with a period of a second does not fill the log while
/// the database is away.
#[derive(Default)]
struct Failures(u32);

impl Failures {
    /// Counts one more. Returns the count where it is to be logged: at 1, 2, 4, 8 and so on.
    fn add(&mut self) -> Option<u32> {
        self.0 = self.0.saturating_add(1);
        self.0.is_power_of_two().then_some(self.0)
    }

    /// Ends the row. Returns the count where there was a failure.
    fn end(&mut self) -> Option<u32> {
        let count = std::mem::take(&mut self.0);
        (count > 0).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::metrics::{Format, Snapshot};

    #[derive(Default)]
    struct Runs(AtomicUsize);

    async fn succeed(runs: Arc<Runs>) -> Outcome {
        runs.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn fail_twice(runs: Arc<Runs>) -> Outcome {
        if runs.0.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(Error::unavailable("no answer"));
        }
        Ok(())
    }

    async fn panic_once(runs: Arc<Runs>) -> Outcome {
        assert!(runs.0.fetch_add(1, Ordering::Relaxed) > 0, "the first run");
        Ok(())
    }

    fn series(metrics: &Metrics, name: &str) -> Vec<String> {
        let text = metrics
            .render(&Snapshot::default(), Format::Prometheus)
            .unwrap();
        let label = format!("name=\"{name}\"");
        text.lines()
            .filter(|line| line.starts_with("keyward_job_") && line.contains(&label))
            .map(str::to_owned)
            .collect()
    }

    /// Runs jobs for so many seconds of a clock that tokio moves.
    async fn supervise_for(seconds: u64, jobs: Vec<Job>, leader: &Arc<AtomicBool>) -> Arc<Metrics> {
        let metrics = Arc::new(Metrics::default());
        let leader = leader.clone();
        let is_leader = move || leader.load(Ordering::Relaxed);
        let log = RunLog {
            metrics: metrics.clone(),
            reports: Arc::default(),
        };
        let supervised = supervise(jobs, is_leader, log, CancellationToken::new());
        let _ = tokio::time::timeout(Duration::from_secs(seconds), supervised).await;
        metrics
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_run_at_their_periods_and_the_leaders_only_on_the_leader() {
        let second = Duration::from_secs(1);
        for (on, leader, period, runs) in [
            (RunOn::EveryNode, false, second, 10),
            (RunOn::EveryNode, true, second * 5, 2),
            (RunOn::Leader, true, second * 2, 5),
            (RunOn::Leader, false, second, 0),
        ] {
            let state = Arc::new(Runs::default());
            let job = Job::new("job", period, on, &state, succeed);
            // Half a second more would begin the next period.
            let leading = Arc::new(AtomicBool::new(leader));
            let metrics = supervise_for(10, vec![job], &leading).await;
            let counted = state.0.load(Ordering::Relaxed);
            assert!(
                counted == runs || counted == runs + 1 && runs > 0,
                "{on:?} {leader} {period:?}: {counted}"
            );
            let success = series(&metrics, "job")
                .iter()
                .any(|line| line.starts_with("keyward_job_last_success_timestamp_seconds"));
            assert_eq!(success, runs > 0, "{on:?} {leader}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_leader_does_not_wait_for_a_long_period() {
        let state = Arc::new(Runs::default());
        let period = Duration::from_secs(300);
        let job = Job::new("job", period, RunOn::Leader, &state, succeed);
        let leading = Arc::new(AtomicBool::new(false));
        let elected = leading.clone();
        let election = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(9)).await;
            elected.store(true, Ordering::Relaxed);
        });
        supervise_for(311, vec![job], &leading).await;
        election.await.unwrap();
        // At the tenth second, and a period after that.
        assert_eq!(state.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_fails_or_panics_runs_again_and_is_counted() {
        let failing = Arc::new(Runs::default());
        let panicking = Arc::new(Runs::default());
        let fine = Arc::new(Runs::default());
        let period = Duration::from_secs(1);
        let jobs = vec![
            Job::new("failing", period, RunOn::EveryNode, &failing, fail_twice),
            Job::new(
                "panicking",
                period,
                RunOn::EveryNode,
                &panicking,
                panic_once,
            ),
            Job::new("fine", period, RunOn::EveryNode, &fine, succeed),
        ];
        let metrics = supervise_for(20, jobs, &Arc::new(AtomicBool::new(true))).await;
        for (name, outcome, count) in [
            ("failing", "failure", 2),
            ("failing", "panic", 0),
            ("panicking", "panic", 1),
            ("panicking", "failure", 0),
            ("fine", "failure", 0),
            ("fine", "panic", 0),
        ] {
            let line =
                format!("keyward_job_runs_total{{name=\"{name}\",outcome=\"{outcome}\"}} {count}");
            assert!(series(&metrics, name).contains(&line), "{line}");
        }
        for state in [failing, panicking, fine] {
            assert!(state.0.load(Ordering::Relaxed) > 15, "runs go on");
        }
    }

    /// Takes three seconds.
    async fn take_long(runs: Arc<Runs>) -> Outcome {
        tokio::time::sleep(Duration::from_secs(3)).await;
        succeed(runs).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_the_runs_in_progress_and_begins_no_other() {
        let (long, short) = (Arc::new(Runs::default()), Arc::new(Runs::default()));
        let period = Duration::from_secs(1);
        let jobs = vec![
            Job::new("long", period, RunOn::EveryNode, &long, take_long),
            Job::new("short", period, RunOn::EveryNode, &short, succeed),
        ];
        let log = RunLog {
            metrics: Arc::default(),
            reports: Arc::default(),
        };
        let stop = CancellationToken::new();
        let began = Instant::now();
        let supervised = tokio::spawn(supervise(jobs, || true, log, stop.clone()));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(long.0.load(Ordering::Relaxed), 0, "in progress");
        stop.cancel();
        supervised.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 3);
        for runs in [long, short] {
            assert_eq!(runs.0.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn failures_in_a_row_are_logged_ever_less_often() {
        let mut failures = Failures::default();
        let logged: Vec<_> = (0..9).filter_map(|_| failures.add()).collect();
        assert_eq!(logged, [1, 2, 4, 8]);
        assert_eq!(failures.end(), Some(9));
        assert_eq!(failures.end(), None);
        assert_eq!(failures.add(), Some(1));
    }
}
