//! Private keys, for signing.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING,
    PqdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::{InvalidKey, PublicKey, SignatureAlgorithm};
use crate::secret::SecretBytes;

/// A private key, kept parsed: parsing an RSA key costs as much as signing with it.
#[derive(Debug)]
pub struct PrivateKey {
    pair: Pair,
    pkcs8: SecretBytes,
}

/// A key pair of the cryptographic library, whose `Debug` shows the public half alone.
#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa44(PqdsaKeyPair),
}

impl PrivateKey {
    /// Generates a key for `algorithm`. An RSA key has 2048 bits and takes some 100 ms of CPU time.
    ///
    /// # Errors
    /// [`InvalidKey`] if the cryptographic library fails.
    pub fn generate(algorithm: SignatureAlgorithm) -> Result<Self, InvalidKey> {
        let failed = |_| "cannot generate a key";
        match algorithm {
            SignatureAlgorithm::Rs256 | SignatureAlgorithm::Ps256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                PrivateKey::from_encodable(&pair, "cannot encode the RSA key")
            }
            SignatureAlgorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                PrivateKey::from_ec(&pair)
            }
            SignatureAlgorithm::Ed25519 => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                PrivateKey::from_encodable(&pair, "cannot encode the Ed25519 key")
            }
            SignatureAlgorithm::MlDsa44 => {
                let pair = PqdsaKeyPair::generate(&ML_DSA_44_SIGNING).map_err(failed)?;
                PrivateKey::from_encodable(&pair.private_key(), "cannot encode the ML-DSA-44 key")
            }
        }
    }

    /// Reads a key in PEM: PKCS#8, PKCS#1 or SEC1; RSA of 2048 to 8192 bits, P-256,
    /// Ed25519 or ML-DSA-44.
    ///
    /// # Errors
    /// [`InvalidKey`] if it is none of these.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidKey> {
        if pem.windows(9).any(|window| window == b"ENCRYPTED") {
            return Err(
                "the private key is encrypted; decrypt it first: openssl pkey -in FILE".into(),
            );
        }
        let der =
            PrivateKeyDer::from_pem_slice(pem).map_err(|_| "there is no private key in PEM")?;
        match &*Zeroizing::new(der) {
            PrivateKeyDer::Pkcs8(der) => {
                PrivateKey::from_pkcs8(SecretBytes::new(der.secret_pkcs8_der().to_vec()))
            }
            PrivateKeyDer::Pkcs1(der) => {
                let pair =
                    RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(|_| "unusable RSA key")?;
                PrivateKey::from_encodable(&pair, "unusable RSA key")
            }
            PrivateKeyDer::Sec1(der) => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_private_key_der(curve, der.secret_sec1_der())
                    .map_err(|_| "of elliptic curve keys only P-256 is accepted")?;
                PrivateKey::from_ec(&pair)
            }
            _ => Err("unsupported kind of private key".into()),
        }
    }

    fn from_encodable<'a>(
        pair: &impl AsDer<Pkcs8V1Der<'a>>,
        failed: &'static str,
    ) -> Result<Self, InvalidKey> {
        let pkcs8 = pair.as_der().map_err(|_| failed)?;
        PrivateKey::from_pkcs8(SecretBytes::new(pkcs8.as_ref().to_vec()))
    }

    fn from_ec(pair: &EcdsaKeyPair) -> Result<Self, InvalidKey> {
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| "unusable EC key")?;
        PrivateKey::from_pkcs8(SecretBytes::new(pkcs8.as_ref().to_vec()))
    }

    /// Reads a key in PKCS#8 (RFC 5958).
    ///
    /// # Errors
    /// [`InvalidKey`] if it is not an RSA key of 2048 bits or more, a P-256, an Ed25519 or an
    /// ML-DSA-44 key.
    pub fn from_pkcs8(pkcs8: SecretBytes) -> Result<Self, InvalidKey> {
        let der = pkcs8.expose();
        let pair = if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            Pair::Rsa(pair)
        } else if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            Pair::P256(pair)
        } else if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Pair::Ed25519(pair)
        } else if let Ok(pair) = PqdsaKeyPair::from_pkcs8(&ML_DSA_44_SIGNING, der) {
            Pair::MlDsa44(pair)
        } else {
            return Err(
                "not an RSA key of 2048 bits or more, nor a P-256, Ed25519 or ML-DSA-44 key".into(),
            );
        };
        Ok(PrivateKey { pair, pkcs8 })
    }

    /// The key in PKCS#8.
    pub fn pkcs8(&self) -> &SecretBytes {
        &self.pkcs8
    }

    /// The algorithm for a key of this kind, unless another one is asked for.
    pub fn default_algorithm(&self) -> SignatureAlgorithm {
        match self.pair {
            Pair::Rsa(_) => SignatureAlgorithm::Rs256,
            Pair::P256(_) => SignatureAlgorithm::Es256,
            Pair::Ed25519(_) => SignatureAlgorithm::Ed25519,
            Pair::MlDsa44(_) => SignatureAlgorithm::MlDsa44,
        }
    }

    /// The public half.
    ///
    /// # Errors
    /// [`InvalidKey`] if the key is of a size that verifiers do not accept.
    pub fn public_key(&self) -> Result<PublicKey, InvalidKey> {
        match &self.pair {
            Pair::Rsa(pair) => PublicKey::rsa(
                pair.public_key()
                    .modulus()
                    .big_endian_without_leading_zero()
                    .to_vec(),
                pair.public_key()
                    .exponent()
                    .big_endian_without_leading_zero()
                    .to_vec(),
            ),
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref().try_into();
                Ok(PublicKey::P256(point.map_err(|_| "unusable EC key")?))
            }
            Pair::Ed25519(pair) => {
                let key = pair.public_key().as_ref().try_into();
                Ok(PublicKey::Ed25519(key.map_err(|_| "unusable Ed25519 key")?))
            }
            Pair::MlDsa44(pair) => Ok(PublicKey::MlDsa44(pair.public_key().as_ref().to_vec())),
        }
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// [`InvalidKey`] if the key cannot sign with this algorithm.
    pub fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, InvalidKey> {
        let signature = match (&self.pair, algorithm) {
            (Pair::Rsa(pair), SignatureAlgorithm::Rs256) => {
                sign_rsa(pair, &RSA_PKCS1_SHA256, message)
            }
            (Pair::Rsa(pair), SignatureAlgorithm::Ps256) => {
                sign_rsa(pair, &RSA_PSS_SHA256, message)
            }
            (Pair::P256(pair), SignatureAlgorithm::Es256) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec()),
            (Pair::Ed25519(pair), SignatureAlgorithm::Ed25519) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
            (Pair::MlDsa44(pair), SignatureAlgorithm::MlDsa44) => {
                let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
                pair.sign(message, &mut signature).map(|_| signature)
            }
            _ => return Err("the key is not one of that algorithm".into()),
        };
        signature.map_err(|_| "the key does not sign".into())
    }
}

