//! `/api/v1/…`: all that the command line can do, over HTTP. Callers present access tokens for the
//! management API, an audience of its own; their scope says what they may, and within which account.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, Header, IF_MATCH, IfMatch};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::extract::{self, parse};
use super::{context, error};
use crate::clock::{Timestamp, parse_duration};
use crate::error::{Code, Error};
use crate::manage::actor::Actor;
use crate::manage::idempotency::IdempotencyKey;
use crate::manage::version;
use crate::oauth::access_token::{Audience, NotInForce};
use crate::oauth::authorization::Authorization;
use crate::oauth::failure::Whose;
use crate::oauth::{AuthorizationServer, access_token};
use crate::scope::Scope;

pub mod accounts;
pub mod audit;
pub mod clients;
pub mod keys;
pub mod registration_tokens;
pub mod resources;
pub mod secrets;
pub mod signing_keys;
pub mod tokens;
pub mod traffic;
pub mod users;

/// What every handler gets.
pub type Server = Data<AuthorizationServer>;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const DEFAULT_PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;

/// Which part of a list is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// How many at the most; 50 where it is left out.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Paging {
    fn limit(&self) -> Result<usize, Error> {
        match self.limit.unwrap_or(DEFAULT_PAGE) {
            limit @ 1..=LARGEST_PAGE => Ok(limit),
            _ => Err(Error::new(
                Code::InvalidRequest,
                format!("A page has between one and {LARGEST_PAGE} rows"),
            )
            .field("limit")),
        }
    }
}

/// A span of time: seconds, or as people write it.
pub struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Seconds(u32),
            Text(String),
        }
        let wanted = |_| {
            serde::de::Error::custom(
                "a span of time is a number of seconds, or a text such as \"24h\"",
            )
        };
        match Written::deserialize(deserializer).map_err(wanted)? {
            Written::Seconds(seconds) => Ok(Span(Duration::from_secs(seconds.into()))),
            Written::Text(text) => parse_duration(&text)
                .map(Span)
                .map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Seconds, or a number with s, m, h or d behind it",
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": u32::MAX},
                {"type": "string", "pattern": "^[0-9]{1,4}[smhd]?$"},
            ],
            "examples": ["24h", 3600],
        })
    }
}

/// How credentials are rotated.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// For how long the old ones go on; a day where it is left out.
    grace: Option<Span>,
}

impl Rotation {
    fn grace(&self) -> Duration {
        self.grace
            .as_ref()
            .map_or(Duration::from_secs(24 * 3600), |span| span.0)
    }
}

/// A part of a list.
#[derive(Serialize, JsonSchema)]
pub struct Page<T> {
    items: Vec<T>,
    /// Where the next page begins; nothing on the last one.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Of a short list that is all in memory.
    fn of(all: Vec<T>, paging: &Paging, id: impl Fn(&T) -> &str) -> Result<Self, Error> {
        let limit = paging.limit()?;
        let begin = match &paging.cursor {
            None => 0,
            Some(cursor) => match all.iter().position(|item| id(item) == cursor) {
                Some(place) => place + 1,
                None => {
                    return Err(Error::new(
                        Code::InvalidRequest,
                        "There is no such place in the list",
                    )
                    .field("cursor"));
                }
            },
        };
        Ok(Page::from(
            all.into_iter().skip(begin).take(limit + 1).collect(),
            limit,
            id,
        ))
    }

    /// Of one row more than the page has, where there are more.
    fn from(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> &str) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items
            .last()
            .filter(|_| more)
            .map(|last| id(last).to_owned());
        Page { items, next_cursor }
    }
}

/// A new thing with its secrets, which are in this answer and in no other.
#[derive(Serialize, JsonSchema)]
pub struct Made<T> {
    #[serde(flatten)]
    thing: T,
    /// The client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// The API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    /// The ready `Authorization` header of the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<String>,
    /// The initial access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// What was done all the same, and is most likely not meant: a scope that none of the resource servers
    /// describes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    warnings: Vec<String>,
}

