//! Hashes of the secrets that Keyward generates, and their comparison. Passwords that people choose
//! are hashed in [`password`](crate::crypto::password).

use std::sync::OnceLock;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::credential::{Credential, Fingerprint, random_bytes};

/// Argon2id at its minimal cost, some ten microseconds. No cost makes 256 random bits harder to
/// guess, and a restart or a burst of new clients must not queue for expensive hashes.
fn minimal_cost() -> Argon2<'static> {
    #[expect(
        clippy::expect_used,
        reason = "the minimum of each parameter is allowed by definition"
    )]
    let params = Params::new(
        Params::MIN_M_COST,
        Params::MIN_T_COST,
        Params::MIN_P_COST,
        None,
    )
    .expect("the minimal parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of a credential for the database, as a PHC string.
pub fn hash(credential: &Credential) -> String {
    hash_high_entropy(credential.expose())
}

/// The hash of a generated secret in another form, such as a recovery code, as a PHC string.
pub fn hash_high_entropy(text: &str) -> String {
    let salt: [u8; 16] = random_bytes();
    #[expect(
        clippy::expect_used,
        reason = "fails on a wrong length of salt or output, and both are constants"
    )]
    let hash = minimal_cost()
        .hash_password_with_salt(text.as_bytes(), &salt)
        .expect("an Argon2id hash");
    hash.to_string()
}

/// Whether `hash` is the hash of `text`. Takes constant time for a given hash.
pub fn verify_high_entropy(text: &str, hash: &str) -> bool {
    minimal_cost()
        .verify_password(text.as_bytes(), hash)
        .is_ok()
}

/// Does the work of a comparison and discards it, so that an unknown name takes as long as a known
/// one.
pub fn dummy_verify(presented: &[u8]) {
    let mut out = [0; 32];
    // The outcome is of no interest, and the parameters are constants.
    let _ = minimal_cost().hash_password_into(presented, &[0; 16], &mut out);
}

/// The hash of a secret in memory. Once the secret was presented and verified, its SHA-256 is kept
/// as well: the next comparison takes a microsecond.
pub struct StoredSecret {
    hash: String,
    verified_digest: OnceLock<Fingerprint>,
}

impl StoredSecret {
    /// Wraps a PHC string from the database.
    pub fn new(hash: String) -> Self {
        StoredSecret {
            hash,
            verified_digest: OnceLock::new(),
        }
    }

    /// Whether `presented` is the secret. Takes constant time for a given hash.
    pub fn matches(&self, presented: &Credential) -> bool {
        let digest = presented.fingerprint();
        if self
            .verified_digest
            .get()
            .is_some_and(|verified| verified.matches(&digest))
        {
            return true;
        }
        let right = verify_high_entropy(presented.expose(), &self.hash);
        if right {
            // Another thread may have set the same digest already.
            let _ = self.verified_digest.set(digest);
        }
        right
    }
}
