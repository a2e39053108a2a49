//! `postgres://…`: read here and not by libpq, whose messages repeat what they cannot read, and with
//! it parts of a password. What is handed to libpq is put together from what was read.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Parameters that libpq takes as they are.
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

/// Parameters of TLS, which Keyward speaks itself.
const FOR_TLS: [&str; 10] = [
    "sslcert",
    "sslcertmode",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
];

/// What stands for "as it is": Keyward does without.
const WITHOUT_EFFECT: [&str; 2] = ["channel_binding", "gssencmode"];

/// Parameters of libpq that Keyward refuses, because a connection that leaves them out is another one.
const REFUSED: [&str; 5] = [
    "replication",
    "service",
    "servicefile",
    "sslcrl",
    "sslcrldir",
];

/// Characters that stand for themselves where the URL is shown.
const SHOWN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b',');

/// How the connection is protected (the setting `sslmode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// In the clear.
    Disable,
    /// TLS where the server offers it.
    Prefer,
    /// TLS, with whoever answers.
    Require,
    /// TLS with a server whose certificate was issued by the CA of `sslrootcert`.
    VerifyCa,
    /// The same, and the certificate is for the host of the URL.
    VerifyFull,
}

impl SslMode {
    /// As it is written in the URL.
    pub fn as_str(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }
}

/// Which CAs are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those of the system.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

/// How to speak TLS with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// What is asked of the server.
    pub mode: SslMode,
    /// Who vouches for it; nobody for `prefer` and `require` by themselves.
    pub roots: Option<Roots>,
    /// A certificate of our own and its key, as PEM files.
    pub client: Option<(PathBuf, PathBuf)>,
    /// TLS from the first byte (PostgreSQL 17), and not after a question in the clear.
    pub direct: bool,
    /// Whether the name of the host is sent ahead.
    pub sni: bool,
    /// TLS 1.2 is spoken.
    pub tls12: bool,
    /// TLS 1.3 is spoken.
    pub tls13: bool,
}

/// One server of those that the URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As it is written: a name, an address, or the folder of a Unix socket.
    pub host: String,
    /// An address to connect to, whatever the name.
    pub address: Option<String>,
    /// The port.
    pub port: u16,
}

impl Server {
    /// Whether it is reached by a Unix socket.
    pub fn is_socket(&self) -> bool {
        self.address.is_none() && (self.host.is_empty() || self.host.starts_with(['/', '@']))
    }

    /// Whether no network lies in between.
    pub fn is_local(&self) -> bool {
        let host = self.address.as_ref().unwrap_or(&self.host);
        let loopback = host
            .parse::<std::net::IpAddr>()
            .map(|address| address.to_canonical().is_loopback());
        self.is_socket()
            || loopback.unwrap_or_else(|_| host == "localhost" || host.ends_with(".localhost"))
    }
}

/// Where a Postgres is, and how to reach it. No message shows its password, and none repeats what
/// cannot be read, which may be a part of one.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// libpq's names with their values, each once.
    parameters: Vec<(&'static str, String)>,
}

