//! Every page of the portal in both languages: checks by axe-core, the keyboard, translations and
//! widths. It is the longest test, and has a file of its own so that its name comes first: tests
//! start in the order of their names, and the longest should not be the last to end.

use serde_json::json;

use crate::portal::{journey, pages, prepare};
use crate::support::World;
use crate::support::smtp_server::SmtpServer;
use crate::support::tools::Tool;

#[test]
fn every_page_is_accessible_translated_and_fits_the_screen() {
    needs!(Tool::Node, Tool::Chromium);
    let world = World::sqlite();
    let mut input = prepare(&world);
    input["pages"] = json!(pages());
    // Some forms are only there if e-mail is sent.
    let server = SmtpServer::start();
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let node = world.start_with(&["--smtp-url", &url, "--mail-from", "keyward@acme.example"]);
    journey(&world, &node, "pages", input, |what| {
        panic!("asked for {what}")
    });
}
