//! Properties of the parsers of outside input, as functions over bytes. They panic where a property does not
//! hold. The fuzz targets in `fuzz/` call them, and so does `tests/properties.rs` with seeded mutations.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderValue};
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::{CommandFactory, FromArgMatches};
use ipnet::IpNet;
use keyward::client_certificate::{CertificateHeader, ClientCertificate, ForwardedCertificate};
use keyward::client_ip::{ClientIp, ForwardedHeader, TrustedProxies};
use keyward::clock::parse_duration;
use keyward::config::{self, Issuer, ProxyUrl, Settings};
use keyward::credential::{Credential, Kind, redacted};
use keyward::crypto::jws::{Jwk, JwkSet, Jws, PublicKey, SignatureAlgorithm};
use keyward::crypto::password::{Password, Weakness};
use keyward::crypto::x509::DistinguishedName;
use keyward::error::{Code, Error};
use keyward::http::extract;
use keyward::net::http_client::is_public;
use keyward::oauth::authorization_header::AuthorizationHeader;
use keyward::oauth::client_metadata;
use keyward::oauth::dpop::proof::Proof;
use keyward::oauth::parameters::{Parameters, form_decode};
use keyward::oauth::signing_keys::SigningKeyPair;
use keyward::portal::language::Language;
use keyward::scope::Scope;
use keyward::store::DatabaseUrl;
use keyward::store::api_key::IpRanges;
use keyward::store::resource_server::{Resources, check_identifier};
use keyward::store::trust_rule::{Condition, Conditions, Operator};
use keyward::trace_context::{TraceContext, digits};
use keyward::uri::{ExternalUri, is_same_http_url, normalized_http_url};
use serde_json::{Map, Value, json};
use url::Url;

