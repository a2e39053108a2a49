//! Creates signing keys for the algorithms that resource servers and security profiles ask for,
//! rotates those that have reached their maximum age, and retires those whose algorithm is no
//! longer used.

use std::sync::Arc;

use super::clocks;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::manage::signing_key::{self, DueChange, SigningKeyServices};
use crate::oauth::AuthorizationServer;
use crate::store::signing_key::asked_algorithms;

/// Makes one change if it is due by the clock of this node and by the instant that all clocks agree
/// on. The transaction that makes it checks once more that it is due.
pub(super) async fn run(server: Arc<AuthorizationServer>) -> Result<(), Error> {
    let services = SigningKeyServices::of(&server).await?;
    let keys = server.cache.cached_signing_keys();
    let profile = services.policy.security_profile;
    let read = move |database: &mut _| asked_algorithms(database, profile);
    let asked = server.store.read(read);
    let asked = asked.await?;
    if signing_key::due_change(&keys, &asked, services.policy, Timestamp::now()).is_none() {
        return Ok(());
    }
    let Some((agreed, _)) = clocks::compare(&server).await? else {
        return Ok(());
    };
    let made = signing_key::make_due_change(services, &keys, &asked, agreed.now).await?;
    let Some((change, key)) = made else {
        return Ok(());
    };
    match change {
        DueChange::Create(_) => tracing::info!(
            kid = key.kid,
            alg = key.algorithm,
            signs_from = %key.signs_from,
            "signing key created: a resource server or a security profile asks for its algorithm"
        ),
        DueChange::Rotate(_) => tracing::info!(
            kid = key.kid,
            alg = key.algorithm,
            signs_from = %key.signs_from,
            "signing key rotated: it reached its maximum age"
        ),
        DueChange::Retire(_) => tracing::info!(
            kid = key.kid,
            alg = key.algorithm,
            "signing key retired: no resource server and no security profile asks for its algorithm"
        ),
    }
    Ok(())
}
