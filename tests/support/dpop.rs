//! DPoP proofs (RFC 9449 section 4.2), made by hand so that wrong ones can be made too.

use serde_json::{Value, json};

use super::{Node, jwt};

/// base64url of the SHA-256 of a text.
pub fn hash(text: &str) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    jwt::encode(digest(&SHA256, text.as_bytes()))
}

/// The holder of a key, who signs proofs.
pub struct Prover(pub jwt::Pair);

impl Prover {
    pub fn new(algorithm: &'static str) -> Self {
        Prover(jwt::Pair::new(algorithm))
    }

    pub fn header(&self) -> Value {
        let mut jwk = self.0.public_jwk("any");
        for name in ["kid", "alg", "use"] {
            jwk.as_object_mut().unwrap().remove(name);
        }
        json!({"typ": "dpop+jwt", "alg": self.0.algorithm(), "jwk": jwk})
    }

    /// RFC 7638: the required members in lexicographic order, without white space.
    pub fn thumbprint(&self) -> String {
        let jwk = &self.header()["jwk"];
        let members: &[&str] = match jwk["kty"].as_str().unwrap() {
            "RSA" => &["e", "kty", "n"],
            "EC" => &["crv", "kty", "x", "y"],
            _ => &["crv", "kty", "x"],
        };
        let members: Vec<String> = members
            .iter()
            .map(|name| format!("\"{name}\":{}", jwk[*name]))
            .collect();
        hash(&format!("{{{}}}", members.join(",")))
    }

    pub fn claims(method: &str, url: &str) -> Value {
        let jti = uuid::Uuid::now_v7().to_string();
        json!({"jti": jti, "htm": method, "htu": url, "iat": jwt::now()})
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.0.sign(&self.header(), claims)
    }

    /// A proof for the token endpoint.
    pub fn for_token(&self, node: &Node) -> String {
        self.sign(&Prover::claims("POST", &node.url("/oauth/token")))
    }

    /// A proof for a request with an access token.
    pub fn with_token(&self, method: &str, url: &str, token: &str) -> String {
        self.sign(&changed(
            Prover::claims(method, url),
            &json!({"ath": hash(token)}),
        ))
    }
}

/// `value` with some members replaced, and those that are null removed.
pub fn changed(mut value: Value, changes: &Value) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        if change.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}
