//! An SMTP server that keeps what it gets, and can fail in the ways in which servers fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::World;
use super::key_server::self_signed;

/// What the server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    Accept,
    /// Answers the recipient with this code.
    Refuse(u16),
    /// Answers the password with this code.
    RefusePassword(u16),
    /// Accepts the connection and says nothing.
    Stall,
    /// Closes the connection after the recipient.
    Drop,
}

/// A message that was accepted.
#[derive(Clone, Debug)]
pub struct Received {
    pub recipient: String,
    /// The headers.
    pub head: String,
    /// The text, decoded.
    pub text: String,
}

impl Received {
    /// The link in the text that begins with this.
    pub fn link(&self, begin: &str) -> String {
        let found = self.text.lines().find(|line| line.starts_with(begin));
        found
            .unwrap_or_else(|| panic!("no {begin}: {}", self.text))
            .to_owned()
    }
}

#[derive(Clone)]
pub struct SmtpServer {
    pub port: u16,
    /// The certificate authority that issued its certificate, in PEM.
    pub authority: Option<PathBuf>,
    reaction: Arc<Mutex<Reaction>>,
    received: Arc<Mutex<Vec<Received>>>,
    commands: Arc<Mutex<Vec<String>>>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl SmtpServer {
    pub fn start() -> Self {
        Self::serve(None, None)
    }

    /// With TLS from the start, for the host name `localhost`.
    pub fn with_tls(world: &World) -> Self {
        let (config, pem) = self_signed(&["localhost"]);
        Self::serve(Some(config), Some(world.file("smtp-ca.pem", &pem)))
    }

    fn serve(tls: Option<Arc<rustls::ServerConfig>>, authority: Option<PathBuf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = SmtpServer {
            port: listener.local_addr().unwrap().port(),
            authority,
            reaction: Arc::new(Mutex::new(Reaction::Accept)),
            received: Arc::default(),
            commands: Arc::default(),
        };
        let shared = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (server, tls) = (shared.clone(), tls.clone());
                std::thread::spawn(move || server.connection(stream, tls));
            }
        });
        server
    }

    pub fn react(&self, reaction: Reaction) {
        *self.reaction.lock().unwrap() = reaction;
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The messages to an address.
    pub fn to(&self, recipient: &str) -> Vec<Received> {
        let mut all = self.received();
        all.retain(|one| one.recipient == recipient);
        all
    }

    /// The lines that clients sent, without the messages.
    pub fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }

    fn connection(&self, stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
        let reaction = *self.reaction.lock().unwrap();
        if reaction == Reaction::Stall {
            // Until the client closes the connection.
            let mut stream = stream;
            let _ = stream.read(&mut [0; 64]);
            return;
        }
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(config) => Box::new(rustls::StreamOwned::new(
                rustls::ServerConnection::new(config).unwrap(),
                stream,
            )),
        };
        // Errors occur when the client closes the connection.
        let _ = self.converse(stream, reaction);
    }

    fn converse(&self, stream: Box<dyn Stream>, reaction: Reaction) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut recipient = String::new();
        let say = |stream: &mut BufReader<Box<dyn Stream>>, line: &str| {
            let stream = stream.get_mut();
            write!(stream, "{line}\r\n").and_then(|()| stream.flush())
        };
        say(&mut stream, "220 localhost ESMTP")?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            self.commands.lock().unwrap().push(line.clone());
            let word = line.split([' ', ':']).next().unwrap().to_uppercase();
            match (word.as_str(), reaction) {
                ("EHLO", _) => say(&mut stream, "250-localhost\r\n250 AUTH PLAIN")?,
                ("AUTH", Reaction::RefusePassword(code)) => {
                    say(&mut stream, &format!("{code} no"))?;
                }
                ("AUTH", _) => say(&mut stream, "235 yes")?,
                ("RCPT", Reaction::Refuse(code)) => say(&mut stream, &format!("{code} no"))?,
                ("RCPT", Reaction::Drop) => return Ok(()),
                ("RCPT", _) => {
                    let (_, address) = line.split_once('<').unwrap();
                    address.trim_end_matches('>').clone_into(&mut recipient);
                    say(&mut stream, "250 OK")?;
                }
                ("DATA", _) => {
                    say(&mut stream, "354 go on")?;
                    let mut message = String::new();
                    while !message.ends_with("\r\n.\r\n") {
                        stream.read_line(&mut message)?;
                    }
                    self.keep(&recipient, &message);
                    say(&mut stream, "250 OK")?;
                }
                ("QUIT", _) => return say(&mut stream, "221 bye"),
                _ => say(&mut stream, "250 OK")?,
            }
        }
    }

    fn keep(&self, recipient: &str, message: &str) {
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        let body = body
            .trim_end_matches("\r\n.\r\n")
            .replace("\r\n..", "\r\n.");
        let encoding = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-transfer-encoding"))
            .map_or("7bit", |(_, value)| value);
        let text = match encoding {
            "quoted-printable" => quoted_printable(&body),
            "base64" => {
                use base64::Engine;
                let whole: String = body.split_whitespace().collect();
                let bytes = base64::engine::general_purpose::STANDARD.decode(whole);
                String::from_utf8(bytes.unwrap()).unwrap()
            }
            _ => body,
        };
        self.received.lock().unwrap().push(Received {
            recipient: recipient.to_owned(),
            head: head.to_owned(),
            text: text.replace("\r\n", "\n"),
        });
    }
}

/// RFC 2045 section 6.7.
fn quoted_printable(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'=' {
            let digits = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}
