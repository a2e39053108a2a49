//! Protection against cross-site request forgery (CSRF): tokens, and the origin of a form.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::web::Data;

use crate::credential::Fingerprint;
use crate::error::{Error, refusal};
use crate::manage::AuthorizationServer;

/// The token of the forms of a session: the session's, and the account in use. A form that was opened in one
/// account must not act in another one.
pub(super) fn with_account(token: String, account_id: Option<&str>) -> String {
    match account_id {
        Some(id) => format!("{token}.{id}"),
        None => token,
    }
}

/// The token of the session, and the account, in the token of a form.
pub(super) fn split_account(token: &str) -> (&str, Option<&str>) {
    match token.split_once('.') {
        Some((token, account_id)) => (token, Some(account_id)),
        None => (token, None),
    }
}

/// Compares CSRF tokens in constant time. An empty token matches nothing.
pub(super) fn tokens_match(expected: &str, presented: &str) -> bool {
    !expected.is_empty()
        && Fingerprint::of(expected.as_bytes()).matches(&Fingerprint::of(presented.as_bytes()))
}

/// Rejects forms of other sites, as a second defence beside the CSRF token.
///
/// # Errors
/// `access_denied` if the browser says that another site sent the form.
pub(super) fn check_same_origin(request: &HttpRequest) -> Result<(), Error> {
    let issuer = request
        .app_data::<Data<AuthorizationServer>>()
        .map(|server| server.issuer.origin());
    if is_same_origin(request.headers(), issuer.as_deref()) {
        return Ok(());
    }
    Err(refusal::cross_site_form())
}

/// Whether the browser says that this site sent the request: by `Sec-Fetch-Site`, else by `Origin`.
/// A request with neither is not of a browser, so no other site can have made somebody's browser
/// send it.
fn is_same_origin(headers: &HeaderMap, issuer: Option<&str>) -> bool {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = header(HeaderName::from_static("sec-fetch-site"));
    if let Some(site) = site {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = header(ORIGIN) else {
        return true;
    };
    // A reverse proxy may have changed the host, so the issuer's origin counts too.
    let host = origin.split_once("://").map(|(_, host)| host);
    // `null` has no host; neither has a request over HTTP/2, so that two missing hosts do not match.
    issuer == Some(origin) || host.is_some() && host == header(HOST)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn csrf_tokens_match_only_themselves() {
        for (expected, presented, matches) in [
            ("token", "token", true),
            ("token", "Token", false),
            ("token", "token2", false),
            ("token", "", false),
            ("", "", false),
            ("", "token", false),
        ] {
            let found = tokens_match(expected, presented);
            assert_eq!(found, matches, "{expected:?} and {presented:?}");
        }
    }

    #[test]
    fn a_token_names_the_account() {
        for account_id in [None, Some("0190-a")] {
            let token = with_account("token".to_owned(), account_id);
            assert_eq!(split_account(&token), ("token", account_id));
        }
        assert_eq!(split_account(""), ("", None));
    }

    #[test]
    fn forms_of_other_sites_are_recognized() {
        let issuer = Some("https://auth.example");
        for (name, headers, same) in [
            ("not a browser", &[][..], true),
            (
                "same origin",
                &[("sec-fetch-site", "same-origin")][..],
                true,
            ),
            ("typed address", &[("sec-fetch-site", "none")][..], true),
            ("other site", &[("sec-fetch-site", "cross-site")][..], false),
            (
                "other host of the site",
                &[("sec-fetch-site", "same-site")][..],
                false,
            ),
            (
                "Sec-Fetch-Site wins over Origin",
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://auth.example"),
                ][..],
                false,
            ),
            (
                "origin of the issuer",
                &[("origin", "https://auth.example")][..],
                true,
            ),
            (
                "origin of the host",
                &[
                    ("origin", "http://10.0.0.1:8080"),
                    ("host", "10.0.0.1:8080"),
                ][..],
                true,
            ),
            (
                "other origin",
                &[("origin", "https://evil.example"), ("host", "auth.example")][..],
                false,
            ),
            ("opaque origin", &[("origin", "null")][..], false),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                );
            }
            assert_eq!(is_same_origin(&map, issuer), same, "{name}");
        }
    }
}
