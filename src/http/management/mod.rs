//! The management API, `/api/v1/…`. Callers present access tokens for the management API, which is a
//! resource of its own; their scope decides what they may do, and within which account.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, Header, IF_MATCH, IfMatch};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::dpop;
use super::extract::{ApiRequest, parse_json};
use crate::clock::parse_duration;
use crate::decimal;
use crate::error::{Code, Error};
use crate::manage::actor::{Actor, Permit};
use crate::manage::idempotency::IdempotencyKey;
use crate::manage::rights::RightType;
use crate::manage::version;
use crate::oauth::authorization_header::AuthorizationHeader;
use crate::oauth::dpop::DpopRequest;
use crate::oauth::possession::Possession;
use crate::oauth::token::access_token::Audience;
use crate::oauth::token::presented::{self, ActiveAccessToken, Presentation};
use crate::secret::Disclosed;

pub(super) mod account_invitations;
pub(super) mod accounts;
pub(super) mod announcements;
pub(super) mod audit;
pub(super) mod clients;
pub(super) mod keys;
pub(super) mod mails;
pub(super) mod registration_tokens;
pub(super) mod resources;
pub(super) mod secrets;
pub(super) mod signing_keys;
pub(super) mod status;
pub(super) mod tokens;
pub(super) mod traffic;
pub(super) mod trust_rules;
pub(super) mod unused_credentials;
pub(super) mod usage;
pub(super) mod users;
pub(super) mod webhooks;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest `Idempotency-Key`, in bytes.
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// The number of items on a page, unless `limit` says otherwise.
const DEFAULT_PAGE_SIZE: usize = 50;

const MAX_PAGE_SIZE: usize = 200;

/// For how long rotated credentials stay valid, unless `grace` says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(24 * 3600);

impl ApiRequest {
    /// The caller of the management API: the bearer of an active access token for the management API
    /// and for no other resource server, who proves possession of the key that it is bound to, if any.
    ///
    /// # Errors
    /// `invalid_token`, `invalid_dpop_proof`, `use_dpop_nonce`, `invalid_request`, or
    /// `temporarily_unavailable`.
    pub(super) async fn actor(&self) -> Result<Actor, Error> {
        let server = &self.server;
        let header = self.authorization()?.and_then(AuthorizationHeader::parse);
        let active = match header.as_ref() {
            Some(AuthorizationHeader::Bearer(token)) => {
                let possession = Possession::Bearer(&self.context.client_certificate);
                self.resolve(token, possession).await?
            }
            Some(AuthorizationHeader::Dpop(token)) => {
                let target = dpop::own_target(self);
                let proof = DpopRequest {
                    header: &dpop::header(&self.head),
                    target: Ok(&target),
                    access_token: Some(token),
                };
                self.resolve(token, Possession::Dpop(proof)).await?
            }
            Some(AuthorizationHeader::Basic(..)) | None => {
                return Err(Error::new(
                    Code::InvalidToken,
                    "An access token is required, as Authorization: Bearer or DPoP",
                ));
            }
        };
        dpop::offer_nonce(&self.head, active.next_nonce);
        let claims = &active.claims;
        let client = &active.client;
        let audience = server.issuer.management_audience();
        check_audience(&claims.aud, &audience)?;
        // The scope and the resources of a client may have been reduced since it got the token.
        if !client.resources.contains(&audience) {
            return Err(Error::new(
                Code::InvalidToken,
                "The client is no longer allowed to use the management API",
            ));
        }
        let scope = claims.remaining_scope(client);
        let name = format!("client {}", claims.client_id);
        let account = &client.account_id;
        Ok(Actor::bearer(name, account, &scope, &self.context))
    }

    /// Resolves the access token of the caller.
    async fn resolve(
        &self,
        token: &str,
        possession: Possession<'_>,
    ) -> Result<ActiveAccessToken, Error> {
        let presentation = Presentation::by_sender(&self.context, possession);
        let resolved =
            presented::resolve_access_token(&self.server, token, presentation, self.now()).await;
        match resolved {
            Ok(active) => Ok(active),
            Err(rejection) => {
                let refusal = Error::new(Code::InvalidToken, "The access token is not active");
                Err(presented::refuse(&self.server, &self.context, token, rejection, refusal).await)
            }
        }
    }

    /// The permit of the caller for `right`.
    ///
    /// # Errors
    /// `insufficient_scope`; otherwise as for [`ApiRequest::actor`].
    async fn permit<R: RightType>(&self, right: R) -> Result<Permit<R>, Error> {
        Arc::new(self.actor().await?).may(right)
    }
}

