//! The same change of several clients in one step: all of them or none.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ClientView, disable_row};
use crate::domain;
use crate::error::{Error, refusal};
use crate::manage::account_invitation;
use crate::manage::actor::Permit;
use crate::manage::policy::find_visible;
use crate::manage::rights::{ClientsRead, ClientsWrite, RightType, TokensRevoke};
use crate::store::Store;
use crate::store::audit::Action;
use crate::store::client::{self, Client, could_be_id};

/// The most clients that are changed in one step: other writers wait for it.
pub const MAX_SELECTED: usize = 100;

/// Checks how many clients are selected.
///
/// # Errors
/// `invalid_request` for none and for more than [`MAX_SELECTED`].
pub fn check_selection(ids: &BTreeSet<String>) -> Result<(), Error> {
    match ids.len() {
        0 => Err(refusal::clients_not_chosen()),
        1..=MAX_SELECTED => Ok(()),
        _ => Err(refusal::clients_too_many(MAX_SELECTED)),
    }
}

/// Those of these clients that the actor can see, at most [`MAX_SELECTED`].
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn find_all(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    ids: BTreeSet<String>,
) -> Result<Vec<ClientView>, Error> {
    store
        .read(move |database| {
            let mut found = Vec::new();
            let ids = ids.iter().filter(|id| could_be_id(id));
            for id in ids.take(MAX_SELECTED) {
                let client = client::find(database, id)?;
                let visible = client.filter(|client| permit.can_access(&client.account_id));
                found.extend(visible.map(ClientView::from));
            }
            Ok(found)
        })
        .await
}

/// Disables clients: all of their credentials and tokens are refused until they are enabled again.
///
/// # Errors
/// `not_found` for an unknown client; `invalid_request` for none and for more than [`MAX_SELECTED`].
pub async fn disable_all(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    ids: BTreeSet<String>,
) -> Result<(), Error> {
    edit_all(store, permit, ids, Action::ClientDisable, disable_row).await
}

/// Revokes all tokens that were issued to clients until now.
///
/// # Errors
/// As for [`disable_all`].
pub async fn revoke_tokens_of_all(
    store: &Arc<Store>,
    permit: Permit<TokensRevoke>,
    ids: BTreeSet<String>,
) -> Result<(), Error> {
    edit_all(store, permit, ids, Action::TokenRevokeAll, |_, client| {
        client.token_epoch += 1;
    })
    .await
}

async fn edit_all<R: RightType + Send + Sync + 'static>(
    store: &Arc<Store>,
    permit: Permit<R>,
    ids: BTreeSet<String>,
    action: Action,
    change: fn(&Permit<R>, &mut Client),
) -> Result<(), Error> {
    check_selection(&ids)?;
    store
        .write(permit.now(), move |transaction| {
            for id in &ids {
                let mut client = find_visible(transaction.database(), &permit, id)?;
                change(&permit, &mut client);
                let recorder = permit.recorder();
                domain::client::update(transaction, recorder, action, &client)?;
                account_invitation::end_those_of_client(transaction, recorder, id)?;
            }
            Ok(())
        })
        .await
}
