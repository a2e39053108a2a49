//! X.509-SVIDs of SPIFFE workloads, which authenticate in mutual TLS and act as a client by a trust
//! rule (`spiffe_x509`).

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use serde_json::{Value, json};

use crate::support::key_server::{Answer, KeyServer};
use crate::support::mutual_tls::{Authority, Identity, TlsClient, TlsReply, start_asking};
use crate::support::{Client, Node, World, documented, eventually, jwt, within};

const DOMAIN: &str = "spiffe://acme.example";
const BATCH: &str = "spiffe://acme.example/ns/payments/sa/batch";
const OTHER: &str = "spiffe://acme.example/ns/payments/sa/other";
const SECOND: Duration = Duration::from_secs(1);

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// The certificate of a workload, as SPIRE issues it.
fn svid(authority: &Authority, id: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    authority.issue(|params| {
        params.subject_alt_names = vec![uri(id)];
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyAgreement,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(params);
    })
}

fn good(authority: &Authority) -> Identity {
    svid(authority, BATCH, |_| {})
}

/// The bundle of a trust domain, in a file.
fn bundle(world: &World, name: &str, authorities: &[&Authority]) -> String {
    let keys: Vec<Value> = authorities.iter().map(|one| one.bundle_key()).collect();
    let bundle = json!({"keys": keys, "spiffe_sequence": 1, "spiffe_refresh_hint": 300});
    let file = world.file(name, &bundle.to_string());
    file.to_str().unwrap().to_owned()
}

/// A rule for the workload `batch`.
fn rule(world: &World, client: &Client, bundle: &str) -> String {
    let fixed = ["trust-rule", "create", &client.id];
    let preset = ["--preset", "spiffe-x509", "--spiffe-id", BATCH];
    let made = world.cli(&[&fixed[..], &preset, &["--jwks", bundle]].concat());
    assert_eq!(
        (&made["kind"], &made["issuer"]),
        (&json!("spiffe_x509"), &json!(DOMAIN))
    );
    made["id"].as_str().unwrap().to_owned()
}

fn ask(world: &World, node: &Node, identity: Option<&Identity>, client_id: &str) -> TlsReply {
    TlsClient::new(world, node, identity).token(client_id)
}

fn client_of(reply: &TlsReply) -> Value {
    jwt::claims(&reply.access_token())["client_id"].clone()
}

fn recorded(world: &World, client: &Client, code: &str) {
    let noted = format!(
        "SELECT count(*) FROM audit WHERE client_id = '{}' AND reason_code = '{code}'",
        client.id
    );
    eventually(code, || (world.count(&noted) > 0).then_some(()));
}

/// Whether the failure is in the log, though of no known client.
fn logged(node: &Node, text: &str) {
    eventually(text, || node.logs().contains(text).then_some(()));
}

