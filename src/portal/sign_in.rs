//! Sign-in, the second factor, sign-out, and the choice of the language.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use super::account_switch::other_account_page;
use super::components::{self, Field, hidden};
use super::csrf::split_account;
use super::form::{CSRF_TOKEN, Form};
use super::invitation;
use super::join;
use super::language::Language;
use super::page::{self, NavItem, PageHeader, plain_page, redirect};
use super::page_error::{PageError, resubmit_form};
use super::password_reset::{self, FORGOT};
use super::session_extractor::{AnonymousForm, PageContext};
use crate::error::{Code, Error};
use crate::manage::session;
use crate::manage::sign_in::{self, SignInOutcome};

/// The field with the page to go to after sign-in.
const NEXT: &str = "next";

/// The field with a form to resubmit after sign-in, encoded.
const RESUBMISSION: &str = "resubmission";

/// The field with the path to resubmit it to.
const RESUBMIT_TO: &str = "resubmit_to";

/// The field with the account in which the form was opened.
const RESUBMIT_IN: &str = "resubmit_in";

/// Redirects to the user's first page.
pub async fn start(context: PageContext) -> Result<HttpResponse, PageError> {
    let path = match &context.session {
        None => "/sign-in",
        Some(session) if session.account().is_none() => NavItem::Overview.path(),
        Some(_) => NavItem::Applications.path(),
    };
    Ok(redirect(&context.link(path), &[]))
}

/// The sign-in page.
pub async fn show(context: PageContext) -> Result<HttpResponse, PageError> {
    let next = context.query(NEXT);
    if context
        .session
        .as_ref()
        .is_some_and(|session| !session.awaits_second_factor())
    {
        return Ok(redirect(
            &safe_redirect(&context, next.as_deref().unwrap_or_default()),
            &[],
        ));
    }
    let notice = page::notice(&context);
    Ok(sign_in_page(
        context,
        StatusCode::OK,
        notice,
        &Form::filled(&[(NEXT, &next.unwrap_or_default())]),
        None,
    ))
}

/// The path to redirect to after sign-in: `wanted` if it is a page of the portal, else the start
/// page. It comes from the request, and must not redirect to another site.
pub(super) fn safe_redirect(context: &PageContext, wanted: &str) -> String {
    let start = context.link("");
    let leads_back = [context.link("/sign-in"), context.link("/second-factor")]
        .iter()
        .any(|path| wanted.starts_with(path));
    if is_path_below(wanted, &start) && !leads_back {
        wanted.to_owned()
    } else {
        start
    }
}

/// Whether `wanted` is `base` or a path below it, however a browser may normalize it.
fn is_path_below(wanted: &str, base: &str) -> bool {
    let below = wanted
        .strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let path = wanted.split('?').next().unwrap_or_default();
    let path = path.to_ascii_lowercase();
    let climbs = ["..", "%2e", "//", "\\"]
        .iter()
        .any(|part| path.contains(part));
    below && !climbs && wanted.bytes().all(|byte| byte.is_ascii_graphic())
}

fn sign_in_page(
    mut context: PageContext,
    status: StatusCode,
    notice: Option<Markup>,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    // The page is about the next session, so it is shown without the current one.
    context.session = None;
    let csrf_cookie = context.ensure_csrf_cookie();
    let content = components::form(
        &context,
        "/sign-in",
        html! {
            (passed_on(submitted))
            (Field::new(&context, "email", error).input_with("email", submitted.get("email"), "username"))
            (Field::new(&context, "password", error).input_with("password", "", "current-password"))
            button.primary { (context.t("sign-in")) }
            p.help { (context.t("sign-in-help")) " " a href=(context.link(FORGOT)) { (context.t("forgot")) } }
        },
    );
    let header = PageHeader {
        notice,
        error,
        ..PageHeader::titled(context.t("sign-in"))
    };
    let cookies: Vec<Cookie<'_>> = csrf_cookie.into_iter().collect();
    plain_page(&context, status, &header, content, &cookies)
}

