//! The key that an access token is bound to, so that only the holder of the key can use the token.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::store::token::Token;

/// The confirmation method of a sender-constrained access token: the claim `cnf` (RFC 7800 section
/// 3.1) and the member of the same name in the introspection response. Exactly one method is
/// allowed; a token with an unknown one is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binding {
    /// The RFC 7638 thumbprint of the key that signs the client's DPoP proofs (RFC 9449 section
    /// 6.1).
    #[serde(rename = "jkt")]
    Jwk(String),
}

impl Binding {
    /// The `token_type` of a token with this binding, or with none.
    pub const fn token_type(binding: Option<&Binding>) -> &'static str {
        match binding {
            None => "Bearer",
            Some(Binding::Jwk(_)) => "DPoP",
        }
    }

    /// The name of the confirmation method.
    pub const fn method(&self) -> &'static str {
        match self {
            Binding::Jwk(_) => "jkt",
        }
    }

    /// The claim `cnf` as JSON, for the record of a token.
    ///
    /// # Errors
    /// A server error if it cannot be serialized.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::server_error(error.to_string()))
    }

    /// The binding in the record of a token; `None` if the token is not bound.
    ///
    /// # Errors
    /// A server error if the record has a confirmation method that this version does not know.
    pub fn of_record(record: &Token) -> Result<Option<Self>, Error> {
        let parse = |json| {
            serde_json::from_str(json).map_err(|error| Error::server_error(error.to_string()))
        };
        record.cnf.as_deref().map(parse).transpose()
    }
}

/// Written by hand: the derived schema would be a choice of one.
impl schemars::JsonSchema for Binding {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Binding".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "The key that the token is bound to (RFC 7800 section 3.1).",
            "properties": {
                "jkt": {
                    "type": "string",
                    "description": "The RFC 7638 thumbprint of the key of the DPoP proofs (RFC 9449 section 6.1).",
                },
            },
            "required": ["jkt"],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_claim_has_one_known_confirmation_method() {
        let binding = Binding::Jwk("thumbprint".to_owned());
        assert_eq!(binding.to_json().unwrap(), r#"{"jkt":"thumbprint"}"#);
        let claim = json!({"jkt": "thumbprint"});
        assert!(claim.get(binding.method()).is_some());
        assert_eq!(serde_json::to_value(&binding).unwrap(), claim);
        assert_eq!(serde_json::from_value::<Binding>(claim).unwrap(), binding);
        for claim in [
            json!({}),
            json!(null),
            json!("thumbprint"),
            json!({"jkt": 7}),
            json!({"jwk": {}}),
            json!({"jkt": "a", "jwk": {}}),
        ] {
            assert!(
                serde_json::from_value::<Binding>(claim.clone()).is_err(),
                "{claim}"
            );
        }
    }
}
