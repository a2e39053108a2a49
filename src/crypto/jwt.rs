//! JSON Web Tokens (RFC 7519): whether the time claims allow a JWT to be accepted.

use crate::clock::Timestamp;

/// The time claims of a JWT (RFC 7519 sections 4.1.4 to 4.1.6), in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct TimeClaims {
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
}

/// How far the clocks of issuer and verifier may differ, in seconds (RFC 7519 section 4.1.4).
pub const LEEWAY: i64 = 60;

/// Why a JWT is not valid at an instant.
#[derive(Debug, PartialEq, Eq)]
pub enum TimeError {
    /// It expired this many seconds ago.
    Expired {
        /// Seconds since `exp`.
        seconds: i64,
    },
    /// It expires too far in the future.
    TooLong {
        /// Seconds until `exp`.
        seconds: i64,
    },
    /// It is not valid yet.
    NotYetValid {
        /// Seconds until `nbf` or `iat`, whichever is later.
        seconds: i64,
    },
}

impl TimeClaims {
    /// From the values of `exp`, `nbf` and `iat`, of which the fractions of a second are dropped.
    pub fn new(exp: f64, nbf: Option<f64>, iat: Option<f64>) -> Self {
        TimeClaims {
            exp: whole_seconds(exp),
            nbf: nbf.map(whole_seconds),
            iat: iat.map(whole_seconds),
        }
    }

    /// The instant from which the JWT is refused: its expiry plus the leeway.
    pub fn refused_from(&self) -> Timestamp {
        Timestamp::from_seconds(self.exp.saturating_add(LEEWAY))
    }

    /// How many seconds before `now` the JWT expired; negative if it has not.
    pub fn expired_for(&self, now: Timestamp) -> i64 {
        now.seconds() - self.exp
    }

    /// Checks that the JWT is valid at `now`, and expires within `max_lifetime` seconds.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(&self, now: Timestamp, max_lifetime: i64) -> Result<(), TimeError> {
        if self.refused_from() <= now {
            return Err(TimeError::Expired {
                seconds: self.expired_for(now),
            });
        }
        let remaining = -self.expired_for(now);
        if remaining > max_lifetime + LEEWAY {
            return Err(TimeError::TooLong { seconds: remaining });
        }
        match self.nbf.max(self.iat).map(|start| start - now.seconds()) {
            Some(seconds) if seconds > LEEWAY => Err(TimeError::NotYetValid { seconds }),
            _ => Ok(()),
        }
    }
}

/// The whole seconds of a `NumericDate` (RFC 7519 section 2), within bounds that no sum overflows.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and fractions of a second do not matter"
)]
pub fn whole_seconds(date: f64) -> i64 {
    (date as i64).clamp(-1 << 50, 1 << 50)
}
