//! Every secret is checked here: how it is hashed at rest, how it is compared, and what failing
//! to know it costs.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::credential::{Credential, Fingerprint, random_bytes};
use crate::error::Error;

/// Argon2id at its least cost, for secrets of 256 random bits: no cost makes them harder to guess,
/// and a restart must not meet a wall of hashing. Some ten microseconds.
fn least_cost() -> Argon2<'static> {
    #[expect(clippy::expect_used, reason = "the least of each parameter is allowed by definition")]
    let params = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None).expect("the least parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is stored of a credential: an Argon2id hash as a PHC string.
pub fn hash(credential: &Credential) -> String {
    hash_generated(credential.expose())
}

/// The same of what Keyward generated in another form, such as recovery codes.
pub fn hash_generated(text: &str) -> String {
    let salt: [u8; 16] = random_bytes();
    #[expect(clippy::expect_used, reason = "fails on a wrong length of salt or output, and both are constants")]
    let hash = least_cost().hash_password_with_salt(text.as_bytes(), &salt).expect("an Argon2id hash");
    hash.to_string()
}

/// Whether this is the text of which that is the hash. In constant time for what the hash holds.
pub fn matches_generated(text: &str, hash: &str) -> bool {
    least_cost().verify_password(text.as_bytes(), hash).is_ok()
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
        let right = matches_generated(presented.expose(), &self.hash);
        if right {
            // Somebody else may have been quicker, with the same.
            let _ = self.proven.set(fingerprint);
        }
        right
    }
}

/// Counts failed authentications by client, user and address, and open registrations by address. Of
/// generated secrets it turns the answer to a failure into "too many", and never stands before a right
/// one: so nobody can lock a client out.
pub struct Throttle {
    /// For each subject the moment, in milliseconds, at which all its failures are forgiven (the
    /// "theoretical arrival time" of GCRA). Bounded: under a flood the oldest are forgotten.
    forgiven_at: Cache<Subject, i64>,
    /// Guesses are let in one after the other.
    guesses: Mutex<()>,
}

/// A guess that is being looked at. Unless it was wrong it was none: it was right, or nobody could tell.
pub struct Guess<'a> {
    throttle: &'a Throttle,
    subjects: Vec<Subject>,
    wrong: bool,
}