/// A property: its name, which is also the name of its fuzz target, and its check.
pub type Property = (&'static str, fn(&[u8]));

/// All properties.
pub const ALL: &[Property] = &[
    ("accept_language", accept_language),
    ("authorization_header", authorization_header),
    ("client_certificate", client_certificate),
    ("client_ip", client_ip),
    ("client_metadata", client_metadata),
    ("credential", credential),
    ("database_url", database_url),
    ("distinguished_name", distinguished_name),
    ("dpop_proof", dpop_proof),
    ("duration", duration),
    ("environment", environment),
    ("external_uri", external_uri),
    ("form_parameters", form_parameters),
    ("http_url", http_url),
    ("ip_ranges", ip_ranges),
    ("issuer", issuer),
    ("json_body", json_body),
    ("jwk_set", jwk_set),
    ("jws", jws),
    ("jws_signature", jws_signature),
    ("password", password),
    ("private_key_pem", private_key_pem),
    ("proxy_url", proxy_url),
    ("resources", resources),
    ("scope", scope),
    ("settings_file", settings_file),
    ("traceparent", traceparent),
    ("trust_condition", trust_condition),
];

/// A secret in the seeds. No message may repeat it.
const SECRET: &str = "hunter2";

const FORM: &str = "application/x-www-form-urlencoded";

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// The lines of the input as separate values; the last one keeps what is left.
fn lines<const N: usize>(text: &str) -> [&str; N] {
    let mut parts = text.splitn(N, '\n');
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

fn form_encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn is_one_line(text: &str) -> bool {
    !text.contains(['\r', '\n', '\0'])
}

/// The scheme is case-insensitive, Bearer tokens come through unchanged, and Basic is decoded so that
/// encoding it again gives the same user and password.
pub fn authorization_header(data: &[u8]) {
    let Some(header) = text(data) else { return };
    let parts = |header: &str| match AuthorizationHeader::parse(header) {
        None => (String::new(), None, None),
        Some(AuthorizationHeader::Bearer(token)) => ("Bearer".to_owned(), Some(token), None),
        Some(AuthorizationHeader::Dpop(token)) => ("DPoP".to_owned(), Some(token), None),
        Some(AuthorizationHeader::Basic(user, password)) => {
            ("Basic".to_owned(), Some(user), password)
        }
    };
    if let Some((scheme, rest)) = header.split_once(' ') {
        let upper = format!("{} {rest}", scheme.to_ascii_uppercase());
        assert_eq!(parts(header), parts(&upper), "the case of the scheme");
    }
    if let Some(parsed) = AuthorizationHeader::parse(header) {
        match &parsed {
            AuthorizationHeader::Bearer(token) => {
                assert!(header.ends_with(token.as_str()) || header.trim_end().ends_with(token));
                assert_eq!(token, token.trim());
                assert_eq!(parsed.bearer(), Some(token.as_str()));
                assert_eq!(parsed.token(), Some(token.as_str()));
                assert!(parsed.client_credentials().is_none());
            }
            AuthorizationHeader::Dpop(token) => {
                assert_eq!(parsed.dpop(), Some(token.as_str()));
                assert!(parsed.bearer().is_none() && parsed.token().is_none());
                assert!(parsed.client_credentials().is_none());
            }
            AuthorizationHeader::Basic(user, password) => {
                assert!(!user.contains(':'));
                assert!(parsed.bearer().is_none());
                let plain = match password {
                    Some(password) => format!("{user}:{password}"),
                    None => user.clone(),
                };
                let again = format!("Basic {}", STANDARD.encode(plain));
                assert_eq!(parts(header), parts(&again), "encoded again");
                assert_eq!(parsed.client_credentials().is_some(), password.is_some());
                let has_password = password.as_deref().is_some_and(|text| !text.is_empty());
                assert_eq!(parsed.token().is_none(), has_password);
            }
        }
    }
    // RFC 6749 section 2.3.1: both halves are form-encoded.
    let [user, password] = lines(header);
    let pair = format!("{}:{}", form_encode(user), form_encode(password));
    let header = format!("basic {}", STANDARD.encode(pair).trim_end_matches('='));
    assert_eq!(
        AuthorizationHeader::parse(&header).and_then(|parsed| parsed.client_credentials()),
        Some((user.to_owned(), password.to_owned())),
        "the credentials of a client"
    );
}

/// Accepted bodies mean the same to the URL standard's parser, and only `resource` and `audience`
/// may be repeated.
pub fn form_parameters(data: &[u8]) {
    let parsed = Parameters::parse(Some(FORM), data);
    let with_charset =
        Parameters::parse(Some("Application/X-WWW-form-urlencoded ; charset=x"), data);
    assert_eq!(parsed.is_ok(), with_charset.is_ok());
    assert!(Parameters::parse(Some("application/json"), data).is_err());
    assert!(Parameters::parse(None, data).is_err());
    match parsed {
        Ok(parameters) => {
            assert!(text(data).is_some());
            let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, value) in form_urlencoded::parse(data).into_owned() {
                if !value.is_empty() {
                    expected.entry(name).or_default().push(value);
                }
            }
            for (name, values) in &expected {
                assert_eq!(&parameters.all(name).collect::<Vec<_>>(), values);
                assert_eq!(parameters.get(name), values.first().map(String::as_str));
                assert!(values.len() == 1 || name == "resource" || name == "audience");
            }
        }
        Err(error) => {
            assert_eq!(error.code(), Code::InvalidRequest);
            assert!(is_one_line(error.description()));
        }
    }
    if let Some(text) = text(data) {
        assert_eq!(form_decode(&form_encode(text)).as_deref(), Some(text));
        let body = format!("x={}&y=1", form_encode(text));
        let parameters = Parameters::parse(Some(FORM), body.as_bytes())
            .unwrap_or_else(|error| panic!("{body}: {}", error.description()));
        let value = Some(text).filter(|text| !text.is_empty());
        assert_eq!(parameters.get("x"), value);
        assert_eq!(parameters.get("y"), Some("1"));
    }
}

/// Accepted metadata keeps its meaning when it is written and read again, and an unknown member changes
/// nothing (RFC 7591 section 2).
pub fn client_metadata(data: &[u8]) {
    let written = |data: &[u8]| -> Option<String> {
        match client_metadata::parse(data) {
            Ok(metadata) => Some(serde_json::to_string(&metadata).unwrap()),
            Err(error) => {
                assert_eq!(error.code(), Code::InvalidClientMetadata);
                None
            }
        }
    };
    let Some(first) = written(data) else { return };
    // The last digit of a number in `jwks` may change, and no key has such a number.
    if !has_float(&serde_json::from_str(&first).unwrap()) {
        assert_eq!(
            written(first.as_bytes()),
            Some(first.clone()),
            "written again"
        );
    }
    let start = data.iter().position(|byte| *byte == b'{').unwrap() + 1;
    let (before, after) = data.split_at(start);
    let comma: &[u8] = if after.trim_ascii_start().starts_with(b"}") {
        b""
    } else {
        b","
    };
    let extended = [before, br#""x-unknown-member":[{"a":null}]"#, comma, after].concat();
    assert_eq!(written(&extended), Some(first), "with an unknown member");
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        value => value.is_f64(),
    }
}

/// A generic JSON body is an object without trailing data; an error names the wrong member.
pub fn json_body(data: &[u8]) {
    type Body = BTreeMap<String, Vec<u32>>;
    let parsed: Result<Body, Error> = extract::parse_json(data);
    let reference = serde_json::from_slice::<Body>(data);
    match (&parsed, &reference) {
        (Ok(parsed), Ok(reference)) => assert_eq!(parsed, reference),
        (Err(error), Err(_)) => {
            assert_eq!(error.code(), Code::InvalidRequest);
            assert!(error.description().starts_with("The body is unreadable: "));
        }
        (parsed, reference) => panic!("{:?}, {:?}", parsed.is_ok(), reference.is_ok()),
    }
    if parsed.is_ok() {
        assert!(extract::parse_json::<Body>(&[data, b"x"].concat()).is_err());
        assert!(extract::parse_json::<Body>(&[b"[", data, b"]"].concat()).is_err());
    }
}

/// An accepted JWS has one spelling, and its header says what a JSON parser reads in it.
pub fn jws(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(jws) = Jws::parse(text) else { return };
    let parts: Vec<&str> = text.split('.').collect();
    assert_eq!(parts.len(), 3);
    assert_eq!(jws.signed, format!("{}.{}", parts[0], parts[1]));
    let octets = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let object =
        |part: &str| -> Option<Map<String, Value>> { serde_json::from_slice(&octets(part)?).ok() };
    for part in [parts[0], parts[2]] {
        let spelled = octets(part).map(|octets| URL_SAFE_NO_PAD.encode(octets));
        assert_eq!(spelled.as_deref(), Some(part), "one spelling");
    }
    // serde_json's value takes no numbers beyond f64, which an ignored member may hold.
    if let Some(header) = object(parts[0]) {
        let member = |name: &str| header.get(name).and_then(Value::as_str);
        assert_eq!(member("alg"), Some(jws.header.alg.as_str()));
        assert_eq!(member("typ"), jws.header.typ.as_deref());
        assert_eq!(member("kid"), jws.header.kid.as_deref());
        assert_eq!(
            header.contains_key("crit"),
            jws.header.has_critical_extensions()
        );
        assert_eq!(
            jws.header.algorithm(),
            SignatureAlgorithm::named(&jws.header.alg)
        );
    }
    assert_eq!(jws.claims::<Map<String, Value>>().ok(), object(parts[1]));
    for refused in [
        format!("{text}="),
        format!("{text}."),
        format!("{text}\n"),
        format!(" {text}"),
    ] {
        assert!(Jws::parse(&refused).is_err(), "{refused:?}");
    }
}

/// RFC 8037 appendix A.
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED25519_JWS: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// The only known JWS of RFC 8037's example key verifies, and no other text does.
pub fn jws_signature(data: &[u8]) {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X});
    let key = PublicKey::from_jwk(jwk.as_object().unwrap()).unwrap();
    let key = key.parsed(SignatureAlgorithm::Ed25519).unwrap();
    let verifies = |text: &str| Jws::parse(text).is_ok_and(|jws| jws.is_signed_by(&key));
    let Some(text) = text(data) else { return };
    assert_eq!(verifies(text), text == ED25519_JWS);
}

