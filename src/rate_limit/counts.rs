//! What is counted: exact counts of users that exist, and arrays for everything that a caller can
//! make up.

use std::collections::HashMap;
use std::time::Duration;

use super::{Kind, Limit, LimitKey, Millis, UserKey};

/// All counts. Their memory is bounded, see the module documentation.
pub(super) struct Counts {
    arrays: [Array; Kind::ALL.len()],
    users: HashMap<String, UserCounts>,
    /// The number of users at which users without counts are removed.
    sweep_at: usize,
}

/// The smallest number of users at which users without counts are removed.
pub(super) const MIN_SWEEP: usize = 1024;

impl Default for Counts {
    fn default() -> Self {
        Counts {
            arrays: std::array::from_fn(|_| Array::default()),
            users: HashMap::new(),
            sweep_at: MIN_SWEEP,
        }
    }
}

impl Counts {
    fn tat(&self, key: &LimitKey) -> Millis {
        match key {
            LimitKey::Hashed(kind, hash) => self.arrays[*kind as usize].tat(*hash),
            LimitKey::User(user, key) => self.users.get(user).map_or(0, |counts| counts.tat(*key)),
        }
    }

    /// Returns how long the next one must wait, or `None` if it is within the limit.
    pub(super) fn wait(&self, key: &LimitKey, now: Millis) -> Option<Duration> {
        let Limit { burst, interval } = key.limit();
        let tat = self.tat(key).max(now) + interval;
        u64::try_from(tat - now - burst * interval)
            .ok()
            .filter(|wait| *wait > 0)
            .map(Duration::from_millis)
    }

    pub(super) fn add(&mut self, key: &LimitKey, now: Millis) {
        let interval = key.limit().interval;
        match key {
            LimitKey::Hashed(kind, hash) => {
                self.arrays[*kind as usize].update(*hash, |tat| tat.max(now) + interval)
            }
            LimitKey::User(user, key) => {
                if !self.users.contains_key(user) {
                    self.sweep(now);
                }
                let tat = self.users.entry(user.clone()).or_default().entry(*key, now);
                *tat = (*tat).max(now) + interval;
            }
        }
    }

    /// Counts one more if it is within the limit. Else returns how long to wait.
    pub(super) fn add_within_limit(&mut self, key: &LimitKey, now: Millis) -> Option<Duration> {
        let wait = self.wait(key, now);
        if wait.is_none() {
            self.add(key, now);
        }
        wait
    }

    pub(super) fn subtract(&mut self, key: &LimitKey) {
        let interval = key.limit().interval;
        match key {
            LimitKey::Hashed(kind, hash) => {
                self.arrays[*kind as usize].update(*hash, |tat| tat - interval)
            }
            LimitKey::User(user, key) => {
                if let Some(tat) = self
                    .users
                    .get_mut(user)
                    .and_then(|counts| counts.get_mut(*key))
                {
                    *tat -= interval;
                }
            }
        }
    }

    /// Removes users whose counts have expired, when the number of users has doubled.
    fn sweep(&mut self, now: Millis) {
        if self.users.len() < self.sweep_at {
            return;
        }
        self.users.retain(|_, counts| !counts.is_expired(now));
        self.sweep_at = MIN_SWEEP.max(self.users.len() * 2);
    }
}

#[cfg(test)]
impl Counts {
    /// The number of users with counts.
    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    /// The number of networks with a count of their own for a user.
    pub(super) fn networks(&self, user: &str) -> usize {
        self.users[user].networks.len()
    }
}

/// The slots of an array: half a mebibyte, of which only the pages in use are resident.
const SLOTS: usize = 1 << 15;

/// A count-min sketch of two rows: each key has a slot in either row, and its count is the lower of
/// both. A count is too high only if other keys share both slots, and never too low.
struct Array([Vec<Millis>; 2]);

impl Default for Array {
    fn default() -> Self {
        Array(std::array::from_fn(|_| vec![0; SLOTS]))
    }
}

impl Array {
    fn slots(hash: u64) -> [usize; 2] {
        [hash, hash >> 32].map(|part| usize::try_from(part % SLOTS as u64).unwrap_or_default())
    }

    fn tat(&self, hash: u64) -> Millis {
        let [first, second] = Array::slots(hash);
        self.0[0][first].min(self.0[1][second])
    }

    fn update(&mut self, hash: u64, change: impl Fn(Millis) -> Millis) {
        for (row, slot) in self.0.iter_mut().zip(Array::slots(hash)) {
            row[slot] = change(row[slot]);
        }
    }
}

/// The most networks, and the most browsers, with a count of their own for each user. The limits
/// over all of them hold in any case.
pub(super) const MAX_SOURCES: usize = 128;

/// The counts of a user that exists.
#[derive(Default)]
struct UserCounts {
    anywhere: Millis,
    codes: Millis,
    known_browsers: Millis,
    networks: Vec<(UserKey, Millis)>,
    browsers: Vec<(UserKey, Millis)>,
}

impl UserCounts {
    fn tat(&self, key: UserKey) -> Millis {
        let find = |sources: &[(UserKey, Millis)]| {
            sources
                .iter()
                .find(|(own, _)| *own == key)
                .map_or(0, |(_, tat)| *tat)
        };
        match key {
            UserKey::Anywhere => self.anywhere,
            UserKey::Codes => self.codes,
            UserKey::KnownBrowsers => self.known_browsers,
            UserKey::Network(_) => find(&self.networks),
            UserKey::Browser(_) => find(&self.browsers),
        }
    }

    fn get_mut(&mut self, key: UserKey) -> Option<&mut Millis> {
        let sources = match key {
            UserKey::Anywhere => return Some(&mut self.anywhere),
            UserKey::Codes => return Some(&mut self.codes),
            UserKey::KnownBrowsers => return Some(&mut self.known_browsers),
            UserKey::Network(_) => &mut self.networks,
            UserKey::Browser(_) => &mut self.browsers,
        };
        sources
            .iter_mut()
            .find(|(own, _)| *own == key)
            .map(|(_, tat)| tat)
    }

    fn entry(&mut self, key: UserKey, now: Millis) -> &mut Millis {
        let sources = match key {
            UserKey::Anywhere => return &mut self.anywhere,
            UserKey::Codes => return &mut self.codes,
            UserKey::KnownBrowsers => return &mut self.known_browsers,
            UserKey::Network(_) => &mut self.networks,
            UserKey::Browser(_) => &mut self.browsers,
        };
        let index = match sources.iter().position(|(own, _)| *own == key) {
            Some(index) => index,
            None => {
                sources.retain(|(_, tat)| *tat > now);
                if sources.len() >= MAX_SOURCES {
                    // Evicting the one with the fewest failures loses the least.
                    let fewest = sources
                        .iter()
                        .enumerate()
                        .min_by_key(|(_, (_, tat))| *tat)
                        .map(|(index, _)| index);
                    sources.swap_remove(fewest.unwrap_or_default());
                }
                sources.push((key, 0));
                sources.len() - 1
            }
        };
        &mut sources[index].1
    }

    fn is_expired(&self, now: Millis) -> bool {
        let tats = [self.anywhere, self.codes, self.known_browsers];
        let sources = self
            .networks
            .iter()
            .chain(&self.browsers)
            .map(|(_, tat)| *tat);
        tats.into_iter().chain(sources).all(|tat| tat <= now)
    }
}