fn sign_rsa(
    pair: &RsaKeyPair,
    padding: &'static dyn RsaEncoding,
    message: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), message, &mut signature)?;
    Ok(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_signs_what_its_public_key_verifies() {
        for (_, algorithm) in SignatureAlgorithm::NAMES {
            let key = PrivateKey::generate(algorithm).unwrap();
            let public = key.public_key().unwrap();
            assert!(public.is_for(algorithm));
            let signature = key.sign(algorithm, b"a message").unwrap();
            let parsed = public.parsed(algorithm).unwrap();
            assert!(
                parsed.verify_sig(b"a message", &signature).is_ok(),
                "{algorithm:?}"
            );
            assert!(
                parsed.verify_sig(b"another", &signature).is_err(),
                "{algorithm:?}"
            );
            let again = PrivateKey::from_pkcs8(key.pkcs8().clone()).unwrap();
            assert_eq!(again.public_key().unwrap(), public);
            let written = public.to_jwk();
            let read = PublicKey::from_jwk(written.as_object().unwrap());
            assert_eq!(read.as_ref(), Ok(&public), "{algorithm:?}");
            assert!(
                public
                    .to_pem()
                    .unwrap()
                    .starts_with("-----BEGIN PUBLIC KEY")
            );
        }
    }

    #[test]
    fn a_key_signs_with_its_own_algorithms_alone() {
        use SignatureAlgorithm::{Ed25519, Es256, MlDsa44, Ps256, Rs256};
        for (own, others) in [
            (Ps256, &[Es256, Ed25519, MlDsa44][..]),
            (Es256, &[Rs256, Ps256, Ed25519, MlDsa44]),
            (Ed25519, &[Rs256, Ps256, Es256, MlDsa44]),
            (MlDsa44, &[Rs256, Ps256, Es256, Ed25519]),
        ] {
            let key = PrivateKey::generate(own).unwrap();
            for other in others {
                let refused = key.sign(*other, b"a message").unwrap_err();
                assert_eq!(refused.to_string(), "the key is not one of that algorithm");
            }
        }
    }

    #[test]
    fn debug_does_not_show_the_private_half() {
        // Where octets of the private half are in PKCS#8 (RFC 5958): in an RSA key they come after
        // modulus and exponent.
        for (algorithm, start) in [
            (SignatureAlgorithm::Rs256, 400),
            (SignatureAlgorithm::Es256, 40),
            (SignatureAlgorithm::Ed25519, 20),
        ] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let shown = format!("{key:?}");
            assert!(shown.contains("pkcs8: ***"), "{shown}");
            let private = &key.pkcs8().expose()[start..start + 16];
            let decimal = format!("{private:?}");
            let hexadecimal: String = private.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(
                !shown.contains(decimal.trim_matches(['[', ']'])),
                "{algorithm:?}"
            );
            assert!(!shown.contains(&hexadecimal), "{algorithm:?}");
        }
    }
}
