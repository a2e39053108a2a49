//! The entries of the cache, and how they are loaded from the store.

use std::ops::Deref;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::crypto::jws::SignatureAlgorithm;
use crate::crypto::secret_hash::StoredSecret;
use crate::store::api_key::{self, ApiKey, RevokedApiKey};
use crate::store::client::{self, Client};
use crate::store::client_secret;
use crate::store::resource_server::{self, Resources, TokenFormat};
use crate::store::{Database, StoreError};

/// A client with everything that authentication and introspection need to know about it.
pub struct ClientEntry {
    /// The row.
    pub client: Client,
    /// The client's secrets, expired ones too.
    pub secrets: Vec<SecretEntry>,
    /// The identifiers of the resource servers that introspect with this client.
    pub resource_servers: Vec<String>,
    /// The algorithm that signs introspection responses for the client (RFC 9701).
    pub introspection_algorithm: SignatureAlgorithm,
    /// Those of the client's resource servers whose tokens do not have the default format.
    token_formats: Vec<(String, TokenFormat)>,
}

impl Deref for ClientEntry {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
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
        Ok(client.map(|client| ClientEntry {
            client,
            secrets,
            resource_servers,
            introspection_algorithm: unanimous(algorithms.into_iter()),
            token_formats,
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
