//! Updates of clients.

use std::sync::Arc;

use super::{
    Access, AuthMethod, ClientView, SecurityProfile, check_can_allow_introspection, check_metadata,
    checked_jwks, disable_row, edit, enable_row,
};
use crate::crypto::x509::CertificateName;
use crate::error::{Error, refusal};
use crate::manage::actor::Permit;
use crate::manage::policy::{GrantRequest, Grantee, Warning, check_grant, known_resources};
use crate::manage::rights::{ClientsWrite, RightType};
use crate::manage::{check_name, version};
use crate::oauth::client_metadata::RegistrationLimits;
use crate::scope::Scope;
use crate::store::audit::Action;
use crate::store::client::Client;
use crate::store::resource_server::Resources;
use crate::store::{Store, Transaction};

/// A client after an update.
pub struct UpdatedClient {
    /// The client as it is now.
    pub client: ClientView,
    /// A probable mistake in the scope.
    pub warning: Option<Warning>,
}

/// An update of a client. Absent members stay unchanged.
#[derive(Clone, Default)]
pub struct ClientPatch {
    /// The new display name.
    pub name: Option<String>,
    /// The new scope, which replaces the present one.
    pub scope: Option<Scope>,
    /// The new resource servers, which replace the present ones.
    pub resources: Option<Vec<String>>,
    /// Whether the client may call the introspection endpoint.
    pub may_introspect: Option<bool>,
    /// The new client authentication method.
    pub auth_method: Option<AuthMethod>,
    /// The new public keys: a JWK Set as JSON.
    pub jwks: Option<String>,
    /// Whether the client must send a DPoP proof with each token request.
    pub dpop_bound_access_tokens: Option<bool>,
    /// The new security profile.
    pub profile: Option<SecurityProfile>,
    /// The new name that the client's certificate must have.
    pub certificate_name: Option<CertificateName>,
    /// Whether the client must present a certificate with each token request.
    pub tls_client_certificate_bound_access_tokens: Option<bool>,
    /// Whether the credentials and tokens of the client are accepted.
    pub enabled: Option<bool>,
    /// The versions, by `If-Match`, of which the client must have one; any version if absent.
    pub expected: Option<Vec<String>>,
}

impl ClientPatch {
    fn only_disables(&self) -> bool {
        let ClientPatch {
            name,
            scope,
            resources,
            may_introspect,
            auth_method,
            jwks,
            dpop_bound_access_tokens,
            profile,
            certificate_name,
            tls_client_certificate_bound_access_tokens,
            enabled,
            expected: _,
        } = self;
        let nothing_else = name.is_none()
            && scope.is_none()
            && resources.is_none()
            && may_introspect.is_none()
            && auth_method.is_none()
            && jwks.is_none()
            && dpop_bound_access_tokens.is_none()
            && profile.is_none()
            && certificate_name.is_none()
            && tls_client_certificate_bound_access_tokens.is_none();
        *enabled == Some(false) && nothing_else
    }
}

/// Updates a client.
///
/// # Errors
/// `not_found`; `precondition_failed` if the client does not have an expected version; the errors of
/// [`create`](super::create()) for an unusable value.
pub async fn update(
    store: &Arc<Store>,
    permit: Permit<ClientsWrite>,
    client_id: &str,
    patch: ClientPatch,
) -> Result<UpdatedClient, Error> {
    if let Some(name) = &patch.name {
        check_name(name)?;
    }
    // A leak must be stopped: to disable a client takes no more rights than to see it.
    let access = if patch.only_disables() {
        Access::Visible
    } else {
        Access::Editable
    };
    let (client, warning) = edit(
        store,
        permit,
        client_id,
        access,
        Action::ClientUpdate,
        move |transaction, permit, client| apply(transaction, permit, client, patch.clone()),
    )
    .await?;
    Ok(UpdatedClient { client, warning })
}

fn apply(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ClientsWrite>,
    client: &mut Client,
    patch: ClientPatch,
) -> Result<Option<Warning>, Error> {
    check_version(client, patch.expected.as_deref())?;
    if let Some(name) = patch.name {
        client.name = name;
    }
    let resources = match patch.resources {
        Some(identifiers) => Some(known_resources(
            transaction.database(),
            permit,
            &identifiers,
        )?),
        None => None,
    };
    let warning = update_grant(transaction, permit, client, patch.scope, resources)?;
    if let Some(may_introspect) = patch.may_introspect {
        if may_introspect && !client.may_introspect {
            check_can_allow_introspection(permit)?;
        }
        client.may_introspect = may_introspect;
    }
    if let Some(auth_method) = patch.auth_method {
        client.auth_method = auth_method;
    }
    if let Some(bound) = patch.dpop_bound_access_tokens {
        client.dpop_bound_access_tokens = bound;
    }
    if let Some(profile) = patch.profile {
        client.profile = profile;
    }
    if let Some(bound) = patch.tls_client_certificate_bound_access_tokens {
        client.tls_client_certificate_bound_access_tokens = bound;
    }
    if patch.certificate_name.is_some() {
        client.certificate_name = patch.certificate_name;
    }
    match patch.enabled {
        Some(true) => enable_row(permit, client)?,
        Some(false) => disable_row(permit, client),
        None => {}
    }
    if let Some(jwks) = patch.jwks {
        client.jwks = Some(checked_jwks(&jwks)?);
    }
    check_metadata(client)?;
    Ok(warning)
}

