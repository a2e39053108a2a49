//! Cryptography: JSON Web Signatures, password hashing, and hashing of generated secrets.

pub mod jws;
pub mod password;
pub mod secret_hash;
