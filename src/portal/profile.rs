//! The user's own page: the password, two-step verification, and the active sessions.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, PreEscaped, html};
use qrcode::{Color, QrCode};
use zeroize::Zeroizing;

use super::account_switch::own_accounts;
use super::components::{self, Field, badge, copy, hidden, table};
use super::form::{CSRF_TOKEN, Form};
use super::join;
use super::language::Language;
use super::page::{self, NavItem, PageHeader, done, redirect, user_page};
use super::page_error::PageError;
use super::session_extractor::{AnonymousForm, AuthenticatedForm, CurrentUser, PageContext};
use super::sign_in::{keep_link, kept_link};
use super::user_agent;
use crate::clock::TimeZone;
use crate::error::{Code, Error, refusal};
use crate::manage::own_password::NewPassword;
use crate::manage::profile::{self, Confirmation};
use crate::manage::second_factor::Enrolment;
use crate::manage::session::{self, SessionView};
use crate::manage::user::PreferencesPatch;
use crate::secret::SecretString;

/// The user's own page.
pub async fn show(user: CurrentUser) -> Result<HttpResponse, PageError> {
    profile_page(&user, None, &preferences_of(&user)).await
}

/// The values of the form for the preferences.
fn preferences_of(user: &CurrentUser) -> Form {
    let preferences = user.session.preferences();
    let language = preferences.language.map(Language::code);
    Form::filled(&[
        ("language", language.unwrap_or_default()),
        ("time_zone", preferences.time_zone.name()),
        (
            "email_notices",
            if preferences.email_notices { "on" } else { "" },
        ),
    ])
}

/// A form of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProfileForm {
    Preferences,
    Password,
    SecondFactor,
}

/// The page, with the error of the submitted form and the values of the preferences.
async fn profile_page(
    user: &CurrentUser,
    submitted: Option<(ProfileForm, &Error)>,
    preferences: &Form,
) -> Result<HttpResponse, PageError> {
    let sessions = session::list(&user.server, &user.session, user.now()).await?;
    let error_of = |form: ProfileForm| {
        submitted
            .filter(|(own, _)| *own == form)
            .map(|(_, error)| error)
    };
    let content = html! {
        dl.facts.card {
            dt { (user.t("field-email")) } dd { (user.session.email()) }
            dt { (user.t("field-role")) } dd { (user.t(&format!("role-{}", user.session.role()))) }
            @if let Some(account) = user.session.account() { dt { (user.t("field-account")) } dd { (account.name) } }
        }
        (preferences_section(user, preferences, error_of(ProfileForm::Preferences)))
        section aria-labelledby="change-password" {
            h2 #change-password { (user.t("change-password")) }
            (components::form(user, "/profile/password", html! {
                input type="email" name="username" value=(user.session.email()) autocomplete="username" hidden;
                (Field::new(user, "current", error_of(ProfileForm::Password)).input_with("password", "", "current-password"))
                (Field::new(user, "new", error_of(ProfileForm::Password)).help("help-password").input_with("password", "", "new-password"))
                button { (user.t("change-password")) }
                p.help { (user.t("change-password-text")) }
            }))
        }
        section aria-labelledby="second-factor" {
            h2 #second-factor { (user.t("second-factor")) }
            @if user.session.has_second_factor() { (second_factor_forms(user, error_of(ProfileForm::SecondFactor))) } @else {
                p { (user.t("second-factor-text")) }
                p { a.button href=(user.link("/profile/second-factor")) { (user.t("second-factor-set-up")) } }
            }
        }
        (own_accounts(user))
        (sessions_section(user, &sessions))
    };
    let header = PageHeader {
        notice: joined_notice(user).or_else(|| page::notice(user)),
        error: submitted.map(|(_, error)| error),
        ..PageHeader::titled(user.t("menu-profile"))
    };
    Ok(user_page(user, NavItem::Profile, header, content))
}

