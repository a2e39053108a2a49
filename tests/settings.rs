//! Settings: precedence of flag, environment, file and default; unknown and unreadable settings.

use serde_json::Value;

use crate::support::{EmptyWorld, World, each_case};

fn entry(
    world: &World,
    name: &str,
    environment: &[(&str, &str)],
    flags: &[&str],
) -> (String, String) {
    let mut command = world.command(&[&["--json", "config"], flags].concat());
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let entries: Value = serde_json::from_slice(&output.stdout).unwrap();
    let entry = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["name"] == name)
        .unwrap()
        .clone();
    (
        entry["value"].as_str().unwrap_or_default().to_owned(),
        entry["source"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn each_source_has_precedence_over_the_next() {
    let world = World::sqlite();
    let of = |environment: &[(&str, &str)], flags: &[&str]| {
        let (value, source) = entry(&world, "token_ttl", environment, flags);
        format!("{value} {source}")
    };
    let variable = [("KEYWARD_TOKEN_TTL", "20")];
    assert_eq!(of(&[], &[]), "3600 default");
    world.file("keyward.toml", "token_ttl = 10\n");
    assert_eq!(of(&[], &[]), "10 keyward.toml");
    assert_eq!(of(&variable, &[]), "20 KEYWARD_TOKEN_TTL");
    assert_eq!(of(&variable, &["--token-ttl", "30"]), "30 flag");
    assert_eq!(of(&[], &["--token-ttl", "30"]), "30 flag");
    world.file("other.toml", "token_ttl = \"2m\"\ntoken_records = false\n");
    assert_eq!(of(&[], &["--config", "other.toml"]), "120 other.toml");
    assert_eq!(
        of(&[("KEYWARD_CONFIG", "other.toml")], &[]),
        "120 other.toml"
    );
    assert_eq!(
        entry(&world, "token_records", &[], &["--config", "other.toml"]).0,
        "off"
    );
    // Commands read the file as the server does.
    world.file("keyward.toml", "jwks_max_age = 5\n");
    let node = world.start();
    assert_eq!(
        node.get("/.well-known/jwks.json").header("cache-control"),
        Some("public, max-age=5")
    );
}

#[test]
fn every_setting_of_the_contract_exists() {
    let world = World::sqlite();
    each_case(
        [
            ("listen", "0.0.0.0:9999", "0.0.0.0:9999"),
            ("issuer", "https://auth.example/x", "https://auth.example/x"),
            ("keys_dir", "elsewhere", "elsewhere"),
            ("token_ttl", "60", "60"),
            ("token_records", "off", "off"),
            ("jwks_max_age", "1", "1"),
            ("signing_key_max_age", "30d", "2592000"),
            ("registration", "open", "open"),
            ("trusted_proxies", "10.0.0.0/8, ::1", "10.0.0.0/8,::1/128"),
            ("forwarded_header", "forwarded", "forwarded"),
            (
                "mtls_base_url",
                "https://mtls.example/",
                "https://mtls.example",
            ),
            ("log", "debug", "debug"),
            ("mail_language", "fr", "fr"),
            (
                "otlp_endpoint",
                "https://collector.example:4318",
                "https://collector.example:4318",
            ),
            ("otlp_sample_ratio", "0.5", "0.5"),
        ],
        |(name, value, shown)| {
            let variable = format!("KEYWARD_{}", name.to_uppercase());
            assert_eq!(
                entry(&world, name, &[(&variable, value)], &[]),
                (shown.to_owned(), variable.clone())
            );
            let flag = format!("--{}", name.replace('_', "-"));
            assert_eq!(
                entry(&world, name, &[], &[&flag, value]),
                (shown.to_owned(), "flag".to_owned())
            );
            world.file("keyward.toml", &format!("{name} = {value:?}\n"));
            assert_eq!(
                entry(&world, name, &[], &[]),
                (shown.to_owned(), "keyward.toml".to_owned())
            );
            std::fs::remove_file(world.folder.join("keyward.toml")).unwrap();
        },
    );
    world.file("keyward.toml", "otlp_sample_ratio = 0.25\n");
    assert_eq!(entry(&world, "otlp_sample_ratio", &[], &[]).0, "0.25");
    world.file(
        "keyward.toml",
        "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n",
    );
    assert_eq!(
        entry(&world, "trusted_proxies", &[], &[]).0,
        "10.0.0.0/8,::1/128"
    );
    std::fs::remove_file(world.folder.join("keyward.toml")).unwrap();
    let url = "postgres://keyward:hunter2@db.example/keyward?sslpassword=hunter2";
    let (shown, source) = entry(
        &world,
        "database_url",
        &[("KEYWARD_DATABASE_URL", url)],
        &[],
    );
    assert_eq!(source, "KEYWARD_DATABASE_URL");
    assert!(
        shown.contains("db.example") && !shown.contains("hunter2"),
        "{shown}"
    );
}

/// The first line that a refused command prints.
fn refused(world: &World, environment: &[(&str, &str)], flags: &[&str]) -> String {
    let mut command = world.command(&[&["config"], flags].concat());
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.code(),
        Some(2),
        "{environment:?} {flags:?}: {said}"
    );
    assert!(output.stdout.is_empty());
    said.lines().next().unwrap_or_default().to_owned()
}

/// For each setting and each source, the error names the setting as it was given, the value unless
/// it may be a secret, and what is expected.
#[test]
fn a_wrong_value_is_named_as_it_was_given() {
    const SECRET: &[&str] = &[
        "database_url",
        "outbound_proxy",
        "smtp_url",
        "smtp_password",
        "operator_password",
    ];
    // The last settings accept any text.
    let table: &[(&str, Option<(&str, &str)>)] = &[
        ("listen", Some(("nowhere", "an IP address and a port"))),
        ("issuer", Some(("foo", "such as https://auth.example"))),
        (
            "database_url",
            Some((
                "mysql://x:hunter2@db.example/x",
                "sqlite://PATH or postgres://",
            )),
        ),
        ("token_ttl", Some(("soon", "write seconds"))),
        ("token_records", Some(("maybe", "on or off"))),
        ("jwks_max_age", Some(("700000", "a week"))),
        ("signing_key_max_age", Some(("9 days", "write seconds"))),
        ("registration", Some(("maybe", "token or open or off"))),
        ("registration_scope", Some(("a\"b", "without quotes"))),
        ("registration_resources", Some(("x", ""))),
        ("assertion_for_token_endpoint", Some(("yes", "on or off"))),
        ("dpop_nonce", Some(("on", "off or required"))),
        ("security_profile", Some(("fapi1", "none, fapi2"))),
        ("private_jwks_uri", Some(("1", "on or off"))),
        ("audit_kept", Some(("forever", "write seconds"))),
        ("portal_idle", Some(("1w", "write seconds"))),
        ("portal_session", Some(("-1", "write seconds"))),
        ("operator_second_factor", Some(("", "on or off"))),
        (
            "trusted_proxies",
            Some(("10.0.0.0/99", "such as 10.0.0.0/8")),
        ),
        (
            "forwarded_header",
            Some(("x-real-ip", "x-forwarded-for or forwarded")),
        ),
        (
            "client_certificate_header",
            Some(("x-client-cert", "x-forwarded-client-cert")),
        ),
        ("log", Some(("verbose", "debug"))),
        ("max_connections", Some(("15", "16 or more"))),
        ("http2_cleartext", Some(("yes", "on or off"))),
        (
            "outbound_proxy",
            Some(("socks5://x:hunter2@proxy.example", "http")),
        ),
        ("otlp_endpoint", Some(("localhost:4318", "such as http"))),
        ("otlp_sample_ratio", Some(("10%", "from 0 to 1"))),
        ("outbound_ca", None),
        (
            "smtp_url",
            Some(("smtps://x:hunter2@mail.example", "smtp_password")),
        ),
        ("smtp_password", None),
        ("mail_from", Some(("nobody", "NAME <ADDRESS>"))),
        ("mail_language", Some(("de", "en, fr"))),
        ("keys_dir", None),
        ("tls_cert", None),
        ("tls_key", None),
        ("tls_client_certificate", Some(("optional", "on or off"))),
        ("tls_client_ca", None),
        (
            "mtls_base_url",
            Some(("http://mtls.example", "such as https://mtls.auth.example")),
        ),
        ("operator_email", None),
        ("operator_password", None),
    ];
    let world = World::sqlite();
    let all = world.cli(&["config"]);
    each_case(all.as_array().unwrap(), |entry| {
        assert!(
            table.iter().any(|(name, _)| entry["name"] == *name),
            "{} needs a row in this table",
            entry["name"]
        );
    });
    each_case(
        table
            .iter()
            .filter_map(|(name, wrong)| Some((*name, (*wrong)?))),
        |(name, wrong)| {
            let (value, expected) = wrong;
            let (flag, variable) = (
                format!("--{}", name.replace('_', "-")),
                format!("KEYWARD_{}", name.to_uppercase()),
            );
            let by_flag = refused(&world, &[], &[&format!("{flag}={value}")]);
            let by_variable = refused(&world, &[(&variable, value)], &[]);
            world.file(
                "keyward.toml",
                &format!("# A comment.\n\n{name} = {value:?}\n"),
            );
            let by_file = match name {
                // The tests set this one in the environment, which has precedence.
                "database_url" => String::from_utf8_lossy(
                    &world
                        .command(&["config"])
                        .env_remove(&variable)
                        .output()
                        .unwrap()
                        .stderr,
                )
                .into_owned(),
                _ => refused(&world, &[], &[]),
            };
            std::fs::remove_file(world.folder.join("keyward.toml")).unwrap();
            each_case(
                [
                    (by_flag, flag),
                    (by_variable, variable),
                    (by_file, format!("keyward.toml line 3: {name}")),
                ],
                |(said, label)| {
                    assert!(
                        said.contains(&label) && said.contains(expected),
                        "{label}: {said}"
                    );
                    let shown = !value.is_empty()
                        && said.contains(value.split('"').next().unwrap_or_default());
                    assert_eq!(
                        shown,
                        !SECRET.contains(&name) && !value.is_empty(),
                        "{label}: {said}"
                    );
                    assert!(!said.contains("hunter2"), "{said}");
                },
            );
            // A value that was meant for another setting; some settings accept any text.
            let mut command = world.command(&["config"]);
            let output = command
                .env(
                    format!("KEYWARD_{}", name.to_uppercase()),
                    "https://x:hunter2@a.example",
                )
                .output()
                .unwrap();
            assert!(
                !String::from_utf8_lossy(&output.stderr).contains("hunter2"),
                "{name}"
            );
        },
    );
    each_case(table, |(name, _)| {
        let said = refused(&world, &[], &[&format!("--{}", name.replace('_', "-"))]);
        assert!(
            said.trim_end()
                .lines()
                .all(|line| !line.trim_end().ends_with("expected")),
            "{said}"
        );
    });
}

#[test]
fn unknown_and_unreadable_settings_are_named() {
    let world = World::sqlite();
    let refuses = |environment: &[(&str, &str)], flags: &[&str], named: &[&str]| {
        let said = refused(&world, environment, flags);
        for part in named {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    };
    refuses(
        &[("KEYWARD_TOKEN_TLL", "1")],
        &[],
        &["KEYWARD_TOKEN_TLL", "did you mean KEYWARD_TOKEN_TTL?"],
    );
    refuses(
        &[("KEYWARD_TRUSTED_PROXY", "1")],
        &[],
        &[
            "KEYWARD_TRUSTED_PROXY ",
            "did you mean KEYWARD_TRUSTED_PROXIES?",
        ],
    );
    refuses(&[], &["--no-such-flag"], &["--no-such-flag"]);
    refuses(
        &[("KEYWARD_TLS_CERT", "cert.pem")],
        &[],
        &["KEYWARD_TLS_CERT is set", "tls_key is not"],
    );
    refuses(
        &[],
        &["--tls-key", "key.pem"],
        &["--tls-key is set", "tls_cert is not"],
    );
    refuses(&[], &["--log", "keyward=loud"], &["--log"]);
    refuses(
        &[],
        &["--config", "missing.toml"],
        &["--config: missing.toml"],
    );
    refuses(
        &[("KEYWARD_CONFIG", "missing.toml")],
        &[],
        &["KEYWARD_CONFIG: missing.toml"],
    );
    for (text, named) in [
        (
            "\ntoken_tll = 1",
            &[
                "keyward.toml line 2",
                "token_tll",
                "did you mean token_ttl?",
            ][..],
        ),
        ("token-ttl = 1", &["line 1", "did you mean token_ttl?"]),
        (
            "database_url = postgres://x:hunter2@db.example/x",
            &["keyward.toml line 1", "TOML"],
        ),
        ("token_ttl = 1\ntoken_ttl", &["keyward.toml line 2"]),
        ("token_ttl = 1\ntoken_ttl = 2", &["keyward.toml line 2"]),
        (
            "token_ttl = [1]",
            &["keyward.toml line 1", "token_ttl", "array"],
        ),
        ("# x\n[tls]\ncert = \"x\"", &["keyward.toml line 2", "tls"]),
        ("config = \"x\"", &["line 1", "config"]),
        ("no_bootstrap = true", &["no_bootstrap"]),
        (
            "tls_cert = \"cert.pem\"",
            &["keyward.toml line 1: tls_cert is set"],
        ),
    ] {
        world.file("keyward.toml", text);
        refuses(&[], &[], named);
    }
    std::fs::write(
        world.folder.join("keyward.toml"),
        b"token_ttl = 1\nissuer = \"\xff\"\n",
    )
    .unwrap();
    refuses(&[], &[], &["keyward.toml line 2", "UTF-8"]);
    std::fs::remove_file(world.folder.join("keyward.toml")).unwrap();
    std::fs::create_dir(world.folder.join("keyward.toml")).unwrap();
    refuses(&[], &[], &["keyward.toml: "]);
}

/// An error that only appears when the setting is used names the setting too.
#[test]
fn a_setting_that_cannot_be_used_is_named_as_it_was_given() {
    let world = World::sqlite();
    world.file(
        "bad.db",
        "this is no database, and long enough to have a header that says so",
    );
    let url = format!("sqlite://{}", world.folder.join("bad.db").display());
    let said = world.refused(&["--database-url", &url, "client", "list"]);
    assert!(
        said.contains("--database-url")
            && said.contains("bad.db")
            && said.contains("not a database"),
        "{said}"
    );
    let output = world
        .command(&["client", "list"])
        .env("KEYWARD_DATABASE_URL", &url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("KEYWARD_DATABASE_URL") && said.contains("bad.db"),
        "{said}"
    );

    world.file(
        "keyward.toml",
        "# TLS\ntls_cert = \"missing.pem\"\ntls_key = \"missing.key\"\n",
    );
    let Err(said) = world.try_start(&[]) else {
        panic!("it started")
    };
    assert!(
        said.contains("keyward.toml line 2: tls_cert") && said.contains("missing.pem"),
        "{said}"
    );
    world.file(
        "keyward.toml",
        "registration_scope = \"keyward:audit:read\"\n",
    );
    let Err(said) = world.try_start(&[]) else {
        panic!("it started")
    };
    assert!(
        said.contains("keyward.toml line 1: registration_scope")
            && said.contains("keyward:audit:read"),
        "{said}"
    );
    let output = world.run(&["config"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("keyward.toml line 1: registration_scope"),
        "{said}"
    );
    world.file("keyward.toml", "");
    let said = world.refused(&[
        "config",
        "--issuer",
        "http://a.example",
        "--registration-resources",
        "http://a.example/api/v1",
    ]);
    assert!(
        said.contains("--registration-resources: ") && said.contains("management API"),
        "{said}"
    );
    world.file("a-file", "");
    let Err(said) = world.try_start(&["--keys-dir", "a-file/keys"]) else {
        panic!("it started")
    };
    assert!(
        said.contains("--keys-dir") && said.contains("a-file/keys"),
        "{said}"
    );
    let Err(said) = world.try_start(&["--listen", "192.0.2.1:1"]) else {
        panic!("it started")
    };
    assert!(
        said.contains("--listen") && said.contains("192.0.2.1:1"),
        "{said}"
    );
}

/// Kubernetes creates these variables for each Service in the namespace; a Service named keyward
/// must not prevent the start.
#[test]
fn variables_of_a_kubernetes_service_are_ignored() {
    let world = World::sqlite();
    let config = |environment: &[(&str, &str)]| {
        world
            .command(&["config"])
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    };
    let made = [
        ("KEYWARD_SERVICE_HOST", "10.96.0.7"),
        ("KEYWARD_SERVICE_PORT", "8080"),
        ("KEYWARD_SERVICE_PORT_HTTP", "8080"),
        ("KEYWARD_SERVICE_PORT_HTTP_METRICS", "9090"),
        ("KEYWARD_PORT", "tcp://10.96.0.7:8080"),
        ("KEYWARD_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
        ("KEYWARD_PORT_8080_TCP_PROTO", "tcp"),
        ("KEYWARD_PORT_8080_TCP_PORT", "8080"),
        ("KEYWARD_PORT_8080_TCP_ADDR", "10.96.0.7"),
        ("KEYWARD_PORT_53_UDP", "udp://[fd00::7]:53"),
        ("KEYWARD_PORT_53_UDP_PROTO", "udp"),
        ("KEYWARD_PORT_53_UDP_PORT", "53"),
        ("KEYWARD_PORT_53_UDP_ADDR", "fd00::7"),
        // Variables of a Service named keyward-postgres.
        ("KEYWARD_POSTGRES_SERVICE_HOST", "10.96.0.8"),
        ("KEYWARD_POSTGRES_PORT", "tcp://10.96.0.8:5432"),
        ("KEYWARD_POSTGRES_PORT_5432_TCP_ADDR", "10.96.0.8"),
    ];
    let output = config(&made);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    each_case(
        [
            ("KEYWARD_PORT", "8080"),
            ("KEYWARD_PORT", ""),
            ("KEYWARD_LISTEN_PORT", "8080"),
            ("KEYWARD_SERVICE_HOST", "auth.example"),
            ("KEYWARD_SERVICE_HOSTS", "10.96.0.7"),
            ("KEYWARD_SERVICE_PORT", "http"),
            ("KEYWARD_PORT_8080_TCP", "8080"),
            ("KEYWARD_PORT_8080_TCP_PORT", "8081"),
            ("KEYWARD_PORT_HTTP_TCP", "tcp://10.96.0.7:8080"),
            ("KEYWARD_SERVICE", "10.96.0.7"),
        ],
        |one| {
            let output = config(&[one]);
            assert_eq!(output.status.code(), Some(2), "{one:?}");
            assert!(
                String::from_utf8_lossy(&output.stderr).contains(one.0),
                "{one:?}"
            );
        },
    );
}

/// An issuer that clients and browsers would parse into another URL is refused with the reason.
#[test]
fn ambiguous_issuers_are_refused() {
    let world = World::sqlite();
    each_case(
        [
            ("", "expected a URL"),
            ("foo", "such as https://auth.example"),
            ("auth.example", "expected a URL"),
            ("auth.example:8080", "https:// or http://"),
            ("https:a.example", "https:// or http://"),
            ("https:/a.example", "https:// or http://"),
            ("https://", "host"),
            ("https:///a.example", "write https://a.example"),
            ("https:\\\\a.example", "https:// or http://"),
            ("https://a.example\\x", "backslashes"),
            ("ftp://a.example", "https:// or http://"),
            ("https://a.example?x", "no query"),
            ("https://a.example#x", "no fragment"),
            ("https://u:p@a.example", "no user name"),
            ("https://u@a.example", "no user name"),
            ("https://@a.example", "no user name"),
            ("https://a.example:0443", "write https://a.example"),
            ("https://a.example:", "write https://a.example"),
            ("https://a.example:0", "port 0"),
            ("https://a.example:99999", "port"),
            ("HTTPS://a.example", "write https://a.example"),
            ("https://a.example/x/../y", "write https://a.example/y"),
            ("https://a.example/./x", "write https://a.example/x"),
            ("https://a.example//x", "empty segments"),
            ("https://a.example/x//", "empty segments"),
            ("https://127.1", "write https://127.0.0.1"),
            ("https://[::0001]", "write https://[::1]"),
            ("https://a.example/{x}", "braces"),
            ("https://a.example/%C3%A9", "percent signs"),
            ("https://a.ex\u{e4}mple", "xn--"),
            (" https://a.example", "https:// or http://"),
            ("https://a.example ", "spaces"),
            ("https://a.exa\tmple", "printable"),
            ("https://a.example\n", "printable"),
        ],
        |(issuer, reason)| {
            let said = refused(&world, &[("KEYWARD_ISSUER", issuer)], &[]);
            assert!(
                said.contains("KEYWARD_ISSUER") && said.contains(reason),
                "{issuer:?}: {said}"
            );
        },
    );
    each_case(
        [
            "https://a.example",
            "https://a.example/",
            "https://a.example/t/",
            "https://A.Example:443",
            "http://a.example:443/it's",
            "https://[::1]:8443/x",
        ],
        |issuer| {
            assert_eq!(
                entry(&world, "issuer", &[("KEYWARD_ISSUER", issuer)], &[]).0,
                issuer
            );
        },
    );
    assert_eq!(
        entry(&world, "issuer", &[], &["--listen", "127.0.0.1:80"]).0,
        "http://127.0.0.1"
    );
    assert_eq!(
        entry(&world, "issuer", &[], &["--listen", "[::1]:80"]).0,
        "http://[::1]"
    );
    assert_eq!(
        entry(&world, "issuer", &[], &["--listen", "[::1]:81"]).0,
        "http://[::1]:81"
    );
    // In a URL, an IPv6 address has one spelling and no zone.
    for (listen, issuer) in [
        ("[::ffff:127.0.0.1]:81", "http://[::ffff:7f00:1]:81"),
        ("[fe80::1%1]:80", "http://[fe80::1]"),
    ] {
        assert_eq!(
            entry(&world, "issuer", &[], &["--listen", listen]).0,
            issuer
        );
    }
}

on_both! {
    /// `config`, `check` and invitation links use the same issuer.
    fn all_commands_use_the_issuer_of_the_nodes(world: EmptyWorld) {
        let of = |flags: &[&str]| entry(&world, "issuer", &[], flags);
        assert_eq!(of(&[]).0, "http://127.0.0.1:8080");
        assert!(of(&[]).1.starts_with("default"));
        assert!(!world.folder.join("keyward.db").exists(), "config creates no database");
        let node = world.start_with(&["--issuer", "http://auth.example/t"]);
        assert_eq!(of(&[]), ("http://auth.example/t".to_owned(), "database".to_owned()));
        let findings = world.run(&["--json", "check"]);
        let findings: Value = serde_json::from_slice(&findings.stdout).unwrap();
        let issuer = findings.as_array().unwrap().iter().find(|finding| finding["what"] == "issuer").unwrap();
        assert!(issuer["detail"].as_str().unwrap().contains("http://auth.example/"), "{issuer}");
        world.cli(&["user", "create", "--email", "ann@ops.example", "--role", "operator"]);
        let link = world.cli(&["user", "invite", "ann@ops.example"])["link"].as_str().unwrap().to_owned();
        assert!(link.starts_with("http://auth.example/t/portal/"), "{link}");
        assert_eq!(of(&["--issuer", "http://other.example"]), ("http://other.example".to_owned(), "flag".to_owned()));
        drop(node);
    }

    /// A node with another issuer than the deployment's does not start.
    fn another_issuer_on_the_same_database_is_refused(world: World) {
        let issuer = "http://auth.example/t";
        let one = world.start_with(&["--issuer", issuer]);
        let refuses = |flags: &[&str]| {
            let Err(said) = world.try_start(flags) else { panic!("it started with {flags:?}") };
            assert!(said.contains(issuer) && said.contains("--change-issuer"), "{said}");
            said
        };
        let said = refuses(&["--issuer", "http://another.example"]);
        assert!(said.contains("--issuer: ") && said.contains("http://another.example"), "{said}");
        assert!(refuses(&["--issuer", "http://auth.example/t/"]).contains("slash"));
        assert!(refuses(&[]).contains("issuer (its default)"), "a forgotten setting");
        assert_eq!(entry(&world, "issuer", &[], &[]).0, issuer, "nothing changed");
        world.start_with(&["--issuer", issuer]).stop();

        // The same applies for an hour after the first node stopped.
        one.stop();
        refuses(&["--issuer", "http://another.example"]);
        world.start_with(&["--issuer", "http://another.example", "--change-issuer"]).stop();
        assert_eq!(entry(&world, "issuer", &[], &[]).0, "http://another.example");
        world.start_with(&["--issuer", "http://another.example"]).stop();
        world.execute("UPDATE deployment SET written_at = written_at - 3700000, used_at = used_at - 3700000");
        world.start_with(&["--issuer", issuer]).stop();
        // A default issuer follows the listen address, and replaces only another default.
        world.start_with(&["--issuer", "http://127.0.0.1:9", "--change-issuer"]).stop();
        let Err(said) = world.try_start(&[]) else { panic!("it replaced an issuer that was set") };
        assert!(said.contains("http://127.0.0.1:9") && said.contains("--change-issuer"), "{said}");
        let first = world.start_with(&["--change-issuer"]);
        let second = world.start();
        assert_eq!(entry(&world, "issuer", &[], &[]).0, second.base);
        let warning = second.logs().lines().find(|line| line.contains("the issuer was changed")).map(str::to_owned);
        assert!(warning.as_ref().is_some_and(|line| line.contains(&first.base) && line.contains(&second.base)), "{warning:?}");
    }

    fn settings_that_differ_between_nodes_are_reported(world: World) {
        let issuer = ["--issuer", "http://auth.example"];
        let one = world.start_with(&[&issuer[..], &["--registration", "off", "--trusted-proxies", "10.0.0.1"]].concat());
        assert!(!one.logs().contains("another node"), "{}", one.logs());
        let two = world.start_with(&[&issuer[..], &["--registration", "open", "--log", "debug"]].concat());
        let warnings: Vec<Value> = two.logs().lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|line| line["setting"].is_string()).collect();
        let named: Vec<_> = warnings.iter().map(|line| (line["setting"].as_str().unwrap(), line["own"].as_str().unwrap(), line["other"].as_str().unwrap())).collect();
        assert_eq!(named, [("registration", "open", "off"), ("trusted_proxies", "", "10.0.0.1/32")]);
        let three = world.start_with(&[&issuer[..], &["--registration", "open"]].concat());
        assert!(!three.logs().contains("another node"), "{}", three.logs());
    }
}
