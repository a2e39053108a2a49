//! `/api/v1/clients`

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Changed, Created, Creation, Page, PageSize, if_match, no_content, ok, page_size, respond,
    rows_of, with_etag,
};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{ClientsRead, ClientsWrite, TokensRevoke};
use crate::manage::client::{self, CertificateNames, ClientPatch, ClientView};
use crate::scope::Scope;
use crate::secret::Disclosed;
use crate::store::client::AuthMethod;
use crate::store::security_profile::SecurityProfile;

/// The client to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateClient {
    /// The display name.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// The id or the name of the owning account; the caller's account by default.
    account: Option<String>,
    /// The allowed scope.
    #[serde(default)]
    scope: Scope,
    /// The resource servers for which the client can get tokens.
    #[serde(default)]
    resources: Vec<String>,
    /// Whether the client may introspect tokens for its resource servers.
    #[serde(default)]
    introspect: bool,
    /// How the client authenticates; `client_secret_basic` by default.
    auth_method: Option<AuthMethod>,
    /// The public keys of the client for `private_key_jwt`, or its certificates for
    /// `self_signed_tls_client_auth`, as a JWK Set.
    jwks: Option<Value>,
    /// Whether the client must send a DPoP proof with each token request (RFC 9449 section 5.2).
    #[serde(default)]
    dpop_bound_access_tokens: bool,
    /// The security profile that the client must follow; `none` by default.
    #[serde(default)]
    profile: SecurityProfile,
    /// Whether the client must present a certificate with each token request (RFC 8705 section 3.4).
    #[serde(default)]
    tls_client_certificate_bound_access_tokens: bool,
    /// The subject of the client's certificate, as in RFC 4514. `tls_client_auth` needs this or one of
    /// the following members (RFC 8705 section 2.1.2).
    tls_client_auth_subject_dn: Option<String>,
    /// A DNS name in the certificate.
    tls_client_auth_san_dns: Option<String>,
    /// A URI in the certificate.
    tls_client_auth_san_uri: Option<String>,
    /// An IP address in the certificate.
    tls_client_auth_san_ip: Option<String>,
    /// An e-mail address in the certificate.
    tls_client_auth_san_email: Option<String>,
}

/// Changes of a client. Members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateClient {
    /// The display name.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// The allowed scope.
    scope: Option<Scope>,
    /// The resource servers for which the client can get tokens.
    resources: Option<Vec<String>>,
    /// Whether the client may introspect tokens for its resource servers.
    introspect: Option<bool>,
    /// How the client authenticates.
    auth_method: Option<AuthMethod>,
    /// The public keys of the client for `private_key_jwt`, or its certificates for
    /// `self_signed_tls_client_auth`, as a JWK Set.
    jwks: Option<Value>,
    /// Whether the client must send a DPoP proof with each token request (RFC 9449 section 5.2).
    dpop_bound_access_tokens: Option<bool>,
    /// The security profile that the client must follow.
    profile: Option<SecurityProfile>,
    /// Whether the client must present a certificate with each token request (RFC 8705 section 3.4).
    tls_client_certificate_bound_access_tokens: Option<bool>,
    /// The subject of the client's certificate, as in RFC 4514. It, or one of the following
    /// members, replaces the present name (RFC 8705 section 2.1.2).
    tls_client_auth_subject_dn: Option<String>,
    /// A DNS name in the certificate.
    tls_client_auth_san_dns: Option<String>,
    /// A URI in the certificate.
    tls_client_auth_san_uri: Option<String>,
    /// An IP address in the certificate.
    tls_client_auth_san_ip: Option<String>,
    /// An e-mail address in the certificate.
    tls_client_auth_san_email: Option<String>,
    /// Whether the client can authenticate, and its tokens and API keys are active.
    enabled: Option<bool>,
}

/// The clients to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListClientsQuery {
    /// Clients of the account with this id or name.
    account: Option<String>,
    /// The maximum number of items; 50 by default.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<PageSize>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// A registration access token (RFC 7592 section 3).
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct RegistrationAccess {
    /// The token. No other response shows it.
    registration_access_token: String,
    /// The URL at which the token is presented.
    registration_client_uri: String,
}

/// `GET /api/v1/clients`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(ClientsRead).await?;
    let ListClientsQuery {
        account,
        limit,
        cursor,
    } = api.query()?;
    let size = page_size(limit)?;
    let clients = client::list(api.store(), permit, account, cursor, rows_of(size)).await?;
    let page = Page::from_rows(clients, size, |client| &client.client_id);
    Ok(ok(&page))
}

