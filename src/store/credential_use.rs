//! The use of API keys and client secrets.

use std::time::Duration;

/// How precise a stored last use is: a use this soon after the one that is stored is not written.
pub(super) const LAST_USE_PRECISION: Duration = Duration::from_secs(60);