/// An accepted DPoP proof is signed with the public key in its header, and has one spelling.
pub fn dpop_proof(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let proof = match Proof::parse(text) {
        Ok(proof) => proof,
        Err(error) => {
            assert!(is_one_line(error.description()));
            assert!(is_one_line(&error.reason().to_string()), "{error:?}");
            return;
        }
    };
    assert!(text.len() <= 8 * 1024);
    assert_eq!((proof.thumbprint.len(), proof.id().len()), (43, 64));
    let jws = Jws::parse(text).unwrap();
    assert!(["ES256", "PS256", "EdDSA", "Ed25519"].contains(&jws.header.alg.as_str()));
    let header: Map<String, Value> = jws.header_members().unwrap();
    let jwk = header["jwk"].as_object().unwrap();
    let secret = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    assert!(!secret.iter().any(|name| jwk.contains_key(*name)));
    let key = PublicKey::from_jwk(jwk).unwrap();
    assert_eq!(key.thumbprint(), proof.thumbprint);
    let algorithm = jws.header.algorithm().unwrap();
    assert!(jws.is_signed_by(&key.parsed(algorithm).unwrap()));
    let signed = jws.signed;
    for other in [
        format!("{text}="),
        format!("{signed}.AAAA"),
        format!("{text} "),
    ] {
        assert!(Proof::parse(&other).is_err(), "{other:?}");
    }
}

/// The normal form of an HTTP URL is its own normal form, equivalent to it, and without query.
pub fn http_url(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let [one, other] = lines(text);
    assert_eq!(is_same_http_url(one, other), is_same_http_url(other, one));
    assert!(is_same_http_url(one, one));
    let Some(normal) = normalized_http_url(one) else {
        return;
    };
    assert_eq!(normalized_http_url(&normal).as_ref(), Some(&normal));
    assert!(is_same_http_url(one, &normal));
    assert!(!normal.contains(['?', '#', '\\']));
    let url = Url::parse(&normal).unwrap();
    assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty());
    assert_eq!(url.as_str(), normal);
    if normalized_http_url(other).is_some_and(|other| other != normal) {
        assert!(!is_same_http_url(one, other));
    }
}

/// A key set that can be registered can be used, has no private key, and is read the same in
/// another layout. An accepted key keeps its material when it is written as RFC 7518 asks.
pub fn jwk_set(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let parsed = JwkSet::try_from(value.clone());
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(
        serde_json::from_str::<JwkSet>(&pretty).ok(),
        parsed.clone().ok()
    );
    let registered = JwkSet::check_registered(&value);
    if let Err(reason) = &registered {
        assert!(is_one_line(&reason.to_string()), "{reason:?}");
    }
    let Ok(set) = parsed else {
        assert!(registered.is_err());
        return;
    };
    let members = value["keys"].as_array().unwrap();
    if registered.is_ok() {
        assert!(set.why_unusable().is_none());
        assert!((1..=20).contains(&members.len()));
        let secret = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        assert!(
            !members
                .iter()
                .any(|key| secret.iter().any(|name| key.get(name).is_some()))
        );
    }
    let mut used = 0;
    for (_, algorithm) in SignatureAlgorithm::NAMES {
        for key in set.fitting(algorithm, None) {
            used += 1;
            assert!(key.is_for(algorithm) && key.parsed(algorithm).is_ok());
            assert_eq!(key.thumbprint().len(), 43);
            let written = written_jwk(key);
            assert_eq!(PublicKey::from_jwk(&written).as_ref(), Ok(key));
        }
    }
    assert_eq!(used == 0, set.why_unusable().is_some());
    for kid in members.iter().filter_map(|key| key["kid"].as_str()) {
        let found: Option<&Jwk> = set.find(kid);
        assert!(found.is_none() || used > 0);
    }
}

