//! Group commit of token records: all records that arrive during a commit share the next one. A
//! caller continues when its own record is on disk.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::pool::TIMEOUT;
use super::token::{self, Token};
use super::{Store, StoreError};
use crate::span::{self, Scope};

/// The most records in one commit.
const BATCH: usize = 500;

/// How many records may wait to be written. Further ones are refused as unavailable.
const QUEUE: usize = 4000;

type Reply = oneshot::Sender<Result<(), StoreError>>;

/// A record to write, the reply to its caller, and the scope of the request that issued the token.
type Job = (Token, (Reply, Scope));

/// The writer of token records.
pub enum TokenRecords {
    /// Each record is on disk before the token response.
    On(mpsc::Sender<Job>),
    /// No records: issuing a token writes nothing.
    Off,
}

impl TokenRecords {
    /// Starts the writer on a thread of its own, which ends when the value is dropped.
    ///
    /// # Errors
    /// The error of the operating system if it starts no thread.
    pub fn start(store: Arc<Store>) -> std::io::Result<Self> {
        let (sender, mut receiver) = mpsc::channel::<Job>(QUEUE);
        std::thread::Builder::new()
            .name("token-records".to_owned())
            .spawn(move || {
                let mut jobs = Vec::with_capacity(BATCH);
                while receiver.blocking_recv_many(&mut jobs, BATCH) > 0 {
                    let (rows, callers): (Vec<_>, Vec<_>) = jobs.drain(..).unzip();
                    let write = || {
                        store.write_idempotent_blocking(|database| {
                            token::insert_all(database, &rows)
                        })
                    };
                    // One commit serves many requests. What it logs carries the ids of the first.
                    let written = match callers.first() {
                        Some((_, scope)) => scope.in_scope(write),
                        None => write(),
                    };
                    for (caller, scope) in callers {
                        drop(scope);
                        // A caller that no longer waits needs no result.
                        let _ = caller.send(written.clone());
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

    /// Writes a record, and returns when it is on disk.
    ///
    /// # Errors
    /// [`StoreError`] if the record was not written, or not in time.
    pub async fn write(&self, row: Token) -> Result<(), StoreError> {
        let TokenRecords::On(sender) = self else {
            return Ok(());
        };
        let (result, written) = oneshot::channel();
        let scope = Scope::child(
            || tracing::debug_span!(target: span::TARGET, "token record", otel.kind = "client"),
        );
        if sender.try_send((row, (result, scope))).is_err() {
            return Err(StoreError::Unavailable(
                "too many token records are waiting".to_owned(),
            ));
        }
        match tokio::time::timeout(TIMEOUT, written).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Internal(
                "the writer of token records has stopped".to_owned(),
            )),
            Err(_) => Err(StoreError::Unavailable(
                "the token record was not written in time".to_owned(),
            )),
        }
    }
}