/// The notice after the user joined the account that the session uses.
fn joined_notice(user: &CurrentUser) -> Option<Markup> {
    let account = user.session.account()?;
    let has_joined = user.query("done").as_deref() == Some("joined");
    has_joined.then(|| {
        let name = account.name.as_str();
        html! { (user.tr("account-joined", &[("account", name.into())])) }
    })
}

fn preferences_section(user: &CurrentUser, values: &Form, error: Option<&Error>) -> Markup {
    let mut languages = vec![(String::new(), user.t("language-of-browser"))];
    languages.extend(
        Language::ALL.map(|language| (language.code().to_owned(), language.name().to_owned())),
    );
    html! {
        section aria-labelledby="preferences" {
            h2 #preferences { (user.t("preferences")) }
            (components::form(user, "/profile/preferences", html! {
                (Field::new(user, "language", error).select(&languages, values.get("language")))
                (Field::new(user, "time_zone", error).help("help-time-zone").input_of(values.get("time_zone"), &TimeZone::names()))
                (Field::new(user, "email_notices", error).help("help-email-notices").checkbox(values.checked("email_notices")))
                button { (user.t("save")) }
            }))
        }
    }
}

/// Changes the user's preferences.
pub async fn set_preferences(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let change = match preferences_in(&form) {
        Ok(change) => change,
        Err(error) => {
            let submitted = Some((ProfileForm::Preferences, &error));
            return profile_page(&user, submitted, &form).await;
        }
    };
    let language = change.language;
    profile::set_preferences(&user.server, &user.session, change, &user.request).await?;
    // A language that was chosen in this browser before would take precedence.
    let cookies: Vec<_> = language
        .map(|language| match language {
            Some(language) => user.language_cookie(language),
            None => user.expired_language_cookie(),
        })
        .into_iter()
        .collect();
    let here = format!("{}?done=saved", user.link("/profile"));
    Ok(redirect(&here, &cookies))
}

/// The preferences of a form. A field that it does not have stays unchanged.
fn preferences_in(form: &Form) -> Result<PreferencesPatch, Error> {
    let language = match form.optional("language") {
        Some(code) => {
            let found = Language::from_code(&code);
            Some(found.ok_or_else(|| refusal::language_unknown().field("language"))?)
        }
        None => None,
    };
    let time_zone = match form.optional("time_zone") {
        Some(name) => {
            let found = name.parse();
            found.map_err(|_| refusal::time_zone_unknown(&name).field("time_zone"))?
        }
        None => TimeZone::UTC,
    };
    Ok(PreferencesPatch {
        language: form.has("language").then_some(language),
        time_zone: form.has("time_zone").then_some(time_zone),
        email_notices: form.checkbox("email_notices"),
    })
}

fn second_factor_forms(user: &CurrentUser, error: Option<&Error>) -> Markup {
    let required = user.session.requires_second_factor();
    html! {
        p { (badge("good", &user.t("second-factor-on"))) " " (user.count("recovery-codes-left", user.session.recovery_codes())) }
        @if required { p { (user.t("second-factor-required")) } }
        form method="post" action=(user.link("/profile/recovery-codes")) {
            (hidden(CSRF_TOKEN, &user.csrf_token()))
            (Field::new(user, "password", error).input_with("password", "", "current-password"))
            (Field::new(user, "code", error).help("help-code").input_with("text", "", "one-time-code"))
            div.buttons {
                button { (user.t("recovery-codes-renew")) }
                button.danger formaction=(user.link("/profile/second-factor/remove")) {
                    (user.t(if required { "second-factor-replace" } else { "second-factor-remove" }))
                }
            }
        }
    }
}

