//! Clients and their secrets.

use crate::clock::Timestamp;
use crate::credential::Credential;
use crate::store::api_key::{self, ApiKey};
use crate::store::audit::{Action, Recorder};
use crate::store::client::{self, Client};
use crate::store::client_secret::{self, ClientSecret};
use crate::store::{StoreError, Transaction};

/// Generates the first secret of a client; `None` if the client authenticates without one.
pub fn generate_secret(client: &Client, now: Timestamp) -> Option<(Credential, ClientSecret)> {
    client
        .auth_method
        .uses_secret()
        .then(|| client_secret::generate(&client.client_id, None, now))
}

/// Creates a client together with its first credentials.
///
/// # Errors
/// [`StoreError`] if a row cannot be written.
pub fn create(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    client: &Client,
    secret: Option<&ClientSecret>,
    api_key: Option<&ApiKey>,
) -> Result<(), StoreError> {
    client::insert(transaction, client)?;
    if let Some(secret) = secret {
        client_secret::insert(transaction, secret)?;
    }
    if let Some(api_key) = api_key {
        api_key::insert(transaction, api_key)?;
    }
    record(transaction, recorder, Action::ClientCreate, client)
}

/// Writes the changed columns of a client. `action` says what changed.
///
/// # Errors
/// [`StoreError`] if the row cannot be written.
pub fn update(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    action: Action,
    client: &Client,
) -> Result<(), StoreError> {
    client::update(transaction, client)?;
    record(transaction, recorder, action, client)
}

/// Deletes a client: its secrets, its API keys and all of its tokens are refused from then on.
///
/// # Errors
/// [`StoreError`] if the row cannot be deleted.
pub fn delete(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    client: &Client,
) -> Result<(), StoreError> {
    client::delete(transaction, &client.client_id)?;
    record(transaction, recorder, Action::ClientDelete, client)
}

fn record(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    action: Action,
    client: &Client,
) -> Result<(), StoreError> {
    recorder.record(
        transaction,
        action,
        Some(&client.account_id),
        &client.client_id,
    )
}
