//! The claims of a JWT access token (RFC 9068 section 2.2).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::oauth::binding::Binding;
use crate::scope::Scope;
use crate::store::client::Client;
use crate::store::resource_server::Resources;
use crate::store::token::{self, Token};

/// The audience of a token (RFC 7519 section 4.1.3): a string for one, an array for several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Audience {
    /// One resource server.
    One(String),
    /// Several resource servers.
    Many(Vec<String>),
}

impl Audience {
    /// The audience of a token for these resource servers. Without a resource server, the audience
    /// is the issuer.
    pub fn of(resources: &Resources, issuer: &str) -> Self {
        let mut all: Vec<String> = resources.iter().map(str::to_owned).collect();
        match all.len() {
            0 => Audience::One(issuer.to_owned()),
            1 => Audience::One(all.remove(0)),
            _ => Audience::Many(all),
        }
    }

    /// The identifiers of the resource servers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Many(many) => many.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }
}

/// The claims of an access token (RFC 9068 section 2.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer identifier.
    pub iss: String,
    /// The subject (RFC 9068 section 2.2): the user of an ID-JAG, otherwise the client.
    pub sub: String,
    /// The client that the token was issued to.
    pub client_id: String,
    /// The resource servers that may accept the token.
    pub aud: Audience,
    /// When the token expires, in seconds since the epoch.
    pub exp: i64,
    /// When the token was issued, in seconds since the epoch.
    pub iat: i64,
    /// A UUIDv7, which contains the millisecond of issue.
    pub jti: Uuid,
    /// The granted scope; omitted when empty.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// The id of the API key that was exchanged for the token. The token is refused once that key
    /// is revoked or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The [`Client::token_epoch`] at issue; omitted when 0, since the tokens of most clients were
    /// never revoked all at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub token_epoch: i64,
    /// The key that the token is bound to, if any (RFC 7800 section 3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Binding>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Claims {
    /// The claims of an issued token, rebuilt from its record, which lacks the `sub` of a user. `None`
    /// if the record is unreadable.
    pub fn from_record(record: &Token, issuer: &str) -> Option<Self> {
        let resources: Resources = record.audience.parse().ok()?;
        Some(Claims {
            iss: issuer.to_owned(),
            sub: record.client_id.clone(),
            client_id: record.client_id.clone(),
            aud: Audience::of(&resources, issuer),
            exp: record.expires_at.seconds(),
            iat: record.issued_at.seconds(),
            jti: Uuid::parse_str(&record.jti).ok()?,
            scope: record.scope.parse().ok()?,
            api_key: record.api_key_id.clone(),
            token_epoch: record.token_epoch,
            cnf: Binding::of_record(record).ok()?,
        })
    }

    /// The millisecond of issue, from the `jti`.
    pub fn issued_at(&self) -> Timestamp {
        token::issued_at(self.jti)
    }

    /// When the token expires.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.exp)
    }

    /// The part of the scope that the client still has. A resource server that verifies offline
    /// does not learn of a scope that was taken away since.
    pub fn remaining_scope(&self, client: &Client) -> Cow<'_, Scope> {
        // Most tokens have all of their client's scope.
        if self.scope == client.scope || client.scope.covers(self.scope.as_str()) {
            return Cow::Borrowed(&self.scope);
        }
        Cow::Owned(self.scope.intersection(&client.scope))
    }

    /// The part of the audience that the client may still use; `None` if it may use none of it.
    pub fn remaining_audience(&self, client: &Client) -> Option<Cow<'_, Audience>> {
        // The issuer is the audience of a client without a resource server. It is never assigned.
        let has = |audience: &str| audience == self.iss || client.resources.contains(audience);
        if self.aud.iter().all(has) {
            return Some(Cow::Borrowed(&self.aud));
        }
        let mut remaining: Vec<String> = self
            .aud
            .iter()
            .filter(|audience| has(audience))
            .map(str::to_owned)
            .collect();
        match remaining.len() {
            0 => None,
            1 => remaining.pop().map(|one| Cow::Owned(Audience::One(one))),
            _ => Some(Cow::Owned(Audience::Many(remaining))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::client::AuthMethod;

    const ISSUER: &str = "https://auth.example";

    fn client(scope: &str, resources: &str) -> Client {
        let mut client = Client::new(
            "An app".to_owned(),
            "an account".to_owned(),
            AuthMethod::ClientSecretBasic,
            Timestamp::EPOCH,
        );
        client.scope = scope.parse().unwrap();
        client.resources = resources.parse().unwrap();
        client
    }

    fn claims(scope: &str, resources: &str) -> Claims {
        let resources: Resources = resources.parse().unwrap();
        Claims {
            iss: ISSUER.to_owned(),
            sub: "app".to_owned(),
            client_id: "app".to_owned(),
            aud: Audience::of(&resources, ISSUER),
            exp: 1_800_003_600,
            iat: 1_800_000_000,
            jti: uuid::Builder::from_unix_timestamp_millis(1_800_000_000_123, &[7; 10]).into_uuid(),
            scope: scope.parse().unwrap(),
            api_key: None,
            token_epoch: 0,
            cnf: None,
        }
    }

    #[test]
    fn the_audience_is_the_resource_servers_or_the_issuer() {
        for (resources, expected) in [
            ("", json!(ISSUER)),
            ("urn:a", json!("urn:a")),
            ("urn:b urn:a", json!(["urn:a", "urn:b"])),
        ] {
            let audience = claims("", resources).aud;
            assert_eq!(serde_json::to_value(&audience).unwrap(), expected);
            let read: Audience = serde_json::from_value(expected).unwrap();
            assert_eq!(read, audience);
        }
    }

    #[test]
    fn optional_claims_are_omitted_when_empty() {
        let mut claims = claims("", "urn:a");
        let plain = serde_json::to_value(&claims).unwrap();
        for absent in ["scope", "api_key", "token_epoch", "cnf"] {
            assert!(plain.get(absent).is_none(), "{absent}");
        }
        assert_eq!(
            serde_json::from_value::<Claims>(plain).unwrap().scope,
            Scope::default()
        );
        claims.scope = "b a".parse().unwrap();
        claims.api_key = Some("key".to_owned());
        claims.token_epoch = 2;
        claims.cnf = Some(Binding::Jwk("thumbprint".to_owned()));
        let full = serde_json::to_value(&claims).unwrap();
        assert_eq!(
            (&full["scope"], &full["api_key"], &full["token_epoch"]),
            (&json!("a b"), &json!("key"), &json!(2))
        );
        assert_eq!(full["cnf"], json!({"jkt": "thumbprint"}));
        assert_eq!(
            serde_json::from_value::<Claims>(full).unwrap().cnf,
            claims.cnf
        );
        assert_eq!(
            claims.issued_at(),
            Timestamp::from_millis(1_800_000_000_123)
        );
        assert_eq!(claims.expires_at(), Timestamp::from_seconds(1_800_003_600));
    }

    #[test]
    fn a_token_loses_the_scope_that_its_client_loses() {
        for (token, client_has, remaining) in [
            ("", "", ""),
            ("", "a", ""),
            ("a b", "a b", "a b"),
            ("a", "a b", "a"),
            ("a b", "b", "b"),
            ("a b", "", ""),
            ("a c", "b c d", "c"),
        ] {
            let claims = claims(token, "");
            let client = client(client_has, "");
            let found = claims.remaining_scope(&client);
            assert_eq!(found.as_str(), remaining, "{token:?} of {client_has:?}");
            assert_eq!(
                matches!(found, Cow::Borrowed(_)),
                token == remaining,
                "{token:?} of {client_has:?} is copied only if it changes"
            );
        }
    }

    #[test]
    fn a_token_loses_the_audience_that_its_client_loses() {
        for (token, client_has, remaining) in [
            ("", "", Some(json!(ISSUER))),
            ("", "urn:a", Some(json!(ISSUER))),
            ("urn:a", "urn:a urn:b", Some(json!("urn:a"))),
            ("urn:a urn:b", "urn:b", Some(json!("urn:b"))),
            (
                "urn:a urn:b urn:c",
                "urn:a urn:c",
                Some(json!(["urn:a", "urn:c"])),
            ),
            ("urn:a", "", None),
            ("urn:a urn:b", "urn:c", None),
        ] {
            let claims = claims("", token);
            let client = client("", client_has);
            let found = claims
                .remaining_audience(&client)
                .map(|audience| serde_json::to_value(audience).unwrap());
            assert_eq!(found, remaining, "{token:?} of {client_has:?}");
        }
    }
}
