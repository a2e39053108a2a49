//! Rate limits: of failed authentications by client and network, of failed password and code
//! attempts by user, browser and network, of open registrations by network, and of credentials that
//! are tried out by actor.
//!
//! Each limit is a GCRA: a burst, then one every interval. What is kept for a key is its
//! theoretical arrival time (TAT): the instant at which everything counted so far has expired.
//! Counts are kept in the memory of one node, and are lost when it stops.
//!
//! Two kinds of memory keep attackers from flushing the counts of others:
//!
//! - Users that exist have exact counts, which are removed only after they have expired. Their
//!   number is bounded by the number of users, and the memory of each user is bounded too.
//! - Everything else that a caller can make up (client ids, names of users that do not exist,
//!   addresses) shares arrays of a fixed size, in which a keyed hash selects the slots. Nothing is
//!   ever evicted; in a heavy flood two keys may share their slots, so that one of them is limited
//!   too early.

mod clock;
mod counts;

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use self::clock::Clock;
use self::counts::Counts;
use crate::client_ip::ClientIp;

/// Milliseconds since the limiter was created, by a monotonic clock.
type Millis = i64;

/// A GCRA limit: `burst` at once, then one more every `interval` milliseconds.
#[derive(Clone, Copy)]
struct Limit {
    burst: Millis,
    interval: Millis,
}

const fn limit(burst: Millis, interval: Millis) -> Limit {
    Limit { burst, interval }
}

/// A kind of key whose counts are in an [`Array`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Failed client authentications, by client id.
    Client,
    /// Failures with the API keys of a client that are written to the audit, by the client id.
    ApiKeys,
    /// Refusals to an authenticated client that are written to the audit, by the client id.
    Refusals,
    /// Failures of one IPv4 address or /64 network.
    Network,
    /// Failures of an IPv6 /56 network, which one customer of a provider may hold.
    Network56,
    /// Failures of an IPv6 /48 network, which one site may hold.
    Network48,
    /// Open registrations of one IPv4 address or /64 network.
    Registrations,
    /// Credentials that one actor tries out.
    Trials,
    /// Attempts for a user that does not exist, from one network.
    UnknownUser,
    /// Attempts for a user that does not exist, from all networks.
    UnknownUserAnywhere,
}

impl Kind {
    const ALL: [Kind; 10] = [
        Kind::Client,
        Kind::ApiKeys,
        Kind::Refusals,
        Kind::Network,
        Kind::Network56,
        Kind::Network48,
        Kind::Registrations,
        Kind::Trials,
        Kind::UnknownUser,
        Kind::UnknownUserAnywhere,
    ];

    const fn limit(self) -> Limit {
        match self {
            Kind::Client | Kind::ApiKeys => limit(30, 2_000),
            Kind::Refusals => limit(30, 60_000),
            Kind::Network => limit(100, 500),
            Kind::Network56 => limit(300, 200),
            Kind::Network48 => limit(1000, 50),
            Kind::Registrations => limit(20, 60_000),
            Kind::Trials => limit(30, 6_000),
            // The same limits as for users that exist: a difference would reveal which do.
            Kind::UnknownUser => UserKey::Network(ClientIp::Unknown).limit(),
            Kind::UnknownUserAnywhere => UserKey::Anywhere.limit(),
        }
    }
}

/// One of the counts of a user that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserKey {
    /// Password attempts from one network.
    Network(ClientIp),
    /// Password attempts from all networks, except in known browsers.
    Anywhere,
    /// Attempts at the code of the second factor, except in known browsers.
    Codes,
    /// Attempts in one known browser.
    Browser(u64),
    /// Attempts in all known browsers.
    KnownBrowsers,
}

impl UserKey {
    const fn limit(self) -> Limit {
        match self {
            UserKey::Network(_) | UserKey::Browser(_) => limit(10, 30_000),
            UserKey::Anywhere => limit(1000, 10_000),
            UserKey::Codes => limit(20, 60_000),
            UserKey::KnownBrowsers => limit(100, 6_000),
        }
    }
}