fn check_version(client: &Client, expected: Option<&[String]>) -> Result<(), Error> {
    let Some(expected) = expected else {
        return Ok(());
    };
    if expected.contains(&version(&ClientView::from(client.clone()))) {
        return Ok(());
    }
    Err(refusal::client_changed())
}

/// Replaces the scope or the resource servers of a client, as far as the actor can grant them.
fn update_grant(
    transaction: &mut Transaction<'_>,
    permit: &Permit<ClientsWrite>,
    client: &mut Client,
    scope: Option<Scope>,
    resources: Option<Resources>,
) -> Result<Option<Warning>, Error> {
    if scope.is_none() && resources.is_none() {
        return Ok(None);
    }
    if let Some(resources) = &resources {
        check_introspected_resources(permit, client, resources)?;
    }
    let self_registered = client.registration_limits.is_some();
    let scope = scope.unwrap_or_else(|| client.scope.clone());
    let resources = resources.unwrap_or_else(|| client.resources.clone());
    let mut warning = None;
    if scope != client.scope || resources != client.resources {
        let grantee = if self_registered {
            Grantee::SelfRegistered
        } else {
            Grantee::Client
        };
        let request = GrantRequest {
            account: &client.account_id,
            grantee,
            scope: &scope,
            resources: &resources,
            current: Some(&*client),
        };
        warning = check_grant(transaction, permit, &request)?;
        client.scope = scope;
        client.resources = resources;
    }
    if self_registered {
        // The new values are also the limits of the registration: otherwise the client could restore
        // the old ones with its registration access token.
        client.registration_limits =
            Some(RegistrationLimits::new(&client.scope, &client.resources).to_json()?);
    }
    Ok(warning)
}

/// An operator allowed a client to introspect the tokens of certain resource servers; the account's
/// people must not extend that to others.
fn check_introspected_resources<R: RightType>(
    permit: &Permit<R>,
    client: &Client,
    resources: &Resources,
) -> Result<(), Error> {
    let extends = *resources != client.resources
        && (resources.is_empty() || !resources.is_subset(&client.resources));
    if client.may_introspect && !permit.is_operator() && extends {
        return Err(refusal::introspected_resources_need_operator().field("resources"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn patch(change: impl FnOnce(&mut ClientPatch)) -> ClientPatch {
        let mut patch = ClientPatch::default();
        change(&mut patch);
        patch
    }

    #[test]
    fn a_patch_only_disables_if_it_changes_nothing_else() {
        let cases = [
            (patch(|patch| patch.enabled = Some(false)), true),
            (
                patch(|patch| {
                    patch.enabled = Some(false);
                    patch.expected = Some(vec!["v1".to_owned()]);
                }),
                true,
            ),
            (patch(|_| {}), false),
            (patch(|patch| patch.enabled = Some(true)), false),
            (
                patch(|patch| {
                    patch.enabled = Some(false);
                    patch.scope = Some(Scope::default());
                }),
                false,
            ),
            (
                patch(|patch| {
                    patch.enabled = Some(false);
                    patch.jwks = Some("{}".to_owned());
                }),
                false,
            ),
            (
                patch(|patch| {
                    patch.enabled = Some(false);
                    patch.dpop_bound_access_tokens = Some(false);
                }),
                false,
            ),
            (
                patch(|patch| {
                    patch.enabled = Some(false);
                    patch.profile = Some(SecurityProfile::None);
                    patch.tls_client_certificate_bound_access_tokens = Some(false);
                }),
                false,
            ),
        ];
        for (index, (patch, expected)) in cases.iter().enumerate() {
            assert_eq!(patch.only_disables(), *expected, "case {index}");
        }
    }

    #[test]
    fn an_update_needs_one_of_the_expected_versions() {
        let client = Client::new(
            "Batch".to_owned(),
            "acme".to_owned(),
            AuthMethod::ClientSecretBasic,
            Timestamp::from_seconds(1_800_000_000),
        );
        let current = version(&ClientView::from(client.clone()));
        let cases = [
            (None, true),
            (Some(vec![]), false),
            (Some(vec!["other".to_owned()]), false),
            (Some(vec!["other".to_owned(), current.clone()]), true),
        ];
        for (expected, allowed) in cases {
            let checked = check_version(&client, expected.as_deref());
            assert_eq!(checked.is_ok(), allowed, "{expected:?}");
        }
        let renamed = Client {
            name: "Nightly".to_owned(),
            ..client
        };
        assert!(check_version(&renamed, Some(&[current])).is_err());
    }
}
