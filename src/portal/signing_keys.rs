//! Signing keys, for operators: their states, on a line of time.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::chart;
use super::page::{self, Head, Place, badge, confirmation, done, member_page, table};
use super::visit::{Failure, Member, Posted, mendable};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::manage::actor::{SigningKeysRead, SigningKeysWrite};
use crate::manage::signing_key::{self, RetirementMode, SigningKeyServices, SigningKeyView};

/// GET
pub async fn list(member: Member) -> Result<HttpResponse, Failure> {
    let keys = signing_key::list(&member.server.store, member.may(SigningKeysRead)?).await?;
    let writes = member.can(SigningKeysWrite);
    let live: Vec<&SigningKeyView> = keys.iter().filter(|key| key.state != "gone").collect();
    let content = html! {
        p { (member.t("signing-keys-text")) }
        (chart::key_lines(&member, &live))
        (rows(&member, &keys))
        @if writes {
            section aria-labelledby="rotate-key" {
                h2 #rotate-key { (member.t("signing-key-rotate")) }
                p { (member.t("signing-key-rotate-text")) }
                (page::button(&member, "/signing-keys/rotate", &member.t("signing-key-rotate"), "primary"))
            }
        }
    };
    let head = Head {
        notice: page::notice(&member),
        ..Head::titled(member.t("menu-signing-keys"))
    };
    Ok(member_page(&member, Place::SigningKeys, head, content))
}

fn rows(member: &Member, keys: &[SigningKeyView]) -> Markup {
    let writes = member.can(SigningKeysWrite);
    // Of a key that was retired at once there is no moment to show.
    let moment = |moment: Option<Timestamp>| {
        moment
            .filter(|moment| *moment > Timestamp::EPOCH)
            .map_or_else(|| html! { "–" }, |moment| member.language.moment(moment))
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
                html! { code { (key.kid) } },
                html! { (key.algorithm) },
                badge(kind, &member.t(&format!("key-state-{}", key.state))),
                moment(Some(key.signs_from)),
                moment(key.signs_until),
                moment(key.published_until),
                html! { @if writes && key.state != "gone" {
                    a.button.small href=(member.link(&format!("/signing-keys/{}/retire", key.kid))) { (member.t("retire")) span.unseen { " " (key.kid) } }
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
    table(member, &member.t("menu-signing-keys"), &columns, &rows)
}

/// POST `/rotate`
pub async fn rotate(Posted { member, .. }: Posted) -> Result<HttpResponse, Failure> {
    let permit = member.may(SigningKeysWrite)?;
    let services = SigningKeyServices::of(&member.server).await?;
    signing_key::rotate(services, permit).await?;
    Ok(done(&member, "/signing-keys", "signing-key-rotated"))
}

fn ask_page(member: &Member, kid: &str, error: Option<&Error>) -> HttpResponse {
    let question =
        html! { p { (member.t("retire-text")) } p { strong { (member.t("retire-now-text")) } } };
    let fields = html! { label.box { input type="checkbox" name="now" value="on"; span { (member.t("retire-now")) } } };
    let action = format!("/signing-keys/{kid}/retire");
    let content = confirmation(
        member,
        question,
        &action,
        &member.t("retire"),
        "/signing-keys",
        fields,
    );
    let above = vec![("/signing-keys".to_owned(), member.t("menu-signing-keys"))];
    let title = member.tr("retire-key", &[("kid", kid.into())]);
    member_page(
        member,
        Place::SigningKeys,
        Head {
            above,
            error,
            ..Head::titled(title)
        },
        content,
    )
}

/// GET `/{kid}/retire`
pub async fn ask_retire(member: Member, kid: Path<String>) -> Result<HttpResponse, Failure> {
    member.may(SigningKeysWrite)?;
    Ok(ask_page(&member, &kid, None))
}

/// POST `/{kid}/retire`
pub async fn retire(
    Posted { member, form }: Posted,
    kid: Path<String>,
) -> Result<HttpResponse, Failure> {
    let permit = member.may(SigningKeysWrite)?;
    let services = SigningKeyServices::of(&member.server).await?;
    let mode = if form.checked("now") {
        RetirementMode::Immediate
    } else {
        RetirementMode::Graceful
    };
    let retired = signing_key::retire(services, permit, &kid, mode);
    Ok(match mendable(&member, retired.await, "/signing-keys")? {
        Ok(_) => done(&member, "/signing-keys", "signing-key-retired"),
        Err(error) => ask_page(&member, &kid, Some(&error)),
    })
}