/// The key of a count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LimitKey {
    /// A key in the arrays: its kind and its keyed hash.
    Hashed(Kind, u64),
    /// A count of the user with this id.
    User(String, UserKey),
}

impl LimitKey {
    const fn limit(&self) -> Limit {
        match self {
            LimitKey::Hashed(kind, _) => kind.limit(),
            LimitKey::User(_, key) => key.limit(),
        }
    }
}

/// Whose attempt at a password or a code is counted.
pub enum AttemptBy<'a> {
    /// An attempt at the password of a user.
    Password {
        /// The user's id.
        user: &'a str,
    },
    /// An attempt at the password of a user that does not exist.
    UnknownUser {
        /// The name that was entered.
        name: &'a str,
    },
    /// An attempt at the code of the second factor, after the password. There are a million codes,
    /// so few attempts are allowed.
    Code {
        /// The user's id.
        user: &'a str,
    },
    /// An attempt in a browser in which the user signed in before. It has counts of its own, so
    /// attempts of others do not lock the user out.
    KnownBrowser {
        /// The identifier of the browser.
        browser: &'a [u8],
        /// The user's id.
        user: &'a str,
    },
}

/// An attempt under way, counted in advance. It is refunded when it is dropped, unless
/// [`Attempt::fail`] was called: it succeeded, or was never verified.
pub struct Attempt<'a> {
    limiter: &'a RateLimiter,
    keys: Vec<LimitKey>,
    failed: bool,
}

impl Attempt<'_> {
    /// The attempt failed: it stays counted.
    pub fn fail(mut self) {
        self.failed = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.failed {
            self.limiter.refund(&self.keys);
        }
    }
}

/// Counts failures and attempts. For generated secrets a limit only changes the response to a
/// failure to 429; a correct secret is always accepted, so attackers cannot lock a client out.
#[derive(Default)]
pub struct RateLimiter {
    clock: Clock,
    hasher: RandomState,
    counts: Mutex<Counts>,
}

impl RateLimiter {
    /// Counts a failed authentication. Returns how long to wait if the client or the network is
    /// over its limit. While a network is over its limit nothing is counted: a flood neither
    /// extends its own limit nor uses up that of the clients that it names.
    pub fn failed(&self, client_id: Option<&str>, client_ip: ClientIp) -> Option<Duration> {
        let mut counts = self.lock();
        let now = self.clock.now();
        let networks = self.networks(client_ip);
        if let Some(wait) = networks
            .iter()
            .filter_map(|key| counts.wait(key, now))
            .max()
        {
            return Some(wait);
        }
        networks.iter().for_each(|key| counts.add(key, now));
        let client = self.hashed(Kind::Client, client_id?);
        counts.add_within_limit(&client, now)
    }

    /// Counts a failure with an API key of a client. Returns `Some` if it is not to be written to
    /// the audit.
    pub fn failed_api_key(&self, client_id: &str) -> Option<Duration> {
        self.count(Kind::ApiKeys, client_id)
    }

    /// Counts a refusal to an authenticated client. Returns `Some` if it is not to be written to
    /// the audit.
    pub fn refused(&self, client_id: &str) -> Option<Duration> {
        self.count(Kind::Refusals, client_id)
    }

    /// Counts an open registration. Returns how long to wait if the network is over its limit.
    pub fn registered(&self, client_ip: ClientIp) -> Option<Duration> {
        self.count(Kind::Registrations, to_prefix(client_ip, 64))
    }

    /// Counts a credential that an actor tries out. Returns how long to wait if the actor is over the
    /// limit.
    pub fn tried(&self, actor: &str) -> Option<Duration> {
        self.count(Kind::Trials, actor)
    }

    fn count(&self, kind: Kind, key: impl std::hash::Hash) -> Option<Duration> {
        let key = self.hashed(kind, key);
        self.lock().add_within_limit(&key, self.clock.now())
    }

