//! `/openapi.json`: the OpenAPI description of all operations. The routes are made from the same
//! table, so neither can leave out what the other has.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Authentication, JSON, Operation};
use super::route::ErrorFormat;
use crate::manage::rights::Right;

/// The tags, in the order in which they are shown, with their descriptions.
const TAGS: [(&str, &str); 5] = [
    ("OAuth", "Endpoints for OAuth clients and resource servers"),
    (
        "Registration",
        "Dynamic client registration (RFC 7591 and RFC 7592)",
    ),
    (
        "API keys",
        "The API keys of the calling client, in the format of the Codat platform",
    ),
    (
        "Management",
        "Administration, with the same operations as the command line",
    ),
    ("Public", "Endpoints without authentication of the caller"),
];

/// The statuses of errors, with their descriptions.
const ERRORS: [(u16, &str); 10] = [
    (400, "The request is invalid; the error says why"),
    (401, "The caller is not authenticated"),
    (403, "The caller is authenticated, but not authorized"),
    (
        404,
        "The object does not exist, or is not visible to the caller",
    ),
    (409, "Conflicts with the current state of an object"),
    (412, "The object was changed since the caller read it"),
    (413, "The request body is too large"),
    (
        422,
        "The Idempotency-Key was used before for another request",
    ),
    (
        429,
        "Rate limited: too many failures or slow requests; Retry-After says when to retry",
    ),
    (
        503,
        "Temporarily unavailable, for example without the database; Retry-After says when to retry",
    ),
];

impl ErrorFormat {
    /// The first part of the names of error responses.
    const fn name(self) -> &'static str {
        match self {
            ErrorFormat::OAuth => "OAuthError",
            ErrorFormat::Problem => "Problem",
            ErrorFormat::Codat => "KeyError",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            ErrorFormat::OAuth | ErrorFormat::Codat => JSON,
            ErrorFormat::Problem => "application/problem+json",
        }
    }

    fn schema(self) -> Value {
        let text = json!({"type": "string"});
        match self {
            ErrorFormat::OAuth => json!({
                "type": "object",
                "required": ["error", "error_description"],
                "properties": {"error": text, "error_description": text},
            }),
            ErrorFormat::Problem => json!({
                "type": "object",
                "required": ["type", "title", "status", "detail", "code"],
                "properties": {
                    "type": text,
                    "title": text,
                    "status": {"type": "integer"},
                    "detail": text,
                    "code": text,
                    "requestId": text,
                    "field": {"type": "string", "description": "The invalid member of the request"},
                },
            }),
            ErrorFormat::Codat => json!({
                "type": "object",
                "required": ["statusCode", "error", "correlationId"],
                "properties": {
                    "statusCode": {"type": "integer"},
                    "service": text,
                    "error": text,
                    "correlationId": text,
                    "canBeRetried": text,
                    "detailedErrorCode": {"type": "integer"},
                },
            }),
        }
    }
}

impl Authentication {
    fn security(self) -> Value {
        match self {
            Authentication::None => json!([]),
            Authentication::Client => json!([{"client": []}, {}]),
            Authentication::RegistrationToken => json!([{"registrationToken": []}, {}]),
            Authentication::ApiKey => json!([{"apiKey": []}]),
            Authentication::Management(scope) => json!([{"management": [scope]}]),
        }
    }
}

/// The tag of an operation.
fn tag(operation: &Operation) -> &'static str {
    match (operation.authentication, operation.options.error_format) {
        (Authentication::Client, _) | (Authentication::None, ErrorFormat::OAuth) => "OAuth",
        (Authentication::RegistrationToken, _) => "Registration",
        (Authentication::ApiKey, _) => "API keys",
        (Authentication::Management(_), _) => "Management",
        (Authentication::None, ErrorFormat::Problem | ErrorFormat::Codat) => "Public",
    }
}

/// The Operation Object.
fn operation_object(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut object = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag(operation)],
        "responses": responses(operation, generator),
        "security": operation.authentication.security(),
    });
    let scope = match operation.authentication {
        Authentication::Management(scope) => Some(format!("Requires the scope `{scope}`.")),
        _ => None,
    };
    let description: Vec<&str> = scope.as_deref().into_iter().chain(operation.note).collect();
    if !description.is_empty() {
        object["description"] = json!(description.join(" "));
    }
    let parameters = parameters(operation, generator);
    if !parameters.is_empty() {
        object["parameters"] = json!(parameters);
    }
    if let Some((media_type, schema)) = operation.body {
        object["requestBody"] =
            json!({"required": true, "content": {media_type: {"schema": schema(generator)}}});
    }
    object
}

