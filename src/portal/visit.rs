//! Who visits: the language, the session, and what a form brings. A handler that takes a [`Member`] is
//! for those who have signed in, with all that their account asks for; one that takes a [`Posted`] gets
//! a form that this session made, and no other site.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::{HOST, HeaderName, ORIGIN, USER_AGENT};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use fluent_bundle::FluentValue;
use maud::Markup;

use super::language::{Arguments, Language};
use crate::clock::Timestamp;
use crate::credential::{Fingerprint, new_id};
use crate::error::{Code, Error};
use crate::http::context;
use crate::http::extract;
use crate::manage::actor::{Actor, Permit, RightType};
use crate::manage::idempotency::IdempotencyKey;
use crate::manage::session::{self, SignedIn};
use crate::manage::{AuthorizationServer, RequestContext};

const SESSION_COOKIE: &str = "keyward";
const LANGUAGE_COOKIE: &str = "keyward_language";
const BROWSER_COOKIE: &str = "keyward_browser";
const KNOWN_COOKIE: &str = "keyward_known";

/// The field by which a form says which session it is of.
pub const FORM_TOKEN: &str = "form_token";

/// The fields that are never kept.
const SECRETS: [&str; 4] = ["current", "new", "password", "code"];

/// The field by which a form that makes something is told from itself sent twice.
pub const ONCE: &str = "once";

/// A request to the portal, by whomever.
#[derive(Clone)]
pub struct Visitor {
    /// What the verbs work with.
    pub server: Data<AuthorizationServer>,
    /// What the pages are in.
    pub language: Language,
    /// Whence and when.
    pub context: RequestContext,
    /// Whoever has signed in, as far as that.
    pub signed_in: Option<Arc<SignedIn>>,
    /// The path and query asked for.
    pub here: String,
    /// Whether the page answers a form: asked for again it would be another one.
    pub answers_form: bool,
    /// The path of the issuer, which comes before all of ours.
    base: String,
    browser: Option<String>,
    /// What the browser keeps of a user who got in there before.
    pub known: Option<String>,
}

impl Visitor {
    /// From the request alone, without a look at the session.
    pub fn stranger(server: &Data<AuthorizationServer>, request: &HttpRequest) -> Self {
        let value = |name: &str| values(server, request, name).into_iter().next();
        let chosen = value(LANGUAGE_COOKIE).and_then(|code| Language::of_code(&code));
        Visitor {
            language: chosen.unwrap_or_else(|| Language::preferred(request)),
            context: context::of(server, request),
            signed_in: None,
            here: request
                .uri()
                .path_and_query()
                .map_or_else(|| "/portal".to_owned(), ToString::to_string),
            answers_form: request.method() == Method::POST,
            base: server.issuer.path().to_owned(),
            browser: value(BROWSER_COOKIE),
            known: value(KNOWN_COOKIE),
            server: server.clone(),
        }
    }

    /// When the request came.
    pub fn now(&self) -> Timestamp {
        self.context.received_at
    }

    /// A path of the portal, as links have it.
    pub fn link(&self, path: &str) -> String {
        format!("{}/portal{path}", self.base)
    }

    /// What the query of the address says by this name; nothing where it is empty.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.here.split_once('?')?.1;
        let value = form_urlencoded::parse(query.as_bytes())
            .find(|(own, _)| own == name)?
            .1;
        Some(value.trim())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// The words for a message.
    pub fn t(&self, message: &str) -> String {
        self.language.text(message, &[])
    }

    /// The words for a message with something in it.
    pub fn tr(&self, message: &str, arguments: &Arguments<'_>) -> String {
        self.language.text(message, arguments)
    }

    /// The words for a message about a number of things.
    pub fn count(&self, message: &str, count: usize) -> String {
        self.language
            .text(message, &[("count", FluentValue::from(count))])
    }

    /// How long ago, or how long from now.
    pub fn relative(&self, moment: Timestamp) -> Markup {
        self.language.relative(moment, self.now())
    }