fn written_jwk(key: &PublicKey) -> Map<String, Value> {
    let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let jwk = match key {
        PublicKey::Rsa { n, e } => json!({"kty": "RSA", "n": encode(n), "e": encode(e)}),
        PublicKey::P256(point) => {
            json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
        }
        PublicKey::Ed25519(x) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(x)}),
        PublicKey::MlDsa44(key) => {
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": encode(key)})
        }
    };
    jwk.as_object().cloned().unwrap()
}

const KINDS: [Kind; 6] = [
    Kind::ApiKey,
    Kind::ClientSecret,
    Kind::RegistrationAccessToken,
    Kind::InitialAccessToken,
    Kind::Session,
    Kind::Invitation,
];

/// A valid credential is of one kind, and refused when any of its bytes is changed. No log line shows one.
pub fn credential(data: &[u8]) {
    const VALID: &str = "kwk_0123456789ABCDEF_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";
    let Some(text) = text(data) else { return };
    let parse = |text: &str| {
        KINDS
            .iter()
            .filter_map(|kind| Credential::parse(text, *kind))
            .next()
    };
    let kinds = KINDS
        .iter()
        .filter(|kind| Credential::parse(text, **kind).is_some());
    assert!(kinds.count() <= 1, "of one kind");
    if let Some(credential) = parse(text) {
        assert_eq!(credential.expose(), text);
        assert!(text.starts_with(&credential.shown()) && text.contains(credential.id()));
        for place in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(parse(&changed).is_none(), "changed at {place}");
            assert!(parse(&text[..place]).is_none(), "cut at {place}");
        }
        assert!(
            !redacted(text).contains(&text[21..]),
            "the secret is redacted"
        );
    }
    let logged = redacted(text);
    assert_eq!(redacted(&logged), logged, "cut twice");
    for (start, _) in logged.match_indices("kw") {
        assert!(logged.get(start..start + 70).and_then(parse).is_none());
    }
    // A text of the same shape without a valid checksum is redacted too, wherever it occurs.
    let [before, after] = lines(text);
    let surrounded = format!("{before}{VALID}000000{after}");
    assert!(
        text.contains(&VALID[21..]) || !redacted(&surrounded).contains(&VALID[21..]),
        "{surrounded:?}"
    );
}

/// No text is too odd for the estimate of a password's strength, and one that is a word of the user's is
/// refused for that.
pub fn password(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let choose = |related: &[&str]| Password::choose(text.as_ref().into(), related).err();
    let weakness = choose(&[]);
    let lower = text.to_ascii_lowercase();
    let expected = match weakness {
        Some(Weakness::Format) => weakness,
        _ if text.is_ascii() && text == lower => Some(Weakness::Personal),
        _ => return,
    };
    assert_eq!(choose(&[&text]), expected, "{text:?}");
}

/// A scope is a set: its text is canonical, and the operations agree with those of `BTreeSet`.
pub fn scope(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let halves: [&str; 2] = lines(text);
    let parsed: Vec<Scope> = halves.iter().filter_map(|half| half.parse().ok()).collect();
    for scope in &parsed {
        assert_eq!(scope.to_string().parse().as_ref(), Ok(scope), "canonical");
        let allowed =
            |byte: u8| byte == b' ' || byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
        assert!(scope.as_str().bytes().all(allowed));
        assert!(scope.rights().all(|right| scope.contains(right)));
        assert!(scope.covers(scope.as_str()) && scope.is_subset(scope));
    }
    if let Ok(scope) = text.parse::<Scope>() {
        let expected: BTreeSet<&str> = text.split(' ').filter(|token| !token.is_empty()).collect();
        assert!(scope.iter().eq(expected), "the tokens of {text:?}");
    }
    let [a, b] = parsed.as_slice() else { return };
    let set = |scope: &Scope| -> BTreeSet<String> { scope.iter().map(str::to_owned).collect() };
    let both = a.intersection(b);
    assert_eq!(set(&both), set(a).intersection(&set(b)).cloned().collect());
    assert_eq!(both, b.intersection(a));
    assert_eq!(both.to_string().parse().as_ref(), Ok(&both));
    assert!(both.is_subset(a) && both.is_subset(b) && a.covers(both.as_str()));
    assert_eq!(a.is_subset(b), set(a).is_subset(&set(b)));
    assert_eq!(a.is_subset(b), b.covers(a.as_str()));
}

/// The components of a URI by the regular expression of RFC 3986 appendix B.
struct Components<'a> {
    scheme: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

fn components(text: &str) -> Option<Components<'_>> {
    let (scheme, rest) = text.split_once(':')?;
    let (rest, fragment) = match rest.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (rest, None),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, rest),
    };
    Some(Components {
        scheme,
        authority,
        path,
        query,
        fragment,
    })
}

