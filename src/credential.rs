//! The secrets that Keyward generates: `PREFIX_ID_SECRETCHECKSUM`.
//!
//! The prefix determines the kind, the id identifies the row, 43 base62 digits carry 256 random
//! bits, and six more are the CRC-32 of everything before them, so that a typing error is refused
//! without a database query and secret scanners have few false positives. The format consists of
//! letters, digits and `_`, so that it is the same with and without the form encoding of Basic
//! credentials (RFC 6749 section 2.3.1).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use aws_lc_rs::rand;
use zeroize::Zeroizing;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 16;
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// The kind of a credential, which its prefix names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `kwk`: an API key, presented directly to a resource server.
    ApiKey,
    /// `kws`: a client secret, for authentication at Keyward's own endpoints.
    ClientSecret,
    /// `kwr`: the registration access token of one client (RFC 7592).
    RegistrationAccessToken,
    /// `kwi`: an initial access token (RFC 7591 section 1.2).
    InitialAccessToken,
    /// `kwp`: the session cookie of the portal.
    Session,
    /// `kwv`: the token in an invitation link, with which a user sets a password.
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

/// A complete credential. It cannot be printed or serialised by accident: only
/// [`Credential::expose`] returns its text, which is zeroed when the credential is dropped.
#[derive(Clone)]
pub struct Credential {
    text: Zeroizing<String>,
}

impl Credential {
    /// Generates a credential from the operating system's randomness.
    pub fn generate(kind: Kind) -> Self {
        let secret = Zeroizing::new(random_base62(SECRET_LENGTH));
        let mut text = Zeroizing::new(format!(
            "{}_{}_{}",
            kind.prefix(),
            random_base62(ID_LENGTH),
            *secret
        ));
        let checksum = checksum(&text);
        // Growing the string in place would leave a copy of the secret in memory.
        text = Zeroizing::new([text.as_str(), &checksum].concat());
        Credential { text }
    }

    /// Parses a presented text as a credential of `kind`. `None` means that it cannot be one: it is
    /// of another kind, mistyped, or not a credential at all.
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

    /// The public id inside the credential.
    pub fn id(&self) -> &str {
        self.text.split('_').nth(1).unwrap_or_default()
    }

    /// The prefix, the id and the first characters of the secret, for lists.
    pub fn shown(&self) -> String {
        self.text.chars().take(4 + ID_LENGTH + 1 + 4).collect()
    }

    /// The text, for hashing and for the one response that shows it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of the credential, for comparisons in memory: 256 random bits need no slow hash.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.text.as_bytes())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Redacts credentials in a text that is about to be logged: people put secrets where ids belong,
/// and into URLs. The prefix and the id remain.
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

/// The SHA-256 of something that is too long or too secret to be kept in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Fingerprint(out)
    }

    /// Compares in constant time, for presented secrets.
    pub fn matches(&self, other: &Fingerprint) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// The digest in hexadecimal, for the key of a row.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Generates the id of a row: 16 base62 digits (95 random bits).
pub fn new_id() -> String {
    random_base62(ID_LENGTH)
}

/// Random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness the process must not continue; aws-lc itself aborts in that case.
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
        // 248 is the largest multiple of 62 in a byte: larger values would favour some digits.
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

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 6] = [
        Kind::ApiKey,
        Kind::ClientSecret,
        Kind::RegistrationAccessToken,
        Kind::InitialAccessToken,
        Kind::Session,
        Kind::Invitation,
    ];

    #[test]
    fn a_credential_is_parsed_as_its_own_kind_only() {
        for kind in KINDS {
            let credential = Credential::generate(kind);
            let text = credential.expose();
            for other in KINDS {
                let parsed = Credential::parse(text, other);
                assert_eq!(parsed.is_some(), other == kind, "{kind:?} as {other:?}");
            }
            assert_eq!(
                text.len(),
                4 + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH
            );
            assert_eq!(&text[4..4 + ID_LENGTH], credential.id());
            assert!(text.starts_with(&credential.shown()));
            assert_eq!(format!("{credential:?}"), "Credential(…)");
        }
    }

    #[test]
    fn a_mistyped_credential_is_refused() {
        let text = Credential::generate(Kind::ApiKey).expose().to_owned();
        // Every single character that is replaced, dropped or doubled.
        for (index, c) in text.char_indices() {
            let (before, after) = (&text[..index], &text[index + 1..]);
            let replacement = if c == 'x' { 'y' } else { 'x' };
            for mistyped in [
                format!("{before}{replacement}{after}"),
                format!("{before}{after}"),
                format!("{before}{c}{c}{after}"),
            ] {
                assert!(
                    Credential::parse(&mistyped, Kind::ApiKey).is_none(),
                    "{mistyped}"
                );
            }
        }
        for other in [
            "",
            "kwk",
            "kwk_",
            "kwk__",
            &format!(" {text}"),
            &format!("{text}\n"),
            &text.replace('_', "-"),
            &text.to_uppercase(),
            &"é".repeat(70),
        ] {
            assert!(Credential::parse(other, Kind::ApiKey).is_none(), "{other}");
        }
    }

    #[test]
    fn credentials_are_redacted() {
        let credential = Credential::generate(Kind::ClientSecret);
        let secret = credential.expose();
        let shown = format!("kws_{}_***", credential.id());
        for (text, expected) in [
            (secret.to_owned(), shown.clone()),
            (
                format!("GET /clients/{secret}?x={secret}&kw=kw"),
                format!("GET /clients/{shown}?x={shown}&kw=kw"),
            ),
            // A secret that was cut off is one all the same.
            (secret[..30].to_owned(), shown.clone()),
            ("kws_short".to_owned(), "kws_short".to_owned()),
            ("nothing here".to_owned(), "nothing here".to_owned()),
            (String::new(), String::new()),
        ] {
            assert_eq!(redacted(&text), expected);
        }
    }

    #[test]
    fn fingerprints_are_sha_256() {
        // FIPS 180-2 appendix B.1
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Fingerprint::of(b"abc").hex(), expected);
        assert!(Fingerprint::of(b"abc").matches(&Fingerprint::of(b"abc")));
        assert!(!Fingerprint::of(b"abc").matches(&Fingerprint::of(b"abd")));
    }
}
