//! Mutual TLS (RFC 8705): with the node's own TLS, and behind proxies, of which nginx is a real one.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType, date_time_ymd};
use rustls::HandshakeKind;
use serde_json::{Value, json};

use crate::support::dpop::Prover;
use crate::support::key_server::KeyServer;
use crate::support::mutual_tls::{Authority, Identity, TlsClient, start_asking};
use crate::support::tools::{Tool, variable};
use crate::support::{Client, Node, Reply, World, each_case, eventually, jwt};

const API: &str = "https://orders.example/";
const NAME: &str = "batch.acme.example";

/// A node with TLS of its own that asks for client certificates, and trusts `authority`.
fn start(world: &World, authority: &Authority, flags: &[&str]) -> Node {
    world.file("client-ca.pem", &authority.pem());
    start_asking(
        world,
        &[&["--tls-client-ca", "client-ca.pem"], flags].concat(),
    )
}

/// A client that authenticates by a certificate of an authority, with this name.
fn client(world: &World, kind: &str, name: &str) -> Client {
    world.client_with(&[
        "--scope",
        "read",
        "--resource",
        API,
        "--auth-method",
        "tls_client_auth",
        kind,
        name,
    ])
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// Whether the owner of the client finds these reasons in the audit.
fn recorded(world: &World, client: &Client, codes: &[&str]) {
    for code in codes {
        let noted = format!(
            "SELECT count(*) FROM audit WHERE client_id = '{}' AND reason_code = '{code}'",
            client.id
        );
        eventually(code, || (world.count(&noted) > 0).then_some(()));
    }
}

on_both! {
    fn certificates_of_an_authority_are_checked(world: World) {
        let api = world.resource(API);
        let root = Authority::root("Root");
        let middle = root.intermediate("Middle", |_| {});
        let ended = root.intermediate("Ended", |params| params.not_after = date_time_ymd(2020, 1, 1));
        let node = start(&world, &root, &[]);
        let batch = client(&world, "--tls-client-auth-san-dns", NAME);
        let named = |params: &mut rcgen::CertificateParams| params.subject_alt_names = vec![dns("x.example"), dns(NAME)];
        let ask = |identity: Option<&Identity>| TlsClient::new(&world, &node, identity).token(&batch.id);

        let good = middle.issue(named);
        let token = ask(Some(&good)).access_token();
        let cnf = json!({"x5t#S256": good.thumbprint()});
        assert_eq!(jwt::claims(&token)["cnf"], cnf);
        let basic = api.basic();
        let fields = form_urlencoded::Serializer::new(String::new()).append_pair("token", &token).finish();
        let headers = [("Authorization", &*basic), ("Content-Type", "application/x-www-form-urlencoded")];
        let introspected = TlsClient::new(&world, &node, None).send("POST", "/oauth/introspect", &headers, &fields).body;
        assert_eq!(
            (&introspected["active"], &introspected["token_type"], &introspected["cnf"]),
            (&json!(true), &json!("Bearer"), &cnf)
        );

        let purpose = |purpose| move |params: &mut rcgen::CertificateParams| {
            named(params);
            params.extended_key_usages = vec![purpose];
        };
        assert_eq!(ask(Some(&root.issue(purpose(ExtendedKeyUsagePurpose::ClientAuth)))).status, 200);
        let cases = [
            (Some(middle.issue(named).alone()), "certificate_unknown_authority"),
            (Some(Authority::root("Root").issue(named)), "certificate_unknown_authority"),
            (Some(Identity::self_signed(named)), "certificate_unknown_authority"),
            (Some(root.issue(|params| { named(params); params.not_after = date_time_ymd(2020, 1, 1); })), "certificate_ended"),
            (Some(root.issue(|params| { named(params); params.not_before = date_time_ymd(2900, 1, 1); })), "certificate_not_begun"),
            (Some(ended.issue(named)), "certificate_chain_ended"),
            (Some(root.issue(purpose(ExtendedKeyUsagePurpose::ServerAuth))), "certificate_wrong_purpose"),
            (Some(root.issue(|params| { named(params); params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]; })), "certificate_wrong_purpose"),
            (Some(root.issue(|params| { named(params); params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained); })), "certificate_of_authority"),
            (Some(root.issue(|params| params.subject_alt_names = vec![dns("other.example")])), "certificate_wrong_name"),
            (Some(root.issue(|params| params.distinguished_name.push(DnType::CommonName, NAME))), "certificate_wrong_name"),
            (None, "certificate_missing"),
        ];
        for (identity, code) in &cases {
            let reply = ask(identity.as_ref());
            assert_eq!((reply.status, &reply.body["error"]), (401, &json!("invalid_client")), "{code}: {}", reply.body);
        }
        let codes: Vec<&str> = cases.iter().map(|(_, code)| *code).collect();
        recorded(&world, &batch, &codes);
        let failures = format!("SELECT count(*) FROM audit WHERE client_id = '{}' AND reason_code IS NOT NULL", batch.id);
        assert_eq!(usize::try_from(world.count(&failures)), Ok(cases.len()));
        // A certificate does not name the client, and one of the client's methods is enough.
        let with_certificate = TlsClient::new(&world, &node, Some(&good));
        let grant = ("grant_type", "client_credentials");
        with_certificate.form("/oauth/token", &[grant]).refused(400, "invalid_request");
        let secret = ("client_secret", "x");
        with_certificate.form("/oauth/token", &[grant, ("client_id", &batch.id), secret]).refused(400, "invalid_request");
        // It is no method of another client, registered or not.
        let by_secret = world.client("read");
        with_certificate.token(&by_secret.id).refused(401, "invalid_client");
        recorded(&world, &by_secret, &["wrong_method"]);
        with_certificate.token("unknown").refused(401, "invalid_client");
        let fields = [grant, ("client_id", &*by_secret.id), ("client_secret", &*by_secret.secret)];
        let unbound = with_certificate.form("/oauth/token", &fields).access_token();
        assert_eq!(jwt::claims(&unbound)["cnf"], Value::Null);
        // Revocation takes the same authentication.
        assert_eq!(with_certificate.form("/oauth/revoke", &[("token", &token), ("client_id", &batch.id)]).status, 200);
        // An authority that is removed is refused at once, on resumed sessions too.
        assert_eq!(with_certificate.token(&batch.id).status, 200);
        world.file("client-ca.pem", &Authority::root("Other").pem());
        node.signal("HUP");
        eventually("the other authority", || (with_certificate.token(&batch.id).status == 401).then_some(()));
    }

    fn each_kind_of_name_is_compared(world: World) {
        world.resource(API);
        let root = Authority::root("Root");
        let node = start(&world, &root, &[]);
        let identity = root.issue(|params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CountryName, "DE");
            params.distinguished_name.push(DnType::OrganizationName, "Acme, Sons");
            params.distinguished_name.push(DnType::CommonName, "Batch");
            params.subject_alt_names = vec![
                dns(NAME),
                SanType::URI("spiffe://acme.example/batch".try_into().unwrap()),
                SanType::IpAddress("192.0.2.7".parse().unwrap()),
                SanType::Rfc822Name("batch@acme.example".try_into().unwrap()),
            ];
        });
        let presenting = TlsClient::new(&world, &node, Some(&identity));
        each_case([
            ("--tls-client-auth-subject-dn", "CN=Batch,O=Acme\\, Sons,C=DE", true),
            ("--tls-client-auth-subject-dn", "cn = batch; O=\"acme, sons\"; 2.5.4.6 = de", true),
            ("--tls-client-auth-subject-dn", "CN=Batch,C=DE", false),
            ("--tls-client-auth-san-dns", "BATCH.acme.example", true),
            ("--tls-client-auth-san-dns", "acme.example", false),
            ("--tls-client-auth-san-uri", "spiffe://acme.example/batch", true),
            ("--tls-client-auth-san-uri", "spiffe://acme.example/other", false),
            ("--tls-client-auth-san-ip", "192.0.2.7", true),
            ("--tls-client-auth-san-ip", "192.0.2.8", false),
            ("--tls-client-auth-san-email", "batch@ACME.example", true),
            ("--tls-client-auth-san-email", "other@acme.example", false),
        ], |(kind, name, matches)| {
            let client = client(&world, kind, name);
            let status = presenting.token(&client.id).status;
            assert_eq!(status, if matches { 200 } else { 401 }, "{kind} {name}");
        });
    }

    fn a_client_is_registered_with_its_certificate_or_name(world: World) {
        world.resource(API);
        let root = Authority::root("Root");
        let node = start(&world, &root, &[]);
        let identity = root.issue(|params| params.subject_alt_names = vec![dns(NAME)]);
        let other = Identity::self_signed(|_| {});
        let presenting = TlsClient::new(&world, &node, Some(&identity));
        let management = node.https_url("/api/v1");
        let manager = world.client_with(&[
            "--scope", "keyward:clients:write keyward:clients:read keyward:operator", "--resource", &management,
            "--tls-client-certificate-bound-access-tokens",
        ]);
        let bearer = {
            let fields = [("grant_type", "client_credentials"), ("client_id", &*manager.id), ("client_secret", &*manager.secret)];
            let without = TlsClient::new(&world, &node, None).form("/oauth/token", &fields);
            without.refused(400, "invalid_request");
            recorded(&world, &manager, &["certificate_missing"]);
            format!("Bearer {}", presenting.form("/oauth/token", &fields).access_token())
        };
        let call = |caller: &TlsClient, method: &str, path: &str, body: Value| {
            let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
            caller.send(method, path, &headers, &body.to_string())
        };
        // The management API checks the binding.
        let create = |body: Value| call(&presenting, "POST", "/api/v1/clients", body);
        let refused = call(&TlsClient::new(&world, &node, None), "GET", "/api/v1/clients", Value::Null);
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!("invalid_token")), "{}", refused.body);
        let refused = call(&TlsClient::new(&world, &node, Some(&other)), "GET", "/api/v1/clients", Value::Null);
        assert_eq!(refused.status, 401);
        recorded(&world, &manager, &["token_without_certificate", "token_wrong_certificate"]);

        let tls = json!({"name": "A", "scope": "read", "resources": [API], "auth_method": "tls_client_auth"});
        let with = |changes: Value| {
            let mut body = tls.clone();
            body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            body
        };
        for body in [
            tls.clone(),
            with(json!({"tls_client_auth_san_dns": NAME, "tls_client_auth_san_ip": "192.0.2.7"})),
            with(json!({"tls_client_auth_san_ip": NAME})),
            with(json!({"tls_client_auth_subject_dn": "Batch"})),
            with(json!({"auth_method": "self_signed_tls_client_auth"})),
            with(json!({"auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [{"kty": "EC", "x5c": ["AAAA"]}]}})),
            with(json!({"tls_client_auth_san_dns": NAME, "dpop_bound_access_tokens": true, "tls_client_certificate_bound_access_tokens": true})),
        ] {
            let made = create(body.clone());
            assert_eq!(made.status, 400, "{body}: {}", made.body);
        }
        let made = create(with(json!({"tls_client_auth_san_dns": NAME})));
        assert_eq!((made.status, &made.body["tls_client_auth_san_dns"]), (201, &json!(NAME)), "{}", made.body);
        assert_eq!(made.body["client_secret"], Value::Null);
        let id = made.body["client_id"].as_str().unwrap().to_owned();
        assert_eq!(presenting.token(&id).status, 200);
        let path = format!("/api/v1/clients/{id}");
        let changed = call(&presenting, "PATCH", &path, json!({"tls_client_auth_subject_dn": "CN=other"}));
        assert_eq!((&changed.body["tls_client_auth_san_dns"], &changed.body["tls_client_auth_subject_dn"]), (&Value::Null, &json!("CN=other")));
        presenting.token(&id).refused(401, "invalid_client");
        world.cli(&["client", "update", &id, "--tls-client-auth-san-dns", NAME]);
        eventually("the update", || (presenting.token(&id).status == 200).then_some(()));

        // A registered certificate, by the command line.
        let jwks = json!({"keys": [other.jwk()]}).to_string();
        world.file("jwks.json", &jwks);
        let registered = world.client_with(&["--scope", "read", "--auth-method", "self_signed_tls_client_auth", "--jwks", "jwks.json"]);
        let own = TlsClient::new(&world, &node, Some(&other));
        let token = own.token(&registered.id).access_token();
        assert_eq!(jwt::claims(&token)["cnf"]["x5t#S256"], other.thumbprint());
        presenting.token(&registered.id).refused(401, "invalid_client");
        recorded(&world, &registered, &["certificate_not_registered"]);
        let ended = Identity::self_signed(|params| params.not_after = date_time_ymd(2020, 1, 1));
        world.file("jwks.json", &json!({"keys": [ended.jwk()]}).to_string());
        world.cli(&["client", "update", &registered.id, "--jwks", "jwks.json"]);
        eventually("the update", || (own.token(&registered.id).status == 401).then_some(()));
        TlsClient::new(&world, &node, Some(&ended)).token(&registered.id).refused(401, "invalid_client");
        recorded(&world, &registered, &["certificate_ended"]);

        // Dynamic registration.
        let initial = world.cli(&["registration-token", "create", "--scope", "read"]);
        let initial = format!("Bearer {}", initial["token"].as_str().unwrap());
        let register = |metadata: Value| {
            let headers = [("Authorization", &*initial), ("Content-Type", "application/json")];
            presenting.send("POST", "/oauth/register", &headers, &metadata.to_string())
        };
        let method = ("token_endpoint_auth_method", "tls_client_auth");
        register(json!({method.0: method.1})).refused(400, "invalid_client_metadata");
        let made = register(json!({method.0: method.1, "tls_client_auth_san_dns": NAME, "tls_client_certificate_bound_access_tokens": true}));
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.body["tls_client_auth_san_dns"], NAME);
        assert_eq!((&made.body["tls_client_certificate_bound_access_tokens"], &made.body["client_secret"]), (&json!(true), &Value::Null));
        assert_eq!(presenting.token(made.body["client_id"].as_str().unwrap()).status, 200);
    }
}

