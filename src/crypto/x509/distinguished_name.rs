//! Distinguished names, as text (RFC 4514) and in certificates (RFC 5280 section 4.1.2.4), and their
//! comparison (RFC 5280 section 7.1): attribute by attribute, by object identifier, without regard
//! to the string type, to case and to insignificant spaces.

use std::str::FromStr;

use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::x509::X509Name;

/// The attribute types that have a name: those of RFC 4514 section 3, and those that OpenSSL and
/// Java print besides.
const TYPES: [(&str, &str); 29] = [
    ("cn", "2.5.4.3"),
    ("commonname", "2.5.4.3"),
    ("sn", "2.5.4.4"),
    ("surname", "2.5.4.4"),
    ("serialnumber", "2.5.4.5"),
    ("c", "2.5.4.6"),
    ("countryname", "2.5.4.6"),
    ("l", "2.5.4.7"),
    ("localityname", "2.5.4.7"),
    ("st", "2.5.4.8"),
    ("s", "2.5.4.8"),
    ("stateorprovincename", "2.5.4.8"),
    ("street", "2.5.4.9"),
    ("o", "2.5.4.10"),
    ("organizationname", "2.5.4.10"),
    ("ou", "2.5.4.11"),
    ("organizationalunitname", "2.5.4.11"),
    ("t", "2.5.4.12"),
    ("title", "2.5.4.12"),
    ("businesscategory", "2.5.4.15"),
    ("postalcode", "2.5.4.17"),
    ("gn", "2.5.4.42"),
    ("givenname", "2.5.4.42"),
    ("dnqualifier", "2.5.4.46"),
    ("organizationidentifier", "2.5.4.97"),
    ("uid", "0.9.2342.19200300.100.1.1"),
    ("dc", "0.9.2342.19200300.100.1.25"),
    ("emailaddress", "1.2.840.113549.1.9.1"),
    ("e", "1.2.840.113549.1.9.1"),
];

/// Why a text is not a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDistinguishedName {
    /// There is no attribute.
    #[error("it is empty")]
    Empty,
    /// An attribute is not a type and a value.
    #[error("an attribute is not of the form TYPE=VALUE")]
    Attribute,
    /// An attribute type has no known name, and is no object identifier.
    #[error("{0:?} is no attribute type that is known here; write its object identifier instead")]
    Type(String),
    /// A value is not escaped as RFC 4514 section 2.4 demands.
    #[error("a value is not escaped as in RFC 4514")]
    Value,
}

/// A distinguished name, prepared for comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName(Vec<RelativeName>);

/// The attributes of a relative distinguished name, sorted: it is a set.
type RelativeName = Vec<(String, Value)>;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    /// A string, in lower case and without insignificant spaces.
    Text(String),
    /// The DER encoding of another type.
    Der(Vec<u8>),
}

impl Value {
    fn text(text: &str) -> Self {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        Value::Text(words.join(" "))
    }

    fn of(any: &Any<'_>) -> Self {
        let data: &[u8] = any.data;
        let text = match any.tag().0 {
            // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
            12 | 18 | 19 | 22 | 26 => str::from_utf8(data).ok().map(str::to_owned),
            // TeletexString, which is written as Latin-1.
            20 => Some(data.iter().map(|byte| char::from(*byte)).collect()),
            // UniversalString and BMPString.
            28 => data
                .chunks(4)
                .map(|unit| unit.try_into().ok().map(u32::from_be_bytes))
                .map(|code| code.and_then(char::from_u32))
                .collect(),
            30 => {
                let units: Option<Vec<u16>> = data
                    .chunks(2)
                    .map(|unit| unit.try_into().ok().map(u16::from_be_bytes))
                    .collect();
                units.and_then(|units| String::from_utf16(&units).ok())
            }
            _ => None,
        };
        match text {
            Some(text) => Value::text(&text),
            None => Value::Der([&any.tag().0.to_be_bytes(), data].concat()),
        }
    }
}

impl DistinguishedName {
    /// A name in a certificate.
    pub fn of(name: &X509Name<'_>) -> Self {
        let relative = name.iter_rdn().map(|relative| {
            let mut attributes: RelativeName = relative
                .iter()
                .map(|attribute| {
                    let kind = attribute.attr_type().to_id_string();
                    (kind, Value::of(attribute.attr_value()))
                })
                .collect();
            attributes.sort();
            attributes
        });
        DistinguishedName(relative.collect())
    }
}

