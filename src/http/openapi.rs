//! `/openapi.json`, made from the same table as the routes, so that neither can say what the other
//! does not; and `/docs`, a page to read and try it, with nothing from another host.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::Data;
use actix_web::{HttpResponse, Route};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::documents::Documents;
use crate::manage::rights::Right;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// How an operation says that something is wrong.
#[derive(Clone, Copy, PartialEq)]
enum Errors {
    OAuth,
    Problem,
    Codat,
}

impl Errors {
    const fn name(self) -> &'static str {
        match self {
            Errors::OAuth => "OAuthError",
            Errors::Problem => "Problem",
            Errors::Codat => "KeyError",
        }
    }
}

/// Who may call.
#[derive(Clone, Copy, PartialEq)]
enum Caller {
    Anybody,
    Client,
    ApiKey,
    RegistrationToken,
    /// With this scope.
    Management(&'static str),
}

/// A status, what it means, and what is in its body.
type Answer = (u16, &'static str, Option<(&'static str, SchemaOf)>);

/// One method of one path: its route and its description.
pub struct Operation {
    /// Of HTTP.
    pub method: Method,
    /// With its parameters in braces.
    pub path: &'static str,
    /// What answers.
    pub route: fn() -> Route,
    id: &'static str,
    summary: &'static str,
    caller: Caller,
    errors: Errors,
    query: Option<SchemaOf>,
    body: Option<(&'static str, SchemaOf)>,
    answers: Vec<Answer>,
    refusals: Vec<u16>,
    note: Option<&'static str>,
    idempotent: bool,
    conditional: bool,
    /// Whether pages of any origin may read it (CORS).
    pub any_origin: bool,
}

impl Operation {
    fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        route: fn() -> Route,
    ) -> Self {
        Operation {
            method,
            path,
            route,
            id,
            summary,
            caller: Caller::Anybody,
            errors: Errors::Problem,
            query: None,
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            note: None,
            idempotent: false,
            conditional: false,
            any_origin: false,
        }
    }

    /// GET, and with it HEAD.
    pub fn get(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        route: fn() -> Route,
    ) -> Self {
        Operation::new(Method::GET, path, id, summary, route)
    }

    /// POST
    pub fn post(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        route: fn() -> Route,
    ) -> Self {
        Operation::new(Method::POST, path, id, summary, route)
    }

    /// PUT
    pub fn put(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        route: fn() -> Route,
    ) -> Self {
        Operation::new(Method::PUT, path, id, summary, route)
    }

    /// PATCH
    pub fn patch(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        route: fn() -> Route,
    ) -> Self {
        Operation::new(Method::PATCH, path, id, summary, route)
    }

    /// DELETE
    pub fn delete(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        route: fn() -> Route,
    ) -> Self {
        Operation::new(Method::DELETE, path, id, summary, route)
    }

    /// An OAuth endpoint: its client authenticates, its errors are RFC 6749's.
    pub fn by_client(mut self) -> Self {
        (self.caller, self.errors) = (Caller::Client, Errors::OAuth);
        self.refuses(&[400, 401, 413, 429, 503])
    }

    /// The registration endpoints.
    pub fn by_registrant(mut self) -> Self {
        (self.caller, self.errors) = (Caller::RegistrationToken, Errors::OAuth);
        self.refuses(&[400, 401, 429, 503])
    }

    /// `/apiKeys`
    pub fn by_api_key(mut self) -> Self {
        (self.caller, self.errors) = (Caller::ApiKey, Errors::Codat);
        self.refuses(&[400, 401, 403, 429, 503])
    }

    /// The management API, with this scope.
    pub fn with(mut self, scope: &'static str) -> Self {
        self.caller = Caller::Management(scope);
        self.refuses(&[400, 401, 403, 404, 429, 503])
    }

