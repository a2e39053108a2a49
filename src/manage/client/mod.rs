//! Clients: the applications of an account.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::actor::Permit;
pub use super::policy::Warning;
use super::policy::{find_editable, find_undescribed, find_visible};
use super::rights::{ClientsRead, ClientsWrite, RightType, TokensRevoke};
use super::{MAX_NAME_LENGTH, account, account_invitation, has_nul};
use crate::clock::Timestamp;
use crate::crypto::jws::JwkSet;
pub use crate::crypto::x509::{CertificateName, CertificateNames, NameKind};
use crate::domain;
use crate::error::{Error, refusal};
use crate::scope::Scope;
use crate::store::audit::Action;
use crate::store::client::{self, Client, MetadataProblem};
pub use crate::store::client::{AuthMethod, DisabledBy};
pub use crate::store::grant_type::GrantType;
use crate::store::resource_server;
pub use crate::store::resource_server::Resources;
pub use crate::store::security_profile::SecurityProfile;
use crate::store::trust_rule;
use crate::store::{Store, Transaction};

mod bulk;
mod create;
mod grantable;
mod registration_access_token;
mod update;

pub use bulk::{check_selection, disable_all, find_all, revoke_tokens_of_all};
pub(crate) use create::insert;
pub use create::{CreatedClient, NewClient, create};
pub use grantable::{Grantable, grantable};
pub use registration_access_token::{renew_registration_token, revoke_registration_token};
pub use update::{ClientPatch, UpdatedClient, update};

/// A client as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names of the columns say it")]
pub struct ClientView {
    pub client_id: String,
    pub name: String,
    pub account: String,
    pub auth_method: &'static str,
    pub grant_types: Vec<String>,
    pub scope: Scope,
    pub resources: Resources,
    pub introspect: bool,
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
    pub dpop_bound_access_tokens: bool,
    pub profile: SecurityProfile,
    pub tls_client_certificate_bound_access_tokens: bool,
    #[serde(flatten)]
    pub certificate_names: CertificateNames,
    pub enabled: bool,
    /// Who disabled the client, if it is disabled. Only an operator can enable what an operator disabled.
    pub disabled_by: Option<DisabledBy>,
    /// When the account of the client was closed, if it is. Then the client is refused, enabled or not.
    pub account_closed_at: Option<Timestamp>,
    /// Whether the client registered itself (RFC 7591).
    pub self_registered: bool,
    /// Whether the client has a registration access token, with which it can change its registration
    /// (RFC 7592).
    pub has_registration_token: bool,
    pub created_at: Timestamp,
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        ClientView {
            auth_method: client.auth_method.as_str(),
            grant_types: client.grant_types.names().map(str::to_owned).collect(),
            client_id: client.client_id,
            name: client.name,
            account: client.account_id,
            scope: client.scope,
            resources: client.resources,
            introspect: client.may_introspect,
            jwks: client
                .jwks
                .and_then(|jwks| serde_json::from_str(&jwks).ok()),
            jwks_uri: client.jwks_uri,
            dpop_bound_access_tokens: client.dpop_bound_access_tokens,
            profile: client.profile,
            tls_client_certificate_bound_access_tokens: client
                .tls_client_certificate_bound_access_tokens,
            certificate_names: CertificateNames::of(client.certificate_name.as_ref()),
            enabled: client.disabled_at.is_none(),
            disabled_by: client.disabled_by,
            account_closed_at: client.account_closed_at,
            self_registered: client.registration_limits.is_some(),
            has_registration_token: client.registration_token_hash.is_some(),
            created_at: client.created_at,
        }
    }
}

/// Lists the clients that the actor can see, oldest first: those of one account, by id or name, if it
/// is given; at most `limit`, after the client with the id `after`.
///
/// # Errors
/// `not_found` for an unknown account.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    account: Option<String>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<ClientView>, Error> {
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            let account = account::filter(database, &permit, account.as_deref())?;
            let after = match &after {
                Some(id) => {
                    client::find(database, id)?.map(|client| (client.created_at, client.client_id))
                }
                None => None,
            };
            let clients = client::list(database, account.as_deref(), after, limit)?;
            Ok(clients.into_iter().map(ClientView::from).collect())
        })
        .await
}

