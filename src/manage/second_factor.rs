//! The second factor of a user: time-based one-time passwords (RFC 6238), and recovery codes for a
//! lost device. Everything here works on a user row in memory; `sign_in` and `profile` store the
//! result.

use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::crypto::secret_hash;
use crate::error::{Error, refusal};
use crate::secret::{SecretBytes, SecretString};
use crate::store::user::User;

/// The number of recovery codes in a set.
const RECOVERY_CODES: usize = 10;

/// The number of base 32 digits of a recovery code.
const RECOVERY_CODE_LENGTH: usize = 16;

/// The number of wrong codes in a row after which TOTP codes are no longer accepted, on all nodes
/// (NIST SP 800-63B section 5.2.2). A new password or a recovery code ends the lock.
const MAX_WRONG_CODES: i64 = 100;

/// A second factor to be enrolled. It is stored once the user has entered a code from it.
#[derive(Debug)]
pub struct Enrolment {
    /// The secret in base32, to be typed.
    pub secret: SecretString,
    /// The `otpauth://` URL, to be scanned as a QR code.
    pub url: SecretString,
    /// The secret, sealed for this user: the form carries it until a code confirms it.
    pub sealed: String,
}

impl Enrolment {
    /// An enrolment with a new secret.
    ///
    /// # Errors
    /// `server_error` if the secret cannot be sealed.
    pub(super) fn generate(sealing_keys: &SealingKeyFile, user: &User) -> Result<Self, Error> {
        let secret = Zeroizing::new(random_bytes::<20>());
        Enrolment::new(sealing_keys, user, secret.as_slice())
    }

    /// The same enrolment again, for a form that is shown again after a wrong code.
    ///
    /// # Errors
    /// `invalid_request` if `sealed` is of another user or sealing key.
    pub(super) fn resume(
        sealing_keys: &SealingKeyFile,
        user: &User,
        sealed: &str,
    ) -> Result<Self, Error> {
        let secret = unseal_enrolment(sealing_keys, user, sealed)?;
        Enrolment::new(sealing_keys, user, secret.expose())
    }

    fn new(sealing_keys: &SealingKeyFile, user: &User, secret: &[u8]) -> Result<Self, Error> {
        let sealed = sealing_keys.seal(&seal_context(user), secret)?;
        let totp = totp(secret, &user.email)?;
        let url = totp
            .to_url()
            .map_err(|error| Error::server_error(error.to_string()))?;
        Ok(Enrolment {
            secret: SecretString::new(totp.secret().to_base32()),
            url: SecretString::new(url),
            sealed,
        })
    }
}

/// The secret of an enrolment form.
///
/// # Errors
/// `invalid_request` if `sealed` is of another user or sealing key.
pub(super) fn unseal_enrolment(
    sealing_keys: &SealingKeyFile,
    user: &User,
    sealed: &str,
) -> Result<SecretBytes, Error> {
    sealing_keys
        .unseal(&seal_context(user), sealed)
        .map_err(|error| refusal::enrolment_expired().detail(error.to_string()))
}

/// The associated data under which a user's secret is sealed: one user's secret cannot be unsealed
/// as another's.
pub(super) fn seal_context(user: &User) -> String {
    format!("second factor of {}", user.id)
}

fn totp(secret: &[u8], email: &str) -> Result<Totp, Error> {
    Builder::new()
        .with_secret(Secret::from(secret.to_vec()))
        .with_skew(1)
        // A colon would end the issuer's name in the `otpauth` URL.
        .with_account_name(email.replace(':', ""))
        .with_issuer(Some("Keyward"))
        .build()
        .map_err(|error| Error::server_error(error.to_string()))
}

/// The time step of a valid, unused code; `None` if the code is wrong or was used. One step (30
/// seconds) of clock skew is accepted in either direction.
pub(super) fn totp_step(
    secret: &[u8],
    user: &User,
    code: &SecretString,
    now: Timestamp,
) -> Result<Option<i64>, Error> {
    let code = filtered(code, |c| (!c.is_whitespace()).then_some(c));
    let code = code.expose();
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let step = totp(secret, &user.email)?
        .check(code, seconds)
        .and_then(|step| i64::try_from(step).ok());
    // RFC 6238 section 5.2: "The verifier MUST NOT accept the second attempt of the OTP".
    Ok(step.filter(|step| *step > user.totp_last_step))
}

/// The result of checking a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeCheck {
    /// The code was right, and is now used.
    Right,
    /// The code was wrong, and was counted.
    Wrong,
    /// The code was not compared, because the second factor is locked after too many wrong codes.
    Locked,
}

