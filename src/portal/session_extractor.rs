//! Extractors of the portal's handlers: who sent the request, in which language, and what the form
//! holds. A handler that takes a [`CurrentUser`] requires a complete session; one that takes an
//! [`AuthenticatedForm`] also requires the CSRF token of that session.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::cookie::Cookie;
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::USER_AGENT;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use fluent_bundle::FluentValue;
use maud::Markup;

use super::form::{CSRF_TOKEN, Form, IDEMPOTENCY_KEY};
use super::language::{Arguments, Language, message_id};
use super::page_error::PageError;
use super::{account_switch, cookies, csrf};
use crate::clock::{TimeZone, Timestamp};
use crate::credential::new_id;
use crate::error::{Code, Error};
use crate::http::extract;
use crate::manage::actor::{Actor, Permit, RightType};
use crate::manage::idempotency::IdempotencyKey;
use crate::manage::session::{self, ActiveSession};
use crate::manage::sign_in::DEVICE_TOKEN_TTL;
use crate::manage::{AuthorizationServer, RequestContext};
use crate::secret::SecretString;

/// The number of session cookies that are tried. A neighbouring host under the same domain can add
/// cookies of the same name.
const MAX_SESSION_COOKIES: usize = 3;

/// What every page needs: the request, the language, and the session, if there is one.
#[derive(Clone)]
pub struct PageContext {
    /// The server, for the operations of `manage`.
    pub server: Data<AuthorizationServer>,
    /// The language of the page.
    pub language: Language,
    /// The time zone of the times on the page.
    pub time_zone: TimeZone,
    /// Whether the browser has chosen a language, which then takes precedence over the user's.
    has_chosen_language: bool,
    /// The request id, client IP address and time of the request.
    pub request: RequestContext,
    /// The session, which may still await the second factor.
    pub session: Option<Arc<ActiveSession>>,
    /// The path and query of the request.
    pub path_and_query: String,
    /// Whether the page answers a submitted form. A GET for its path would show another page.
    pub answers_form: bool,
    /// The path of the issuer, which prefixes all links.
    base: String,
    csrf_cookie: Option<String>,
    /// The device token of the browser, if it has one.
    pub device_token: Option<SecretString>,
}

impl PageContext {
    /// The context of a request whose session is not looked up.
    pub fn anonymous(server: &Data<AuthorizationServer>, request: &HttpRequest) -> Self {
        let cookie = |name: &str| cookies::values(server, request, name).into_iter().next();
        let chosen = cookie(cookies::LANGUAGE).and_then(|code| Language::from_code(&code));
        PageContext {
            has_chosen_language: chosen.is_some(),
            language: chosen.unwrap_or_else(|| Language::negotiate(request)),
            time_zone: TimeZone::UTC,
            request: crate::http::context::of(server, request),
            session: None,
            path_and_query: request
                .uri()
                .path_and_query()
                .map_or_else(|| "/portal".to_owned(), ToString::to_string),
            answers_form: request.method() == Method::POST,
            base: server.issuer.path().to_owned(),
            csrf_cookie: cookie(cookies::CSRF),
            device_token: cookie(cookies::DEVICE).map(SecretString::new),
            server: server.clone(),
        }
    }

    /// The time of the request.
    pub fn now(&self) -> Timestamp {
        self.request.received_at
    }

    /// The link to a path of the portal.
    pub fn link(&self, path: &str) -> String {
        format!("{}/portal{path}", self.base)
    }

    /// The link to the API reference.
    pub fn api_reference(&self) -> String {
        format!("{}/docs", self.base)
    }

