//! Cryptography: JSON Web Signatures, password hashing, hashing of generated secrets, and the sealing
//! of secrets in the database.

pub mod jws;
pub mod password;
pub mod sealing_key;
pub mod secret_hash;