/// The place of a client in the list of clients.
#[derive(Clone, Debug)]
pub struct ListPosition {
    created_at: Timestamp,
    client_id: String,
}

impl ListPosition {
    /// The place of this client.
    pub fn of(client: &ClientView) -> Self {
        ListPosition {
            created_at: client.created_at,
            client_id: client.client_id.clone(),
        }
    }
}

/// Like [`list`], but after a position, so that the list continues even if the client that was there
/// has been deleted.
///
/// # Errors
/// `not_found` for an unknown account.
pub async fn list_after(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    account: Option<String>,
    after: Option<ListPosition>,
    limit: i64,
) -> Result<Vec<ClientView>, Error> {
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            let account = account::filter(database, &permit, account.as_deref())?;
            let after = after.clone().map(|at| (at.created_at, at.client_id));
            let clients = client::list(database, account.as_deref(), after, limit)?;
            Ok(clients.into_iter().map(ClientView::from).collect())
        })
        .await
}

/// Searches the clients that the actor can see, of one account, by id or name, if it is given: the
/// client with the id `text`, and those whose name begins with it in any case, by name; at most
/// `limit`, after the client with the id `after`.
///
/// # Errors
/// `not_found` for an unknown account.
pub async fn search(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    account: Option<String>,
    text: &str,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<ClientView>, Error> {
    let text = text.to_owned();
    let given = [&Some(text.clone()), &after].into_iter().any(has_nul);
    if given || text.len() > MAX_NAME_LENGTH * 4 {
        return Ok(Vec::new());
    }
    let own_account = permit.account().map(str::to_owned);
    store
        .report(own_account.as_deref(), move |database| {
            let account = account::filter(database, &permit, account.as_deref())?;
            let clients =
                client::search(database, account.as_deref(), &text, after.as_deref(), limit)?;
            Ok(clients.into_iter().map(ClientView::from).collect())
        })
        .await
}

/// Shows a client.
///
/// # Errors
/// `not_found`.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<ClientsRead>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let id = client_id.to_owned();
    store
        .read(move |database| Ok(find_visible(database, &permit, &id)?.into()))
        .await
}

/// The warning for a client as it is: a probable mistake in its scope.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn warning(
    store: &Arc<Store>,
    _: Permit<ClientsRead>,
    client: &ClientView,
) -> Result<Option<Warning>, Error> {
    let scope = client.scope.clone();
    let resources = client.resources.clone();
    store
        .read(move |database| find_undescribed(database, &scope, &resources))
        .await
}

/// Disables a client: all of its credentials and tokens are refused until it is enabled again.
///
/// # Errors
/// `not_found`.
pub async fn disable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let (client, ()) = edit(
        store,
        permit,
        client_id,
        Access::Visible,
        Action::ClientDisable,
        |_, permit, client| {
            disable_row(permit, client);
            Ok(())
        },
    )
    .await?;
    Ok(client)
}

/// Enables a disabled client: its unexpired tokens are active again.
///
/// # Errors
/// `not_found`; `access_denied` if an operator disabled the client and the actor is none.
pub async fn enable(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let (client, ()) = edit(
        store,
        permit,
        client_id,
        Access::Editable,
        Action::ClientEnable,
        |_, permit, client| enable_row(permit, client),
    )
    .await?;
    Ok(client)
}

fn disable_row<R: RightType>(permit: &Permit<R>, client: &mut Client) {
    let by = if permit.is_operator() {
        DisabledBy::Operator
    } else {
        DisabledBy::Account
    };
    client.disable(by, permit.now());
}

fn enable_row<R: RightType>(permit: &Permit<R>, client: &mut Client) -> Result<(), Error> {
    if client.disabled_by == Some(DisabledBy::Operator) && !permit.is_operator() {
        return Err(refusal::client_disabled_by_operator().field("enabled"));
    }
    client.enable();
    Ok(())
}

