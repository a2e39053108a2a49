//! Failures in the audit: each has an English sentence, and a code with parameters for translation.

use std::collections::BTreeMap;

use keyward::oauth::reason::ALL_REASONS;
use serde_json::{Value, json};

use crate::support::{Client, World, each_case, eventually, jwt};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

on_both! {
    fn each_refused_request_of_a_client_is_recorded(world: World) {
        let client = world.client("a");
        world.resource("urn:other");
        let node = world.start();
        node.token_reply(&client, &[("scope", "a b")]).refused(400, "invalid_scope");
        node.token_reply(&client, &[("resource", "urn:other")]).refused(400, "invalid_target");
        for code in ["scope_not_allowed", "resource_not_allowed"] {
            let noted = format!(
                "SELECT count(*) FROM audit WHERE action = 'token.refused' AND target = '{}' AND reason_code = '{code}'",
                client.id
            );
            eventually("the refusal in the audit", || (world.count(&noted) == 1).then_some(()));
        }
        // Of repeated failures of one client, only some are recorded.
        for _ in 0..40 {
            node.token_reply(&client, &[("scope", "b")]).refused(400, "invalid_scope");
        }
        eventually("the last of them", || (world.count("SELECT count(*) FROM audit WHERE action = 'token.refused'") == 30).then_some(()));
    }

    fn failures_of_api_keys_are_those_of_their_client(world: World) {
        let client = world.client_with(&["--scope", "read pay"]);
        let made = world.cli(&["key", "create", &client.id, "--name", "Build server", "--scope", "read"]);
        let (key, id) = (made["api_key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned());
        let stranger = world.client("read");
        let node = world.start();
        let token = node.token(&client);
        let verify = |query: &str, bearer: &str| {
            node.get_with(&format!("/verify{query}"), &[("authorization", &format!("Bearer {bearer}"))]).status
        };
        assert_eq!(verify("?scope=read", &key), 200);
        assert_eq!(verify("?scope=pay", &key), 403);
        assert_eq!(verify("?audience=urn:other", &key), 401);
        let exchange = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &*key),
            ("subject_token_type", "urn:keyward:token-type:api_key"),
            ("scope", "pay"),
        ];
        node.form("/oauth/token", None, &exchange).refused(400, "invalid_scope");
        world.cli(&["key", "delete", &client.id, &id]);
        eventually("the end of the key", || (verify("", &key) == 401).then_some(()));
        node.revoke(&client, &token);
        assert_eq!(verify("", &token), 401);
        // The keys of another client are accepted as before.
        assert_eq!(verify("", &stranger.api_key), 200);

        let expected = [
            ("verification.refused", &*id, "insufficient_scope", json!({"scope": "pay"})),
            ("verification.refused", &*id, "wrong_resource_server", json!({"resource": "urn:other"})),
            ("token.refused", &*id, "key_scope_not_allowed", json!({"scope": "pay"})),
            ("authentication.failure", &*id, "key_revoked", json!({"name": "Build server"})),
            ("authentication.failure", &*jwt::claims(&token)["jti"].as_str().unwrap().to_owned(), "token_revoked", json!(null)),
        ]
        .map(|(action, target, code, parameters)| json!([action, target, code, parameters, client.id]));
        let operator = node.token(&world.manager(&node, &[], "keyward:audit:read keyward:operator"));
        eventually("the failures in the audit", || {
            let page = node.json("GET", "/api/v1/audit?limit=200", Some(&operator), &Value::Null).json();
            let entries = page["items"].as_array()?.iter().rev().filter(|entry| !entry["client_id"].is_null());
            let entry = |entry: &Value| json!([entry["action"], entry["target"], entry["reason_code"], entry["reason_parameters"], entry["client_id"]]);
            (entries.map(entry).collect::<Vec<_>>() == expected).then_some(())
        });
        // Revoked keys are remembered for 30 days.
        assert_eq!(world.count("SELECT count(*) FROM revoked_api_keys"), 1);
        world.clocks_are_trusted();
        world.execute("UPDATE revoked_api_keys SET revoked_at = 1000");
        eventually("the end of the revoked key", || (world.count("SELECT count(*) FROM revoked_api_keys") == 0).then_some(()));
    }

    fn each_reason_has_a_code(world: World) {
        let pair = jwt::Pair::new("ES256");
        let jwks = world.file("jwks.json", &json!({"keys": [pair.public_jwk("one")]}).to_string());
        let signer = world.client_with(&["--auth-method", "private_key_jwt", "--jwks", jwks.to_str().unwrap()]).id;
        let (client, other) = (world.client("a"), world.client("a"));
        let (ended, disabled) = (world.client("a"), world.client("a"));
        world.execute(&format!("UPDATE client_secrets SET expires_at = 1000 WHERE client_id = '{}'", ended.id));
        world.execute(&format!("UPDATE api_keys SET expires_at = 1000 WHERE client_id = '{}'", ended.id));
        world.cli(&["client", "disable", &disabled.id]);
        let node = world.start();
        let operator = node.token(&world.manager(&node, &[], "keyward:audit:read keyward:operator"));
        let id = |credential: &str| credential.split('_').nth(1).unwrap().to_owned();

        let ask = |authorization: Option<&str>, fields: &[(&str, &str)]| {
            node.form("/oauth/token", authorization, &[&[("grant_type", "client_credentials")], fields].concat());
        };
        ask(None, &[]);
        ask(Some("Basic !"), &[]);
        ask(None, &[("client_secret", "x")]);
        ask(None, &[("client_id", "spiffe://acme.example/batch")]);
        node.token_reply(&Client { id: "nobody".into(), ..client.clone() }, &[]);
        node.token_reply(&Client { secret: "wrong".into(), ..client.clone() }, &[]);
        node.token_reply(&Client { secret: other.secret.clone(), ..client.clone() }, &[]);
        node.token_reply(&ended, &[]);
        node.token_reply(&disabled, &[]);

        let header = json!({"alg": "ES256", "kid": "one"});
        let claims = |changed: Value| {
            let now = jwt::now();
            let mut claims = json!({"iss": signer, "sub": signer, "aud": node.base, "exp": now + 60, "jti": "first"});
            claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
            claims
        };
        let present = |client_id: &str, assertion: &str| {
            ask(None, &[("client_id", client_id), ("client_assertion_type", ASSERTION), ("client_assertion", assertion)]);
        };
        let good = pair.sign(&header, &claims(json!({})));
        present(&client.id, &good);
        present(&signer, &good);
        present(&signer, &good);
        present(&signer, "nonsense");
        present(&signer, &pair.sign(&json!({"alg": "ES256", "kid": "one", "typ": "at+jwt"}), &claims(json!({}))));
        let unsigned = |header: Value| [jwt::encode(header.to_string()), jwt::encode(claims(json!({})).to_string()), String::new()].join(".");
        present(&signer, &unsigned(json!({"alg": "HS256"})));
        present(&signer, &unsigned(json!({"alg": "ES256", "kid": "two"})));
        present(&signer, &jwt::Pair::new("ES256").sign(&header, &claims(json!({}))));
        for changed in [
            json!({"iss": "another"}),
            json!({"aud": ["urn:a"]}),
            json!({"exp": 1000}),
            json!({"exp": jwt::now() + 100_000}),
            json!({"nbf": jwt::now() + 100_000}),
            json!({"exp": "soon"}),
        ] {
            present(&signer, &pair.sign(&header, &claims(changed)));
        }

        node.post("/oauth/register", &[("content-type", "application/json")], b"{}");
        node.get(&format!("/oauth/register/{}", client.id));
        let verify = |bearer: &str| node.get_with("/verify", &[("authorization", &format!("Bearer {bearer}"))]);
        let revoked = node.token(&client);
        node.revoke(&client, &revoked);
        for bearer in ["nonsense", "kwk_x", &revoked, &ended.api_key, &disabled.api_key] {
            assert_eq!(verify(bearer).status, 401);
        }

        let expected = [
            ("no_authentication", json!(null), "no client authentication in the request".to_owned()),
            ("unreadable_authorization", json!(null), "unreadable Authorization header".to_owned()),
            ("secret_without_client", json!(null), "client_secret without client_id".to_owned()),
            ("unknown_client", json!(null), "client nobody: unknown client".to_owned()),
            ("not_a_secret", json!(null), format!("client {}: what was presented is not a client secret, or is mistyped", client.id)),
            ("no_such_secret", json!({"id": id(&other.secret)}), format!("client {}: it has no secret {}", client.id, id(&other.secret))),
            (
                "secret_ended",
                json!({"id": id(&ended.secret), "at": 1000}),
                format!("client {}: secret {} expired at 1970-01-01T00:00:01Z", ended.id, id(&ended.secret)),
            ),
            ("client_disabled", json!(null), format!("client {}: the client is disabled", disabled.id)),
            (
                "wrong_method",
                json!({"method": "client_secret_basic"}),
                format!("client {}: the client is registered with client_secret_basic", client.id),
            ),
            (
                "assertion_wrong_audience",
                json!({"aud": "[\"urn:a\"]"}),
                format!("client {signer}: aud of the assertion is [\"urn:a\"], and not the issuer alone"),
            ),
        ];
        let codes = [
            "certificate_missing", "assertion_used", "assertion_not_a_jwt", "assertion_wrong_type", "assertion_algorithm", "assertion_no_fitting_key", "assertion_wrong_signature",
            "assertion_wrong_client", "assertion_ended", "assertion_too_long", "assertion_not_begun", "assertion_unreadable",
            "no_initial_token", "no_registration_token", "not_a_token", "not_a_key", "token_revoked", "key_ended", "owner_disabled",
        ];
        let entries = eventually("the failures in the audit", || {
            let path = "/api/v1/audit?action=authentication.failure&limit=200";
            let page = node.json("GET", path, Some(&operator), &Value::Null).json();
            let entries = page["items"].as_array().unwrap().clone();
            (entries.len() >= expected.len() + codes.len()).then_some(entries)
        });
        let found: BTreeMap<&str, &Value> = entries.iter().map(|entry| (entry["reason_code"].as_str().unwrap(), entry)).collect();
        each_case(&expected, |(code, parameters, reason)| {
            assert_eq!((&found[code]["reason_parameters"], &found[code]["reason"]), (parameters, &json!(reason)), "{code}");
        });
        let all: Vec<&str> = expected.iter().map(|(code, ..)| *code).chain(codes).collect();
        assert!(found.keys().all(|code| all.contains(code)) && all.iter().all(|code| found.contains_key(code)), "{:?}", found.keys());
        assert_eq!(entries.len(), all.len(), "each once");

        // Translators find all codes and their parameters in one list.
        let known: BTreeMap<&str, &[&str]> = ALL_REASONS.iter().copied().collect();
        assert_eq!(known.len(), ALL_REASONS.len(), "each code occurs once");
        each_case(found, |(code, entry)| {
            let parameters = entry["reason_parameters"].as_object().cloned().unwrap_or_default();
            assert!(known[code].iter().all(|name| parameters.contains_key(*name)) && known[code].len() == parameters.len(), "{entry}");
        });
    }
}
