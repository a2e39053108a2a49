//! JSON Web Signatures and JSON Web Keys (RFC 7515, RFC 7517, RFC 7518), for tokens of Keyward's own
//! and for assertions and keys of clients. No other module parses either.
//!
//! A new signature algorithm is a variant of [`SignatureAlgorithm`]; the compiler then names each
//! `match` that it needs: in `public_key` for verifying, in `private_key` for signing.

mod algorithm;
mod compact;
mod jwk_set;
mod private_key;
mod public_key;

pub use algorithm::SignatureAlgorithm;
pub use compact::{DecodeError, Header, Jws, JwsError};
pub use jwk_set::{Jwk, JwkSet, SignatureError, WantedKey};
pub use private_key::PrivateKey;
pub use public_key::{InvalidKey, PublicKey};
