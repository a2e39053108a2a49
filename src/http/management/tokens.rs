//! `/api/v1/tokens`

use actix_web::web::Payload;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::{Page, PageSize, no_content, ok, page_size, rows_of, unknown_cursor};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{TokensRead, TokensRevoke};
use crate::manage::token::{self, TokenView};

/// The tokens to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListTokensQuery {
    /// Tokens of the client with this id.
    client: String,
    /// The maximum number of items; 50 by default.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<PageSize>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// The token to inspect or to revoke.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PresentedToken {
    /// An access token, the `jti` of one, or an API key.
    token: String,
}

/// `GET /api/v1/tokens`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(TokensRead).await?;
    let query: ListTokensQuery = api.query()?;
    let size = page_size(query.limit)?;
    let cursor = query.cursor;
    if let Some(cursor) = &cursor {
        Uuid::parse_str(cursor).map_err(|_| unknown_cursor())?;
    }
    let rows = rows_of(size);
    let tokens = token::list(&api.server, permit, &query.client, cursor, rows).await?;
    let page = Page::from_rows(tokens, size, |view: &TokenView| &view.token.jti);
    Ok(ok(&page))
}

/// `POST /api/v1/tokens/inspect`
pub(in crate::http) async fn inspect(api: ApiRequest, payload: Payload) -> HandlerResult {
    let permit = api.permit(TokensRead).await?;
    let PresentedToken { token } = api.json(payload).await?;
    let inspection = token::inspect(&api.server, permit, &token).await?;
    Ok(ok(&inspection))
}

/// `POST /api/v1/tokens/revoke`
pub(in crate::http) async fn revoke(api: ApiRequest, payload: Payload) -> HandlerResult {
    let permit = api.permit(TokensRevoke).await?;
    let PresentedToken { token } = api.json(payload).await?;
    token::revoke(&api.server, permit, &token).await?;
    Ok(no_content())
}