    /// A query parameter, trimmed; `None` if it is empty.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.path_and_query.split_once('?')?;
        Form::parse(query.as_bytes()).optional(name)
    }

    /// All values of a query parameter.
    pub fn query_all(&self, name: &str) -> BTreeSet<String> {
        let query = self.path_and_query.split_once('?');
        let query = query.map_or("", |(_, query)| query);
        let form = Form::parse(query.as_bytes());
        form.all(name).map(str::to_owned).collect()
    }

    /// A message in the language of the page.
    pub fn t(&self, message: &str) -> String {
        self.language.text(message, &[])
    }

    /// A message with arguments in the language of the page.
    pub fn tr(&self, message: &str, arguments: &Arguments<'_>) -> String {
        self.language.text(message, arguments)
    }

    /// A message with the argument `count`.
    pub fn count(&self, message: &str, count: usize) -> String {
        self.language
            .text(message, &[("count", FluentValue::from(count))])
    }

    /// An instant relative to the time of the request, such as “3 days ago”.
    pub fn relative(&self, instant: Timestamp) -> Markup {
        self.language.relative(instant, self.now(), &self.time_zone)
    }

    /// A date and time in the time zone of the page: [`Language::date_time`].
    pub fn date_time(&self, instant: Timestamp) -> Markup {
        self.language.date_time(instant, &self.time_zone)
    }

    /// [`PageContext::date_time`] in full, as text.
    pub fn date_time_text(&self, instant: Timestamp) -> String {
        self.language.date_time_text(instant, &self.time_zone)
    }

    /// A date in the time zone of the page: [`Language::day`].
    pub fn day(&self, instant: Timestamp) -> Markup {
        self.language.day(instant, &self.time_zone)
    }

    /// [`PageContext::day`] as text.
    pub fn day_text(&self, instant: Timestamp) -> String {
        self.language.day_text(instant, &self.time_zone)
    }

    /// A time of day in the time zone of the page.
    pub fn time_of_day(&self, instant: Timestamp) -> String {
        self.language.time_of_day(instant, &self.time_zone)
    }

    /// The name of the time zone's offset at an instant, such as `CET`.
    pub fn zone_at(&self, instant: Timestamp) -> String {
        let local = self.time_zone.local(instant);
        local.map_or_else(|| self.time_zone.name().to_owned(), |local| local.offset)
    }

    /// The description of an error in the language of the page.
    pub fn localize(&self, error: &Error) -> String {
        match error.refusal() {
            Some(message) => self.language.refusal(message),
            None => self.t(&message_id("error", error.code().as_str())),
        }
    }

    fn cookie(&self, name: &str, value: String) -> Cookie<'static> {
        cookies::build(&self.server, name, value)
    }

    /// The session cookie. The browser deletes it when it closes.
    pub fn session_cookie(&self, value: &str) -> Cookie<'static> {
        self.cookie(cookies::SESSION, value.to_owned())
    }

    /// The removal of the session cookie.
    pub fn expired_session_cookie(&self) -> Cookie<'static> {
        let mut cookie = self.cookie(cookies::SESSION, String::new());
        cookie.make_removal();
        cookie
    }

    /// The cookie with the chosen language, for a year.
    pub fn language_cookie(&self, language: Language) -> Cookie<'static> {
        let mut cookie = self.cookie(cookies::LANGUAGE, language.code().to_owned());
        cookie.set_max_age(time::Duration::days(365));
        cookie
    }

    /// The removal of the cookie with the chosen language.
    pub fn expired_language_cookie(&self) -> Cookie<'static> {
        let mut cookie = self.cookie(cookies::LANGUAGE, String::new());
        cookie.make_removal();
        cookie
    }

    /// Shows the page as the user of the session prefers.
    fn apply_preferences(&mut self) {
        let Some(session) = &self.session else { return };
        let preferences = session.preferences();
        self.time_zone = preferences.time_zone;
        let preferred = preferences.language;
        if let Some(language) = preferred.filter(|_| !self.has_chosen_language) {
            self.language = language;
        }
    }

    /// The cookie with a device token.
    pub fn device_cookie(&self, value: &str) -> Cookie<'static> {
        let mut cookie = self.cookie(cookies::DEVICE, value.to_owned());
        cookie.set_max_age(time::Duration::try_from(DEVICE_TOKEN_TTL).unwrap_or_default());
        cookie
    }

    /// The CSRF token for forms: that of the session in the account in use, else that of the browser;
    /// empty if there is neither.
    pub fn csrf_token(&self) -> String {
        csrf::with_account(self.own_csrf_token(), self.account_id())
    }

    /// The CSRF token of the session, in whichever account, else that of the browser.
    fn own_csrf_token(&self) -> String {
        match (&self.session, &self.csrf_cookie) {
            (Some(session), _) => session.csrf_token(),
            (None, Some(cookie)) => session::anonymous_csrf_token(cookie),
            (None, None) => String::new(),
        }
    }

    /// The account that the session uses.
    fn account_id(&self) -> Option<&str> {
        self.session
            .as_ref()
            .and_then(|session| session.account_id())
    }

    /// Makes sure that a browser without a session can submit forms. Returns the CSRF cookie to
    /// set, unless the browser has one.
    pub fn ensure_csrf_cookie(&mut self) -> Option<Cookie<'static>> {
        if self.session.is_some() || self.csrf_cookie.is_some() {
            return None;
        }
        let value = new_id();
        self.csrf_cookie = Some(value.clone());
        Some(self.cookie(cookies::CSRF, value))
    }

    /// Whether the form is of the session, else of the browser; in whichever account it was opened.
    fn has_valid_csrf_token(&self, form: &Form) -> bool {
        let (token, _) = csrf::split_account(form.get(CSRF_TOKEN));
        csrf::tokens_match(&self.own_csrf_token(), token)
    }

    /// Refuses a form that is not of the session, or was opened in another account.
    fn check_form(&self, form: &Form) -> Result<(), PageError> {
        let (_, opened_in) = csrf::split_account(form.get(CSRF_TOKEN));
        match opened_in {
            Some(opened_in) if Some(opened_in) != self.account_id() => {
                Err(PageError::OtherAccount(opened_in.to_owned()))
            }
            // One without an account is of a page of the previous version.
            _ if !self.has_valid_csrf_token(form) || opened_in != self.account_id() => {
                Err(PageError::Resubmit("form-other-session"))
            }
            _ => Ok(()),
        }
    }
}

