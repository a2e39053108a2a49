//! What a failed authentication costs and leaves behind: it is counted, and written to the audit with
//! its exact reason, so that the client's owner finds it by the request id of the answer.

use std::net::IpAddr;

use super::AuthorizationServer;
use crate::clock::Timestamp;
use crate::credential::{Credential, Kind, redacted};
use crate::error::Error;
use crate::store::audit;
use crate::store::client::Client;

/// The action of a failed authentication in the audit.
pub const ACTION: &str = "authentication.failure";

/// Whence and when a request came, and its id in the log.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Whence.
    pub address: IpAddr,
    /// When.
    pub now: Timestamp,
    /// Its id.
    pub id: Option<String>,
}

/// Whose authentication failed, as far as it is known.
#[derive(Default)]
pub struct Whose<'a> {
    /// The client that was named, to throttle by.
    pub client_id: Option<&'a str>,
    /// The client where there is one, whose account's audit it goes to.
    pub client: Option<&'a Client>,
    /// The client, or the id of the API key.
    pub target: &'a str,
}

impl AuthorizationServer {
    /// Counts and notes a failure; gives what to answer: `refusal`, or that there were too many.
    pub fn failed(&self, origin: &Origin, whose: &Whose<'_>, reason: &str, refusal: Error) -> Error {
        self.usage.count_failure(whose.client, origin.now);
        match self.throttle.failed(whose.client_id, origin.address, origin.now) {
            // Under a flood the audit has enough of it.
            Some(wait) => Error::too_many_requests(wait).detail(reason),
            None => {
                self.note(origin, whose, reason);
                refusal.detail(reason)
            }
        }
    }

    /// The same for whoever presented an API key.
    pub async fn failed_key(&self, origin: &Origin, presented: &str, reason: &str, refusal: Error) -> Error {
        let key = Credential::parse(presented, Kind::ApiKey);
        let id = key.as_ref().map(Credential::id).unwrap_or_default();
        // Only to tell whose it is: where the database is away nobody's will do.
        let owner = match &key {
            Some(key) => match self.directory.api_key(key.id()).await {
                Ok(Some(key)) => self.directory.client(&key.key.client_id).await.ok().flatten(),
                _ => None,
            },
            None => None,
        };
        let client = owner.as_ref().map(|owner| &owner.client);
        self.failed(origin, &Whose { client_id: None, client, target: id }, reason, refusal)
    }

    fn note(&self, origin: &Origin, whose: &Whose<'_>, reason: &str) {
        self.usage.note_failure(audit::Entry {
            id: audit::new_id(origin.now),
            happened_at: origin.now,
            account_id: whose.client.map(|client| client.account_id.clone()),
            actor: "nobody".to_owned(),
            action: ACTION.to_owned(),
            target: redacted(whose.target).into_owned(),
            reason: Some(redacted(reason).into_owned()),
            address: Some(origin.address.to_string()),
            request_id: origin.id.clone(),
        });
    }
}
