//! What pages load beside themselves, from this server alone.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Path;
use actix_web::{HttpResponse, web};

use super::visit::Failure;
use crate::credential::Fingerprint;
use crate::error::{Code, Error};

/// A file in the binary.
pub struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
    version: LazyLock<String>,
}

impl Asset {
    /// Below `/portal`. What changes gets another path, so that browsers keep it for good.
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

/// How the pages look.
pub static STYLE: Asset = Asset {
    name: "portal.css",
    media_type: "text/css; charset=utf-8",
    content: include_str!("assets/portal.css"),
    version: LazyLock::new(|| version_of(include_str!("assets/portal.css"))),
};

/// Copying, counting down and refreshing; every page works without it.
pub static SCRIPT: Asset = Asset {
    name: "portal.js",
    media_type: "text/javascript; charset=utf-8",
    content: include_str!("assets/portal.js"),
    version: LazyLock::new(|| version_of(include_str!("assets/portal.js"))),
};

/// The picture in the browser's tab.
pub static ICON: Asset = Asset {
    name: "icon.svg",
    media_type: "image/svg+xml",
    content: include_str!("assets/icon.svg"),
    version: LazyLock::new(|| version_of(include_str!("assets/icon.svg"))),
};

/// Their routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(super::at("/assets/{version}/{name}", [super::get(serve)]));
}

async fn serve(path: Path<(String, String)>) -> Result<HttpResponse, Failure> {
    let found = [&STYLE, &SCRIPT, &ICON]
        .into_iter()
        .find(|asset| asset.name == path.1);
    let asset = found.ok_or_else(|| Error::new(Code::NotFound, "There is no such file"))?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_TYPE, asset.media_type));
    // While two versions serve beside each other, one may be asked for the other's file.
    let current = path.0 == *asset.version;
    answer.insert_header((
        CACHE_CONTROL,
        if current {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        },
    ));
    Ok(answer.body(asset.content))
}