/// Two parsers read an accepted URI in the same way, and each purpose keeps its rule.
pub fn external_uri(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let uri = match ExternalUri::parse(text) {
        Ok(uri) => uri,
        Err(error) => {
            let shown = error.to_string();
            assert!(is_one_line(&shown));
            assert!(
                !shown.contains('@'),
                "a password could stand before it: {shown}"
            );
            return;
        }
    };
    assert_eq!(uri.as_str(), text, "unchanged");
    assert_eq!(uri.to_string(), text);
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && text.len() <= 512);
    let url = Url::parse(text).unwrap();
    assert!(url.username().is_empty() && url.password().is_none());
    let parts = components(text).unwrap();
    assert_eq!(parts.scheme, url.scheme());
    let authority = parts.authority.unwrap_or_default();
    assert!(!authority.contains('@'));
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    assert_eq!(
        authority,
        format!("{}{port}", url.host_str().unwrap_or_default())
    );
    assert!(parts.path == url.path() || parts.path.is_empty() && url.path() == "/");
    let same = |text: Option<&str>| text.map(|text| text.replace('\'', "%27"));
    assert_eq!(same(parts.query), same(url.query()));
    assert_eq!(same(parts.fragment), same(url.fragment()));
    let plain_host = url
        .host_str()
        .is_some_and(|host| !host.contains(['%', '*', ',', '$', '!']));
    if uri.clone().for_redirect().is_ok() {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
        assert!(
            !decoded
                .iter()
                .any(|byte| byte.is_ascii_control() || *byte == b'\\')
        );
        assert!(!text.contains(['#', '*']));
        let loopback = ["localhost", "[::1]"].contains(&url.host_str().unwrap_or_default())
            || url.host_str().is_some_and(|host| host.starts_with("127."));
        match url.scheme() {
            "https" => assert!(plain_host),
            "http" => assert!(loopback),
            scheme => assert!(scheme.contains('.')),
        }
    }
    if uri.clone().for_page().is_ok() {
        assert!(plain_host && ["http", "https"].contains(&url.scheme()));
    }
    if uri.clone().for_keys(is_public).is_ok() {
        assert!(plain_host && url.scheme() == "https" && url.fragment().is_none());
        let address = url
            .host_str()
            .unwrap()
            .trim_matches(['[', ']'])
            .parse::<IpAddr>();
        assert!(address.map_or(true, is_public));
    }
    assert_eq!(uri.clone().for_resource().is_ok(), !text.contains('#'));
    assert_eq!(check_identifier(text).is_ok(), !text.contains('#'));
}

/// Clients that parse an issuer as a URL reach the same host and path that its text names.
pub fn issuer(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(issuer) = text.parse::<Issuer>() else {
        return;
    };
    assert_eq!(issuer.as_str(), text, "unchanged");
    assert_eq!(issuer.to_string().parse().as_ref(), Ok(&issuer));
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#']));
    let own = Url::parse(text).unwrap();
    assert!(own.username().is_empty() && own.password().is_none());
    assert_eq!(own.path().trim_end_matches('/'), issuer.path());
    assert_eq!(issuer.is_https(), own.scheme() == "https");
    assert_eq!(issuer.origin(), own.origin().ascii_serialization());
    let metadata = issuer.metadata_path();
    for (url, path) in [
        (
            issuer.endpoint("/oauth/token"),
            format!("{}/oauth/token", issuer.path()),
        ),
        (issuer.metadata_url(), metadata.clone()),
    ] {
        let url = Url::parse(&url).unwrap();
        assert_eq!(url.origin(), own.origin());
        assert_eq!(url.path(), path);
        assert!(url.query().is_none() && url.fragment().is_none());
    }
    assert!(metadata.starts_with("/.well-known/oauth-authorization-server"));
}

/// The client's own headers do not change the client IP that a trusted proxy reports after them.
pub fn client_ip(data: &[u8]) {
    let proxies: TrustedProxies = "10.0.0.0/8, 2001:db8:aa::/48".parse().unwrap();
    let peer = Some("10.0.0.1".parse().unwrap());
    let client: IpAddr = "203.0.113.7".parse().unwrap();
    let sent: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let resolve = |lines: &[&[u8]]| proxies.client_ip(peer, header, lines.iter().copied());
        let reported: &[u8] = match header {
            ForwardedHeader::XForwardedFor => b"203.0.113.7",
            ForwardedHeader::Forwarded => b"for=203.0.113.7",
        };
        let second_proxy: &[u8] = match header {
            ForwardedHeader::XForwardedFor => b"10.1.2.3",
            ForwardedHeader::Forwarded => b"for=10.1.2.3;proto=https",
        };
        let mut appended = sent.clone();
        appended.push(reported);
        assert_eq!(
            resolve(&appended),
            ClientIp::Known(client),
            "as a line of its own"
        );
        appended.push(second_proxy);
        assert_eq!(
            resolve(&appended),
            ClientIp::Known(client),
            "through two proxies"
        );
        let joined = [data, b", ", reported].concat();
        assert_eq!(resolve(&[&joined]), ClientIp::Known(client), "in one line");
        let one_line = sent.join(&b","[..]);
        assert_eq!(
            resolve(&sent),
            resolve(&[&one_line]),
            "several lines are one list"
        );
        let untrusted = Some(client);
        assert_eq!(
            proxies.client_ip(untrusted, header, sent.iter().copied()),
            ClientIp::Known(client),
            "from a peer that is not trusted"
        );
        match resolve(&sent) {
            ClientIp::Known(address) => assert_eq!(address, address.to_canonical()),
            unknown => assert_eq!(unknown.to_string(), "unknown"),
        }
    }
}