impl Guess<'_> {
    /// It counts.
    pub fn wrong(mut self) {
        self.wrong = true;
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        if !self.wrong {
            self.throttle.take_back(&self.subjects);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Client(String),
    Address(ClientIp),
    Registrations(ClientIp),
    Refusals(String),
    User(String, ClientIp),
    UserAnywhere(String),
    UserKnown(String),
    Codes(String),
    Browser(String),
}

/// Who guesses at what a person chose. Each has counts of its own for the user, and all share those of
/// the address.
pub enum Guesser {
    /// Anybody, at the password of a user.
    Password {
        /// The user's e-mail address.
        user: String,
        /// Whence.
        address: ClientIp,
    },
    /// Who knows the password, at the code of the second factor: a million of them, so few guesses.
    Code {
        /// The user's e-mail address.
        user: String,
        /// Whence.
        address: ClientIp,
    },
    /// A browser in which the user got in before: what others guess does not stand in its way.
    Known {
        /// Its name.
        browser: String,
        /// The user's e-mail address.
        user: String,
        /// Whence.
        address: ClientIp,
    },
}

impl Guesser {
    fn subjects(&self) -> Vec<Subject> {
        match self {
            Guesser::Password { user: name, address } => {
                let address = network(*address);
                vec![Subject::User(name.clone(), address), Subject::UserAnywhere(name.clone()), Subject::Address(address)]
            }
            Guesser::Code { user: name, address } => vec![Subject::Codes(name.clone()), Subject::Address(network(*address))],
            Guesser::Known { browser, user: name, address } => {
                vec![Subject::Browser(browser.clone()), Subject::UserKnown(name.clone()), Subject::Address(network(*address))]
            }
        }
    }
}

impl Subject {
    /// How many failures at once are answered as such, and how long until one is forgiven.
    fn limits(&self) -> (i64, i64) {
        match self {
            Subject::Client(_) => (30, 2000),
            Subject::Address(_) => (100, 500),
            Subject::Registrations(_) => (20, 60_000),
            Subject::Refusals(_) => (30, 60_000),
            Subject::User(..) | Subject::Browser(_) => (10, 30_000),
            Subject::UserAnywhere(_) => (1000, 1000),
            Subject::UserKnown(_) => (100, 6_000),
            Subject::Codes(_) => (20, 60_000),
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Throttle { forgiven_at: Cache::new(10_000), guesses: Mutex::default() }
    }
}

impl Throttle {
    /// Counts a failure. `Some(wait)` where there were too many, for the client or the address.
    pub fn failed(&self, client_id: Option<&str>, address: ClientIp, now: Timestamp) -> Option<Duration> {
        let client = client_id.map(|id| self.count(Subject::Client(id.to_owned()), now));
        let address = self.count(Subject::Address(network(address)), now);
        client.flatten().max(address)
    }

    /// Counts a refusal to a client that is to be noted. `Some(wait)` where there were enough.
    pub fn refused(&self, client_id: &str, now: Timestamp) -> Option<Duration> {
        self.count(Subject::Refusals(client_id.to_owned()), now)
    }

    /// Counts a client that somebody registered openly. `Some(wait)` where there were too many.
    pub fn registered(&self, address: ClientIp, now: Timestamp) -> Option<Duration> {
        self.count(Subject::Registrations(network(address)), now)
    }

    /// Counts a guess at a password or a code before it is looked at, so that many at once are as many
    /// guesses; it is taken back where it does not turn out to be [`Guess::wrong`]. `Err(wait)` where there
    /// were too many: people choose what can be guessed, so this stands before a right one too.
    ///
    /// # Errors
    /// How long to wait.
    pub fn guess(&self, guesser: &Guesser, now: Timestamp) -> Result<Guess<'_>, Duration> {
        let subjects = guesser.subjects();
        let _turn = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        // What is refused here must not count against the user everywhere.
        if let Some(wait) = subjects.iter().filter_map(|subject| self.after_one_more(subject, now).1).max() {
            return Err(wait);
        }
        for subject in &subjects {
            self.count(subject.clone(), now);
        }
        Ok(Guess { throttle: self, subjects, wrong: false })
    }

    fn take_back(&self, subjects: &[Subject]) {
        let _turn = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            if let Some(forgiven_at) = self.forgiven_at.get(subject) {
                self.forgiven_at.insert(subject.clone(), forgiven_at - subject.limits().1);
            }
        }
    }

    fn count(&self, subject: Subject, now: Timestamp) -> Option<Duration> {
        let (forgiven_at, wait) = self.after_one_more(&subject, now);
        if wait.is_none() {
            self.forgiven_at.insert(subject, forgiven_at);
        }
        // Else not counted: a flood does not postpone its own end.
        wait
    }

    /// When all would be forgiven, and how long one more must wait where it is too many.
    fn after_one_more(&self, subject: &Subject, now: Timestamp) -> (i64, Option<Duration>) {
        let (burst, interval) = subject.limits();
        let now = now.millis();
        let forgiven_at = self.forgiven_at.get(subject).unwrap_or(now).max(now) + interval;
        let wait = u64::try_from(forgiven_at - now - burst * interval).ok().filter(|wait| *wait > 0);
        (forgiven_at, wait.map(Duration::from_millis))
    }
}

