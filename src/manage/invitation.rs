//! Invitations: one-time links by which users set their own passwords.

use std::sync::Arc;
use std::time::Duration;

use super::AuthorizationServer;
use super::actor::{Permit, UsersWrite};
use super::user::{check_not_self, usable_password, within_power};
use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash::{self, StoredSecret};
use crate::error::{Code, Error};
use crate::request_context::RequestContext;
use crate::store::audit::Action;
use crate::store::invitation::{self, Invitation};
use crate::store::user::{self, User};
use crate::store::{Database, Store, session};

/// How long a link is good for.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// The path of the link, below the issuer.
const PATH: &str = "/portal/invitation";

/// The link in full, as it is given to the user. Its secret is in the fragment, which browsers keep to
/// themselves: it is in the log of no proxy. The page posts it.
pub fn url(issuer: &Issuer, link: &Credential) -> String {
    format!("{}#{}", issuer.endpoint(PATH), link.expose())
}

/// The secret in what somebody pasted: the whole link, or its end.
fn secret_of(link: &str) -> &str {
    link.rsplit('#').next().unwrap_or_default().trim()
}

/// Makes a link for a user, in the place of an earlier one. The password that the user has stays good
/// until the link is used.
///
/// # Errors
/// No such user.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<UsersWrite>,
    email: &str,
) -> Result<(Credential, Timestamp), Error> {
    let now = permit.now();
    let email = email.to_owned();
    let credential = Credential::generate(Kind::Invitation);
    let (id, hash, expires_at) = (
        credential.id().to_owned(),
        secret_hash::hash(&credential),
        now.saturating_add(LIFETIME),
    );
    store
        .write(now, move |transaction| {
            let user = within_power(transaction.database(), &permit, &email)?;
            // Nor change the password without knowing it.
            check_not_self(permit.actor(), &user)?;
            let row = Invitation {
                user_id: user.id,
                id: id.clone(),
                hash: hash.clone(),
                created_at: now,
                expires_at,
                rights: permit.rights().to_scope()?,
            };
            invitation::replace(transaction, &row)?;
            permit.audit(
                transaction,
                Action::UserInvite,
                user.account_id.as_deref(),
                &user.email,
            )
        })
        .await?;
    Ok((credential, expires_at))
}

/// Whose link this is; nobody's where it was used, replaced or has ended.
///
/// # Errors
/// Where the database gave no answer.
pub async fn find(
    server: &AuthorizationServer,
    link: &str,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let link = link.to_owned();
    server
        .store
        .read(move |database| Ok(user_of(database, &link, now)?.map(|user| user.email)))
        .await
}

fn user_of(database: &mut Database, link: &str, now: Timestamp) -> Result<Option<User>, Error> {
    let Some(credential) = Credential::parse(secret_of(link), Kind::Invitation) else {
        return Ok(None);
    };
    let found = invitation::find(database, credential.id())?;
    let live = found.filter(|row| {
        row.expires_at > now && StoredSecret::new(row.hash.clone()).matches(&credential)
    });
    match live {
        Some(row) => Ok(user::find(database, &row.user_id)?),
        None => Ok(None),
    }
}

/// Sets the password by a link, which is used up by it; all of the user's sessions end. Gives the
/// address to sign in with.
///
/// # Errors
/// A link that is no good; an unusable password.
pub async fn accept(
    server: &AuthorizationServer,
    link: &str,
    password: String,
    context: &RequestContext,
) -> Result<String, Error> {
    let gone = || {
        Error::new(Code::NotFound, "The link was used, replaced or has ended")
            .phrase("invitation-gone", [])
    };
    // Before the costly hash: who guesses links must not keep the machine busy.
    let email = find(server, link, context.received_at)
        .await?
        .ok_or_else(gone)?;
    let password = usable_password(&server.store, password, &email)
        .await
        .map_err(|error| error.field("password"))?;
    let hash = server.passwords.hash(password).await?;
    let (link, now, context) = (link.to_owned(), context.received_at, context.clone());
    server
        .store
        .write(now, move |transaction| {
            let mut user = user_of(transaction.database(), &link, now)?.ok_or_else(gone)?;
            user.password_hash = Some(hash.clone());
            user.wrong_codes = 0;
            user::update(transaction, &user)?;
            invitation::delete(transaction, &user.id)?;
            session::delete_all(transaction, &user.id, None)?;
            let actor = super::actor::Actor::user(
                &user.email,
                user.role,
                user.account_id.as_deref(),
                &context,
            );
            actor.audit(
                transaction,
                Action::UserAcceptInvitation,
                user.account_id.as_deref(),
                &user.email,
            )?;
            Ok(user.email)
        })
        .await
}
