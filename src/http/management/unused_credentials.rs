//! `/api/v1/unused-credentials`

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Page, PageSize, ok, page_size, rows_of, unknown_cursor};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::KeysRead;
use crate::manage::unused_credential::{self, UnusedCredential, UnusedKind, UnusedQuery};

/// The unused credentials to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListUnusedQuery {
    /// Those of the account with this id or name.
    account: Option<String>,
    /// Only API keys, or only client secrets.
    kind: Option<UnusedKind>,
    /// The maximum number of items; 50 by default.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<PageSize>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// `GET /api/v1/unused-credentials`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(KeysRead).await?;
    let query: ListUnusedQuery = api.query()?;
    let size = page_size(query.limit)?;
    let after = match query.cursor {
        Some(cursor) => Some(cursor.parse().map_err(|_| unknown_cursor())?),
        None => None,
    };
    let query = UnusedQuery {
        account: query.account,
        kind: query.kind,
        after,
        limit: rows_of(size),
    };
    let mut found = unused_credential::list(api.store(), permit, query).await?;
    let has_next = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| has_next);
    let next_cursor = last.map(|last: &UnusedCredential| last.position().to_string());
    Ok(ok(&Page::with_cursor(found, next_cursor)))
}