on_both! {
    fn a_workload_authenticates_by_its_certificate(world: World) {
        let root = Authority::root("SPIFFE");
        let middle = root.intermediate("SPIFFE", |_| {});
        let web = Authority::root("Clients");
        world.file("client-ca.pem", &web.pem());
        let node = start_asking(&world, &["--tls-client-ca", "client-ca.pem"]);
        let client = world.client("read");
        let bound = world.client_with(&["--scope", "read", "--tls-client-certificate-bound-access-tokens"]);
        let own = bundle(&world, "bundle.json", &[&Authority::root("Old"), &root]);
        let id = rule(&world, &client, &own);
        let metadata = TlsClient::new(&world, &node, None).send("GET", "/.well-known/oauth-authorization-server", &[], "").body;
        let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
        assert!(methods.contains(&json!("spiffe_x509")), "{methods:?}");

        // The SPIFFE ID as client_id, with and without an intermediate certificate, and the client id.
        for identity in [good(&root), good(&middle)] {
            for client_id in [BATCH, &client.id] {
                let reply = ask(&world, &node, Some(&identity), client_id);
                assert_eq!(client_of(&reply), client.id, "{client_id}");
                assert_eq!((&reply.body["scope"], &reply.body["token_type"]), (&json!("read"), &json!("Bearer")));
            }
        }
        // The binding is the client's setting, since the certificate is renewed every hour.
        let unbound = ask(&world, &node, Some(&good(&root)), BATCH).access_token();
        assert_eq!(jwt::claims(&unbound)["cnf"], Value::Null);
        let fixed = ["trust-rule", "create", &bound.id, "--kind", "spiffe_x509", "--trusted-issuer", DOMAIN];
        let glob = ["--jwks", &own, "--condition", "sub~=spiffe://acme.example/ns/*/sa/other"];
        world.cli(&[&fixed[..], &glob].concat());
        let other = svid(&root, OTHER, |_| {});
        let reply = within(SECOND, "the second rule", || {
            let reply = ask(&world, &node, Some(&other), OTHER);
            (reply.status == 200).then_some(reply)
        });
        let token = reply.access_token();
        assert_eq!(jwt::claims(&token)["client_id"], bound.id);
        assert_eq!(jwt::claims(&token)["cnf"], json!({"x5t#S256": other.thumbprint()}));
        // It authenticates at the other endpoints too.
        let revoke = [("token", &*token), ("client_id", OTHER)];
        assert_eq!(TlsClient::new(&world, &node, Some(&other)).form("/oauth/revoke", &revoke).status, 200);

        // The audit names the rule and the SPIFFE ID.
        let jti = jwt::claims(&unbound)["jti"].as_str().unwrap().to_owned();
        let named = format!(
            "SELECT count(*) FROM audit WHERE action = 'token.issue' AND target = '{jti}' AND actor = 'trust rule {id}' \
             AND details LIKE '%{BATCH}%' AND details LIKE '%{id}%'"
        );
        assert_eq!(world.count(&named), 1);

        let foreign = Authority::root("SPIFFE");
        let ended = root.intermediate("Ended", |params| params.not_after = date_time_ymd(2020, 1, 1));
        let early = root.intermediate("Early", |params| params.not_before = date_time_ymd(2900, 1, 1));
        let names = |names: Vec<SanType>| move |params: &mut CertificateParams| params.subject_alt_names = names;
        let usages = |usages: Vec<KeyUsagePurpose>| move |params: &mut CertificateParams| params.key_usages = usages;
        use KeyUsagePurpose::{CrlSign, DigitalSignature, KeyCertSign, KeyEncipherment};
        // With the Keyward client id the failures are those of the client.
        let cases: Vec<(&str, Identity)> = vec![
            ("svid_unknown_authority", good(&foreign)),
            ("svid_unknown_authority", good(&web)),
            ("svid_unknown_authority", good(&middle).alone()),
            ("svid_unknown_authority", Identity::self_signed(|params| {
                params.subject_alt_names = vec![uri(BATCH)];
                params.key_usages = vec![DigitalSignature];
            })),
            ("certificate_chain_ended", good(&ended)),
            ("certificate_chain_not_begun", good(&early)),
            ("certificate_wrong_purpose", svid(&root, BATCH, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])),
        ];
        for (code, identity) in &cases {
            ask(&world, &node, Some(identity), BATCH).refused(401, "invalid_client");
            recorded(&world, &client, code);
        }
        // These cannot be attributed to a client.
        let cases: Vec<(&str, Option<Identity>)> = vec![
            ("has 2 URIs", Some(svid(&root, BATCH, names(vec![uri(BATCH), uri(OTHER)])))),
            ("has 0 URIs", Some(svid(&root, BATCH, names(vec![])))),
            ("has 0 URIs", Some(svid(&root, BATCH, names(vec![SanType::DnsName("acme.example".try_into().unwrap())])))),
            ("is not a SPIFFE ID", Some(svid(&root, BATCH, names(vec![uri("spiffe://acme.example/a/../b")])))),
            ("one of a certificate authority", Some(svid(&root, BATCH, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)))),
            ("the client certificate expired at", Some(svid(&root, BATCH, |params| params.not_after = date_time_ymd(2020, 1, 1)))),
            ("the client certificate is not valid before", Some(svid(&root, BATCH, |params| params.not_before = date_time_ymd(2900, 1, 1)))),
            ("digitalSignature is not set", Some(svid(&root, BATCH, usages(vec![KeyEncipherment])))),
            ("it has none", Some(svid(&root, BATCH, usages(vec![])))),
            ("keyCertSign is set", Some(svid(&root, BATCH, usages(vec![DigitalSignature, KeyCertSign])))),
            ("cRLSign is set", Some(svid(&root, BATCH, usages(vec![DigitalSignature, CrlSign])))),
            ("and the SPIFFE ID of the client certificate is", Some(svid(&root, OTHER, |_| {}))),
            ("and the SPIFFE ID of the client certificate is", Some(svid(&root, "spiffe://other.example/ns/payments/sa/batch", |_| {}))),
            ("no client certificate in the request", None),
        ];
        for (text, identity) in &cases {
            ask(&world, &node, identity.as_ref(), BATCH).refused(401, "invalid_client");
            logged(&node, text);
        }
    }

    /// The certificate authorities of a trust domain issue for this domain alone.
    fn a_trust_domain_has_its_own_bundle(world: World) {
        let (acme, evil) = (Authority::root("Acme"), Authority::root("Evil"));
        let node = start_asking(&world, &[]);
        let client = world.client("read");
        let attacker = world.client("read");
        let of_acme = bundle(&world, "acme.json", &[&acme]);
        let of_evil = bundle(&world, "evil.json", &[&evil]);
        rule(&world, &client, &of_acme);
        let fixed = ["trust-rule", "create", &attacker.id, "--kind", "spiffe_x509"];
        let theirs = "spiffe://evil.example/batch";
        world.cli(&[&fixed[..], &["--preset", "spiffe-x509", "--spiffe-id", theirs, "--jwks", &of_evil]].concat());
        assert_eq!(client_of(&ask(&world, &node, Some(&svid(&evil, theirs, |_| {})), theirs)), attacker.id);
        ask(&world, &node, Some(&good(&evil)), BATCH).refused(401, "invalid_client");
        recorded(&world, &client, "svid_unknown_authority");
        ask(&world, &node, Some(&svid(&acme, theirs, |_| {})), theirs).refused(401, "invalid_client");
        recorded(&world, &attacker, "svid_unknown_authority");
        // A rule of another account with a bundle of its own does not take over the workload, and
        // vouches for no one but its own client.
        let fixed = ["trust-rule", "create", &attacker.id, "--preset", "spiffe-x509", "--spiffe-id", BATCH];
        world.cli(&[&fixed[..], &["--jwks", &of_evil]].concat());
        let forged = within(SECOND, "the second rule", || {
            let reply = ask(&world, &node, Some(&good(&evil)), BATCH);
            (reply.status == 200).then_some(reply)
        });
        assert_eq!(client_of(&forged), attacker.id);
        assert_eq!(client_of(&ask(&world, &node, Some(&good(&acme)), BATCH)), client.id);
        // With the same bundle both rules accept: the request must name the client.
        world.cli(&[&fixed[..], &["--jwks", &of_acme]].concat());
        within(SECOND, "the ambiguity", || (ask(&world, &node, Some(&good(&acme)), BATCH).status == 401).then_some(()));
        assert_eq!(client_of(&ask(&world, &node, Some(&good(&acme)), &client.id)), client.id);
        // JWTs and certificates have rules of their own.
        let jwts = world.client("read");
        let spare = "spiffe://acme.example/spare";
        world.cli(&["trust-rule", "create", &jwts.id, "--preset", "spiffe", "--spiffe-id", spare, "--jwks", &of_acme]);
        ask(&world, &node, Some(&svid(&acme, spare, |_| {})), spare).refused(401, "invalid_client");
    }

    fn what_is_disabled_is_refused_at_once(world: World) {
        let root = Authority::root("SPIFFE");
        let node = start_asking(&world, &[]);
        let client = world.client("read");
        let id = rule(&world, &client, &bundle(&world, "bundle.json", &[&root]));
        let identity = good(&root);
        let status = || ask(&world, &node, Some(&identity), BATCH).status;
        let becomes = |expected: u16, what: &str| within(SECOND, what, || (status() == expected).then_some(()));
        becomes(200, "the rule");
        for (off, on, code) in [
            (["trust-rule", "disable", &*id], ["trust-rule", "enable", &*id], "trust_rule_disabled"),
            (["client", "disable", &*client.id], ["client", "enable", &*client.id], "client_disabled"),
        ] {
            world.cli(&off);
            becomes(401, code);
            recorded(&world, &client, code);
            world.cli(&on);
            becomes(200, code);
        }
        world.cli(&["trust-rule", "delete", &id]);
        becomes(401, "the deletion");
        assert_eq!(status(), 401);
        logged(&node, "there is no trust rule for X.509-SVIDs of spiffe://acme.example");
    }
}

