//! The metrics of the process, as the kernel counts them.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::gauge;

/// The `process_*` metrics that every Prometheus client library has.
#[derive(Default)]
pub(super) struct Process {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    virtual_memory: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
    threads: Gauge,
    started: Gauge<f64, AtomicU64>,
}

impl Process {
    pub(super) fn register(&self, registry: &mut Registry) {
        let cpu = "User and system CPU time spent";
        registry.register_with_unit("cpu", cpu, Unit::Seconds, self.cpu.clone());
        registry.register_with_unit(
            "resident_memory",
            "Resident memory",
            Unit::Bytes,
            self.resident.clone(),
        );
        registry.register_with_unit(
            "virtual_memory",
            "Virtual memory",
            Unit::Bytes,
            self.virtual_memory.clone(),
        );
        registry.register("open_fds", "Open file descriptors", self.open_fds.clone());
        registry.register(
            "max_fds",
            "The most file descriptors that may be open",
            self.max_fds.clone(),
        );
        registry.register("threads", "Threads", self.threads.clone());
        let started = "When the process started, since the epoch";
        registry.register_with_unit("start_time", started, Unit::Seconds, self.started.clone());
    }

    /// Reads `/proc/self`. A value that cannot be read keeps its last state, so that the scrape
    /// succeeds.
    pub(super) fn read(&self, started: i64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since the epoch are far below 2^52"
        )]
        self.started.set(started as f64);
        let Ok(process) = procfs::process::Process::myself() else {
            return;
        };
        if let Ok(stat) = process.stat() {
            #[expect(
                clippy::cast_precision_loss,
                reason = "ticks of a CPU stay far below 2^52"
            )]
            let seconds = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
            self.cpu
                .inner()
                .store(seconds.to_bits(), std::sync::atomic::Ordering::Relaxed);
            self.resident.set(
                i64::try_from(stat.rss.saturating_mul(procfs::page_size())).unwrap_or(i64::MAX),
            );
            self.virtual_memory
                .set(i64::try_from(stat.vsize).unwrap_or(i64::MAX));
            self.threads.set(stat.num_threads);
        }
        if let Ok(count) = process.fd_count() {
            self.open_fds.set(gauge(count));
        }
        if let Ok(limits) = process.limits()
            && let procfs::process::LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            self.max_fds.set(i64::try_from(most).unwrap_or(i64::MAX));
        }
    }
}
