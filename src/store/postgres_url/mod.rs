//! Parses `postgres://…` URLs. libpq does not parse them, since its error messages quote what it
//! cannot parse, which may be part of a password. It gets a connection string that is built from
//! the parsed parameters.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::decimal;

mod tls_options;

use tls_options::FOR_TLS;
pub use tls_options::{Roots, SslMode, TlsOptions};

/// Parameters that are passed to libpq.
const FOR_LIBPQ: [&str; 24] = [
    "application_name",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "options",
    "passfile",
    "password",
    "port",
    "require_auth",
    "requirepeer",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Parameters that are ignored, unless their value is `require`.
const WITHOUT_EFFECT: [&str; 2] = ["channel_binding", "gssencmode"];

/// Parameters of libpq that Keyward refuses, because it does not support them and ignoring them
/// would not be safe.
const REFUSED: [&str; 5] = [
    "replication",
    "service",
    "servicefile",
    "sslcrl",
    "sslcrldir",
];

/// The characters that are percent-encoded when the URL is displayed.
const SHOWN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b',');

/// One of the servers that the URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A host name, an IP address, or the folder of a Unix socket.
    pub host: String,
    /// The IP address to connect to instead of resolving `host`.
    pub address: Option<String>,
    /// The TCP port.
    pub port: u16,
}

impl Server {
    /// Whether the server is reached through a Unix socket.
    pub fn is_socket(&self) -> bool {
        self.address.is_none() && (self.host.is_empty() || self.host.starts_with(['/', '@']))
    }

    /// Whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        let host = self.address.as_ref().unwrap_or(&self.host);
        let loopback = host
            .parse::<std::net::IpAddr>()
            .map(|address| address.to_canonical().is_loopback());
        self.is_socket()
            || loopback.unwrap_or_else(|_| host == "localhost" || host.ends_with(".localhost"))
    }
}

/// A parsed `postgres://` URL. Neither [`fmt::Display`] nor an error shows the password, and errors
/// do not quote what cannot be parsed, which may be part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// libpq's names of the parameters and their values, each name once. Zeroed when dropped, since
    /// one of them is the password.
    parameters: Vec<(&'static str, Zeroizing<String>)>,
}

/// Why a `postgres://` URL is invalid. The message does not quote the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(Cow<'static, str>);

impl InvalidUrl {
    pub(super) fn new(message: &'static str) -> Self {
        InvalidUrl(message.into())
    }
}

impl std::str::FromStr for PostgresUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or(InvalidUrl("write postgres://…".into()))?;
        if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidUrl(
                "it holds a space, a tab or a line end; write %20 for a space".into(),
            ));
        }
        let mut url = PostgresUrl {
            parameters: Vec::new(),
        };
        let (user, rest) = match rest.find(['@', '/']) {
            Some(end) if rest[end..].starts_with('@') => (&rest[..end], &rest[end + 1..]),
            _ => ("", rest),
        };
        let (servers, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        let name = name.strip_prefix('/').unwrap_or(name);
        if servers.contains('@')
            || name.contains(['@', '/'])
            || user.is_empty() && query.contains('@')
        {
            return Err(InvalidUrl(
                "the end of the password is ambiguous; write @ as %40, / as %2F and : as %3A in it"
                    .into(),
            ));
        }
        let (user, password) = user
            .split_once(':')
            .map_or((user, None), |(user, password)| (user, Some(password)));
        url.set_decoded("user", user, "the user")?;
        url.set_decoded("password", password.unwrap_or_default(), "the password")?;
        url.set_decoded("dbname", name, "the name of the database")?;
        url.set_servers(servers)?;
        for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            url.set_parameter(index + 1, pair)?;
        }
        url.servers(&|_| None)?;
        url.tls(&|_| None)?;
        Ok(url)
    }
}

