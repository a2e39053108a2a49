//! The cookies of the portal: their names and their attributes.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};

use crate::manage::AuthorizationServer;

/// Holds the session id and its secret.
pub(super) const SESSION: &str = "keyward";

/// Holds the chosen language.
pub(super) const LANGUAGE: &str = "keyward_language";

/// Binds forms to the browser before there is a session.
pub(super) const CSRF: &str = "keyward_browser";

/// Holds the device token, which gives the browser its own sign-in rate limit. It authorizes
/// nothing.
pub(super) const DEVICE: &str = "keyward_known";

/// A cookie that scripts cannot read and that other sites cannot have sent with a form. The browser
/// deletes it when it closes, unless the caller sets a maximum age.
pub(super) fn build(server: &AuthorizationServer, name: &str, value: String) -> Cookie<'static> {
    let path = match server.issuer.path() {
        "" => "/",
        base => base,
    };
    Cookie::build(cookie_name(server, name), value)
        .path(path.to_owned())
        .http_only(true)
        .secure(requires_tls(server))
        .same_site(SameSite::Lax)
        .finish()
}

/// Whether cookies are sent over TLS only.
fn requires_tls(server: &AuthorizationServer) -> bool {
    server.settings.tls_cert.is_some() || server.issuer.as_str().starts_with("https://")
}

/// The name of a cookie. With the `__Host-` prefix (RFC 6265bis section 4.1.3.2) no other host of
/// the same domain can set it; the prefix needs TLS and the path `/`.
fn cookie_name(server: &AuthorizationServer, name: &str) -> String {
    if requires_tls(server) && server.issuer.path().is_empty() {
        format!("__Host-{name}")
    } else {
        name.to_owned()
    }
}

/// All values of a cookie in the request.
pub(super) fn values(
    server: &AuthorizationServer,
    request: &HttpRequest,
    name: &str,
) -> Vec<String> {
    let name = cookie_name(server, name);
    let Ok(cookies) = request.cookies() else {
        return Vec::new();
    };
    cookies
        .iter()
        .filter(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
        .collect()
}
