//! The secrets that Keyward generates: `PREFIX_ID_SECRETCHECKSUM`.
//!
//! The prefix tells the kind, the id finds the row, 43 base62 digits carry 256 random bits, and
//! six more are the CRC-32 of all before them, so that a typing error is refused without a look
//! into the database and a scanner has few false alarms. Only letters, digits and `_`: raw and
//! form-encoded Basic credentials agree.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use aws_lc_rs::rand;
use zeroize::Zeroizing;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 16;
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// What a credential is for, as its prefix tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `kwk`: presented straight to a resource server.
    ApiKey,
    /// `kws`: what a client authenticates with at Keyward's own endpoints.
    ClientSecret,
    /// `kwr`: the registration access token of one client (RFC 7592).
    RegistrationAccessToken,
    /// `kwi`: an initial access token (RFC 7591).
    InitialAccessToken,
    /// `kwp`: the cookie of a session in the portal.
    Session,
    /// `kwv`: what is in the link by which a user sets a password.
    Invitation,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Kind::ApiKey => "kwk",
            Kind::ClientSecret => "kws",
            Kind::RegistrationAccessToken => "kwr",
            Kind::InitialAccessToken => "kwi",
            Kind::Session => "kwp",
            Kind::Invitation => "kwv",
        }
    }

    /// Whether `text` has the prefix of this kind of credential.
    pub fn is_prefix_of(self, text: &str) -> bool {
        text.strip_prefix(self.prefix())
            .is_some_and(|rest| rest.starts_with('_'))
    }
}

/// A credential in full. It cannot be printed or serialised by accident: [`Credential::expose`]
/// is the only way to its text.
#[derive(Clone)]
pub struct Credential {
    /// Zeroed when it is dropped.
    text: Zeroizing<String>,
}

impl Credential {
    /// A new one, from the system's randomness.
    pub fn generate(kind: Kind) -> Self {
        let secret = Zeroizing::new(random_base62(SECRET_LENGTH));
        let mut text = Zeroizing::new(format!(
            "{}_{}_{}",
            kind.prefix(),
            random_base62(ID_LENGTH),
            *secret
        ));
        let checksum = checksum(&text);
        // Growing in place would leave a copy behind.
        text = Zeroizing::new([text.as_str(), &checksum].concat());
        Credential { text }
    }

    /// Reads what somebody presented as a credential of `kind`. `None` is a final answer: it is
    /// of another kind, mistyped, or no credential at all.
    pub fn parse(text: &str, kind: Kind) -> Option<Self> {
        let (prefix, rest) = text.split_once('_')?;
        let (id, secret) = rest.split_once('_')?;
        let well_formed = prefix == kind.prefix()
            && id.len() == ID_LENGTH
            && secret.len() == SECRET_LENGTH + CHECKSUM_LENGTH
            && rest
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        if !well_formed {
            return None;
        }
        let (body, given) = text.split_at(text.len() - CHECKSUM_LENGTH);
        (checksum(body) == given).then(|| Credential {
            text: Zeroizing::new(text.to_owned()),
        })
    }

    /// The public id inside.
    pub fn id(&self) -> &str {
        self.text.split('_').nth(1).unwrap_or_default()
    }

    /// The prefix, the id and the first characters of the secret: what lists show.
    pub fn shown(&self) -> String {
        self.text.chars().take(4 + ID_LENGTH + 1 + 4).collect()
    }

    /// The text itself, for the one answer that shows it and for hashing.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// A digest for comparison in memory, where the 256 random bits need no slow hash.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.text.as_bytes())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Cuts credentials out of a text that comes from outside, before it is logged: people put secrets
/// where ids belong, and into URLs. The id inside stays, to find it by.
pub fn redacted(text: &str) -> std::borrow::Cow<'_, str> {
    let kept = 4 + ID_LENGTH + 1;
    let mut rest = text;
    let mut clean = String::new();
    while let Some(start) = rest.find("kw") {
        let (before, candidate) = rest.split_at(start);
        let word = candidate
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        let is_credential = word > kept && candidate.as_bytes()[3] == b'_';
        clean.push_str(before);
        clean.push_str(if is_credential {
            &candidate[..kept]
        } else {
            &candidate[..2]
        });
        clean.push_str(if is_credential { "***" } else { "" });
        rest = &candidate[if is_credential { word } else { 2 }..];
    }
    if clean.is_empty() {
        return text.into();
    }
    clean.push_str(rest);
    clean.into()
}

/// SHA-256 of something that is too long or too secret to be kept in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Fingerprint(out)
    }

    /// Equality in constant time, for what a caller presents as a secret.
    pub fn matches(&self, other: &Fingerprint) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// In hexadecimal, as a key of a row.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// An id for a row: 16 base62 digits, of which no two are alike in practice (95 bits).
pub fn new_id() -> String {
    random_base62(ID_LENGTH)
}

/// Random bytes from the system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness nothing here may go on; aws-lc itself aborts in that case.
    #[expect(
        clippy::expect_used,
        reason = "aws-lc's generator does not fail once seeded, and aborts where it cannot be"
    )]
    rand::fill(&mut bytes).expect("the system's randomness");
    bytes
}

fn random_base62(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // 248 is the largest multiple of 62 in a byte: what lies above would favour some digits.
        let digits = random_bytes::<64>().into_iter().filter(|byte| *byte < 248);
        text.extend(
            digits
                .map(|byte| ALPHABET[usize::from(byte % 62)] as char)
                .take(length - text.len()),
        );
    }
    text
}

fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| *digit as char).collect()
}