    /// What an error says, in the visitor's language.
    pub fn says(&self, error: &Error) -> String {
        match error.said() {
            Some(phrase) => self.language.phrase(phrase),
            None => self.t(&format!(
                "error-{}",
                error.code().as_str().replace('_', "-")
            )),
        }
    }

    /// RFC 6265bis section 4.1.3: a browser takes a cookie of this prefix from this host alone.
    fn cookie_name(server: &AuthorizationServer, name: &str) -> String {
        let own = secure(server) && server.issuer.path().is_empty();
        format!("{}{name}", if own { "__Host-" } else { "" })
    }

    fn cookie(&self, name: &str, value: String) -> Cookie<'static> {
        let path = if self.base.is_empty() {
            "/".to_owned()
        } else {
            self.base.clone()
        };
        Cookie::build(Visitor::cookie_name(&self.server, name), value)
            .path(path)
            .http_only(true)
            .secure(secure(&self.server))
            .same_site(SameSite::Lax)
            .finish()
    }

    /// The cookie of a session, which goes with the browser's window.
    pub fn session_cookie(&self, value: &str) -> Cookie<'static> {
        self.cookie(SESSION_COOKIE, value.to_owned())
    }

    /// The same, taken back.
    pub fn no_session_cookie(&self) -> Cookie<'static> {
        let mut cookie = self.cookie(SESSION_COOKIE, String::new());
        cookie.make_removal();
        cookie
    }

    /// The cookie that keeps the choice of a language, for a year.
    pub fn language_cookie(&self, language: Language) -> Cookie<'static> {
        let mut cookie = self.cookie(LANGUAGE_COOKIE, language.code().to_owned());
        cookie.set_max_age(time::Duration::days(365));
        cookie
    }

    /// The cookie by which a browser is no stranger to its user, for half a year. It opens nothing.
    pub fn known_cookie(&self, value: &str) -> Cookie<'static> {
        let mut cookie = self.cookie(KNOWN_COOKIE, value.to_owned());
        cookie.set_max_age(time::Duration::days(180));
        cookie
    }

    /// What forms carry so that no other site can send them: of the session, or else of the browser.
    pub fn form_token(&self) -> String {
        match (&self.signed_in, &self.browser) {
            (Some(signed_in), _) => signed_in.form_token(),
            (None, Some(browser)) => session::form_token(browser),
            (None, None) => String::new(),
        }
    }

    /// Sees to it that a browser without a session can send forms; gives the cookie where it is new.
    pub fn know_browser(&mut self) -> Option<Cookie<'static>> {
        if self.signed_in.is_some() || self.browser.is_some() {
            return None;
        }
        let value = new_id();
        self.browser = Some(value.clone());
        Some(self.cookie(BROWSER_COOKIE, value))
    }

    fn check_form(&self, form: &Form) -> bool {
        let (expected, given) = (self.form_token(), form.get(FORM_TOKEN));
        !expected.is_empty()
            && Fingerprint::of(expected.as_bytes()).matches(&Fingerprint::of(given.as_bytes()))
    }
}

/// Whether cookies travel by TLS alone.
fn secure(server: &AuthorizationServer) -> bool {
    server.settings.tls_cert.is_some() || server.issuer.as_str().starts_with("https://")
}

