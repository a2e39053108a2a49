//! The registration access token (RFC 7592) of a client that registered itself.

use std::sync::Arc;

use super::{Access, ClientView, edit};
use crate::credential::{Credential, Kind};
use crate::crypto::secret_hash;
use crate::error::{Error, refusal};
use crate::manage::actor::Permit;
use crate::manage::rights::ClientsWrite;
use crate::store::Store;
use crate::store::audit::Action;
use crate::store::client::Client;

/// Replaces the registration access token (RFC 7592) of a client that registered itself. The previous
/// token is refused from then on.
///
/// # Errors
/// `not_found`; `conflict` if the client did not register itself.
pub async fn renew_registration_token(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<Credential, Error> {
    let token = Credential::generate(Kind::RegistrationAccessToken);
    let hash = secret_hash::hash(&token);
    edit(
        store,
        permit,
        client_id,
        Access::Editable,
        Action::ClientRenewRegistrationToken,
        move |_, _, client| {
            check_self_registered(client)?;
            client.registration_token_hash = Some(hash.clone());
            Ok(())
        },
    )
    .await?;
    Ok(token)
}

/// Revokes the registration access token of a client that registered itself. The client itself does
/// not change.
///
/// # Errors
/// `not_found`; `conflict` if the client did not register itself.
pub async fn revoke_registration_token(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let (client, ()) = edit(
        store,
        permit,
        client_id,
        Access::Visible,
        Action::ClientRevokeRegistrationToken,
        |_, _, client| {
            check_self_registered(client)?;
            client.registration_token_hash = None;
            Ok(())
        },
    )
    .await?;
    Ok(client)
}

fn check_self_registered(client: &Client) -> Result<(), Error> {
    if client.registration_limits.is_some() {
        return Ok(());
    }
    Err(refusal::client_not_self_registered())
}