impl FromStr for DistinguishedName {
    type Err = InvalidDistinguishedName;

    /// Parses the string representation (RFC 4514 section 3), with the spaces around separators and
    /// the quoted values of RFC 2253. The first element of the text is the last of the name.
    fn from_str(text: &str) -> Result<Self, InvalidDistinguishedName> {
        if text.trim().is_empty() {
            return Err(InvalidDistinguishedName::Empty);
        }
        let mut names: Vec<RelativeName> = vec![Vec::new()];
        let mut rest = text;
        loop {
            let (kind, after) = rest
                .split_once('=')
                .ok_or(InvalidDistinguishedName::Attribute)?;
            let (value, after) = parse_value(after)?;
            let attribute = (attribute_type(kind)?, value);
            if let Some(current) = names.last_mut() {
                current.push(attribute);
            }
            let mut separator = after.chars();
            match separator.next() {
                None => break,
                Some('+') => {}
                Some(_) => names.push(Vec::new()),
            }
            rest = separator.as_str();
        }
        names.iter_mut().for_each(|attributes| attributes.sort());
        names.reverse();
        Ok(DistinguishedName(names))
    }
}

/// The object identifier of an attribute type.
fn attribute_type(text: &str) -> Result<String, InvalidDistinguishedName> {
    let name = text.trim().to_ascii_lowercase();
    if let Some((_, identifier)) = TYPES.iter().find(|(known, _)| *known == name) {
        return Ok((*identifier).to_owned());
    }
    let identifier = name.strip_prefix("oid.").unwrap_or(&name);
    let arcs = || identifier.split('.');
    let is_identifier = arcs().count() > 1
        && arcs().all(|arc| {
            let canonical = arc == "0" || !arc.starts_with('0');
            canonical && !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit())
        });
    if is_identifier {
        Ok(identifier.to_owned())
    } else {
        let shown = text.trim().chars().take(40).collect();
        Err(InvalidDistinguishedName::Type(shown))
    }
}

/// Splits a value from the separator that follows it.
fn parse_value(text: &str) -> Result<(Value, &str), InvalidDistinguishedName> {
    let invalid = InvalidDistinguishedName::Value;
    let text = text.trim_start();
    if let Some(hexadecimal) = text.strip_prefix('#') {
        let end = hexadecimal
            .find([',', ';', '+'])
            .unwrap_or(hexadecimal.len());
        let (digits, after) = hexadecimal.split_at(end);
        let der = octets(digits.trim_end()).ok_or_else(|| invalid.clone())?;
        return match Any::from_der(&der) {
            Ok(([], any)) => Ok((Value::of(&any), after)),
            _ => Err(invalid),
        };
    }
    let (unescaped, after) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (value, after) = unescape(quoted, &['"']).ok_or_else(|| invalid.clone())?;
            let after = after.strip_prefix('"').ok_or_else(|| invalid.clone())?;
            (value, after.trim_start())
        }
        None => unescape(text, &[',', ';', '+', '"']).ok_or_else(|| invalid.clone())?,
    };
    let is_separated = after.is_empty() || after.starts_with([',', ';', '+']);
    let value = String::from_utf8(unescaped).map_err(|_| invalid.clone())?;
    if !is_separated || value.contains('\0') {
        return Err(invalid);
    }
    Ok((Value::text(&value), after))
}

/// Resolves the escapes of a value (RFC 4514 section 2.4), up to one of the characters `ends`.
fn unescape<'a>(text: &'a str, ends: &[char]) -> Option<(Vec<u8>, &'a str)> {
    let mut value = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next().filter(|next| !ends.contains(next)) {
        let after = &rest[next.len_utf8()..];
        if next != '\\' {
            value.extend_from_slice(&rest.as_bytes()[..next.len_utf8()]);
            rest = after;
            continue;
        }
        if let Some(octet) = after.get(..2).and_then(octets) {
            value.extend(octet);
            rest = &after[2..];
        } else {
            let escaped = after
                .chars()
                .next()
                .filter(|c| " \"#+,;<=>\\".contains(*c))?;
            value.extend_from_slice(&after.as_bytes()[..escaped.len_utf8()]);
            rest = &after[escaped.len_utf8()..];
        }
    }
    Some((value, rest))
}