/// Deletes a client: its secrets, its API keys and all of its tokens are refused from then on.
///
/// # Errors
/// `not_found`; `conflict` if a resource server introspects with the client; `access_denied` if an
/// operator disabled one of its trust rules.
pub async fn delete(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
) -> Result<(), Error> {
    let id = client_id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let database = transaction.database();
            let client = find_editable(database, &permit, &id)?;
            if let Some((identifier, _)) = resource_server::of_client(database, &id)?.first() {
                return Err(refusal::client_of_resource_server(identifier));
            }
            if !permit.is_operator() && trust_rule::has_disabled_by_operator(database, &id)? {
                return Err(refusal::client_of_disabled_trust_rule());
            }
            let recorder = permit.recorder();
            domain::client::delete(transaction, recorder, &client)?;
            account_invitation::end_those_of_client(transaction, recorder, &id)?;
            Ok(())
        })
        .await
}

/// Revokes all tokens that were issued to a client until now, at a cost that does not depend on their
/// number and whatever the clocks of the nodes say.
///
/// # Errors
/// `not_found`.
pub async fn revoke_tokens(
    store: &Arc<Store>,
    permit: Permit<TokensRevoke>,
    client_id: &str,
) -> Result<ClientView, Error> {
    let (client, ()) = edit(
        store,
        permit,
        client_id,
        Access::Visible,
        Action::TokenRevokeAll,
        |_, _, client| {
            client.token_epoch += 1;
            Ok(())
        },
    )
    .await?;
    Ok(client)
}

/// The access to a client that a change of it takes.
#[derive(Clone, Copy)]
enum Access {
    /// See [`find_visible`]: for changes that only take away.
    Visible,
    /// See [`find_editable`].
    Editable,
}

/// Changes a client in one transaction, with an audit entry. Returns the client as it is then, and the
/// result of `change`.
async fn edit<R: RightType + Send + Sync + 'static, T: Send + 'static>(
    store: &Arc<Store>,
    permit: Permit<R>,
    client_id: &str,
    access: Access,
    action: Action,
    change: impl Fn(&mut Transaction<'_>, &Permit<R>, &mut Client) -> Result<T, Error> + Send + 'static,
) -> Result<(ClientView, T), Error> {
    let id = client_id.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut client = match access {
                Access::Visible => find_visible(transaction.database(), &permit, &id)?,
                Access::Editable => find_editable(transaction.database(), &permit, &id)?,
            };
            let result = change(transaction, &permit, &mut client)?;
            let recorder = permit.recorder();
            domain::client::update(transaction, recorder, action, &client)?;
            account_invitation::end_those_of_client(transaction, recorder, &id)?;
            Ok((client.into(), result))
        })
        .await
}

fn check_can_allow_introspection<R: RightType>(permit: &Permit<R>) -> Result<(), Error> {
    if permit.is_operator() {
        return Ok(());
    }
    Err(refusal::introspection_needs_operator().field("introspect"))
}

/// Checks a JWK Set and returns it as compact JSON.
fn checked_jwks(text: &str) -> Result<String, Error> {
    let jwks: Value = serde_json::from_str(text)
        .map_err(|error| refusal::jwks_invalid(&format!("jwks: {error}")).field("jwks"))?;
    JwkSet::check_registered(&jwks)
        .map_err(|reason| refusal::jwks_invalid(&reason.to_string()).field("jwks"))?;
    Ok(jwks.to_string())
}

/// The name of the certificate that members of client metadata give.
///
/// # Errors
/// `invalid_request` if several are set, or one cannot be a name of its kind.
pub fn certificate_name(names: CertificateNames) -> Result<Option<CertificateName>, Error> {
    names.into_name().map_err(|error| {
        refusal::certificate_name_invalid(&error.to_string()).field("certificate_name")
    })
}

fn check_metadata(client: &Client) -> Result<(), Error> {
    if let Some(problem) = client.metadata_problem() {
        return Err(refuse_metadata(problem));
    }
    let profile = client.profile;
    if !profile.allows_auth_method(client.auth_method) {
        let method = client.auth_method.as_str();
        return Err(refusal::profile_auth_method(profile.as_str(), method).field("auth_method"));
    }
    Ok(())
}

fn refuse_metadata(problem: MetadataProblem) -> Error {
    match problem {
        MetadataProblem::NoKeys => refusal::jwks_required().field("jwks"),
        MetadataProblem::NoCertificate => refusal::certificate_required().field("jwks"),
        MetadataProblem::NoCertificateName => {
            refusal::certificate_name_required().field("certificate_name")
        }
        MetadataProblem::TwoBindings => {
            refusal::one_binding().field("tls_client_certificate_bound_access_tokens")
        }
    }
}
