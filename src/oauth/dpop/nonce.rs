//! Nonces for DPoP proofs (RFC 9449 sections 8 and 9). A nonce is the number of a time slot with a
//! message authentication code by the sealing key file, which all nodes share: any node accepts the
//! nonces of all others, and none stores them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::crypto::sealing_key::{MAC_LENGTH, SealingKeyError, SealingKeyFile};

/// The length of a time slot, in seconds. A nonce is accepted in its slot and in the next one.
const SLOT_SECONDS: i64 = 60;

/// Derives a key of its own from the sealing key.
const PURPOSE: &str = "keyward DPoP nonce";

/// The number of the slot, in bytes.
const SLOT_LENGTH: usize = 8;

/// Whether a proof has a valid nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceStatus {
    /// It has no nonce.
    Absent,
    /// Its nonce is not one of this deployment, or too old.
    Invalid,
    /// Its nonce is valid.
    Valid {
        /// When the nonce stops being valid on every node.
        until: Timestamp,
    },
}

/// The nonce of the current slot.
///
/// # Errors
/// Fails if the sealing key file was not read.
pub fn current(keys: &SealingKeyFile, now: Timestamp) -> Result<String, SealingKeyError> {
    let slot = slot(now).to_be_bytes();
    let mac = keys.mac(PURPOSE, &slot)?;
    Ok(URL_SAFE_NO_PAD.encode([&slot[..], &mac].concat()))
}

/// Checks a nonce. That of the next slot is accepted too: another node's clock may be ahead.
pub fn check(keys: &SealingKeyFile, nonce: &str, now: Timestamp) -> NonceStatus {
    let Some((slot_bytes, mac)) = parse(nonce) else {
        return NonceStatus::Invalid;
    };
    let given = i64::from_be_bytes(slot_bytes);
    let current = slot(now);
    let is_recent = (current - 1..=current + 1).contains(&given);
    if !is_recent || !keys.verify_mac(PURPOSE, &slot_bytes, &mac) {
        return NonceStatus::Invalid;
    }
    // Accepted in two slots, and by a node whose clock is one slot behind in a third.
    NonceStatus::Valid {
        until: Timestamp::from_seconds((given + 3) * SLOT_SECONDS),
    }
}

fn slot(now: Timestamp) -> i64 {
    now.seconds().div_euclid(SLOT_SECONDS)
}

fn parse(nonce: &str) -> Option<([u8; SLOT_LENGTH], [u8; MAC_LENGTH])> {
    // The length is checked first, so that nothing long is decoded.
    if nonce.len() != (SLOT_LENGTH + MAC_LENGTH) * 4 / 3 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
    let (slot, mac) = bytes.split_first_chunk::<SLOT_LENGTH>()?;
    Some((*slot, mac.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::new_id;

    fn keys() -> (SealingKeyFile, std::path::PathBuf) {
        let folder = std::env::temp_dir().join(format!("keyward-nonce-{}", new_id()));
        (SealingKeyFile::open_or_make(&folder).unwrap(), folder)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_nonce_is_valid_in_its_slot_and_the_next() {
        let (keys, folder) = keys();
        let nonce = current(&keys, at(0)).unwrap();
        assert_eq!(nonce.len(), 32);
        assert_eq!(current(&keys, at(59)).unwrap(), nonce);
        assert_ne!(current(&keys, at(60)).unwrap(), nonce);
        let until = at(180);
        for (seconds, expected) in [
            (-61, NonceStatus::Invalid),
            (-60, NonceStatus::Valid { until }),
            (0, NonceStatus::Valid { until }),
            (119, NonceStatus::Valid { until }),
            (120, NonceStatus::Invalid),
        ] {
            assert_eq!(check(&keys, &nonce, at(seconds)), expected, "{seconds}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_nonce_cannot_be_forged() {
        let (keys, folder) = keys();
        let (others, other_folder) = self::keys();
        let nonce = current(&keys, at(0)).unwrap();
        let later = URL_SAFE_NO_PAD.encode(
            [
                &slot(at(60)).to_be_bytes()[..],
                &URL_SAFE_NO_PAD.decode(&nonce).unwrap()[SLOT_LENGTH..],
            ]
            .concat(),
        );
        for (name, nonce) in [
            ("empty", String::new()),
            ("short", nonce[1..].to_owned()),
            ("long", format!("{nonce}A")),
            ("not base64url", "!".repeat(32)),
            ("all zero", "A".repeat(32)),
            ("the code of another slot", later),
            ("another deployment", current(&others, at(0)).unwrap()),
        ] {
            assert_eq!(check(&keys, &nonce, at(0)), NonceStatus::Invalid, "{name}");
        }
        std::fs::remove_dir_all(folder).unwrap();
        std::fs::remove_dir_all(other_folder).unwrap();
    }

    #[test]
    fn a_nonce_survives_the_rotation_of_the_sealing_key() {
        let (keys, folder) = keys();
        let nonce = current(&keys, at(0)).unwrap();
        let old = keys.lines().remove(0);
        let new = SealingKeyFile::new_line();
        let write = |text: String| {
            std::fs::write(folder.join(crate::crypto::sealing_key::KEY_FILE), text).unwrap();
            SealingKeyFile::open(&folder).unwrap()
        };
        let rotated = write(format!("{}\n{}\n", *new, *old));
        assert_ne!(current(&rotated, at(0)).unwrap(), nonce);
        let until = at(180);
        let valid = NonceStatus::Valid { until };
        assert_eq!(check(&rotated, &nonce, at(0)), valid);
        let without_old = write(format!("{}\n", *new));
        assert_eq!(check(&without_old, &nonce, at(0)), NonceStatus::Invalid);
        // A node that still has the old key first, and the new one prepared.
        let prepared = write(format!("{}\nnext {}\n", *old, *new));
        let by_rotated = current(&rotated, at(0)).unwrap();
        assert_eq!(check(&prepared, &by_rotated, at(0)), valid);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
