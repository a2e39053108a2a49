//! Signing keys, for operators: their states on a timeline, rotation and retirement.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::chart;
use super::components::{self, Field, badge, confirmation, table};
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::manage::actor::{SigningKeysRead, SigningKeysWrite};
use crate::manage::signing_key::{
    self, RetirementMode, SignatureAlgorithm, SigningKeyServices, SigningKeyView,
};

/// All signing keys.
pub async fn list(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let keys = signing_key::list(&user.server.store, user.may(SigningKeysRead)?).await?;
    let can_edit = user.can(SigningKeysWrite);
    let current: Vec<&SigningKeyView> = keys.iter().filter(|key| key.state != "gone").collect();
    let content = html! {
        p { (user.t("signing-keys-text")) }
        (chart::key_timeline(&user, &current))
        (rows(&user, &keys))
        @if can_edit {
            section aria-labelledby="rotate-key" {
                h2 #rotate-key { (user.t("signing-key-rotate")) }
                p { (user.t("signing-key-rotate-text")) }
                (components::form(&user, "/signing-keys/rotate", html! {
                    (Field::new(&user, "algorithm", None).help("help-algorithm").select(&components::algorithm_choices(SignatureAlgorithm::ALL), ""))
                    button.primary { (user.t("signing-key-rotate")) }
                }))
            }
        }
    };
    let header = PageHeader {
        notice: page::notice(&user),
        ..PageHeader::titled(user.t("menu-signing-keys"))
    };
    Ok(user_page(&user, NavItem::SigningKeys, header, content))
}

fn rows(user: &CurrentUser, keys: &[SigningKeyView]) -> Markup {
    let can_edit = user.can(SigningKeysWrite);
    // A key that was retired immediately has the epoch here.
    let instant = |at: Option<Timestamp>| {
        at.filter(|at| *at > Timestamp::EPOCH)
            .map_or_else(|| html! { "–" }, |at| user.date_time(at))
    };
    let rows: Vec<Vec<Markup>> = keys
        .iter()
        .rev()
        .map(|key| {
            let kind = match key.state.as_str() {
                "signing" => "good",
                "gone" => "off",
                _ => "plain",
            };
            vec![
                components::id(user, &key.kid),
                html! { (key.algorithm) },
                badge(kind, &user.t(&format!("key-state-{}", key.state))),
                instant(Some(key.signs_from)),
                instant(key.signs_until),
                instant(key.published_until),
                html! { @if can_edit && key.state != "gone" {
                    a.button.small href=(user.link(&format!("/signing-keys/{}/retire", key.kid))) { (user.t("retire")) span.visually_hidden { " " (key.kid) } }
                } },
            ]
        })
        .collect();
    let columns = [
        "column-kid",
        "column-algorithm",
        "column-state",
        "column-signs-from",
        "column-signs-until",
        "column-published-until",
        "",
    ];
    table(user, &user.t("menu-signing-keys"), &columns, &rows)
}

/// Publishes a new key, which replaces the current one.
pub async fn rotate(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(SigningKeysWrite)?;
    let algorithm = match form.text("algorithm") {
        "" => SignatureAlgorithm::default(),
        chosen => chosen.parse().map_err(|_| {
            Error::new(
                Code::InvalidRequest,
                format!("{chosen} is not a signature algorithm"),
            )
        })?,
    };
    let services = SigningKeyServices::of(&user.server).await?;
    signing_key::rotate(services, permit, algorithm).await?;
    Ok(done(&user, "/signing-keys", "signing-key-rotated"))
}

fn confirm_retire_page(user: &CurrentUser, kid: &str, error: Option<&Error>) -> HttpResponse {
    let question =
        html! { p { (user.t("retire-text")) } p { strong { (user.t("retire-now-text")) } } };
    let fields = html! { label.checkbox { input type="checkbox" name="now" value="on"; span { (user.t("retire-now")) } } };
    let action = format!("/signing-keys/{kid}/retire");
    let content = confirmation(
        user,
        question,
        &action,
        &user.t("retire"),
        "/signing-keys",
        fields,
    );
    let breadcrumbs = vec![NavItem::SigningKeys.breadcrumb(user)];
    let title = user.tr("retire-key", &[("kid", kid.into())]);
    user_page(
        user,
        NavItem::SigningKeys,
        PageHeader {
            breadcrumbs,
            error,
            ..PageHeader::titled(title)
        },
        content,
    )
}

/// Asks to confirm that a key is retired.
pub async fn confirm_retire(
    user: CurrentUser,
    kid: Path<String>,
) -> Result<HttpResponse, PageError> {
    user.may(SigningKeysWrite)?;
    Ok(confirm_retire_page(&user, &kid, None))
}

/// Retires a key.
pub async fn retire(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    kid: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(SigningKeysWrite)?;
    let services = SigningKeyServices::of(&user.server).await?;
    let mode = if form.checked("now") {
        RetirementMode::Immediate
    } else {
        RetirementMode::Graceful
    };
    let retired = signing_key::retire(services, permit, &kid, mode);
    Ok(match recoverable(&user, retired.await, "/signing-keys")? {
        Ok(_) => done(&user, "/signing-keys", "signing-key-retired"),
        Err(error) => confirm_retire_page(&user, &kid, Some(&error)),
    })
}
