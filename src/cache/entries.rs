//! The entries of the cache, and how they are loaded from the store.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::clock::Timestamp;
use crate::crypto::jws::JwkSet;
use crate::crypto::secret_hash::StoredSecret;
use crate::store::api_key::{self, ApiKey, RevokedApiKey};
use crate::store::client::{self, Client};
use crate::store::client_secret;
use crate::store::resource_server::{self, Resources, TokenTyp};
use crate::store::{Database, StoreError};

/// A client with everything that authentication and introspection need to know about it. Dereferences
/// to its row.
pub struct ClientEntry {
    row: Client,
    /// The client's secrets, expired ones too.
    pub secrets: Vec<SecretEntry>,
    /// The identifiers of the resource servers that introspect with this client.
    pub resource_servers: Vec<String>,
    /// Those of the client's resource servers whose tokens have the `typ` JWT.
    plain_jwt: Resources,
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
    /// The header `typ` of a token for these resource servers: `JWT` if all of them ask for that,
    /// and `at+jwt` (RFC 9068 section 2.1) otherwise.
    pub fn token_typ(&self, resources: &Resources) -> TokenTyp {
        let agreed = !self.plain_jwt.is_empty()
            && !resources.is_empty()
            && resources
                .iter()
                .all(|identifier| self.plain_jwt.contains(identifier));
        if agreed {
            TokenTyp::Jwt
        } else {
            TokenTyp::AtJwt
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
        let resource_servers = resource_server::of_client(database, client_id)?;
        let resources = client
            .as_ref()
            .map(|client| client.resources.clone())
            .unwrap_or_default();
        let plain_jwt = resource_server::with_typ(database, &resources, TokenTyp::Jwt)?;
        Ok(client.map(|row| ClientEntry {
            row,
            secrets,
            resource_servers,
            plain_jwt,
            jwks: OnceLock::new(),
        }))
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

    fn entry(jwks: Option<&str>) -> ClientEntry {
        let method = AuthMethod::PrivateKeyJwt;
        let mut row = Client::new("A".to_owned(), "B".to_owned(), method, Timestamp::EPOCH);
        row.jwks = jwks.map(str::to_owned);
        ClientEntry {
            row,
            secrets: Vec::new(),
            resource_servers: Vec::new(),
            plain_jwt: Resources::default(),
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
