//! Passwords that people choose: which ones are accepted, and how they are hashed and compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::credential::random_bytes;
use crate::error::{Error, refusal};
use crate::secret::SecretString;
use crate::span::{self, Scope};

mod strength;

/// The shortest password, in characters, and the longest, in bytes.
const MIN_LENGTH: usize = 10;
const MAX_LENGTH: usize = 1024;

/// How many different characters a password has at least.
const MIN_DISTINCT: usize = 5;

/// Related words that are shorter than this, in characters, are ignored: they occur by chance.
const MIN_RELATED: usize = 3;

/// Words that are related to every user of the product.
const PRODUCT: [&str; 2] = ["keyward", "portal"];

/// A password that a person chose.
#[derive(Debug)]
pub struct Password(SecretString);

/// Why a password is refused (NIST SP 800-63B section 5.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Too short, too long, with a control character, or with too few different characters.
    Format,
    /// It contains the user's e-mail address, the issuer's name or the product's.
    Personal,
    /// It is a common password, or close to one.
    Common,
    /// Keys that lie next to each other on a keyboard.
    Keyboard,
    /// The same characters again and again.
    Repeated,
    /// A run of the alphabet or of digits.
    Sequence,
    /// A date or a year.
    Date,
    /// Easy to guess for no single reason.
    Guessable,
}

impl From<Weakness> for Error {
    fn from(weakness: Weakness) -> Self {
        match weakness {
            Weakness::Format => refusal::password_format(),
            Weakness::Personal => refusal::password_personal(),
            Weakness::Common => refusal::password_common(),
            Weakness::Keyboard => refusal::password_keyboard(),
            Weakness::Repeated => refusal::password_repeated(),
            Weakness::Sequence => refusal::password_sequence(),
            Weakness::Date => refusal::password_date(),
            Weakness::Guessable => refusal::password_guessable(),
        }
    }
}

impl Password {
    /// Checks a password that a person chose. `related` are words that an attacker would try first:
    /// the user's e-mail address, the issuer.
    ///
    /// # Errors
    /// [`Weakness`] if the password is refused.
    pub fn choose(password: SecretString, related: &[&str]) -> Result<Self, Weakness> {
        let text = password.expose();
        let distinct: BTreeSet<char> = text.chars().collect();
        let length = text.chars().count();
        if length < MIN_LENGTH
            || text.len() > MAX_LENGTH
            || distinct.len() < MIN_DISTINCT
            || text.chars().any(char::is_control)
        {
            return Err(Weakness::Format);
        }
        match strength::weakness(text, &words(related)) {
            None => Ok(Password(password)),
            Some(weakness) => Err(weakness),
        }
    }

    /// A generated password, which needs no check.
    pub fn generated(password: SecretString) -> Self {
        Password(password)
    }

    /// A presented password. One that is longer than a password can be matches none.
    pub fn presented(password: SecretString) -> Self {
        if password.expose().len() > MAX_LENGTH {
            Password(SecretString::default())
        } else {
            Password(password)
        }
    }
}

/// The related texts and the words inside them, in lower case.
fn words(related: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in related.iter().chain(&PRODUCT) {
        let text = text.to_lowercase();
        all.extend(
            text.split(|c: char| !c.is_alphanumeric())
                .map(str::to_owned),
        );
        // An e-mail address with and without its host.
        all.extend(text.split_once('@').map(|(name, _)| name.to_owned()));
        all.push(text);
    }
    all.retain(|word| word.chars().count() >= MIN_RELATED);
    all
}

/// How many hashes are computed at a time for any caller: each takes 19 MiB and some 20
/// milliseconds.
const SHARED_PERMITS: usize = 2;

/// How many more are reserved for [`Caller::Known`].
const RESERVED_PERMITS: usize = 1;

/// How long a caller waits for a permit before it gets an error that asks it to retry later.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The caller of a password comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// An unknown caller at the sign-in page.
    Anyone,
    /// A user who is signed in, or in a browser where the user signed in before. A flood of
    /// sign-ins by others does not keep these out.
    Known,
}

/// Hashes and compares passwords: Argon2id at the cost that OWASP recommends (19 MiB, two passes).
/// The number of concurrent computations is bounded and their memory is reused, so that a flood of
/// sign-ins neither starves the rest of the server nor uses more memory.
pub struct Passwords {
    shared: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords {
            shared: Arc::new(Semaphore::new(SHARED_PERMITS)),
            reserved: Arc::new(Semaphore::new(RESERVED_PERMITS)),
            memory: Arc::default(),
        }
    }
}

