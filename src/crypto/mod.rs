//! Cryptography: JSON Web Signatures and JSON Web Tokens, password hashing, hashing of generated secrets, and the sealing
//! of secrets in the database.

pub mod jws;
pub mod jwt;
pub mod password;
pub mod sealing_key;
pub mod secret_hash;
pub mod webhook_signature;
pub mod x509;
