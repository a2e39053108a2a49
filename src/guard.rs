//! Every secret is checked here: how it is hashed at rest, how it is compared, and what failing
//! to know it costs.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use quick_cache::sync::Cache;

use crate::clock::Timestamp;
use crate::credential::{Credential, Fingerprint, random_bytes};

/// Argon2id at its least cost, for secrets of 256 random bits: no cost makes them harder to guess,
/// and a restart must not meet a wall of hashing. Some ten microseconds.
fn least_cost() -> Argon2<'static> {
    #[expect(clippy::expect_used, reason = "the least of each parameter is allowed by definition")]
    let params = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None).expect("the least parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is stored of a credential: an Argon2id hash as a PHC string.
pub fn hash(credential: &Credential) -> String {
    let salt: [u8; 16] = random_bytes();
    #[expect(clippy::expect_used, reason = "fails on a wrong length of salt or output, and both are constants")]
    let hash = least_cost().hash_password_with_salt(credential.expose().as_bytes(), &salt).expect("an Argon2id hash");
    hash.to_string()
}

/// Does the work of a comparison for nothing, so that a name that is not there takes as long as
/// one that is.
pub fn compare_with_nothing(presented: &[u8]) {
    let mut out = [0; 32];
    // A dummy: its outcome is of no interest, and its parameters are constants.
    let _ = least_cost().hash_password_into(presented, &[0; 16], &mut out);
}

/// The hash of a secret, as memory holds it. Once the secret itself was presented, its SHA-256
/// stands beside: comparing that takes a microsecond.
pub struct StoredSecret {
    hash: String,
    proven: OnceLock<Fingerprint>,
}

impl StoredSecret {
    /// From what the database holds.
    pub fn new(hash: String) -> Self {
        StoredSecret { hash, proven: OnceLock::new() }
    }

    /// Whether this is the one. In constant time for what it holds.
    pub fn matches(&self, presented: &Credential) -> bool {
        let fingerprint = presented.fingerprint();
        if let Some(proven) = self.proven.get()
            && proven.matches(&fingerprint)
        {
            return true;
        }
        let right = least_cost().verify_password(presented.expose().as_bytes(), self.hash.as_str()).is_ok();
        if right {
            // Somebody else may have been quicker, with the same.
            let _ = self.proven.set(fingerprint);
        }
        right
    }
}

/// Counts failed authentications by client and by address, and open registrations by address. It turns the answer to a failure into
/// "too many", and never stands before a right secret: so nobody can lock a client out.
pub struct Throttle {
    /// For each subject the moment, in milliseconds, at which all its failures are forgiven (the
    /// "theoretical arrival time" of GCRA). Bounded: under a flood the oldest are forgotten.
    forgiven_at: Cache<Subject, i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Client(String),
    Address(IpAddr),
    Registrations(IpAddr),
}

impl Subject {
    /// How many failures at once are answered as such, and how long until one is forgiven.
    fn limits(&self) -> (i64, i64) {
        match self {
            Subject::Client(_) => (30, 2000),
            Subject::Address(_) => (100, 500),
            Subject::Registrations(_) => (20, 60_000),
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Throttle { forgiven_at: Cache::new(10_000) }
    }
}

impl Throttle {
    /// Counts a failure. `Some(wait)` where there were too many, for the client or the address.
    pub fn failed(&self, client_id: Option<&str>, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let client = client_id.map(|id| self.count(Subject::Client(id.to_owned()), now));
        let address = self.count(Subject::Address(network(address)), now);
        client.flatten().max(address)
    }

    /// Counts a client that somebody registered openly. `Some(wait)` where there were too many.
    pub fn registered(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        self.count(Subject::Registrations(network(address)), now)
    }

    fn count(&self, subject: Subject, now: Timestamp) -> Option<Duration> {
        let (burst, interval) = subject.limits();
        let now = now.millis();
        let forgiven_at = self.forgiven_at.get(&subject).unwrap_or(now).max(now) + interval;
        let wait = forgiven_at - now - burst * interval;
        if wait > 0 {
            // Not counted: a flood does not postpone its own end.
            return Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)));
        }
        self.forgiven_at.insert(subject, forgiven_at);
        None
    }
}

/// Who holds one IPv6 address holds the 2^64 of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// The shortest password, in characters, and the longest, in bytes.
const SHORTEST_PASSWORD: usize = 10;
const LONGEST_PASSWORD: usize = 1024;

/// A password that a person chose. It cannot be printed or serialised.
pub struct Password(String);

impl Password {
    /// Takes what somebody chose.
    ///
    /// # Errors
    /// A sentence, where it is too short or too long.
    pub fn new(text: String) -> Result<Self, String> {
        if text.chars().count() < SHORTEST_PASSWORD || text.len() > LONGEST_PASSWORD {
            return Err(format!(
                "A password has at least {SHORTEST_PASSWORD} characters, and {LONGEST_PASSWORD} bytes at the most"
            ));
        }
        Ok(Password(text))
    }

    /// What is stored of it: Argon2id at the cost that OWASP names (19 MiB, two passes), as a PHC
    /// string. Some 20 milliseconds, which only few may take at a time.
    pub fn hash(&self) -> String {
        let salt: [u8; 16] = random_bytes();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
        #[expect(clippy::expect_used, reason = "fails on a wrong length of salt or output, and both are constants")]
        let hash = argon2.hash_password_with_salt(self.0.as_bytes(), &salt).expect("an Argon2id hash");
        hash.to_string()
    }
}