/// The values of a cookie of ours, as the browser sent them.
fn values(server: &AuthorizationServer, request: &HttpRequest, name: &str) -> Vec<String> {
    let name = Visitor::cookie_name(server, name);
    let Ok(cookies) = request.cookies() else {
        return Vec::new();
    };
    cookies
        .iter()
        .filter(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
        .collect()
}

/// Whoever the request is by; a session that the browser has is looked up.
async fn visitor(request: &HttpRequest) -> Result<Visitor, Failure> {
    let Some(server) = request.app_data::<Data<AuthorizationServer>>() else {
        return Err(Error::server_error("the portal was given no server").into());
    };
    let mut visitor = Visitor::stranger(server, request);
    // Who can set cookies for a neighbour can put others beside ours.
    for value in values(server, request, SESSION_COOKIE).into_iter().take(3) {
        visitor.signed_in = session::resume(server, &value, visitor.now())
            .await?
            .map(Arc::new);
        if visitor.signed_in.is_some() {
            break;
        }
    }
    // For the frame of an error page.
    request.extensions_mut().insert(visitor.clone());
    Ok(visitor)
}

/// Of a request that goes no further than this.
fn gate(visitor: Visitor) -> Result<Member, Failure> {
    let Some(signed_in) = visitor.signed_in.clone() else {
        return Err(Failure::SignIn);
    };
    if signed_in.awaits_second_factor() {
        return Err(Failure::SecondFactor);
    }
    if signed_in.must_enrol() {
        return Err(Failure::Enrol);
    }
    Ok(Member {
        visitor,
        signed_in,
        once: None,
    })
}

/// A visitor who has signed in, with all that the account asks for.
pub struct Member {
    visitor: Visitor,
    /// As whom.
    pub signed_in: Arc<SignedIn>,
    once: Option<IdempotencyKey>,
}

impl Deref for Member {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

impl Member {
    /// A member for a page that those see, too, who have yet to set up what their account asks for.
    pub fn enrolling(visitor: Visitor) -> Result<Self, Failure> {
        match gate(visitor.clone()) {
            Err(Failure::Enrol) => {
                let Some(signed_in) = visitor.signed_in.clone() else {
                    return Err(Failure::SignIn);
                };
                Ok(Member {
                    visitor,
                    signed_in,
                    once: None,
                })
            }
            other => other,
        }
    }

    /// The user as an actor.
    pub fn actor(&self) -> Arc<Actor> {
        self.signed_in.actor(&self.context, self.once.clone())
    }

    /// The permit for a right.
    pub fn may<R: RightType>(&self, right: R) -> Result<Permit<R>, Error> {
        self.actor().may(right)
    }

    /// Whether the user has a right.
    pub fn can<R: RightType>(&self, _: R) -> bool {
        self.signed_in.rights().contains(R::RIGHT)
    }

    /// Whether the user sees all accounts.
    pub fn is_operator(&self) -> bool {
        self.signed_in.account().is_none()
    }
}

/// The fields of a form, in order.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The first of this name; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(own, _)| own == name)
            .map_or("", |(_, value)| value)
    }

    /// What people typed, without the spaces at its ends.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).trim()
    }

    /// All of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a box of this name is ticked.
    pub fn checked(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// A form that looks as if somebody had typed these.
    pub fn filled(fields: &[(&str, &str)]) -> Self {
        Form(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    /// What may be shown again: neither passwords nor codes, nor what is of the session.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &str)> {
        let other = |name: &str| name != FORM_TOKEN && !SECRETS.contains(&name);
        self.0
            .iter()
            .filter(move |(name, _)| other(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The fields that are to be typed again, since they are not kept.
    pub fn secrets(&self) -> impl Iterator<Item = &'static str> {
        SECRETS
            .into_iter()
            .filter(|secret| self.0.iter().any(|(name, _)| name == secret))
    }

    /// What is kept for later, with empty places for what is not.
    pub fn for_later(&self) -> String {
        let empty = self.secrets().map(|name| (name, ""));
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.kept().chain(empty))
            .finish()
    }
}

/// A form that a member sent from a page of their session.
pub struct Posted {
    /// By whom.
    pub member: Member,
    /// What.
    pub form: Form,
}

/// A form that anybody sent from a page of ours.
pub struct Submitted {
    /// By whom.
    pub visitor: Visitor,
    /// What.
    pub form: Form,
    /// What the browser calls itself.
    pub agent: String,
}

async fn read_form(request: &HttpRequest, payload: Payload) -> Result<Form, Failure> {
    check_site(request)?;
    let mut payload = payload;
    let payload = web::Payload::from_request(request, &mut payload).await;
    let payload = payload.map_err(|error| {
        Error::new(Code::InvalidRequest, "The body is unreadable").detail(error.to_string())
    })?;
    let body = extract::body(request, payload).await?;
    let form = Form(form_urlencoded::parse(&body).into_owned().collect());
    request.extensions_mut().insert(form.clone());
    Ok(form)
}

/// Whether a page of ours sent it, as far as the browser tells: `Sec-Fetch-Site`, or else `Origin`.
fn check_site(request: &HttpRequest) -> Result<(), Error> {
    let header = |name: HeaderName| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let ours = match (
        header(HeaderName::from_static("sec-fetch-site")),
        header(ORIGIN),
    ) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        // A proxy in front may have changed the host.
        (None, Some(origin)) => {
            let issuer = request
                .app_data::<Data<AuthorizationServer>>()
                .map(|server| server.issuer.origin());
            issuer.as_deref() == Some(origin)
                || origin.split_once("://").map(|(_, host)| host) == header(HOST)
        }
        // What sends neither is no browser, and has no cookie that somebody else could ride on.
        (None, None) => true,
    };
    if ours {
        Ok(())
    } else {
        Err(
            Error::new(Code::AccessDenied, "This form was sent by another site")
                .phrase("other-site", []),
        )
    }
}

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Failure>>>>;

impl FromRequest for Visitor {
    type Error = Failure;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { visitor(&request).await })
    }
}

