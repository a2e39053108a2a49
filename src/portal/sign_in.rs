//! Getting in and out: signing in, the second factor, invitations, signing out; and the language.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use maud::{Markup, html};

use super::language::Language;
use super::page::{self, Field, Head, hidden, plain_page, redirect, send_again};
use super::visit::{Failure, Form, Submitted, Visitor};
use crate::error::{Code, Error};
use crate::manage::invitation;
use crate::manage::session::{self, Entrance};

/// Where to go after signing in.
const NEXT: &str = "next";

/// A form that waits for its session: what it sent, and where to.
const KEPT: &str = "kept";
const KEPT_FOR: &str = "kept_for";

/// The field with an invitation link.
const LINK: &str = "link";

/// GET `/portal`: to whatever this visitor begins with.
pub async fn start(visitor: Visitor) -> Result<HttpResponse, Failure> {
    let Some(signed_in) = &visitor.signed_in else {
        return Ok(redirect(&visitor.link("/sign-in"), &[]));
    };
    let operator = signed_in.account().is_none();
    Ok(redirect(
        &visitor.link(if operator {
            "/overview"
        } else {
            "/applications"
        }),
        &[],
    ))
}

/// GET
pub async fn show(visitor: Visitor) -> Result<HttpResponse, Failure> {
    let next = visitor.query(NEXT);
    if visitor
        .signed_in
        .as_ref()
        .is_some_and(|signed_in| !signed_in.awaits_second_factor())
    {
        return Ok(redirect(
            &inside(&visitor, next.as_deref().unwrap_or_default()),
            &[],
        ));
    }
    let notice = page::notice(&visitor);
    Ok(sign_in_page(
        visitor,
        StatusCode::OK,
        notice,
        &Form::filled(&[(NEXT, &next.unwrap_or_default())]),
        None,
    ))
}