#[test]
fn a_certificate_can_be_asked_for_on_one_host_name_alone() {
    let world = World::sqlite();
    world.resource(API);
    let root = Authority::root("Root");
    let base = "https://mtls.localhost:8443";
    let node = start(
        &world,
        &root,
        &[
            "--issuer",
            "https://auth.localhost:8443",
            "--mtls-base-url",
            base,
        ],
    );
    let batch = client(&world, "--tls-client-auth-san-dns", NAME);
    let identity = root.issue(|params| params.subject_alt_names = vec![dns(NAME)]);
    let presenting = |host| TlsClient::new(&world, &node, Some(&identity)).at(host);
    let metadata = presenting("auth.localhost")
        .send("GET", "/.well-known/oauth-authorization-server", &[], "")
        .body;
    let endpoint = |path: &str| json!(format!("{base}{path}"));
    assert_eq!(
        metadata["mtls_endpoint_aliases"],
        json!({
            "token_endpoint": endpoint("/oauth/token"),
            "introspection_endpoint": endpoint("/oauth/introspect"),
            "revocation_endpoint": endpoint("/oauth/revoke"),
        })
    );
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
    let methods = metadata["token_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap();
    for method in ["tls_client_auth", "self_signed_tls_client_auth"] {
        assert!(methods.contains(&json!(method)), "{method}");
    }
    // A proof is for the URL that the client calls, or for that of the issuer (RFC 9449 section 4.3).
    let prover = Prover::new("ES256");
    for (url, expected) in [
        (format!("{base}/oauth/token"), 200),
        ("https://auth.localhost:8443/oauth/token".to_owned(), 200),
        (format!("{base}/oauth/revoke"), 400),
        ("https://other.localhost:8443/oauth/token".to_owned(), 400),
    ] {
        let proof = prover.sign(&Prover::claims("POST", &url));
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("DPoP", &*proof),
        ];
        let fields = format!("grant_type=client_credentials&client_id={}", batch.id);
        let reply = presenting("mtls.localhost").send("POST", "/oauth/token", &headers, &fields);
        assert_eq!(reply.status, expected, "{url}: {}", reply.body);
    }
    // There the certificate is not even sent.
    presenting("auth.localhost")
        .token(&batch.id)
        .refused(401, "invalid_client");
    recorded(&world, &batch, &["certificate_missing"]);
    // Sessions are resumed with the certificate, in both versions of TLS.
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = TlsClient::with_versions(&world, &node, Some(&identity), &[version])
            .at("mtls.localhost");
        let kinds: Vec<HandshakeKind> = (0..2)
            .map(|_| {
                let reply = client.token(&batch.id);
                assert_eq!(reply.status, 200, "{}", reply.body);
                reply.handshake
            })
            .collect();
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    }
}

