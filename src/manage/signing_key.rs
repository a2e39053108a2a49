//! Signing keys: creation, rotation, import and retirement. The state of a key is a function of its row
//! and the time; this module writes the rows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::actor::Permit;
use super::not_found;
use super::rights::{SigningKeysRead, SigningKeysWrite};
use crate::clock::{self, Timestamp};
use crate::config::Settings;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::{Code, Error};
use crate::oauth::AuthorizationServer;
use crate::oauth::signing_keys::{SigningKeyPair, public_pem};
use crate::store::audit::{Action, Recorder};
use crate::store::clock as store_clock;
use crate::store::cluster_settings::{self, ClusterSettings};
use crate::store::signing_key::{self, SigningKey, State, signing_at};
use crate::store::{Store, Transaction};

/// How long a new key is published beyond the JWKS `max-age` before it signs: until every node publishes
/// it, and for clocks that differ.
const PUBLISH_MARGIN: Duration = Duration::from_secs(2);

/// How long a key stays published beyond the lifetime of the last token that it signed: for a node whose
/// clock is behind.
const JWKS_GRACE: Duration = Duration::from_secs(5);

/// What an operator can do if the sealing key file does not open the keys in the database.
pub const LOST_FILE_HELP: &str = "Restore the file from a backup or copy it from another node; if it is lost for good, run: keyward \
                                  sealing-key reset";

/// The durations that the schedule of signing keys depends on.
#[derive(Clone, Copy)]
pub struct RotationPolicy {
    /// How long resource servers may cache the JWK Set.
    pub jwks_max_age: Duration,
    /// How long an access token is valid.
    pub token_ttl: Duration,
    /// The age at which a key is replaced.
    pub max_age: Duration,
}

impl RotationPolicy {
    /// The policy of these settings, but with durations at least as long as those of the running nodes:
    /// a command beside them must not rotate faster than resource servers fetch the JWK Set.
    ///
    /// # Errors
    /// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
    pub async fn effective(store: &Arc<Store>, settings: &Settings) -> Result<Self, Error> {
        let cluster = store.read(cluster_settings::find).await?;
        let of_nodes = |duration: fn(&ClusterSettings) -> Duration| {
            cluster.as_ref().map_or(Duration::ZERO, duration)
        };
        Ok(RotationPolicy {
            jwks_max_age: settings
                .jwks_max_age
                .max(of_nodes(ClusterSettings::jwks_max_age)),
            token_ttl: settings.token_ttl.max(of_nodes(ClusterSettings::token_ttl)),
            max_age: settings.signing_key_max_age,
        })
    }

    /// How long a key is published before it signs, so that every resource server has it by then.
    fn publish_lead(&self) -> Duration {
        self.jwks_max_age + PUBLISH_MARGIN
    }

    /// How long a key stays published after it signed its last token.
    pub(super) fn publish_tail(&self) -> Duration {
        self.token_ttl + JWKS_GRACE
    }
}

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

/// Opens the sealing key file; creates it if the database has no signing keys yet that another file
/// seals.
///
/// # Errors
/// `server_error` if the file is missing although there are signing keys, or cannot be read or created.
pub async fn open_or_create_sealing_keys(
    store: &Arc<Store>,
    folder: &Path,
) -> Result<SealingKeyFile, Error> {
    let keys = store.read(signing_key::list).await?;
    if keys.is_empty() {
        return SealingKeyFile::open_or_make(folder)
            .map_err(|error| Error::from(error).field("keys_dir"));
    }
    open_needed_sealing_keys(folder)
}

/// Opens the sealing key file, and never creates it.
///
/// # Errors
/// `server_error` if the file is missing or cannot be read.
pub async fn open_sealing_keys(store: &Arc<Store>, folder: &Path) -> Result<SealingKeyFile, Error> {
    if store.read(signing_key::list).await?.is_empty() {
        return SealingKeyFile::open(folder).map_err(|reason| {
            Error::server_error(format!("{reason}; `keyward serve` makes it")).field("keys_dir")
        });
    }
    open_needed_sealing_keys(folder)
}

fn open_needed_sealing_keys(folder: &Path) -> Result<SealingKeyFile, Error> {
    SealingKeyFile::open(folder).map_err(|reason| {
        let reason = format!(
            "{reason}; the signing keys of this database are sealed with that file. {LOST_FILE_HELP}"
        );
        Error::server_error(reason).field("keys_dir")
    })
}

