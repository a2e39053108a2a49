//! `/api/v1/clients/{client_id}/usage`

use actix_web::web::Path;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ok;
use crate::error::{Code, Error};
use crate::http::download;
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::TokensRead;
use crate::manage::usage::{self, Bucket, Subject, UsageFormat};

/// The usage to show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UsageQuery {
    /// What a point stands for; an hour by default.
    by: Option<Bucket>,
    /// The usage of the API key with this id, instead of the client's.
    key: Option<String>,
    /// The usage of the secret with this id, instead of the client's.
    secret: Option<String>,
    /// The format; JSON by default. CSV has the points only.
    format: Option<UsageFormat>,
}

impl UsageQuery {
    fn subject(&mut self) -> Result<Subject, Error> {
        match (self.key.take(), self.secret.take()) {
            (None, None) => Ok(Subject::Client),
            (Some(id), None) => Ok(Subject::ApiKey(id)),
            (None, Some(id)) => Ok(Subject::Secret(id)),
            (Some(_), Some(_)) => Err(Error::new(
                Code::InvalidRequest,
                "Give a key or a secret, not both",
            )
            .field("secret")),
        }
    }
}

/// `GET /api/v1/clients/{client_id}/usage`
pub(in crate::http) async fn show(api: ApiRequest, client_id: Path<String>) -> HandlerResult {
    let permit = api.permit(TokensRead).await?;
    let mut query: UsageQuery = api.query()?;
    let subject = query.subject()?;
    let by = query.by.unwrap_or_default();
    let usage = usage::show(api.store(), permit, &client_id, subject, by).await?;
    Ok(match query.format.unwrap_or_default() {
        UsageFormat::Json => ok(&usage),
        UsageFormat::Csv => download::usage(&usage),
    })
}
