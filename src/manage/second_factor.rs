//! The second factor of a user: time-based one-time passwords (RFC 6238), and recovery codes for when
//! the device is lost.

use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

use super::actor::{Permit, UsersWrite};
use super::session::{
    SignedIn, attempt, check_live, confirm_password, failure, refuse_code, wrong_code,
};
use super::{AuthorizationServer, not_found};
use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::crypto::sealing_key::{SealingKeyError, SealingKeyFile};
use crate::crypto::secret_hash;
use crate::error::{Code, Error};
use crate::oauth::reason::Reason;
use crate::request_context::RequestContext;
use crate::store::audit::Action;
use crate::store::user::{self, User};
use crate::store::{Transaction, audit, session};

/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;

/// A second factor that is about to be set up: nothing is stored until a code proves it.
pub struct Enrolment {
    /// For typing: the secret in base32.
    pub secret: String,
    /// For scanning: `otpauth://…`
    pub url: String,
    /// For the form, which brings it back: the secret, sealed for this user.
    pub sealed: String,
}

/// Makes a secret.
///
/// # Errors
/// Where the crypto library refuses.
pub fn begin(server: &AuthorizationServer, signed_in: &SignedIn) -> Result<Enrolment, Error> {
    let secret: [u8; 20] = random_bytes();
    enrolment(server, signed_in, &secret)
}

/// The same once more, for a form that came back with a wrong code.
///
/// # Errors
/// Where it was sealed for somebody else, or with another key file.
pub fn resume(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    sealed: &str,
) -> Result<Enrolment, Error> {
    let secret = server
        .signing_keys
        .sealing_keys()
        .unseal(&under(&signed_in.user), sealed)
        .map(Zeroizing::new)
        .map_err(stale)?;
    enrolment(server, signed_in, &secret)
}

fn enrolment(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    secret: &[u8],
) -> Result<Enrolment, Error> {
    let sealed = server
        .signing_keys
        .sealing_keys()
        .seal(&under(&signed_in.user), secret)?;
    let totp = totp(secret, signed_in.email())?;
    let url = totp
        .to_url()
        .map_err(|error| Error::server_error(error.to_string()))?;
    Ok(Enrolment {
        secret: totp.secret().to_base32(),
        url,
        sealed,
    })
}

fn stale(error: SealingKeyError) -> Error {
    Error::new(Code::InvalidRequest, "The form is out of date; begin again")
        .phrase("form-stale", [])
        .detail(error.to_string())
}

/// The name under which a user's secret is sealed.
pub(super) fn under(user: &User) -> String {
    format!("second factor of {}", user.id)
}

fn totp(secret: &[u8], email: &str) -> Result<Totp, Error> {
    // A colon would end the issuer's name in the URL.
    let label = email.replace(':', "");
    let builder = Builder::new()
        .with_secret(Secret::from(secret.to_vec()))
        .with_skew(1);
    let built = builder
        .with_account_name(label)
        .with_issuer(Some("Keyward"))
        .build();
    built.map_err(|error| Error::server_error(error.to_string()))
}

/// The time step of a code that is right now and was not used.
fn step_of(secret: &[u8], user: &User, code: &str, now: Timestamp) -> Result<Option<i64>, Error> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let step = totp(secret, &user.email)?
        .check(&code, seconds)
        .and_then(|step| i64::try_from(step).ok());
    // RFC 6238 section 5.2: "The verifier MUST NOT accept the second attempt of the OTP".
    Ok(step.filter(|step| *step > user.totp_last_step))
}

/// After how many wrong codes in a row the second factor is locked, on all nodes: until the user has a new
/// password or signs in with a recovery code (NIST SP 800-63B section 5.2.2).
const MAX_WRONG_CODES: i64 = 100;

/// What came of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeCheck {
    /// It is right, and used up.
    Right,
    /// It is wrong, and counted.
    Wrong,
    /// It was not compared: there were too many wrong ones.
    Locked,
}

/// Checks a code of the user that the transaction found. A right one is used up with the next update of
/// the user; a wrong one is counted and recorded.
///
/// # Errors
/// Where the database gave no answer, or the key file is another one.
pub(super) fn check_code(
    transaction: &mut Transaction<'_>,
    sealing_keys: &SealingKeyFile,
    user: &mut User,
    code: &str,
    context: &RequestContext,
) -> Result<CodeCheck, Error> {
    let locked = user.wrong_codes >= MAX_WRONG_CODES;
    // Nobody guesses a recovery code, so these are good at any time.
    if take_recovery_code(user, code)
        || !locked && take_code(sealing_keys, user, code, context.received_at)?
    {
        user.wrong_codes = 0;
        return Ok(CodeCheck::Right);
    }
    if locked {
        return Ok(CodeCheck::Locked);
    }
    user.wrong_codes += 1;
    user.wrong_codes_since_sign_in += 1;
    user::update(transaction, user)?;
    audit::insert(
        transaction,
        &failure(
            &user.email,
            Some(user),
            context,
            &Reason::wrong_second_factor(),
        ),
    )?;
    Ok(CodeCheck::Wrong)
}

