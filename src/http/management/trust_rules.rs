//! `/api/v1/trust-rules`

use std::time::Duration;

use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Created, Creation, Page, PageSize, no_content, ok};
use crate::error::{Code, Error};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{TrustRulesRead, TrustRulesWrite};
use crate::manage::trust_rule::{self, Condition, NewTrustRule, RuleKind, TestedCredential};

/// The trust rule to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateTrustRule {
    /// `workload`, the default: JWTs of workloads, which act as the client. `spiffe_x509`: X.509-SVIDs
    /// of workloads, which act as the client (draft-ietf-oauth-spiffe-client-auth). `id_jag`: ID-JAGs
    /// (draft-ietf-oauth-identity-assertion-authz-grant), which the client presents for its users.
    #[serde(default)]
    #[schemars(extend("default" = "workload"))]
    kind: RuleKind,
    /// The client that a matching workload acts as, or that presents the ID-JAGs.
    client_id: String,
    /// The `iss` of the JWTs, or a SPIFFE trust domain such as `spiffe://acme.example`.
    issuer: String,
    /// The keys of an issuer that cannot be reached, as a JWK Set; the bundle of a trust domain.
    jwks: Option<Value>,
    /// The URL of the issuer's keys; by default what its discovery document names. The bundle endpoint
    /// of a trust domain.
    jwks_uri: Option<String>,
    /// The `aud` of the JWTs; the issuer identifier of Keyward by default.
    audience: Option<String>,
    /// The conditions, all of which a JWT must meet. A rule for workloads needs at least one. For
    /// X.509-SVIDs they are on `sub`, the SPIFFE ID.
    #[serde(default)]
    #[schemars(length(max = 10))]
    conditions: Vec<Condition>,
    /// Whether each JWT is accepted only once. The default is true for ID-JAGs, and false for
    /// workloads, whose platforms let them use a JWT again. It cannot be true for X.509-SVIDs.
    single_use: Option<bool>,
    /// The lifetime in seconds; the rule does not expire by default.
    #[schemars(range(min = 1))]
    expires_in: Option<u32>,
}

/// Changes of a trust rule.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateTrustRule {
    /// Whether the rule accepts JWTs.
    enabled: bool,
}

/// The issuer whose trust rules are to be disabled.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DisableIssuer {
    /// The issuer, as it is in the rules.
    issuer: String,
}

/// The JWT or the certificate to try out: one of the two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PresentedCredential {
    /// The JWT. It is not used up.
    token: Option<String>,
    /// The X.509-SVID in PEM, and the certificates between it and the bundle.
    certificate: Option<String>,
}

/// The trust rules to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListTrustRulesQuery {
    /// The rules of this client only.
    client_id: Option<String>,
    /// The maximum number of items; 50 by default.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<PageSize>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// `GET /api/v1/trust-rules`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(TrustRulesRead).await?;
    let query: ListTrustRulesQuery = api.query()?;
    let paging = super::Paging {
        limit: query.limit,
        cursor: query.cursor,
    };
    let rules = trust_rule::list(api.store(), permit, query.client_id).await?;
    Ok(ok(&Page::of(rules, &paging, |rule| &rule.id)?))
}

/// `POST /api/v1/trust-rules`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let creation: Creation<CreateTrustRule> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(TrustRulesWrite)?;
    let body = &creation.body;
    if body.expires_in == Some(0) {
        return Err(
            Error::new(Code::InvalidRequest, "The lifetime must be positive").field("expires_in"),
        );
    }
    let new = NewTrustRule {
        kind: body.kind,
        client_id: body.client_id.clone(),
        issuer: body.issuer.clone(),
        jwks: body.jwks.as_ref().map(Value::to_string),
        jwks_uri: body.jwks_uri.clone(),
        audience: body.audience.clone(),
        conditions: body.conditions.clone(),
        single_use: body.single_use,
        lifetime: body
            .expires_in
            .map(|seconds| Duration::from_secs(seconds.into())),
    };
    let create = async {
        let (view, broad) = trust_rule::create(api.store(), permit, new).await?;
        let mut created = Created::without_secrets(view);
        created.warnings = broad.iter().map(ToString::to_string).collect();
        Ok(created)
    };
    let find = async |id: String| {
        let permit = creation.actor.may(TrustRulesRead)?;
        let all = trust_rule::list(api.store(), permit, None).await?;
        Ok(all.into_iter().find(|rule| rule.id == id))
    };
    creation.run(&api, create, find).await
}

/// `GET /api/v1/trust-rules/{id}`
pub(in crate::http) async fn show(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(TrustRulesRead).await?;
    Ok(ok(&trust_rule::show(api.store(), permit, &id).await?))
}

/// `PATCH /api/v1/trust-rules/{id}`
pub(in crate::http) async fn update(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(TrustRulesWrite).await?;
    let change: UpdateTrustRule = api.json(payload).await?;
    let changed = if change.enabled {
        trust_rule::enable(api.store(), permit, &id).await?
    } else {
        trust_rule::disable(api.store(), permit, &id).await?
    };
    Ok(ok(&changed))
}

/// `DELETE /api/v1/trust-rules/{id}`
pub(in crate::http) async fn delete(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(TrustRulesWrite).await?;
    trust_rule::delete(api.store(), permit, &id).await?;
    Ok(no_content())
}

/// `POST /api/v1/trust-rules/disable-issuer`
pub(in crate::http) async fn disable_issuer(api: ApiRequest, payload: Payload) -> HandlerResult {
    let permit = api.permit(TrustRulesWrite).await?;
    let body: DisableIssuer = api.json(payload).await?;
    let disabled = trust_rule::disable_issuer(api.store(), permit, &body.issuer).await?;
    Ok(ok(&disabled))
}

/// `POST /api/v1/trust-rules/test`
pub(in crate::http) async fn test(api: ApiRequest, payload: Payload) -> HandlerResult {
    let permit = api.permit(TrustRulesRead).await?;
    let body: PresentedCredential = api.json(payload).await?;
    let credential = match (&body.token, &body.certificate) {
        (Some(token), None) => TestedCredential::Jwt(token),
        (None, Some(certificate)) => TestedCredential::Certificate(certificate),
        _ => {
            let description = "Give token or certificate, and not both";
            return Err(Error::new(Code::InvalidRequest, description).field("token"));
        }
    };
    Ok(ok(&trust_rule::test(&api.server, permit, credential).await?))
}
