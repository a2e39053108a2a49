//! Writes token records, many in one commit: whoever comes while a commit is under way shares the
//! next one. The caller goes on when its own record is on disk.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::pool::PATIENCE;
use super::token::{self, Token};
use super::{Store, StoreError};
use crate::span::{self, Scope};

/// The most records in one commit.
const BATCH: usize = 500;

/// How many records may wait; past it the answer is "could not write".
const QUEUE: usize = 4000;

type Reply = oneshot::Sender<Result<(), String>>;

/// A record to write, the reply to its caller, and the scope of the request that issued the token.
type Job = (Token, (Reply, Scope));

/// Where the record of each issued token goes.
pub enum TokenRecords {
    /// On disk before the answer.
    On(mpsc::Sender<Job>),
    /// Nowhere: issuing writes nothing.
    Off,
}

impl TokenRecords {
    /// Starts the writer, a thread of its own that ends when this is dropped.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(store: Arc<Store>) -> std::io::Result<Self> {
        let (sender, mut receiver) = mpsc::channel::<Job>(QUEUE);
        std::thread::Builder::new()
            .name("token-records".to_owned())
            .spawn(move || {
                let mut jobs = Vec::with_capacity(BATCH);
                while receiver.blocking_recv_many(&mut jobs, BATCH) > 0 {
                    let (rows, callers): (Vec<_>, Vec<_>) = jobs.drain(..).unzip();
                    let write = || {
                        store.append_twice_blocking(|database| token::insert_all(database, &rows))
                    };
                    // One commit serves many requests. What it logs carries the ids of the first.
                    let written = match callers.first() {
                        Some((_, scope)) => scope.in_scope(write),
                        None => write(),
                    };
                    let answer = written.map_err(|error| error.to_string());
                    for (caller, scope) in callers {
                        drop(scope);
                        // A caller that has hung up needs no answer.
                        let _ = caller.send(answer.clone());
                    }
                }
            })?;
        Ok(TokenRecords::On(sender))
    }

    /// How many records wait to be written.
    pub fn waiting(&self) -> usize {
        match self {
            TokenRecords::On(sender) => sender.max_capacity() - sender.capacity(),
            TokenRecords::Off => 0,
        }
    }

    /// Writes one; it is on disk when this returns.
    ///
    /// # Errors
    /// Where it could not be written, or not in time.
    pub async fn write(&self, row: Token) -> Result<(), StoreError> {
        let TokenRecords::On(sender) = self else {
            return Ok(());
        };
        let (answer, written) = oneshot::channel();
        let scope = Scope::child(
            || tracing::debug_span!(target: span::TARGET, "token record", otel.kind = "client"),
        );
        if sender.try_send((row, (answer, scope))).is_err() {
            return Err(StoreError::Unavailable(
                "too many token records are waiting".to_owned(),
            ));
        }
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(result)) => result.map_err(StoreError::Unavailable),
            Ok(Err(_)) => Err(StoreError::Fault(
                "the writer of token records has ended".to_owned(),
            )),
            Err(_) => Err(StoreError::Unavailable(
                "the token record was not written in time".to_owned(),
            )),
        }
    }
}