impl std::str::FromStr for PostgresUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or("write postgres://…")?;
        if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("it holds a space, a tab or a line end; write %20 for a space".to_owned());
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
            return Err("it cannot be told where the password ends; write @ as %40, / as %2F and : as %3A in it".to_owned());
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
    /// The value of one of libpq's parameters.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value));
    }

    fn set_decoded(&mut self, name: &'static str, text: &str, what: &str) -> Result<(), String> {
        if !text.is_empty() {
            self.set(name, decode(text, what)?);
        }
        Ok(())
    }

    fn set_servers(&mut self, text: &str) -> Result<(), String> {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for server in text.split(',') {
            let (host, port) = match server.strip_prefix('[').map(|inner| inner.split_once(']')) {
                Some(Some((address, rest))) if rest.is_empty() || rest.starts_with(':') => {
                    (address, rest.strip_prefix(':'))
                }
                Some(_) => return Err("an IPv6 address is not closed with ]".to_owned()),
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

    /// The `index`th of the query. A name that is not known may be a part of a password.
    fn set_parameter(&mut self, index: usize, pair: &str) -> Result<(), String> {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("parameter {index} after the ? has no value"))?;
        let value = decode(
            value,
            &format!("the value of parameter {index} after the ?"),
        )?;
        // As JDBC's URLs have it, and libpq takes it.
        let (name, value) = if (name, value.as_str()) == ("ssl", "true") {
            ("sslmode", "require".to_owned())
        } else {
            (name, value)
        };
        if let Some(name) = REFUSED.iter().find(|refused| **refused == name) {
            return Err(format!("Keyward has no {name}"));
        }
        let mut known = FOR_LIBPQ.into_iter().chain(FOR_TLS).chain(WITHOUT_EFFECT);
        let name = known.find(|known| *known == name);
        let name = name
            .ok_or_else(|| format!("parameter {index} after the ? is none that Postgres knows"))?;
        if WITHOUT_EFFECT.contains(&name) && value == "require" {
            return Err(format!("Keyward has no {name}=require"));
        }
        self.set(name, value);
        Ok(())
    }

    /// The servers, in the order in which they are tried.
    ///
    /// # Errors
    /// A sentence without values, where the URL or libpq's variables contradict themselves.
    pub fn servers(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Server>, String> {
        let value = |name: &str, variable_name: &str| {
            self.get(name)
                .map(str::to_owned)
                .or_else(|| variable(variable_name))
        };
        let (hosts, addresses) = (value("host", "PGHOST"), value("hostaddr", "PGHOSTADDR"));
        let split = |list: &Option<String>| {
            list.as_deref()
                .unwrap_or_default()
                .split(',')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (names, addresses, ports) = (
            split(&hosts),
            split(&addresses),
            split(&value("port", "PGPORT")),
        );
        let count = if hosts.is_some() {
            names.len()
        } else {
            addresses.len()
        };
        if addresses.len() > 1 && addresses.len() != count
            || ports.len() > 1 && ports.len() != count
        {
            return Err("there are not as many ports or addresses as hosts".to_owned());
        }
        (0..count)
            .map(|index| {
                let address = addresses
                    .get(index)
                    .filter(|address| !address.is_empty())
                    .cloned();
                let port = ports
                    .get(index)
                    .or(ports.first())
                    .map_or("", String::as_str);
                let port = if port.is_empty() { "5432" } else { port };
                let port = port
                    .parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or("the port is no number from 1 to 65535")?;
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

    /// How to speak TLS, as the URL says, else libpq's variables; `None` where nobody says anything.
    ///
    /// # Errors
    /// A sentence that names the parameter.
    pub fn tls(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<TlsOptions>, String> {
        let value = |name: &str, variable_name: &str| {
            self.get(name)
                .map(str::to_owned)
                .or_else(|| variable(variable_name))
                .filter(|value| !value.is_empty())
        };
        let one_of = |name: &str, allowed: &str| Err(format!("{name} is one of {allowed}"));
        if variable("PGSERVICE").is_some() {
            return Err("Keyward reads no service files: take PGSERVICE away, and write all of it into the URL".to_owned());
        }
        let mode = match value("sslmode", "PGSSLMODE").as_deref() {
            None => None,
            Some("disable") => Some(SslMode::Disable),
            Some("allow" | "prefer") => Some(SslMode::Prefer),
            Some("require") => Some(SslMode::Require),
            Some("verify-ca") => Some(SslMode::VerifyCa),
            Some("verify-full") => Some(SslMode::VerifyFull),
            Some(_) => {
                return one_of(
                    "sslmode",
                    "disable, prefer, require, verify-ca, verify-full",
                );
            }
        };
        let roots = value("sslrootcert", "PGSSLROOTCERT").map(|value| match value.as_str() {
            "system" => Roots::System,
            file => Roots::File(PathBuf::from(file)),
        });
        let (mode, roots) = match (mode, roots) {
            (Some(SslMode::Disable), roots) => (SslMode::Disable, roots),
            (Some(SslMode::VerifyCa), None) => {
                return Err("sslmode=verify-ca needs sslrootcert, a PEM file".to_owned());
            }
            (Some(SslMode::VerifyFull), roots) => {
                (SslMode::VerifyFull, Some(roots.unwrap_or(Roots::System)))
            }
            // Anybody can have a certificate of the system's CAs: without the name it says nothing.
            (None, Some(Roots::System)) => (SslMode::VerifyFull, Some(Roots::System)),
            (Some(_), Some(Roots::System)) => {
                return Err("sslrootcert=system needs sslmode=verify-full".to_owned());
            }
            (Some(SslMode::Require), Some(roots)) => (SslMode::VerifyCa, Some(roots)),
            (Some(mode), roots) => (mode, roots),
            (None, Some(roots)) => (SslMode::Prefer, Some(roots)),
            (None, None) if FOR_TLS.iter().any(|name| self.get(name).is_some()) => {
                (SslMode::Prefer, None)
            }
            (None, None) => return Ok(None),
        };
        let client = match (value("sslcert", "PGSSLCERT"), value("sslkey", "PGSSLKEY")) {
            _ if value("sslcertmode", "PGSSLCERTMODE").as_deref() == Some("disable") => None,
            (Some(certificate), Some(key)) => {
                Some((PathBuf::from(certificate), PathBuf::from(key)))
            }
            (None, None) => None,
            _ => return Err("sslcert and sslkey belong together".to_owned()),
        };
        let direct = match value("sslnegotiation", "PGSSLNEGOTIATION").as_deref() {
            None | Some("postgres") => false,
            Some("direct") if mode >= SslMode::Require => true,
            Some("direct") => {
                return Err("sslnegotiation=direct needs sslmode=require or more".to_owned());
            }
            Some(_) => return one_of("sslnegotiation", "postgres, direct"),
        };
        let tls13_alone =
            match value("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION").as_deref() {
                // Less than TLS 1.2 is never spoken.
                None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => false,
                Some("TLSv1.3") => true,
                Some(_) => return one_of("ssl_min_protocol_version", "TLSv1.2, TLSv1.3"),
            };
        let tls12_alone =
            match value("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION").as_deref() {
                None | Some("TLSv1.3") => false,
                Some("TLSv1.2") if !tls13_alone => true,
                Some(_) => {
                    return one_of(
                        "ssl_max_protocol_version",
                        "TLSv1.2, TLSv1.3, and no less than ssl_min_protocol_version",
                    );
                }
            };
        if variable("PGSSLCRL")
            .or_else(|| variable("PGSSLCRLDIR"))
            .is_some()
        {
            return Err("Keyward has no sslcrl: take PGSSLCRL and PGSSLCRLDIR away".to_owned());
        }
        let sni = value("sslsni", "PGSSLSNI").as_deref() != Some("0");
        Ok(Some(TlsOptions {
            mode,
            roots,
            client,
            direct,
            sni,
            tls12: !tls13_alone,
            tls13: !tls12_alone,
        }))
    }

    /// What libpq is handed, with `replaced` in place of what the URL says.
    pub fn for_libpq(&self, replaced: &[(&'static str, String)]) -> String {
        let own = self
            .parameters
            .iter()
            .filter(|(name, _)| FOR_LIBPQ.contains(name));
        let own = own.filter(|(name, _)| !replaced.iter().any(|(other, _)| other == name));
        let quoted = |(name, value): &(&'static str, String)| {
            format!(
                "{name}='{}'",
                value.replace('\\', "\\\\").replace('\'', "\\'")
            )
        };
        own.chain(replaced)
            .map(quoted)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Says what is wrong and never repeats it.
fn decode(text: &str, what: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    if bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'%' && !(hex(at + 1) && hex(at + 2)))
    {
        return Err(format!(
            "{what} has a % that is not followed by two hexadecimal digits; write %25 for the sign itself"
        ));
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| format!("{what} is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(format!("{what} holds a zero byte"));
    }
    Ok(decoded.into_owned())
}

/// Without the password.
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
                // Some put credentials there.
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

/// Neither a user, a host nor the name of a database is delimited as a part of the URL.
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
    fn what_libpq_is_handed() {
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
            assert_eq!(read(text).for_libpq(&[]), wanted, "{text}");
        }
        let replaced = read("postgres://h:1/kw").for_libpq(&[("host", "@x".to_owned())]);
        assert_eq!(replaced, "dbname='kw' port='1' host='@x'");
    }

    #[test]
    fn shown_without_secrets() {
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
    fn refused_without_a_word_of_the_secret() {
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
            let refused = text
                .parse::<PostgresUrl>()
                .err()
                .unwrap_or_else(|| panic!("{text}"));
            assert!(
                !refused.contains("TOP") && !refused.contains("SECRET"),
                "{text}: {refused}"
            );
        }
    }

    #[test]
    fn what_is_asked_of_the_server() {
        let mode = |text: &str| {
            read(text)
                .tls(&|_| None)
                .unwrap()
                .map(|tls| (tls.mode, tls.roots))
        };
        let file = || Some(Roots::File(PathBuf::from("ca.pem")));
        assert_eq!(mode("postgres://h/kw"), None);
        assert_eq!(
            mode("postgres://h/kw?sslmode=disable"),
            Some((SslMode::Disable, None))
        );
        assert_eq!(
            mode("postgres://h/kw?sslmode=allow"),
            Some((SslMode::Prefer, None))
        );
        assert_eq!(
            mode("postgres://h/kw?ssl=true"),
            Some((SslMode::Require, None))
        );
        assert_eq!(
            mode("postgres://h/kw?sslmode=require&sslrootcert=ca.pem"),
            Some((SslMode::VerifyCa, file()))
        );
        assert_eq!(
            mode("postgres://h/kw?sslrootcert=ca.pem"),
            Some((SslMode::Prefer, file()))
        );
        assert_eq!(
            mode("postgres://h/kw?sslmode=verify-full"),
            Some((SslMode::VerifyFull, Some(Roots::System)))
        );
        assert_eq!(
            mode("postgres://h/kw?sslrootcert=system"),
            Some((SslMode::VerifyFull, Some(Roots::System)))
        );
        // A variable of libpq's must not be passed over in silence.
        let variable = |name: &str| (name == "PGSSLMODE").then(|| "require".to_owned());
        assert_eq!(
            read("postgres://h/kw")
                .tls(&variable)
                .unwrap()
                .map(|tls| tls.mode),
            Some(SslMode::Require)
        );
        assert_eq!(
            read("postgres://h/kw?sslmode=disable")
                .tls(&variable)
                .unwrap()
                .map(|tls| tls.mode),
            Some(SslMode::Disable)
        );
        assert!(
            read("postgres://h/kw")
                .tls(&|name| (name == "PGSERVICE").then(String::new))
                .is_err()
        );
    }

    #[test]
    fn which_servers() {
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