fn sessions_section(user: &CurrentUser, sessions: &[SessionView]) -> Markup {
    let rows: Vec<Vec<Markup>> = sessions
        .iter()
        .map(|session| {
            vec![
                html! { span title=(session.agent) { (browser(user, &session.agent)) } @if session.current { " " (badge("good", &user.t("this-session"))) } },
                html! { code.short { (session.address) } },
                user.date_time(session.created_at),
                user.relative(session.last_seen_at),
                html! { @if !session.current {
                    (components::button(user, &format!("/profile/sessions/{}/end", session.id), &user.t("session-end"), "small"))
                } },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="sessions" {
            h2 #sessions { (user.t("sessions")) }
            (table(user, &user.t("sessions"), &["column-browser", "column-address", "column-signed-in", "column-last-seen", ""], &rows))
        }
    }
}

/// The browser and operating system of a session, such as “Chrome on Linux”.
fn browser(user: &CurrentUser, agent: &str) -> String {
    user_agent::label(user.language, agent).unwrap_or_else(|| user.t("browser-unknown"))
}

/// Changes the user's password.
pub async fn change_password(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let passwords = NewPassword {
        current: form.password("current"),
        new: form.password("new"),
    };
    match profile::change_password(&user.server, &user.session, passwords, &user.request).await {
        Ok(cookie) => {
            let cookies = [user.session_cookie(cookie.expose())];
            Ok(redirect(
                &format!("{}?done=password-changed", user.link("/profile")),
                &cookies,
            ))
        }
        Err(error) if error.wrong_field().is_some() || error.code() == Code::TooManyRequests => {
            profile_page(
                &user,
                Some((ProfileForm::Password, &error)),
                &preferences_of(&user),
            )
            .await
        }
        Err(error) => Err(error.into()),
    }
}

/// The page to enrol a second factor. It is open to users who must enrol one first.
pub async fn show_enrolment(context: PageContext) -> Result<HttpResponse, PageError> {
    let user = CurrentUser::enrolling(context)?;
    if user.session.has_second_factor() {
        return Ok(redirect(&user.link("/profile"), &[]));
    }
    let enrolment = profile::begin_enrolment(&user.server, &user.session)?;
    Ok(enrolment_page(&user, &enrolment, None, None))
}

/// The page to enrol a second factor, after which the link to join an account can be opened.
pub(super) fn enrol_first(user: &CurrentUser, link: &Form) -> Result<HttpResponse, PageError> {
    let enrolment = profile::begin_enrolment(&user.server, &user.session)?;
    Ok(enrolment_page(user, &enrolment, None, Some(link)))
}

fn enrolment_page(
    user: &CurrentUser,
    enrolment: &Enrolment,
    error: Option<&Error>,
    link: Option<&Form>,
) -> HttpResponse {
    let content = html! {
        @if user.session.must_enrol() { div.hint { p { (user.t("second-factor-first")) } } }
        ol.steps {
            li { p { (user.t("second-factor-app")) } }
            li {
                p { (user.t("second-factor-scan")) }
                (qr_code(user, enrolment.url.expose()))
                (copy(user, &user.t("second-factor-type"), "secret", enrolment.secret.expose()))
            }
            li {
                (components::form(user, "/profile/second-factor", html! {
                    (hidden("sealed", &enrolment.sealed))
                    @if let Some(link) = link { (keep_link(user, link)) }
                    (Field::new(user, "password", error).help("help-own-password").input_with("password", "", "current-password"))
                    (Field::new(user, "code", error).help("help-first-code").input_with("text", "", "one-time-code"))
                    button.primary { (user.t("second-factor-confirm")) }
                }))
            }
        }
    };
    let header = PageHeader {
        error,
        ..PageHeader::titled(user.t("second-factor-set-up"))
    };
    user_page(user, NavItem::Profile, header, content)
}

/// The margin around a QR code, in modules (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// The QR code of the secret, rendered on the server, so that the secret goes to no other service.
fn qr_code(user: &CurrentUser, url: &str) -> Markup {
    let Ok(code) = QrCode::new(url) else {
        return html! {};
    };
    let width = code.width();
    let mut path = String::new();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            path.push_str(&format!(
                "M{} {}h1v1h-1z",
                index % width + QUIET_ZONE,
                index / width + QUIET_ZONE
            ));
        }
    }
    let size = width + 2 * QUIET_ZONE;
    html! {
        svg.qr viewBox={ "0 0 " (size) " " (size) } width="220" height="220" role="img" aria-label=(user.t("second-factor-qr-code")) shape-rendering="crispEdges" {
            rect width=(size) height=(size) fill="#fff" {}
            path d=(PreEscaped(path)) fill="#000" {}
        }
    }
}

