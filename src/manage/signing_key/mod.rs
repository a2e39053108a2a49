//! Signing keys: creation, rotation, import and retirement. The state of a key is a function of its row
//! and the time; this module writes the rows.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::actor::Permit;
use super::not_found;
use super::rights::{SigningKeysRead, SigningKeysWrite};
use crate::clock::Timestamp;
pub use crate::crypto::jws::SignatureAlgorithm;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::{Code, Error};
use crate::oauth::AuthorizationServer;
use crate::oauth::signing_keys::{SigningKeyPair, public_pem};
use crate::span::Scope;
use crate::store::Store;
use crate::store::audit::{Action, Recorder};
use crate::store::signing_key::{self, SigningKey, State, signing_at};

mod retirement;
mod schedule;
mod sealing;

pub use retirement::{RetirementMode, retire};
pub(super) use schedule::reschedule;
pub use schedule::{DueChange, RotationPolicy, due_change};
use schedule::{RequestedAt, reschedule_at_start, retired, with_lead};
use sealing::check_opens;
pub(super) use sealing::sealed_row;
pub use sealing::{LOST_FILE_HELP, open_or_create_sealing_keys, open_sealing_keys, opened_keys};

/// What the operations on signing keys work with.
#[derive(Clone, Copy)]
pub struct SigningKeyServices<'a> {
    /// The database with the keys.
    pub store: &'a Arc<Store>,
    /// The file with the keys that seal the private halves.
    pub sealing_keys: &'a SealingKeyFile,
    /// The durations of the schedule.
    pub policy: RotationPolicy,
}

impl<'a> SigningKeyServices<'a> {
    /// The services of a running node.
    ///
    /// # Errors
    /// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
    pub async fn of(server: &'a AuthorizationServer) -> Result<Self, Error> {
        Ok(SigningKeyServices {
            store: &server.store,
            sealing_keys: server.sealing_keys(),
            policy: RotationPolicy::effective(&server.store, &server.settings).await?,
        })
    }
}

/// A signing key as management shows it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names of the columns say it")]
pub struct SigningKeyView {
    pub kid: String,
    pub algorithm: &'static str,
    pub state: String,
    pub created_at: Timestamp,
    pub signs_from: Timestamp,
    /// 1970-01-01T00:00:00Z for a key that was retired immediately: no clock is so far behind.
    pub signs_until: Option<Timestamp>,
    /// 1970-01-01T00:00:00Z for a key that was retired immediately.
    pub published_until: Option<Timestamp>,
}

impl SigningKeyView {
    fn at(key: &SigningKey, now: Timestamp) -> Self {
        SigningKeyView {
            kid: key.kid.clone(),
            algorithm: key.algorithm.as_str(),
            state: key.state(now).to_string(),
            created_at: key.created_at,
            // The row of a key that signs without a lead says "from the epoch", by any node's clock.
            signs_from: key.signs_from.max(key.created_at),
            signs_until: key.signs_until,
            published_until: key.published_until,
        }
    }
}

/// Lists all signing keys, oldest first.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
pub async fn list(
    store: &Arc<Store>,
    permit: Permit<SigningKeysRead>,
) -> Result<Vec<SigningKeyView>, Error> {
    let keys = store.read(signing_key::list).await?;
    Ok(keys
        .iter()
        .map(|key| SigningKeyView::at(key, permit.now()))
        .collect())
}

/// A signing key with its public half.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PublicKeyView {
    /// The key and its state.
    #[serde(flatten)]
    pub key: SigningKeyView,
    /// The public half as a JWK (RFC 7517).
    pub jwk: Value,
    /// The public half in PEM (RFC 7468 section 13).
    pub pem: String,
}

