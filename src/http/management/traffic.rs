//! `/api/v1/traffic`

use super::ok;
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::TokensRead;
use crate::manage::traffic;

/// `GET /api/v1/traffic`
pub(in crate::http) async fn overview(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(TokensRead).await?;
    let overview = traffic::overview(api.store(), permit).await?;
    Ok(ok(&overview))
}