/// Checks a TOTP or recovery code and updates the user row: a right code is marked as used, a wrong
/// code is counted. The caller stores the row.
///
/// # Errors
/// `server_error` if the TOTP library rejects the secret.
pub(super) fn consume_code(
    sealing_keys: &SealingKeyFile,
    user: &mut User,
    code: &SecretString,
    now: Timestamp,
) -> Result<CodeCheck, Error> {
    let locked = user.wrong_codes >= MAX_WRONG_CODES;
    // A recovery code has 80 random bits and cannot be guessed, so the lock does not apply to it.
    let right = consume_recovery_code(user, code)
        || !locked && consume_totp_code(sealing_keys, user, code, now)?;
    if right {
        user.wrong_codes = 0;
        return Ok(CodeCheck::Right);
    }
    if locked {
        return Ok(CodeCheck::Locked);
    }
    user.wrong_codes += 1;
    user.wrong_codes_since_sign_in += 1;
    Ok(CodeCheck::Wrong)
}

fn consume_totp_code(
    sealing_keys: &SealingKeyFile,
    user: &mut User,
    code: &SecretString,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(sealed) = &user.totp_sealed else {
        return Ok(false);
    };
    let secret = match sealing_keys.unseal(&seal_context(user), sealed) {
        Ok(secret) => secret,
        Err(error) => {
            // The sealing key was lost. Recovery codes are hashed, not sealed, and still work.
            tracing::error!(
                user_id = user.id, %error,
                "cannot unseal the secret of a second factor"
            );
            return Ok(false);
        }
    };
    match totp_step(secret.expose(), user, code, now)? {
        Some(step) => {
            user.totp_last_step = step;
            Ok(true)
        }
        None => Ok(false),
    }
}

fn consume_recovery_code(user: &mut User, code: &SecretString) -> bool {
    let Some(code) = RecoveryCode::parse(code) else {
        return false;
    };
    let mut hashes: Vec<&str> = user.recovery_hashes.split_whitespace().collect();
    let Some(index) = hashes.iter().position(|hash| code.matches(hash)) else {
        return false;
    };
    hashes.remove(index);
    user.recovery_hashes = hashes.join(" ");
    true
}

/// Removes the second factor from a user row.
pub(super) fn clear(user: &mut User) {
    user.totp_sealed = None;
    // The next secret has codes of its own, so earlier steps say nothing about them.
    user.totp_last_step = 0;
    user.recovery_hashes = String::new();
    user.wrong_codes = 0;
}

/// A new set of recovery codes.
#[derive(Debug)]
pub(super) struct RecoveryCodes(Vec<RecoveryCode>);

impl RecoveryCodes {
    pub(super) fn generate() -> Self {
        RecoveryCodes(
            (0..RECOVERY_CODES)
                .map(|_| RecoveryCode::generate())
                .collect(),
        )
    }

    /// The hashes, as the user row stores them.
    pub(super) fn hashes(&self) -> String {
        let hashes: Vec<String> = self.0.iter().map(RecoveryCode::hash).collect();
        hashes.join(" ")
    }

    /// The codes, as they are shown to the user.
    pub(super) fn display(&self) -> Vec<SecretString> {
        self.0.iter().map(RecoveryCode::display).collect()
    }
}

/// A one-time code for signing in without the device: 80 random bits, so a cheap hash is safe.
#[derive(Debug)]
struct RecoveryCode(SecretString);

/// The characters of a code that `filter` keeps or replaces, in a buffer that never grows: growing
/// it would leave a copy of the code in memory.
fn filtered(code: &SecretString, filter: impl Fn(char) -> Option<char>) -> SecretString {
    let code = code.expose();
    let mut kept = String::with_capacity(code.len());
    kept.extend(code.chars().filter_map(filter));
    SecretString::new(kept)
}

