//! Documents that are the same for all callers: `/openapi.json`, the authorization server metadata,
//! and the page `/docs`. Each is made at most once, when it is first requested, and sent from memory.

use std::sync::{Arc, OnceLock};

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Bytes, Data};
use arc_swap::ArcSwapOption;

use super::openapi;
use super::operation::{HandlerResult, JSON};
use crate::config::Settings;
use crate::error::Error;
use crate::oauth::{AuthorizationServer, server_metadata};

/// The policy of `/docs`: nothing is loaded from another host.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; \
                           frame-ancestors 'none'";

/// The documents of this server.
pub struct Documents {
    issuer: String,
    openapi: OnceLock<Bytes>,
    metadata: ArcSwapOption<Metadata>,
}

/// The authorization server metadata as JSON, and the settings that it was made from.
struct Metadata {
    settings: &'static Settings,
    document: Bytes,
}

impl Documents {
    /// The documents of this server, none of which is made yet.
    pub fn new(server: &AuthorizationServer) -> Self {
        Documents {
            issuer: server.issuer.as_str().to_owned(),
            openapi: OnceLock::new(),
            metadata: ArcSwapOption::empty(),
        }
    }

    /// The OpenAPI document as JSON. Making it is a large part of the CPU time of a start, and few
    /// servers are asked for it.
    fn openapi(&self) -> Bytes {
        let make = || {
            let document = openapi::document(&super::operations(), Some(&self.issuer));
            Bytes::from(document.to_string())
        };
        self.openapi.get_or_init(make).clone()
    }

    /// The authorization server metadata (RFC 8414) as JSON. It is made again after a reload of the
    /// settings.
    ///
    /// # Errors
    /// `server_error`.
    pub(super) fn metadata(&self, server: &AuthorizationServer) -> Result<Bytes, Error> {
        let settings = server.settings.current();
        if let Some(cached) = &*self.metadata.load()
            && std::ptr::eq(cached.settings, settings)
        {
            return Ok(cached.document.clone());
        }
        let document = serde_json::to_vec(&server_metadata::metadata(server))
            .map_err(|error| Error::server_error(error.to_string()))?;
        let document = Bytes::from(document);
        self.metadata.store(Some(Arc::new(Metadata {
            settings,
            document: document.clone(),
        })));
        Ok(document)
    }
}

/// `GET /openapi.json`
pub(super) async fn openapi(documents: Data<Documents>) -> HandlerResult {
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .content_type(JSON)
        .body(documents.openapi()))
}

/// `GET /docs`: a page to read the API and to try it.
pub(super) async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CONTENT_SECURITY_POLICY, DOCS_POLICY))
        .body(include_str!("docs/docs.html"))
}

/// `GET /docs/docs.js`
pub(super) async fn docs_script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(include_str!("docs/docs.js"))
}

/// `GET /docs/docs.css`
pub(super) async fn docs_style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(include_str!("docs/docs.css"))
}