/// A path of ours, whatever the form says: nobody is sent elsewhere.
fn inside(visitor: &Visitor, wanted: &str) -> String {
    let start = visitor.link("");
    let ours = wanted
        .strip_prefix(&start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let path = wanted
        .split('?')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let climbs = ["..", "%2e", "//", "\\"]
        .iter()
        .any(|part| path.contains(part));
    let plain = wanted.bytes().all(|byte| byte.is_ascii_graphic()) && !climbs;
    let leads_back = wanted.starts_with(&visitor.link("/sign-in"))
        || wanted.starts_with(&visitor.link("/second-factor"));
    if ours && plain && !leads_back {
        wanted.to_owned()
    } else {
        start
    }
}

fn sign_in_page(
    mut visitor: Visitor,
    status: StatusCode,
    notice: Option<Markup>,
    sent: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    // Whoever signs in anew begins anew.
    visitor.signed_in = None;
    let new_browser = visitor.know_browser();
    let content = page::form(
        &visitor,
        "/sign-in",
        html! {
            (waiting(sent))
            (Field::new(&visitor, "email", error).input_with("email", sent.get("email"), "username"))
            (Field::new(&visitor, "password", error).input_with("password", "", "current-password"))
            button.primary { (visitor.t("sign-in")) }
            p.help { (visitor.t("sign-in-help")) }
        },
    );
    let head = Head {
        notice,
        error,
        ..Head::titled(visitor.t("sign-in"))
    };
    let cookies: Vec<Cookie<'_>> = new_browser.into_iter().collect();
    plain_page(&visitor, status, &head, content, &cookies)
}

/// What goes through signing in untouched.
fn waiting(sent: &Form) -> Markup {
    html! {
        @for name in [NEXT, KEPT, KEPT_FOR] { @if sent.checked(name) { (hidden(name, sent.get(name))) } }
    }
}

/// POST
pub async fn sign_in(
    Submitted {
        visitor,
        form,
        agent,
    }: Submitted,
) -> Result<HttpResponse, Failure> {
    let (email, password) = (
        form.text("email").to_owned(),
        form.get("password").to_owned(),
    );
    let credentials = session::Credentials {
        email,
        password,
        agent,
        known: visitor.known.clone(),
    };
    match session::sign_in(&visitor.server, credentials, &visitor.context).await {
        Ok(entrance) => {
            // Whoever was signed in here before is so no longer.
            if let Some(earlier) = &visitor.signed_in {
                session::sign_out(&visitor.server, earlier, &visitor.context).await?;
            }
            go_on(visitor, &form, &entrance).await
        }
        Err(error) if matches!(error.code(), Code::AccessDenied | Code::TooManyRequests) => {
            let status = crate::http::error::status(error.code());
            Ok(sign_in_page(visitor, status, None, &form, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// With a new cookie: to the second factor, to the form that waits, or to where the visitor wanted to go.
async fn go_on(
    mut visitor: Visitor,
    sent: &Form,
    entrance: &Entrance,
) -> Result<HttpResponse, Failure> {
    let cookie = entrance.cookie.expose();
    visitor.signed_in = session::resume(&visitor.server, cookie, visitor.now())
        .await?
        .map(std::sync::Arc::new);
    let known = entrance
        .known
        .as_deref()
        .map(|known| visitor.known_cookie(known));
    let cookies: Vec<Cookie<'_>> = [visitor.session_cookie(cookie)]
        .into_iter()
        .chain(known)
        .collect();
    let awaits = visitor
        .signed_in
        .as_ref()
        .is_some_and(|signed_in| signed_in.awaits_second_factor());
    if awaits {
        return Ok(second_factor_page(
            &visitor,
            StatusCode::OK,
            sent,
            None,
            &cookies,
        ));
    }
    if entrance.wrong_codes == 0 && !sent.checked(KEPT_FOR) {
        return Ok(redirect(&inside(&visitor, sent.get(NEXT)), &cookies));
    }
    let warning = html! { @if entrance.wrong_codes > 0 { (wrong_codes_warning(&visitor, entrance.wrong_codes)) } };
    if !sent.checked(KEPT_FOR) {
        let content = html! {
            (warning)
            p { a.button.primary href=(inside(&visitor, sent.get(NEXT))) { (visitor.t("go-on")) } }
        };
        return Ok(plain_page(
            &visitor,
            StatusCode::OK,
            &Head::titled(visitor.t("wrong-codes")),
            content,
            &cookies,
        ));
    }
    let kept: Vec<(String, String)> = form_urlencoded::parse(sent.get(KEPT).as_bytes())
        .into_owned()
        .collect();
    let fields: Vec<(&str, &str)> = kept
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let path = inside(&visitor, sent.get(KEPT_FOR));
    let content = html! {
        (warning)
        p { (visitor.t("kept-text")) }
        (send_again(&visitor, &Form::filled(&fields), &visitor.form_token(), &path))
        p { a href=(visitor.link("")) { (visitor.t("kept-leave")) } }
    };
    Ok(plain_page(
        &visitor,
        StatusCode::OK,
        &Head::titled(visitor.t("kept")),
        content,
        &cookies,
    ))
}

/// Somebody else got as far as the second factor, and so knows the password.
fn wrong_codes_warning(visitor: &Visitor, count: i64) -> Markup {
    html! {
        div.hint {
            p { (visitor.count("wrong-codes-count", usize::try_from(count).unwrap_or_default())) }
            p { (visitor.t("wrong-codes-text")) " " a href=(visitor.link("/profile")) { (visitor.t("change-password")) } }
        }
    }
}

/// A form of a session that is over, or of another one: nothing is done, and nothing of it is lost.
pub fn again(visitor: Visitor, why: &str, form: &Form) -> HttpResponse {
    let error = Error::new(Code::AccessDenied, "The form was of another session");
    let notice = html! { (visitor.t(why)) };
    let own = [
        visitor.link("/sign-in"),
        visitor.link("/second-factor"),
        visitor.link("/sign-out"),
    ];
    if visitor.signed_in.is_none() {
        // Whoever sets a password cannot sign in yet: the link once more, with a cookie for its form.
        if visitor.here.starts_with(&visitor.link("/invitation")) {
            return paste_page(visitor, StatusCode::FORBIDDEN, Some(notice), form.get(LINK));
        }
        if own.contains(&visitor.here) {
            return sign_in_page(visitor, StatusCode::FORBIDDEN, Some(notice), form, None);
        }
        let sent = Form::filled(&[(KEPT, &form.for_later()), (KEPT_FOR, &visitor.here)]);
        return sign_in_page(visitor, StatusCode::FORBIDDEN, Some(notice), &sent, None);
    }
    let content = html! {
        p { (notice) }
        (send_again(&visitor, form, &visitor.form_token(), &visitor.here))
        p { a href=(visitor.link("")) { (visitor.t("kept-leave")) } }
    };
    let status = crate::http::error::status(error.code());
    plain_page(
        &visitor,
        status,
        &Head::titled(visitor.t("kept")),
        content,
        &[],
    )
}

/// GET `/second-factor`
pub async fn show_second_factor(visitor: Visitor) -> Result<HttpResponse, Failure> {
    match &visitor.signed_in {
        None => Err(Failure::SignIn),
        Some(signed_in) if !signed_in.awaits_second_factor() => {
            Ok(redirect(&visitor.link(""), &[]))
        }
        Some(_) => Ok(second_factor_page(
            &visitor,
            StatusCode::OK,
            &Form::default(),
            None,
            &[],
        )),
    }
}

fn second_factor_page(
    visitor: &Visitor,
    status: StatusCode,
    sent: &Form,
    error: Option<&Error>,
    cookies: &[Cookie<'_>],
) -> HttpResponse {
    let content = page::form(
        visitor,
        "/second-factor",
        html! {
            (waiting(sent))
            (Field::new(visitor, "code", error).help("help-code").input_with("text", "", "one-time-code"))
            button.primary { (visitor.t("go-on")) }
        },
    );
    let head = Head {
        error,
        ..Head::titled(visitor.t("second-factor"))
    };
    plain_page(visitor, status, &head, content, cookies)
}

/// POST `/second-factor`
pub async fn second_factor(
    Submitted { visitor, form, .. }: Submitted,
) -> Result<HttpResponse, Failure> {
    let Some(signed_in) = visitor.signed_in.clone() else {
        return Err(Failure::SignIn);
    };
    if !signed_in.awaits_second_factor() {
        return Ok(redirect(&visitor.link(""), &[]));
    }
    let (code, known) = (form.text("code"), visitor.known.as_deref());
    match session::prove_second_factor(&visitor.server, &signed_in, code, known, &visitor.context)
        .await
    {
        Ok(entrance) => go_on(visitor, &form, &entrance).await,
        Err(error) if matches!(error.code(), Code::AccessDenied | Code::TooManyRequests) => {
            let status = crate::http::error::status(error.code());
            Ok(second_factor_page(
                &visitor,
                status,
                &form,
                Some(&error),
                &[],
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// POST `/sign-out`
pub async fn sign_out(Submitted { visitor, .. }: Submitted) -> Result<HttpResponse, Failure> {
    if let Some(signed_in) = &visitor.signed_in {
        session::sign_out(&visitor.server, signed_in, &visitor.context).await?;
    }
    Ok(redirect(
        &format!("{}?done=signed-out", visitor.link("/sign-in")),
        &[visitor.no_session_cookie()],
    ))
}

/// GET `/invitation`. The link has its secret in the fragment, which the server does not see: a script
/// posts it, and without a script whoever holds the link pastes it.
pub async fn show_invitation(visitor: Visitor) -> Result<HttpResponse, Failure> {
    Ok(paste_page(visitor, StatusCode::OK, None, ""))
}

fn paste_page(
    mut visitor: Visitor,
    status: StatusCode,
    notice: Option<Markup>,
    link: &str,
) -> HttpResponse {
    let new_browser = visitor.know_browser();
    let content = page::form(
        &visitor,
        "/invitation",
        html! {
            div #fragment { (Field::new(&visitor, LINK, None).help("help-link").input_with("text", link, "off")) }
            button.primary { (visitor.t("go-on")) }
        },
    );
    let head = Head {
        notice,
        ..Head::titled(visitor.t("invitation"))
    };
    let cookies: Vec<Cookie<'_>> = new_browser.into_iter().collect();
    plain_page(&visitor, status, &head, content, &cookies)
}

/// POST `/invitation`: the page to set the password.
pub async fn open_invitation(
    Submitted { visitor, form, .. }: Submitted,
) -> Result<HttpResponse, Failure> {
    let link = form.text(LINK);
    Ok(
        match invitation::find(&visitor.server, link, visitor.now()).await? {
            Some(email) => invitation_page(&visitor, StatusCode::OK, link, &email, None),
            None => no_invitation(&visitor),
        },
    )
}

fn no_invitation(visitor: &Visitor) -> HttpResponse {
    let content = html! { p { (visitor.t("invitation-gone-text")) } };
    plain_page(
        visitor,
        StatusCode::NOT_FOUND,
        &Head::titled(visitor.t("invitation-gone")),
        content,
        &[],
    )
}

fn invitation_page(
    visitor: &Visitor,
    status: StatusCode,
    link: &str,
    email: &str,
    error: Option<&Error>,
) -> HttpResponse {
    let content = html! {
        p { (visitor.t("invitation-text")) }
        (page::form(visitor, "/invitation/password", html! {
            (hidden(LINK, link))
            // Password managers want to know whose it is.
            div.field {
                label for="email" { (visitor.t("field-email")) }
                input id="email" type="email" value=(email) readonly autocomplete="username";
            }
            (Field::new(visitor, "password", error).help("help-password").input_with("password", "", "new-password"))
            button.primary { (visitor.t("set-password")) }
        }))
    };
    let head = Head {
        error,
        ..Head::titled(visitor.t("invitation"))
    };
    plain_page(visitor, status, &head, content, &[])
}

/// POST `/invitation/password`
pub async fn accept_invitation(
    Submitted { visitor, form, .. }: Submitted,
) -> Result<HttpResponse, Failure> {
    let link = form.text(LINK);
    match invitation::accept(
        &visitor.server,
        link,
        form.get("password").to_owned(),
        &visitor.context,
    )
    .await
    {
        Ok(_) => Ok(redirect(
            &format!("{}?done=password-set", visitor.link("/sign-in")),
            &[visitor.no_session_cookie()],
        )),
        Err(error) if error.code() == Code::NotFound => Ok(no_invitation(&visitor)),
        Err(error) if error.wrong_field().is_some() => {
            let email = invitation::find(&visitor.server, link, visitor.now())
                .await?
                .unwrap_or_default();
            Ok(invitation_page(
                &visitor,
                StatusCode::BAD_REQUEST,
                link,
                &email,
                Some(&error),
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// POST `/language`. Another site could do no more by it than choose a language.
pub async fn choose_language(
    request: actix_web::HttpRequest,
    payload: actix_web::web::Payload,
) -> Result<HttpResponse, Failure> {
    let Some(server) = request.app_data() else {
        return Err(Error::server_error("the portal was given no server").into());
    };
    let visitor = Visitor::stranger(server, &request);
    let body = crate::http::extract::body(&request, payload).await?;
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let value = |wanted: &str| {
        form.iter()
            .find(|(name, _)| name == wanted)
            .map_or("", |(_, value)| value.as_str())
    };
    let language = Language::of_code(value("language")).unwrap_or(visitor.language);
    let here = if value("here").starts_with(&visitor.link("/")) {
        value("here")
    } else {
        ""
    };
    let back = if here.starts_with(&visitor.link("/sign-in")) {
        visitor.link("/sign-in")
    } else {
        inside(&visitor, here)
    };
    Ok(redirect(&back, &[visitor.language_cookie(language)]))
}
