//! E-mail by SMTP (RFC 5321), to the server of the settings.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::http_client::{SendError, authorities};
use crate::config::{Settings, SmtpTls};
use crate::error::Error;
use crate::secret::SecretString;

/// The time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for the whole conversation with the server: lettre waits for a reply as long as it takes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A message to one recipient.
pub struct OutgoingMail<'a> {
    /// The id, which stays the same if the message is sent again.
    pub id: &'a str,
    /// The address of the recipient.
    pub recipient: &'a str,
    /// The subject.
    pub subject: String,
    /// The text, which may contain a single-use link.
    pub text: SecretString,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The server refused it with this reply code.
    #[error("the server answered {0}")]
    Refused(u16),
    /// The address is not one that a message can be sent to.
    #[error("the address cannot be used")]
    Recipient,
    /// There was no reply.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl MailError {
    /// Whether the server refuses this message for good (RFC 5321 section 4.2.1), as far as one reply tells:
    /// it may refuse the sender, and so all messages. Replies to a failed authentication (RFC 4954) concern
    /// every message, and end when the settings are corrected.
    pub fn is_permanent(self) -> bool {
        match self {
            MailError::Refused(code) => (500..600).contains(&code) && !is_about_sign_in(code),
            MailError::Recipient => true,
            MailError::Send(_) => false,
        }
    }

    /// Whether the failure concerns every message, so that others need not be tried now.
    pub fn concerns_all(self) -> bool {
        match self {
            MailError::Refused(code) => code == 421 || is_about_sign_in(code),
            MailError::Recipient => false,
            MailError::Send(_) => true,
        }
    }
}

fn is_about_sign_in(code: u16) -> bool {
    matches!(code, 454 | 530 | 534 | 535 | 538)
}

/// Sends e-mail.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Mailbox,
    /// The domain of the sender, for the greeting and the ids of messages.
    domain: String,
}

impl Mailer {
    /// The sender of e-mail with the settings; none if no server is set.
    ///
    /// # Errors
    /// A setting cannot be used; the error names it.
    pub fn new(settings: &Settings) -> Result<Option<Self>, Error> {
        let (Some(url), Some(sender)) = (&settings.smtp_url, &settings.mail_from) else {
            return Ok(None);
        };
        let host = url.host();
        let tls = match url.tls() {
            SmtpTls::Implicit => Tls::Wrapper(tls_parameters(settings, host)?),
            SmtpTls::StartTls => Tls::Required(tls_parameters(settings, host)?),
            SmtpTls::None => Tls::None,
        };
        let domain = sender.mailbox().email.domain().to_owned();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(url.port())
            .tls(tls)
            .hello_name(ClientId::Domain(domain.clone()))
            .timeout(Some(CONNECT_TIMEOUT));
        if let Some(user) = url.user_name() {
            let password = settings.smtp_password.as_ref();
            let password = password.map_or("", |password| password.expose());
            builder = builder.credentials(Credentials::new(user, password.to_owned()));
        }
        Ok(Some(Mailer {
            transport: builder.build(),
            sender: sender.mailbox().clone(),
            domain,
        }))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`MailError`] if the server did not accept it.
    pub async fn send(&self, mail: OutgoingMail<'_>) -> Result<(), MailError> {
        let message = self.message(mail)?;
        match tokio::time::timeout(TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err(SendError::Timeout.into()),
        }
    }

    /// Connects to the server and authenticates, without sending anything.
    ///
    /// # Errors
    /// [`MailError`] if one of these fails.
    pub async fn check(&self) -> Result<(), MailError> {
        match tokio::time::timeout(TIMEOUT, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(SendError::Protocol.into()),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err(SendError::Timeout.into()),
        }
    }

    fn message(&self, mail: OutgoingMail<'_>) -> Result<Message, MailError> {
        let recipient: Address = mail.recipient.parse().map_err(|_| MailError::Recipient)?;
        // Values of headers are encoded (RFC 2047); a line end would be too, but has no place there.
        let subject: String = mail.subject.chars().filter(|c| !c.is_control()).collect();
        // RFC 3834: no automatic reply is wanted.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, recipient))
            .subject(subject)
            .message_id(Some(format!("<{}@{}>", mail.id, self.domain)))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.expose().to_owned())
            .map_err(|_| MailError::Recipient)
    }
}

/// Checks the settings for e-mail.
///
/// # Errors
/// A setting cannot be used; the error names it.
pub fn check(settings: &Settings) -> Result<(), Error> {
    Mailer::new(settings).map(drop)
}

fn tls_parameters(settings: &Settings, host: &str) -> Result<TlsParameters, Error> {
    let unusable = |error: SmtpError| Error::server_error(error.to_string()).field("smtp_url");
    let mut builder =
        TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::None);
    for authority in authorities(settings.outbound_ca.as_deref())? {
        // Systems have certificates that cannot be parsed.
        if let Ok(certificate) = Certificate::from_der(authority.to_vec()) {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build_rustls().map_err(unusable)
}

fn explain(error: &SmtpError) -> MailError {
    if let Some(code) = error.status() {
        return MailError::Refused(code.into());
    }
    if error.is_timeout() {
        return SendError::Timeout.into();
    }
    if error.is_tls() {
        return SendError::Tls.into();
    }
    if error.is_response() || error.is_client() {
        return SendError::Protocol.into();
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<std::io::Error>() {
            return SendError::from_io(error).into();
        }
        source = inner.source();
    }
    SendError::Connection.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_say_whether_to_try_again() {
        for (error, permanent, concerns_all) in [
            (MailError::Refused(421), false, true),
            (MailError::Refused(450), false, false),
            (MailError::Refused(550), true, false),
            (MailError::Refused(535), false, true),
            (MailError::Recipient, true, false),
            (MailError::Send(SendError::Timeout), false, true),
        ] {
            assert_eq!(error.is_permanent(), permanent, "{error}");
            assert_eq!(error.concerns_all(), concerns_all, "{error}");
        }
    }

    #[test]
    fn nothing_can_be_injected_into_the_headers() {
        let mailer = Mailer {
            transport: AsyncSmtpTransport::<Tokio1Executor>::unencrypted_localhost(),
            sender: "Keyward <keyward@acme.example>".parse().unwrap(),
            domain: "auth.example".to_owned(),
        };
        let mail = |recipient, subject: &str| {
            mailer.message(OutgoingMail {
                id: "1",
                recipient,
                subject: subject.to_owned(),
                text: "Bonjour à vous,\n.\nBcc: x@acme.example\n".into(),
            })
        };
        let message = mail("ada@acme.example", "Clé\r\nBcc: eve@acme.example").unwrap();
        let message = String::from_utf8(message.formatted()).unwrap();
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("\nBcc:"), "{head}");
        assert!(head.contains("To: ada@acme.example"), "{head}");
        assert!(head.contains("Message-ID: <1@auth.example>"), "{head}");
        for recipient in [
            "ada@acme.example\r\nRCPT TO:<eve@acme.example>",
            "ada@acme.example, eve@acme.example",
            "",
            "ada",
        ] {
            assert_eq!(mail(recipient, "").unwrap_err(), MailError::Recipient);
        }
    }
}
