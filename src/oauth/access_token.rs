//! JWT access tokens (RFC 9068): what they say, how they are issued, and how Keyward checks its
//! own.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::api_key::ActiveKey;
use super::client_authentication::AuthenticatedClient;
use super::failure::Reason;
use super::keys::SigningKeyPair;
use super::{AuthorizationServer, client_credentials, token_exchange};
use crate::cache::{ApiKeyEntry, ClientEntry};
use crate::clock::Timestamp;
use crate::credential::{Fingerprint, random_bytes};
use crate::crypto::jws::{Jws, JwsError};
use crate::error::Error;
use crate::scope::Scope;
use crate::store::StoreError;
use crate::store::client::Client;
use crate::store::resource_server::{Resources, TokenTyp};
use crate::store::signing_key::{self, SigningKey, State};
use crate::store::token::{self, Token};

/// The longest token that is looked at, in bytes; ours are a tenth of it.
const MAX_LENGTH: usize = 16 * 1024;

/// Whom a token is for (RFC 7519 section 4.1.3): a string for one, an array for several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Audience {
    /// One resource server.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// Of these resource servers, or of the issuer where there is none.
    pub fn of(resources: &Resources, issuer: &str) -> Self {
        let mut all: Vec<String> = resources.iter().map(str::to_owned).collect();
        match all.len() {
            0 => Audience::One(issuer.to_owned()),
            1 => Audience::One(all.remove(0)),
            _ => Audience::Many(all),
        }
    }

    /// Each of them.
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
    /// The issuer.
    pub iss: String,
    /// The client: there is no user.
    pub sub: String,
    /// The client.
    pub client_id: String,
    /// Whom it is for.
    pub aud: Audience,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// When it was issued, in seconds since the epoch.
    pub iat: i64,
    /// A UUIDv7: it carries the millisecond of issue.
    pub jti: Uuid,
    /// What it may; absent where it may nothing in particular.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The id of the API key that it was exchanged for, with which it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The [`Client::token_epoch`](crate::store::client::Client::token_epoch) that it was issued under;
    /// absent where that is 0: all tokens of most clients were never revoked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub token_epoch: i64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Claims {
    /// The millisecond of issue, from the `jti`.
    pub fn issued_at(&self) -> Timestamp {
        token::issued_at(self.jti)
    }

    /// The scope, without what the client has lost since. A resource server that verifies offline cannot
    /// know of that.
    pub fn remaining_scope(&self, client: &Client) -> Cow<'_, str> {
        // Most tokens have all of their client's scope.
        if self.scope == client.scope.as_str() || client.scope.covers(&self.scope) {
            return Cow::Borrowed(&self.scope);
        }
        let remaining: Vec<&str> = self
            .scope
            .split(' ')
            .filter(|token| client.scope.contains(token))
            .collect();
        Cow::Owned(remaining.join(" "))
    }

    /// The audience, without the resource servers that the client has lost since; nothing where it has
    /// lost all of them.
    pub fn remaining_audience(&self, client: &Client) -> Option<Cow<'_, Audience>> {
        // The issuer is the audience where there is no resource server, and is given to nobody.
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

    /// When it ends.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.exp)
    }
}

/// What somebody was granted who has proven to be this client, or to hold this API key. It is the
/// proof, too: nothing is issued without one.
pub struct Grant {
    client: Arc<ClientEntry>,
    api_key: Option<Arc<ApiKeyEntry>>,
    scope: Scope,
    resources: Resources,
}

impl Grant {
    /// To a client.
    pub fn to_client(client: &AuthenticatedClient, scope: Scope, resources: Resources) -> Self {
        Grant {
            client: client.shared(),
            api_key: None,
            scope,
            resources,
        }
    }

    fn grant_type(&self) -> &'static str {
        if self.api_key.is_some() {
            token_exchange::GRANT_TYPE
        } else {
            client_credentials::GRANT_TYPE
        }
    }

    /// To the bearer of an API key.
    pub fn to_key(key: &ActiveKey, scope: Scope, resources: Resources) -> Self {
        Grant {
            client: key.client.clone(),
            api_key: Some(key.key.clone()),
            scope,
            resources,
        }
    }
}

/// The successful answer of the token endpoint (RFC 6749 section 5.1).
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TokenResponse {
    /// The JWT.
    pub access_token: String,
    /// Of an exchange: what it is (RFC 8693 section 2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
    /// What it may.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
}

/// The key that signs at this moment, open.
///
/// # Errors
/// Where no key signs, it was sealed with another key file, or the database gave no answer.
pub async fn signing_key_of(
    server: &AuthorizationServer,
    now: Timestamp,
) -> Result<Arc<SigningKeyPair>, Error> {
    let none = || Error::server_error("no signing key is active");
    let keys = server.cache.signing_keys().await?;
    if let Ok(open) = server
        .signing_keys
        .open(signing_key::signing_at(&keys, now).ok_or_else(none)?)
    {
        return Ok(open);
    }
    // The sealing key was rotated, and memory does not have the row that is sealed with the new one yet.
    let keys = server.store.lookup(signing_key::list).await?;
    server
        .signing_keys
        .open(signing_key::signing_at(&keys, now).ok_or_else(none)?)
        .map_err(Error::server_error)
}

