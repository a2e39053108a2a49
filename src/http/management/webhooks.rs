//! `/api/v1/webhooks`

use actix_web::http::StatusCode;
use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Created, Creation, Page, Paging, Rotation, no_content, ok, page_size, respond, rows_of,
};
use crate::error::refusal;
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{WebhooksRead, WebhooksWrite};
use crate::manage::webhook::{self, NewWebhook, Source, WebhookChanges};
use crate::secret::Disclosed;

/// The webhook to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateWebhook {
    /// The id or the name of the account whose events are sent; the caller's account by default.
    account: Option<String>,
    /// Whether the events of all accounts and of the server are sent; for operators.
    #[serde(default)]
    all_accounts: bool,
    /// The https URL that gets the events.
    #[schemars(length(max = 512))]
    url: String,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 200))]
    description: String,
    /// The events: actions of the audit such as `secret.create`, or `*` for all.
    #[schemars(length(min = 1))]
    events: Vec<String>,
}

/// Changes of a webhook. Absent members stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateWebhook {
    /// The https URL that gets the events.
    #[schemars(length(max = 512))]
    url: Option<String>,
    /// What it is for.
    #[schemars(length(max = 200))]
    description: Option<String>,
    /// The events: actions of the audit such as `secret.create`, or `*` for all.
    #[schemars(length(min = 1))]
    events: Option<Vec<String>>,
    /// Whether events are sent.
    enabled: Option<bool>,
}

/// `GET /api/v1/webhooks`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(WebhooksRead).await?;
    let webhooks = webhook::list(api.store(), permit).await?;
    Ok(ok(&Page::of(webhooks, &api.query()?, |webhook| {
        &webhook.id
    })?))
}

/// `POST /api/v1/webhooks`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let creation: Creation<CreateWebhook> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(WebhooksWrite)?;
    let body = &creation.body;
    let source = match (&body.account, body.all_accounts) {
        (Some(_), true) => return Err(refusal::webhook_account_or_all().field("all_accounts")),
        (account, false) => Source::Account(account.clone()),
        (None, true) => Source::AllAccounts,
    };
    let new = NewWebhook {
        source,
        url: body.url.clone(),
        description: body.description.clone(),
        events: body.events.clone(),
    };
    let create = async {
        let sealing_keys = api.server.sealing_keys();
        let (secret, view) = webhook::create(api.store(), permit, sealing_keys, new).await?;
        let mut created = Created::without_secrets(view);
        created.signing_secret = Some(Disclosed::new(secret));
        Ok(created)
    };
    let find = async |id: String| {
        let permit = creation.actor.may(WebhooksRead)?;
        let all = webhook::list(api.store(), permit).await?;
        Ok(all.into_iter().find(|webhook| webhook.id == id))
    };
    creation.run(&api, create, find).await
}

/// `GET /api/v1/webhooks/{id}`
pub(in crate::http) async fn show(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(WebhooksRead).await?;
    Ok(ok(&webhook::show(api.store(), permit, &id).await?))
}

/// `PATCH /api/v1/webhooks/{id}`
pub(in crate::http) async fn update(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(WebhooksWrite).await?;
    let body: UpdateWebhook = api.json(payload).await?;
    let changes = WebhookChanges {
        url: body.url,
        description: body.description,
        events: body.events,
        enabled: body.enabled,
    };
    Ok(ok(
        &webhook::update(api.store(), permit, &id, changes).await?
    ))
}

/// `DELETE /api/v1/webhooks/{id}`
pub(in crate::http) async fn delete(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(WebhooksWrite).await?;
    webhook::delete(api.store(), permit, &id).await?;
    Ok(no_content())
}

/// `POST /api/v1/webhooks/{id}/rotate-secret`
pub(in crate::http) async fn rotate_secret(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(WebhooksWrite).await?;
    let rotation: Rotation = api.json(payload).await?;
    let sealing_keys = api.server.sealing_keys();
    let (secret, view) =
        webhook::rotate_secret(api.store(), permit, sealing_keys, &id, rotation.grace()).await?;
    let mut rotated = Created::without_secrets(view);
    rotated.signing_secret = Some(Disclosed::new(secret));
    Ok(respond(StatusCode::CREATED, &rotated))
}

/// `GET /api/v1/webhooks/{id}/deliveries`
pub(in crate::http) async fn deliveries(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(WebhooksRead).await?;
    let Paging { limit, cursor } = api.query()?;
    let size = page_size(limit)?;
    let rows = webhook::deliveries(api.store(), permit, &id, cursor, rows_of(size)).await?;
    Ok(ok(&Page::from_rows(rows, size, |delivery| &delivery.id)))
}

/// `POST /api/v1/webhooks/{id}/test`
pub(in crate::http) async fn test(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(WebhooksWrite).await?;
    Ok(respond(
        StatusCode::CREATED,
        &webhook::test(api.store(), permit, &id).await?,
    ))
}

/// `POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/resend`
pub(in crate::http) async fn resend(api: ApiRequest, ids: Path<(String, String)>) -> HandlerResult {
    let permit = api.permit(WebhooksWrite).await?;
    let (id, delivery_id) = ids.into_inner();
    Ok(respond(
        StatusCode::CREATED,
        &webhook::resend(api.store(), permit, &id, &delivery_id).await?,
    ))
}
