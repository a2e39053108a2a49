//! The entries of the cache, and how they are loaded from the store.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::clock::Timestamp;
use crate::crypto::jws::{JwkSet, SignatureAlgorithm};
use crate::crypto::secret_hash::StoredSecret;
use crate::store::api_key::{self, ApiKey, RevokedApiKey};
use crate::store::client::{self, Client};
use crate::store::client_secret;
use crate::store::resource_server::{self, Resources, TokenFormat};
use crate::store::trust_rule::{self, TrustRule};
use crate::store::{Database, StoreError};

/// A client with everything that authentication and introspection need to know about it. Dereferences
/// to its row.
pub struct ClientEntry {
    row: Client,
    /// The client's secrets, expired ones too.
    pub secrets: Vec<SecretEntry>,
    /// The identifiers of the resource servers that introspect with this client.
    pub resource_servers: Vec<String>,
    /// The algorithm that signs introspection responses for the client (RFC 9701).
    pub introspection_algorithm: SignatureAlgorithm,
    /// Those of the client's resource servers whose tokens do not have the default format.
    token_formats: Vec<(String, TokenFormat)>,
    /// The keys of the row's `jwks`, once they were needed. They are bounded like the text: its size
    /// and the number of its keys are limited when it is registered.
    jwks: OnceLock<Result<Arc<JwkSet>, serde_json::Error>>,
}

impl Deref for ClientEntry {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.row
    }
}

impl ClientEntry {
    /// The format of a token for these resource servers: what all of them ask for, and otherwise
    /// the `typ` `at+jwt` (RFC 9068 section 2.1) and the algorithm RS256.
    pub fn token_format(&self, resources: &Resources) -> TokenFormat {
        // Most clients have no resource server with another format.
        if self.token_formats.is_empty() {
            return TokenFormat::default();
        }
        let formats = || {
            resources.iter().map(|identifier| {
                self.token_formats
                    .iter()
                    .find(|(own, _)| own == identifier)
                    .map_or_else(TokenFormat::default, |(_, format)| *format)
            })
        };
        TokenFormat {
            typ: unanimous(formats().map(|format| format.typ)),
            signing_algorithm: unanimous(formats().map(|format| format.signing_algorithm)),
        }
    }

    /// The keys of the client's `jwks`, parsed at the first call; `None` if the client has no `jwks`.
    /// Most clients never authenticate by an assertion, and hold no parsed keys.
    pub fn jwks(&self) -> Option<Result<&Arc<JwkSet>, &serde_json::Error>> {
        let text = self.row.jwks.as_deref()?;
        let parse = || serde_json::from_str(text).map(Arc::new);
        Some(self.jwks.get_or_init(parse).as_ref())
    }

    pub(super) fn load(
        database: &mut Database,
        client_id: &str,
    ) -> Result<Option<ClientEntry>, StoreError> {
        // All queries run even if there is no such client: timing must not reveal whether there is.
        let client = client::find(database, client_id)?;
        let secrets = client_secret::list(database, client_id)?
            .into_iter()
            .map(|row| SecretEntry {
                id: row.id,
                expires_at: row.expires_at,
                secret: StoredSecret::new(row.hash),
            })
            .collect();
        let (resource_servers, algorithms): (Vec<_>, Vec<_>) =
            resource_server::of_client(database, client_id)?
                .into_iter()
                .unzip();
        let resources = client
            .as_ref()
            .map(|client| client.resources.clone())
            .unwrap_or_default();
        let token_formats = resource_server::token_formats(database, &resources)?;
        Ok(client.map(|row| ClientEntry {
            row,
            secrets,
            resource_servers,
            introspection_algorithm: unanimous(algorithms.into_iter()),
            token_formats,
            jwks: OnceLock::new(),
        }))
    }
}

/// What all of the resource servers ask for; the default if they do not agree, or if there are none.
fn unanimous<T: Copy + Default + PartialEq>(mut asked: impl Iterator<Item = T>) -> T {
    match asked.next() {
        Some(first) if asked.all(|other| other == first) => first,
        _ => T::default(),
    }
}

/// One secret of a client.
pub struct SecretEntry {
    /// The id inside the secret.
    pub id: String,
    /// When the secret expires; none if it does not.
    pub expires_at: Option<Timestamp>,
    /// The hash that a presented secret is compared with.
    pub secret: StoredSecret,
}

