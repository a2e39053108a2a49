//! `keyward status`

use super::Context;
use super::output::{Output, when};
use crate::error::Error;
use crate::manage::actor::StatusRead;
use crate::manage::status::{self, NodeStatus, Status};

/// Prints the status of the installation. The exit status is 1 if something needs attention.
pub async fn run(context: Context) -> Result<Output, Error> {
    let store = context.store()?;
    let permit = context.operator().may(StatusRead)?;
    let status = status::show(&store, permit, &context.settings).await?;
    let output = Output::new(&status, lines(&status).join("\n"));
    Ok(if status.problems.is_empty() {
        output
    } else {
        output.refused()
    })
}

fn lines(status: &Status) -> Vec<String> {
    let database = &status.database;
    let mut lines = vec![
        format!("Version       {}", status.version),
        format!("Issuer        {}", status.issuer.as_deref().unwrap_or("-")),
        format!("Time          {}", status.time),
        format!(
            "Database      {}, {}, {} migrations ({})",
            database.software,
            size(database.bytes),
            database.migrations,
            database.newest_migration
        ),
    ];
    for key in &status.signing_keys {
        lines.push(format!(
            "Signing key   {} {}, next rotation {}",
            key.algorithm,
            key.kid.as_deref().unwrap_or("none"),
            when(key.next_rotation_at)
        ));
    }
    let unused = status.unused_credentials;
    lines.push(format!(
        "Unused        {} API keys, {} client secrets",
        unused.api_keys, unused.client_secrets
    ));
    for node in &status.nodes {
        lines.extend(node_lines(node));
    }
    if status.problems.is_empty() {
        lines.push("Problems      none".to_owned());
    }
    for problem in &status.problems {
        let subject = [problem.code.as_str(), &problem.subject].join(" ");
        let detail = problem
            .detail
            .as_deref()
            .map(|detail| format!(": {detail}"));
        lines.push(format!(
            "Problem       {}{}",
            subject.trim_end(),
            detail.unwrap_or_default()
        ));
    }
    lines
}

fn node_lines(node: &NodeStatus) -> Vec<String> {
    let state = match (node.up, node.report.leader) {
        (false, _) => "missing",
        (true, true) => "up, leader",
        (true, false) => "up",
    };
    let mut lines = vec![format!(
        "Node          {} {} ({state}), started {}, seen {}, clock {} ms",
        node.name, node.version, node.started_at, node.seen_at, node.report.clock_difference_ms
    )];
    if let Some(expires) = node.report.certificate_expires_at {
        lines.push(format!("  certificate expires {expires}"));
    }
    for job in &node.report.jobs {
        let error = job
            .last_error
            .as_deref()
            .map(|error| format!(", error: {error}"));
        lines.push(format!(
            "  job {}: last success {}{}",
            job.name,
            when(job.last_success_at),
            error.unwrap_or_default()
        ));
    }
    lines
}

/// A size in the unit that fits it.
fn size(bytes: i64) -> String {
    const MIB: i64 = 1024 * 1024;
    match bytes {
        ..MIB => format!("{} KiB", bytes / 1024),
        MIB.. => format!("{} MiB", bytes / MIB),
    }
}