/// Shows a signing key with its public half.
///
/// # Errors
/// `not_found`.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<SigningKeysRead>,
    kid: &str,
) -> Result<PublicKeyView, Error> {
    let keys = store.read(signing_key::list).await?;
    let key = find(&keys, kid)?;
    Ok(PublicKeyView {
        key: SigningKeyView::at(key, permit.now()),
        jwk: serde_json::from_str(&key.public_jwk)
            .map_err(|error| Error::server_error(error.to_string()))?,
        pem: public_pem(key)?,
    })
}

fn find<'a>(keys: &'a [SigningKey], kid: &str) -> Result<&'a SigningKey, Error> {
    keys.iter()
        .find(|key| key.kid == kid)
        .ok_or_else(|| not_found("signing key", kid))
}

/// Checks that a key can sign, for a node that cannot write to the database.
///
/// # Errors
/// `temporarily_unavailable` if no key is active; the errors of [`opened_keys`].
pub async fn check(
    store: &Arc<Store>,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<(), Error> {
    let keys = opened_keys(store, sealing_keys, now).await?;
    match signing_at(&keys, SignatureAlgorithm::default(), now) {
        Some(_) => Ok(()),
        None => Err(Error::unavailable(
            "no signing key is active, and the database is read-only",
        )),
    }
}

/// Ensures, at the start of a node, that a key can sign, and that keys stay published for as long as the
/// token lifetime requires now.
///
/// # Errors
/// The errors of [`opened_keys`]; `server_error` if no key can be generated or sealed.
pub async fn ensure(services: SigningKeyServices<'_>, now: Timestamp) -> Result<(), Error> {
    let SigningKeyServices {
        store,
        sealing_keys,
        policy,
    } = services;
    // Finds a wrong sealing key file now, instead of at the first token request.
    let keys = opened_keys(store, sealing_keys, now).await?;
    let default = SignatureAlgorithm::default();
    if can_sign(&keys, now) {
        return store
            .write(now, move |transaction| {
                reschedule_at_start(transaction, policy, now)
            })
            .await;
    }
    let key = generate(default).await?;
    let sealing_keys = sealing_keys.clone();
    store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            // Another node may have created one meanwhile.
            if !can_sign(&keys, now) {
                let row = sealed_row(&key, &sealing_keys, now)?;
                signing_key::insert(transaction, &row)?;
                Recorder::keyward(now).record(
                    transaction,
                    Action::SigningKeyCreate,
                    None,
                    &row.kid,
                )?;
            }
            reschedule_at_start(transaction, policy, now)
        })
        .await
}

/// Whether tokens can be signed until the rotation has created the keys that are missing: a key signs,
/// or one for RS256 is about to.
fn can_sign(keys: &[SigningKey], now: Timestamp) -> bool {
    keys.iter().any(|key| match key.state(now) {
        State::Signing => true,
        State::Published => key.algorithm == SignatureAlgorithm::default(),
        State::Retiring | State::Gone => false,
    })
}

/// Generates a key that replaces the present one of its algorithm once every resource server can have
/// it.
///
/// # Errors
/// `server_error` if no key can be generated or sealed.
pub async fn rotate(
    services: SigningKeyServices<'_>,
    permit: Permit<SigningKeysWrite>,
    algorithm: SignatureAlgorithm,
) -> Result<SigningKeyView, Error> {
    let requested = RequestedAt::of(&permit);
    let key = generate(algorithm).await?;
    add(services, permit, Action::SigningKeyRotate, key, requested).await
}