/// Whether this is the code of now, unused; then it is used.
fn take_code(
    sealing_keys: &SealingKeyFile,
    user: &mut User,
    code: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(sealed) = &user.totp_sealed else {
        return Ok(false);
    };
    match sealing_keys
        .unseal(&under(user), sealed)
        .map(Zeroizing::new)
    {
        Ok(secret) => {
            if let Some(step) = step_of(&secret, user, code, now)? {
                user.totp_last_step = step;
                return Ok(true);
            }
        }
        // Where the sealing key was lost no code is right any more; recovery codes are not sealed.
        Err(error) => tracing::error!(
            user = user.id,
            reason = %error,
            "cannot open the secret of a second factor"
        ),
    }
    Ok(false)
}

/// Whether this is a recovery code, unused; then it is used.
fn take_recovery_code(user: &mut User, code: &str) -> bool {
    let Some(code) = RecoveryCode::parse(code) else {
        return false;
    };
    let mut hashes: Vec<&str> = user
        .recovery_hashes
        .split(' ')
        .filter(|hash| !hash.is_empty())
        .collect();
    let Some(place) = hashes.iter().position(|hash| code.matches(hash)) else {
        return false;
    };
    hashes.remove(place);
    user.recovery_hashes = hashes.join(" ");
    true
}

/// What a change of the second factor asks for: whoever sits at an open session must not make it their own.
pub struct Proof<'a> {
    /// The password.
    pub password: &'a str,
    /// A code: of the second factor that is set up, or of the one that is about to be.
    pub code: &'a str,
}

/// Sets up the second factor: gives the recovery codes, which are shown this once.
///
/// # Errors
/// A wrong password; a wrong code; a form of somebody else; too many failures.
pub async fn confirm(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    sealed: &str,
    proof: Proof<'_>,
    context: &RequestContext,
) -> Result<Vec<String>, Error> {
    let sealing_keys = server.signing_keys.sealing_keys();
    let secret = sealing_keys
        .unseal(&under(&signed_in.user), sealed)
        .map(Zeroizing::new)
        .map_err(stale)?;
    confirm_password(
        server,
        signed_in,
        proof.password.to_owned(),
        "password",
        context,
    )
    .await?;
    let Some(step) = step_of(&secret, &signed_in.user, proof.code, context.received_at)? else {
        return Err(wrong_code());
    };
    let sealing_keys = sealing_keys.clone();
    change(
        server,
        signed_in,
        Action::UserSetSecondFactor,
        context,
        move |_, user, codes| {
            if user.totp_sealed.is_some() {
                return Err(
                    Error::new(Code::Conflict, "There is a second factor already")
                        .phrase("second-factor-there", []),
                );
            }
            // Not before: the sealing key may be rotated meanwhile.
            user.totp_sealed = Some(
                sealing_keys
                    .seal(&under(user), &secret)
                    .map_err(Error::from)?,
            );
            user.totp_last_step = step;
            user.recovery_hashes = codes;
            Ok(CodeCheck::Right)
        },
    )
    .await
}

/// Makes new recovery codes in the place of those that are left.
///
/// # Errors
/// A wrong password; a wrong code; too many failures.
pub async fn renew_codes(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    proof: Proof<'_>,
    context: &RequestContext,
) -> Result<Vec<String>, Error> {
    confirm_password(
        server,
        signed_in,
        proof.password.to_owned(),
        "password",
        context,
    )
    .await?;
    let (sealing_keys, code, asked) = (
        server.signing_keys.sealing_keys().clone(),
        proof.code.to_owned(),
        context.clone(),
    );
    change(
        server,
        signed_in,
        Action::UserRenewRecoveryCodes,
        context,
        move |transaction, user, codes| {
            let check = check_code(transaction, &sealing_keys, user, &code, &asked)?;
            if check == CodeCheck::Right {
                user.recovery_hashes = codes;
            }
            Ok(check)
        },
    )
    .await
}