/// Issues a token. The answer may leave when this returns: the record is on disk by then.
///
/// # Errors
/// Where no key can sign, or the record could not be written.
pub async fn issue(
    server: &AuthorizationServer,
    grant: Grant,
    now: Timestamp,
) -> Result<TokenResponse, Error> {
    let end = grant.api_key.as_ref().and_then(|key| key.key.expires_at);
    let left = end.map_or(server.settings.token_ttl, |end| end.duration_since(now));
    let lifetime = server.settings.token_ttl.min(left);
    let claims = claims(server, &grant, lifetime, now);
    let payload =
        serde_json::to_vec(&claims).map_err(|error| Error::server_error(error.to_string()))?;

    let typ = grant.client.token_typ(&grant.resources);
    let key = signing_key_of(server, now).await?;
    let kid = key.kid.clone();
    let record = Token {
        jti: claims.jti.to_string(),
        client_id: claims.client_id,
        scope: claims.scope,
        audience: grant.resources.as_str().to_owned(),
        issued_at: now,
        expires_at: Timestamp::from_seconds(claims.exp),
        token_epoch: claims.token_epoch,
        api_key_id: claims.api_key,
    };
    // Side by side: the disk works while a processor signs.
    let recorded = async { Ok::<_, Error>(server.records.write(record).await?) };
    let (access_token, ()) =
        tokio::try_join!(server.signing_keys.sign(key, typ, payload), recorded)?;
    check_still_active(server, &grant, &kid, now).await?;
    server
        .usage
        .count_token(&grant.client.client, grant.grant_type(), now);
    let issued_token_type = grant
        .api_key
        .is_some()
        .then_some(token_exchange::ACCESS_TOKEN);
    Ok(TokenResponse {
        access_token,
        issued_token_type,
        token_type: "Bearer",
        expires_in: lifetime.as_secs(),
        scope: grant.scope,
    })
}

/// Refuses to hand out a token that was revoked while it was signed: with all of the client's, or with
/// the client, the API key or the signing key.
async fn check_still_active(
    server: &AuthorizationServer,
    grant: &Grant,
    kid: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let revoked = || Error::unavailable("the token was revoked while it was signed");
    let issued = &grant.client.client;
    let client = server.cache.client(&issued.client_id).await?;
    if client.is_none_or(|entry| {
        entry.client.disabled_at.is_some() || entry.client.token_epoch != issued.token_epoch
    }) {
        return Err(revoked());
    }
    if let Some(key) = &grant.api_key
        && server.cache.api_key(&key.key.id).await?.is_none()
    {
        return Err(revoked());
    }
    let keys = server.cache.signing_keys().await?;
    if keys
        .iter()
        .any(|key| key.kid == kid && key.state(now) != State::Gone)
    {
        Ok(())
    } else {
        Err(revoked())
    }
}

fn claims(
    server: &AuthorizationServer,
    grant: &Grant,
    lifetime: Duration,
    now: Timestamp,
) -> Claims {
    let client = &grant.client.client;
    // Written by a node whose clock was ahead, before there were epochs: what is issued now is later.
    let millisecond = now.millis().max(client.tokens_void_before.millis() + 1);
    let jti = uuid::Builder::from_unix_timestamp_millis(
        u64::try_from(millisecond).unwrap_or(0),
        &random_bytes(),
    )
    .into_uuid();
    Claims {
        iss: server.issuer.as_str().to_owned(),
        sub: client.client_id.clone(),
        client_id: client.client_id.clone(),
        aud: Audience::of(&grant.resources, server.issuer.as_str()),
        exp: now.saturating_add(lifetime).seconds(),
        iat: now.seconds(),
        jti,
        scope: grant.scope.to_string(),
        api_key: grant.api_key.as_ref().map(|key| key.key.id.clone()),
        token_epoch: client.token_epoch,
    }
}

/// A token whose signature is proven to be ours. Whether it is in force is another question:
/// [`in_force`].
pub struct VerifiedToken {
    /// What it says.
    pub claims: Claims,
    kid: String,
}

/// Why a token is not in force: for the log and `keyward token inspect`, never for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInForce(pub Reason);

/// What the signature check found.
pub type Verified = Result<Arc<VerifiedToken>, NotInForce>;

/// Proves the signature of a token, or remembers that it was proven.
///
/// # Errors
/// Where the signing keys could not be looked at. A token that is not ours is no error.
pub async fn verify(
    server: &AuthorizationServer,
    token: &str,
    now: Timestamp,
) -> Result<Verified, StoreError> {
    verify_with(server, token, |key| key.state(now) != State::Gone).await
}