/// A thing that was changed.
#[derive(Serialize, JsonSchema)]
pub struct Changed<T> {
    #[serde(flatten)]
    thing: T,
    /// What was done all the same, and is most likely not meant: a scope that none of the resource servers
    /// describes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    warnings: Vec<String>,
}

impl<T> Made<T> {
    /// Without a secret, as a repetition is answered.
    fn again(thing: T) -> Self {
        Made {
            thing,
            client_secret: None,
            api_key: None,
            authorization: None,
            token: None,
            warnings: Vec::new(),
        }
    }
}

/// Who calls: the bearer of an active access token for the management API, and for nothing else.
async fn caller(server: &AuthorizationServer, request: &HttpRequest) -> Result<Actor, Error> {
    let header = extract::authorization(request)?;
    let header = header.as_deref().and_then(Authorization::parse);
    let context = context::of(server, request);
    let now = context.received_at;
    let Some(token) = header.as_ref().and_then(Authorization::bearer) else {
        return Err(Error::new(
            Code::InvalidToken,
            "An access token is needed, as Authorization: Bearer",
        ));
    };
    let refused = |NotInForce(reason)| {
        let refusal = Error::new(Code::InvalidToken, "The access token is not in force");
        server.failed(&context, &Whose::default(), &reason, refusal)
    };
    let verified = access_token::verify(server, token, now)
        .await?
        .map_err(refused)?;
    let claims = &verified.claims;
    let client = access_token::in_force(server, claims, now)
        .await?
        .map_err(refused)?;
    let audience = server.issuer.management_audience();
    // Whoever is shown a token that is for others too could present it here.
    if !matches!(&claims.aud, Audience::One(one) if *one == audience) {
        let reason = if claims.aud.iter().any(|one| one == audience) {
            format!(
                "The access token is for other resource servers too; ask for one with resource={audience} alone"
            )
        } else {
            format!(
                "The access token is for another resource server; the management API is {audience}"
            )
        };
        return Err(Error::new(Code::InvalidToken, reason));
    }
    // What was taken from the client is gone from its tokens here, too.
    if !client.client.resources.contains(&audience) {
        return Err(Error::new(
            Code::InvalidToken,
            "The client may not use the management API any more",
        ));
    }
    let scope: Scope = claims
        .scope
        .parse()
        .map_err(|_| Error::server_error("an issued scope is unreadable"))?;
    let scope = scope.intersection(&client.client.scope);
    let name = format!("client {}", claims.client_id);
    Ok(Actor::bearer(
        name,
        &client.client.account_id,
        &scope,
        &context,
    ))
}

/// A request that reads, or changes what is there.
async fn actor(server: &AuthorizationServer, request: &HttpRequest) -> Result<Arc<Actor>, Error> {
    Ok(Arc::new(caller(server, request).await?))
}

/// A request that makes something: its body, and what the same request made before, if it came with
/// an Idempotency-Key.
struct Creation<B> {
    actor: Arc<Actor>,
    body: B,
    once: Option<IdempotencyKey>,
}