impl PostgresUrl {
    /// The value of a parameter, by libpq's name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, Zeroizing::new(value)));
    }

    fn set_decoded(
        &mut self,
        name: &'static str,
        text: &str,
        part: &str,
    ) -> Result<(), InvalidUrl> {
        if !text.is_empty() {
            self.set(name, decode(text, part)?);
        }
        Ok(())
    }

    fn set_servers(&mut self, text: &str) -> Result<(), InvalidUrl> {
        let mut hosts = Vec::new();
        let mut ports = Vec::new();
        for server in text.split(',') {
            let (host, port) = match server.strip_prefix('[').map(|inner| inner.split_once(']')) {
                Some(Some((address, rest))) if rest.is_empty() || rest.starts_with(':') => {
                    (address, rest.strip_prefix(':'))
                }
                Some(_) => return Err(InvalidUrl("an IPv6 address is not closed with ]".into())),
                None => server
                    .split_once(':')
                    .map_or((server, None), |(host, port)| (host, Some(port))),
            };
            hosts.push(decode(host, "a host")?);
            ports.push(port.unwrap_or_default().to_owned());
        }
        if hosts.len() > 1 || hosts.iter().any(|host| !host.is_empty()) {
            self.set("host", hosts.join(","));
        }
        if ports.iter().any(|port| !port.is_empty()) {
            self.set("port", ports.join(","));
        }
        Ok(())
    }

    /// Parses the `index`th parameter of the query. Errors do not quote an unknown name, which may
    /// be part of a password.
    fn set_parameter(&mut self, index: usize, pair: &str) -> Result<(), InvalidUrl> {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            InvalidUrl(format!("parameter {index} after the ? has no value").into())
        })?;
        let value = decode(
            value,
            &format!("the value of parameter {index} after the ?"),
        )?;
        // JDBC's spelling, which libpq accepts.
        let (name, value) = if (name, value.as_str()) == ("ssl", "true") {
            ("sslmode", "require".to_owned())
        } else {
            (name, value)
        };
        if let Some(name) = REFUSED.iter().find(|refused| **refused == name) {
            return Err(InvalidUrl(format!("Keyward has no {name}").into()));
        }
        let mut known = FOR_LIBPQ.into_iter().chain(FOR_TLS).chain(WITHOUT_EFFECT);
        let name = known.find(|known| *known == name);
        let name = name.ok_or_else(|| {
            InvalidUrl(format!("parameter {index} after the ? is none that Postgres knows").into())
        })?;
        if WITHOUT_EFFECT.contains(&name) && value == "require" {
            return Err(InvalidUrl(format!("Keyward has no {name}=require").into()));
        }
        self.set(name, value);
        Ok(())
    }

    /// The servers, in the order in which they are tried.
    ///
    /// # Errors
    /// [`InvalidUrl`] if the URL or libpq's environment variables contradict themselves.
    pub fn servers(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Server>, InvalidUrl> {
        let value = |name: &str, variable_name: &str| {
            self.get(name)
                .map(str::to_owned)
                .or_else(|| variable(variable_name))
        };
        let hosts = value("host", "PGHOST");
        let split = |list: &Option<String>| {
            list.as_deref()
                .unwrap_or_default()
                .split(',')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let names = split(&hosts);
        let addresses = split(&value("hostaddr", "PGHOSTADDR"));
        let ports = split(&value("port", "PGPORT"));
        let count = if hosts.is_some() {
            names.len()
        } else {
            addresses.len()
        };
        if addresses.len() > 1 && addresses.len() != count
            || ports.len() > 1 && ports.len() != count
        {
            return Err(InvalidUrl(
                "there are not as many ports or addresses as hosts".into(),
            ));
        }
        (0..count)
            .map(|index| {
                let address = addresses
                    .get(index)
                    .filter(|address| !address.is_empty())
                    .cloned();
                let port = parse_port(ports.get(index).or(ports.first()))?;
                let host = names
                    .get(index)
                    .filter(|host| !host.is_empty())
                    .cloned()
                    .or_else(|| address.clone());
                Ok(Server {
                    host: host.unwrap_or_default(),
                    address,
                    port,
                })
            })
            .collect()
    }

    /// The connection string for libpq, with the values of `replaced` instead of the URL's.
    pub fn for_libpq(&self, replaced: &[(&'static str, String)]) -> Zeroizing<String> {
        let quoted = |name: &str, value: &str| {
            let escaped = Zeroizing::new(value.replace('\\', "\\\\").replace('\'', "\\'"));
            Zeroizing::new(format!("{name}='{}'", *escaped))
        };
        let is_replaced = |name: &str| replaced.iter().any(|(other, _)| *other == name);
        let own = self
            .parameters
            .iter()
            .filter(|(name, _)| FOR_LIBPQ.contains(name) && !is_replaced(name))
            .map(|(name, value)| quoted(name, value));
        let replaced = replaced.iter().map(|(name, value)| quoted(name, value));
        let parts: Vec<Zeroizing<String>> = own.chain(replaced).collect();
        let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
        Zeroizing::new(parts.join(" "))
    }
}

/// Parses a port; the default is Postgres's.
fn parse_port(text: Option<&String>) -> Result<u16, InvalidUrl> {
    let text = text.map_or("", String::as_str);
    if text.is_empty() {
        return Ok(5432);
    }
    decimal::parse(text)
        .filter(|port| *port > 0)
        .ok_or(InvalidUrl::new("the port is not a number from 1 to 65535"))
}

/// Percent-decodes a part of the URL. The error does not quote it.
fn decode(text: &str, part: &str) -> Result<String, InvalidUrl> {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    if bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'%' && !(hex(at + 1) && hex(at + 2)))
    {
        return Err(InvalidUrl(format!(
            "{part} has a % that is not followed by two hexadecimal digits; write %25 for the sign itself"
        ).into()));
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| InvalidUrl(format!("{part} is not UTF-8").into()))?;
    if decoded.contains('\0') {
        return Err(InvalidUrl(format!("{part} holds a zero byte").into()));
    }
    Ok(decoded.into_owned())
}

/// Leaves the password out.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &str, encoded: &'static AsciiSet| {
            self.get(name)
                .map(|value| utf8_percent_encode(value, encoded).to_string())
        };
        f.write_str("postgres://")?;
        if let Some(user) = shown("user", NON_HOST) {
            write!(f, "{user}")?;
        }
        if self.get("password").is_some() {
            f.write_str(":***")?;
        }
        if self.get("user").or(self.get("password")).is_some() {
            f.write_str("@")?;
        }
        let hosts: Vec<&str> = self.get("host").unwrap_or_default().split(',').collect();
        let ports: Vec<&str> = self.get("port").unwrap_or_default().split(',').collect();
        for index in 0..hosts.len().max(ports.len()) {
            let comma = if index > 0 { "," } else { "" };
            let host = hosts.get(index).copied().unwrap_or_default();
            let host = match host.contains(':') {
                true => format!("[{}]", utf8_percent_encode(host, IN_BRACKETS)),
                false => utf8_percent_encode(host, NON_HOST).to_string(),
            };
            write!(f, "{comma}{host}")?;
            // One port is the port of all hosts.
            let port = if ports.len() == 1 {
                ports.first()
            } else {
                ports.get(index)
            };
            if let Some(port) = port.filter(|port| !port.is_empty()) {
                write!(f, ":{port}")?;
            }
        }
        let dbname = shown("dbname", NON_HOST).unwrap_or_default();
        write!(f, "/{dbname}")?;
        let mut sign = '?';
        for (name, value) in &self.parameters {
            if !["user", "password", "host", "port", "dbname"].contains(name) {
                // These may contain credentials.
                let hidden = ["options", "sslpassword"].contains(name);
                let value = if hidden {
                    "***".to_owned()
                } else {
                    utf8_percent_encode(value, SHOWN).to_string()
                };
                write!(f, "{sign}{name}={value}")?;
                sign = '&';
            }
        }
        Ok(())
    }
}