#[test]
fn settings_without_effect_are_refused() {
    let world = World::sqlite();
    world.file("empty.pem", "");
    each_case(
        [
            (
                &["--tls-client-certificate", "on"][..],
                "only with tls_cert and tls_key",
            ),
            (
                &["--client-certificate-header", "client-cert"],
                "trusted_proxies is empty",
            ),
            (&["--tls-client-ca", "missing.pem"], "missing.pem"),
            (&["--tls-client-ca", "empty.pem"], "no certificate in it"),
        ],
        |(flags, reason)| {
            let refused = world.try_start(flags).map(drop).unwrap_err();
            assert!(refused.contains(reason), "{flags:?}: {refused}");
        },
    );
}

#[test]
fn http2_connections_have_a_certificate_too() {
    needs!(Tool::Curl);
    let world = World::sqlite();
    world.resource(API);
    let root = Authority::root("Root");
    let node = start(&world, &root, &[]);
    let batch = client(&world, "--tls-client-auth-san-dns", NAME);
    root.issue(|params| params.subject_alt_names = vec![dns(NAME)])
        .write(&world, "client");
    let form = format!("grant_type=client_credentials&client_id={}", batch.id);
    let curl = |certificate: &[&str]| {
        let url = node.https_url("/oauth/token");
        let own = [
            "--cacert",
            "cert.pem",
            "-o",
            "body",
            "-w",
            "%{http_version} %{http_code}",
            "-d",
            &form,
            &url,
        ];
        String::from_utf8(world.curl(&[certificate, &own].concat()).stdout).unwrap()
    };
    assert_eq!(
        curl(&["--cert", "client.pem", "--key", "client.key"]),
        "2 200"
    );
    assert_eq!(curl(&[]), "2 401");
}