/// FAPI 2.0 wants a key of the client and bound tokens. An X.509-SVID has the one and gets the other;
/// a JWT-SVID has neither.
#[test]
fn the_profile_fapi2_accepts_x509_svids() {
    let world = World::sqlite();
    let root = Authority::root("SPIFFE");
    let node = start_asking(&world, &[]);
    let client = world.client_with(&[
        "--scope",
        "read",
        "--profile",
        "fapi2",
        "--auth-method",
        "tls_client_auth",
        "--tls-client-auth-san-uri",
        OTHER,
    ]);
    rule(&world, &client, &bundle(&world, "bundle.json", &[&root]));
    let identity = good(&root);
    let token = ask(&world, &node, Some(&identity), BATCH).access_token();
    assert_eq!(
        jwt::claims(&token)["cnf"],
        json!({"x5t#S256": identity.thumbprint()})
    );
    // A client that is registered with a certificate of its own authenticates by that one.
    ask(&world, &node, Some(&identity), &client.id).refused(401, "invalid_client");
    recorded(&world, &client, "certificate_no_authorities");
}

#[test]
fn a_proxy_forwards_the_certificate() {
    let world = World::sqlite();
    let root = Authority::root("SPIFFE");
    let middle = root.intermediate("Middle", |_| {});
    let client = world.client("read");
    rule(&world, &client, &bundle(&world, "bundle.json", &[&root]));
    let identity = good(&middle);
    let (certificate, chain) = identity.rfc9440();
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Client-Cert", &*certificate),
        ("Client-Cert-Chain", &*chain),
    ];
    let body = format!(
        "grant_type=client_credentials&client_id={}",
        BATCH.replace(':', "%3A").replace('/', "%2F")
    );
    for (proxies, status) in [("127.0.0.1", 200), ("192.0.2.1", 401)] {
        let node = world.start_with(&[
            "--trusted-proxies",
            proxies,
            "--client-certificate-header",
            "client-cert",
        ]);
        let reply = node.post("/oauth/token", &headers, body.as_bytes());
        assert_eq!(reply.status, status, "{proxies}: {}", reply.body);
        if status == 401 {
            // The header of another peer is not read.
            let said = node.log_of(&reply)["error"].as_str().unwrap().to_owned();
            assert!(said.contains("no client certificate"), "{said}");
        }
    }
}