    /// A sentence for the description, after the scope that it needs.
    pub fn note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// What else it may refuse with.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self.refusals.sort_unstable();
        self.refusals.dedup();
        self
    }

    /// What it reads from the query.
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(|generator| generator.root_schema_for::<T>());
        self
    }

    /// What it reads from a JSON body.
    pub fn json<T: JsonSchema>(mut self) -> Self {
        self.body = Some((JSON, |generator| generator.subschema_for::<T>()));
        self.refuses(&[413])
    }

    /// What it reads from a form.
    pub fn form<T: JsonSchema>(mut self) -> Self {
        self.body = Some((FORM, |generator| generator.subschema_for::<T>()));
        self
    }

    /// What it answers.
    pub fn answers<T: JsonSchema>(mut self, status: u16, what: &'static str) -> Self {
        self.answers.push((
            status,
            what,
            Some((JSON, |generator| generator.subschema_for::<T>())),
        ));
        self
    }

    /// What it answers, of another media type.
    pub fn answers_as<T: JsonSchema>(
        mut self,
        status: u16,
        what: &'static str,
        media_type: &'static str,
    ) -> Self {
        self.answers.push((
            status,
            what,
            Some((media_type, |generator| generator.subschema_for::<T>())),
        ));
        self
    }

    /// What it answers without a body.
    pub fn empty(mut self, status: u16, what: &'static str) -> Self {
        self.answers.push((status, what, None));
        self
    }

    /// Pages of any origin may read it (CORS), and ask beforehand.
    pub fn for_any_origin(mut self) -> Self {
        self.any_origin = true;
        self
    }

    /// It makes something, and takes an Idempotency-Key.
    pub fn makes<T: JsonSchema>(mut self) -> Self {
        self.idempotent = true;
        self.answers::<T>(201, "Made; its secrets are shown this once")
            .answers::<T>(
                200,
                "Made by the same request before, with this Idempotency-Key; without its secrets",
            )
            .refuses(&[409, 413, 422])
    }

    /// It changes something, and takes an If-Match.
    pub fn conditional(mut self) -> Self {
        self.conditional = true;
        self.refuses(&[412])
    }

    fn describe(&self, generator: &mut SchemaGenerator) -> Value {
        let mut parameters = self.path_parameters();
        if let Some(query) = self.query {
            parameters.extend(query_parameters(query(generator).to_value()));
        }
        let header = |name: &str, description: &str| json!({"name": name, "in": "header", "description": description, "schema": {"type": "string", "minLength": 1, "maxLength": 255}});
        if self.idempotent {
            parameters.push(header(
                "Idempotency-Key",
                "Of several requests with it, one is done",
            ));
        }
        if self.conditional {
            parameters.push(header("If-Match", "The ETag that the change was made to"));
        }
        let mut responses = Map::new();
        for (status, what, body) in &self.answers {
            let mut response = json!({"description": what, "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}});
            if let Some((media_type, schema)) = body {
                response["content"] = json!({*media_type: {"schema": schema(generator)}});
            }
            responses.insert(status.to_string(), response);
        }
        for status in &self.refusals {
            let shape = self.errors.name();
            responses.insert(
                status.to_string(),
                json!({"$ref": format!("#/components/responses/{shape}{status}")}),
            );
        }
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag()],
            "responses": responses,
            "security": self.security(),
        });
        let needs = match self.caller {
            Caller::Management(scope) => Some(format!("Needs the scope `{scope}`.")),
            _ => None,
        };
        let description: Vec<&str> = needs.as_deref().into_iter().chain(self.note).collect();
        if !description.is_empty() {
            operation["description"] = json!(description.join(" "));
        }
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some((media_type, schema)) = self.body {
            operation["requestBody"] =
                json!({"required": true, "content": {media_type: {"schema": schema(generator)}}});
        }
        operation
    }

    fn tag(&self) -> &'static str {
        match self.caller {
            Caller::Client => "OAuth",
            Caller::RegistrationToken => "Registration",
            Caller::ApiKey => "API keys",
            Caller::Management(_) => "Management",
            Caller::Anybody => "Public",
        }
    }

    fn security(&self) -> Value {
        match self.caller {
            Caller::Anybody => json!([]),
            Caller::Client => json!([{"client": []}, {}]),
            Caller::RegistrationToken => json!([{"registrationToken": []}, {}]),
            Caller::ApiKey => json!([{"apiKey": []}]),
            Caller::Management(scope) => json!([{"management": [scope]}]),
        }
    }

    fn path_parameters(&self) -> Vec<Value> {
        let named = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        named.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect()
    }
}

/// The members of a query's schema, as parameters.
fn query_parameters(mut schema: Value) -> Vec<Value> {
    let required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
    let Some(members) = schema["properties"].as_object_mut() else {
        return Vec::new();
    };
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        let mut parameter = json!({"name": name, "in": "query", "required": required.contains(&json!(name)), "schema": schema});
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    };
    std::mem::take(members).into_iter().map(parameter).collect()
}

