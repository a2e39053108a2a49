//! A resource server: `GET /orders` is for callers whose access token or API key has the scope
//! `orders:read`.
#![expect(clippy::print_stdout, reason = "the program prints its address")]

use std::io;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use keyward_verifier::{Caller, JwtCheck, Options, Verifier};
use serde_json::json;

async fn orders(caller: Caller) -> HttpResponse {
    HttpResponse::Ok().json(json!({"client_id": caller.client_id(), "orders": []}))
}

fn verifier() -> io::Result<Verifier> {
    let mut options = Options::new(required("ISSUER")?, required("AUDIENCE")?)
        .credentials(required("CLIENT_ID")?, required("CLIENT_SECRET")?);
    if std::env::var("INTROSPECT_JWTS").is_ok_and(|value| value == "true") {
        options = options.jwt_check(JwtCheck::Introspection);
    }
    if let Some(ttl) = seconds("CACHE_SECONDS") {
        options = options.cache_ttl(ttl, ttl);
    }
    if let Some(interval) = seconds("REFRESH_SECONDS") {
        options = options.min_refresh_interval(interval);
    }
    if let Ok(url) = std::env::var("RESOURCE_METADATA") {
        options = options.resource_metadata(url);
    }
    Verifier::new(options).map_err(io::Error::other)
}

fn seconds(name: &str) -> Option<Duration> {
    let value = std::env::var(name).ok()?.parse().ok()?;
    Some(Duration::from_secs(value))
}

fn required(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

async fn serve() -> io::Result<()> {
    let verifier = verifier()?;
    let app = move || {
        let orders = web::resource("/orders")
            .wrap(verifier.require("orders:read"))
            .route(web::get().to(orders));
        App::new().service(orders)
    };
    let port = std::env::var("PORT").unwrap_or_else(|_| "9000".to_owned());
    let server = HttpServer::new(app).bind(format!("127.0.0.1:{port}"))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}

fn main() -> io::Result<()> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    actix_web::rt::System::new().block_on(serve())
}