/// Makes the [`DueChange`] of `keys` at `now`, a time that the clocks agree on, if there is one. Every
/// node may call this; one of them makes the change. `asked` are the algorithms that resource servers
/// ask for.
///
/// # Errors
/// `server_error` if no key can be generated or sealed.
pub async fn make_due_change(
    services: SigningKeyServices<'_>,
    keys: &[SigningKey],
    asked: &[SignatureAlgorithm],
    now: Timestamp,
) -> Result<Option<(DueChange, SigningKeyView)>, Error> {
    let policy = services.policy;
    let Some(due) = due_change(keys, asked, policy, now) else {
        return Ok(None);
    };
    let requested = RequestedAt::at(now);
    let generated = match &due {
        DueChange::Create(algorithm) | DueChange::Rotate(algorithm) => {
            Some(generate(*algorithm).await?)
        }
        DueChange::Retire(_) => None,
    };
    let sealing_keys = services.sealing_keys.clone();
    services
        .store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            let profile = policy.security_profile;
            let asked = signing_key::asked_algorithms(transaction.database(), profile)?;
            if due_change(&keys, &asked, policy, now).as_ref() != Some(&due) {
                return Ok(None);
            }
            let action = match &due {
                DueChange::Create(_) => Action::SigningKeyCreate,
                DueChange::Rotate(_) => Action::SigningKeyRotate,
                DueChange::Retire(_) => Action::SigningKeyRetire,
            };
            let row = match (&due, &generated) {
                (DueChange::Retire(kid), _) => {
                    let row = retired(find(&keys, kid)?.clone(), policy, now);
                    signing_key::update(transaction, &row)?;
                    row
                }
                (_, Some(key)) => {
                    let row = sealed_row(key, &sealing_keys, now)?;
                    let row = with_lead(transaction, row, policy, requested)?;
                    signing_key::insert(transaction, &row)?;
                    row
                }
                (_, None) => return Ok(None),
            };
            reschedule(transaction, policy, now)?;
            Recorder::keyward(now).record(transaction, action, None, &row.kid)?;
            Ok(Some((due.clone(), SigningKeyView::at(&row, now))))
        })
        .await
}

/// Imports a private key in PEM, which replaces the present one of its algorithm once every resource
/// server can have it. Without an algorithm, it is the usual one for a key of its kind. The holder of
/// the key can sign tokens with any scope, so the actor must have every right already.
///
/// # Errors
/// `invalid_request` for a key that is unusable or not for `algorithm`; `conflict` for one that exists already; `access_denied` if the
/// actor lacks a right.
pub async fn import(
    services: SigningKeyServices<'_>,
    permit: Permit<SigningKeysWrite>,
    pem: &[u8],
    algorithm: Option<SignatureAlgorithm>,
) -> Result<SigningKeyView, Error> {
    permit.check_every_right()?;
    let requested = RequestedAt::of(&permit);
    let key = SigningKeyPair::from_pem(pem, algorithm)
        .map_err(|error| Error::new(Code::InvalidRequest, error.to_string()))?;
    add(services, permit, Action::SigningKeyImport, key, requested).await
}

async fn add(
    services: SigningKeyServices<'_>,
    permit: Permit<SigningKeysWrite>,
    action: Action,
    key: SigningKeyPair,
    requested: RequestedAt,
) -> Result<SigningKeyView, Error> {
    let policy = services.policy;
    let now = requested.now;
    let sealing_keys = services.sealing_keys.clone();
    services
        .store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            check_opens(&keys, &sealing_keys, now)?;
            if keys.iter().any(|existing| existing.kid == key.kid) {
                return Err(Error::new(
                    Code::Conflict,
                    format!("The signing key {} already exists", key.kid),
                ));
            }
            let row = sealed_row(&key, &sealing_keys, now)?;
            let row = with_lead(transaction, row, policy, requested)?;
            signing_key::insert(transaction, &row)?;
            reschedule(transaction, policy, now)?;
            permit.audit(transaction, action, None, &row.kid)?;
            Ok(SigningKeyView::at(&row, now))
        })
        .await
}

/// Generates a key pair on a thread for blocking work: for RSA this takes long.
pub(super) async fn generate(algorithm: SignatureAlgorithm) -> Result<SigningKeyPair, Error> {
    let generated = Scope::current()
        .run_blocking(move || SigningKeyPair::generate(algorithm))
        .await;
    Ok(generated.map_err(|error| Error::server_error(error.to_string()))??)
}
