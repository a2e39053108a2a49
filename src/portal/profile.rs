//! A user's own page: the password, the second factor, the sessions.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, PreEscaped, html};
use qrcode::{Color, QrCode};

use super::page::{
    self, Field, Head, Place, badge, copy, done, hidden, member_page, redirect, table,
};
use super::visit::{Failure, Form, Member, Posted, Submitted, Visitor};
use crate::error::{Code, Error};
use crate::manage::second_factor::{self, Enrolment, Proof};
use crate::manage::session;

/// GET
pub async fn show(member: Member) -> Result<HttpResponse, Failure> {
    profile_page(&member, None, "").await
}

/// `at` names the form that the error is of.
async fn profile_page(
    member: &Member,
    error: Option<&Error>,
    at: &str,
) -> Result<HttpResponse, Failure> {
    let sessions = session::list(&member.server, &member.signed_in, member.now()).await?;
    let of = |form: &str| error.filter(|_| at == form);
    let content = html! {
        dl.facts {
            dt { (member.t("field-email")) } dd { (member.signed_in.email()) }
            dt { (member.t("field-role")) } dd { (member.t(&format!("role-{}", member.signed_in.role()))) }
            @if let Some(account) = member.signed_in.account() { dt { (member.t("field-account")) } dd { (account.name) } }
        }
        section aria-labelledby="change-password" {
            h2 #change-password { (member.t("change-password")) }
            (page::form(member, "/profile/password", html! {
                input type="email" name="username" value=(member.signed_in.email()) autocomplete="username" hidden;
                (Field::new(member, "current", of("password")).input_with("password", "", "current-password"))
                (Field::new(member, "new", of("password")).help("help-password").input_with("password", "", "new-password"))
                button { (member.t("change-password")) }
                p.help { (member.t("change-password-text")) }
            }))
        }
        section aria-labelledby="second-factor" {
            h2 #second-factor { (member.t("second-factor")) }
            @if member.signed_in.has_second_factor() { (has_second_factor(member, of("code"))) } @else {
                p { (member.t("second-factor-text")) }
                p { a.button href=(member.link("/profile/second-factor")) { (member.t("second-factor-set-up")) } }
            }
        }
        (sessions_section(member, &sessions))
    };
    let head = Head {
        notice: page::notice(member),
        error,
        ..Head::titled(member.t("menu-profile"))
    };
    Ok(member_page(member, Place::Profile, head, content))
}

fn has_second_factor(member: &Member, error: Option<&Error>) -> Markup {
    let required = member.signed_in.requires_second_factor();
    html! {
        p { (badge("good", &member.t("second-factor-on"))) " " (member.count("recovery-codes-left", member.signed_in.recovery_codes())) }
        @if required { p { (member.t("second-factor-required")) } }
        form method="post" action=(member.link("/profile/recovery-codes")) {
            (hidden(super::visit::FORM_TOKEN, &member.form_token()))
            (Field::new(member, "password", error).input_with("password", "", "current-password"))
            (Field::new(member, "code", error).help("help-code").input_with("text", "", "one-time-code"))
            div.buttons {
                button { (member.t("recovery-codes-renew")) }
                button.danger formaction=(member.link("/profile/second-factor/remove")) {
                    (member.t(if required { "second-factor-anew" } else { "second-factor-remove" }))
                }
            }
        }
    }
}

