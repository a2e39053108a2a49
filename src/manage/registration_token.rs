//! Initial access tokens, with which clients register themselves (RFC 7591 section 3).

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::actor::Permit;
use super::policy::{GrantRequest, Grantee, Warning, check_grant, known_resources};
use super::rights::{RegistrationRead, RegistrationWrite};
use super::{account, not_found};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::error::{Error, refusal};
use crate::scope::Scope;
use crate::store::Store;
use crate::store::audit::Action;
use crate::store::client::could_be_id;
use crate::store::registration_token::{self, RegistrationToken};
use crate::store::resource_server::Resources;

/// The properties of a new initial access token.
pub struct NewRegistrationToken {
    /// The id or name of the account that will own the clients; the actor's own account, or for an
    /// operator the default account, if absent.
    pub account: Option<String>,
    /// The scope that the clients can have at most.
    pub scope: Scope,
    /// The identifiers of the resource servers that the clients can have at most.
    pub resources: Vec<String>,
    /// How many clients can register with the token; any number if absent.
    pub uses: Option<i64>,
    /// How long the token is valid; without limit if absent.
    pub lifetime: Option<Duration>,
}

/// An initial access token as management shows it, without its secret.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names of the columns say it")]
pub struct RegistrationTokenView {
    pub id: String,
    pub account: String,
    pub scope: Scope,
    pub resources: Resources,
    pub uses_left: Option<i64>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl From<RegistrationToken> for RegistrationTokenView {
    fn from(token: RegistrationToken) -> Self {
        RegistrationTokenView {
            id: token.id,
            account: token.account_id,
            scope: token.scope,
            resources: token.resources,
            uses_left: token.uses_left,
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}

/// Creates an initial access token. The warning is about a probable mistake in its scope.
///
/// # Errors
/// `invalid_request` for zero uses, a lifetime of zero or an unknown resource server; `not_found` for an
/// unknown account; `invalid_scope` for what the actor cannot grant.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<RegistrationWrite>,
    new: NewRegistrationToken,
) -> Result<(Credential, RegistrationTokenView, Option<Warning>), Error> {
    let now = permit.now();
    if new.uses.is_some_and(|uses| uses < 1) {
        return Err(refusal::uses_required().field("uses"));
    }
    if new.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
        return Err(refusal::expiry_in_the_past("token").field("expires_in"));
    }
    let token = Credential::generate(Kind::InitialAccessToken);
    let id = token.id().to_owned();
    let hash = secret_hash::hash(&token);
    let (row, warning) = store
        .write(now, move |transaction| {
            let account = account::resolve(transaction, &permit, new.account.as_deref())?;
            let resources = known_resources(transaction.database(), &permit, &new.resources)?;
            let request = GrantRequest {
                account: &account.id,
                grantee: Grantee::SelfRegistered,
                scope: &new.scope,
                resources: &resources,
                current: None,
            };
            let warning = check_grant(transaction, &permit, &request)?;
            let row = RegistrationToken {
                id: id.clone(),
                account_id: account.id,
                hash: hash.clone(),
                scope: new.scope.clone(),
                resources,
                uses_left: new.uses,
                created_at: now,
                expires_at: new.lifetime.map(|lifetime| now.saturating_add(lifetime)),
            };
            registration_token::insert(transaction, &row)?;
            permit.audit(
                transaction,
                Action::RegistrationTokenCreate,
                Some(&row.account_id),
                &row.id,
            )?;
            Ok::<_, Error>((row, warning))
        })
        .await?;
    Ok((token, row.into(), warning))
}

/// Lists the initial access tokens that the actor can see, including used up and expired ones.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<RegistrationRead>,
) -> Result<Vec<RegistrationTokenView>, Error> {
    let tokens = store
        .report(permit.account(), |database| {
            Ok(registration_token::list(database)?)
        })
        .await?;
    let visible = tokens
        .into_iter()
        .filter(|token| permit.can_access(&token.account_id));
    Ok(visible.map(RegistrationTokenView::from).collect())
}

/// Deletes an initial access token. The clients that registered with it stay.
///
/// # Errors
/// `not_found`.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<RegistrationWrite>,
    id: &str,
) -> Result<(), Error> {
    let id = id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let found = if could_be_id(&id) {
                registration_token::find(transaction.database(), &id)?
            } else {
                None
            };
            let found = found.filter(|token| permit.can_access(&token.account_id));
            let token = found.ok_or_else(|| not_found("registration token", &id))?;
            registration_token::delete(transaction, &id)?;
            permit.audit(
                transaction,
                Action::RegistrationTokenDelete,
                Some(&token.account_id),
                &id,
            )
        })
        .await
}