#[test]
fn a_renewed_certificate_is_found_at_the_jwks_uri() {
    let world = World::sqlite();
    let partner = KeyServer::start(&world, &["localhost"]);
    let (old, new) = (Identity::self_signed(|_| {}), Identity::self_signed(|_| {}));
    partner.publish("/keys", &[old.jwk()]);
    let node = world.start_trusting(
        &partner.authority,
        &[
            "--private-jwks-uri",
            "on",
            "--trusted-proxies",
            "127.0.0.1",
            "--client-certificate-header",
            "client-cert",
        ],
    );
    let initial = world.cli(&["registration-token", "create", "--scope", "read"]);
    let metadata = json!({
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks_uri": partner.uri("localhost", "/keys"),
    });
    let registered = node.json(
        "POST",
        "/oauth/register",
        initial["token"].as_str(),
        &metadata,
    );
    assert_eq!(registered.status, 201, "{}", registered.body);
    let id = registered.json()["client_id"].as_str().unwrap().to_owned();
    let ask = |identity: &Identity| {
        token_with(&node, &id, &[("Client-Cert", &identity.rfc9440().0)]).status
    };
    assert_eq!(ask(&old), 200);
    assert_eq!(ask(&new), 401);
    partner.publish("/keys", &[new.jwk()]);
    eventually("the renewed certificate", || {
        (ask(&new) == 200).then_some(())
    });
    // Or 429, after the failures before.
    assert_ne!(ask(&old), 200, "the replaced certificate");
}

