//! What users change about their own sign-in: the password, the second factor and the recovery
//! codes.

use super::own_password::{NewPassword, PasswordChange};
use super::second_factor::{self, CodeCheck, Enrolment, RecoveryCodes};
use super::session::{ActiveSession, active_user, ensure_active, recorder};
use super::sign_in::{
    VerifiedPassword, attempt_in_session, check_code, confirm_password, reject_code, start_attempt,
    wrong_code,
};
use super::user::PreferencesPatch;
use super::{AuthorizationServer, mail, not_found};
use crate::credential::Credential;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::{Error, refusal};
use crate::request_context::RequestContext;
use crate::secret::{SecretBytes, SecretString};
use crate::store::Transaction;
use crate::store::audit::Action;
use crate::store::session;
use crate::store::user::{self, User};

/// What a change of the second factor must be confirmed with, so that an unlocked computer is not
/// enough.
#[derive(Debug)]
pub struct Confirmation {
    /// The user's password.
    pub password: SecretString,
    /// A code of the current second factor, or of the one to be enrolled.
    pub code: SecretString,
}

/// Starts the enrolment of a second factor with a new secret. Nothing is stored yet.
///
/// # Errors
/// `server_error` if the secret cannot be sealed.
pub fn begin_enrolment(
    server: &AuthorizationServer,
    session: &ActiveSession,
) -> Result<Enrolment, Error> {
    Enrolment::generate(server.sealing_keys(), &session.user)
}

/// The enrolment of a form that is shown again after a wrong code.
///
/// # Errors
/// `invalid_request` if `sealed` is of another user or sealing key.
pub fn resume_enrolment(
    server: &AuthorizationServer,
    session: &ActiveSession,
    sealed: &str,
) -> Result<Enrolment, Error> {
    Enrolment::resume(server.sealing_keys(), &session.user, sealed)
}

/// Enrols the second factor. Returns the recovery codes, which are shown once.
///
/// # Errors
/// `invalid_request` for a wrong password, or a form of another user; `access_denied` for a wrong
/// code; `conflict` if there is a second factor; `temporarily_unavailable` after too many failures.
pub async fn enrol(
    server: &AuthorizationServer,
    session: &ActiveSession,
    sealed: &str,
    confirmation: Confirmation,
    context: &RequestContext,
) -> Result<Vec<SecretString>, Error> {
    let user = &session.user;
    let sealing_keys = server.sealing_keys();
    let secret = second_factor::unseal_enrolment(sealing_keys, user, sealed)?;
    let Confirmation { password, code } = confirmation;
    let verified = confirm_password(server, session, password, "password", context).await?;
    let step = second_factor::totp_step(secret.expose(), user, &code, context.received_at)?;
    let step = step.ok_or_else(wrong_code)?;
    let codes = RecoveryCodes::generate();
    let change = SecondFactorChange::Enrol {
        secret,
        step,
        recovery_hashes: codes.hashes(),
    };
    apply(server, session, verified, change, context).await?;
    Ok(codes.display())
}

/// Replaces all recovery codes. Returns the new ones, which are shown once.
///
/// # Errors
/// `invalid_request` for a wrong password; `access_denied` for a wrong code; `temporarily_unavailable`
/// after too many failures.
pub async fn renew_recovery_codes(
    server: &AuthorizationServer,
    session: &ActiveSession,
    confirmation: Confirmation,
    context: &RequestContext,
) -> Result<Vec<SecretString>, Error> {
    let Confirmation { password, code } = confirmation;
    let verified = confirm_password(server, session, password, "password", context).await?;
    let codes = RecoveryCodes::generate();
    let change = SecondFactorChange::RenewRecoveryCodes {
        code,
        recovery_hashes: codes.hashes(),
    };
    apply(server, session, verified, change, context).await?;
    Ok(codes.display())
}

/// Removes the second factor. If one is required, the portal asks the user to enrol another.
///
/// # Errors
/// `invalid_request` for a wrong password; `access_denied` for a wrong code; `temporarily_unavailable`
/// after too many failures.
pub async fn remove_second_factor(
    server: &AuthorizationServer,
    session: &ActiveSession,
    confirmation: Confirmation,
    context: &RequestContext,
) -> Result<(), Error> {
    let Confirmation { password, code } = confirmation;
    let verified = confirm_password(server, session, password, "password", context).await?;
    let change = SecondFactorChange::Remove { code };
    apply(server, session, verified, change, context).await
}

/// A change of a user's own second factor.
enum SecondFactorChange {
    /// Enrol a secret of which the user has entered the code of time step `step`.
    Enrol {
        secret: SecretBytes,
        step: i64,
        recovery_hashes: String,
    },
    /// Replace the recovery codes, if the code is right.
    RenewRecoveryCodes {
        code: SecretString,
        recovery_hashes: String,
    },
    /// Remove the second factor, if the code is right.
    Remove { code: SecretString },
}

