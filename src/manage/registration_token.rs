//! Initial access tokens, with which clients register themselves.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::actor::{Permit, RegistrationRead, RegistrationWrite};
use super::policy::{Grantee, Wanted, Warning, check_grant, known_resources};
use super::{account, invalid, not_found};
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::error::Error;
use crate::scope::Scope;
use crate::store::Store;
use crate::store::client::could_be_id;
use crate::store::registration_token::{self, RegistrationToken};
use crate::store::resource_server::Resources;

/// What a new initial access token allows.
pub struct NewRegistrationToken {
    /// Whose the clients will be: an id or a name; the oldest account where none is named.
    pub account: Option<String>,
    /// The most that they can have.
    pub scope: Scope,
    /// The resource servers that they can have.
    pub resources: Vec<String>,
    /// How many clients can register; any number where there is none.
    pub uses: Option<i64>,
    /// For how long; without end where there is none.
    pub lifetime: Option<Duration>,
}

/// An initial access token as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the columns say it")]
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

/// Makes one. The warning is of what is most likely not meant.
///
/// # Errors
/// An account or resource server that is not there; no uses at all.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<RegistrationWrite>,
    new: NewRegistrationToken,
    now: Timestamp,
) -> Result<(Credential, RegistrationTokenView, Option<Warning>), Error> {
    if new.uses.is_some_and(|uses| uses < 1) {
        return Err(invalid("A token without a use is of no use")
            .phrase("uses-missing", [])
            .field("uses"));
    }
    if new.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
        return Err(invalid("The end of a token lies in the future")
            .phrase("end-in-past", [])
            .field("expires_in"));
    }
    let token = Credential::generate(Kind::InitialAccessToken);
    let (id, hash) = (token.id().to_owned(), secret_hash::hash(&token));
    let (row, warning) = store
        .write(now, move |transaction| {
            let account = account::resolve(transaction, &permit, new.account.as_deref(), now)?;
            let resources = known_resources(transaction.database(), &permit, &new.resources)?;
            let (account_id, scope) = (&account.id, &new.scope);
            let wanted = Wanted {
                account: account_id,
                grantee: Grantee::Registrant,
                scope,
                resources: &resources,
                current: None,
            };
            let warning = check_grant(transaction, &permit, &wanted)?;
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
            permit.record(
                transaction,
                "registration_token.create",
                Some(&row.account_id),
                &row.id,
                now,
            )?;
            Ok::<_, Error>((row, warning))
        })
        .await?;
    Ok((token, row.into(), warning))
}

/// All of them, used up and ended ones too.
///
/// # Errors
/// Where the database gave no answer.
pub async fn list(
    store: &Arc<Store>,
    permit: &Permit<RegistrationRead>,
) -> Result<Vec<RegistrationTokenView>, Error> {
    let tokens = store
        .report(permit.account(), |database| {
            Ok(registration_token::list(database)?)
        })
        .await?;
    let own = tokens
        .into_iter()
        .filter(|token| permit.reaches(&token.account_id));
    Ok(own.map(RegistrationTokenView::from).collect())
}

/// Ends one. The clients that registered with it stay.
///
/// # Errors
/// Not there.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<RegistrationWrite>,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let id = id.to_owned();
    store
        .write(now, move |transaction| {
            let found = if could_be_id(&id) {
                registration_token::find(transaction.database(), &id)?
            } else {
                None
            };
            let found = found.filter(|token| permit.reaches(&token.account_id));
            let token = found.ok_or_else(|| not_found("registration token", &id))?;
            registration_token::delete(transaction, &id)?;
            permit.record(
                transaction,
                "registration_token.delete",
                Some(&token.account_id),
                &id,
                now,
            )
        })
        .await
}
