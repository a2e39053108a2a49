//! `/api/v1/mails`

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Page, Paging, ok, page_size, respond, rows_of};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{AccountsWrite, StatusRead};
use crate::manage::mail;

/// The test message to send.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TestMail {
    /// The e-mail address of the recipient.
    #[schemars(email)]
    to: String,
}

/// `GET /api/v1/mails`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(StatusRead).await?;
    let Paging { limit, cursor } = api.query()?;
    let size = page_size(limit)?;
    let rows = mail::list(api.store(), permit, cursor, rows_of(size)).await?;
    Ok(ok(&Page::from_rows(rows, size, |mail| &mail.id)))
}

/// `POST /api/v1/mails/test`
pub(in crate::http) async fn test(api: ApiRequest, payload: Payload) -> HandlerResult {
    let permit = api.permit(AccountsWrite).await?;
    let TestMail { to } = api.json(payload).await?;
    let sent = mail::test(api.store(), permit, &to).await?;
    Ok(respond(StatusCode::CREATED, &sent))
}
