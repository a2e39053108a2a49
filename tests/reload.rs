//! SIGHUP and renewed TLS files: settings that can change while the server runs.

use std::time::Duration;

use crate::support::tools::Tool;
use crate::support::{World, eventually, within};

#[test]
fn a_reload_applies_the_changed_settings() {
    let world = World::sqlite();
    world.file(
        "keyward.toml",
        "registration = \"token\"\ntoken_ttl = 600\n",
    );
    let node = world.start_with(&["--portal-idle", "2h"]);
    let registers = || {
        node.get("/.well-known/oauth-authorization-server").json()["registration_endpoint"]
            .is_string()
    };
    assert!(registers());
    let line = |part: &str| {
        eventually(part, || {
            node.logs()
                .lines()
                .find(|line| line.contains(part))
                .map(str::to_owned)
        })
    };
    // Several settings change together.
    world.file(
        "keyward.toml",
        &format!(
            "registration = \"off\"\nregistration_resources = \"{}\"\n",
            node.management()
        ),
    );
    node.signal("HUP");
    assert!(line("cannot reload the settings").contains("registration_resources: "));
    assert!(registers());
    world.file(
        "keyward.toml",
        "registration = \"off\"\ntoken_ttl = 700\nlisten = \"127.0.0.1:9\"\ntrusted_proxies = \"127.0.0.1\"\nlog = \"info,keyward::request=warn\"\nportal_idle = \"5h\"\n",
    );
    node.signal("HUP");
    eventually("the change", || (!registers()).then_some(()));
    node.json("POST", "/oauth/register", None, &serde_json::json!({}))
        .refused(403, "access_denied");
    let reloaded = line("settings reloaded");
    assert!(
        reloaded.contains("registration, trusted_proxies, log"),
        "{reloaded}"
    );
    assert!(
        !reloaded.contains("portal_idle"),
        "the flag has precedence, as at the start: {reloaded}"
    );
    let restart = line("after a restart");
    assert!(restart.contains("token_ttl"), "{restart}");
    // With the new filter, successful requests are not logged; refused ones are, with the client IP
    // from the proxy.
    let quiet = node.get("/healthz");
    let refused = node.get_with("/verify", &[("x-forwarded-for", "203.0.113.9")]);
    assert_eq!(node.log_of(&refused)["address"], "203.0.113.9");
    assert!(!node.logs().contains(quiet.header("x-request-id").unwrap()));

    world.file("keyward.toml", "registration = \"maybe\"\n");
    node.signal("HUP");
    line("keyward.toml line 1: registration");
    assert!(!registers(), "as before");
    assert!(node.stop().success());
}

#[test]
fn a_reload_reads_the_tls_files_again() {
    needs!(Tool::Curl);
    let world = World::sqlite();
    let first = world.certificate("cert.pem", "key.pem");
    let node = world.start_with(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let accepted = |pem: &str| {
        world.file("known.pem", pem);
        let reply = world.curl(&["-f", "--cacert", "known.pem", &node.https_url("/healthz")]);
        reply.status.success()
    };
    assert!(accepted(&first));
    // The server notices the new files by itself.
    let second = world.certificate("cert.pem", "key.pem");
    within(Duration::from_secs(30), "the second certificate", || {
        accepted(&second).then_some(())
    });
    assert!(!accepted(&first));
    // The files are replaced by a rename, as some tools do, followed by SIGHUP.
    let third = world.certificate("new-cert.pem", "new-key.pem");
    for (from, to) in [("new-key.pem", "key.pem"), ("new-cert.pem", "cert.pem")] {
        std::fs::rename(world.folder.join(from), world.folder.join(to)).unwrap();
    }
    node.signal("HUP");
    within(Duration::from_secs(30), "the third certificate", || {
        accepted(&third).then_some(())
    });
    // A certificate that does not match the key, and a file that is not a certificate.
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    world.file("cert.pem", &other.cert.pem());
    within(Duration::from_secs(30), "the refusal", || {
        node.logs()
            .contains("cannot reload the TLS certificate")
            .then_some(())
    });
    assert!(accepted(&third), "the current certificate stays in use");
    world.file("key.pem", &other.signing_key.serialize_pem());
    within(Duration::from_secs(30), "the fourth certificate", || {
        accepted(&other.cert.pem()).then_some(())
    });
    std::fs::remove_file(world.folder.join("cert.pem")).unwrap();
    within(Duration::from_secs(30), "the missing file", || {
        node.logs().contains("cert.pem: ").then_some(())
    });
    assert!(
        accepted(&other.cert.pem()),
        "the current certificate stays in use"
    );
    assert!(node.stop().success());
}
