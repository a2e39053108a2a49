//! The TLS options of a `postgres://` URL, with the names and defaults of libpq.

use std::path::PathBuf;

use super::{InvalidUrl, PostgresUrl};

/// Parameters of TLS, which Keyward implements itself.
pub(super) const FOR_TLS: [&str; 10] = [
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

/// How the connection is protected (the setting `sslmode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server offers it.
    Prefer,
    /// TLS, without verifying the server's certificate.
    Require,
    /// TLS, with a certificate issued by a CA of `sslrootcert`.
    VerifyCa,
    /// Like [`SslMode::VerifyCa`], and the certificate is valid for the host of the URL.
    VerifyFull,
}

impl SslMode {
    /// The value in the URL.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The CAs that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The CAs of the operating system.
    System,
    /// The CAs in a PEM file.
    File(PathBuf),
}

/// The TLS options of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// How the connection is protected.
    pub mode: SslMode,
    /// The trusted CAs; none if the certificate is not verified.
    pub roots: Option<Roots>,
    /// The client certificate and its private key, as PEM files.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Whether TLS starts with the first byte (PostgreSQL 17), without a plaintext SSLRequest.
    pub direct: bool,
    /// Whether the host is sent as SNI (RFC 6066 section 3).
    pub sni: bool,
    /// Whether TLS 1.2 is allowed.
    pub tls12: bool,
    /// Whether TLS 1.3 is allowed.
    pub tls13: bool,
}

impl PostgresUrl {
    /// The TLS options of the URL, or of libpq's environment variables; `None` if neither has any.
    ///
    /// # Errors
    /// [`InvalidUrl`], which names the parameter.
    pub fn tls(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<TlsOptions>, InvalidUrl> {
        if variable("PGSERVICE").is_some() {
            return Err(InvalidUrl::new(
                "Keyward reads no service files: take PGSERVICE away, and write all of it into the URL",
            ));
        }
        let parameters = TlsParameters {
            url: self,
            variable,
        };
        let Some((mode, roots)) = parameters.mode_and_roots()? else {
            return Ok(None);
        };
        let client = parameters.client_certificate()?;
        let direct = parameters.direct(mode)?;
        let (tls12, tls13) = parameters.versions()?;
        if ["PGSSLCRL", "PGSSLCRLDIR"]
            .iter()
            .any(|name| variable(name).is_some())
        {
            return Err(InvalidUrl::new(
                "Keyward has no sslcrl: take PGSSLCRL and PGSSLCRLDIR away",
            ));
        }
        Ok(Some(TlsOptions {
            mode,
            roots,
            client,
            direct,
            sni: parameters.value("sslsni").as_deref() != Some("0"),
            tls12,
            tls13,
        }))
    }
}

/// The TLS parameters of a URL, each with its environment variable as the default.
struct TlsParameters<'a> {
    url: &'a PostgresUrl,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl TlsParameters<'_> {
    /// The value of `sslmode` in the URL or else of `PGSSLMODE`, and so on.
    fn value(&self, name: &str) -> Option<String> {
        let variable = || (self.variable)(&format!("PG{}", name.to_uppercase().replace('_', "")));
        self.url
            .get(name)
            .map(str::to_owned)
            .or_else(variable)
            .filter(|value| !value.is_empty())
    }

    fn one_of<T>(name: &str, allowed: &str) -> Result<T, InvalidUrl> {
        Err(InvalidUrl(format!("{name} is one of {allowed}").into()))
    }

    fn mode(&self) -> Result<Option<SslMode>, InvalidUrl> {
        Ok(Some(match self.value("sslmode").as_deref() {
            None => return Ok(None),
            Some("disable") => SslMode::Disable,
            Some("allow" | "prefer") => SslMode::Prefer,
            Some("require") => SslMode::Require,
            Some("verify-ca") => SslMode::VerifyCa,
            Some("verify-full") => SslMode::VerifyFull,
            Some(_) => {
                let allowed = "disable, prefer, require, verify-ca, verify-full";
                return Self::one_of("sslmode", allowed);
            }
        }))
    }

    /// The mode and the trusted CAs, which depend on each other as in libpq.
    fn mode_and_roots(&self) -> Result<Option<(SslMode, Option<Roots>)>, InvalidUrl> {
        let roots = self.value("sslrootcert").map(|value| match value.as_str() {
            "system" => Roots::System,
            file => Roots::File(PathBuf::from(file)),
        });
        Ok(Some(match (self.mode()?, roots) {
            (Some(SslMode::Disable), roots) => (SslMode::Disable, roots),
            (Some(SslMode::VerifyCa), None) => {
                return Err(InvalidUrl::new(
                    "sslmode=verify-ca needs sslrootcert, a PEM file",
                ));
            }
            (Some(SslMode::VerifyFull), roots) => {
                (SslMode::VerifyFull, Some(roots.unwrap_or(Roots::System)))
            }
            // Anybody can get a certificate from a public CA, so it proves nothing without the host
            // name.
            (None, Some(Roots::System)) => (SslMode::VerifyFull, Some(Roots::System)),
            (Some(_), Some(Roots::System)) => {
                return Err(InvalidUrl::new(
                    "sslrootcert=system needs sslmode=verify-full",
                ));
            }
            (Some(SslMode::Require), Some(roots)) => (SslMode::VerifyCa, Some(roots)),
            (Some(mode), roots) => (mode, roots),
            (None, Some(roots)) => (SslMode::Prefer, Some(roots)),
            (None, None) if FOR_TLS.iter().any(|name| self.url.get(name).is_some()) => {
                (SslMode::Prefer, None)
            }
            (None, None) => return Ok(None),
        }))
    }

    fn client_certificate(&self) -> Result<Option<(PathBuf, PathBuf)>, InvalidUrl> {
        if self.value("sslcertmode").as_deref() == Some("disable") {
            return Ok(None);
        }
        match (self.value("sslcert"), self.value("sslkey")) {
            (Some(certificate), Some(key)) => {
                Ok(Some((PathBuf::from(certificate), PathBuf::from(key))))
            }
            (None, None) => Ok(None),
            _ => Err(InvalidUrl::new("sslcert and sslkey belong together")),
        }
    }

    fn direct(&self, mode: SslMode) -> Result<bool, InvalidUrl> {
        match self.value("sslnegotiation").as_deref() {
            None | Some("postgres") => Ok(false),
            Some("direct") if mode >= SslMode::Require => Ok(true),
            Some("direct") => Err(InvalidUrl::new(
                "sslnegotiation=direct needs sslmode=require or more",
            )),
            Some(_) => Self::one_of("sslnegotiation", "postgres, direct"),
        }
    }

    /// Whether TLS 1.2 and TLS 1.3 are allowed. Versions below TLS 1.2 are never used.
    fn versions(&self) -> Result<(bool, bool), InvalidUrl> {
        let tls12 = match self.value("ssl_min_protocol_version").as_deref() {
            None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => true,
            Some("TLSv1.3") => false,
            Some(_) => return Self::one_of("ssl_min_protocol_version", "TLSv1.2, TLSv1.3"),
        };
        let tls13 = match self.value("ssl_max_protocol_version").as_deref() {
            None | Some("TLSv1.3") => true,
            Some("TLSv1.2") if tls12 => false,
            Some(_) => {
                let allowed = "TLSv1.2, TLSv1.3, and no less than ssl_min_protocol_version";
                return Self::one_of("ssl_max_protocol_version", allowed);
            }
        };
        Ok((tls12, tls13))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PostgresUrl {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn tls_options_follow_libpq() {
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
}