#[test]
fn the_profile_fapi2_accepts_certificates() {
    let world = World::sqlite();
    world.resource(API);
    let root = Authority::root("Root");
    let node = start(&world, &root, &[]);
    let own = ["--scope", "read", "--resource", API, "--profile", "fapi2"];
    let method = ["--auth-method", "tls_client_auth"];
    let name = ["--tls-client-auth-san-dns", NAME];
    let batch = world.client_with(&[&own[..], &method, &name].concat());
    let good = root.issue(|params| params.subject_alt_names = vec![dns(NAME)]);
    let other = root.issue(|params| params.subject_alt_names = vec![dns("other.example")]);

    let token = TlsClient::new(&world, &node, Some(&good))
        .token(&batch.id)
        .access_token();
    assert_eq!(
        jwt::claims(&token)["cnf"],
        json!({"x5t#S256": good.thumbprint()})
    );
    for identity in [None, Some(&other)] {
        let reply = TlsClient::new(&world, &node, identity).token(&batch.id);
        reply.refused(401, "invalid_client");
    }
    recorded(
        &world,
        &batch,
        &["certificate_missing", "certificate_wrong_name"],
    );
}

/// A token request by certificate, with these header fields.
fn token_with(node: &Node, client_id: &str, headers: &[(&str, &str)]) -> Reply {
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let body = format!("grant_type=client_credentials&client_id={client_id}");
    node.post(
        "/oauth/token",
        &[&[form], headers].concat(),
        body.as_bytes(),
    )
}

