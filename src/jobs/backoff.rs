//! When what could not be sent is sent again.

use std::time::Duration;

use crate::clock::Timestamp;

/// The pauses after the first failed attempt, the second and so on. After the last attempt it has
/// failed for good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff(pub(super) &'static [Duration]);

impl Backoff {
    /// When it is sent next after `attempts` attempts, the last of which failed at `now`. The pause is up
    /// to a tenth longer, as `random` says.
    pub(super) fn next(self, attempts: i64, now: Timestamp, random: u8) -> Option<Timestamp> {
        let place = usize::try_from(attempts.saturating_sub(1)).ok()?;
        let pause = self.0.get(place)?;
        Some(now.saturating_add(*pause + *pause * u32::from(random) / 2550))
    }
}
