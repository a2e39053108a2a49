//! `/api/v1/status`

use super::ok;
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::StatusRead;
use crate::manage::status;

/// `GET /api/v1/status`
pub(in crate::http) async fn show(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(StatusRead).await?;
    let status = status::show(api.store(), permit, &api.server.settings).await?;
    Ok(ok(&status))
}
