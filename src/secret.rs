//! Secrets in memory: zeroed when dropped, never printed by accident.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, Zeroizing};

/// A secret, such as a password or a private key. Only [`Secret::expose`] returns it: there is no
/// `Display` and no `Serialize`, and `Debug` writes `***`. Its memory is zeroed when it is dropped.
#[derive(Clone, Default)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

/// A secret text.
pub type SecretString = Secret<String>;

/// Secret bytes.
pub type SecretBytes = Secret<Vec<u8>>;

impl<T: Zeroize> Secret<T> {
    /// Takes ownership of a secret, without a copy.
    pub fn new(secret: T) -> Self {
        Secret(Zeroizing::new(secret))
    }
}

impl<T: Zeroize + Deref> Secret<T> {
    /// The secret in clear. What copies it must zero the copy.
    pub fn expose(&self) -> &T::Target {
        self.0.deref()
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Zeroize> From<Zeroizing<T>> for Secret<T> {
    fn from(secret: Zeroizing<T>) -> Self {
        Secret(secret)
    }
}

impl From<&str> for SecretString {
    fn from(text: &str) -> Self {
        Secret::new(text.to_owned())
    }
}

impl FromStr for SecretString {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

impl schemars::JsonSchema for SecretString {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

/// A secret in the one response that discloses it: unlike [`Secret`] it is serialized in clear.
#[derive(Debug)]
pub struct Disclosed(SecretString);

impl Disclosed {
    /// Discloses `secret` to the reader of a response.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Disclosed(secret.into())
    }
}

impl Serialize for Disclosed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl schemars::JsonSchema for Disclosed {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_masks_a_secret_and_expose_returns_it() {
        let text = SecretString::from("hunter2");
        let bytes = SecretBytes::new(b"hunter2".to_vec());
        assert_eq!(format!("{text:?} {bytes:?}"), "*** ***");
        assert_eq!(text.expose(), "hunter2");
        assert_eq!(bytes.expose(), b"hunter2");
        let parsed: SecretString = "hunter2".parse().unwrap();
        assert_eq!(parsed.expose(), "hunter2");
    }

    #[test]
    fn a_disclosed_secret_is_serialized_but_not_debugged() {
        let disclosed = Disclosed::new("hunter2");
        assert_eq!(serde_json::to_string(&disclosed).unwrap(), "\"hunter2\"");
        assert_eq!(format!("{disclosed:?}"), "Disclosed(***)");
    }

    #[test]
    fn a_secret_is_deserialized_from_a_string() {
        let read: SecretString = serde_json::from_str(r#""a \"b\"""#).unwrap();
        assert_eq!(read.expose(), "a \"b\"");
        assert!(serde_json::from_str::<SecretString>("7").is_err());
    }
}