/// A bundle endpoint is followed: a new certificate authority is found, a removed one is refused, and
/// the last bundle stays in use while the endpoint is down.
#[test]
fn the_bundle_endpoint_is_followed() {
    let world = World::sqlite();
    let partner = KeyServer::start(&world, &["localhost"]);
    let (old, new) = (Authority::root("SPIFFE"), Authority::root("SPIFFE"));
    let publish = |authorities: &[&Authority]| {
        let keys: Vec<Value> = authorities.iter().map(|one| one.bundle_key()).collect();
        let bundle = json!({"keys": keys, "spiffe_refresh_hint": 0});
        partner.answer("/bundle", Answer::Document(bundle.to_string()));
    };
    publish(&[&old]);
    let authority = partner.authority.to_str().unwrap().to_owned();
    let node = start_asking(
        &world,
        &["--outbound-ca", &authority, "--private-jwks-uri", "on"],
    );
    let client = world.client("read");
    let address = partner.uri("localhost", "/bundle");
    let fixed = ["trust-rule", "create", &client.id];
    let preset = ["--preset", "spiffe-x509", "--spiffe-id", BATCH];
    world.cli(&[&fixed[..], &preset, &["--jwks-uri", &address]].concat());
    let (of_old, of_new) = (good(&old), good(&new));
    let status = |identity| ask(&world, &node, Some(identity), BATCH).status;
    assert_eq!(status(&of_old), 200);
    assert_eq!(status(&of_old), 200);
    assert_eq!(partner.hits("/bundle"), 1, "the bundle is cached");
    publish(&[&old, &new]);
    let limit = Duration::from_secs(40);
    // After the shortest time between two fetches; certificates that the cached bundle does not
    // verify start one.
    within(limit, "the new authority", || {
        (status(&of_new) == 200).then_some(())
    });
    partner.answer(
        "/bundle",
        Answer::Head("503 Service Unavailable".to_owned()),
    );
    assert_eq!((status(&of_old), status(&of_new)), (200, 200));
    let hits = partner.hits("/bundle");
    within(limit, "the refresh that the bundle asks for", || {
        assert_eq!(status(&of_new), 200);
        (partner.hits("/bundle") > hits).then_some(())
    });
    assert_eq!((status(&of_old), status(&of_new)), (200, 200));
}

