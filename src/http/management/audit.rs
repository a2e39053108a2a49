//! `/api/v1/audit`

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Page, PageSize, ok, page_size, rows_of};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::AuditRead;
use crate::manage::audit;
use crate::store::audit::AuditFilter;

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
    /// The maximum number of items; 50 by default.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<PageSize>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
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
        before: query.cursor,
    };
    let entries = audit::list(api.store(), permit, filter, rows_of(size)).await?;
    Ok(ok(&Page::from_rows(entries, size, |entry| &entry.id)))
}