fn responses(operation: &Operation, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut responses = Map::new();
    for success in &operation.successes {
        // Responses of one status differ in their media type.
        let response = responses
            .entry(success.status.to_string())
            .or_insert_with(|| {
                json!({
                    "description": success.description,
                    "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
                })
            });
        if let Some((media_type, schema)) = success.body {
            response["content"][media_type] = json!({"schema": schema(generator)});
        }
    }
    let format = operation.options.error_format.name();
    for status in &operation.errors {
        let reference = format!("#/components/responses/{format}{status}");
        responses.insert(status.to_string(), json!({"$ref": reference}));
    }
    responses
}

fn parameters(operation: &Operation, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut parameters: Vec<Value> = path_parameters(operation.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if let Some(query) = operation.query {
        parameters.extend(query_parameters(query(generator).to_value()));
    }
    if operation.idempotent {
        parameters.push(header_parameter(
            "Idempotency-Key",
            "A unique key of this creation: a repeated request with it creates nothing again",
        ));
    }
    if operation.conditional {
        parameters.push(header_parameter(
            "If-Match",
            "ETags of the object as the caller read it; any other version is refused",
        ));
    }
    parameters
}

fn header_parameter(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "in": "header",
        "description": description,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    })
}

/// The names of the parameters in a path.
fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// The members of a schema as query parameters.
fn query_parameters(mut schema: Value) -> Vec<Value> {
    let required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
    let Some(members) = schema["properties"].as_object_mut() else {
        return Vec::new();
    };
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        let mut parameter = json!({
            "name": name,
            "in": "query",
            "required": required.contains(&json!(name)),
            "schema": schema,
        });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    };
    std::mem::take(members).into_iter().map(parameter).collect()
}

/// The OpenAPI 3.1 document of these operations.
pub fn document(operations: &[Operation], issuer: Option<&str>) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let method = operation.method.as_str().to_lowercase();
        let object = operation_object(operation, &mut generator);
        paths
            .entry(operation.path)
            .or_default()
            .insert(method, object);
    }
    let tags = TAGS.map(|(name, description)| json!({"name": name, "description": description}));
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
            "responses": error_responses(operations),
            "headers": {"X-Request-Id": {
                "description": "The id of the request in the log",
                "schema": {"type": "string", "format": "uuid"},
            }},
            "securitySchemes": security_schemes(),
        },
    })
}

fn security_schemes() -> Value {
    let scopes: Map<String, Value> = Right::ALL
        .iter()
        .map(|right| (right.as_str().to_owned(), json!("")))
        .collect();
    json!({
        "client": {
            "type": "http",
            "scheme": "basic",
            "description": "client_id and client_secret, also in the body; or a client assertion",
        },
        "registrationToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "An initial access token, or the registration access token of the client",
        },
        "apiKey": {
            "type": "http",
            "scheme": "basic",
            "description": "The API key as the user name, without a password; or as a Bearer token",
        },
        "management": {
            "type": "oauth2",
            "description": "An access token for the management API, as a Bearer token or by DPoP",
            "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": scopes}},
        },
    })
}

/// The error responses that operations refer to, for each format and status.
fn error_responses(operations: &[Operation]) -> Map<String, Value> {
    let mut responses = Map::new();
    for format in [ErrorFormat::OAuth, ErrorFormat::Problem, ErrorFormat::Codat] {
        let is_used = |status: u16| {
            operations.iter().any(|operation| {
                operation.options.error_format == format && operation.errors.contains(&status)
            })
        };
        for (status, description) in ERRORS.into_iter().filter(|(status, _)| is_used(*status)) {
            let response = json!({
                "description": description,
                "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
                "content": {format.media_type(): {"schema": format.schema()}},
            });
            responses.insert(format!("{}{status}", format.name()), response);
        }
    }
    responses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_parameters_are_the_segments_in_braces() {
        for (path, expected) in [
            ("/oauth/token", &[][..]),
            ("/apiKeys/{id}", &["id"]),
            (
                "/clients/{client_id}/keys/{id}/rotate",
                &["client_id", "id"],
            ),
        ] {
            let found: Vec<&str> = path_parameters(path).collect();
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn the_members_of_a_schema_become_query_parameters() {
        let schema = json!({
            "type": "object",
            "required": ["client"],
            "properties": {
                "client": {"type": "string", "description": "The client"},
                "limit": {"type": "integer"},
            },
        });
        let expected = [
            json!({"name": "client", "in": "query", "required": true, "schema": {"type": "string"}, "description": "The client"}),
            json!({"name": "limit", "in": "query", "required": false, "schema": {"type": "integer"}}),
        ];
        assert_eq!(query_parameters(schema), expected);
        assert!(query_parameters(json!({"type": "object"})).is_empty());
    }

    #[test]
    fn every_reference_of_the_document_leads_to_something() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = document(&super::super::operations(), None);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_error_status_of_an_operation_has_a_description() {
        for operation in super::super::operations() {
            for status in &operation.errors {
                let known = ERRORS.iter().any(|(known, _)| known == status);
                assert!(known, "{} {status}", operation.id);
            }
        }
    }
}