/// A user, a database name and the folder of a Unix socket must not look like other parts of the URL.
const NON_HOST: &AsciiSet = &SHOWN.add(b'/').add(b':').add(b',');

/// An IPv6 address keeps its colons.
const IN_BRACKETS: &AsciiSet = &NON_HOST.remove(b':');

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PostgresUrl {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_connection_string_is_quoted() {
        for (text, wanted) in [
            ("postgres://", ""),
            ("postgres://db.example", "host='db.example'"),
            (
                "postgresql://u@db.example:6432/kw",
                "user='u' dbname='kw' host='db.example' port='6432'",
            ),
            (
                "postgres://u:p%40s%2Fs%25@h/kw",
                "user='u' password='p@s/s%' dbname='kw' host='h'",
            ),
            (
                r"postgres://u:a'b\c@h/kw",
                r"user='u' password='a\'b\\c' dbname='kw' host='h'",
            ),
            (
                "postgres://u:a?b#c:d@h/kw",
                "user='u' password='a?b#c:d' dbname='kw' host='h'",
            ),
            (
                "postgres://[::1]:1,b/kw",
                "dbname='kw' host='::1,b' port='1,'",
            ),
            (
                "postgres://%2Frun%2Fpostgresql/kw",
                "dbname='kw' host='/run/postgresql'",
            ),
            (
                "postgres:///kw?host=/run/x&user=u&password=p%20q",
                "dbname='kw' host='/run/x' user='u' password='p q'",
            ),
            (
                "postgres://h/kw?sslmode=require&application_name=a",
                "dbname='kw' host='h' application_name='a'",
            ),
        ] {
            assert_eq!(read(text).for_libpq(&[]).as_str(), wanted, "{text}");
        }
        let replaced = read("postgres://h:1/kw").for_libpq(&[("host", "@x".to_owned())]);
        assert_eq!(replaced.as_str(), "dbname='kw' port='1' host='@x'");
    }

    #[test]
    fn a_displayed_url_has_no_password() {
        for (text, wanted) in [
            ("postgres://db.example", "postgres://db.example/"),
            ("postgres://u:TOPSECRET@h:1/kw", "postgres://u:***@h:1/kw"),
            ("postgres://:TOPSECRET@h/kw", "postgres://:***@h/kw"),
            (
                "postgres://h/kw?password=TOPSECRET&user=u",
                "postgres://u:***@h/kw",
            ),
            (
                "postgres://h/kw?options=-c%20a.b=TOPSECRET&sslmode=require",
                "postgres://h/kw?options=***&sslmode=require",
            ),
            (
                "postgres://h/kw?sslpassword=TOPSECRET",
                "postgres://h/kw?sslpassword=***",
            ),
            ("postgres://[::1]:1,b/kw", "postgres://[::1]:1,b/kw"),
            (
                "postgres://a%3Ab%2Fc@h/d%2Fe",
                "postgres://a%3Ab%2Fc@h/d%2Fe",
            ),
            ("postgres://a%3A%2F%5D/kw", "postgres://[a:%2F%5D]/kw"),
            ("postgres://a,b/kw?port=5", "postgres://a:5,b:5/kw"),
            (
                "postgres:///kw?hostaddr=10.0.0.1,10.0.0.2&port=1,2",
                "postgres://:1,:2/kw?hostaddr=10.0.0.1,10.0.0.2",
            ),
            ("postgres:///kw?host=,", "postgres://,/kw"),
            (
                "postgres://%2Frun%2Fpostgresql/kw",
                "postgres://%2Frun%2Fpostgresql/kw",
            ),
        ] {
            assert_eq!(read(text).to_string(), wanted, "{text}");
            assert_eq!(
                read(wanted.replace("***", "x").as_str()).to_string(),
                wanted,
                "what is shown can be read"
            );
        }
    }

    #[test]
    fn errors_do_not_quote_the_password() {
        for text in [
            "postgres://u:TOP%SECRET@h/kw",
            "postgres://u:TOPSECRET%@h/kw",
            "postgres://u:TOPSECRET%00@h/kw",
            "postgres://u:TOPSECRET%ff@h/kw",
            "postgres://u:TOP SECRET@h/kw",
            "postgres://u:TOPSECRET@h/kw\n",
            "postgres://u:TOP/SECRET@h/kw",
            "postgres://u:TOP@SECRET@h/kw",
            "postgres://u:TOP@SECRET/x@h/kw",
            "postgres://u:1/TOPSECRET@h/kw",
            "postgres://u:TOP@SECRET?x@h/kw",
            "postgres://u:TOP@h:SECRET/kw",
            "postgres://h/kw?password=TOP%SECRET",
            "postgres://h/kw?password=TOP&SECRET=x",
            "postgres://h/kw?password=TOP&SECRET",
            "postgres://h/kw?sslmode=SECRET",
            "postgres://h/kw?port=SECRET",
            "postgres://[SECRET/kw",
            "postgres://h/kw?service=x",
            "postgres://h/kw?channel_binding=require",
            "postgres://h/kw?sslmode=verify-ca",
            "postgres://h/kw?sslmode=prefer&sslrootcert=system",
            "postgres://h/kw?sslcert=SECRET",
        ] {
            let message = text
                .parse::<PostgresUrl>()
                .err()
                .unwrap_or_else(|| panic!("{text}"))
                .to_string();
            assert!(
                !message.contains("TOP") && !message.contains("SECRET"),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn hosts_addresses_and_ports_are_paired() {
        let servers = |text: &str| {
            let servers = read(text).servers(&|_| None).unwrap();
            servers
                .iter()
                .map(|server| (server.host.clone(), server.port, server.is_local()))
                .collect::<Vec<_>>()
        };
        let one = |host: &str, port, local| vec![(host.to_owned(), port, local)];
        assert_eq!(servers("postgres:///kw"), one("", 5432, true));
        assert_eq!(servers("postgres://%2Frun/kw"), one("/run", 5432, true));
        assert_eq!(
            servers("postgres://127.9.9.9:1/kw"),
            one("127.9.9.9", 1, true)
        );
        assert_eq!(
            servers("postgres://[::ffff:127.0.0.1]/kw"),
            one("::ffff:127.0.0.1", 5432, true)
        );
        assert_eq!(
            servers("postgres://localhost.example/kw"),
            one("localhost.example", 5432, false)
        );
        assert_eq!(
            servers("postgres://db/kw?hostaddr=127.0.0.1"),
            one("db", 5432, true)
        );
        assert_eq!(servers("postgres://a,b:2/kw").len(), 2);
        assert!(
            "postgres://a,b/kw?port=1,2,3"
                .parse::<PostgresUrl>()
                .is_err()
        );
    }
}