#[test]
fn a_proxy_forwards_the_certificate_in_one_header() {
    let world = World::sqlite();
    world.resource(API);
    let root = Authority::root("Root");
    let middle = root.intermediate("Middle", |_| {});
    world.file("client-ca.pem", &root.pem());
    let batch = client(&world, "--tls-client-auth-san-dns", NAME);
    let identity = middle.issue(|params| params.subject_alt_names = vec![dns(NAME)]);
    let direct = root.issue(|params| params.subject_alt_names = vec![dns(NAME)]);
    let (certificate, chain) = identity.rfc9440();
    let rfc9440 = [
        ("Client-Cert", &*certificate),
        ("Client-Cert-Chain", &*chain),
    ];
    let pem = direct.escaped_pem();
    let nginx = [("X-SSL-Client-Cert", &*pem)];
    let element = format!("Hash=00;Cert=\"{pem}\";Subject=\"CN=x,y\"");
    let envoy = [("X-Forwarded-Client-Cert", &*element)];
    let twice = [nginx[0], nginx[0]];
    let two_elements = format!("{element},{element}");
    let two_elements = [("X-Forwarded-Client-Cert", &*two_elements)];
    let start = |header: &str, proxies: &str| {
        world.start_with(&[
            "--tls-client-ca",
            "client-ca.pem",
            "--trusted-proxies",
            proxies,
            "--client-certificate-header",
            header,
        ])
    };
    let accepted: &[(&str, &[(&str, &str)])] = &[
        ("client-cert", &rfc9440),
        ("x-ssl-client-cert", &nginx),
        ("x-forwarded-client-cert", &envoy),
    ];
    let mut nodes = Vec::new();
    for (setting, headers) in accepted {
        let node = start(setting, "127.0.0.1");
        let reply = token_with(&node, &batch.id, headers);
        assert_eq!(reply.status, 200, "{setting}: {}", reply.body);
        // Headers that the proxy does not set are forwarded from the client, and are not read.
        for (other, headers) in accepted.iter().filter(|(other, _)| other != setting) {
            let reply = token_with(&node, &batch.id, headers);
            assert_eq!(reply.status, 401, "{other} where {setting} is set");
        }
        nodes.push(node);
    }
    let [by_rfc, by_nginx, by_envoy] = &nodes[..] else {
        panic!("three nodes");
    };
    let refused: &[(&Node, &[(&str, &str)])] = &[
        (by_rfc, &[("Client-Cert", &pem)]),
        (by_rfc, &[("Client-Cert", ":AAAA:")]),
        (by_nginx, &twice),
        (by_nginx, &[("X-SSL-Client-Cert", &certificate)]),
        (by_nginx, &[("X-SSL-Client-Cert", "")]),
        (by_envoy, &two_elements),
        (by_envoy, &[("X-Forwarded-Client-Cert", "Hash=00")]),
        // Without the intermediate certificate.
        (by_rfc, &rfc9440[..1]),
    ];
    for (node, headers) in refused {
        token_with(node, &batch.id, headers).refused(401, "invalid_client");
    }
    recorded(
        &world,
        &batch,
        &[
            "certificate_unreadable",
            "certificate_missing",
            "certificate_unknown_authority",
        ],
    );
    // A peer that is no trusted proxy cannot send one.
    let node = start("x-ssl-client-cert", "192.0.2.1");
    token_with(&node, &batch.id, &nginx).refused(401, "invalid_client");
}

