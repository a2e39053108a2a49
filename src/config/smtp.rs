//! The settings for e-mail.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;

use super::values::InvalidValue;

/// The URL of an SMTP server: `smtps://` for TLS from the start (RFC 8314), `smtp://` for STARTTLS
/// (RFC 3207). It has no password, which is a setting of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpUrl(url::Url);

/// How a connection to an SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the start.
    Implicit,
    /// STARTTLS, without which nothing is sent.
    StartTls,
    /// None: the server is on this machine.
    None,
}

impl FromStr for SmtpUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let altered = |c: char| !c.is_ascii_graphic() || c == '\\';
        if text.contains(altered) || !text.contains("://") {
            return Err(InvalidValue::SmtpUrl);
        }
        let url = url::Url::parse(text).map_err(|_| InvalidValue::SmtpUrl)?;
        let is_whole = matches!(url.scheme(), "smtp" | "smtps")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.password().is_none()
            && url.port() != Some(0);
        let url = SmtpUrl(url);
        match is_whole && url.user().is_ok() {
            true => Ok(url),
            false => Err(InvalidValue::SmtpUrl),
        }
    }
}

impl SmtpUrl {
    /// The host: a name or an IP address.
    pub fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port: by default 465 with TLS from the start, 25 for this machine, else 587 (RFC 6409).
    pub fn port(&self) -> u16 {
        let default = match self.tls() {
            SmtpTls::Implicit => 465,
            SmtpTls::StartTls => 587,
            SmtpTls::None => 25,
        };
        self.0.port().unwrap_or(default)
    }

    /// How the connection is protected.
    pub fn tls(&self) -> SmtpTls {
        match self.0.scheme() {
            "smtps" => SmtpTls::Implicit,
            _ if self.is_loopback() => SmtpTls::None,
            _ => SmtpTls::StartTls,
        }
    }

    fn is_loopback(&self) -> bool {
        let address = self.host().parse::<IpAddr>();
        self.host().eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// The user name, if there is one.
    fn user(&self) -> Result<Option<String>, std::str::Utf8Error> {
        let user = percent_decode_str(self.0.username()).decode_utf8()?;
        Ok((!user.is_empty()).then(|| user.into_owned()))
    }

    /// The user name to authenticate with, if there is one.
    pub fn user_name(&self) -> Option<String> {
        self.user().ok().flatten()
    }
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// The sender of e-mail: an address, or a name and an address.
#[derive(Clone, Debug, PartialEq)]
pub struct MailSender(Mailbox);

impl FromStr for MailSender {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if text.contains(char::is_control) {
            return Err(InvalidValue::MailSender);
        }
        let mailbox: Mailbox = text.parse().map_err(|_| InvalidValue::MailSender)?;
        // An address with other characters needs a server with SMTPUTF8 (RFC 6531).
        match mailbox.email.to_string().is_ascii() {
            true => Ok(MailSender(mailbox)),
            false => Err(InvalidValue::MailSender),
        }
    }
}

impl MailSender {
    /// The name and the address.
    pub fn mailbox(&self) -> &Mailbox {
        &self.0
    }
}

impl fmt::Display for MailSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_smtp_url_has_a_host_and_no_password() {
        for (text, host, port, tls, user) in [
            (
                "smtps://mail.example",
                "mail.example",
                465,
                SmtpTls::Implicit,
                None,
            ),
            (
                "smtp://mail.example",
                "mail.example",
                587,
                SmtpTls::StartTls,
                None,
            ),
            (
                "smtp://mail.example:25/",
                "mail.example",
                25,
                SmtpTls::StartTls,
                None,
            ),
            ("smtp://localhost", "localhost", 25, SmtpTls::None, None),
            (
                "smtp://127.0.0.1:2525",
                "127.0.0.1",
                2525,
                SmtpTls::None,
                None,
            ),
            ("smtp://[::1]", "::1", 25, SmtpTls::None, None),
            (
                "smtps://127.0.0.1",
                "127.0.0.1",
                465,
                SmtpTls::Implicit,
                None,
            ),
            (
                "smtp://127.0.0.1.example",
                "127.0.0.1.example",
                587,
                SmtpTls::StartTls,
                None,
            ),
            (
                "smtps://a%40b@mail.example",
                "mail.example",
                465,
                SmtpTls::Implicit,
                Some("a@b"),
            ),
        ] {
            let url: SmtpUrl = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(
                (url.host(), url.port(), url.tls()),
                (host, port, tls),
                "{text}"
            );
            assert_eq!(url.user_name().as_deref(), user, "{text}");
        }
        for text in [
            "",
            "mail.example",
            "mail.example:25",
            "http://mail.example",
            "smtp:mail.example",
            "smtp://",
            "smtp://:25",
            "smtp://mail.example/a",
            "smtp://mail.example?tls=required",
            "smtp://mail.example#a",
            "smtps://user:password@mail.example",
            "smtps://%FF@mail.example",
            "smtp://mail.example:0",
            "smtp://mail.example:99999",
            " smtp://mail.example",
            "smtp://mail.example\n",
            "smtp://mail\\example",
        ] {
            assert_eq!(
                text.parse::<SmtpUrl>(),
                Err(InvalidValue::SmtpUrl),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for text in [
            "keyward@acme.example",
            "Keyward <keyward@acme.example>",
            "Clés <a@acme.example>",
        ] {
            assert!(text.parse::<MailSender>().is_ok(), "{text}");
        }
        for text in [
            "",
            "keyward",
            "@acme.example",
            "a@acme.example\nBcc: b@acme.example",
            "<a@acme.example",
            "é@acme.example",
            "a@acme.example, b@acme.example",
        ] {
            assert!(text.parse::<MailSender>().is_err(), "{text:?}");
        }
    }
}