#[test]
fn a_dry_run_takes_a_certificate() {
    let world = World::sqlite();
    let (root, foreign) = (Authority::root("SPIFFE"), Authority::root("SPIFFE"));
    let node = world.start();
    let (first, second) = (world.client("read"), world.client("read"));
    let own = bundle(&world, "bundle.json", &[&root]);
    let batch = rule(&world, &first, &own);
    let fixed = ["trust-rule", "create", &second.id, "--kind", "spiffe_x509"];
    let other = [
        "--trusted-issuer",
        DOMAIN,
        "--condition",
        "sub=spiffe://acme.example/other",
    ];
    let other = world.cli(&[&fixed[..], &other, &["--jwks", &own]].concat());
    let manager = node.token(&world.manager(&node, &[], "keyward:trust-rules:read"));
    let test = |body: Value| node.json("POST", "/api/v1/trust-rules/test", Some(&manager), &body);
    let tested = test(json!({"certificate": good(&root).pem()})).json();
    assert_eq!(
        (&tested["accepted"], &tested["claims"]["sub"]),
        (&json!(true), &json!(BATCH))
    );
    let rules: Vec<_> = tested["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["id"].clone(), rule["reason_code"].clone()))
        .collect();
    let unmet = json!("trust_condition_unmet");
    assert_eq!(
        rules,
        [(json!(batch), Value::Null), (other["id"].clone(), unmet)]
    );
    for (certificate, code) in [
        (
            svid(&root, "spiffe://other.example/a", |_| {}).pem(),
            "svid_no_rule",
        ),
        (
            svid(&root, BATCH, |params| params.key_usages = vec![]).pem(),
            "svid_key_usage",
        ),
        ("nonsense".to_owned(), "certificate_unreadable"),
    ] {
        let tested = test(json!({"certificate": certificate})).json();
        assert_eq!(
            (&tested["accepted"], &tested["reason_code"]),
            (&json!(false), &json!(code))
        );
    }
    for body in [json!({}), json!({"token": "x", "certificate": "x"})] {
        assert_eq!(test(body).status, 400);
    }
    for (identity, status, said) in [
        (good(&root), 0, "accepted by the trust rule"),
        (good(&foreign), 1, "does not chain to the trust bundle"),
    ] {
        let file = world.file("svid.pem", &identity.pem());
        let file = file.to_str().unwrap();
        let output = world.run(&[
            "trust-rule",
            "test",
            "--issuer",
            &node.base,
            "--certificate-file",
            file,
        ]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains(said) && text.contains(BATCH), "{text}");
    }
}

/// Rules that a certificate could never meet cannot be made.
#[test]
fn rules_ask_for_what_a_certificate_has() {
    let world = World::sqlite();
    let client = world.client("read");
    let own = bundle(&world, "bundle.json", &[&Authority::root("SPIFFE")]);
    let pair = jwt::Pair::new("ES256");
    let jwks = json!({"keys": [pair.public_jwk("one")]}).to_string();
    let jwks = world.file("jwks.json", &jwks);
    let fixed = ["trust-rule", "create", &client.id];
    let preset = ["--preset", "spiffe-x509", "--spiffe-id"];
    for (flags, why) in [
        (
            &[BATCH, "--jwks", &own, "--audience", "x"][..],
            "no audience",
        ),
        (&[BATCH, "--jwks", &own, "--single-use"], "only once"),
        (
            &[BATCH, "--jwks", &own, "--condition", "email=a"],
            "is on sub",
        ),
        (&[BATCH, "--jwks", jwks.to_str().unwrap()], "x509-svid"),
        (&[BATCH], "bundle"),
        (&["spiffe://acme.example", "--jwks", &own], "--spiffe-id"),
        (&["spiffe://Acme.example/a", "--jwks", &own], "--spiffe-id"),
        (
            &[
                BATCH,
                "--jwks",
                &own,
                "--trusted-issuer",
                "https://id.example",
            ],
            "trust domain",
        ),
        (
            &[BATCH, "--jwks", &own, "--kind", "id_jag"],
            "Presets are for workloads",
        ),
    ] {
        let refused = world.refused(&[&fixed[..], &preset, flags].concat());
        assert!(refused.contains(why), "{flags:?}: {refused}");
    }
}

/// The commands on the page of SPIFFE's certificates, and its request.
#[test]
fn the_commands_of_the_documentation_work() {
    const PAGE: &str = "docs/workload-identity/spiffe-x509.md";
    let world = World::sqlite();
    let root = Authority::root("SPIFFE");
    let node = start_asking(&world, &[]);
    let client = world.client("read");
    bundle(&world, "bundle.json", &[&root]);
    good(&root).write(&world, "svid.0");
    for (command, expected) in [
        ("keyward trust-rule create ", 1),
        ("keyward trust-rule test ", 1),
    ] {
        let commands = documented(PAGE, command);
        assert_eq!(commands.len(), expected);
        for command in commands {
            let mut words: Vec<&str> = command.split_whitespace().skip(1).collect();
            for word in &mut words {
                if *word == "CLIENT_ID" {
                    *word = &client.id;
                }
            }
            world.cli(&words);
        }
    }
    let request = documented(PAGE, "curl ");
    let base = node.base.replace("http://", "https://");
    let request = request[0].replace("https://mtls.auth.example", &base);
    let reply = within(SECOND, "the rule", || {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{request} --cacert cert.pem -sS")])
            .current_dir(&world.folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
        (reply["token_type"] == "Bearer").then_some(reply)
    });
    let issued = jwt::claims(reply["access_token"].as_str().unwrap());
    assert_eq!(issued["client_id"], client.id);
}