#[test]
fn verify_checks_the_forwarded_certificate() {
    let world = World::sqlite();
    world.resource(API);
    let node = world.start_with(&[
        "--trusted-proxies",
        "127.0.0.1",
        "--client-certificate-header",
        "client-cert",
    ]);
    let bound = world.client_with(&[
        "--scope",
        "read",
        "--tls-client-certificate-bound-access-tokens",
    ]);
    let identity = Identity::self_signed(|_| {});
    let other = Identity::self_signed(|_| {}).rfc9440().0;
    let own = identity.rfc9440().0;
    let request = |headers: &[(&str, &str)]| {
        let basic = bound.basic();
        let form = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Authorization", &*basic),
        ];
        let body = b"grant_type=client_credentials";
        node.post("/oauth/token", &[&form, headers].concat(), body)
    };
    request(&[]).refused(400, "invalid_request");
    request(&[("Client-Cert", "x")]).refused(400, "invalid_request");
    let prover = crate::support::dpop::Prover::new("ES256");
    let proof = prover.for_token(&node);
    request(&[("Client-Cert", &own), ("DPoP", &proof)]).refused(400, "invalid_dpop_proof");
    let reply = request(&[("Client-Cert", &own)]);
    assert_eq!(
        (reply.status, &reply.json()["token_type"]),
        (200, &json!("Bearer"))
    );
    let token = reply.json()["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let dpop = format!("DPoP {token}");
    for (authorization, headers, status) in [
        (&bearer, &[("Client-Cert", &*own)][..], 200),
        (&bearer, &[], 401),
        (&bearer, &[("Client-Cert", &other)], 401),
        (&bearer, &[("Client-Cert", "x")], 401),
        (
            &bearer,
            &[("Client-Cert", &own), ("Client-Cert", &own)],
            401,
        ),
        (&bearer, &[("X-SSL-Client-Cert", &own)], 401),
        (&dpop, &[("Client-Cert", &own)], 401),
    ] {
        let authorization = [("Authorization", authorization.as_str())];
        let reply = node.get_with("/verify", &[&authorization, headers].concat());
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.body);
        if status == 401 && authorization[0].1 == bearer {
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(
                challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""),
                "{challenge}"
            );
        }
    }
    recorded(
        &world,
        &bound,
        &[
            "certificate_missing",
            "certificate_unreadable",
            "certificate_with_proof",
            "token_without_certificate",
            "token_wrong_certificate",
            "token_not_bound",
        ],
    );
}

