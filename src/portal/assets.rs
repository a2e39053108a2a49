//! The stylesheet, script and icon, embedded in the binary.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Path;
use actix_web::{HttpResponse, web};

use super::page_error::PageError;
use crate::credential::Fingerprint;
use crate::error::{Code, Error};

/// An embedded file.
pub struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
    version: LazyLock<String>,
}

impl Asset {
    /// The path below `/portal`. It holds a hash of the content, so that browsers can cache it for
    /// good.
    pub fn path(&self) -> String {
        format!("/assets/{}/{}", *self.version, self.name)
    }
}

fn version_of(content: &str) -> String {
    Fingerprint::of(content.as_bytes())
        .hex()
        .chars()
        .take(12)
        .collect()
}

/// The stylesheet.
pub static STYLE: Asset = Asset {
    name: "portal.css",
    media_type: "text/css; charset=utf-8",
    content: include_str!("assets/portal.css"),
    version: LazyLock::new(|| version_of(include_str!("assets/portal.css"))),
};

/// The script: copy buttons, countdowns and refreshing. Every page works without it.
pub static SCRIPT: Asset = Asset {
    name: "portal.js",
    media_type: "text/javascript; charset=utf-8",
    content: include_str!("assets/portal.js"),
    version: LazyLock::new(|| version_of(include_str!("assets/portal.js"))),
};

/// The icon of the browser tab.
pub static ICON: Asset = Asset {
    name: "icon.svg",
    media_type: "image/svg+xml",
    content: include_str!("assets/icon.svg"),
    version: LazyLock::new(|| version_of(include_str!("assets/icon.svg"))),
};

/// The routes of the assets.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(super::at("/assets/{version}/{name}", [super::get(serve)]));
}

async fn serve(path: Path<(String, String)>) -> Result<HttpResponse, PageError> {
    let found = [&STYLE, &SCRIPT, &ICON]
        .into_iter()
        .find(|asset| asset.name == path.1);
    let asset = found.ok_or_else(|| Error::new(Code::NotFound, "The file does not exist"))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, asset.media_type));
    // During a rolling update, a page of one version may load the asset of another version from
    // here.
    let current = path.0 == *asset.version;
    response.insert_header((
        CACHE_CONTROL,
        if current {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        },
    ));
    Ok(response.body(asset.content))
}