/// The password and the code that a form confirms a change with.
fn confirmation(form: &Form) -> Confirmation {
    Confirmation {
        password: form.password("password"),
        code: form.code("code"),
    }
}

/// Enrols the second factor, and shows the recovery codes once.
pub async fn enrol(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let user = CurrentUser::enrolling(context)?;
    let link = kept_link(&user, &form);
    if user.session.has_second_factor() {
        // The page with the recovery codes was reloaded.
        if let Some(link) = &link {
            return Ok(join::continue_page(&user, link, None, &[]));
        }
        return Ok(done(&user, "/profile", "second-factor-there"));
    }
    let sealed = form.get("sealed");
    match profile::enrol(
        &user.server,
        &user.session,
        sealed,
        confirmation(&form),
        &user.request,
    )
    .await
    {
        Ok(codes) => Ok(recovery_codes_page(&user, &codes, link.as_ref())),
        Err(error) if error.wrong_field().is_some() || error.code() == Code::TooManyRequests => {
            let enrolment = profile::resume_enrolment(&user.server, &user.session, sealed)?;
            let page = enrolment_page(&user, &enrolment, Some(&error), link.as_ref());
            Ok(page)
        }
        Err(error) => Err(error.into()),
    }
}

fn recovery_codes_page(
    user: &CurrentUser,
    codes: &[SecretString],
    link: Option<&Form>,
) -> HttpResponse {
    let shown: Vec<&str> = codes.iter().map(SecretString::expose).collect();
    let lines = Zeroizing::new(shown.join("\n"));
    let content = html! {
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            p { (user.t("recovery-codes-text")) }
            (copy(user, &user.t("recovery-codes"), "codes", &lines))
        }
        @if let Some(link) = link { (join::continue_button(user, link, "recovery-codes-saved")) }
        @else { p { a.button.primary href=(user.link("")) { (user.t("recovery-codes-saved")) } } }
    };
    let notice = Some(html! { (user.t("done-second-factor")) });
    user_page(
        user,
        NavItem::Profile,
        PageHeader {
            notice,
            ..PageHeader::titled(user.t("recovery-codes"))
        },
        content,
    )
}

/// The page with an error of the second factor's form that the user can correct.
async fn second_factor_error(user: &CurrentUser, error: Error) -> Result<HttpResponse, PageError> {
    if error.refusal().is_some() {
        return profile_page(
            user,
            Some((ProfileForm::SecondFactor, &error)),
            &preferences_of(user),
        )
        .await;
    }
    Err(error.into())
}

/// Replaces the recovery codes, and shows the new ones once.
pub async fn renew_recovery_codes(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    match profile::renew_recovery_codes(
        &user.server,
        &user.session,
        confirmation(&form),
        &user.request,
    )
    .await
    {
        Ok(codes) => Ok(recovery_codes_page(&user, &codes, None)),
        Err(error) => second_factor_error(&user, error).await,
    }
}

/// Removes the second factor.
pub async fn remove_second_factor(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    match profile::remove_second_factor(
        &user.server,
        &user.session,
        confirmation(&form),
        &user.request,
    )
    .await
    {
        Ok(()) if user.session.requires_second_factor() => {
            Ok(redirect(&user.link("/profile/second-factor"), &[]))
        }
        Ok(()) => Ok(done(&user, "/profile", "second-factor-removed")),
        Err(error) => second_factor_error(&user, error).await,
    }
}

/// Ends one of the user's sessions.
pub async fn end_session(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    session::end(&user.server, &user.session, &id, &user.request).await?;
    Ok(done(&user, "/profile", "session-ended"))
}
