//! Creation of clients.

use std::sync::Arc;

use super::{AuthMethod, check_auth_method, check_can_allow_introspection, checked_jwks};
use crate::credential::Credential;
use crate::domain;
use crate::error::{Error, refusal};
use crate::manage::actor::Permit;
use crate::manage::api_key::{self, NewApiKey};
use crate::manage::policy::{GrantRequest, Grantee, Warning, check_grant, known_resources};
use crate::manage::rights::ClientsWrite;
use crate::manage::{account, check_name};
use crate::scope::Scope;
use crate::store::account::Account;
use crate::store::audit::Action;
use crate::store::client::{self, Client};
use crate::store::grant_type::GrantType;
use crate::store::security_profile::SecurityProfile;
use crate::store::{Database, Store, Transaction};

/// The name of the API key that is created together with a client.
const FIRST_KEY_NAME: &str = "Default";

/// The properties of a new client.
#[derive(Clone)]
pub struct NewClient {
    /// The display name.
    pub name: String,
    /// The id or name of the owning account; the actor's own account, or for an operator the default
    /// account, if absent.
    pub account: Option<String>,
    /// The scope that the client can ask for at most.
    pub scope: Scope,
    /// The identifiers of the resource servers that the client can ask tokens for.
    pub resources: Vec<String>,
    /// Whether the client may call the introspection endpoint, for tokens of these resource servers.
    pub may_introspect: bool,
    /// The client authentication method.
    pub auth_method: AuthMethod,
    /// The client's public keys for `private_key_jwt`: a JWK Set as JSON.
    pub jwks: Option<String>,
    /// Whether the client must send a DPoP proof with each token request (RFC 9449 section 5.2).
    pub dpop_bound_access_tokens: bool,
    /// The security profile that the client must follow.
    pub profile: SecurityProfile,
}

/// A new client with its credentials, which cannot be read again later.
pub struct CreatedClient {
    /// The row of the client.
    pub client: Client,
    /// The client secret, if the client authenticates with one.
    pub secret: Option<Credential>,
    /// The first API key, if the client's security profile allows API keys.
    pub api_key: Option<Credential>,
    /// A probable mistake in the scope.
    pub warning: Option<Warning>,
}

/// Creates a client, with a secret if it authenticates with one, and with its first API key unless
/// its security profile does not allow API keys.
///
/// # Errors
/// `invalid_request` for an unusable name or key set, or an unknown resource server; `not_found` for an
/// unknown account; `invalid_scope` and `access_denied` for what the actor cannot grant; `conflict` if
/// the account has reached its limit.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    new: NewClient,
) -> Result<CreatedClient, Error> {
    check_name(&new.name)?;
    store
        .write(permit.now(), move |transaction| {
            insert(transaction, &permit, new.clone())
        })
        .await
}

/// Creates a client within a larger transaction.
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ClientsWrite>,
    new: NewClient,
) -> Result<CreatedClient, Error> {
    let account = account::resolve(transaction, permit, new.account.as_deref())?;
    let resources = known_resources(transaction.database(), permit, &new.resources)?;
    let request = GrantRequest {
        account: &account.id,
        grantee: Grantee::Client,
        scope: &new.scope,
        resources: &resources,
        current: None,
    };
    let warning = check_grant(transaction, permit, &request)?;
    if new.may_introspect {
        check_can_allow_introspection(permit)?;
    }
    if !permit.is_operator() {
        ensure_capacity(transaction.database(), &account)?;
    }
    let now = permit.now();
    let client = Client {
        grant_types: GrantType::ALL.iter().copied().collect(),
        scope: new.scope,
        resources,
        may_introspect: new.may_introspect,
        jwks: new.jwks.as_deref().map(checked_jwks).transpose()?,
        dpop_bound_access_tokens: new.dpop_bound_access_tokens,
        profile: new.profile,
        ..Client::new(new.name, account.id, new.auth_method, now)
    };
    check_auth_method(&client)?;
    let (secret, secret_row) = domain::client::generate_secret(&client, now).unzip();
    let first_key = NewApiKey {
        name: FIRST_KEY_NAME.to_owned(),
        manage_keys: true,
        ..NewApiKey::default()
    };
    let (api_key, key_row) = client
        .profile
        .allows_api_keys()
        .then(|| api_key::generate(&client, first_key, permit.actor(), now))
        .unzip();
    domain::client::create(
        transaction,
        permit.recorder(),
        &client,
        secret_row.as_ref(),
        key_row.as_ref(),
    )?;
    permit.store_result(transaction, Action::ClientCreate, &client.client_id)?;
    Ok(CreatedClient {
        client,
        secret,
        api_key,
        warning,
    })
}

/// Refuses one more client if the account has reached its limit.
fn ensure_capacity(database: &mut Database, account: &Account) -> Result<(), Error> {
    let limit = account.client_limit();
    if !client::has_as_many(database, &account.id, limit)? {
        return Ok(());
    }
    Err(refusal::client_limit(limit))
}
