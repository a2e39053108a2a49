//! The entries of the cache, and how they are loaded from the store.

use std::ops::Deref;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::crypto::jws::JwkSet;
use crate::crypto::secret_hash::StoredSecret;
use crate::store::api_key::{self, ApiKey, RevokedApiKey};
use crate::store::client::{self, Client};
use crate::store::client_secret;
use crate::store::resource_server::{self, Resources, TokenTyp};
use crate::store::trust_rule::{self, TrustRule};
use crate::store::{Database, StoreError};

/// A client with everything that authentication and introspection need to know about it.
pub struct ClientEntry {
    /// The row.
    pub client: Client,
    /// The client's secrets, expired ones too.
    pub secrets: Vec<SecretEntry>,
    /// The identifiers of the resource servers that introspect with this client.
    pub resource_servers: Vec<String>,
    /// Those of the client's resource servers whose tokens have the `typ` JWT.
    plain_jwt: Resources,
}

impl Deref for ClientEntry {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
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
        Ok(client.map(|client| ClientEntry {
            client,
            secrets,
            resource_servers,
            plain_jwt,
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

/// An API key.
pub struct ApiKeyEntry {
    /// The row.
    pub key: ApiKey,
    /// The hash that a presented key is compared with.
    pub secret: StoredSecret,
}

impl Deref for ApiKeyEntry {
    type Target = ApiKey;

    fn deref(&self) -> &ApiKey {
        &self.key
    }
}

/// An API key that was revoked recently.
pub struct RevokedKeyEntry {
    /// The row.
    pub key: RevokedApiKey,
    /// The hash that a presented key is compared with.
    pub secret: StoredSecret,
}

impl Deref for RevokedKeyEntry {
    type Target = RevokedApiKey;

    fn deref(&self) -> &RevokedApiKey {
        &self.key
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
        if let Some(key) = api_key::find(database, id)? {
            let secret = StoredSecret::new(key.hash.clone());
            return Ok(LoadedApiKey {
                key: Some(Arc::new(ApiKeyEntry { key, secret })),
                revoked: None,
            });
        }
        let revoked = api_key::find_revoked(database, id)?.map(|key| {
            let secret = StoredSecret::new(key.hash.clone());
            Arc::new(RevokedKeyEntry { key, secret })
        });
        Ok(LoadedApiKey { key: None, revoked })
    }
}