impl FromRequest for Member {
    type Error = Failure;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { gate(visitor(&request).await?) })
    }
}

impl FromRequest for Submitted {
    type Error = Failure;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let form = read_form(&request, payload).await?;
            let visitor = visitor(&request).await?;
            if !visitor.check_form(&form) {
                return Err(Failure::Again("form-other-session"));
            }
            let agent = request
                .headers()
                .get(USER_AGENT)
                .and_then(|value| value.to_str().ok());
            Ok(Submitted {
                visitor,
                form,
                agent: agent.unwrap_or_default().to_owned(),
            })
        })
    }
}

impl FromRequest for Posted {
    type Error = Failure;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let form = read_form(&request, payload).await?;
            let mut member = match gate(visitor(&request).await?) {
                Err(Failure::SignIn) => return Err(Failure::Again("form-signed-out")),
                other => other?,
            };
            if !member.check_form(&form) {
                return Err(Failure::Again("form-other-session"));
            }
            if form.checked(ONCE) {
                let what = format!("{}\0{}", request.path(), form.get(ONCE));
                member.once = Some(IdempotencyKey::new(
                    member.signed_in.email(),
                    form.get(ONCE),
                    what.as_bytes(),
                ));
            }
            Ok(Posted { member, form })
        })
    }
}

/// Why a page is not what was asked for. The frame around the handlers makes a page of it.
#[derive(Debug)]
pub enum Failure {
    /// What is wrong.
    Error(Error),
    /// Nobody has signed in.
    SignIn,
    /// The second factor is still to come.
    SecondFactor,
    /// The account wants a second factor, and there is none.
    Enrol,
    /// A form of a session that is over, or of another one: it can be sent again from this one.
    Again(&'static str),
    /// A form that was sent twice, and done the first time: the page that shows what it made.
    Already(String),
}

/// What came of a form: what it made, or an error that whoever sent it can mend, for the same page again.
///
/// # Errors
/// All other failures; a form that was sent twice leads to the page at `list`.
pub fn mendable<T>(
    visitor: &Visitor,
    made: Result<T, Error>,
    list: &str,
) -> Result<Result<T, Error>, Failure> {
    let error = match made {
        Ok(made) => return Ok(Ok(made)),
        Err(error) => error,
    };
    match error.code() {
        Code::AlreadyDone => Err(Failure::Already(visitor.link(list))),
        Code::InvalidRequest | Code::InvalidScope | Code::Conflict | Code::PreconditionFailed => {
            Ok(Err(error))
        }
        Code::AccessDenied if error.said().is_some() => Ok(Err(error)),
        _ => Err(error.into()),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(error) => error.fmt(f),
            Failure::SignIn => f.write_str("nobody has signed in"),
            Failure::SecondFactor => f.write_str("the second factor is still to come"),
            Failure::Enrol => f.write_str("the account wants a second factor"),
            Failure::Again(why) => f.write_str(why),
            Failure::Already(_) => f.write_str("the form was sent twice"),
        }
    }
}

/// Only until the frame has made a page of it.
impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}