/// Refuses a sealing key file that does not open the keys in use: the other nodes could not open what it
/// seals.
fn check_opens(
    keys: &[SigningKey],
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<(), Error> {
    for key in keys.iter().filter(|key| is_in_use(key, now)) {
        SigningKeyPair::open(key, sealing_keys)
            .map_err(|reason| Error::server_error(format!("{reason}; {LOST_FILE_HELP}")))?;
    }
    Ok(())
}

/// Whether a key signs now or later.
fn is_in_use(key: &SigningKey, now: Timestamp) -> bool {
    matches!(key.state(now), State::Signing | State::Published)
}

/// Reads all keys, and checks that those in use can be opened. If the sealing key is rotated between
/// reading the database and reading the file, both are read again.
///
/// # Errors
/// `server_error` if a key cannot be opened; a [`StoreError`](crate::store::StoreError) if the database
/// cannot be queried.
pub async fn opened_keys(
    store: &Arc<Store>,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<Vec<SigningKey>, Error> {
    let private_halves = |keys: &[SigningKey]| {
        keys.iter()
            .map(|key| key.private_sealed.clone())
            .collect::<Vec<_>>()
    };
    let mut keys = store.read(signing_key::list).await?;
    loop {
        let Err(error) = check_opens(&keys, sealing_keys, now) else {
            return Ok(keys);
        };
        let before = private_halves(&keys);
        keys = store.read(signing_key::list).await?;
        if private_halves(&keys) == before {
            return Err(error);
        }
    }
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
    match signing_at(&opened_keys(store, sealing_keys, now).await?, now) {
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
    if signing_at(&keys, now).is_some() {
        return store
            .write(now, move |transaction| {
                reschedule_at_start(transaction, policy, now)
            })
            .await;
    }
    let key = generate().await?;
    let sealing_keys = sealing_keys.clone();
    store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            // Another node may have created one meanwhile.
            if signing_at(&keys, now).is_none() {
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

/// Generates a key that replaces the present one once every resource server can have it.
///
/// # Errors
/// `server_error` if no key can be generated or sealed.
pub async fn rotate(
    services: SigningKeyServices<'_>,
    permit: Permit<SigningKeysWrite>,
) -> Result<SigningKeyView, Error> {
    let requested = RequestedAt::of(&permit);
    let key = generate().await?;
    add(services, permit, Action::SigningKeyRotate, key, requested).await
}

/// Whether the signing key has reached its maximum age and has no successor yet.
pub fn is_due(keys: &[SigningKey], policy: RotationPolicy, now: Timestamp) -> bool {
    signing_at(keys, now).is_some_and(|key| {
        // The row of a key that signs without a lead says "from the epoch".
        let age = now.duration_since(key.signs_from.max(key.created_at));
        key.signs_until.is_none() && age >= policy.max_age.saturating_sub(policy.publish_lead())
    })
}

/// Rotates the signing key if [`is_due`] at `now`, a time that the clocks agree on. Every node calls
/// this; one of them rotates.
///
/// # Errors
/// `server_error` if no key can be generated or sealed.
pub async fn rotate_if_due(
    services: SigningKeyServices<'_>,
    keys: &[SigningKey],
    now: Timestamp,
) -> Result<Option<SigningKeyView>, Error> {
    let policy = services.policy;
    if !is_due(keys, policy, now) {
        return Ok(None);
    }
    let requested = RequestedAt::at(now);
    let key = generate().await?;
    let sealing_keys = services.sealing_keys.clone();
    services
        .store
        .write(now, move |transaction| {
            if !is_due(&signing_key::list(transaction.database())?, policy, now) {
                return Ok(None);
            }
            let row = sealed_row(&key, &sealing_keys, now)?;
            let row = with_lead(transaction, row, policy, requested)?;
            signing_key::insert(transaction, &row)?;
            reschedule(transaction, policy, now)?;
            Recorder::keyward(now).record(transaction, Action::SigningKeyRotate, None, &row.kid)?;
            Ok(Some(SigningKeyView::at(&row, now)))
        })
        .await
}

/// Imports a private key in PEM, which replaces the present one once every resource server can have it.
/// Whoever knows the key can sign tokens with any scope, so the actor must have every right already.
///
/// # Errors
/// `invalid_request` for an unusable key; `conflict` for one that exists already; `access_denied` if the
/// actor lacks a right.
pub async fn import(
    services: SigningKeyServices<'_>,
    permit: Permit<SigningKeysWrite>,
    pem: &[u8],
) -> Result<SigningKeyView, Error> {
    permit.check_every_right()?;
    let requested = RequestedAt::of(&permit);
    let key = SigningKeyPair::from_pem(pem)
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

/// How a key is retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetirementMode {
    /// The key stays published until the last token that it signed has expired.
    Graceful,
    /// The key leaked: it is no longer published, and the tokens that it signed are refused.
    Immediate,
}

/// Retires a key. If no other key would sign, a successor is generated. A graceful retirement lets the
/// key sign until the successor can take over.
///
/// # Errors
/// `not_found`; `conflict` if the key is retired already.
pub async fn retire(
    services: SigningKeyServices<'_>,
    permit: Permit<SigningKeysWrite>,
    kid: &str,
    mode: RetirementMode,
) -> Result<SigningKeyView, Error> {
    let requested = RequestedAt::of(&permit);
    loop {
        // Generating an RSA key takes long: only if one is needed, and not within the transaction,
        // for which other writers wait.
        let keys = services.store.read(signing_key::list).await?;
        check_opens(&keys, services.sealing_keys, requested.now)?;
        let successor = match plan_retirement(&keys, kid, mode, requested.now)?.successor {
            Some(_) => Some(generate().await?),
            None => None,
        };
        let retired = write_retirement(services, &permit, kid, mode, successor, requested);
        if let Some(key) = retired.await? {
            return Ok(key);
        }
    }
}

/// Retires a key in one transaction; `None` if that takes a successor and none was generated, since the
/// keys have changed in between.
async fn write_retirement(
    services: SigningKeyServices<'_>,
    permit: &Permit<SigningKeysWrite>,
    kid: &str,
    mode: RetirementMode,
    successor: Option<SigningKeyPair>,
    requested: RequestedAt,
) -> Result<Option<SigningKeyView>, Error> {
    let policy = services.policy;
    let now = requested.now;
    let sealing_keys = services.sealing_keys.clone();
    let permit = permit.clone();
    let kid = kid.to_owned();
    services
        .store
        .write(now, move |transaction| {
            let keys = signing_key::list(transaction.database())?;
            check_opens(&keys, &sealing_keys, now)?;
            let plan = plan_retirement(&keys, &kid, mode, now)?;
            if plan.successor.is_some() && successor.is_none() {
                return Ok(None);
            }
            if let Some(key) = &plan.ended {
                signing_key::update(transaction, key)?;
            }
            if let (Some(start), Some(successor)) = (plan.successor, &successor) {
                let row = sealed_row(successor, &sealing_keys, now)?;
                let row = match start {
                    SuccessorStart::Immediate => SigningKey {
                        signs_from: Timestamp::EPOCH,
                        ..row
                    },
                    SuccessorStart::AfterLead => with_lead(transaction, row, policy, requested)?,
                };
                signing_key::insert(transaction, &row)?;
            }
            permit.audit(transaction, Action::SigningKeyRetire, None, &kid)?;
            let keys = reschedule(transaction, policy, now)?;
            Ok(Some(SigningKeyView::at(find(&keys, &kid)?, now)))
        })
        .await
}

/// When the successor of a retired key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SuccessorStart {
    /// On every node, whatever its clock says: there is no other key that signs.
    Immediate,
    /// Once every resource server can have it.
    AfterLead,
}

/// The changes that retire a key.
#[derive(Debug)]
struct RetirementPlan {
    /// The key, if it stops signing and being published now.
    ended: Option<SigningKey>,
    /// When the successor signs, if one is needed.
    successor: Option<SuccessorStart>,
}

fn plan_retirement(
    keys: &[SigningKey],
    kid: &str,
    mode: RetirementMode,
    now: Timestamp,
) -> Result<RetirementPlan, Error> {
    let key = find(keys, kid)?;
    let state = key.state(now);
    let is_retired = match mode {
        // The key may be gone by this machine's clock alone, which may be ahead.
        RetirementMode::Immediate => key.published_until == Some(Timestamp::EPOCH),
        RetirementMode::Graceful => matches!(state, State::Retiring | State::Gone),
    };
    if is_retired {
        return Err(Error::new(
            Code::Conflict,
            format!("The signing key {kid} is {state} already"),
        ));
    }
    let another_is = |wanted: State| {
        keys.iter()
            .any(|other| other.kid != kid && other.state(now) == wanted)
    };
    if mode == RetirementMode::Immediate || state == State::Published {
        let ended = SigningKey {
            // The epoch, not `now`: by a clock that is behind, `now` is in the future.
            signs_until: Some(Timestamp::EPOCH),
            published_until: Some(Timestamp::EPOCH),
            ..key.clone()
        };
        return Ok(RetirementPlan {
            ended: Some(ended),
            successor: (!another_is(State::Signing)).then_some(SuccessorStart::Immediate),
        });
    }
    Ok(RetirementPlan {
        ended: None,
        successor: (!another_is(State::Published)).then_some(SuccessorStart::AfterLead),
    })
}

/// Generates an RSA key pair on a thread for blocking work.
pub(super) async fn generate() -> Result<SigningKeyPair, Error> {
    let generated = tokio::task::spawn_blocking(SigningKeyPair::generate).await;
    Ok(generated.map_err(|error| Error::server_error(error.to_string()))??)
}

/// When a new key was requested. Until its row is written it takes a while: a key is generated, and
/// other writers come first.
#[derive(Clone, Copy)]
struct RequestedAt {
    now: Timestamp,
    since_boot: Duration,
}

impl RequestedAt {
    fn at(now: Timestamp) -> Self {
        RequestedAt {
            now,
            since_boot: clock::since_boot(),
        }
    }

    /// For a request: not the time when it was received, since its body may have arrived slowly, and
    /// the lead of the new key counts from when it is published.
    fn of(permit: &Permit<SigningKeysWrite>) -> Self {
        RequestedAt::at(permit.now().max(Timestamp::now()))
    }

    fn elapsed(self) -> Duration {
        clock::since_boot().saturating_sub(self.since_boot)
    }
}

/// Lets a new key sign once every resource server can have it: counted from when its row is written, by
/// this machine's clock or the database server's, whichever is ahead.
fn with_lead(
    transaction: &mut Transaction<'_>,
    key: SigningKey,
    policy: RotationPolicy,
    requested: RequestedAt,
) -> Result<SigningKey, Error> {
    let now = requested.now.saturating_add(requested.elapsed());
    let published = store_clock::not_before(transaction.database(), now)?;
    Ok(SigningKey {
        signs_from: published.saturating_add(policy.publish_lead()),
        ..key
    })
}

/// The row of a new key that signs from `now` on. To be called within the transaction that writes it, so
/// that a rotation of the sealing key comes before or after, and not in between.
pub(super) fn sealed_row(
    key: &SigningKeyPair,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Result<SigningKey, Error> {
    Ok(SigningKey {
        private_sealed: key.sealed(sealing_keys)?,
        kid: key.kid.clone(),
        algorithm: key.algorithm,
        public_jwk: key.public_jwk.clone(),
        created_at: now,
        signs_from: now,
        signs_until: None,
        published_until: None,
    })
}

/// Updates the schedule at the start of a node, with an audit entry for each key that changed.
fn reschedule_at_start(
    transaction: &mut Transaction<'_>,
    policy: RotationPolicy,
    now: Timestamp,
) -> Result<(), Error> {
    let keys = signing_key::list(transaction.database())?;
    for key in changed(&keys, &schedule(&keys, policy, now)) {
        signing_key::update(transaction, key)?;
        Recorder::keyward(now).record(transaction, Action::SigningKeyUpdate, None, &key.kid)?;
    }
    Ok(())
}

/// Updates the schedule after a change of the keys; the caller writes the audit entry. Returns all keys.
pub(super) fn reschedule(
    transaction: &mut Transaction<'_>,
    policy: RotationPolicy,
    now: Timestamp,
) -> Result<Vec<SigningKey>, Error> {
    let keys = signing_key::list(transaction.database())?;
    let scheduled = schedule(&keys, policy, now);
    for key in changed(&keys, &scheduled) {
        signing_key::update(transaction, key)?;
    }
    Ok(scheduled)
}

fn changed<'a>(
    before: &'a [SigningKey],
    after: &'a [SigningKey],
) -> impl Iterator<Item = &'a SigningKey> {
    let is_changed = |(before, after): &(&SigningKey, &SigningKey)| {
        (before.signs_until, before.published_until) != (after.signs_until, after.published_until)
    };
    before
        .iter()
        .zip(after)
        .filter(is_changed)
        .map(|(_, after)| after)
}

/// The schedule: each key that signs now or later signs until the next one begins, and stays published
/// until the last token that it signed has expired.
fn schedule(keys: &[SigningKey], policy: RotationPolicy, now: Timestamp) -> Vec<SigningKey> {
    let mut in_use: Vec<&SigningKey> = keys.iter().filter(|key| is_in_use(key, now)).collect();
    in_use.sort_by(|a, b| (a.signs_from, &a.kid).cmp(&(b.signs_from, &b.kid)));
    let next_start = |kid: &str| {
        let index = in_use.iter().position(|key| key.kid == kid)?;
        Some(in_use.get(index + 1).map(|next| next.signs_from))
    };
    keys.iter()
        .map(|key| {
            let mut scheduled = key.clone();
            if let Some(next_start) = next_start(&key.kid) {
                scheduled.signs_until = next_start;
                scheduled.published_until = next_start;
            }
            if let Some(end) = scheduled.signs_until
                && scheduled.state(now) != State::Gone
            {
                // Never shortened: tokens with a longer lifetime may have been issued before.
                let until = end.saturating_add(policy.publish_tail());
                scheduled.published_until = scheduled
                    .published_until
                    .max(key.published_until)
                    .max(Some(until));
            }
            scheduled
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::signing_key::Algorithm;

    const POLICY: RotationPolicy = RotationPolicy {
        jwks_max_age: Duration::from_secs(300),
        token_ttl: Duration::from_secs(3600),
        max_age: Duration::from_secs(90 * 24 * 3600),
    };

    /// A time, in seconds after the first key was created.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn key(kid: &str, signs_from: i64) -> SigningKey {
        SigningKey {
            kid: kid.to_owned(),
            algorithm: Algorithm::Rs256,
            public_jwk: String::new(),
            private_sealed: String::new(),
            created_at: at(0),
            signs_from: at(signs_from),
            signs_until: None,
            published_until: None,
        }
    }

    /// A key that signs, or signed, until a time, and is published until a later one.
    fn ending(kid: &str, signs_from: i64, signs_until: i64, published_until: i64) -> SigningKey {
        SigningKey {
            signs_until: Some(at(signs_until)),
            published_until: Some(at(published_until)),
            ..key(kid, signs_from)
        }
    }

    fn leaked(kid: &str) -> SigningKey {
        SigningKey {
            signs_until: Some(Timestamp::EPOCH),
            published_until: Some(Timestamp::EPOCH),
            ..key(kid, 0)
        }
    }

    const TAIL: i64 = 3605;

    #[test]
    fn a_key_signs_until_the_next_one_begins_and_stays_published_for_its_last_token() {
        // The keys; the time; when each stops signing, and when it stops being published.
        type End = Option<i64>;
        type Case<'a> = (&'a str, Vec<SigningKey>, i64, Vec<(End, End)>);
        let cases: Vec<Case<'_>> = vec![
            ("a single key", vec![key("a", 0)], 10, vec![(None, None)]),
            (
                "a key with a successor",
                vec![key("a", 0), key("b", 302)],
                10,
                vec![(Some(302), Some(302 + TAIL)), (None, None)],
            ),
            (
                "three keys, in the order in which they sign and not of their ids",
                vec![key("c", 0), key("b", 302), key("a", 500)],
                10,
                vec![
                    (Some(302), Some(302 + TAIL)),
                    (Some(500), Some(500 + TAIL)),
                    (None, None),
                ],
            ),
            (
                "a key whose successor was withdrawn signs on",
                vec![ending("a", 0, 302, 302 + TAIL), leaked("b")],
                10,
                vec![(None, None), (Some(i64::MIN), Some(i64::MIN))],
            ),
            (
                "a retiring key keeps its end",
                vec![ending("a", 0, 302, 302 + TAIL), key("b", 302)],
                400,
                vec![(Some(302), Some(302 + TAIL)), (None, None)],
            ),
            (
                "a longer token lifetime keeps a retiring key published",
                vec![ending("a", 0, 302, 1000), key("b", 302)],
                400,
                vec![(Some(302), Some(302 + TAIL)), (None, None)],
            ),
            (
                "a shorter token lifetime does not shorten the publication",
                vec![ending("a", 0, 302, 100_000), key("b", 302)],
                400,
                vec![(Some(302), Some(100_000)), (None, None)],
            ),
            (
                "a key that is gone stays gone",
                vec![ending("a", 0, 302, 1000), key("b", 302)],
                2000,
                vec![(Some(302), Some(1000)), (None, None)],
            ),
        ];
        let time = |end: End| match end {
            Some(i64::MIN) => Some(Timestamp::EPOCH),
            end => end.map(at),
        };
        for (name, keys, now, expected) in cases {
            let scheduled = schedule(&keys, POLICY, at(now));
            let ends: Vec<_> = scheduled
                .iter()
                .map(|key| (key.signs_until, key.published_until))
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(signs, published)| (time(signs), time(published)))
                .collect();
            assert_eq!(ends, expected, "{name}");
            // A second run changes nothing.
            let again = schedule(&scheduled, POLICY, at(now));
            assert_eq!(changed(&scheduled, &again).count(), 0, "{name}");
        }
    }

    #[test]
    fn a_key_is_replaced_in_time_to_be_published_before_the_old_one_is_too_old() {
        let max_age: i64 = 90 * 24 * 3600;
        let due = max_age - 302;
        let from_the_epoch = SigningKey {
            signs_from: Timestamp::EPOCH,
            ..key("a", 0)
        };
        let cases: [(&str, Vec<SigningKey>, i64, bool); 7] = [
            ("young", vec![key("a", 0)], 10, false),
            ("just before", vec![key("a", 0)], due - 1, false),
            ("due", vec![key("a", 0)], due, true),
            ("overdue", vec![key("a", 0)], max_age * 2, true),
            (
                "with a successor",
                vec![
                    ending("a", 0, due + 302, due + 302 + TAIL),
                    key("b", due + 302),
                ],
                due + 1,
                false,
            ),
            (
                "signs from the epoch, counted from its creation",
                vec![from_the_epoch],
                10,
                false,
            ),
            ("no key at all", vec![], due, false),
        ];
        for (name, keys, now, expected) in cases {
            assert_eq!(is_due(&keys, POLICY, at(now)), expected, "{name}");
        }
    }

    #[test]
    fn a_retirement_generates_a_successor_only_if_no_other_key_signs() {
        use RetirementMode::{Graceful, Immediate};
        use SuccessorStart::AfterLead;
        let signing = || key("a", 0);
        let next = || key("b", 302);
        // The keys; how "a" is retired; whether it ends now, and when a successor signs.
        type Plan = (bool, Option<SuccessorStart>);
        let cases: Vec<(&str, Vec<SigningKey>, RetirementMode, Plan)> = vec![
            (
                "the only key, gracefully",
                vec![signing()],
                Graceful,
                (false, Some(AfterLead)),
            ),
            (
                "with a successor, gracefully",
                vec![signing(), next()],
                Graceful,
                (false, None),
            ),
            (
                "the only key, immediately",
                vec![signing()],
                Immediate,
                (true, Some(SuccessorStart::Immediate)),
            ),
            (
                "a successor that does not sign yet is not enough",
                vec![signing(), next()],
                Immediate,
                (true, Some(SuccessorStart::Immediate)),
            ),
            (
                "another key signs",
                vec![signing(), key("b", 5)],
                Immediate,
                (true, None),
            ),
            (
                "a key that has not signed yet has no tokens to wait for",
                vec![key("a", 302), key("b", 0)],
                Graceful,
                (true, None),
            ),
            (
                "a retiring key that leaked",
                vec![ending("a", 0, 5, 5 + TAIL), key("b", 5)],
                Immediate,
                (true, None),
            ),
        ];
        for (name, keys, mode, (ends, successor)) in cases {
            let plan = plan_retirement(&keys, "a", mode, at(10)).unwrap();
            assert_eq!(plan.successor, successor, "{name}");
            assert_eq!(plan.ended.is_some(), ends, "{name}");
            if let Some(ended) = plan.ended {
                assert_eq!(ended.state(at(-1_000_000)), State::Gone, "{name}");
            }
        }
    }

    #[test]
    fn a_key_is_retired_once() {
        use RetirementMode::{Graceful, Immediate};
        let retiring = || vec![ending("a", 0, 5, 5 + TAIL), key("b", 5)];
        let cases = [
            (retiring(), Graceful, Err(Code::Conflict)),
            (retiring(), Immediate, Ok(())),
            (vec![leaked("a")], Graceful, Err(Code::Conflict)),
            (vec![leaked("a")], Immediate, Err(Code::Conflict)),
            // Gone, but perhaps not yet by the clock of another node.
            (vec![ending("a", 0, 5, 6), key("b", 5)], Immediate, Ok(())),
            (vec![key("b", 0)], Graceful, Err(Code::NotFound)),
        ];
        for (index, (keys, mode, expected)) in cases.into_iter().enumerate() {
            let planned = plan_retirement(&keys, "a", mode, at(10));
            let planned = planned.map(drop).map_err(|error| error.code());
            assert_eq!(planned, expected, "case {index}");
        }
    }
}