/// The fields that the sign-in passes on unchanged.
fn passed_on(submitted: &Form) -> Markup {
    html! {
        @for name in [NEXT, RESUBMISSION, RESUBMIT_TO, RESUBMIT_IN] { @if submitted.checked(name) { (hidden(name, submitted.get(name))) } }
    }
}

/// Signs in with the password.
pub async fn sign_in(
    AnonymousForm {
        context,
        form,
        user_agent,
    }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let credentials = sign_in::Credentials {
        email: form.text("email").to_owned(),
        password: form.password("password"),
        user_agent,
        device_token: context.device_token.clone(),
    };
    match sign_in::sign_in(&context.server, credentials, &context.request).await {
        Ok(outcome) => {
            // The new session replaces the one that this browser had.
            if let Some(earlier) = &context.session {
                session::sign_out(&context.server, earlier, &context.request).await?;
            }
            proceed(context, &form, &outcome).await
        }
        Err(error) if matches!(error.code(), Code::AccessDenied | Code::TooManyRequests) => {
            let status = crate::http::error::status(error.code());
            Ok(sign_in_page(context, status, None, &form, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The response to a successful step, with the new session cookie: asks for the second factor, or
/// for the resubmission of a form, or goes to the page that the user wanted.
async fn proceed(
    mut context: PageContext,
    submitted: &Form,
    outcome: &SignInOutcome,
) -> Result<HttpResponse, PageError> {
    let cookie = outcome.cookie.expose();
    context.session = session::resume(&context.server, cookie, context.now())
        .await?
        .map(Arc::new);
    let mut cookies = vec![context.session_cookie(cookie)];
    let device_token = outcome.device_token.as_ref();
    cookies.extend(device_token.map(|token| context.device_cookie(token.expose())));
    let awaits_second_factor = context
        .session
        .as_ref()
        .is_some_and(|session| session.awaits_second_factor());
    if awaits_second_factor {
        let page = second_factor_page(&context, StatusCode::OK, submitted, None, &cookies);
        return Ok(page);
    }
    if let Some(link) = kept_link(&context, submitted)
        && context.session.as_ref().is_some_and(|own| own.must_enrol())
    {
        let mut page = join::enrol_first(context, &link)?;
        for cookie in &cookies {
            // The values are of the characters that a cookie can have.
            let _ = page.add_cookie(cookie);
        }
        return Ok(page);
    }
    if submitted.checked(RESUBMIT_TO) {
        let in_use = context
            .session
            .as_ref()
            .and_then(|session| session.account_id());
        let opened_in = submitted.optional(RESUBMIT_IN);
        return Ok(match opened_in {
            Some(other) if Some(other.as_str()) != in_use => {
                other_account_page(&context, &other, &cookies)
            }
            _ => resubmission_page(&context, submitted, outcome, &cookies),
        });
    }
    let next = safe_redirect(&context, submitted.get(NEXT));
    if outcome.wrong_codes == 0 {
        return Ok(redirect(&next, &cookies));
    }
    let content = html! {
        (wrong_codes_warning(&context, outcome.wrong_codes))
        p { a.button.primary href=(next) { (context.t("continue")) } }
    };
    let header = PageHeader::titled(context.t("wrong-codes"));
    Ok(plain_page(
        &context,
        StatusCode::OK,
        &header,
        content,
        &cookies,
    ))
}

/// The page from which a form that was submitted without a session can be submitted again.
fn resubmission_page(
    context: &PageContext,
    submitted: &Form,
    outcome: &SignInOutcome,
    cookies: &[Cookie<'_>],
) -> HttpResponse {
    let form = Form::parse(submitted.get(RESUBMISSION).as_bytes());
    let path = safe_redirect(context, submitted.get(RESUBMIT_TO));
    let warning =
        (outcome.wrong_codes > 0).then(|| wrong_codes_warning(context, outcome.wrong_codes));
    if let Some(link) = kept_link(context, submitted) {
        return join::continue_page(context, &link, warning, cookies);
    }
    let content = html! {
        (warning.unwrap_or_default())
        p { (context.t("resubmission-text")) }
        (resubmit_form(context, &form, &context.csrf_token(), &path))
        p { a href=(context.link("")) { (context.t("resubmission-discard")) } }
    };
    let header = PageHeader::titled(context.t("resubmission"));
    plain_page(context, StatusCode::OK, &header, content, cookies)
}

/// Warns that somebody else entered wrong codes, and therefore knows the password.
fn wrong_codes_warning(context: &PageContext, count: i64) -> Markup {
    html! {
        div.hint {
            p { (context.count("wrong-codes-count", usize::try_from(count).unwrap_or_default())) }
            p { (context.t("wrong-codes-text")) " " a href=(context.link("/profile")) { (context.t("change-password")) } }
        }
    }
}

/// The page for a form whose session has ended, or is another one. The form is not processed; the
/// user can submit it again. `message` says why.
pub fn resubmit(context: PageContext, message: &str, form: &Form) -> HttpResponse {
    let notice = html! { (context.t(message)) };
    if context.session.is_none() {
        return sign_in_to_resubmit(context, notice, form);
    }
    let content = html! {
        p { (notice) }
        (resubmit_form(&context, form, &context.csrf_token(), &context.path_and_query))
        p { a href=(context.link("")) { (context.t("resubmission-discard")) } }
    };
    let header = PageHeader::titled(context.t("resubmission"));
    plain_page(&context, StatusCode::FORBIDDEN, &header, content, &[])
}

fn sign_in_to_resubmit(context: PageContext, notice: Markup, form: &Form) -> HttpResponse {
    let path = context.path_and_query.clone();
    // Users with an invitation cannot sign in yet, so they get the invitation page again.
    if path.starts_with(&context.link("/invitation")) {
        return invitation::LINK.paste_page(context, StatusCode::FORBIDDEN, Some(notice), form);
    }
    if path.starts_with(&context.link("/password/forgot")) {
        return password_reset::forgot_page(
            context,
            StatusCode::FORBIDDEN,
            Some(notice),
            form,
            None,
        );
    }
    if path.starts_with(&context.link("/password")) {
        return password_reset::LINK.paste_page(context, StatusCode::FORBIDDEN, Some(notice), form);
    }
    let own_forms = ["/sign-in", "/second-factor", "/sign-out"];
    if own_forms.iter().any(|own| context.link(own) == path) {
        return sign_in_page(context, StatusCode::FORBIDDEN, Some(notice), form, None);
    }
    sign_in_first(context, StatusCode::FORBIDDEN, notice, form)
}

/// The sign-in page, after which the form can be submitted.
pub(super) fn sign_in_first(
    context: PageContext,
    status: StatusCode,
    notice: Markup,
    form: &Form,
) -> HttpResponse {
    let submitted = kept(&context, form);
    sign_in_page(context, status, Some(notice), &submitted, None)
}

/// The fields with a form that is submitted after the sign-in.
fn kept(context: &PageContext, form: &Form) -> Form {
    // The link to join an account can be opened in each one.
    let is_join = context.path_and_query == context.link(join::PATH);
    let (_, opened_in) = split_account(form.get(CSRF_TOKEN));
    let opened_in = opened_in.filter(|_| !is_join);
    Form::filled(&[
        (RESUBMISSION, &form.to_resubmission()),
        (RESUBMIT_TO, &context.path_and_query),
        (RESUBMIT_IN, opened_in.unwrap_or_default()),
    ])
}

/// The page that asks for the second factor, after which the form can be submitted.
pub(super) fn second_factor_first(context: &PageContext, form: &Form) -> HttpResponse {
    let submitted = kept(context, form);
    second_factor_page(context, StatusCode::OK, &submitted, None, &[])
}

/// The fields that pass on the form with the link to join an account.
pub(super) fn keep_link(context: &PageContext, form: &Form) -> Markup {
    passed_on(&Form::filled(&[
        (RESUBMISSION, &form.to_resubmission()),
        (RESUBMIT_TO, &context.link(join::PATH)),
    ]))
}

/// The form with the link to join an account, if it is what is to be submitted.
pub(super) fn kept_link(context: &PageContext, submitted: &Form) -> Option<Form> {
    let is_join = submitted.get(RESUBMIT_TO) == context.link(join::PATH);
    is_join.then(|| Form::parse(submitted.get(RESUBMISSION).as_bytes()))
}

/// The page that asks for the second factor.
pub async fn show_second_factor(context: PageContext) -> Result<HttpResponse, PageError> {
    match &context.session {
        None => Err(PageError::SignInRequired),
        Some(session) if !session.awaits_second_factor() => Ok(redirect(&context.link(""), &[])),
        Some(_) => Ok(second_factor_page(
            &context,
            StatusCode::OK,
            &Form::default(),
            None,
            &[],
        )),
    }
}

fn second_factor_page(
    context: &PageContext,
    status: StatusCode,
    submitted: &Form,
    error: Option<&Error>,
    cookies: &[Cookie<'_>],
) -> HttpResponse {
    let content = components::form(
        context,
        "/second-factor",
        html! {
            (passed_on(submitted))
            (Field::new(context, "code", error).help("help-code").input_with("text", "", "one-time-code"))
            button.primary { (context.t("continue")) }
        },
    );
    let header = PageHeader {
        error,
        ..PageHeader::titled(context.t("second-factor"))
    };
    plain_page(context, status, &header, content, cookies)
}

/// Completes the sign-in with the second factor.
pub async fn second_factor(
    AnonymousForm { context, form, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    let Some(session) = context.session.clone() else {
        return Err(PageError::SignInRequired);
    };
    if !session.awaits_second_factor() {
        return Ok(redirect(&context.link(""), &[]));
    }
    let result = sign_in::verify_second_factor(
        &context.server,
        &session,
        &form.code("code"),
        context.device_token.as_ref(),
        &context.request,
    )
    .await;
    match result {
        Ok(outcome) => proceed(context, &form, &outcome).await,
        Err(error) if matches!(error.code(), Code::AccessDenied | Code::TooManyRequests) => {
            let status = crate::http::error::status(error.code());
            Ok(second_factor_page(
                &context,
                status,
                &form,
                Some(&error),
                &[],
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the session.
pub async fn sign_out(
    AnonymousForm { context, .. }: AnonymousForm,
) -> Result<HttpResponse, PageError> {
    if let Some(session) = &context.session {
        session::sign_out(&context.server, session, &context.request).await?;
    }
    Ok(redirect(
        &format!("{}?done=signed-out", context.link("/sign-in")),
        &[context.expired_session_cookie()],
    ))
}

/// Sets the language. It needs no CSRF token: another site could only change the language.
pub async fn choose_language(
    request: actix_web::HttpRequest,
    payload: actix_web::web::Payload,
) -> Result<HttpResponse, PageError> {
    let Some(server) = request.app_data() else {
        return Err(Error::server_error("the portal has no server in its app data").into());
    };
    let context = PageContext::anonymous(server, &request);
    let form = Form::parse(&crate::http::extract::body(&request, payload).await?);
    let language = Language::from_code(form.get("language")).unwrap_or(context.language);
    let here = form.get("here");
    let back = if here.starts_with(&context.link("/sign-in")) {
        context.link("/sign-in")
    } else if here.starts_with(&context.link("/")) {
        safe_redirect(&context, here)
    } else {
        context.link("")
    };
    Ok(redirect(&back, &[context.language_cookie(language)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_portal_are_redirected_to() {
        for (wanted, allowed) in [
            ("/portal", true),
            ("/portal/", true),
            ("/portal?done=saved", true),
            ("/portal/applications/x/keys?from=mail", true),
            ("/portal/audit?target=https://orders.example/", true),
            ("", false),
            ("/", false),
            ("/portals", false),
            ("/oauth/token", false),
            ("https://elsewhere.example/portal", false),
            ("//elsewhere.example/portal", false),
            ("/portal//elsewhere.example", false),
            ("/portal/../oauth", false),
            ("/portal/%2E%2e/oauth", false),
            ("/portal\\elsewhere.example", false),
            ("/portal/a b", false),
            ("/portal/\nSet-Cookie: a", false),
        ] {
            assert_eq!(is_path_below(wanted, "/portal"), allowed, "{wanted:?}");
        }
    }
}