fn sessions_section(member: &Member, sessions: &[session::SessionView]) -> Markup {
    let rows: Vec<Vec<Markup>> = sessions
        .iter()
        .map(|session| {
            vec![
                html! { span.words { (session.agent) } @if session.own { " " (badge("good", &member.t("this-one"))) } },
                html! { code.short { (session.address) } },
                member.language.moment(session.created_at),
                member.relative(session.last_seen_at),
                html! { @if !session.own {
                    (page::button(member, &format!("/profile/sessions/{}/end", session.id), &member.t("session-end"), "small"))
                } },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="sessions" {
            h2 #sessions { (member.t("sessions")) }
            (table(member, &member.t("sessions"), &["column-browser", "column-address", "column-signed-in", "column-last-seen", ""], &rows))
        }
    }
}

/// POST `/password`
pub async fn change_password(Posted { member, form }: Posted) -> Result<HttpResponse, Failure> {
    let (current, new) = (form.get("current").to_owned(), form.get("new").to_owned());
    match session::change_password(
        &member.server,
        &member.signed_in,
        current,
        new,
        &member.context,
    )
    .await
    {
        Ok(cookie) => {
            let cookies = [member.session_cookie(cookie.expose())];
            Ok(redirect(
                &format!("{}?done=password-changed", member.link("/profile")),
                &cookies,
            ))
        }
        Err(error) if error.wrong_field().is_some() || error.code() == Code::TooManyRequests => {
            profile_page(&member, Some(&error), "password").await
        }
        Err(error) => Err(error.into()),
    }
}

/// GET `/second-factor`: for those, too, whose account wants one before all else.
pub async fn show_enrolment(visitor: Visitor) -> Result<HttpResponse, Failure> {
    let member = Member::enrolling(visitor)?;
    if member.signed_in.has_second_factor() {
        return Ok(redirect(&member.link("/profile"), &[]));
    }
    let enrolment = second_factor::begin(&member.server, &member.signed_in)?;
    Ok(enrolment_page(&member, &enrolment, None))
}

fn enrolment_page(member: &Member, enrolment: &Enrolment, error: Option<&Error>) -> HttpResponse {
    let content = html! {
        @if member.signed_in.must_enrol() { div.hint { p { (member.t("second-factor-first")) } } }
        ol.steps {
            li { p { (member.t("second-factor-app")) } }
            li {
                p { (member.t("second-factor-scan")) }
                (picture(member, &enrolment.url))
                (copy(member, &member.t("second-factor-type"), "secret", &enrolment.secret))
            }
            li {
                (page::form(member, "/profile/second-factor", html! {
                    (hidden("sealed", &enrolment.sealed))
                    (Field::new(member, "password", error).help("help-own-password").input_with("password", "", "current-password"))
                    (Field::new(member, "code", error).help("help-first-code").input_with("text", "", "one-time-code"))
                    button.primary { (member.t("second-factor-confirm")) }
                }))
            }
        }
    };
    let head = Head {
        error,
        ..Head::titled(member.t("second-factor-set-up"))
    };
    member_page(member, Place::Profile, head, content)
}

/// The QR code, drawn here: what it holds must go nowhere else.
fn picture(member: &Member, url: &str) -> Markup {
    let Ok(code) = QrCode::new(url) else {
        return html! {};
    };
    let width = code.width();
    let mut path = String::new();
    for (place, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            path.push_str(&format!(
                "M{} {}h1v1h-1z",
                place % width + 4,
                place / width + 4
            ));
        }
    }
    let size = width + 8;
    html! {
        svg.qr viewBox={ "0 0 " (size) " " (size) } width="220" height="220" role="img" aria-label=(member.t("second-factor-picture")) shape-rendering="crispEdges" {
            rect width=(size) height=(size) fill="#fff" {}
            path d=(PreEscaped(path)) fill="#000" {}
        }
    }
}

/// What a change of the second factor asks for.
fn proof(form: &Form) -> Proof<'_> {
    Proof {
        password: form.get("password"),
        code: form.text("code"),
    }
}

/// POST `/second-factor`
pub async fn enrol(Submitted { visitor, form, .. }: Submitted) -> Result<HttpResponse, Failure> {
    let member = Member::enrolling(visitor)?;
    if member.signed_in.has_second_factor() {
        // The page with the recovery codes was asked for again.
        return Ok(done(&member, "/profile", "second-factor-there"));
    }
    let sealed = form.get("sealed");
    match second_factor::confirm(
        &member.server,
        &member.signed_in,
        sealed,
        proof(&form),
        &member.context,
    )
    .await
    {
        Ok(codes) => Ok(codes_page(&member, &codes)),
        Err(error) if error.wrong_field().is_some() || error.code() == Code::TooManyRequests => {
            let enrolment = second_factor::resume(&member.server, &member.signed_in, sealed)?;
            Ok(enrolment_page(&member, &enrolment, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

fn codes_page(member: &Member, codes: &[String]) -> HttpResponse {
    let content = html! {
        div.once {
            p { strong { (member.t("shown-once")) } }
            p { (member.t("recovery-codes-text")) }
            (copy(member, &member.t("recovery-codes"), "codes", &codes.join("\n")))
        }
        p { a.button.primary href=(member.link("")) { (member.t("recovery-codes-kept")) } }
    };
    let notice = Some(html! { (member.t("done-second-factor")) });
    member_page(
        member,
        Place::Profile,
        Head {
            notice,
            ..Head::titled(member.t("recovery-codes"))
        },
        content,
    )
}

async fn code_form_answer(member: &Member, error: Error) -> Result<HttpResponse, Failure> {
    if error.said().is_some() {
        return profile_page(member, Some(&error), "code").await;
    }
    Err(error.into())
}

/// POST `/recovery-codes`
pub async fn renew_recovery_codes(
    Posted { member, form }: Posted,
) -> Result<HttpResponse, Failure> {
    match second_factor::renew_codes(
        &member.server,
        &member.signed_in,
        proof(&form),
        &member.context,
    )
    .await
    {
        Ok(codes) => Ok(codes_page(&member, &codes)),
        Err(error) => code_form_answer(&member, error).await,
    }
}

/// POST `/second-factor/remove`
pub async fn remove_second_factor(
    Posted { member, form }: Posted,
) -> Result<HttpResponse, Failure> {
    match second_factor::remove(
        &member.server,
        &member.signed_in,
        proof(&form),
        &member.context,
    )
    .await
    {
        Ok(()) if member.signed_in.requires_second_factor() => {
            Ok(redirect(&member.link("/profile/second-factor"), &[]))
        }
        Ok(()) => Ok(done(&member, "/profile", "second-factor-removed")),
        Err(error) => code_form_answer(&member, error).await,
    }
}

/// POST `/sessions/{id}/end`
pub async fn end_session(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    session::end(&member.server, &member.signed_in, &id, &member.context).await?;
    Ok(done(&member, "/profile", "session-ended"))
}
