//! A user's change of the own password, confirmed by the current one: in the profile, and when the user
//! joins another account.

use super::AuthorizationServer;
use super::session::{ActiveSession, ensure_active, new_session};
use super::sign_in::{VerifiedPassword, confirm_password};
use super::user::usable_password;
use crate::credential::Credential;
use crate::crypto::password::{Caller, Password};
use crate::error::{Error, refusal};
use crate::request_context::RequestContext;
use crate::secret::SecretString;
use crate::store::session::{self, Session};
use crate::store::user::{self, User};
use crate::store::{Transaction, invitation};

/// The passwords that a user enters.
#[derive(Debug)]
pub struct NewPassword {
    /// The current password.
    pub current: SecretString,
    /// The new one.
    pub new: SecretString,
}

/// A change that was confirmed, to be made in a transaction.
pub(super) struct PasswordChange {
    verified: VerifiedPassword,
    hash: String,
    /// The session that the user is in.
    old: Session,
    /// The session that takes its place.
    row: Session,
}

impl PasswordChange {
    /// Checks and hashes the passwords. Returns the change, and the cookie of the session after it.
    ///
    /// # Errors
    /// `invalid_request` if the current password is wrong, or the new one is too weak or the same;
    /// `temporarily_unavailable` after too many failures.
    pub(super) async fn confirm(
        server: &AuthorizationServer,
        session: &ActiveSession,
        NewPassword { current, new }: NewPassword,
        context: &RequestContext,
    ) -> Result<(Self, Credential), Error> {
        let presented = Password::presented(new.clone());
        let new = usable_password(&server.store, new, session.email())
            .await
            .map_err(|error| error.field("new"))?;
        let verified = confirm_password(server, session, current, "current", context).await?;
        let stored = session.user.password_hash.as_deref();
        let passwords = &server.passwords;
        if passwords.matches(stored, presented, Caller::Known).await? {
            return Err(refusal::password_unchanged().field("new"));
        }
        let hash = passwords.hash(new).await?;
        let old = session.row.clone();
        let of = (old.user_id.as_str(), session.account_id());
        let (cookie, row) = new_session(server, of, old.proven, &old.agent, context);
        // A new cookie is not a new sign-in, so the session's maximum age stays.
        let row = Session {
            expires_at: old.expires_at,
            ..row
        };
        let change = PasswordChange {
            verified,
            hash,
            old,
            row,
        };
        Ok((change, cookie))
    }

    /// The user as the transaction sees it.
    ///
    /// # Errors
    /// `access_denied` if the session has ended; `invalid_request` if the password was changed meanwhile.
    pub(super) fn user(&self, transaction: &mut Transaction<'_>) -> Result<User, Error> {
        ensure_active(transaction, &self.old)?;
        let user = self.verified.reload(transaction)?;
        user.ok_or_else(|| refusal::wrong_current_password().field("current"))
    }

    /// Writes the user with the new password. All sessions and all links for a password end; the session
    /// with the new cookie uses the account `account_id`.
    ///
    /// # Errors
    /// A [`StoreError`](crate::store::StoreError) if a row cannot be written.
    pub(super) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        mut user: User,
        account_id: Option<&str>,
    ) -> Result<(), Error> {
        user.password_hash = Some(self.hash.clone());
        user.wrong_codes = 0;
        user::update(transaction, &user)?;
        invitation::delete_all_links(transaction, &user.id)?;
        session::delete_all(transaction, &user.id, None)?;
        let row = Session {
            account_id: account_id.map(str::to_owned),
            ..self.row.clone()
        };
        Ok(session::insert(transaction, &row)?)
    }
}