/// A real nginx with the configuration of `docs/mutual-tls.md`.
struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(world: &World, keyward: &Node) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let document =
            std::fs::read_to_string(crate::support::repository("docs/mutual-tls.md")).unwrap();
        let shown = document.split("```nginx\n").nth(1).unwrap();
        let mut server = shown.split("```").next().unwrap().to_owned();
        let folder = world.folder.display();
        for (there, here) in [
            ("listen 443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
            (" server.pem;", format!(" {folder}/server.pem;")),
            (" server.key;", format!(" {folder}/server.key;")),
            ("http://127.0.0.1:8080", keyward.base.clone()),
            // The API answers with the metadata document.
            (
                "http://127.0.0.1:9000",
                format!("{}/healthz?", keyward.base),
            ),
        ] {
            assert!(server.contains(there), "{there}");
            server = server.replace(there, &here);
        }
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
            .concat();
        let file = world.file("nginx.conf", &format!(
            "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
        ));
        world.certificate("server.pem", "server.key");
        let log = std::fs::File::create(world.folder.join("nginx.log")).unwrap();
        let child = Command::new(variable("TEST_NGINX"))
            .arg("-p")
            .arg(&world.folder)
            .args(["-e", "stderr", "-c"])
            .arg(file)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        eventually("nginx", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Nginx { child, port }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_nginx_forwards_certificates() {
    needs!(Tool::Nginx);
    needs!(Tool::Curl);
    let world = World::sqlite();
    world.resource(API);
    let root = Authority::root("Root");
    world.file("client-ca.pem", &root.pem());
    let batch = client(&world, "--tls-client-auth-san-dns", NAME);
    let node = world.start_with(&[
        "--tls-client-ca",
        "client-ca.pem",
        "--trusted-proxies",
        "127.0.0.1",
        "--client-certificate-header",
        "x-ssl-client-cert",
    ]);
    let nginx = Nginx::start(&world, &node);
    let named = |params: &mut rcgen::CertificateParams| params.subject_alt_names = vec![dns(NAME)];
    root.issue(named).write(&world, "client");
    root.issue(named).write(&world, "second");
    Authority::root("Other")
        .issue(named)
        .write(&world, "stranger");
    let forged = root.issue(named).escaped_pem();
    let forged = format!("X-SSL-Client-Cert: {forged}");
    let curl = |name: Option<&str>, path: &str, arguments: &[&str]| {
        let url = format!("https://127.0.0.1:{}{path}", nginx.port);
        let files = name.map(|name| [format!("{name}.pem"), format!("{name}.key")]);
        let mut all = vec!["--cacert", "server.pem", "-o", "body", "-w", "%{http_code}"];
        if let Some([certificate, key]) = &files {
            all.extend(["--cert", certificate, "--key", key]);
        }
        all.extend(arguments);
        all.push(&url);
        String::from_utf8(world.curl(&all).stdout).unwrap()
    };
    let form = format!("grant_type=client_credentials&client_id={}", batch.id);
    let ask = |name: Option<&str>, more: &[&str]| {
        curl(name, "/oauth/token", &[&["-d", &form], more].concat())
    };
    // What the client itself sends in the header is replaced or removed.
    assert_eq!(ask(None, &["-H", &forged]), "401");
    assert_eq!(ask(Some("stranger"), &["-H", &forged]), "401");
    recorded(
        &world,
        &batch,
        &["certificate_missing", "certificate_unknown_authority"],
    );
    assert_eq!(ask(Some("client"), &["-H", &forged]), "200");
    let body = std::fs::read_to_string(world.folder.join("body")).unwrap();
    let issued: Value = serde_json::from_str(&body).unwrap();
    let bearer = format!(
        "Authorization: Bearer {}",
        issued["access_token"].as_str().unwrap()
    );
    for (name, status) in [
        (Some("client"), "200"),
        (Some("second"), "401"),
        (Some("stranger"), "401"),
        (None, "401"),
    ] {
        let found = curl(name, "/orders/1", &["-H", &bearer, "-H", &forged]);
        assert_eq!(found, status, "{name:?}");
    }
}

#[test]
fn the_commands_of_the_documentation_register_a_certificate() {
    needs!(Tool::Curl);
    needs!(Tool::Openssl);
    let world = World::sqlite();
    let document =
        std::fs::read_to_string(crate::support::repository("docs/mutual-tls.md")).unwrap();
    let (_, section) = document
        .split_once("## Clients with a registered certificate\n\n")
        .unwrap();
    let (commands, _) = section.split_once("\n\n").unwrap();
    let (prepare, create) = commands.split_once("    keyward ").unwrap();
    let prepared = Command::new("bash")
        .args(["-e", "-c", prepare])
        .current_dir(&world.folder)
        .output()
        .unwrap();
    assert!(
        prepared.status.success(),
        "{}",
        String::from_utf8_lossy(&prepared.stderr)
    );
    let arguments: Vec<&str> = create
        .split_whitespace()
        .filter(|word| *word != "\\")
        .collect();
    let created = world.cli(&arguments);
    let id = created["client_id"].as_str().unwrap();
    let node = start(&world, &Authority::root("Root"), &[]);
    let form = format!("grant_type=client_credentials&client_id={id}");
    let url = node.https_url("/oauth/token");
    let token = [
        "--cacert",
        "cert.pem",
        "--cert",
        "client.pem",
        "--key",
        "client.key",
        "-d",
        &form,
        &url,
    ];
    let reply: Value = serde_json::from_slice(&world.curl(&token).stdout).unwrap();
    let claims = jwt::claims(reply["access_token"].as_str().unwrap());
    assert!(claims["cnf"]["x5t#S256"].is_string(), "{claims}");
}
