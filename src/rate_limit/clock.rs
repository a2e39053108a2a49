//! The clock of the limits, a monotonic one: a wall clock that is set back by a day would lock people
//! out for that day.

#[cfg(test)]
pub(super) use self::manual::Clock;
#[cfg(not(test))]
pub(super) use self::monotonic::Clock;

#[cfg(not(test))]
mod monotonic {
    use std::time::Instant;

    use super::super::Millis;

    pub(in crate::rate_limit) struct Clock(Instant);

    impl Default for Clock {
        fn default() -> Self {
            Clock(Instant::now())
        }
    }

    impl Clock {
        pub(in crate::rate_limit) fn now(&self) -> Millis {
            i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX)
        }
    }
}

/// A clock that tests move.
#[cfg(test)]
mod manual {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::super::Millis;

    #[derive(Default)]
    pub(in crate::rate_limit) struct Clock(AtomicI64);

    impl Clock {
        pub(in crate::rate_limit) fn now(&self) -> Millis {
            self.0.load(Ordering::Relaxed)
        }

        pub(in crate::rate_limit) fn set(&self, seconds: i64) {
            self.0.store(seconds * 1000, Ordering::Relaxed);
        }
    }
}