/// Checks that a token is for the management API alone. Any other audience of the token could present
/// it here.
fn check_audience(presented: &Audience, management: &str) -> Result<(), Error> {
    if matches!(presented, Audience::One(one) if one == management) {
        return Ok(());
    }
    let description = if presented.iter().any(|one| one == management) {
        format!(
            "The access token is for other resource servers too; ask for one with resource={management} alone"
        )
    } else {
        format!(
            "The access token is for another resource server; the management API is {management}"
        )
    };
    Err(Error::new(Code::InvalidToken, description))
}

/// The page of a list to return.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// The maximum number of items; 50 by default.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<PageSize>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// The query parameter `limit`: a number of items.
#[derive(Clone, Copy)]
pub(super) struct PageSize(usize);

impl<'de> Deserialize<'de> for PageSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let size = decimal::parse(&text).map(PageSize);
        size.ok_or_else(|| serde::de::Error::custom("expected a number"))
    }
}

impl JsonSchema for PageSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        usize::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        usize::json_schema(generator)
    }
}

/// The number of items on a page.
fn page_size(limit: Option<PageSize>) -> Result<usize, Error> {
    match limit.map_or(DEFAULT_PAGE_SIZE, |PageSize(size)| size) {
        size @ 1..=MAX_PAGE_SIZE => Ok(size),
        _ => Err(Error::new(
            Code::InvalidRequest,
            format!("The limit must be between 1 and {MAX_PAGE_SIZE}"),
        )
        .field("limit")),
    }
}

/// The number of rows to query for a page: one more than it has shows whether there is a next page.
fn rows_of(page_size: usize) -> i64 {
    i64::try_from(page_size + 1).unwrap_or(i64::MAX)
}

fn unknown_cursor() -> Error {
    Error::new(
        Code::InvalidRequest,
        "The cursor does not belong to this list",
    )
    .field("cursor")
}

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Page{T}")]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// The `cursor` of the next page; null on the last page.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of a list that is in memory as a whole.
    fn of(all: Vec<T>, paging: &Paging, id: impl Fn(&T) -> &str) -> Result<Self, Error> {
        let size = page_size(paging.limit)?;
        let start = match &paging.cursor {
            None => 0,
            Some(cursor) => {
                let last = all.iter().position(|item| id(item) == cursor);
                last.ok_or_else(unknown_cursor)? + 1
            }
        };
        let rows = all.into_iter().skip(start).take(size + 1).collect();
        Ok(Page::from_rows(rows, size, id))
    }

    /// A page of a list that has its own cursors.
    fn with_cursor(items: Vec<T>, next_cursor: Option<String>) -> Self {
        Page { items, next_cursor }
    }

    /// A page of the result of a query for [`rows_of`] the page.
    fn from_rows(mut rows: Vec<T>, size: usize, id: impl Fn(&T) -> &str) -> Self {
        let has_next = rows.len() > size;
        rows.truncate(size);
        let last = rows.last().filter(|_| has_next);
        Page {
            next_cursor: last.map(|last| id(last).to_owned()),
            items: rows,
        }
    }
}

/// A duration in a request.
pub(super) struct DurationInput(Duration);

impl<'de> Deserialize<'de> for DurationInput {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum DurationRepr {
            Seconds(u32),
            Text(String),
        }
        let expected = |_| {
            serde::de::Error::custom("a duration is a number of seconds, or a text such as \"24h\"")
        };
        match DurationRepr::deserialize(deserializer).map_err(expected)? {
            DurationRepr::Seconds(seconds) => {
                Ok(DurationInput(Duration::from_secs(seconds.into())))
            }
            DurationRepr::Text(text) => parse_duration(&text)
                .map(DurationInput)
                .map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for DurationInput {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Seconds, or a number with the unit s, m, h or d",
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": u32::MAX},
                {"type": "string", "pattern": "^[0-9]{1,4}[smhd]?$"},
            ],
            "examples": ["24h", 3600],
        })
    }
}

/// Reads a member of which null means something else than its absence, which is `None`.
fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The rotation of credentials.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// For how long the old credentials stay valid; a day by default.
    grace: Option<DurationInput>,
}

impl Rotation {
    fn grace(&self) -> Duration {
        self.grace.as_ref().map_or(DEFAULT_GRACE, |grace| grace.0)
    }
}

