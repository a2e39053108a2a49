//! TLS to Postgres: as strict as `sslmode` says, with errors that name the setting, and never in
//! clear text if TLS was requested.

use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;

use crate::support::postgres::Cluster;
use crate::support::tools::Tool;
use crate::support::{Backend, World, each_case, each_check, within};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its private key, in PEM.
    fn issue(&self, hosts: &[&str], common_name: &str) -> (String, String) {
        let mut params = CertificateParams::new(
            hosts
                .iter()
                .map(|host| (*host).to_owned())
                .collect::<Vec<_>>(),
        )
        .unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        (
            params.signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

/// Runs `keyward migrate` with this URL. The error is what the command printed.
fn migrate(world: &World, url: &str, trusted: Option<&Path>) -> Result<(), String> {
    let mut command = world.command(&["migrate"]);
    command
        .env("KEYWARD_DATABASE_URL", url)
        .env("SSL_CERT_FILE", trusted.unwrap_or(Path::new("/dev/null")));
    let output = command.output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A Postgres server with TLS, and a world that uses it.
struct TlsServer {
    cluster: Cluster,
    world: World,
    authority: Authority,
}

impl TlsServer {
    fn start() -> Self {
        let authority = Authority::new();
        let cluster = Cluster::start("");
        cluster.file("data/ca.pem", &authority.0.pem());
        cluster.execute("CREATE ROLE kw LOGIN PASSWORD 'p@ss word'; CREATE ROLE certified LOGIN");
        cluster.execute("CREATE DATABASE kw OWNER kw");
        cluster.file(
            "data/pg_hba.conf",
            "host all postgres 127.0.0.1/32 trust\nhostssl kw kw 127.0.0.1/32 scram-sha-256\nhostssl kw certified 127.0.0.1/32 cert\n",
        );
        let own = std::fs::read_to_string(cluster.folder.join("data/more.conf")).unwrap();
        cluster.file(
            "data/more.conf",
            &format!("{own}ssl = on\nssl_ca_file = 'ca.pem'\n"),
        );
        let world = World::on(cluster.url("kw"));
        world.file("ca.pem", &authority.0.pem());
        world.file("other.pem", &Authority::new().0.pem());
        world.file("empty.pem", "");
        let (certificate, key) = authority.issue(&[], "certified");
        world.file("client.crt", &certificate);
        world.file("client.key", &key);
        let server = TlsServer {
            cluster,
            world,
            authority,
        };
        server.use_certificate(server.authority.issue(&["db.example"], "db.example"));
        server
    }

    /// Replaces the server's certificate and key.
    fn use_certificate(&self, (certificate, key): (String, String)) {
        self.cluster.file("data/server.crt", &certificate);
        self.cluster.file("data/server.key", &key);
        self.cluster.reload();
    }

    /// A URL with the password of `kw`. The host `db.example` is not resolved by DNS.
    fn url(&self, host: &str, query: &str) -> String {
        let port = self.cluster.port;
        let address = match host {
            "db.example" => "&hostaddr=127.0.0.1",
            _ => "",
        };
        format!("postgres://kw:p%40ss%20word@{host}:{port}/kw?{query}{address}&connect_timeout=20")
    }

    fn migrate(&self, url: &str) -> Result<(), String> {
        migrate(&self.world, url, None)
    }

    fn accepts_servers_that_match_the_sslmode(&self) {
        let port = self.cluster.port;
        each_case(
            [
                ("db.example", "sslmode=verify-full&sslrootcert=ca.pem"),
                (
                    "db.example",
                    "sslmode=verify-full&sslrootcert=ca.pem&ssl_min_protocol_version=TLSv1.3",
                ),
                (
                    "db.example",
                    "sslmode=verify-full&sslrootcert=ca.pem&ssl_max_protocol_version=TLSv1.2&sslsni=0",
                ),
                ("127.0.0.1", "sslmode=verify-ca&sslrootcert=ca.pem"),
                ("127.0.0.1", "sslmode=require&sslrootcert=ca.pem"),
                ("127.0.0.1", "sslmode=require"),
                ("127.0.0.1", "sslmode=prefer"),
                ("127.0.0.1", "ssl=true"),
                ("0.0.0.0", ""),
                // The first host does not answer.
                (
                    &format!("127.0.0.1:1,db.example:{port}"),
                    "sslmode=verify-full&sslrootcert=ca.pem&hostaddr=127.0.0.1,127.0.0.1",
                ),
            ],
            |(host, query)| {
                let url = match host.contains(',') {
                    true => {
                        format!("postgres://kw:p%40ss%20word@{host}/kw?{query}&connect_timeout=20")
                    }
                    false => self.url(host, query),
                };
                assert_eq!(self.migrate(&url), Ok(()), "{host} {query}");
            },
        );
        let url = self.url("db.example", "sslmode=verify-full");
        let trusted = self.world.folder.join("ca.pem");
        assert_eq!(
            migrate(&self.world, &url, Some(&trusted)),
            Ok(()),
            "a CA of the system"
        );
    }

    fn refuses_servers_that_do_not_match_the_sslmode(&self) {
        each_case(
            [
                (
                    "db.example",
                    "sslmode=verify-full&sslrootcert=other.pem",
                    "sslrootcert=other.pem",
                ),
                ("db.example", "sslmode=verify-full", "sslrootcert"),
                (
                    "127.0.0.1",
                    "sslmode=verify-full&sslrootcert=ca.pem",
                    "db.example",
                ),
                (
                    "localhost",
                    "sslmode=verify-full&sslrootcert=ca.pem",
                    "db.example",
                ),
                (
                    "127.0.0.1",
                    "sslmode=verify-ca&sslrootcert=other.pem",
                    "sslrootcert=other.pem",
                ),
                (
                    "127.0.0.1",
                    "sslmode=require&sslrootcert=other.pem",
                    "sslrootcert=other.pem",
                ),
                (
                    "127.0.0.1",
                    "sslmode=prefer&sslrootcert=other.pem",
                    "sslrootcert=other.pem",
                ),
                (
                    "127.0.0.1",
                    "sslmode=verify-ca&sslrootcert=missing.pem",
                    "sslrootcert=missing.pem",
                ),
                (
                    "127.0.0.1",
                    "sslmode=verify-ca&sslrootcert=empty.pem",
                    "sslrootcert=empty.pem",
                ),
                ("127.0.0.1", "sslmode=verify-ca", "sslrootcert"),
                // Clear text because it was requested; the server refuses such connections.
                ("127.0.0.1", "sslmode=disable", "no encryption"),
                ("127.0.0.1", "", "no encryption"),
            ],
            |(host, query, said)| {
                let refused = self.migrate(&self.url(host, query)).unwrap_err();
                assert!(
                    refused.contains(said) && !refused.contains("p@ss") && !refused.contains("%40"),
                    "{host} {query}: {refused}"
                );
                assert!(
                    !refused.contains(".s.PGSQL"),
                    "the internal socket is not named: {refused}"
                );
            },
        );
        let wrong = self
            .url("127.0.0.1", "sslmode=require")
            .replace("p%40ss", "secret");
        let refused = self.migrate(&wrong).unwrap_err();
        assert!(
            refused.contains("password authentication failed") && !refused.contains("secret"),
            "{refused}"
        );
    }

    fn authenticates_by_client_certificate(&self) {
        self.cluster
            .execute("ALTER DATABASE kw OWNER TO certified; GRANT kw TO certified");
        let port = self.cluster.port;
        let certified = |query: &str| {
            format!(
                "postgres://certified@127.0.0.1:{port}/kw?sslmode=require{query}&connect_timeout=20"
            )
        };
        let accepted = self.migrate(&certified("&sslcert=client.crt&sslkey=client.key"));
        let without = self.migrate(&certified(""));
        let without_key = self.migrate(&certified("&sslcert=client.crt"));
        self.cluster.execute("ALTER DATABASE kw OWNER TO kw");

        assert_eq!(accepted, Ok(()));
        assert!(without.unwrap_err().contains("certificate"));
        assert!(without_key.unwrap_err().contains("sslkey"));
    }

    fn all_connections_of_a_node_use_tls(&self) {
        let world = &self.world;
        let strict = self.url("db.example", "sslmode=verify-full&sslrootcert=ca.pem");
        let node = world.start_with(&["--database-url", &strict]);
        let client = world.client("a");
        node.token(&client);
        let by = |tls: &str| {
            format!(
                "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'kw' AND {tls}"
            )
        };
        assert!(world.count(&by("version = 'TLSv1.3'")) >= 2);
        assert_eq!(world.count(&by("NOT ssl")), 0);
        assert_eq!(
            database_finding(world, &strict),
            (true, "TLS 1.3, with its certificate verified")
        );
        assert_eq!(
            database_finding(world, &self.url("0.0.0.0", "")),
            (true, "TLS 1.3, without verification")
        );
        // The server closes all connections: the new ones use TLS again.
        self.cluster
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kw'");
        within(Duration::from_secs(30), "a token", || {
            (node.token_reply(&client, &[]).status == 200).then_some(())
        });
        assert_eq!(world.count(&by("NOT ssl")), 0);
    }

    /// The last check, since it replaces the server's certificate.
    fn accepts_a_self_signed_certificate_named_in_sslrootcert(&self) {
        let own = Authority::new();
        self.use_certificate((own.0.pem(), own.0.key().serialize_pem()));
        self.world.file("own.pem", &own.0.pem());
        let with = |query: &str| self.migrate(&self.url("127.0.0.1", query));
        assert_eq!(with("sslmode=verify-ca&sslrootcert=own.pem"), Ok(()));
        let refused = with("sslmode=verify-full&sslrootcert=own.pem").unwrap_err();
        assert!(refused.contains("subjectAltName"), "{refused}");
        assert!(with("sslmode=verify-ca&sslrootcert=ca.pem").is_err());
    }
}

#[test]
fn each_sslmode_is_as_strict_as_it_says() {
    needs!(Tool::PostgresPrograms);
    let server = TlsServer::start();
    each_check(
        &server,
        &[
            TlsServer::accepts_servers_that_match_the_sslmode,
            TlsServer::refuses_servers_that_do_not_match_the_sslmode,
            TlsServer::authenticates_by_client_certificate,
            TlsServer::all_connections_of_a_node_use_tls,
            TlsServer::accepts_a_self_signed_certificate_named_in_sslrootcert,
        ],
    );
}

/// Whether `check` reports the database as fine, and which of these texts the finding contains.
fn database_finding(world: &World, url: &str) -> (bool, &'static str) {
    let output = world.run(&["--json", "check", "--database-url", url]);
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let database = findings
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["what"] == "database")
        .unwrap();
    let detail = database["detail"].as_str().unwrap();
    let known = [
        "TLS 1.3, with its certificate verified",
        "TLS 1.3, without verification",
        "in the clear",
        "on this machine",
    ];
    let known = known
        .into_iter()
        .find(|known| detail.contains(known))
        .unwrap_or_else(|| panic!("{detail}"));
    (database["ok"].as_bool().unwrap(), known)
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    needs!(Tool::Postgres);
    let world = World::new(Backend::Postgres);
    for mode in ["require", "verify-full", "verify-ca&sslrootcert=/dev/null"] {
        let refused = migrate(
            &world,
            &format!("{}?sslmode={mode}", world.database_url),
            None,
        )
        .unwrap_err();
        let named = mode.split('&').next().unwrap();
        assert!(
            refused.contains("offers no TLS") && refused.contains(&format!("sslmode={named}")),
            "{refused}"
        );
    }
    let mut command = world.command(&["migrate"]);
    let output = command.env("PGSSLMODE", "require").output().unwrap();
    assert!(!output.status.success(), "libpq's own variable applies too");
    migrate(&world, &world.database_url, None).unwrap();
    assert_eq!(
        database_finding(&world, &world.database_url),
        (true, "on this machine")
    );

    // This address leads to the same server, and is not a loopback address by its text.
    let across = world.database_url.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(database_finding(&world, &across), (false, "in the clear"));
    let warned = |url: &str| {
        let node = world.start_with(&["--database-url", url]);
        node.token(&world.client("a"));
        node.logs().contains("in the clear")
    };
    assert!(warned(&across));
    let wanted = format!("{across}?sslmode=disable");
    assert!(!warned(&wanted), "clear text was requested");
    assert_eq!(database_finding(&world, &wanted), (true, "in the clear"));
    assert!(!warned(&world.database_url));
}