impl Passwords {
    /// The hash of a new password, as a PHC string. Only known callers can choose one.
    ///
    /// # Errors
    /// `temporarily_unavailable` if no permit is free within the timeout.
    pub async fn hash(&self, password: Password) -> Result<String, Error> {
        let salt: [u8; 16] = random_bytes();
        let output = self
            .compute(password, salt.to_vec(), Params::DEFAULT, Caller::Known)
            .await?;
        let fault = |error: argon2::password_hash::Error| Error::server_error(error.to_string());
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&Params::DEFAULT)
                .map_err(|error| Error::server_error(error.to_string()))?,
            salt: Some(Salt::new(&salt).map_err(|error| fault(error.into()))?),
            hash: Some(Output::new(&output).map_err(|error| fault(error.into()))?),
        };
        Ok(hash.to_string())
    }

    /// Whether `presented` is the password whose hash is `stored`. Takes the same time if nothing
    /// is stored.
    ///
    /// # Errors
    /// `temporarily_unavailable` if no permit is free within the timeout.
    pub async fn matches(
        &self,
        stored: Option<&str>,
        presented: Password,
        caller: Caller,
    ) -> Result<bool, Error> {
        let parsed = stored.and_then(|stored| PasswordHash::new(stored).ok());
        let parts = parsed.as_ref().and_then(|hash| {
            let params = Params::try_from(hash).ok()?;
            Some((hash.salt.as_ref()?.to_vec(), params, hash.hash.as_ref()?))
        });
        let Some((salt, params, expected)) = parts else {
            self.compute(presented, vec![0; 16], Params::DEFAULT, caller)
                .await?;
            return Ok(false);
        };
        let output = self.compute(presented, salt, params, caller).await?;
        Ok(verify_slices_are_equal(expected.as_bytes(), &output).is_ok())
    }

    async fn permit(&self, caller: Caller) -> Result<OwnedSemaphorePermit, Error> {
        let busy = || Error::unavailable("too many passwords at a time");
        let shared = self.shared.clone().acquire_owned();
        let permit = match caller {
            Caller::Anyone => tokio::time::timeout(PERMIT_TIMEOUT, shared).await,
            Caller::Known => {
                let reserved = self.reserved.clone().acquire_owned();
                let either = async {
                    tokio::select! {
                        biased;
                        permit = shared => permit,
                        permit = reserved => permit,
                    }
                };
                tokio::time::timeout(PERMIT_TIMEOUT, either).await
            }
        };
        permit.map_err(|_| busy())?.map_err(|_| busy())
    }

    async fn compute(
        &self,
        password: Password,
        salt: Vec<u8>,
        params: Params,
        caller: Caller,
    ) -> Result<Vec<u8>, Error> {
        let permit = self.permit(caller).await?;
        let memory = self.memory.clone();
        let scope = Scope::child(|| tracing::debug_span!(target: span::TARGET, "hash password"));
        let task = scope.run_blocking(move || {
            // Held as long as the thread runs, even if the caller no longer waits.
            let _permit = permit;
            let mut blocks = memory.lock().pop().unwrap_or_default();
            blocks.resize(params.block_count(), Block::default());
            let mut output = vec![0; params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let done = argon2.hash_password_into_with_memory(
                password.0.expose().as_bytes(),
                &salt,
                &mut output,
                &mut blocks,
            );
            memory.lock().push(blocks);
            done.map(|()| output)
                .map_err(|error| Error::server_error(error.to_string()))
        });
        task.await
            .map_err(|error| Error::server_error(error.to_string()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELATED: [&str; 2] = [
        "bartholomew.hill@acme.example",
        "https://login.northwind.example",
    ];

    fn refused(text: &str) -> Option<Weakness> {
        Password::choose(text.into(), &RELATED).err()
    }

    #[test]
    fn common_passwords_are_refused_with_the_reason() {
        for (password, weakness) in [
            ("short", Weakness::Format),
            ("aaaaaaaaaaaa", Weakness::Format),
            ("a password\u{7}", Weakness::Format),
            ("password123", Weakness::Common),
            ("Password1!", Weakness::Common),
            ("p@ssw0rd2024", Weakness::Common),
            ("letmein12345", Weakness::Common),
            ("keyward123", Weakness::Personal),
            ("bartholomew12", Weakness::Personal),
            ("northwind2026", Weakness::Personal),
            ("bartholomew.hill@acme.example", Weakness::Personal),
        ] {
            assert_eq!(refused(password), Some(weakness), "{password}");
        }
        for password in [
            "1234567890",
            "qwertyuiop",
            "qwertyuiop[]",
            "0987654321",
            "abcdefghij",
            "abcabcabcabcd",
            "1qaz2wsx3edc",
            "12031987190",
        ] {
            assert!(refused(password).is_some(), "{password}");
        }
    }

    #[test]
    fn good_passwords_are_accepted() {
        for password in [
            "correct horse battery",
            "six quiet otters build dams",
            "xK9#vQ2!mZ",
            "a lamp below the green stairs",
            "日本語の長いパスワードです",
        ] {
            assert_eq!(refused(password), None, "{password}");
        }
        // As long as can be, and in every script.
        assert_eq!(refused(&"é🦀 ßx".repeat(80)), Some(Weakness::Repeated));
        assert_eq!(refused(&"x".repeat(MAX_LENGTH + 1)), Some(Weakness::Format));
    }

    #[test]
    fn debug_masks_a_password() {
        let presented = Password::presented("correct horse battery".into());
        assert_eq!(format!("{presented:?}"), "Password(***)");
    }

    /// While a flood by strangers holds all shared permits, a known caller still gets one.
    #[tokio::test]
    async fn a_permit_is_reserved_for_known_callers() {
        let passwords = Passwords::default();
        let _first = passwords.permit(Caller::Anyone).await.unwrap();
        let _second = passwords.permit(Caller::Anyone).await.unwrap();
        tokio::time::timeout(Duration::from_millis(50), passwords.permit(Caller::Anyone))
            .await
            .expect_err("none is left");
        let known = passwords.permit(Caller::Known).await;
        assert!(known.is_ok());
        let presented = Password::presented("correct horse battery".into());
        assert_eq!(
            passwords
                .matches(None, presented, Caller::Known)
                .await
                .unwrap_err()
                .code(),
            crate::error::Code::TemporarilyUnavailable
        );
        drop(known);
        let presented = Password::presented("correct horse battery".into());
        assert!(
            !passwords
                .matches(None, presented, Caller::Known)
                .await
                .unwrap()
        );
    }
}