/// The context of a request, with the session of its cookie.
async fn page_context(request: &HttpRequest) -> Result<PageContext, PageError> {
    let Some(server) = request.app_data::<Data<AuthorizationServer>>() else {
        return Err(Error::server_error("the portal has no server in its app data").into());
    };
    let mut context = PageContext::anonymous(server, request);
    let presented = cookies::values(server, request, cookies::SESSION);
    for value in presented.into_iter().take(MAX_SESSION_COOKIES) {
        context.session = session::resume(server, &value, context.now())
            .await?
            .map(Arc::new);
        if context.session.is_some() {
            break;
        }
    }
    context.apply_preferences();
    // The layout middleware needs it for error pages.
    request.extensions_mut().insert(context.clone());
    Ok(context)
}

/// Requires a session that has passed every step its account demands.
fn require_full_session(context: PageContext) -> Result<CurrentUser, PageError> {
    let Some(session) = context.session.clone() else {
        return Err(PageError::SignInRequired);
    };
    if session.awaits_second_factor() {
        return Err(PageError::SecondFactorRequired);
    }
    if session.must_enrol() {
        return Err(PageError::EnrolmentRequired);
    }
    Ok(CurrentUser::new(context, session))
}

/// A user with a complete session.
pub struct CurrentUser {
    context: PageContext,
    /// The user's session.
    pub session: Arc<ActiveSession>,
    actor: Arc<Actor>,
}

impl Deref for CurrentUser {
    type Target = PageContext;

    fn deref(&self) -> &PageContext {
        &self.context
    }
}

impl CurrentUser {
    fn new(context: PageContext, session: Arc<ActiveSession>) -> Self {
        CurrentUser {
            actor: session.actor(&context.request, None),
            context,
            session,
        }
    }

    /// The user of a complete session.
    ///
    /// # Errors
    /// Those of a page that requires a complete session.
    pub fn complete(context: PageContext) -> Result<Self, PageError> {
        require_full_session(context)
    }

