//! Settings: flag, environment, file, default; and what is unknown or unreadable.

use serde_json::Value;

use crate::support::World;

fn entry(world: &World, name: &str, environment: &[(&str, &str)], flags: &[&str]) -> (String, String) {
    let mut command = world.command(&[&["--json", "config"], flags].concat());
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries: Value = serde_json::from_slice(&output.stdout).unwrap();
    let entry = entries.as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap().clone();
    (entry["value"].as_str().unwrap_or_default().to_owned(), entry["source"].as_str().unwrap().to_owned())
}

#[test]
fn each_source_wins_over_the_next() {
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
    assert_eq!(of(&[("KEYWARD_CONFIG", "other.toml")], &[]), "120 other.toml");
    assert_eq!(entry(&world, "token_records", &[], &["--config", "other.toml"]).0, "off");
    // The file counts for a command as it does for the server.
    world.file("keyward.toml", "jwks_max_age = 5\n");
    let node = world.start();
    assert_eq!(node.get("/.well-known/jwks.json").header("cache-control"), Some("public, max-age=5"));
}

#[test]
fn every_setting_of_the_contract_is_there() {
    let world = World::sqlite();
    for (name, value, shown) in [
        ("listen", "0.0.0.0:9999", "0.0.0.0:9999"),
        ("issuer", "https://auth.example/x", "https://auth.example/x"),
        ("keys_dir", "elsewhere", "elsewhere"),
        ("token_ttl", "60", "60"),
        ("token_records", "off", "off"),
        ("jwks_max_age", "1", "1"),
        ("signing_key_max_age", "30d", "2592000"),
        ("registration", "open", "open"),
        ("trusted_proxies", "10.0.0.0/8, ::1", "10.0.0.0/8,::1/128"),
        ("log", "debug", "debug"),
    ] {
        let variable = format!("KEYWARD_{}", name.to_uppercase());
        assert_eq!(entry(&world, name, &[(&variable, value)], &[]), (shown.to_owned(), variable.clone()));
        let flag = format!("--{}", name.replace('_', "-"));
        assert_eq!(entry(&world, name, &[], &[&flag, value]), (shown.to_owned(), "flag".to_owned()));
        world.file("keyward.toml", &format!("{name} = {value:?}\n"));
        assert_eq!(entry(&world, name, &[], &[]), (shown.to_owned(), "keyward.toml".to_owned()));
        std::fs::remove_file(world.folder.join("keyward.toml")).unwrap();
    }
    world.file("keyward.toml", "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n");
    assert_eq!(entry(&world, "trusted_proxies", &[], &[]).0, "10.0.0.0/8,::1/128");
    std::fs::remove_file(world.folder.join("keyward.toml")).unwrap();
    let url = "postgres://keyward:hunter2@db.example/keyward?sslpassword=hunter2";
    let (shown, source) = entry(&world, "database_url", &[("KEYWARD_DATABASE_URL", url)], &[]);
    assert_eq!(source, "KEYWARD_DATABASE_URL");
    assert!(shown.contains("db.example") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn what_is_unknown_or_unreadable_is_named() {
    let world = World::sqlite();
    let refused = |environment: &[(&str, &str)], flags: &[&str], named: &str| {
        let mut command = world.command(&[&["serve", "--no-bootstrap"], flags].concat());
        command.envs(environment.iter().copied());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{named}: {said}");
        assert!(said.lines().next().unwrap_or_default().contains(named), "{named}: {said}");
    };
    refused(&[("KEYWARD_TOKEN_TLL", "1")], &[], "KEYWARD_TOKEN_TLL");
    refused(&[("KEYWARD_TOKEN_TTL", "soon")], &[], "--token-ttl");
    refused(&[("KEYWARD_TOKEN_TTL", "0")], &[], "--token-ttl");
    refused(&[], &["--no-such-flag"], "--no-such-flag");
    refused(&[], &["--listen", "nowhere"], "--listen");
    refused(&[], &["--registration", "maybe"], "--registration");
    refused(&[], &["--trusted-proxies", "10.0.0.0/99"], "--trusted-proxies");
    refused(&[], &["--log", "keyward=loud"], "--log");
    refused(&[], &["--log", "verbose"], "--log");
    refused(&[], &["--database-url", "mysql://x"], "--database-url");
    let mistyped = world.run(&["--database-url", "postgress://x:hunter2@db.example/x", "config"]);
    assert!(!String::from_utf8_lossy(&mistyped.stderr).contains("hunter2"), "not in an error either");
    refused(&[], &["--tls-cert", "cert.pem"], "required");
    for issuer in [
        "auth.example",
        "ftp://auth.example",
        "https://auth.example?x",
        "https://auth.example#x",
        "https://u:p@auth.example",
        "https://auth.example/{x}",
        "https://auth.example/%C3%A9",
    ] {
        refused(&[], &["--issuer", issuer], "--issuer");
    }
    refused(&[], &["--config", "missing.toml"], "missing.toml");
    for (text, named) in [
        ("token_tll = 1", "token_tll"),
        ("token_ttl = \"soon\"", "--token-ttl"),
        ("token_ttl = [1]", "token_ttl"),
        ("token_ttl", "keyward.toml"),
        ("config = \"x\"", "config"),
        ("no_bootstrap = true", "no_bootstrap"),
    ] {
        world.file("keyward.toml", text);
        refused(&[], &[], named);
    }
}
