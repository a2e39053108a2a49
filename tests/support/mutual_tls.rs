//! Client certificates, what issues them, and a TLS client that presents them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use super::{Node, World};

/// A node with TLS of its own, for names under `localhost` too, that asks for client
/// certificates. Its own certificate is in `cert.pem`.
pub fn start_asking(world: &World, flags: &[&str]) -> Node {
    let names = ["127.0.0.1", "localhost", "auth.localhost", "mtls.localhost"];
    let certified = rcgen::generate_simple_self_signed(names.map(str::to_owned)).unwrap();
    world.file("key.pem", &certified.signing_key.serialize_pem());
    world.file("cert.pem", &certified.cert.pem());
    let own = [
        "--tls-cert",
        "cert.pem",
        "--tls-key",
        "key.pem",
        "--tls-client-certificate",
        "on",
    ];
    world.start_with(&[&own, flags].concat())
}

/// A certificate with its private key, and with the certificates above it that are sent along.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    above: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Identity {
    pub fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        change(&mut params);
        Identity {
            certificate: params.self_signed(&key).unwrap().der().clone(),
            above: Vec::new(),
            key,
        }
    }

    /// The same without the certificates above it.
    pub fn alone(mut self) -> Self {
        self.above.clear();
        self
    }

    pub fn thumbprint(&self) -> String {
        keyward::client_certificate::thumbprint(&self.certificate)
    }

    /// A JWK with the certificate alone.
    pub fn jwk(&self) -> Value {
        json!({"kty": "EC", "x5c": [STANDARD.encode(&self.certificate)]})
    }

    pub fn pem(&self) -> String {
        let lines = STANDARD.encode(&self.certificate);
        let lines: Vec<&str> = lines
            .as_bytes()
            .chunks(64)
            .map(|line| str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            lines.join("\n")
        )
    }

    /// Writes the certificate and the key to `NAME.pem` and `NAME.key`.
    pub fn write(&self, world: &World, name: &str) {
        world.file(&format!("{name}.pem"), &self.pem());
        world.file(&format!("{name}.key"), &self.key.serialize_pem());
    }

    /// The value of the header `Client-Cert` (RFC 9440), and those of `Client-Cert-Chain`.
    pub fn rfc9440(&self) -> (String, String) {
        let item = |der: &CertificateDer<'_>| format!(":{}:", STANDARD.encode(der));
        let above: Vec<String> = self.above.iter().map(item).collect();
        (item(&self.certificate), above.join(", "))
    }

    /// The certificate as nginx and Envoy write it.
    pub fn escaped_pem(&self) -> String {
        percent_encode(self.pem().as_bytes(), NON_ALPHANUMERIC).to_string()
    }
}

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The certificates that its clients send along.
    chain: Vec<CertificateDer<'static>>,
}

impl Authority {
    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    pub fn root(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Authority {
            issuer: CertifiedIssuer::self_signed(Self::params(name), key).unwrap(),
            chain: Vec::new(),
        }
    }

    pub fn intermediate(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = Self::params(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap();
        let mut chain = vec![issuer.der().clone()];
        chain.extend(self.chain.iter().cloned());
        Authority { issuer, chain }
    }

    pub fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        change(&mut params);
        Identity {
            certificate: params.signed_by(&key, &self.issuer).unwrap().der().clone(),
            above: self.chain.clone(),
            key,
        }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The entry for X.509-SVIDs in the bundle of a SPIFFE trust domain.
    pub fn bundle_key(&self) -> Value {
        json!({"kty": "EC", "use": "x509-svid", "x5c": [STANDARD.encode(self.issuer.der())]})
    }
}

/// A client of a node that speaks TLS with the certificate in `cert.pem`. It resumes its sessions.
pub struct TlsClient {
    config: Arc<ClientConfig>,
    address: String,
    host: &'static str,
}

pub struct TlsReply {
    pub status: u16,
    pub body: Value,
    pub handshake: HandshakeKind,
}

impl TlsClient {
    pub fn new(world: &World, node: &Node, identity: Option<&Identity>) -> Self {
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        Self::with_versions(world, node, identity, &versions)
    }

    pub fn with_versions(
        world: &World,
        node: &Node,
        identity: Option<&Identity>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let server = CertificateDer::from_pem_file(world.folder.join("cert.pem")).unwrap();
        roots.add(server).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let mut chain = vec![identity.certificate.clone()];
                chain.extend(identity.above.iter().cloned());
                let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        TlsClient {
            config: Arc::new(config),
            address: node.base.replace("http://", ""),
            host: "127.0.0.1",
        }
    }

    /// The same client, with this host name in the handshake.
    pub fn at(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TlsReply {
        let name = ServerName::try_from(self.host).unwrap();
        let connection = ClientConnection::new(self.config.clone(), name).unwrap();
        let socket = TcpStream::connect(&self.address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.host,
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream
            .write_all(format!("{request}\r\n{body}").as_bytes())
            .unwrap();
        let mut text = Vec::new();
        // Some servers end the connection without a close_notify.
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a response");
        TlsReply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: serde_json::from_str(body).unwrap_or_default(),
            handshake: stream.conn.handshake_kind().unwrap(),
        }
    }

    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> TlsReply {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &headers, &body)
    }

    pub fn token(&self, client_id: &str) -> TlsReply {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
        ];
        self.form("/oauth/token", &fields)
    }
}

impl TlsReply {
    /// Asserts an OAuth error.
    pub fn refused(&self, status: u16, error: &str) {
        assert_eq!(
            (self.status, self.body["error"].as_str()),
            (status, Some(error)),
            "{}",
            self.body
        );
    }

    /// The access token of a successful response.
    pub fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body["access_token"].as_str().unwrap().to_owned()
    }
}
