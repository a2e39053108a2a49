//! `/verify`: forward authentication for nginx `auth_request`, Traefik, Caddy and Envoy.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;

use super::dpop;
use super::extract::ApiRequest;
use super::operation::HandlerResult;
use crate::error::{Code, Error};
use crate::oauth::forward_auth::{self, ForwardAuthRequest, RequiredAccess};
use crate::oauth::grant::parse_scope;
use crate::scope::Scope;

/// The longest `X-Keyward-Scope`, in bytes. With it the head of the response stays below the 4 KiB
/// that proxies reserve by default (nginx's `proxy_buffer_size`).
const MAX_SCOPE_HEADER: usize = 2048;

/// `/verify`, by any method: proxies use the method of the request that they ask about.
pub(super) async fn verify(api: ApiRequest) -> HandlerResult {
    let required = required_access(api.head.query_string())?;
    let request = ForwardAuthRequest {
        // Proxies expect 401 and 403: a header that is unreadable authenticates nobody.
        authorization: api.authorization().unwrap_or_default().map(str::to_owned),
        dpop: dpop::header(&api.head),
        original: dpop::original_request(&api),
        required,
        context: api.context.clone(),
    };
    let identity = forward_auth::authenticate(&api.server, &request).await?;
    dpop::offer_nonce(&api.head, identity.next_nonce);
    let mut builder = HttpResponse::Ok();
    builder
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Keyward-Client-Id", identity.client_id))
        .insert_header(("X-Keyward-Account", identity.account))
        .insert_header(("X-Keyward-Token-Id", identity.token_id));
    let (scope, truncation) = scope_headers(&identity.scope, &request.required.scope);
    if truncation == Truncation::Narrowed {
        builder.insert_header(("X-Keyward-Scope-Truncated", "true"));
    }
    if let Some(scope) = scope {
        builder.insert_header(("X-Keyward-Scope", scope));
    }
    Ok(builder.finish())
}

/// Whether `X-Keyward-Scope` has the whole scope of the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truncation {
    Whole,
    Narrowed,
}

/// The value of `X-Keyward-Scope`. A scope that is too long is narrowed to what the proxy requires,
/// which the credential has.
fn scope_headers<'a>(granted: &'a Scope, required: &'a Scope) -> (Option<&'a str>, Truncation) {
    let fits = |scope: &Scope| scope.as_str().len() <= MAX_SCOPE_HEADER;
    if fits(granted) {
        (Some(granted.as_str()), Truncation::Whole)
    } else if !required.is_empty() && fits(required) {
        (Some(required.as_str()), Truncation::Narrowed)
    } else {
        (None, Truncation::Narrowed)
    }
}

/// What the proxy requires of the credential, by the query. Parameters that are unknown or empty are
/// refused: neither a typing error nor a variable of the proxy that is not set must let everything
/// pass.
fn required_access(query: &str) -> Result<RequiredAccess, Error> {
    let mut scopes: Vec<String> = Vec::new();
    let mut audiences = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        let values = match name.as_str() {
            "scope" => &mut scopes,
            "audience" => &mut audiences,
            _ => return Err(unknown_parameter(&name)),
        };
        if value.trim().is_empty() {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("The parameter {name} is empty; leave it out to allow any {name}"),
            ));
        }
        values.push(value);
    }
    Ok(RequiredAccess {
        scope: parse_scope(&scopes.join(" "))?,
        audiences,
    })
}

fn unknown_parameter(name: &str) -> Error {
    let name: String = name.chars().take(40).collect();
    Error::new(
        Code::InvalidRequest,
        format!("There is no parameter {name}; the parameters are scope and audience"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_says_what_is_required() {
        for (query, scope, audiences) in [
            ("", "", &[][..]),
            ("scope=a", "a", &[]),
            ("scope=a&scope=b+c", "a b c", &[]),
            (
                "audience=https%3A%2F%2Fx&scope=a&audience=y",
                "a",
                &["https://x", "y"],
            ),
        ] {
            let required = required_access(query).unwrap();
            assert_eq!(required.scope.as_str(), scope, "{query}");
            assert_eq!(required.audiences, audiences, "{query}");
        }
        for query in [
            "scop=a",
            "scope=",
            "scope=a&audience=",
            "scope=+",
            "x",
            "scope=a&b=c",
        ] {
            let error = required_access(query).err().map(|error| error.code());
            assert_eq!(error, Some(Code::InvalidRequest), "{query}");
        }
    }

    #[test]
    fn a_scope_that_is_too_long_for_a_header_is_narrowed() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        let long = scope(&"s".repeat(MAX_SCOPE_HEADER + 1));
        let short = scope("a b");
        let none = scope("");
        for (granted, required, expected) in [
            (&short, &none, (Some("a b"), Truncation::Whole)),
            (&none, &none, (Some(""), Truncation::Whole)),
            (&long, &short, (Some("a b"), Truncation::Narrowed)),
            (&long, &none, (None, Truncation::Narrowed)),
            (&long, &long, (None, Truncation::Narrowed)),
        ] {
            assert_eq!(scope_headers(granted, required), expected);
        }
    }
}
