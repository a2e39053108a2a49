//! Documents that are the same for everybody: made once, and then sent from one place in memory.

use std::sync::Arc;

use actix_web::web::Bytes;
use arc_swap::ArcSwapOption;

use super::openapi;
use crate::config::Settings;
use crate::error::Error;
use crate::oauth::{AuthorizationServer, server_metadata};

/// The documents of this server.
pub struct Documents {
    /// The description of the HTTP API, as JSON.
    pub openapi: Bytes,
    metadata: ArcSwapOption<Metadata>,
}

/// Authorization server metadata, as JSON, and the settings that it was made from.
struct Metadata {
    settings: &'static Settings,
    document: Bytes,
}

impl Documents {
    /// Makes what never changes.
    pub fn new(server: &AuthorizationServer) -> Self {
        let document = openapi::document(&super::operations(), Some(server.issuer.as_str()));
        Documents {
            openapi: document.to_string().into(),
            metadata: ArcSwapOption::empty(),
        }
    }

    /// Authorization server metadata (RFC 8414), as JSON. It is made anew after the settings were reloaded.
    ///
    /// # Errors
    /// A fault of Keyward's own.
    pub fn metadata(&self, server: &AuthorizationServer) -> Result<Bytes, Error> {
        let settings = server.settings.current();
        if let Some(kept) = &*self.metadata.load()
            && std::ptr::eq(kept.settings, settings)
        {
            return Ok(kept.document.clone());
        }
        let document = serde_json::to_vec(&server_metadata::metadata(server));
        let document =
            Bytes::from(document.map_err(|error| Error::server_error(error.to_string()))?);
        self.metadata.store(Some(Arc::new(Metadata {
            settings,
            document: document.clone(),
        })));
        Ok(document)
    }
}
