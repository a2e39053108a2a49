//! `/api/v1/audit`

use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::manage::actor::AuditRead;
use crate::manage::audit;
use crate::store::audit::AuditFilter;

/// Which entries are wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Of this account, by id.
    account: Option<String>,
    /// Of this thing.
    target: Option<String>,
    /// Of this kind, such as `client.create`.
    action: Option<String>,
    /// By this one.
    actor: Option<String>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let permit = actor(&server, &request).await?.may(AuditRead)?;
        let Which {
            account,
            target,
            action,
            actor,
            limit,
            cursor,
        } = query(&request)?;
        let limit = Paging {
            limit,
            cursor: None,
        }
        .limit()?;
        let filter = AuditFilter {
            account_id: account,
            target,
            action,
            actor,
            before: cursor,
        };
        let entries = audit::list(
            &server.store,
            permit,
            filter,
            i64::try_from(limit + 1).unwrap_or(i64::MAX),
        )
        .await?;
        Ok(Page::from(entries, limit, |entry| &entry.id))
    };
    ok(&request, page.await)
}