impl<B: DeserializeOwned> Creation<B> {
    async fn read(
        server: &AuthorizationServer,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Self, Error> {
        let caller = caller(server, request).await?;
        let bytes = extract::json_body(request, payload, Code::InvalidRequest).await?;
        let body = parse("body", &bytes)?;
        let key = request
            .headers()
            .get(IDEMPOTENCY_KEY)
            .map(|value| value.to_str().unwrap_or_default());
        if key.is_some_and(|key| key.is_empty() || key.len() > 255) {
            let wrong = Error::new(
                Code::InvalidRequest,
                "Idempotency-Key has between one and 255 printable characters",
            );
            return Err(wrong.field("Idempotency-Key"));
        }
        let request = [request.path().as_bytes(), b"\0", &bytes].concat();
        let once = key.map(|key| IdempotencyKey::new(caller.name(), key, &request));
        Ok(Creation {
            actor: Arc::new(caller.with_idempotency_key(once.clone())),
            body,
            once,
        })
    }

    /// Makes a thing, or shows the one that the same request made before: also where both came at
    /// once, and only one of them could make it.
    async fn once<T>(
        &self,
        server: &AuthorizationServer,
        make: impl Future<Output = Result<Made<T>, Error>>,
        show: impl AsyncFnOnce(String) -> Result<Option<T>, Error>,
    ) -> Result<(StatusCode, Made<T>), Error> {
        let target = match self.made_before(server).await? {
            Some(target) => target,
            None => match make.await {
                Err(error) if error.code() == Code::AlreadyDone => {
                    self.made_before(server).await?.ok_or(error)?
                }
                made => return Ok((StatusCode::CREATED, made?)),
            },
        };
        let thing = show(target).await?;
        let gone = || {
            Error::new(
                Code::NotFound,
                "What this request made before is gone again",
            )
        };
        Ok((StatusCode::OK, Made::again(thing.ok_or_else(gone)?)))
    }

    /// What the same request made before.
    async fn made_before(&self, server: &AuthorizationServer) -> Result<Option<String>, Error> {
        match &self.once {
            Some(once) => once.previous_result(&server.store).await,
            None => Ok(None),
        }
    }
}

async fn body<B: DeserializeOwned>(request: &HttpRequest, payload: Payload) -> Result<B, Error> {
    parse(
        "body",
        &extract::json_body(request, payload, Code::InvalidRequest).await?,
    )
}

/// Reads the query, and names the parameter that is wrong.
fn query<Q: DeserializeOwned>(request: &HttpRequest) -> Result<Q, Error> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(request.query_string().as_bytes())
        .into_owned()
        .collect();
    let mut members = serde_json::Map::new();
    for (name, value) in pairs {
        // `limit` is the one number.
        let value = if name == "limit" {
            value
                .parse()
                .map_or(Value::String(value), |number: u64| number.into())
        } else {
            value.into()
        };
        if members.insert(name.clone(), value).is_some() {
            return Err(Error::new(Code::InvalidRequest, "A parameter is given twice").field(name));
        }
    }
    parse("query", Value::Object(members).to_string().as_bytes())
}

/// The versions of which the change was made to one (RFC 9110 section 13.1.1): the strong tags of all
/// `If-Match` lines. Where there is such a line without a tag that could match, none does.
fn expected(request: &HttpRequest) -> Option<Vec<String>> {
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

fn answer<T: Serialize>(
    request: &HttpRequest,
    result: Result<(StatusCode, T), Error>,
) -> HttpResponse {
    match result {
        Ok((status, body)) => HttpResponse::build(status)
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(body),
        Err(refused) => error::problem(request, &refused),
    }
}

fn ok<T: Serialize>(request: &HttpRequest, result: Result<T, Error>) -> HttpResponse {
    answer(request, result.map(|body| (StatusCode::OK, body)))
}

/// With the entity tag of what is shown.
fn tagged<T: Serialize>(request: &HttpRequest, result: Result<T, Error>) -> HttpResponse {
    tagged_changed(
        request,
        result.map(|thing| Changed {
            thing,
            warnings: Vec::new(),
        }),
    )
}

/// With the entity tag of the thing, which is the same whatever was warned of.
fn tagged_changed<T: Serialize>(
    request: &HttpRequest,
    result: Result<Changed<T>, Error>,
) -> HttpResponse {
    match result {
        Ok(body) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((ETAG, format!("\"{}\"", version(&body.thing))))
            .json(body),
        Err(refused) => error::problem(request, &refused),
    }
}

fn nothing(request: &HttpRequest, result: Result<(), Error>) -> HttpResponse {
    match result {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(refused) => error::problem(request, &refused),
    }
}
