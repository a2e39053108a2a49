//! HTTP endpoints for machines: OAuth, API keys, management, forward authentication, health and
//! metrics. One table has all operations ([`operations()`]); the routes and `/openapi.json` are made
//! from it. A handler reads the request, calls one function of [`oauth`](crate::oauth) or
//! [`manage`](crate::manage) and returns a response or an [`Error`](crate::error::Error), from which
//! the route makes the response.

use std::collections::BTreeMap;

use actix_web::guard::{Any, Get, Head, Options};
use actix_web::http::Method;
use actix_web::{HttpRequest, Resource, Route, web};

mod api_keys;
pub mod context;
mod documents;
pub mod download;
mod dpop;
pub mod error;
pub mod extract;
mod health;
mod in_flight;
mod management;
mod metrics;
mod oauth;
mod observe;
pub mod openapi;
mod operation;
mod operations;
pub mod route;
mod schemas;
mod verify;
mod well_known;

pub use documents::Documents;
pub use metrics::ProcessState;
pub use observe::observe;
pub use operations::operations;

use crate::config::Issuer;
use operation::Operation;
use route::{Cors, RouteOptions};

/// Adds all routes. If the issuer has a path they are also below that path, for proxies that do not
/// strip it.
pub fn routes(issuer: &Issuer, config: &mut web::ServiceConfig) {
    add_routes(config);
    if !issuer.path().is_empty() {
        // RFC 8414 section 3.1: the issuer's path comes after the well-known name.
        for path in [
            issuer.metadata_path(),
            format!("/.well-known/openid-configuration{}", issuer.path()),
        ] {
            let metadata = Operation::get("", "", "", well_known::metadata).any_origin();
            config.service(resource(&path, &[&metadata]));
        }
        config.service(web::scope(issuer.path()).configure(add_routes));
    }
    config.default_service(web::to(error::unknown_path));
}

fn add_routes(config: &mut web::ServiceConfig) {
    let operations = operations();
    let mut paths: Vec<&str> = Vec::new();
    let mut by_path: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in &operations {
        let of_path = by_path.entry(operation.path).or_default();
        if of_path.is_empty() {
            paths.push(operation.path);
        }
        of_path.push(operation);
    }
    // actix tries one path after the other: in the order of the table, but those of the management
    // API after those that every request of a resource server or a proxy takes, and those with
    // parameters last, since each of them takes a regular expression.
    paths.sort_by_key(|path| (path.contains('{'), path.starts_with("/api/v1")));
    for path in paths {
        config.service(resource(path, &by_path[path]));
    }
    config.service(web::resource("/docs").route(get().to(documents::docs)));
    config.service(web::resource("/docs/docs.js").route(get().to(documents::docs_script)));
    config.service(web::resource("/docs/docs.css").route(get().to(documents::docs_style)));
}

/// The resource at a path that serves these operations, and refuses other methods.
fn resource(path: &str, operations: &[&Operation]) -> Resource {
    let options = operations
        .first()
        .map_or_else(RouteOptions::default, |operation| operation.options);
    let mut resource = web::resource(path).app_data(options);
    let mut allow = Vec::new();
    for operation in operations {
        resource = resource.route(operation.route());
        allow.push(operation.method.as_str());
        if operation.method == Method::GET {
            allow.push("HEAD");
        }
    }
    if options.cors == Cors::AnyOrigin {
        let preflight = Route::new().guard(Options()).to(well_known::preflight);
        resource = resource.route(preflight);
        allow.push("OPTIONS");
    }
    let allow = allow.join(", ");
    let refuse = move |request: HttpRequest| {
        let response = error::wrong_method(&request, &allow);
        async { response }
    };
    resource.default_service(web::to(refuse))
}

fn get() -> Route {
    Route::new().guard(Any(Get()).or(Head()))
}