/// Octets in hexadecimal digits; at least one.
fn octets(text: &str) -> Option<Vec<u8>> {
    let is_hexadecimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let digits = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(digits, 16).ok()
    });
    is_hexadecimal.then(|| pairs.collect()).flatten()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair};

    use super::*;

    /// The subject of a certificate with these attributes, in their order.
    fn subject(attributes: &[(DnType, DnValue)]) -> DistinguishedName {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
        DistinguishedName::of(parsed.subject())
    }

    fn utf8(text: &str) -> DnValue {
        DnValue::Utf8String(text.to_owned())
    }

    #[test]
    fn one_name_has_many_notations() {
        let name = subject(&[
            (
                DnType::CountryName,
                DnValue::PrintableString("DE".try_into().unwrap()),
            ),
            (DnType::OrganizationName, utf8("Müller, Sons + Co")),
            (
                DnType::CommonName,
                DnValue::BmpString("Batch  Client".try_into().unwrap()),
            ),
        ]);
        for (text, equal) in [
            (r"CN=Batch Client,O=Müller\, Sons \+ Co,C=DE", true),
            (r"CN=Batch Client,O=M\C3\BCller\2c Sons \2B Co,C=DE", true),
            (
                r#"cn = batch client , o = "müller, sons + co" , c = de"#,
                true,
            ),
            (r"commonName=Batch Client;O=MÜLLER\, SONS \+ CO;C=DE", true),
            (
                r"2.5.4.3=\ Batch   Client\20,OID.2.5.4.10=Müller\, Sons \+ Co,C=DE",
                true,
            ),
            (
                r"CN=#0c0c426174636820436c69656e74,O=Müller\, Sons \+ Co,C=DE",
                true,
            ),
            (r"C=DE,O=Müller\, Sons \+ Co,CN=Batch Client", false),
            (r"CN=Batch Client,O=Müller\, Sons \+ Co", false),
            (r"CN=Batch Client+O=Müller\, Sons \+ Co,C=DE", false),
            (r"CN=Batch Client,OU=Müller\, Sons \+ Co,C=DE", false),
            (r"CN=BatchClient,O=Müller\, Sons \+ Co,C=DE", false),
            (r"CN=#02010c,O=Müller\, Sons \+ Co,C=DE", false),
            (r"CN=Batch Client,O=Müller\, Sons \+ Co,C=DE,DC=x", false),
        ] {
            let parsed: DistinguishedName = text.parse().unwrap();
            assert_eq!(parsed == name, equal, "{text}");
        }
    }

    #[test]
    fn a_relative_name_is_a_set() {
        let parse = |text: &str| text.parse::<DistinguishedName>().unwrap();
        // RFC 4514 section 4.
        assert_eq!(
            parse("OU=Sales+CN=J.  Smith,DC=example,DC=net"),
            parse("CN=J. Smith+OU=Sales,DC=example,DC=net")
        );
        assert_ne!(parse("OU=Sales+CN=x"), parse("OU=Sales,CN=x"));
        assert_ne!(parse("DC=example,DC=net"), parse("DC=net,DC=example"));
        assert_ne!(parse("CN=a+CN=a"), parse("CN=a"));
    }

    #[test]
    fn other_texts_are_refused() {
        use InvalidDistinguishedName::{Attribute, Empty, Type, Value};
        for (text, expected) in [
            ("", Empty),
            ("  ", Empty),
            ("client", Attribute),
            ("CN=a,", Attribute),
            ("CN=a,b", Attribute),
            ("/C=DE/CN=a", Type("/C".to_owned())),
            ("XY=a", Type("XY".to_owned())),
            ("=a", Type(String::new())),
            ("2=a", Type("2".to_owned())),
            ("2..4=a", Type("2..4".to_owned())),
            ("2.05=a", Type("2.05".to_owned())),
            (r"CN=a\", Value),
            (r"CN=\x", Value),
            (r"CN=\C3", Value),
            (r"CN=a\00", Value),
            (r#"CN="a"#, Value),
            (r#"CN="a"b"#, Value),
            (r#"CN=a"b"#, Value),
            ("CN=#", Value),
            ("CN=#0", Value),
            ("CN=#0c05", Value),
            ("CN=#0c0161ff", Value),
            ("CN=#zz", Value),
            ("CN=\0", Value),
        ] {
            assert_eq!(text.parse::<DistinguishedName>(), Err(expected), "{text}");
        }
    }
}
