//! The request that a thread works on, and its spans.
//!
//! A [`Scope`] holds both. It is entered by the thread that does the work, and handed over with
//! work that goes to another thread: the store's pools, the signers, password hashing, key fetches.
//! Log lines of an entered scope carry the request id and the trace id.
//!
//! The ids are always there: they are copied into a thread-local, which costs little. Spans of
//! `tracing` cost more, and are created only for traces that are sampled, while something takes
//! them: the exporter, or the log at the level `debug`.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tracing::Span;

use crate::credential::random_bytes;
use crate::request_context::RequestId;
use crate::trace_context::{SpanId, TraceContext};

/// The target of all spans. The exporter takes no others.
pub const TARGET: &str = "keyward::span";

/// The request that a thread works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentRequest {
    /// The request id.
    pub id: RequestId,
    /// The trace, and the span within it that the thread works on.
    pub trace: TraceContext,
    /// Whether the span of the request is enabled. If it is not, no child span is created.
    recorded: bool,
}

thread_local! {
    static CURRENT: Cell<Option<CurrentRequest>> = const { Cell::new(None) };
}

/// Returns the request that this thread works on.
pub fn current() -> Option<CurrentRequest> {
    CURRENT.get()
}

/// A part of the work on a request.
#[derive(Clone, Debug)]
pub struct Scope {
    request: Option<CurrentRequest>,
    span: Span,
}

impl Scope {
    /// The scope of a whole request. `span` creates its span, unless the trace is not sampled.
    pub fn request(id: RequestId, trace: TraceContext, span: impl FnOnce() -> Span) -> Self {
        let request = CurrentRequest {
            id,
            trace,
            recorded: false,
        };
        let span = if trace.is_sampled() {
            with_ids(Some(request), span)
        } else {
            Span::none()
        };
        Scope {
            request: Some(CurrentRequest {
                recorded: !span.is_disabled(),
                ..request
            }),
            span,
        }
    }

    /// A part of the request that this thread works on, in a span of its own. `span` is called only
    /// if the request is recorded.
    pub fn child(span: impl FnOnce() -> Span) -> Self {
        let request = CURRENT.get();
        match request {
            Some(parent) if parent.recorded => {
                let random = u64::from_be_bytes(random_bytes());
                let request = Some(CurrentRequest {
                    trace: parent.trace.child(SpanId::new(random)),
                    ..parent
                });
                Scope {
                    request,
                    span: with_ids(request, span),
                }
            }
            _ => Scope {
                request,
                span: Span::none(),
            },
        }
    }

    /// The request that this thread works on, without a span of its own.
    pub fn current() -> Self {
        Scope {
            request: CURRENT.get(),
            span: Span::none(),
        }
    }

    /// The span.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Runs `work` in this scope.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        let _span = self.span.enter();
        with_ids(self.request, work)
    }

    /// Runs `work` in this scope on a thread where it may block. It runs to its end even if the
    /// caller stops waiting.
    ///
    /// # Errors
    /// If `work` panics, or the runtime shuts down before it has begun.
    #[expect(clippy::disallowed_methods, reason = "the one place that calls it")]
    pub async fn run_blocking<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, UnfinishedWork> {
        let result = Arc::new(Mutex::new(None));
        let filled = result.clone();
        // Boxed and without a result, since tokio's task is compiled once for each type of closure
        // and of result: an eighth of all functions were copies of it.
        let work: Box<dyn FnOnce() + Send> = Box::new(move || {
            let value = self.in_scope(work);
            *filled.lock() = Some(value);
        });
        let finished = tokio::task::spawn_blocking(work).await;
        finished.map_err(|error| UnfinishedWork(error.to_string()))?;
        let value = result.lock().take();
        value.ok_or_else(|| UnfinishedWork("it left no result".to_owned()))
    }

    /// Runs a future in this scope.
    pub fn run<F: Future>(self, future: F) -> InScope<F> {
        InScope {
            future,
            scope: self,
        }
    }
}

/// Work on another thread did not finish: it panicked, or the runtime shut down.
#[derive(Debug, thiserror::Error)]
#[error("the work on another thread did not finish: {0}")]
pub struct UnfinishedWork(String);

/// Runs `work` with these ids, and restores those of before, also if `work` panics.
fn with_ids<T>(request: Option<CurrentRequest>, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<CurrentRequest>);

    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }

    let _restore = Restore(CURRENT.replace(request));
    work()
}

pin_project_lite::pin_project! {
    /// A future in a scope, see [`Scope::run`].
    pub struct InScope<F> {
        #[pin]
        future: F,
        scope: Scope,
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future;
        this.scope.in_scope(|| future.poll(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn id(number: u8) -> RequestId {
        RequestId::new(Timestamp::EPOCH, &[number; 10])
    }

    fn scope(number: u8) -> Scope {
        let trace = TraceContext::new(None, id(number).as_u128(), 1);
        Scope::request(id(number), trace, Span::none)
    }

    fn current_id() -> Option<RequestId> {
        current().map(|request| request.id)
    }

    #[test]
    fn the_current_request_is_that_of_the_innermost_scope() {
        assert_eq!(current_id(), None);
        scope(1).in_scope(|| {
            assert_eq!(current_id(), Some(id(1)));
            scope(2).in_scope(|| assert_eq!(current_id(), Some(id(2))));
            assert_eq!(current_id(), Some(id(1)));
            let panicked = std::panic::catch_unwind(|| scope(3).in_scope(|| panic!("expected")));
            assert!(panicked.is_err());
            assert_eq!(current_id(), Some(id(1)));
        });
        assert_eq!(current_id(), None);
    }

    #[tokio::test]
    async fn a_future_has_its_request_at_each_poll_and_hands_it_to_threads() {
        let work = async {
            tokio::task::yield_now().await;
            let here = current_id();
            let there = Scope::child(Span::none).run_blocking(current_id).await;
            (here, there.unwrap())
        };
        let other = async {
            tokio::task::yield_now().await;
            current_id()
        };
        let (found, none) = tokio::join!(scope(7).run(work), other);
        assert_eq!(found, (Some(id(7)), Some(id(7))));
        assert_eq!(none, None);
    }

    #[tokio::test]
    async fn a_panic_on_another_thread_is_an_error_that_says_so() {
        let work = || -> () { panic!("expected") };
        let error = scope(1).run_blocking(work).await.unwrap_err().to_string();
        assert!(
            error.contains("panicked") && error.contains("expected"),
            "{error}"
        );
    }

    #[test]
    fn no_span_is_created_below_a_request_that_is_not_recorded() {
        scope(1).in_scope(|| {
            let child = Scope::child(|| panic!("no span is wanted"));
            assert!(child.span().is_disabled());
            child.in_scope(|| assert_eq!(current_id(), Some(id(1))));
        });
        let without_request = Scope::child(|| panic!("there is no request"));
        assert!(without_request.span().is_disabled());
    }
}
