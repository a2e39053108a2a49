//! `Idempotency-Key`: a request that creates an object can be repeated, and creates one object.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::error::{Code, Error};
use crate::store::idempotency::{self, StoredResult};
use crate::store::{Store, Transaction};

/// How long the result of a request is stored under its `Idempotency-Key`.
const IDEMPOTENCY_TTL: Duration = Duration::from_secs(24 * 3600);

/// The `Idempotency-Key` of one request.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// A digest of the caller and the key: callers do not share keys.
    id: String,
    /// A digest of the request, by which another request with the same key is refused.
    request: String,
}

impl IdempotencyKey {
    /// The key that `actor` sent with `request`.
    pub fn new(actor: &str, key: &str, request: &[u8]) -> Self {
        IdempotencyKey {
            id: Fingerprint::of(format!("{actor}\0{key}").as_bytes()).hex(),
            request: Fingerprint::of(request).hex(),
        }
    }

    /// The id of the object that an earlier, identical request created; `None` for the first request.
    ///
    /// # Errors
    /// `idempotency_key_reused` if the key came with another request before; a
    /// [`StoreError`](crate::store::StoreError) if the database cannot be queried.
    pub async fn previous_result(&self, store: &Store) -> Result<Option<String>, Error> {
        let id = self.id.clone();
        let found = store
            .read(move |database| idempotency::find(database, &id))
            .await?;
        match found {
            Some(stored) => self.check_same_request(stored).map(Some),
            None => Ok(None),
        }
    }

    fn check_same_request(&self, stored: StoredResult) -> Result<String, Error> {
        if stored.request == self.request {
            Ok(stored.target)
        } else {
            Err(Error::new(
                Code::UnprocessableContent,
                "This Idempotency-Key was used for another request before",
            ))
        }
    }

    /// Refuses a replay. To be called before checks for uniqueness, so that a replay is not reported as
    /// a conflict with what the first request created.
    pub(super) fn ensure_first_use(&self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        match idempotency::find(transaction.database(), &self.id)? {
            Some(_) => Err(Error::new(
                Code::AlreadyDone,
                "This request has been performed before",
            )),
            None => Ok(()),
        }
    }

    /// Stores the id of the object that the request created, in the transaction that creates it.
    pub(super) fn store_result(
        &self,
        transaction: &mut Transaction<'_>,
        target: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.ensure_first_use(transaction)?;
        Ok(idempotency::insert(transaction, &self.result(target, now))?)
    }

    fn result(&self, target: &str, now: Timestamp) -> StoredResult {
        StoredResult {
            id: self.id.clone(),
            request: self.request.clone(),
            target: target.to_owned(),
            expires_at: now.saturating_add(IDEMPOTENCY_TTL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_callers_own() {
        let key = |actor, key| IdempotencyKey::new(actor, key, b"{}").id;
        assert_eq!(key("client a", "1"), key("client a", "1"));
        assert_ne!(key("client a", "1"), key("client b", "1"));
        assert_ne!(key("client a", "1"), key("client a", "2"));
        // The end of the caller's name is not the beginning of the key.
        assert_ne!(key("client a", "1"), key("client ", "a1"));
    }

    #[test]
    fn a_replay_gets_the_stored_result_and_another_request_is_refused() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let first = IdempotencyKey::new("client a", "1", b"{}");
        let stored = first.result("c1", now);
        assert_eq!(stored.expires_at.duration_since(now), IDEMPOTENCY_TTL);
        let same = IdempotencyKey::new("client a", "1", b"{}");
        assert_eq!(same.check_same_request(stored.clone()).unwrap(), "c1");
        let other = IdempotencyKey::new("client a", "1", b"{\"name\":\"x\"}");
        let refused = other.check_same_request(stored).unwrap_err();
        assert_eq!(refused.code(), Code::UnprocessableContent);
    }
}