/// A created object with its secrets, which no other response shows.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Created{T}")]
pub(super) struct Created<T> {
    #[serde(flatten)]
    object: T,
    /// The client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<Disclosed>,
    /// The API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<Disclosed>,
    /// The complete value of the `Authorization` header for the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<Disclosed>,
    /// The secret that signs the deliveries of a webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<Disclosed>,
    /// The initial access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Disclosed>,
    /// Probable mistakes, which were accepted all the same: a scope that no resource server of the
    /// client describes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    warnings: Vec<String>,
}

impl<T> Created<T> {
    /// An object that has no secrets, or whose secrets are not shown again.
    fn without_secrets(object: T) -> Self {
        Created {
            object,
            client_secret: None,
            api_key: None,
            authorization: None,
            signing_secret: None,
            token: None,
            warnings: Vec::new(),
        }
    }
}

/// An object after a change.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Changed{T}")]
pub(super) struct Changed<T> {
    #[serde(flatten)]
    object: T,
    /// Probable mistakes, which were accepted all the same: a scope that no resource server of the
    /// client describes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    warnings: Vec<String>,
}

/// A request that creates an object.
struct Creation<B> {
    actor: Arc<Actor>,
    body: B,
    /// The `Idempotency-Key`, if the request has one.
    idempotency_key: Option<IdempotencyKey>,
}

impl<B: DeserializeOwned> Creation<B> {
    /// Authenticates the caller, and reads the body and the `Idempotency-Key`.
    async fn read(api: &ApiRequest, payload: Payload) -> Result<Self, Error> {
        let caller = api.actor().await?;
        let bytes = api.json_bytes(payload, Code::InvalidRequest).await?;
        let body = parse_json(&bytes)?;
        let request = [api.head.path().as_bytes(), b"\0", &bytes].concat();
        let key = idempotency_key(&api.head)?
            .map(|key| IdempotencyKey::new(caller.name(), key, &request));
        Ok(Creation {
            actor: Arc::new(caller.with_idempotency_key(key.clone())),
            body,
            idempotency_key: key,
        })
    }

    /// Creates the object with `create`, or finds the object that an earlier request with the same
    /// `Idempotency-Key` created. Of concurrent requests with one key, one creates the object and the
    /// others find it.
    async fn run<T: Serialize>(
        &self,
        api: &ApiRequest,
        create: impl Future<Output = Result<Created<T>, Error>>,
        find: impl AsyncFnOnce(String) -> Result<Option<T>, Error>,
    ) -> Result<HttpResponse, Error> {
        let id = match self.created_before(api).await? {
            Some(id) => id,
            None => match create.await {
                Err(error) if error.code() == Code::AlreadyDone => {
                    self.created_before(api).await?.ok_or(error)?
                }
                created => return Ok(respond(StatusCode::CREATED, &created?)),
            },
        };
        let found = find(id).await?;
        let object = found.ok_or_else(|| {
            Error::new(
                Code::NotFound,
                "The object that this request created earlier was deleted",
            )
        })?;
        Ok(respond(StatusCode::OK, &Created::without_secrets(object)))
    }

    /// The id of the object that an earlier request with the same `Idempotency-Key` created.
    async fn created_before(&self, api: &ApiRequest) -> Result<Option<String>, Error> {
        match &self.idempotency_key {
            Some(key) => key.previous_result(api.store()).await,
            None => Ok(None),
        }
    }
}

/// The `Idempotency-Key` header.
fn idempotency_key(request: &HttpRequest) -> Result<Option<&str>, Error> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match value.to_str().unwrap_or_default() {
        key if (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Error::new(
            Code::InvalidRequest,
            format!("Idempotency-Key must have 1 to {MAX_IDEMPOTENCY_KEY} printable characters"),
        )
        .field("Idempotency-Key")),
    }
}

/// The entity tags of `If-Match` (RFC 9110 section 13.1.1): the strong tags of all lines of the
/// header. An unreadable header matches no version.
fn if_match(request: &HttpRequest) -> Option<Vec<String>> {
    if !request.headers().contains_key(IF_MATCH) {
        return None;
    }
    match IfMatch::parse(request) {
        Ok(IfMatch::Any) => None,
        Ok(IfMatch::Items(tags)) => Some(
            tags.iter()
                .filter(|tag| !tag.weak)
                .map(|tag| tag.tag().to_owned())
                .collect(),
        ),
        Err(_) => Some(Vec::new()),
    }
}

/// A JSON response that no cache keeps.
fn respond(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}

fn ok(body: &impl Serialize) -> HttpResponse {
    respond(StatusCode::OK, body)
}

