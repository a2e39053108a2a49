//! The doors for machines. Every route is on this screen; a handler reads the request, calls one
//! verb and writes the answer.

use actix_web::guard::{Any, Get, Head};
use actix_web::{Resource, Route, web};

mod api_keys;
mod error;
mod extract;
mod health;
mod oauth;
mod observe;
mod verify;
mod well_known;

pub use observe::observe;

use crate::config::Issuer;

/// All routes; where the issuer has a path, below that path too, for proxies that leave it on.
pub fn routes(issuer: &Issuer, config: &mut web::ServiceConfig) {
    paths(config);
    if !issuer.path().is_empty() {
        // RFC 8414 section 3.1
        for path in [issuer.metadata_path(), format!("/.well-known/openid-configuration{}", issuer.path())] {
            config.service(resource(&path, "GET, HEAD").route(get().to(well_known::metadata)));
        }
        config.service(web::scope(issuer.path()).configure(paths));
    }
    config.default_service(web::to(error::unknown_path));
}

fn paths(config: &mut web::ServiceConfig) {
    config
        .service(resource("/oauth/token", "POST").route(web::post().to(oauth::token)))
        .service(resource("/oauth/introspect", "POST").route(web::post().to(oauth::introspect)))
        .service(resource("/oauth/revoke", "POST").route(web::post().to(oauth::revoke)))
        .service(resource("/oauth/register", "POST").route(web::post().to(oauth::register)))
        .service(
            resource("/oauth/register/{client_id}", "GET, HEAD, PUT, DELETE")
                .route(get().to(oauth::read_registration))
                .route(web::put().to(oauth::update_registration))
                .route(web::delete().to(oauth::delete_registration)),
        )
        .service(web::resource("/verify").route(web::route().to(verify::verify)))
        .service(resource("/apiKeys", "GET, POST").route(web::get().to(api_keys::list)).route(web::post().to(api_keys::create)))
        .service(resource("/apiKeys/{id}", "DELETE").route(web::delete().to(api_keys::delete)))
        .service(resource("/.well-known/jwks.json", "GET, HEAD").route(get().to(well_known::jwks)))
        .service(resource("/.well-known/oauth-authorization-server", "GET, HEAD").route(get().to(well_known::metadata)))
        .service(resource("/.well-known/openid-configuration", "GET, HEAD").route(get().to(well_known::metadata)))
        .service(resource("/healthz", "GET, HEAD").route(get().to(health::healthz)))
        .service(resource("/readyz", "GET, HEAD").route(get().to(health::readyz)));
}

/// A path; other methods than its own are answered with those that it `allow`s.
fn resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request| error::wrong_method(request, allow)))
}

fn get() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}
