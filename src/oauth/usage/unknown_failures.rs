//! Failures by callers that Keyward does not know, such as made-up client ids. Their audit entries
//! have a budget, so that a flood of them fills neither memory nor the database.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::oauth::reason::Reason;
use crate::store::audit::{Action, AuditEntry, Recorder};

/// How long audit entries of failures by unknown callers are kept.
pub const UNKNOWN_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// The budget of audit entries of one node: a burst, a rate after that, and a maximum per day.
const BURST: u32 = 100;
const PER_SECOND: u32 = 10;
const PER_DAY: u32 = 100_000;

/// How often an entry is written with the number of failures that were not recorded.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The failures by unknown callers that wait to be written, within the budget.
#[derive(Default)]
pub(super) struct UnknownFailures {
    waiting: Vec<AuditEntry>,
    /// The second of the last refill of the token bucket.
    refilled_at: i64,
    spent: u32,
    /// The start of the day, in seconds since the epoch.
    day: i64,
    recorded_in_day: u32,
    /// The number of failures that were not recorded since the last summary.
    left_out: i64,
    last_summary: Option<Timestamp>,
}

impl UnknownFailures {
    pub(super) fn record(&mut self, entry: AuditEntry) {
        let second = entry.happened_at.seconds();
        let day = entry.happened_at.truncate_to(DAY).seconds();
        if second != self.refilled_at {
            // A clock that was set back refills the bucket for one second.
            let refill = u32::try_from(second.abs_diff(self.refilled_at))
                .unwrap_or(u32::MAX)
                .saturating_mul(PER_SECOND);
            self.spent = self.spent.saturating_sub(refill);
            self.refilled_at = second;
        }
        if day != self.day {
            self.day = day;
            self.recorded_in_day = 0;
        }
        if self.spent >= BURST || self.recorded_in_day >= PER_DAY {
            self.left_out += 1;
            return;
        }
        self.spent += 1;
        self.recorded_in_day += 1;
        self.waiting.push(entry);
    }

    /// Takes the entries that are to be written at `now`, with a summary of those left out if it is
    /// due.
    pub(super) fn take(&mut self, now: Timestamp) -> Vec<AuditEntry> {
        let mut entries = std::mem::take(&mut self.waiting);
        let is_due = self
            .last_summary
            .is_none_or(|last| now.duration_since(last) >= SUMMARY_INTERVAL || last > now);
        if self.left_out > 0 && is_due {
            let reason = Reason::failures_left_out(self.left_out);
            self.left_out = 0;
            self.last_summary = Some(now);
            entries.push(AuditEntry {
                reason: Some(reason.to_string()),
                reason_code: Some(reason.code().to_owned()),
                reason_parameters: Some(serde_json::Value::from(reason.parameters()).to_string()),
                ..Recorder::unauthenticated_at(now).entry(Action::AuthenticationFailure, None, "")
            });
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(now: Timestamp) -> AuditEntry {
        Recorder::unauthenticated_at(now).entry(Action::AuthenticationFailure, None, "")
    }

    #[test]
    fn failures_by_unknown_callers_have_a_budget() {
        let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        let mut failures = UnknownFailures::default();
        let mut flood = |seconds: i64, count: usize| {
            (0..count).for_each(|_| failures.record(failure(at(seconds))));
            failures.take(at(seconds))
        };
        let left_out = |entries: &[AuditEntry]| {
            let last = entries.last().filter(|entry| entry.reason_code.is_some());
            last.map(|entry| {
                entry
                    .reason
                    .clone()
                    .unwrap()
                    .split(' ')
                    .next()
                    .unwrap()
                    .parse::<usize>()
                    .unwrap()
            })
        };
        let first = flood(0, 500);
        assert_eq!((first.len(), left_out(&first)), (101, Some(400)));
        let second = flood(1, 500);
        assert_eq!(
            (second.len(), left_out(&second)),
            (10, None),
            "a summary once a minute"
        );
        let third = flood(60, 500);
        assert_eq!((third.len(), left_out(&third)), (101, Some(490 + 400)));
        // The budget of a day.
        let day: usize = (1..20_000)
            .map(|n| {
                flood(60 + n, 20)
                    .iter()
                    .filter(|entry| entry.reason_code.is_none())
                    .count()
            })
            .sum();
        assert!(day < 100_000, "{day}");
        assert_eq!(
            flood(90_000, 5)
                .iter()
                .filter(|entry| entry.reason_code.is_none())
                .count(),
            5,
            "the next day"
        );
    }
}