/// A forwarded certificate has one reading: written as RFC 9440 says, it is the same one. An element
/// that the sender put before the proxy's is never taken for it.
pub fn client_certificate(data: &[u8]) {
    let read = |header, line: &[u8], chain: Vec<Vec<u8>>| {
        let certificate = ClientCertificate::forwarded(ForwardedCertificate {
            header,
            certificate: vec![line.to_vec()],
            chain,
        });
        let chain = certificate.chain().map(|chain| chain.cloned());
        (certificate.is_present(), chain)
    };
    for header in [
        CertificateHeader::ClientCert,
        CertificateHeader::XSslClientCert,
        CertificateHeader::XForwardedClientCert,
    ] {
        let (present, chain) = read(header, data, Vec::new());
        assert_eq!(present, !data.trim_ascii().is_empty());
        let Ok(Some(chain)) = chain else { continue };
        let item = |der: &[u8]| format!(":{}:", STANDARD.encode(der)).into_bytes();
        let above: Vec<Vec<u8>> = chain.intermediates().iter().map(|der| item(der)).collect();
        let (_, again) = read(CertificateHeader::ClientCert, &item(chain.leaf()), above);
        assert_eq!(again, Ok(Some(chain)));
        if header == CertificateHeader::XForwardedClientCert {
            let forged = [b"Hash=00,", data].concat();
            assert!(read(header, &forged, Vec::new()).1.is_err());
        }
    }
}

/// A distinguished name does not depend on the case of its text, and has other names before and
/// after it as parts of their own.
pub fn distinguished_name(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(name) = text.parse::<DistinguishedName>() else {
        return;
    };
    assert_eq!(text.to_ascii_uppercase().parse().as_ref(), Ok(&name));
    assert_eq!(text.to_ascii_lowercase().parse().as_ref(), Ok(&name));
    let longer: DistinguishedName = format!("DC=x,{text}").parse().unwrap();
    assert_ne!(longer, name);
}

/// An accepted network contains its own addresses, and its text can be parsed again.
pub fn ip_ranges(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let proxies = text.parse::<TrustedProxies>();
    let ranges = text.parse::<IpRanges>();
    if let Ok(proxies) = &proxies {
        assert_eq!(proxies.to_string().parse().as_ref(), Ok(proxies));
    }
    if let Ok(ranges) = &ranges {
        assert_eq!(ranges.as_str().parse().as_ref(), Ok(ranges));
        assert!(!ranges.allow(ClientIp::Unknown) || ranges.as_str().is_empty());
    }
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        let addresses = match (word.parse::<IpAddr>(), word.parse::<IpNet>()) {
            (Ok(address), _) => vec![address],
            (_, Ok(network)) => vec![network.network(), network.broadcast()],
            _ => continue,
        };
        // An IPv6 network that is wider than the IPv4-mapped addresses does not contain IPv4
        // addresses.
        if addresses
            .iter()
            .map(|address| address.to_canonical().is_ipv4())
            .collect::<BTreeSet<_>>()
            .len()
            > 1
        {
            continue;
        }
        for address in addresses {
            if let Ok(ranges) = &ranges {
                assert!(ranges.allow(ClientIp::from(address)), "{address} in {word}");
            }
            if let Ok(proxies) = &proxies {
                assert!(proxies.contains(address), "{address} in {word}");
            }
        }
    }
}

/// A trace is continued if the header has valid ids, and begins anew otherwise.
pub fn traceparent(data: &[u8]) {
    let context = TraceContext::new(Some(data), 7, 9);
    let fresh = TraceContext::new(None, 7, 9);
    let (mut trace, mut parent) = (digits(), digits());
    match context.parent {
        None => assert_eq!(context, fresh),
        Some(id) => {
            assert_eq!(context.trace_id.encode(&mut trace).as_bytes(), &data[3..35]);
            assert_eq!(id.encode(&mut parent).as_bytes(), &data[36..52]);
            assert!(data[..2] != *b"ff" && (data[..2] != *b"00" || data.len() == 55));
            assert!(data[3..35].iter().any(|byte| *byte != b'0'));
            assert!(data[36..52].iter().any(|byte| *byte != b'0'));
            assert_eq!(context.span, fresh.span);
        }
    }
}

/// The first language of the highest weight wins, whatever else is in the list.
pub fn accept_language(data: &[u8]) {
    let preferred = |header: &[u8]| {
        let value = HeaderValue::from_bytes(header).ok()?;
        value.to_str().ok()?;
        let request = TestRequest::default().insert_header((ACCEPT_LANGUAGE, value));
        Some(Language::negotiate(&request.to_http_request()))
    };
    let Some(language) = preferred(data) else {
        return;
    };
    assert_eq!(
        preferred(&[b"de, ", data].concat()),
        Some(language),
        "one that there is not"
    );
    for (header, language) in [
        (&b"fr, "[..], Language::French),
        (b"en-GB, ", Language::English),
    ] {
        assert_eq!(preferred(&[header, data].concat()), Some(language));
    }
    if !data.contains(&b'f') && !data.contains(&b'F') {
        assert_eq!(language, Language::English);
    }
}