/// The current state of an object, with its entity tag. Warnings do not change the tag.
fn with_etag<T: Serialize>(changed: &Changed<T>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ETAG, format!("\"{}\"", version(&changed.object))))
        .json(changed)
}

fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn if_match_has_the_strong_tags_of_all_lines() {
        for (lines, expected) in [
            (&[][..], None),
            (&["*"], None),
            (&["\"a\""], Some(&["a"][..])),
            (&["\"a\", \"b\""], Some(&["a", "b"])),
            (&["\"a\"", "\"b\""], Some(&["a", "b"])),
            (&["W/\"a\", \"b\""], Some(&["b"])),
            (&["W/\"a\""], Some(&[])),
            (&["a"], Some(&[])),
            (&[""], Some(&[])),
        ] {
            let mut request = TestRequest::default();
            for line in lines {
                request = request.append_header((IF_MATCH, *line));
            }
            let found = if_match(&request.to_http_request());
            let found: Option<Vec<&str>> = found
                .as_ref()
                .map(|tags| tags.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_idempotency_key_has_a_bounded_length() {
        let longest = "k".repeat(MAX_IDEMPOTENCY_KEY);
        let too_long = "k".repeat(MAX_IDEMPOTENCY_KEY + 1);
        for (value, expected) in [
            ("k", Some("k")),
            (&longest, Some(&*longest)),
            (&too_long, None),
            ("", None),
            ("\u{e9}", None),
        ] {
            let request = TestRequest::default().insert_header((IDEMPOTENCY_KEY, value));
            let request = request.to_http_request();
            let found = idempotency_key(&request);
            assert_eq!(found.ok().flatten(), expected, "{value}");
        }
        let without = TestRequest::default().to_http_request();
        assert_eq!(idempotency_key(&without).unwrap(), None);
    }

    #[test]
    fn a_list_is_read_page_by_page() {
        let all = || -> Vec<String> { ["a", "b", "c"].map(str::to_owned).into() };
        for (limit, cursor, expected) in [
            (None, None, Some((3, None))),
            (Some(3), None, Some((3, None))),
            (Some(2), None, Some((2, Some("b")))),
            (Some(2), Some("b"), Some((1, None))),
            (Some(1), Some("a"), Some((1, Some("b")))),
            (Some(1), Some("c"), Some((0, None))),
            (Some(1), Some("x"), None),
            (Some(0), None, None),
            (Some(201), None, None),
        ] {
            let paging = Paging {
                limit: limit.map(PageSize),
                cursor: cursor.map(str::to_owned),
            };
            let page = Page::of(all(), &paging, |item| item).ok();
            let found = page
                .as_ref()
                .map(|page| (page.items.len(), page.next_cursor.as_deref()));
            assert_eq!(found, expected, "{limit:?} {cursor:?}");
        }
    }

    #[test]
    fn a_limit_is_a_number_of_digits_alone() {
        for (json, expected) in [
            ("\"1\"", Some(1)),
            ("\"050\"", Some(50)),
            ("\"\"", None),
            ("\"+5\"", None),
            ("\"-5\"", None),
            ("\" 5\"", None),
            ("\"5x\"", None),
        ] {
            let read = serde_json::from_str::<PageSize>(json).ok();
            assert_eq!(read.map(|PageSize(size)| size), expected, "{json}");
        }
    }

    #[test]
    fn a_token_must_be_for_the_management_api_alone() {
        let management = "https://issuer.example/api/v1";
        let other = "https://api.example";
        let many = |all: &[&str]| Audience::Many(all.iter().map(|&one| one.into()).collect());
        for (audience, expected) in [
            (Audience::One(management.into()), true),
            (Audience::One(other.into()), false),
            (many(&[management, other]), false),
            (many(&[other]), false),
        ] {
            let checked = check_audience(&audience, management);
            assert_eq!(checked.is_ok(), expected, "{:?}", checked.err());
        }
    }

    #[test]
    fn a_duration_is_seconds_or_a_text_with_a_unit() {
        for (json, seconds) in [
            ("0", Some(0)),
            ("90", Some(90)),
            ("\"90\"", Some(90)),
            ("\"24h\"", Some(24 * 3600)),
            ("\"2d\"", Some(2 * 24 * 3600)),
            ("-1", None),
            ("1.5", None),
            ("\"soon\"", None),
            ("\"+90\"", None),
            ("null", None),
        ] {
            let read = serde_json::from_str::<DurationInput>(json).ok();
            assert_eq!(read.map(|duration| duration.0.as_secs()), seconds, "{json}");
        }
    }
}
