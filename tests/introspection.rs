//! Introspection (RFC 7662).

use serde_json::{Value, json};

use crate::support::{World, each_case, eventually, jwt};

const API: &str = "https://api.example/";

on_both! {
    fn an_active_token_is_described(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read write", "--resource", API]);
        let node = world.start();
        let token = node.token(&client);
        let claims = jwt::claims(&token);
        let answer = node.introspect(&api, &token);
        let expected = json!({
            "active": true, "scope": "read write", "client_id": client.id, "token_type": "Bearer", "iss": node.base,
            "sub": client.id, "aud": API, "iat": claims["iat"], "exp": claims["exp"], "jti": claims["jti"],
        });
        assert_eq!(answer, expected);
        assert_eq!(node.introspect(&api, &token), expected, "the second time, from memory");

        let answer = node.introspect(&api, &client.api_key);
        let id = client.api_key.split('_').nth(1).unwrap();
        assert!(answer.get("exp").is_none());
        for (member, value) in [
            ("active", json!(true)), ("token_type", json!("api_key")), ("client_id", json!(client.id)), ("sub", json!(client.id)),
            ("aud", json!(API)), ("scope", json!("read write")), ("jti", json!(id)), ("iss", json!(node.base)),
        ] {
            assert_eq!(answer[member], value, "{member}");
        }
    }

    fn a_token_is_active_for_its_audience_only(world: World) {
        let (one, two) = (world.resource("urn:one"), world.resource("urn:two"));
        let client = world.client_with(&["--scope", "a", "--resource", "urn:one", "--resource", "urn:two"]);
        let without = world.client("a");
        let gateway = world.client_with(&["--introspect", "--resource", "urn:two"]);
        let plain_introspector = world.client_with(&["--introspect"]);
        let node = world.start();
        let for_one = node.token_reply(&client, &[("resource", "urn:one")]).json()["access_token"].as_str().unwrap().to_owned();
        let for_both = node.token(&client);
        let for_issuer = node.token(&without);
        each_case([
            (&for_one, "for one", [true, false, false, false]),
            (&for_both, "for both", [true, true, true, false]),
            (&for_issuer, "for the issuer", [false, false, false, true]),
        ], |(token, what, seen_by)| {
            for (caller, seen) in [&one, &two, &gateway, &plain_introspector].into_iter().zip(seen_by) {
                let answer = node.introspect(caller, token);
                assert_eq!(answer["active"], json!(seen), "{what}: {answer}");
                if !seen {
                    assert_eq!(answer, json!({"active": false}), "and nothing else");
                }
            }
        });
        let reply = node.form("/oauth/introspect", Some(&client.basic()), &[("token", &for_one)]);
        assert_eq!(reply.status, 403, "a client without the right cannot even introspect its own token: {}", reply.body);
        node.form("/oauth/introspect", Some(&one.basic()), &[]).refused(400, "invalid_request");
        node.form("/oauth/introspect", Some(&one.basic()), &[("token", "a"), ("token", "a")]).refused(400, "invalid_request");
        for hint in ["access_token", "refresh_token", "nonsense", "\u{0}"] {
            let fields = [("token", for_one.as_str()), ("token_type_hint", hint)];
            assert_eq!(node.form("/oauth/introspect", Some(&one.basic()), &fields).json()["active"], json!(true), "{hint}");
        }
    }

    fn an_inactive_token_is_not_described(world: World) {
        let api = world.resource(API);
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let node = world.start();
        let token = node.token(&client);
        let (header, claims) = (jwt::header(&token), jwt::claims(&token));
        let signature = token.rsplit('.').next().unwrap();
        let part = |value: &Value| jwt::encode(value.to_string());
        let changed = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            format!("{}.{}.{signature}", part(&header), part(&claims))
        };
        // A token signed by an unknown key that has the `kid` of Keyward's key.
        let stranger = jwt::Pair::new("RS256");
        let with_typ = |header: &Value, typ: &str| {
            let mut header = header.clone();
            header["typ"] = json!(typ);
            header
        };
        // Algorithm confusion: HS256 with the published key as the secret.
        let jwk = node.get("/.well-known/jwks.json").json()["keys"][0].clone();
        let confused = |secret: &[u8]| {
            let head = json!({"typ": "at+jwt", "alg": "HS256", "kid": header["kid"]});
            let message = format!("{}.{}", part(&head), part(&claims));
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
            format!("{message}.{}", jwt::encode(aws_lc_rs::hmac::sign(&key, message.as_bytes())))
        };
        let none = json!({"typ": "at+jwt", "alg": "none", "kid": header["kid"]});
        let mut cases = vec![
            ("a word", "nonsense".to_owned()),
            ("dots", "...".to_owned()),
            ("two parts", token.rsplit_once('.').unwrap().0.to_owned()),
            ("four parts", format!("{token}.x")),
            ("an empty signature", format!("{}.", token.rsplit_once('.').unwrap().0)),
            ("none", format!("{}.{}.", part(&none), part(&claims))),
            ("none in capitals", format!("{}.{}.", part(&json!({"typ": "at+jwt", "alg": "NONE"})), part(&claims))),
            ("a stranger's key of the same kid", stranger.sign(&header, &claims)),
            ("a stranger's key within the header", stranger.sign(&json!({"typ": "at+jwt", "alg": "RS256", "jwk": stranger.public_jwk("x")}), &claims)),
            ("HS256 with the modulus", confused(jwk["n"].as_str().unwrap().as_bytes())),
            ("HS256 with the whole key", confused(jwk.to_string().as_bytes())),
            ("more scope", changed("scope", json!("read admin"))),
            ("a later end", changed("exp", json!(claims["exp"].as_i64().unwrap() + 1000))),
            ("another client", changed("client_id", json!(api.id))),
            ("another type", format!("{}.{}.{signature}", part(&with_typ(&header, "JWT")), part(&claims))),
            ("a NUL", format!("{token}\u{0}")),
            ("spaces", format!(" {token}")),
            ("a client secret", client.secret.clone()),
            ("an unknown API key", {
                let (rest, last) = client.api_key.split_at(client.api_key.len() - 1);
                format!("{rest}{}", if last == "x" { "y" } else { "x" })
            }),
            ("deep JSON", jwt::encode("[".repeat(5000)) + "." + &jwt::encode("[".repeat(5000)) + ".AAAA"),
            ("thirty kilobytes", "x".repeat(30_000)),
        ];
        let mut flipped = token.clone();
        flipped.replace_range(token.len() - 20..token.len() - 19, if token.as_bytes()[token.len() - 20] == b'A' { "B" } else { "A" });
        cases.push(("a bit of the signature", flipped));
        for (what, wrong) in &cases {
            assert_eq!(node.introspect(&api, wrong), json!({"active": false}), "{what}");
        }
        assert!(node.active(&api, &token), "and the token itself is as it was");
    }

    fn each_revocation_makes_the_token_inactive(world: World) {
        let api = world.resource(API);
        let gone = world.client_with(&["--scope", "read", "--resource", API]);
        let client = world.client_with(&["--scope", "read", "--resource", API]);
        let node = world.start();
        let (token, key) = (node.token(&gone), &gone.api_key);
        assert!(node.active(&api, &token) && node.active(&api, key));
        world.cli(&["client", "disable", &gone.id]);
        eventually("disabled", || (!node.active(&api, &token) && !node.active(&api, key)).then_some(()));
        world.cli(&["client", "enable", &gone.id]);
        eventually("enabled", || (node.active(&api, &token) && node.active(&api, key)).then_some(()));
        world.cli(&["client", "delete", &gone.id]);
        eventually("deleted", || (!node.active(&api, &token) && !node.active(&api, key)).then_some(()));
        let reply = node.token_reply(&gone, &[]);
        reply.refused(401, "invalid_client");

        let before = node.token(&client);
        world.cli(&["token", "revoke", "--client", &client.id]);
        eventually("all revoked", || (!node.active(&api, &before)).then_some(()));
        let after = node.token(&client);
        assert!(node.active(&api, &after), "later tokens are active");
        assert!(node.active(&api, &client.api_key), "keys are no tokens");
        let listed = world.cli(&["token", "list", "--client", &client.id]);
        let states: Vec<bool> = listed.as_array().unwrap().iter().map(|row| row["revoked"].as_bool().unwrap()).collect();
        assert_eq!(states, [false, true], "the newest first");
    }
}

/// RFC 7519 section 4.1.4: a token has expired from the second of `exp` on.
#[test]
fn a_token_is_inactive_from_the_second_it_expires() {
    let world = World::sqlite();
    let api = world.resource(API);
    let client = world.client_with(&["--scope", "read", "--resource", API]);
    let node = world.start_with(&["--token-ttl", "2"]);
    let token = node.token(&client);
    let exp = jwt::claims(&token)["exp"].as_i64().unwrap();
    let mut seen_active = false;
    loop {
        let before = jwt::now();
        let active = node.active(&api, &token);
        let after = jwt::now();
        if after < exp {
            assert!(active, "before it expires");
            seen_active = true;
        } else if before >= exp {
            assert!(!active, "when it expires");
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(seen_active);
    let reason = world.cli(&["token", "inspect", &token]);
    // The command line uses another issuer than the node, which listens elsewhere.
    assert_eq!(reason["active"], json!(false));
    let own = world.cli(&["--issuer", &node.base, "token", "inspect", &token]);
    assert_eq!(
        (&own["active"], &own["reason"]),
        (&json!(false), &json!("expired"))
    );
}
