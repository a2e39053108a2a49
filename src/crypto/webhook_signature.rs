//! The signatures of webhooks, by the Standard Webhooks specification.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::secret::{SecretBytes, SecretString};

/// The length of a secret, in bytes. The specification asks for 24 to 64.
const LENGTH: usize = 32;

/// What the text form of a secret begins with.
const PREFIX: &str = "whsec_";

/// A new random secret.
pub fn generate() -> SecretBytes {
    SecretBytes::new(random_bytes::<LENGTH>().to_vec())
}

/// The text form of a secret, which libraries take.
pub fn text(secret: &SecretBytes) -> SecretString {
    let encoded = Zeroizing::new(STANDARD.encode(secret.expose()));
    SecretString::new(format!("{PREFIX}{}", *encoded))
}

/// The header `webhook-signature` of a message: a signature by each of the secrets.
pub fn header(secrets: &[SecretBytes], id: &str, timestamp: Timestamp, body: &str) -> String {
    let message = format!("{id}.{}.{body}", timestamp.seconds());
    let signature = |secret: &SecretBytes| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        format!(
            "v1,{}",
            STANDARD.encode(hmac::sign(&key, message.as_bytes()))
        )
    };
    secrets.iter().map(signature).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = SecretBytes::new(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        assert_eq!(
            text(&secret).expose(),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        );
        let header = header(
            &[secret.clone(), secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_seconds(1_614_265_330),
            r#"{"test": 2432232314}"#,
        );
        let one = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(header, format!("{one} {one}"));
    }
}
