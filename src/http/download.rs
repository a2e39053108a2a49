//! Responses that are produced while they are sent, for data that does not fit into memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_core::Stream;
use tokio::sync::mpsc::{self, Receiver};

use super::operation::HandlerResult;
use crate::error::Error;
use crate::manage::audit::Export;
use crate::manage::usage::Usage;
use crate::net::connections::Activity;

/// An export of the audit log as a file. Its first part is read before the response begins, so that an
/// error of the query has its own status.
///
/// # Errors
/// Those of [`Export::next_part`].
pub async fn audit(request: &HttpRequest, mut export: Export) -> HandlerResult {
    let first = export.next_part().await?.unwrap_or_default();
    let format = export.format();
    let file = format!("attachment; filename=\"audit.{}\"", format.as_str());
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, format.media_type()));
    response.insert_header((CONTENT_DISPOSITION, file));
    response.insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.streaming(Parts {
        parts: produce(first, export),
        activity: request.conn_data::<Arc<Activity>>().cloned(),
    }))
}

/// The usage of a client, an API key or a secret as a CSV file.
pub fn usage(usage: &Usage) -> HttpResponse {
    let file = format!(
        "attachment; filename=\"usage-by-{}.csv\"",
        usage.by.as_str()
    );
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, file))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(usage.to_csv())
}

/// Reads the parts of an export in a task, each while the one before it is sent.
fn produce(first: Vec<u8>, mut export: Export) -> Receiver<Result<Bytes, Error>> {
    let (sender, parts) = mpsc::channel(1);
    actix_web::rt::spawn(async move {
        let mut part = Ok(Some(first));
        while let Some(result) = part.transpose() {
            let has_failed = result.is_err();
            // The receiver is dropped together with the response if the caller goes away.
            let is_gone = sender.send(result.map(Bytes::from)).await.is_err();
            if has_failed || is_gone {
                return;
            }
            part = export.next_part().await;
        }
    });
    parts
}

/// The body of a response. After an error the connection is closed without the end of the body, so
/// that the caller notices that it is incomplete.
struct Parts {
    parts: Receiver<Result<Bytes, Error>>,
    activity: Option<Arc<Activity>>,
}

impl Stream for Parts {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let part = self.parts.poll_recv(context);
        if let Poll::Ready(Some(result)) = &part {
            if let Some(activity) = &self.activity {
                activity.make_progress();
            }
            if let Err(error) = result {
                tracing::warn!(error = error.reason(), "a download was broken off");
            }
        }
        part
    }
}