impl SecondFactorChange {
    const fn action(&self) -> Action {
        match self {
            SecondFactorChange::Enrol { .. } => Action::UserSetSecondFactor,
            SecondFactorChange::RenewRecoveryCodes { .. } => Action::UserRenewRecoveryCodes,
            SecondFactorChange::Remove { .. } => Action::UserRemoveSecondFactor,
        }
    }

    /// Checks the code and changes the user row, which the caller stores if the code was right.
    fn apply(
        &self,
        transaction: &mut Transaction<'_>,
        sealing_keys: &SealingKeyFile,
        user: &mut User,
        context: &RequestContext,
    ) -> Result<CodeCheck, Error> {
        match self {
            SecondFactorChange::Enrol {
                secret,
                step,
                recovery_hashes,
            } => {
                if user.totp_sealed.is_some() {
                    return Err(refusal::second_factor_exists());
                }
                // Sealed here and not earlier, because the sealing key may be rotated meanwhile.
                let sealed =
                    sealing_keys.seal(&second_factor::seal_context(user), secret.expose())?;
                user.totp_sealed = Some(sealed);
                user.totp_last_step = *step;
                user.recovery_hashes.clone_from(recovery_hashes);
                Ok(CodeCheck::Right)
            }
            SecondFactorChange::RenewRecoveryCodes {
                code,
                recovery_hashes,
            } => {
                let check = check_code(transaction, sealing_keys, user, code, context)?;
                if check == CodeCheck::Right {
                    user.recovery_hashes.clone_from(recovery_hashes);
                }
                Ok(check)
            }
            SecondFactorChange::Remove { code } => {
                let check = check_code(transaction, sealing_keys, user, code, context)?;
                if check == CodeCheck::Right {
                    second_factor::clear(user);
                }
                Ok(check)
            }
        }
    }
}

/// Applies a change of the second factor and ends the user's other sessions.
async fn apply(
    server: &AuthorizationServer,
    session: &ActiveSession,
    verified: VerifiedPassword,
    change: SecondFactorChange,
    context: &RequestContext,
) -> Result<(), Error> {
    let attempt = start_attempt(server, &attempt_in_session(session), context)?;
    let sealing_keys = server.sealing_keys().clone();
    let actor = session.actor(context, None);
    let account_id = session.account_id().map(str::to_owned);
    let row = session.row.clone();
    let request = context.clone();
    let check = server
        .store
        .write(context.received_at, move |transaction| {
            ensure_active(transaction, &row)?;
            let found = verified.reload(transaction)?;
            let mut user = found.ok_or_else(|| not_found("user", &row.user_id))?;
            let check = change.apply(transaction, &sealing_keys, &mut user, &request)?;
            if check != CodeCheck::Right {
                return Ok(check);
            }
            user::update(transaction, &user)?;
            // Other sessions may belong to somebody who has only the password.
            session::delete_all(transaction, &user.id, Some(&row.id))?;
            actor.audit(
                transaction,
                change.action(),
                account_id.as_deref(),
                &user.email,
            )?;
            Ok::<_, Error>(check)
        })
        .await?;
    match check {
        CodeCheck::Right => Ok(()),
        refused => Err(reject_code(server, attempt, session, refused, context)),
    }
}

/// Changes the user's own preferences.
///
/// # Errors
/// `access_denied` if the session has ended.
pub async fn set_preferences(
    server: &AuthorizationServer,
    session: &ActiveSession,
    change: PreferencesPatch,
    context: &RequestContext,
) -> Result<(), Error> {
    if change.is_empty() {
        return Ok(());
    }
    let row = session.row.clone();
    let account_id = session.account_id().map(str::to_owned);
    let recorder = recorder(&session.user, context);
    server
        .store
        .write(context.received_at, move |transaction| {
            let mut user = active_user(transaction, &row)?;
            if change.apply(&mut user) {
                mail::notices_turned_off(transaction, &user, &recorder)?;
            }
            user::update(transaction, &user)?;
            Ok::<_, Error>(recorder.record(
                transaction,
                Action::UserSetPreferences,
                account_id.as_deref(),
                &user.email,
            )?)
        })
        .await
}

/// Changes the user's own password. Ends all other sessions; this session gets a new cookie.
///
/// # Errors
/// `invalid_request` if the current password is wrong, or the new one is too weak or the same;
/// `temporarily_unavailable` after too many failures.
pub async fn change_password(
    server: &AuthorizationServer,
    session: &ActiveSession,
    passwords: NewPassword,
    context: &RequestContext,
) -> Result<Credential, Error> {
    let (change, cookie) = PasswordChange::confirm(server, session, passwords, context).await?;
    let account_id = session.account_id().map(str::to_owned);
    let recorder = recorder(&session.user, context);
    server
        .store
        .write(context.received_at, move |transaction| {
            let user = change.user(transaction)?;
            let email = user.email.clone();
            let account_id = account_id.as_deref();
            change.write(transaction, user, account_id)?;
            Ok::<_, Error>(recorder.record(
                transaction,
                Action::UserChangePassword,
                account_id,
                &email,
            )?)
        })
        .await?;
    Ok(cookie)
}
