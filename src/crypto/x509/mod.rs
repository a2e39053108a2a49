//! X.509 certificates: names in them and how they are compared, and chains to certificate
//! authorities.

mod certificate_name;
mod chain;
mod distinguished_name;

pub use certificate_name::{
    CertificateName, CertificateNames, InvalidName, InvalidNames, NameKind,
};
pub use chain::{
    Authorities, ChainError, InvalidAuthorities, ValidityError, check_validity, validity,
};
pub use distinguished_name::{DistinguishedName, InvalidDistinguishedName};