    /// Counts an attempt at a password or a code before it is verified, so that concurrent attempts
    /// cannot exceed the limit. Over the limit a correct password is not verified either, since
    /// passwords that people choose can be guessed.
    ///
    /// # Errors
    /// How long to wait, if a limit is reached.
    pub fn attempt(
        &self,
        by: &AttemptBy<'_>,
        client_ip: ClientIp,
    ) -> Result<Attempt<'_>, Duration> {
        let keys = self.keys(by, client_ip);
        let mut counts = self.lock();
        let now = self.clock.now();
        // An attempt that one limit refuses must not count against the others.
        if let Some(wait) = keys.iter().filter_map(|key| counts.wait(key, now)).max() {
            return Err(wait);
        }
        keys.iter().for_each(|key| counts.add(key, now));
        drop(counts);
        Ok(Attempt {
            limiter: self,
            keys,
            failed: false,
        })
    }

    fn keys(&self, by: &AttemptBy<'_>, client_ip: ClientIp) -> Vec<LimitKey> {
        let network = to_prefix(client_ip, 64);
        let of = |user: &str, key: UserKey| LimitKey::User(user.to_owned(), key);
        let own = match by {
            AttemptBy::Password { user } => [
                Some(of(user, UserKey::Network(network))),
                Some(of(user, UserKey::Anywhere)),
            ],
            AttemptBy::UnknownUser { name } => [
                Some(self.hashed(Kind::UnknownUser, (name, network))),
                Some(self.hashed(Kind::UnknownUserAnywhere, name)),
            ],
            AttemptBy::Code { user } => [Some(of(user, UserKey::Codes)), None],
            AttemptBy::KnownBrowser { browser, user } => {
                let browser = self.hasher.hash_one(browser);
                [
                    Some(of(user, UserKey::Browser(browser))),
                    Some(of(user, UserKey::KnownBrowsers)),
                ]
            }
        };
        own.into_iter()
            .flatten()
            .chain(self.networks(client_ip))
            .collect()
    }

    /// The networks of an address. A holder of one IPv6 address holds the /64, and often a larger
    /// network.
    fn networks(&self, client_ip: ClientIp) -> Vec<LimitKey> {
        let mut keys = vec![self.hashed(Kind::Network, to_prefix(client_ip, 64))];
        if matches!(client_ip, ClientIp::Known(IpAddr::V6(_))) {
            keys.push(self.hashed(Kind::Network56, to_prefix(client_ip, 56)));
            keys.push(self.hashed(Kind::Network48, to_prefix(client_ip, 48)));
        }
        keys
    }

    fn hashed(&self, kind: Kind, key: impl std::hash::Hash) -> LimitKey {
        LimitKey::Hashed(kind, self.hasher.hash_one(key))
    }

    fn refund(&self, keys: &[LimitKey]) {
        let mut counts = self.lock();
        keys.iter().for_each(|key| counts.subtract(key));
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock()
    }
}

