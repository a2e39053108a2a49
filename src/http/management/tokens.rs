//! `/api/v1/tokens`

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;
use crate::manage::actor::{TokensRead, TokensRevoke};
use crate::manage::token::{self, TokenView};

/// Which tokens are wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Of this client.
    client: String,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A token, its `jti`, or an API key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Presented {
    token: String,
}

/// GET
pub async fn list(server: Server, request: HttpRequest) -> HttpResponse {
    let page = async {
        let permit = actor(&server, &request).await?.may(TokensRead)?;
        let Which {
            client,
            limit,
            cursor,
        } = query(&request)?;
        let limit = Paging {
            limit,
            cursor: None,
        }
        .limit()?;
        if cursor
            .as_deref()
            .is_some_and(|cursor| uuid::Uuid::parse_str(cursor).is_err())
        {
            return Err(
                Error::new(Code::InvalidRequest, "There is no such place in the list")
                    .field("cursor"),
            );
        }
        let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let tokens = token::list(&server, permit, &client, cursor, rows).await?;
        Ok(Page::from(tokens, limit, |view: &TokenView| {
            &view.token.jti
        }))
    };
    ok(&request, page.await)
}

/// POST `/inspect`
pub async fn inspect(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let found = async {
        let actor = actor(&server, &request).await?;
        let Presented { token } = body(&request, payload).await?;
        token::inspect(&server, actor.may(TokensRead)?, &token).await
    };
    ok(&request, found.await)
}

/// POST `/revoke`
pub async fn revoke(server: Server, request: HttpRequest, payload: Payload) -> HttpResponse {
    let done = async {
        let permit = actor(&server, &request).await?.may(TokensRevoke)?;
        let Presented { token } = body(&request, payload).await?;
        token::revoke(&server, permit, &token).await
    };
    nothing(&request, done.await)
}