/// Takes the second factor away again. Where one is required, the next page sets up another.
///
/// # Errors
/// A wrong password; a wrong code; too many failures.
pub async fn remove(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    proof: Proof<'_>,
    context: &RequestContext,
) -> Result<(), Error> {
    confirm_password(
        server,
        signed_in,
        proof.password.to_owned(),
        "password",
        context,
    )
    .await?;
    let (sealing_keys, code, asked) = (
        server.signing_keys.sealing_keys().clone(),
        proof.code.to_owned(),
        context.clone(),
    );
    let done = change(
        server,
        signed_in,
        Action::UserRemoveSecondFactor,
        context,
        move |transaction, user, _| {
            let check = check_code(transaction, &sealing_keys, user, &code, &asked)?;
            if check == CodeCheck::Right {
                forget(user);
            }
            Ok(check)
        },
    );
    done.await.map(drop)
}

fn forget(user: &mut User) {
    user.totp_sealed = None;
    // Another secret has other codes.
    user.totp_last_step = 0;
    user.recovery_hashes = String::new();
    user.wrong_codes = 0;
}

/// A change by the user, who has proven by password and code that it is them: `change` gets the hashes of
/// new recovery codes, and says what came of the code.
async fn change(
    server: &AuthorizationServer,
    signed_in: &SignedIn,
    action: Action,
    context: &RequestContext,
    change: impl Fn(&mut Transaction<'_>, &mut User, String) -> Result<CodeCheck, Error>
    + Send
    + 'static,
) -> Result<Vec<String>, Error> {
    let attempt = attempt(server, &signed_in.attempt_by(), context)?;
    let codes: Vec<RecoveryCode> = (0..RECOVERY_CODES)
        .map(|_| RecoveryCode::generate())
        .collect();
    let hashes = codes
        .iter()
        .map(RecoveryCode::hash)
        .collect::<Vec<_>>()
        .join(" ");
    let user_id = signed_in.user.id.clone();
    let actor = signed_in.actor(context, None);
    let (now, own) = (context.received_at, signed_in.session.clone());
    let check = server
        .store
        .write(now, move |transaction| {
            check_live(transaction, &own)?;
            let found = user::find(transaction.database(), &user_id)?;
            let mut user = found.ok_or_else(|| not_found("user", &user_id))?;
            let check = change(transaction, &mut user, hashes.clone())?;
            if check != CodeCheck::Right {
                return Ok(check);
            }
            user::update(transaction, &user)?;
            // Who had the password alone is signed in no longer.
            session::delete_all(transaction, &user.id, Some(&own.id))?;
            actor.audit(transaction, action, user.account_id.as_deref(), &user.email)?;
            Ok::<_, Error>(check)
        })
        .await?;
    if check != CodeCheck::Right {
        return Err(refuse_code(server, attempt, signed_in, check, context));
    }
    Ok(codes.iter().map(RecoveryCode::shown).collect())
}

/// Takes a user's second factor away, for one who lost both the device and the recovery codes.
///
/// # Errors
/// No such user.
pub async fn reset(
    store: &std::sync::Arc<crate::store::Store>,
    permit: Permit<UsersWrite>,
    email: &str,
) -> Result<(), Error> {
    let email = email.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut user = super::user::within_power(transaction.database(), &permit, &email)?;
            // Who is at somebody else's open session must not take the second factor away.
            super::user::check_not_self(permit.actor(), &user)?;
            forget(&mut user);
            user::update(transaction, &user)?;
            session::delete_all(transaction, &user.id, None)?;
            permit.audit(
                transaction,
                Action::UserResetSecondFactor,
                user.account_id.as_deref(),
                &user.email,
            )
        })
        .await
}

/// A code for when the device is lost: 80 random bits, which no cost of hashing makes harder to guess.
/// It is a credential but for its form: people type it.
struct RecoveryCode(String);

/// Letters and digits that nobody takes for one another (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl RecoveryCode {
    fn generate() -> Self {
        let bytes: [u8; 16] = random_bytes();
        RecoveryCode(
            bytes
                .iter()
                .map(|byte| ALPHABET[usize::from(byte % 32)] as char)
                .collect(),
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let letters = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_lowercase());
        let text: String = letters
            .map(|c| match c {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            })
            .collect();
        let known = text.len() == 16 && text.bytes().all(|byte| ALPHABET.contains(&byte));
        known.then_some(RecoveryCode(text))
    }

    fn shown(&self) -> String {
        self.0
            .as_bytes()
            .chunks(4)
            .map(|group| String::from_utf8_lossy(group))
            .collect::<Vec<_>>()
            .join("-")
    }

    fn hash(&self) -> String {
        secret_hash::hash_high_entropy(&self.0)
    }

    fn matches(&self, hash: &str) -> bool {
        secret_hash::verify_high_entropy(&self.0, hash)
    }
}
