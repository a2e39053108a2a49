//! Gets an access token and prints it. The client secret is in CLIENT_SECRET.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = std::env::var("CLIENT_SECRET")
        .map_err(|error| format!("CLIENT_SECRET: {error}"))?;
    let credentials = BASE64_STANDARD.encode(["{{client_id}}", &secret].join(":"));

    let agent: ureq::Agent = ureq::Agent::config_builder()
        // The body of a refusal says why.
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let mut response = agent
        .post("{{token_endpoint}}")
        .header("Authorization", format!("Basic {credentials}"))
        .send_form([
            ("grant_type", "client_credentials"),
            ("scope", "{{scope}}"),
            ("resource", "{{resource}}"),
        ])?;

    let answer: Value = response.body_mut().read_json()?;
    let member = |name: &str| answer[name].as_str().unwrap_or_default();
    if !response.status().is_success() {
        eprintln!("{}: {}", member("error"), member("error_description"));
        std::process::exit(1);
    }
    println!("{}", member("access_token"));

    // Send it with each request in the header: Authorization: Bearer TOKEN
    // The resource server that accepts it: {{audience}}
    Ok(())
}