/// A duration has a limit, and its text in seconds can be parsed again.
pub fn duration(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match parse_duration(text) {
        Ok(duration) => {
            assert!(duration <= Duration::from_secs(100 * 366 * 24 * 3600));
            let seconds = duration.as_secs();
            assert_eq!(parse_duration(&seconds.to_string()), Ok(duration));
            assert_eq!(parse_duration(&format!("{seconds}s")), Ok(duration));
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
        Err(reason) => assert!(is_one_line(&reason.to_string()), "{reason:?}"),
    }
}

/// Identifiers that can be stored can be requested, and the set is canonical.
pub fn resources(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if check_identifier(text).is_ok() {
        let set: Resources = text.parse().unwrap();
        assert!(set.iter().eq([text]) && set.contains(text));
    }
    match text.parse::<Resources>() {
        Ok(set) => {
            assert_eq!(set.as_str().parse().as_ref(), Ok(&set));
            let expected: BTreeSet<&str> =
                text.split(' ').filter(|word| !word.is_empty()).collect();
            assert!(set.iter().eq(expected));
            assert!(set.is_subset(&set) && set.iter().all(|own| set.contains(own)));
            assert!(
                set.as_str()
                    .bytes()
                    .all(|byte| (0x20..0x7f).contains(&byte))
            );
        }
        Err(reason) => assert!(is_one_line(&reason.to_string()), "{reason:?}"),
    }
}

/// The displayed proxy URL can be parsed again, and has no password.
pub fn proxy_url(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match text.parse::<ProxyUrl>() {
        Ok(proxy) => {
            let shown = proxy.to_string();
            assert_eq!(shown.parse::<ProxyUrl>().unwrap().to_string(), shown);
            assert_eq!(proxy.as_str().parse::<ProxyUrl>().as_ref(), Ok(&proxy));
            assert_eq!(format!("{proxy:?}"), shown);
            let url = Url::parse(text).unwrap();
            if url
                .password()
                .is_some_and(|password| password.contains(SECRET))
            {
                let others = [url.username(), url.host_str().unwrap_or_default()];
                assert!(!shown.contains(SECRET) || others.iter().any(|part| part.contains(SECRET)));
            }
        }
        Err(reason) => assert!(!reason.to_string().contains(SECRET)),
    }
}

/// The displayed database URL can be parsed again and means the same, without the password; the
/// connection string for libpq means the same as the URL.
pub fn database_url(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let url = match text.parse::<DatabaseUrl>() {
        Ok(url) => url,
        Err(reason) => return assert!(!reason.to_string().contains(SECRET), "{reason}"),
    };
    let shown = url.to_string();
    let DatabaseUrl::Postgres(postgres) = &url else {
        assert_eq!(shown.parse::<DatabaseUrl>().ok(), Some(url));
        return;
    };
    let reread: DatabaseUrl = shown
        .parse()
        .unwrap_or_else(|reason| panic!("{text:?} is shown as {shown:?}: {reason}"));
    assert_eq!(reread.to_string(), shown, "shown again");
    let DatabaseUrl::Postgres(reread) = &reread else {
        panic!("{shown}")
    };
    let none = |_: &str| None;
    assert_eq!(reread.servers(&none), postgres.servers(&none), "{shown}");
    assert_eq!(reread.tls(&none), postgres.tls(&none), "{shown}");
    for name in ["user", "dbname", "sslmode", "application_name"] {
        let [value, expected] = [reread, postgres].map(|url| url.get(name).unwrap_or_default());
        assert_eq!(value, expected, "{name} in {shown}");
    }
    assert!(!postgres.servers(&none).unwrap().is_empty());
    let handed = conninfo(&postgres.for_libpq(&[]));
    for name in ["user", "password", "dbname", "host", "port", "options"] {
        assert_eq!(
            handed.get(name).map(String::as_str),
            postgres.get(name),
            "{name}"
        );
    }
    let secrets = ["password", "options", "sslpassword"];
    if text.matches(SECRET).count() == 1
        && secrets.iter().any(|name| {
            postgres
                .get(name)
                .is_some_and(|value| value.contains(SECRET))
        })
    {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

/// Reads a connection string of libpq: keywords with quoted values.
fn conninfo(text: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut characters = text.chars();
    loop {
        let name: String = characters
            .by_ref()
            .skip_while(|c| *c == ' ')
            .take_while(|c| *c != '=')
            .collect();
        if name.is_empty() {
            return parameters;
        }
        assert_eq!(characters.next(), Some('\''));
        let mut value = String::new();
        loop {
            match characters.next() {
                Some('\\') => value.extend(characters.next()),
                Some('\'') => break,
                Some(c) => value.push(c),
                None => panic!("a quote is not closed: {text}"),
            }
        }
        assert!(
            parameters.insert(name, value).is_none(),
            "given twice: {text}"
        );
    }
}

/// An imported key is published without its private half, under its thumbprint.
pub fn private_key_pem(data: &[u8]) {
    let Ok(key) = SigningKeyPair::from_pem(data, None) else {
        return;
    };
    let jwk: Value = serde_json::from_str(&key.public_jwk).unwrap();
    let members = jwk.as_object().unwrap();
    let known = ["kty", "crv", "x", "y", "n", "e", "pub", "kid", "alg", "use"];
    assert!(
        members.keys().all(|name| known.contains(&name.as_str())),
        "{members:?}"
    );
    assert_eq!(jwk["kid"], key.kid.as_str());
    assert_eq!(PublicKey::from_jwk(members).unwrap().thumbprint(), key.kid);
    assert_eq!(JwkSet::check_registered(&json!({"keys": [jwk]})), Ok(()));
    let again = SigningKeyPair::from_pem(&[b"a comment\n", data].concat(), None).unwrap();
    assert_eq!(again.public_jwk, key.public_jwk);
}

/// The settings on a command line.
#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
    #[arg(long, env = "KEYWARD_CONFIG")]
    config: Option<PathBuf>,
}

fn read_settings(arguments: &[String]) -> Result<BTreeMap<&'static str, Option<String>>, String> {
    let arguments = std::iter::once("keyward").chain(arguments.iter().map(String::as_str));
    let read = config::read(
        &CommandLine::command(),
        arguments.map(OsString::from).collect(),
        std::iter::empty(),
    );
    let (matches, sources) = read.map_err(|error| error.to_string())?;
    let line = CommandLine::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    assert!(line.config.is_none_or(|file| !file.as_os_str().is_empty()));
    let entries = sources.entries(&line.settings);
    Ok(entries
        .into_iter()
        .map(|entry| (entry.name, entry.value))
        .collect())
}

/// The effective settings of an accepted file, given as flags, are the same settings. No message repeats
/// a secret.
pub fn settings_file(data: &[u8]) {
    let file = std::env::temp_dir().join(format!(
        "keyward-property-{}-{:?}.toml",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, data).unwrap();
    let read = read_settings(&[format!("--config={}", file.display())]);
    std::fs::remove_file(&file).unwrap();
    match read {
        Ok(settings) => {
            let flags: Vec<String> = settings
                .iter()
                .filter_map(|(name, value)| Some((name, value.as_deref()?)))
                .filter(|(_, value)| !value.contains("***"))
                // Port 0 becomes a real one, in the issuer too, when the server listens.
                .filter(|(name, value)| **name != "issuer" || !value.ends_with(":0"))
                .map(|(name, value)| format!("--{}={value}", name.replace('_', "-")))
                .collect();
            let masked = |settings: &mut BTreeMap<&str, Option<String>>| {
                for name in ["database_url", "outbound_proxy", "operator_password"] {
                    settings.remove(name);
                }
            };
            // Without a file: the default one is not in the folder of the tests.
            let (mut expected, mut again) = (settings.clone(), read_settings(&flags).unwrap());
            masked(&mut expected);
            masked(&mut again);
            assert_eq!(again, expected);
        }
        Err(message) => {
            let secret = |line: &str| {
                [
                    "database_url = ",
                    "outbound_proxy = ",
                    "operator_password = ",
                ]
                .iter()
                .any(|start| line.starts_with(start))
            };
            let only_in_secrets = text(data).is_some_and(|text| {
                text.lines()
                    .filter(|line| line.contains(SECRET))
                    .all(secret)
            });
            assert!(!only_in_secrets || !message.contains(SECRET), "{message}");
        }
    }
}

/// Variables of other programs are ignored; a variable that looks like a setting is a setting, or
/// is refused without its value.
pub fn environment(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if text.contains('\0') {
        return;
    }
    let variables: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let check = |variables: &[(&str, &str)]| {
        let variables = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let arguments = vec![
            OsString::from("keyward"),
            OsString::from("--config=/dev/null"),
        ];
        config::read(&CommandLine::command(), arguments, variables)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let own: Vec<(&str, &str)> = variables
        .iter()
        .copied()
        .filter(|(name, _)| name.starts_with("KEYWARD_"))
        .collect();
    let checked = check(&variables);
    assert_eq!(checked, check(&own), "variables of others");
    if let Err(message) = checked {
        assert!(message.contains("KEYWARD_"));
        assert!(
            !message.contains(SECRET) || own.iter().any(|(name, _)| name.contains(SECRET)),
            "{message}"
        );
    }
}

/// A condition has one text form and one JSON form. Whatever it accepts begins with its literal prefix, and an
/// exact one accepts one value alone. The input is a condition and a value.
pub fn trust_condition(data: &[u8]) {
    let Some(input) = text(data) else { return };
    let [condition, value] = lines(input);
    let _ = condition.parse::<Conditions>();
    let Ok(parsed) = condition.parse::<Condition>() else {
        return;
    };
    assert!(!parsed.claim().is_empty() && is_one_line(parsed.claim()));
    let shown = parsed.to_string();
    assert_eq!(shown, condition);
    let all = Conditions::new(vec![parsed.clone()]).unwrap();
    let again: Conditions = all.as_str().parse().unwrap();
    assert_eq!(again, all, "through JSON");
    let accepts = |value: &Value| {
        let claims = Map::from_iter([(parsed.claim().to_owned(), value.clone())]);
        let accepted = parsed.matches(&claims);
        assert_eq!(all.select(&claims).len(), usize::from(accepted));
        accepted
    };
    let accepted = accepts(&json!(value));
    assert_eq!(accepted, accepts(&json!([null, value])), "in an array");
    assert!(!accepts(&Value::Null) && !accepts(&json!({"a": value})));
    assert!(!parsed.matches(&Map::new()));
    if accepted {
        assert!(
            value.starts_with(parsed.literal_prefix()),
            "{shown} {value:?}"
        );
        assert!(!parsed.is_exact() || value == parsed.literal_prefix());
    }
    // A pattern matches its own text, since a wildcard also stands for asterisks.
    if let Ok(pattern) = Condition::new("c", Operator::Glob, value) {
        let claims = Map::from_iter([("c".to_owned(), json!(value))]);
        assert!(pattern.matches(&claims), "{value:?}");
    }
}
