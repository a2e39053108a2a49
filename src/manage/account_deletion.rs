//! The deletion of a closed account with everything in it. An operator asks for it; a background job
//! deletes a batch at a time, so that other writers never wait long. The audit stays.

use std::sync::Arc;

use serde_json::json;

use super::account::find_visible;
use super::account_invitation::{end_those_of_client, withdraw};
use super::actor::Permit;
use super::rights::AccountsWrite;
use crate::clock::Timestamp;
use crate::domain;
use crate::error::{Error, refusal};
use crate::store::account::{self, Account};
use crate::store::audit::{self, Action, AuditEntry, Recorder};
use crate::store::{
    Store, StoreError, Transaction, account_invitation, announcement, client, membership,
    registration_token, resource_server, user, webhook,
};

/// The most objects of each kind that are deleted in one transaction, which others wait for.
const BATCH: i64 = 20;

/// What a batch has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No account is being deleted.
    Idle,
    /// Some objects of an account were deleted; there may be more.
    Deleting,
    /// Nothing was left of an account, and it was deleted itself.
    Deleted,
}

/// Begins to delete a closed account: it cannot be opened again. `name` must be its name, so that nobody
/// deletes another account by mistake. A second request changes nothing.
///
/// # Errors
/// `not_found`; `conflict` if the account is open, or owns the client of a resource server;
/// `invalid_request` for another name.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<AccountsWrite>,
    id_or_name: &str,
    name: &str,
) -> Result<Account, Error> {
    let now = permit.now();
    let id_or_name = id_or_name.to_owned();
    let name = name.to_owned();
    store
        .write(now, move |transaction| {
            let mut account = find_visible(transaction.database(), &permit, &id_or_name)?;
            if account.name != name {
                return Err(refusal::account_name_differs().field("name"));
            }
            if account.closed_at.is_none() {
                return Err(refusal::account_not_closed());
            }
            if account.deleting_at.is_some() {
                return Ok(account);
            }
            refuse_resource_servers(transaction, &account)?;
            account.deleting_at = Some(now);
            account::update(transaction, &account)?;
            let recorder = permit.recorder();
            audit::insert(
                transaction,
                &entry(recorder, Action::AccountDelete, &account),
            )?;
            Ok(account)
        })
        .await
}

/// A resource server would lose the client that it introspects with.
fn refuse_resource_servers(
    transaction: &mut Transaction<'_>,
    account: &Account,
) -> Result<(), Error> {
    let database = transaction.database();
    for server in resource_server::list(database)? {
        let client = client::find(database, &server.client_id)?;
        if client.is_some_and(|client| client.account_id == account.id) {
            return Err(refusal::client_of_resource_server(&server.identifier));
        }
    }
    Ok(())
}

/// Deletes a batch of what belongs to an account that is being deleted, and at last the account. An
/// account that a node of a previous version has opened again is left alone.
///
/// # Errors
/// A [`StoreError`] if the database cannot be queried or written.
pub async fn delete_batch(store: &Arc<Store>, now: Timestamp) -> Result<Progress, Error> {
    let Some(id) = store.read(account::next_deleting).await? else {
        return Ok(Progress::Idle);
    };
    store
        .write(now, move |transaction| {
            // Another leader may have been faster.
            let found = account::find(transaction.database(), &id)?;
            let found = found.filter(|account| account.id == id && account.is_being_deleted());
            let Some(account) = found else {
                return Ok(Progress::Deleting);
            };
            let recorder = Recorder::keyward(now);
            if delete_objects(transaction, &recorder, &account.id)? > 0 {
                return Ok(Progress::Deleting);
            }
            account::delete(transaction, &account.id)?;
            audit::insert(
                transaction,
                &entry(&recorder, Action::AccountDeleted, &account),
            )?;
            Ok::<_, Error>(Progress::Deleted)
        })
        .await
}

/// The name of an account is in the entry: nothing else will have it.
fn entry(recorder: &Recorder, action: Action, account: &Account) -> AuditEntry {
    AuditEntry {
        details: Some(json!({"name": account.name}).to_string()),
        ..recorder.entry(action, Some(&account.id), &account.id)
    }
}

/// Deletes up to [`BATCH`] objects of each kind; returns how many.
fn delete_objects(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    account_id: &str,
) -> Result<usize, StoreError> {
    let own = Some(account_id);
    let mut deleted = 0;
    // First the webhooks: what follows is no event for them.
    for webhook in webhook::list(transaction.database(), own)? {
        webhook::delete(transaction, &webhook.id)?;
        recorder.record(transaction, Action::WebhookDelete, own, &webhook.id)?;
        deleted += 1;
    }
    let tokens = registration_token::of_account(transaction.database(), account_id, BATCH)?;
    for id in tokens {
        registration_token::delete(transaction, &id)?;
        recorder.record(transaction, Action::RegistrationTokenDelete, own, &id)?;
        deleted += 1;
    }
    for client in client::list(transaction.database(), own, None, BATCH)? {
        domain::client::delete(transaction, recorder, &client)?;
        end_those_of_client(transaction, recorder, &client.client_id)?;
        deleted += 1;
    }
    for invitation in account_invitation::of_account(transaction.database(), account_id, BATCH)? {
        withdraw(transaction, recorder, &invitation)?;
        deleted += 1;
    }
    for user in membership::members(transaction.database(), account_id, BATCH)? {
        let action = if membership::of_user(transaction.database(), &user)?.len() > 1 {
            membership::delete(transaction, &user, account_id)?;
            Action::MembershipDelete
        } else {
            user::delete(transaction, &user.id)?;
            Action::UserDelete
        };
        recorder.record(transaction, action, own, &user.email)?;
        deleted += 1;
    }
    for announcement in announcement::list(transaction.database())? {
        if announcement.account_id.as_deref() == own {
            announcement::delete(transaction, &announcement.id)?;
            recorder.record(
                transaction,
                Action::AnnouncementDelete,
                own,
                &announcement.id,
            )?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