    /// The user for the enrolment page, which is open to users who must enrol a second factor
    /// first.
    ///
    /// # Errors
    /// Those of a page that requires a complete session, but for [`PageError::EnrolmentRequired`].
    pub fn enrolling(context: PageContext) -> Result<Self, PageError> {
        match require_full_session(context.clone()) {
            Err(PageError::EnrolmentRequired) => {
                let session = context.session.clone().ok_or(PageError::SignInRequired)?;
                Ok(CurrentUser::new(context, session))
            }
            other => other,
        }
    }

    /// The permit for a right.
    ///
    /// # Errors
    /// `access_denied` if the user's role does not have the right.
    pub fn may<R: RightType>(&self, right: R) -> Result<Permit<R>, Error> {
        self.actor.may(right)
    }

    /// Whether the user has a right.
    pub fn can<R: RightType>(&self, _: R) -> bool {
        self.actor.rights().contains(R::RIGHT)
    }

    /// Whether the user is an operator, who sees all accounts.
    pub fn is_operator(&self) -> bool {
        self.session.account().is_none()
    }
}

/// A form submitted from a page of the user's session.
pub struct AuthenticatedForm {
    /// The user.
    pub user: CurrentUser,
    /// The fields.
    pub form: Form,
}

/// A form submitted from a page of this portal, with or without a session.
pub struct AnonymousForm {
    /// The request, with the session, if there is one.
    pub context: PageContext,
    /// The fields.
    pub form: Form,
    /// The browser's `User-Agent`.
    pub user_agent: String,
}

async fn read_form(request: &HttpRequest, mut payload: Payload) -> Result<Form, PageError> {
    csrf::check_same_origin(request)?;
    let payload = web::Payload::from_request(request, &mut payload)
        .await
        .map_err(|error| {
            Error::new(Code::InvalidRequest, "The body cannot be read").detail(error.to_string())
        })?;
    let form = Form::parse(&extract::body(request, payload).await?);
    // The layout middleware needs it for pages from which the form can be submitted again.
    request.extensions_mut().insert(form.clone());
    Ok(form)
}

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, PageError>>>>;

impl FromRequest for PageContext {
    type Error = PageError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { page_context(&request).await })
    }
}

impl FromRequest for CurrentUser {
    type Error = PageError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let user = require_full_session(page_context(&request).await?)?;
            match user
                .query(account_switch::IN)
                .filter(|_| !user.is_operator())
            {
                Some(id) if Some(id.as_str()) != user.account_id() => {
                    Err(PageError::PageOfOtherAccount(id))
                }
                _ => Ok(user),
            }
        })
    }
}

impl FromRequest for AnonymousForm {
    type Error = PageError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let form = read_form(&request, payload).await?;
            let context = page_context(&request).await?;
            if !context.has_valid_csrf_token(&form) {
                return Err(PageError::Resubmit("form-other-session"));
            }
            let user_agent = request
                .headers()
                .get(USER_AGENT)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            Ok(AnonymousForm {
                context,
                form,
                user_agent,
            })
        })
    }
}

impl FromRequest for AuthenticatedForm {
    type Error = PageError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let form = read_form(&request, payload).await?;
            let mut user = match require_full_session(page_context(&request).await?) {
                Err(PageError::SignInRequired) => {
                    return Err(PageError::Resubmit("form-signed-out"));
                }
                other => other?,
            };
            user.check_form(&form)?;
            if form.checked(IDEMPOTENCY_KEY) {
                let key = form.get(IDEMPOTENCY_KEY);
                let fingerprint = format!("{}\0{key}", request.path());
                let account_id = user.account_id().unwrap_or_default();
                let caller = format!("{}\0{account_id}", user.session.email());
                let key = IdempotencyKey::new(&caller, key, fingerprint.as_bytes());
                user.actor = user.session.actor(&user.request, Some(key));
            }
            Ok(AuthenticatedForm { user, form })
        })
    }
}