/// Who holds one IPv6 address holds the 2^64 of its network. All whose client IP is unknown share counts
/// of their own.
fn network(client_ip: ClientIp) -> ClientIp {
    match client_ip {
        ClientIp::Known(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            ClientIp::Known(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
        }
        other => other,
    }
}

/// The shortest password, in characters, and the longest, in bytes.
const SHORTEST_PASSWORD: usize = 10;
const LONGEST_PASSWORD: usize = 1024;

/// How many different characters a password has at least.
const FEWEST_CHARACTERS: usize = 5;

/// A password that a person chose. It cannot be printed or serialised.
pub struct Password(String);

impl Password {
    /// Takes what somebody chose.
    ///
    /// # Errors
    /// A sentence, where it is too short, too long, or hardly more than one character.
    pub fn new(text: String) -> Result<Self, String> {
        let distinct: BTreeSet<char> = text.chars().collect();
        let usable = distinct.len() >= FEWEST_CHARACTERS && !text.chars().any(char::is_control);
        if text.chars().count() < SHORTEST_PASSWORD || text.len() > LONGEST_PASSWORD || !usable {
            return Err(format!(
                "A password has at least {SHORTEST_PASSWORD} characters, {FEWEST_CHARACTERS} of them different, and \
                 {LONGEST_PASSWORD} bytes at the most"
            ));
        }
        Ok(Password(text))
    }

    /// What somebody says the password is: of any length that can be compared.
    pub fn presented(mut text: String) -> Self {
        if text.len() > LONGEST_PASSWORD {
            text.clear();
        }
        Password(text)
    }
}

/// How many passwords are worked on at a time: each takes 19 MiB and some 20 milliseconds.
const PASSWORDS_AT_A_TIME: usize = 2;

/// How long one waits for its turn, before the answer is to come back later.
const PASSWORD_PATIENCE: Duration = Duration::from_secs(2);

/// Hashes and compares passwords: Argon2id at the cost that OWASP names (19 MiB, two passes), a few at
/// a time, in memory that is kept, so that a flood of them neither starves the rest nor grows.
pub struct Passwords {
    seats: Arc<Semaphore>,
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords { seats: Arc::new(Semaphore::new(PASSWORDS_AT_A_TIME)), memory: Arc::default() }
    }
}

impl Passwords {
    /// What is stored of a password: a PHC string.
    ///
    /// # Errors
    /// `temporarily_unavailable` where too many are worked on.
    pub async fn hash(&self, password: Password) -> Result<String, Error> {
        let salt: [u8; 16] = random_bytes();
        let output = self.compute(password, salt.to_vec(), Params::DEFAULT).await?;
        let fault = |error: argon2::password_hash::Error| Error::server_error(error.to_string());
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&Params::DEFAULT).map_err(|error| Error::server_error(error.to_string()))?,
            salt: Some(Salt::new(&salt).map_err(|error| fault(error.into()))?),
            hash: Some(Output::new(&output).map_err(|error| fault(error.into()))?),
        };
        Ok(hash.to_string())
    }

    /// Whether this is the password of which that is stored. Where nothing is, it takes as long.
    ///
    /// # Errors
    /// `temporarily_unavailable` where too many are worked on.
    pub async fn matches(&self, stored: Option<&str>, presented: Password) -> Result<bool, Error> {
        let parsed = stored.and_then(|stored| PasswordHash::new(stored).ok());
        let parts = parsed.as_ref().and_then(|hash| {
            let params = Params::try_from(hash).ok()?;
            Some((hash.salt.as_ref()?.to_vec(), params, hash.hash.as_ref()?))
        });
        let Some((salt, params, expected)) = parts else {
            self.compute(presented, vec![0; 16], Params::DEFAULT).await?;
            return Ok(false);
        };
        let output = self.compute(presented, salt, params).await?;
        Ok(verify_slices_are_equal(expected.as_bytes(), &output).is_ok())
    }

    async fn compute(&self, password: Password, salt: Vec<u8>, params: Params) -> Result<Vec<u8>, Error> {
        let busy = || Error::unavailable("too many passwords at a time");
        let seat = tokio::time::timeout(PASSWORD_PATIENCE, self.seats.clone().acquire_owned()).await;
        let seat = seat.map_err(|_| busy())?.map_err(|_| busy())?;
        let memory = self.memory.clone();
        let task = tokio::task::spawn_blocking(move || {
            // Held for as long as the work takes, even where nobody waits for it any more.
            let _seat = seat;
            let mut blocks = memory.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            blocks.resize(params.block_count(), Block::default());
            let mut output = vec![0; params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let done = argon2.hash_password_into_with_memory(password.0.as_bytes(), &salt, &mut output, &mut blocks);
            memory.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
            done.map(|()| output).map_err(|error| Error::server_error(error.to_string()))
        });
        task.await.map_err(|error| Error::server_error(error.to_string()))?
    }
}