/// An API key. Dereferences to its row.
pub struct ApiKeyEntry {
    row: ApiKey,
    /// The hash that a presented key is compared with.
    pub secret: StoredSecret,
}

impl Deref for ApiKeyEntry {
    type Target = ApiKey;

    fn deref(&self) -> &ApiKey {
        &self.row
    }
}

/// An API key that was revoked recently. Dereferences to its row.
pub struct RevokedKeyEntry {
    row: RevokedApiKey,
    /// The hash that a presented key is compared with.
    pub secret: StoredSecret,
}

impl Deref for RevokedKeyEntry {
    type Target = RevokedApiKey;

    fn deref(&self) -> &RevokedApiKey {
        &self.row
    }
}

/// A trust rule.
pub struct TrustRuleEntry {
    /// The row.
    pub rule: TrustRule,
    /// The rule's own keys, if it has some, or why they cannot be read.
    pub keys: Option<Result<Arc<JwkSet>, String>>,
}

impl Deref for TrustRuleEntry {
    type Target = TrustRule;

    fn deref(&self) -> &TrustRule {
        &self.rule
    }
}

impl TrustRuleEntry {
    /// Loads the rules of an issuer, the oldest first.
    pub(super) fn load(
        database: &mut Database,
        issuer: &str,
    ) -> Result<Arc<[Arc<TrustRuleEntry>]>, StoreError> {
        let parse = |jwks: &String| {
            serde_json::from_str(jwks)
                .map(Arc::new)
                .map_err(|error| error.to_string())
        };
        let entry = |rule: TrustRule| {
            let keys = rule.jwks.as_ref().map(parse);
            Arc::new(TrustRuleEntry { rule, keys })
        };
        let rules = trust_rule::of_issuer(database, issuer)?;
        Ok(rules.into_iter().map(entry).collect())
    }
}

/// What the store holds under the id of an API key: an active or expired key, a revoked one, or
/// neither.
#[derive(Default)]
pub(super) struct LoadedApiKey {
    pub(super) key: Option<Arc<ApiKeyEntry>>,
    pub(super) revoked: Option<Arc<RevokedKeyEntry>>,
}

impl LoadedApiKey {
    pub(super) fn load(database: &mut Database, id: &str) -> Result<Self, StoreError> {
        if let Some(row) = api_key::find(database, id)? {
            let secret = StoredSecret::new(row.hash.clone());
            return Ok(LoadedApiKey {
                key: Some(Arc::new(ApiKeyEntry { row, secret })),
                revoked: None,
            });
        }
        let revoked = api_key::find_revoked(database, id)?.map(|row| {
            let secret = StoredSecret::new(row.hash.clone());
            Arc::new(RevokedKeyEntry { row, secret })
        });
        Ok(LoadedApiKey { key: None, revoked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::client::AuthMethod;

    #[test]
    fn resource_servers_that_do_not_agree_get_the_default() {
        use SignatureAlgorithm::{Ed25519, Es256, Rs256};
        for (asked, expected) in [
            (&[][..], Rs256),
            (&[Es256], Es256),
            (&[Es256, Es256], Es256),
            (&[Es256, Ed25519], Rs256),
            (&[Es256, Rs256], Rs256),
        ] {
            assert_eq!(unanimous(asked.iter().copied()), expected, "{asked:?}");
        }
    }

    fn entry(jwks: Option<&str>) -> ClientEntry {
        let method = AuthMethod::PrivateKeyJwt;
        let mut row = Client::new("A".to_owned(), "B".to_owned(), method, Timestamp::EPOCH);
        row.jwks = jwks.map(str::to_owned);
        ClientEntry {
            row,
            secrets: Vec::new(),
            resource_servers: Vec::new(),
            introspection_algorithm: SignatureAlgorithm::default(),
            token_formats: Vec::new(),
            jwks: OnceLock::new(),
        }
    }

    #[test]
    fn a_jwk_set_is_parsed_once() {
        let client = entry(Some(r#"{"keys": []}"#));
        let keys = || client.jwks().and_then(Result::ok).unwrap();
        assert!(client.jwks.get().is_none());
        assert!(Arc::ptr_eq(keys(), keys()));
    }

    #[test]
    fn a_client_may_have_no_jwk_set_or_an_unreadable_one() {
        assert!(entry(None).jwks().is_none());
        let client = entry(Some("{"));
        assert!(client.jwks().unwrap().is_err());
    }
}