/// Crockford's base 32: no two of its characters look alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl RecoveryCode {
    fn generate() -> Self {
        let bytes = Zeroizing::new(random_bytes::<RECOVERY_CODE_LENGTH>());
        let digits = bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        let mut code = String::with_capacity(RECOVERY_CODE_LENGTH);
        code.extend(digits);
        RecoveryCode(SecretString::new(code))
    }

    /// Parses a code as people type it: any case, with or without hyphens and spaces, and with `o`,
    /// `i` and `l` for the digits they resemble.
    fn parse(text: &SecretString) -> Option<Self> {
        let code = filtered(text, |c| match c.to_ascii_lowercase() {
            '-' => None,
            c if c.is_whitespace() => None,
            'o' => Some('0'),
            'i' | 'l' => Some('1'),
            other => Some(other),
        });
        let digits = code.expose().as_bytes();
        let is_valid = digits.len() == RECOVERY_CODE_LENGTH
            && digits.iter().all(|digit| ALPHABET.contains(digit));
        is_valid.then_some(RecoveryCode(code))
    }

    /// The code in groups of four, separated by hyphens.
    fn display(&self) -> SecretString {
        let code = self.0.expose();
        let mut groups = String::with_capacity(code.len() + code.len() / 4);
        for (index, digit) in code.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                groups.push('-');
            }
            groups.push(digit);
        }
        SecretString::new(groups)
    }

    fn hash(&self) -> String {
        secret_hash::hash_high_entropy(self.0.expose())
    }

    fn matches(&self, hash: &str) -> bool {
        secret_hash::verify_high_entropy(self.0.expose(), hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::user::Role;

    /// The secret of RFC 6238, appendix B.
    const SECRET: &[u8] = b"12345678901234567890";

    fn user() -> User {
        User::new(
            "ada@acme.example".to_owned(),
            Role::Developer,
            None,
            Timestamp::from_seconds(0),
        )
    }

    fn step(user: &User, code: &str, now: i64) -> Option<i64> {
        totp_step(SECRET, user, &code.into(), Timestamp::from_seconds(now)).unwrap()
    }

    #[test]
    fn totp_codes_are_those_of_rfc_6238() {
        // The last six digits of the SHA-1 rows of appendix B.
        for (now, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step(&user(), code, now), Some(now / 30), "{now}");
        }
    }

    #[test]
    fn totp_codes_are_accepted_one_step_early_or_late() {
        // The code of the step from 1,111,111,080 to 1,111,111,109.
        for (name, now, accepted) in [
            ("its first second", 1_111_111_080, true),
            ("its last second", 1_111_111_109, true),
            ("one step early", 1_111_111_050, true),
            ("two steps early", 1_111_111_049, false),
            ("one step late", 1_111_111_139, true),
            ("two steps late", 1_111_111_140, false),
        ] {
            assert_eq!(step(&user(), "081804", now).is_some(), accepted, "{name}");
        }
    }

    #[test]
    fn a_totp_code_is_accepted_once() {
        let mut user = user();
        user.totp_last_step = step(&user, "287082", 59).unwrap();
        assert_eq!(step(&user, "287082", 59), None);
        assert_eq!(step(&user, "287082", 61), None, "within the skew");
    }

    #[test]
    fn totp_codes_may_hold_spaces_and_must_be_six_digits() {
        for (code, accepted) in [
            ("287 082", true),
            (" 287082 ", true),
            ("28708", false),
            ("2870820", false),
            ("28708a", false),
            ("２８７０８２", false),
            ("", false),
        ] {
            assert_eq!(step(&user(), code, 59).is_some(), accepted, "{code:?}");
        }
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let code = RecoveryCode("0123456789abcdef".into());
        assert_eq!(code.display().expose(), "0123-4567-89ab-cdef");
        for (text, same) in [
            ("0123-4567-89ab-cdef", true),
            ("0123456789ABCDEF", true),
            (" oI23 4567 89ab cdef ", true),
            ("ol23-4567-89ab-cdef", true),
            ("0123-4567-89ab-cde", false),
            ("0123-4567-89ab-cdef0", false),
            ("u123-4567-89ab-cdef", false),
        ] {
            let parsed = RecoveryCode::parse(&text.into());
            assert_eq!(
                parsed.is_some_and(|parsed| parsed.0.expose() == "0123456789abcdef"),
                same,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_recovery_code_is_accepted_once() {
        let codes = RecoveryCodes::generate();
        let shown = codes.display();
        let mut user = user();
        user.recovery_hashes = codes.hashes();
        assert_eq!(shown.len(), RECOVERY_CODES);
        assert!(consume_recovery_code(&mut user, &shown[3]));
        assert!(!consume_recovery_code(&mut user, &shown[3]));
        assert!(consume_recovery_code(
            &mut user,
            &shown[4].expose().to_uppercase().as_str().into()
        ));
        assert_eq!(user.recovery_hashes.split(' ').count(), RECOVERY_CODES - 2);
    }

    #[test]
    fn debug_masks_secrets_and_recovery_codes() {
        let enrolment = Enrolment {
            secret: "GEZDGNBV".into(),
            url: "otpauth://totp/Keyward:ada?secret=GEZDGNBV".into(),
            sealed: "c2VhbGVk".to_owned(),
        };
        assert!(!format!("{enrolment:?}").contains("GEZDGNBV"));
        let codes = RecoveryCodes::generate();
        let shown = format!("{codes:?} {:?}", codes.display());
        for code in &codes.0 {
            assert!(!shown.contains(code.0.expose()), "{shown}");
            assert!(!shown.contains(code.display().expose()), "{shown}");
        }
    }
}
