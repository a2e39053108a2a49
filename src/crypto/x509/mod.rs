//! X.509 certificates: names in them, and how they are compared. Chains are built and verified by
//! rustls (`net/client_authorities.rs`).

mod certificate_name;
mod distinguished_name;

pub use certificate_name::{
    CertificateName, CertificateNames, InvalidName, InvalidNames, NameKind,
};
pub use distinguished_name::{DistinguishedName, InvalidDistinguishedName};
