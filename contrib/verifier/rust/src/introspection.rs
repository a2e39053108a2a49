use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::digest;
use quick_cache::sync::Cache;

use crate::flight::SingleFlight;
use crate::issuer::Issuer;
use crate::options::CacheOptions;
use crate::{Caller, Refusal};

/// The SHA-256 digest of a credential, so that the cache holds no secret.
type CredentialHash = [u8; 32];

/// Introspection of credentials, with a cache.
pub(crate) struct Introspection {
    issuer: Arc<Issuer>,
    cache: Arc<AnswerCache>,
    calls: SingleFlight<CredentialHash, Result<Answer, Refusal>>,
}

/// The result of an introspection.
#[derive(Clone, Debug)]
enum Answer {
    Active(Caller),
    Inactive,
}

/// Responses to introspection requests, limited in number and time.
struct AnswerCache {
    entries: Cache<CredentialHash, Entry>,
    active_ttl: Duration,
    inactive_ttl: Duration,
}

#[derive(Clone)]
struct Entry {
    answer: Answer,
    expires_at: Instant,
}

impl Introspection {
    pub(crate) fn new(issuer: Arc<Issuer>, options: &CacheOptions) -> Self {
        Introspection {
            issuer,
            cache: Arc::new(AnswerCache {
                entries: Cache::new(options.size),
                active_ttl: options.active_ttl,
                inactive_ttl: options.inactive_ttl,
            }),
            calls: SingleFlight::new(),
        }
    }

    /// Returns the caller that an active credential authenticates.
    pub(crate) async fn introspect(&self, credential: &str) -> Result<Caller, Refusal> {
        let hash = hash(credential);
        let answer = match self.cache.get(&hash, Instant::now()) {
            Some(answer) => answer,
            None => {
                let call = self.call(credential.to_owned(), hash);
                let result = self.calls.run(&hash, call).await;
                result.unwrap_or(Err(Refusal::Unavailable))?
            }
        };
        match answer {
            Answer::Active(caller) => Ok(caller),
            Answer::Inactive => Err(Refusal::InvalidToken),
        }
    }

    fn call(
        &self,
        credential: String,
        hash: CredentialHash,
    ) -> impl FnOnce() -> Result<Answer, Refusal> + Send + 'static {
        let (issuer, cache) = (Arc::clone(&self.issuer), Arc::clone(&self.cache));
        move || {
            // Another call may have ended after this one's caller looked.
            if let Some(answer) = cache.get(&hash, Instant::now()) {
                return Ok(answer);
            }
            let members = issuer.introspect(&credential).map_err(|error| {
                tracing::warn!(%error, "cannot introspect");
                Refusal::Unavailable
            })?;
            let answer = members
                .and_then(Caller::new)
                .map_or(Answer::Inactive, Answer::Active);
            cache.insert(hash, answer.clone(), Instant::now(), SystemTime::now());
            Ok(answer)
        }
    }
}

impl AnswerCache {
    fn get(&self, hash: &CredentialHash, now: Instant) -> Option<Answer> {
        let entry = self.entries.get(hash)?;
        (now < entry.expires_at).then_some(entry.answer)
    }

    /// Caches a response, but not for longer than the credential is valid.
    fn insert(&self, hash: CredentialHash, answer: Answer, now: Instant, clock: SystemTime) {
        let ttl = match &answer {
            Answer::Active(caller) => self.active_ttl.min(remaining(caller, clock)),
            Answer::Inactive => self.inactive_ttl,
        };
        if let (false, Some(expires_at)) = (ttl.is_zero(), now.checked_add(ttl)) {
            self.entries.insert(hash, Entry { answer, expires_at });
        }
    }
}

/// Returns the time until the credential expires. An API key may have no `exp`.
fn remaining(caller: &Caller, clock: SystemTime) -> Duration {
    let Some(exp) = caller.claims().get("exp") else {
        return Duration::MAX;
    };
    let exp = Duration::from_secs(exp.as_u64().unwrap_or_default());
    let now = clock.duration_since(SystemTime::UNIX_EPOCH);
    exp.saturating_sub(now.unwrap_or_default())
}

fn hash(credential: &str) -> CredentialHash {
    let mut hash = [0; 32];
    let digest = digest::digest(&digest::SHA256, credential.as_bytes());
    hash.copy_from_slice(digest.as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cache(size: usize) -> AnswerCache {
        AnswerCache {
            entries: Cache::new(size),
            active_ttl: Duration::from_secs(10),
            inactive_ttl: Duration::from_secs(2),
        }
    }

    fn active(exp: Option<u64>) -> Answer {
        let members = json!({"client_id": "a", "exp": exp});
        let mut members = members.as_object().unwrap().clone();
        members.retain(|_, value| !value.is_null());
        Answer::Active(Caller::new(members).unwrap())
    }

    #[test]
    fn answers_expire_and_never_after_the_credential() {
        let (start, clock) = (
            Instant::now(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
        );
        let cases = [
            (active(None), 10),
            (active(Some(2_000)), 10),
            (active(Some(1_003)), 3),
            (active(Some(900)), 0),
            (Answer::Inactive, 2),
        ];
        for (answer, seconds) in cases {
            let (cache, hash) = (cache(10), hash("token"));
            cache.insert(hash, answer.clone(), start, clock);
            let cached = |after: u64| {
                let now = start + Duration::from_secs(after);
                cache.get(&hash, now).is_some()
            };
            assert_eq!(cached(0), seconds > 0, "{answer:?}");
            assert!(seconds == 0 || cached(seconds - 1), "{answer:?}");
            assert!(!cached(seconds), "{answer:?}");
        }
    }

    #[test]
    fn the_number_of_answers_is_limited() {
        let cache = cache(100);
        for number in 0..1_000 {
            let hash = hash(&number.to_string());
            cache.insert(hash, Answer::Inactive, Instant::now(), SystemTime::now());
        }
        assert!(cache.entries.len() <= 100, "{}", cache.entries.len());
    }
}