/// `POST /api/v1/clients`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let mut creation: Creation<CreateClient> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(ClientsWrite)?;
    let body = &mut creation.body;
    let names = CertificateNames {
        tls_client_auth_subject_dn: body.tls_client_auth_subject_dn.take(),
        tls_client_auth_san_dns: body.tls_client_auth_san_dns.take(),
        tls_client_auth_san_uri: body.tls_client_auth_san_uri.take(),
        tls_client_auth_san_ip: body.tls_client_auth_san_ip.take(),
        tls_client_auth_san_email: body.tls_client_auth_san_email.take(),
    };
    let new = client::NewClient {
        name: std::mem::take(&mut body.name),
        account: body.account.take(),
        scope: std::mem::take(&mut body.scope),
        resources: std::mem::take(&mut body.resources),
        may_introspect: body.introspect,
        auth_method: body.auth_method.unwrap_or(AuthMethod::ClientSecretBasic),
        jwks: body.jwks.take().map(|jwks| jwks.to_string()),
        dpop_bound_access_tokens: body.dpop_bound_access_tokens,
        profile: body.profile,
        certificate_name: client::certificate_name(names)?,
        tls_client_certificate_bound_access_tokens: body.tls_client_certificate_bound_access_tokens,
    };
    let create = async {
        let made = client::create(api.store(), permit, new).await?;
        let mut created = Created::without_secrets(ClientView::from(made.client));
        created.client_secret = made.secret.map(|secret| Disclosed::new(secret.expose()));
        created.api_key = made.api_key.map(|key| Disclosed::new(key.expose()));
        created.warnings = made.warning.iter().map(ToString::to_string).collect();
        Ok(created)
    };
    let find = async |id: String| {
        let permit = creation.actor.may(ClientsRead)?;
        client::show(api.store(), permit, &id).await.map(Some)
    };
    creation.run(&api, create, find).await
}

/// `GET /api/v1/clients/{client_id}`
pub(in crate::http) async fn show(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(ClientsRead).await?;
    let client = client::show(api.store(), permit, &id).await?;
    Ok(with_etag(&Changed {
        object: client,
        warnings: Vec::new(),
    }))
}

/// `PATCH /api/v1/clients/{client_id}`
pub(in crate::http) async fn update(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(ClientsWrite).await?;
    let patch: UpdateClient = api.json(payload).await?;
    let names = CertificateNames {
        tls_client_auth_subject_dn: patch.tls_client_auth_subject_dn,
        tls_client_auth_san_dns: patch.tls_client_auth_san_dns,
        tls_client_auth_san_uri: patch.tls_client_auth_san_uri,
        tls_client_auth_san_ip: patch.tls_client_auth_san_ip,
        tls_client_auth_san_email: patch.tls_client_auth_san_email,
    };
    let change = ClientPatch {
        name: patch.name,
        scope: patch.scope,
        resources: patch.resources,
        may_introspect: patch.introspect,
        auth_method: patch.auth_method,
        jwks: patch.jwks.map(|jwks| jwks.to_string()),
        dpop_bound_access_tokens: patch.dpop_bound_access_tokens,
        profile: patch.profile,
        certificate_name: client::certificate_name(names)?,
        tls_client_certificate_bound_access_tokens: patch
            .tls_client_certificate_bound_access_tokens,
        enabled: patch.enabled,
        expected: if_match(&api.head),
    };
    let changed = client::update(api.store(), permit, &id, change).await?;
    let warnings = changed.warning.iter().map(ToString::to_string).collect();
    Ok(with_etag(&Changed {
        object: changed.client,
        warnings,
    }))
}

/// `DELETE /api/v1/clients/{client_id}`
pub(in crate::http) async fn delete(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(ClientsWrite).await?;
    client::delete(api.store(), permit, &id).await?;
    Ok(no_content())
}

/// `POST /api/v1/clients/{client_id}/revoke-tokens`
pub(in crate::http) async fn revoke_tokens(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(TokensRevoke).await?;
    client::revoke_tokens(api.store(), permit, &id).await?;
    Ok(no_content())
}

/// `POST /api/v1/clients/{client_id}/registration-access-token`
pub(in crate::http) async fn renew_registration_token(
    api: ApiRequest,
    id: Path<String>,
) -> HandlerResult {
    let permit = api.permit(ClientsWrite).await?;
    let token = client::renew_registration_token(api.store(), permit, &id).await?;
    let access = RegistrationAccess {
        registration_access_token: token.expose().to_owned(),
        registration_client_uri: api.server.issuer.endpoint(&format!("/oauth/register/{id}")),
    };
    Ok(respond(StatusCode::CREATED, &access))
}

/// `DELETE /api/v1/clients/{client_id}/registration-access-token`
pub(in crate::http) async fn revoke_registration_token(
    api: ApiRequest,
    id: Path<String>,
) -> HandlerResult {
    let permit = api.permit(ClientsWrite).await?;
    client::revoke_registration_token(api.store(), permit, &id).await?;
    Ok(no_content())
}

/// The clients to change, all of them or none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SelectedClients {
    /// Their ids.
    #[schemars(length(min = 1, max = 100))]
    ids: BTreeSet<String>,
}

/// `POST /api/v1/clients/disable`
pub(in crate::http) async fn disable_all(api: ApiRequest, payload: Payload) -> HandlerResult {
    let permit = api.permit(ClientsWrite).await?;
    let SelectedClients { ids } = api.json(payload).await?;
    client::disable_all(api.store(), permit, ids).await?;
    Ok(no_content())
}

/// `POST /api/v1/clients/revoke-tokens`
pub(in crate::http) async fn revoke_tokens_of_all(
    api: ApiRequest,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(TokensRevoke).await?;
    let SelectedClients { ids } = api.json(payload).await?;
    client::revoke_tokens_of_all(api.store(), permit, ids).await?;
    Ok(no_content())
}
