//! `/api/v1/audit`

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Page, PageSize, ok, page_size};
use crate::clock::DateOrTime;
use crate::http::download;
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::AuditRead;
use crate::manage::audit::{self, AuditFilter, AuditPage, Export, ExportFormat};

/// The audit entries to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListAuditQuery {
    /// Entries of the account with this id.
    account: Option<String>,
    /// Entries about the object with this id.
    target: Option<String>,
    /// Entries of this action, such as `client.create`.
    action: Option<String>,
    /// Entries of what this actor did.
    actor: Option<String>,
    /// Entries of the request with this id, as in the log and in the header `X-Request-Id`.
    request_id: Option<String>,
    /// Entries of this time or later; a date means its start in UTC.
    since: Option<DateOrTime>,
    /// Entries from before this time; a date means its end in UTC.
    until: Option<DateOrTime>,
    /// The maximum number of items; 50 by default.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<PageSize>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// The audit entries to export.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ExportAuditQuery {
    /// The format: `csv`, or `jsonl` for a JSON object on each line.
    format: String,
    /// Entries of the account with this id.
    account: Option<String>,
    /// Entries about the object with this id.
    target: Option<String>,
    /// Entries of this action, such as `client.create`.
    action: Option<String>,
    /// Entries of what this actor did.
    actor: Option<String>,
    /// Entries of the request with this id, as in the log and in the header `X-Request-Id`.
    request_id: Option<String>,
    /// Entries of this time or later; a date means its start in UTC.
    since: Option<DateOrTime>,
    /// Entries from before this time; a date means its end in UTC.
    until: Option<DateOrTime>,
}

/// `GET /api/v1/audit`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(AuditRead).await?;
    let query: ListAuditQuery = api.query()?;
    let size = page_size(query.limit)?;
    let filter = AuditFilter {
        account_id: query.account,
        target: query.target,
        action: query.action,
        actor: query.actor,
        request_id: query.request_id,
        since: query.since.map(DateOrTime::start),
        until: query.until.map(DateOrTime::end),
        before: query.cursor,
    };
    let AuditPage { entries, next } = audit::list(api.store(), permit, filter, size).await?;
    Ok(ok(&Page::with_cursor(entries, next)))
}

/// `GET /api/v1/audit/export`
pub(in crate::http) async fn export(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(AuditRead).await?;
    let query: ExportAuditQuery = api.query()?;
    let format = ExportFormat::parse(&query.format)?;
    let filter = AuditFilter {
        account_id: query.account,
        target: query.target,
        action: query.action,
        actor: query.actor,
        request_id: query.request_id,
        since: query.since.map(DateOrTime::start),
        until: query.until.map(DateOrTime::end),
        before: None,
    };
    let export = Export::new(api.store(), permit, filter, format);
    download::audit(&api.head, export).await
}
