//! `/api/v1/announcements`

use actix_web::web::{Path, Payload};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Created, Creation, Page, no_content, ok};
use crate::clock::DateOrTime;
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{AnnouncementsRead, AnnouncementsWrite};
use crate::manage::announcement::{self, AnnouncementChanges, NewAnnouncement, Severity};

/// The announcement to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateAnnouncement {
    /// How serious it is; `info` by default.
    #[serde(default)]
    severity: Severity,
    /// The text in English, without markup, on one line.
    #[schemars(length(min = 1, max = 500))]
    text_en: String,
    /// The text in French, without markup, on one line.
    #[schemars(length(min = 1, max = 500))]
    text_fr: String,
    /// The id or the name of the account whose users see it; the users of all accounts by default.
    account: Option<String>,
    /// From when on it is shown; from now on by default.
    starts_at: Option<DateOrTime>,
    /// Until when it is shown.
    ends_at: DateOrTime,
}

/// Changes of an announcement. Absent members stay as they are. With another text or severity it is
/// shown again to those who dismissed it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateAnnouncement {
    /// How serious it is.
    severity: Option<Severity>,
    /// The text in English, without markup, on one line.
    #[schemars(length(min = 1, max = 500))]
    text_en: Option<String>,
    /// The text in French, without markup, on one line.
    #[schemars(length(min = 1, max = 500))]
    text_fr: Option<String>,
    /// From when on it is shown.
    starts_at: Option<DateOrTime>,
    /// Until when it is shown.
    ends_at: Option<DateOrTime>,
}

/// `GET /api/v1/announcements`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(AnnouncementsRead).await?;
    let all = announcement::list(api.store(), permit).await?;
    Ok(ok(&Page::of(all, &api.query()?, |one| &one.id)?))
}

/// `POST /api/v1/announcements`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let creation: Creation<CreateAnnouncement> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(AnnouncementsWrite)?;
    let body = &creation.body;
    let new = NewAnnouncement {
        severity: body.severity,
        text_en: body.text_en.clone(),
        text_fr: body.text_fr.clone(),
        account: body.account.clone(),
        starts_at: body.starts_at.map(DateOrTime::start),
        ends_at: body.ends_at.end(),
    };
    let create = async {
        let created = announcement::create(api.store(), permit, new).await?;
        Ok(Created::without_secrets(created))
    };
    let find = async |id: String| {
        let permit = creation.actor.may(AnnouncementsRead)?;
        let all = announcement::list(api.store(), permit).await?;
        Ok(all.into_iter().find(|one| one.id == id))
    };
    creation.run(&api, create, find).await
}

/// `GET /api/v1/announcements/{id}`
pub(in crate::http) async fn show(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(AnnouncementsRead).await?;
    Ok(ok(&announcement::show(api.store(), permit, &id).await?))
}

/// `PATCH /api/v1/announcements/{id}`
pub(in crate::http) async fn update(
    api: ApiRequest,
    id: Path<String>,
    payload: Payload,
) -> HandlerResult {
    let permit = api.permit(AnnouncementsWrite).await?;
    let body: UpdateAnnouncement = api.json(payload).await?;
    let changes = AnnouncementChanges {
        severity: body.severity,
        text_en: body.text_en,
        text_fr: body.text_fr,
        starts_at: body.starts_at.map(DateOrTime::start),
        ends_at: body.ends_at.map(DateOrTime::end),
    };
    Ok(ok(
        &announcement::update(api.store(), permit, &id, changes).await?
    ))
}

/// `DELETE /api/v1/announcements/{id}`
pub(in crate::http) async fn delete(api: ApiRequest, id: Path<String>) -> HandlerResult {
    let permit = api.permit(AnnouncementsWrite).await?;
    announcement::delete(api.store(), permit, &id).await?;
    Ok(no_content())
}