/// The description of all operations (OpenAPI 3.1).
pub fn document(operations: &[Operation], issuer: Option<&str>) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let described = operation.describe(&mut generator);
        paths
            .entry(operation.path)
            .or_default()
            .insert(operation.method.as_str().to_lowercase(), described);
    }
    let tags = [
        ("OAuth", "What clients and resource servers ask"),
        ("Registration", "Clients that register themselves"),
        (
            "API keys",
            "A client's own keys, in the shape of the Codat platform",
        ),
        ("Management", "All that the command line can do"),
        ("Public", "What everybody may ask"),
    ];
    let tags = tags.map(|(name, description)| json!({"name": name, "description": description}));
    let server = issuer.map_or("/", |issuer| issuer.trim_end_matches('/'));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keyward",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An OAuth 2.0 authorization server for machines.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": refusals(operations),
            "headers": {"X-Request-Id": {"description": "Names the request in the log", "schema": {"type": "string", "format": "uuid"}}},
            "securitySchemes": security_schemes(),
        },
    })
}

fn security_schemes() -> Value {
    json!({
        "client": {"type": "http", "scheme": "basic", "description": "client_id and client_secret; or both in the body; or a client assertion"},
        "registrationToken": {"type": "http", "scheme": "bearer", "description": "An initial access token, or the client's registration access token"},
        "apiKey": {"type": "http", "scheme": "basic", "description": "The API key as the user, without a password; or as Bearer"},
        "management": {"type": "oauth2", "description": "A token for Keyward itself", "flows": {"clientCredentials": {
            "tokenUrl": "/oauth/token",
            "scopes": Right::ALL.iter().map(|right| (right.as_str().to_owned(), json!(""))).collect::<Map<_, _>>(),
        }}},
    })
}

/// Each way to refuse, in each shape.
fn refusals(operations: &[Operation]) -> Value {
    let words = [
        (400, "The request is wrong; the error says in what"),
        (401, "Not authenticated"),
        (403, "Authenticated, but without the right"),
        (404, "Not there, for this caller"),
        (409, "It clashes with what is there"),
        (412, "It was changed meanwhile"),
        (413, "The body is too large"),
        (422, "The Idempotency-Key came with another request before"),
        (
            429,
            "Too many failures, or slow requests at once; Retry-After says when to try again",
        ),
        (
            503,
            "The database is away; Retry-After says when to try again",
        ),
    ];
    let text = json!({"type": "string"});
    let shapes = [
        (
            Errors::OAuth,
            JSON,
            json!({"type": "object", "required": ["error", "error_description"], "properties": {"error": text, "error_description": text}}),
        ),
        (
            Errors::Problem,
            "application/problem+json",
            json!({
                "type": "object", "required": ["type", "title", "status", "detail", "code"],
                "properties": {
                    "type": text, "title": text, "status": {"type": "integer"}, "detail": text, "code": text, "requestId": text,
                    "field": {"type": "string", "description": "The member of the request that is wrong"},
                },
            }),
        ),
        (
            Errors::Codat,
            JSON,
            json!({
                "type": "object", "required": ["statusCode", "error", "correlationId"],
                "properties": {
                    "statusCode": {"type": "integer"}, "service": text, "error": text, "correlationId": text,
                    "canBeRetried": text, "detailedErrorCode": {"type": "integer"},
                },
            }),
        ),
    ];
    let mut responses = Map::new();
    for (errors, media_type, schema) in shapes {
        let used = |status| {
            operations
                .iter()
                .any(|one| one.errors == errors && one.refusals.contains(&status))
        };
        let name = errors.name();
        for (status, description) in words.into_iter().filter(|(status, _)| used(*status)) {
            let response = json!({
                "description": description,
                "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
                "content": {media_type: {"schema": schema}},
            });
            responses.insert(format!("{name}{status}"), response);
        }
    }
    responses.into()
}

/// GET `/openapi.json`
pub async fn openapi(documents: Data<Documents>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .content_type(JSON)
        .body(documents.openapi.clone())
}

/// GET `/docs`
pub async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"))
        .body(include_str!("docs/docs.html"))
}

/// GET `/docs/docs.js`
pub async fn docs_script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(include_str!("docs/docs.js"))
}

/// GET `/docs/docs.css`
pub async fn docs_style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(include_str!("docs/docs.css"))
}
