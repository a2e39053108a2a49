//! Client libraries that others wrote, unmodified: what they find, get, prove and end.

use std::process::Command;

use oauth2::{ClientId, ClientSecret, Scope, TokenResponse};
use serde_json::json;

use crate::support::{World, jwt, repository};

pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: run the tests by tests/run, which installs the libraries"))
}

/// Runs a script with all that it may need in its environment.
fn script(world: World, mut command: Command) {
    let resource = "https://api.example/";
    let api = world.resource(resource);
    let client = world.client_with(&["--scope", "read write", "--resource", resource]);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let key_file = world.file("key.pem", &key.serialize_pem());
    let public = public_jwk(&key);
    let jwks = world.file("jwks.json", &json!({"keys": [public]}).to_string());
    let keyed = world.client_with(&[
        "--scope",
        "read write",
        "--resource",
        resource,
        "--auth-method",
        "private_key_jwt",
        "--jwks",
        jwks.to_str().unwrap(),
    ]);
    let registration = world.cli(&["registration-token", "create", "--scope", "read", "--resource", resource]);
    let node = world.start();
    let output = command
        .env("ISSUER", &node.base)
        .env("CLIENT_ID", &client.id)
        .env("CLIENT_SECRET", &client.secret)
        .env("SCOPE", "read write")
        .env("RESOURCE", resource)
        .env("INTROSPECTION_CLIENT_ID", &api.id)
        .env("INTROSPECTION_CLIENT_SECRET", &api.secret)
        .env("JWT_CLIENT_ID", &keyed.id)
        .env("JWT_KEY_FILE", &key_file)
        .env("REGISTRATION_TOKEN", registration["token"].as_str().unwrap())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{said}");
}

fn public_jwk(key: &rcgen::KeyPair) -> serde_json::Value {
    use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
    let pair = RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap();
    let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
    let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
    json!({"kty": "RSA", "n": jwt::encode(n), "e": jwt::encode(e), "use": "sig", "alg": "RS256", "kid": "interop"})
}

fn python(world: World, name: &str) {
    let mut command = Command::new(variable("TEST_PYTHON"));
    command.arg(repository("tests/interop/python").join(name));
    script(world, command);
}

fn javascript(world: World, name: &str) {
    let mut command = Command::new("node");
    command.arg(std::path::Path::new(&variable("TEST_NODE_DIR")).join(name));
    script(world, command);
}

on_both! {
    fn python_authlib(world: World) {
        python(world, "authlib_client.py");
    }

    fn python_pyjwt(world: World) {
        python(world, "pyjwt_offline.py");
    }

    fn javascript_openid_client(world: World) {
        javascript(world, "openid_client.mjs");
    }

    fn javascript_jose(world: World) {
        javascript(world, "jose_offline.mjs");
    }

    fn rust_oauth2(world: World) {
        use oauth2::TokenIntrospectionResponse;
        let api = world.resource("https://api.example/");
        let own = world.client_with(&["--scope", "read write", "--resource", "https://api.example/"]);
        let node = world.start();
        let metadata = node.get("/.well-known/oauth-authorization-server").json();
        let endpoint = |name: &str| metadata[name].as_str().unwrap().to_owned();
        let client = |id: &str, secret: &str| {
            oauth2::basic::BasicClient::new(ClientId::new(id.into()))
                .set_client_secret(ClientSecret::new(secret.into()))
                .set_token_uri(oauth2::TokenUrl::new(endpoint("token_endpoint")).unwrap())
                .set_introspection_url(oauth2::IntrospectionUrl::new(endpoint("introspection_endpoint")).unwrap())
                .set_revocation_url(oauth2::RevocationUrl::new(endpoint("revocation_endpoint")).unwrap())
        };
        let http = |request: oauth2::HttpRequest| -> Result<oauth2::HttpResponse, ureq::Error> {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let (parts, body) = request.into_parts();
            let (parts, mut body) = agent.run(ureq::http::Request::from_parts(parts, body.as_slice()))?.into_parts();
            Ok(ureq::http::Response::from_parts(parts, body.read_to_vec()?))
        };
        let partner = client(&own.id, &own.secret);
        let answer = partner.exchange_client_credentials().add_scope(Scope::new("read".into())).request(&http).unwrap();
        assert_eq!(answer.scopes().unwrap(), &[Scope::new("read".into())]);
        let resource_server = client(&api.id, &api.secret);
        let seen = resource_server.introspect(answer.access_token()).request(&http).unwrap();
        assert!(seen.active());
        assert_eq!(seen.client_id().unwrap().as_str(), own.id);
        // This library wants to revoke over TLS alone; so the request is sent as it would send it.
        let reply = node.form("/oauth/revoke", Some(&own.basic()), &[("token", answer.access_token().secret())]);
        assert_eq!(reply.status, 200);
        assert!(!resource_server.introspect(answer.access_token()).request(&http).unwrap().active());
        let refused = client(&own.id, "wrong").exchange_client_credentials().request(&http);
        let Err(oauth2::RequestTokenError::ServerResponse(refused)) = refused else { panic!("{refused:?}") };
        assert_eq!(refused.error(), &oauth2::basic::BasicErrorResponseType::InvalidClient);
    }
}