/// Truncates an IPv6 address to its network of `bits` bits. IPv4 addresses are not truncated. All
/// requests whose client IP is unknown count as one network.
fn to_prefix(client_ip: ClientIp, bits: u32) -> ClientIp {
    match client_ip {
        ClientIp::Known(IpAddr::V6(address)) => ClientIp::Known(IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & (u128::MAX << (128 - bits)),
        ))),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::counts::{MAX_SOURCES, MIN_SWEEP};
    use super::*;

    const ADA: AttemptBy<'_> = AttemptBy::Password { user: "ada" };

    fn v4(last: u8) -> ClientIp {
        IpAddr::from([127, 0, 0, last]).into()
    }

    /// An address of its own /64, /56 and /48 network for each number.
    fn v6(number: u16) -> ClientIp {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 1)).into()
    }

    /// The number of `count` failed attempts that are verified.
    fn compared(
        limiter: &RateLimiter,
        by: &AttemptBy<'_>,
        client_ip: ClientIp,
        count: usize,
    ) -> usize {
        let attempt = |_: &usize| limiter.attempt(by, client_ip).map(Attempt::fail).is_ok();
        (0..count).filter(attempt).count()
    }

    #[test]
    fn failures_expire_one_by_one() {
        let limiter = RateLimiter::default();
        let refused = |count: usize| {
            (0..count)
                .filter(|_| limiter.failed(Some("c"), v4(1)).is_some())
                .count()
        };
        assert_eq!(refused(40), 10, "thirty of a client at once");
        limiter.clock.set(4);
        assert_eq!(refused(5), 3, "one every two seconds");
        limiter.clock.set(3600);
        assert_eq!(refused(40), 10);
        assert!(limiter.failed(None, v4(2)).is_none(), "another address");
        assert!(limiter.failed(Some("d"), v4(1)).is_none(), "another client");
    }

    #[test]
    fn a_network_over_its_limit_does_not_spend_the_budget_of_clients() {
        let limiter = RateLimiter::default();
        assert_eq!(
            (0..200)
                .filter(|_| limiter.failed(None, v4(1)).is_none())
                .count(),
            100
        );
        for _ in 0..100 {
            assert!(limiter.failed(Some("c"), v4(1)).is_some());
        }
        assert_eq!(
            (0..40)
                .filter(|_| limiter.failed(Some("c"), v4(2)).is_none())
                .count(),
            30
        );
    }

    #[test]
    fn ipv6_networks_have_limits_of_their_own() {
        let address = |net: u16, subnet: u16, host: u16| {
            ClientIp::from(IpAddr::V6(Ipv6Addr::new(
                0x2001, 0xdb8, net, subnet, 0, 0, 0, host,
            )))
        };
        // (addresses, what is accepted of 2000 failures in turn)
        type Place = fn(u16) -> (u16, u16, u16);
        let cases: [(&str, Place, usize); 4] = [
            ("one /64", |n| (1, 0, n), 100),
            ("one /56", |n| (1, n % 256, 1), 300),
            ("one /48", |n| (1, n * 256, 1), 1000),
            ("many /48", |n| (n, 0, 1), 2000),
        ];
        for (name, of, accepted) in cases {
            let limiter = RateLimiter::default();
            let failed = (0..2000u16).filter(|n| {
                let (net, subnet, host) = of(n % 250);
                limiter.failed(None, address(net, subnet, host)).is_none()
            });
            assert_eq!(failed.count(), accepted, "{name}");
        }
        let limiter = RateLimiter::default();
        let mapped = |last: u8| {
            ClientIp::from(IpAddr::V6(
                std::net::Ipv4Addr::new(127, 0, 0, last).to_ipv6_mapped(),
            ))
        };
        (0..100).for_each(|_| assert!(limiter.failed(None, mapped(1)).is_none()));
        assert!(
            limiter.failed(None, v4(1)).is_some(),
            "an IPv4 address in the form of IPv6 is the same"
        );
        assert!(limiter.failed(None, mapped(2)).is_none());
    }

    #[test]
    fn an_unknown_client_ip_has_counts_of_its_own() {
        let limiter = RateLimiter::default();
        let accepted = |client_ip| {
            (0..200)
                .filter(|_| limiter.failed(None, client_ip).is_none())
                .count()
        };
        assert_eq!(accepted(ClientIp::Unknown), 100);
        assert_eq!(accepted(v4(1)), 100);
        assert_eq!(accepted(IpAddr::V6(Ipv6Addr::UNSPECIFIED).into()), 100);
        assert_eq!(accepted(IpAddr::from([0, 0, 0, 0]).into()), 100);
        assert_eq!(
            compared(&RateLimiter::default(), &ADA, ClientIp::Unknown, 20),
            10
        );
    }

    #[test]
    fn attempts_have_limits_by_network_user_and_browser() {
        let limiter = RateLimiter::default();
        assert_eq!(compared(&limiter, &ADA, v4(1), 20), 10);
        assert_eq!(
            compared(&limiter, &AttemptBy::Password { user: "bob" }, v4(1), 20),
            10,
            "another user"
        );
        assert_eq!(compared(&limiter, &ADA, v4(2), 20), 10, "another address");
        let known = AttemptBy::KnownBrowser {
            browser: b"one",
            user: "ada",
        };
        assert_eq!(compared(&limiter, &known, v4(3), 20), 10, "a known browser");
        assert_eq!(
            compared(&limiter, &AttemptBy::Code { user: "ada" }, v4(4), 30),
            20,
            "codes"
        );
        // A successful attempt does not count.
        limiter.clock.set(3600);
        (0..50).for_each(|_| drop(limiter.attempt(&ADA, v4(1)).unwrap()));
        assert_eq!(compared(&limiter, &ADA, v4(1), 20), 10);
    }

    #[test]
    fn a_user_has_an_attempt_every_ten_seconds_from_all_networks() {
        for by in [ADA, AttemptBy::UnknownUser { name: "nobody" }] {
            let limiter = RateLimiter::default();
            let all = |count: u16| {
                (0..count)
                    .map(|n| compared(&limiter, &by, v6(n), 1))
                    .sum::<usize>()
            };
            assert_eq!(all(2000), 1000);
            limiter.clock.set(100);
            assert_eq!(all(2000), 10);
        }
    }

    /// The counts of a user survive a flood of names, addresses and users.
    #[test]
    fn a_flood_does_not_evict_the_counts_of_a_user() {
        let limiter = RateLimiter::default();
        let (code, known) = (
            AttemptBy::Code { user: "ada" },
            AttemptBy::KnownBrowser {
                browser: b"one",
                user: "ada",
            },
        );
        let all = [(&ADA, v4(2)), (&code, v4(3)), (&known, v4(4))];
        for (by, client_ip) in all {
            compared(&limiter, by, client_ip, 100);
        }
        for n in 0..100_000u32 {
            let name = format!("client-{n}");
            let client_ip = ClientIp::from(IpAddr::V6(Ipv6Addr::from_bits(u128::from(n) << 80)));
            limiter.failed(Some(&name), client_ip);
            compared(
                &limiter,
                &AttemptBy::UnknownUser { name: &name },
                client_ip,
                2,
            );
            if n % 10 == 0 {
                compared(&limiter, &AttemptBy::Password { user: &name }, client_ip, 2);
            }
        }
        // At the same user, from more networks than are counted apart.
        (0..500).for_each(|n| assert!(compared(&limiter, &ADA, v6(n), 1) <= 1));
        for (by, client_ip) in all {
            assert_eq!(compared(&limiter, by, client_ip, 10), 0);
        }
        assert!(limiter.lock().networks("ada") <= MAX_SOURCES);
    }

    #[test]
    fn users_without_counts_are_removed() {
        let limiter = RateLimiter::default();
        for n in 0..10_000i64 {
            limiter.clock.set(n * 100);
            compared(
                &limiter,
                &AttemptBy::Password {
                    user: &n.to_string(),
                },
                v4(1),
                1,
            );
        }
        assert!(limiter.lock().users() <= 2 * MIN_SWEEP);
    }

    #[test]
    fn a_wait_is_as_long_as_it_says() {
        let limiter = RateLimiter::default();
        compared(&limiter, &ADA, v4(1), 10);
        let wait = limiter.attempt(&ADA, v4(1)).err().unwrap();
        assert_eq!(wait, Duration::from_secs(30));
        limiter.clock.set(29);
        assert!(limiter.attempt(&ADA, v4(1)).is_err());
        limiter.clock.set(30);
        assert!(limiter.attempt(&ADA, v4(1)).is_ok());
    }
}
