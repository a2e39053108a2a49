//! A partner's HTTPS server for `jwks_uri` and webhooks, with a certificate that a node has to be
//! configured to trust.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::World;

/// The response to requests for a path.
#[derive(Clone)]
pub enum Answer {
    /// 200 with this document.
    Document(String),
    /// This status line and these header lines, without a body.
    Head(String),
    /// Reads the request and sends nothing.
    Nothing,
    /// Sends the response byte by byte, for as long as the client reads.
    Drip,
    /// Sends a body that never ends.
    Endless,
    /// Waits until the flag is set, and then sends 200 with this document.
    Held(Arc<AtomicBool>, String),
}

type Answers = Arc<Mutex<HashMap<String, Answer>>>;
type Hits = Arc<Mutex<HashMap<String, usize>>>;
type Requests = Arc<Mutex<Vec<String>>>;

pub struct KeyServer {
    pub port: u16,
    /// The certificate authority that issued its certificate, in PEM.
    pub authority: PathBuf,
    answers: Answers,
    hits: Hits,
    requests: Requests,
}

impl KeyServer {
    /// Starts with a certificate for these names, and writes its certificate authority to `ca.pem`
    /// in the world's folder.
    pub fn start(world: &World, names: &[&str]) -> Self {
        let (config, pem) = self_signed(names);
        let authority = world.file("ca.pem", &pem);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answers, hits, requests) = (Answers::default(), Hits::default(), Requests::default());
        let server = KeyServer {
            port,
            authority,
            answers: answers.clone(),
            hits: hits.clone(),
            requests: requests.clone(),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, answers, hits) = (config.clone(), answers.clone(), hits.clone());
                let requests = requests.clone();
                std::thread::spawn(move || serve(stream, config, &answers, &hits, &requests));
            }
        });
        server
    }

    pub fn uri(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    pub fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    pub fn publish(&self, path: &str, keys: &[Value]) {
        self.answer(path, Answer::Document(json!({ "keys": keys }).to_string()));
    }

    /// The received requests, as text.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The number of requests for a path.
    pub fn hits(&self, path: &str) -> usize {
        self.hits.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

/// The configuration of a TLS server with a new certificate for these names, and the certificate in PEM.
pub fn self_signed(names: &[&str]) -> (Arc<rustls::ServerConfig>, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    (Arc::new(config), certified.cert.pem())
}

/// Whether a request is complete, with the body that it announces.
fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    body.len() >= length
}

/// Errors occur when the node closes the connection.
fn serve(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    answers: &Answers,
    hits: &Hits,
    requests: &Requests,
) {
    let mut stream =
        rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), stream);
    let mut request = [0; 4096];
    let mut text = String::new();
    while !is_whole(&text) {
        match stream.read(&mut request) {
            Ok(0) | Err(_) => return,
            Ok(length) => text.push_str(&String::from_utf8_lossy(&request[..length])),
        }
    }
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(text);
    *hits.lock().unwrap().entry(path.clone()).or_default() += 1;
    let answer = answers.lock().unwrap().get(&path).cloned();
    let written = match answer {
        None => write!(
            stream,
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
        Some(Answer::Document(body)) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
        }
        Some(Answer::Held(released, body)) => {
            while !released.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
        }
        Some(Answer::Head(head)) => write!(
            stream,
            "HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
        Some(Answer::Nothing) => {
            // Until the node closes the connection.
            let _ = stream.read(&mut request);
            return;
        }
        Some(Answer::Drip) => {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-length: 60000\r\nconnection: close\r\n\r\n{\"keys\": [";
            let mut bytes = head.bytes().chain(std::iter::repeat(b' '));
            loop {
                let byte = [bytes.next().unwrap_or(b' ')];
                if stream
                    .write_all(&byte)
                    .and_then(|()| stream.flush())
                    .is_err()
                {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Some(Answer::Endless) => {
            let mut written = write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{{\"keys\": ["
            );
            while written.is_ok() {
                written = stream.write_all(&[b' '; 4096]);
            }
            return;
        }
    };
    if written.is_ok() {
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
}