/// Proves the signature of a token that is to be revoked. The clock of this machine may be ahead, so a key counts
/// whose time is over by that clock alone; one that was retired at once does not.
///
/// # Errors
/// Where the signing keys could not be looked at. A token that is not ours is no error.
pub async fn verify_for_revocation(
    server: &AuthorizationServer,
    token: &str,
) -> Result<Verified, StoreError> {
    verify_with(server, token, |key| {
        !key.published_until
            .is_some_and(|end| server.clock.is_past(end))
    })
    .await
}

async fn verify_with(
    server: &AuthorizationServer,
    token: &str,
    is_trusted: impl Fn(&SigningKey) -> bool,
) -> Result<Verified, StoreError> {
    if token.len() > MAX_LENGTH {
        return Ok(Err(NotInForce(Reason::token_too_long())));
    }
    let keys = server.cache.signing_keys().await?;
    let in_use = |kid: &str| keys.iter().find(|key| key.kid == kid && is_trusted(key));

    let fingerprint = Fingerprint::of(token.as_bytes());
    if let Some(known) = server.verified.get(&fingerprint) {
        return Ok(if in_use(&known.kid).is_some() {
            Ok(known)
        } else {
            Err(NotInForce(Reason::token_signing_key_retired()))
        });
    }
    let jws = match Jws::parse(token) {
        Ok(jws) => jws,
        Err(JwsError::Parts) => return Ok(Err(NotInForce(Reason::not_a_token()))),
        Err(JwsError::Header(_)) => return Ok(Err(NotInForce(Reason::token_header_unreadable()))),
        Err(JwsError::Signature) => {
            return Ok(Err(NotInForce(Reason::token_signature_unreadable())));
        }
    };
    // RFC 9068 section 4: no other kind of JWT passes for an access token. Our keys sign none with the
    // typ JWT that is something else (`keys.rs`), so here that one is safe, too.
    let typ = jws.header.typ.as_deref().unwrap_or_default();
    // RFC 7515 section 4.1.9: the prefix may be there.
    let bare = typ
        .split_at_checked(12)
        .filter(|(prefix, _)| prefix.eq_ignore_ascii_case("application/"));
    if bare
        .map_or(typ, |(_, bare)| bare)
        .parse::<TokenTyp>()
        .is_err()
    {
        return Ok(Err(NotInForce(Reason::token_wrong_type())));
    }
    // RFC 7515 section 4.1.11: we understand no critical extension.
    if jws.header.has_critical_extensions() {
        return Ok(Err(NotInForce(Reason::token_critical_header())));
    }
    let kid = jws.header.kid.as_deref().unwrap_or_default();
    let Some(key) = in_use(kid) else {
        return Ok(Err(NotInForce(Reason::token_unknown_key())));
    };
    // The key says how it signs; the header may only agree (RFC 8725 section 3.1).
    if jws.header.algorithm() != Some(key.algorithm.into()) {
        return Ok(Err(NotInForce(Reason::token_wrong_algorithm())));
    }
    if !server.signing_keys.verify(key, &jws) {
        return Ok(Err(NotInForce(Reason::token_wrong_signature())));
    }
    let Ok(claims) = jws.claims::<Claims>() else {
        return Ok(Err(NotInForce(Reason::token_claims_unreadable())));
    };
    if claims.iss != server.issuer.as_str() {
        return Ok(Err(NotInForce(Reason::token_of_another_issuer())));
    }
    let verified = Arc::new(VerifiedToken {
        claims,
        kid: key.kid.clone(),
    });
    server.verified.insert(fingerprint, verified.clone());
    Ok(Ok(verified))
}

/// Whether a proven token is in force at `now`: not ended, not revoked, and its client is there and
/// enabled; gives that client.
///
/// # Errors
/// Where neither memory nor the database could say.
pub async fn in_force(
    server: &AuthorizationServer,
    claims: &Claims,
    now: Timestamp,
) -> Result<Result<Arc<ClientEntry>, NotInForce>, StoreError> {
    // RFC 7519 section 4.1.4: "on or after" this time it must not be accepted.
    let expires_at = claims.expires_at();
    if now >= expires_at {
        return Ok(Err(NotInForce(Reason::token_ended())));
    }
    if server.clock.is_past(expires_at) {
        return Ok(Err(NotInForce(Reason::token_ended_by_later_clock())));
    }
    let Some(entry) = server.cache.client(&claims.client_id).await? else {
        return Ok(Err(NotInForce(Reason::owner_deleted())));
    };
    if entry.client.disabled_at.is_some() {
        return Ok(Err(NotInForce(Reason::owner_disabled())));
    }
    if entry
        .client
        .has_revoked(claims.token_epoch, claims.issued_at())
    {
        return Ok(Err(NotInForce(Reason::all_tokens_revoked())));
    }
    if server.cache.is_revoked(claims.jti).await? {
        return Ok(Err(NotInForce(Reason::token_revoked())));
    }
    if let Some(key) = &claims.api_key
        && server
            .cache
            .api_key(key)
            .await?
            .is_none_or(|key| key.key.is_expired(now))
    {
        return Ok(Err(NotInForce(Reason::token_api_key_ended())));
    }
    Ok(Ok(entry))
}
