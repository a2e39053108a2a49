//! `keyward check`: what is wrong with this installation, and how to mend it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::output::Output;
use crate::clock::Timestamp;
use crate::clock::watch::{ClockWatch, TOLERANCE};
use crate::config::Issuer;
use crate::crypto::sealing_key::{KEY_FILE, SealingKeyFile};
use crate::error::Error;
use crate::manage::signing_key::{LOST, opened_keys};
use crate::net::http_client;
use crate::store::clock as store_clock;
use crate::store::signing_key::{self, State, signing_at};
use crate::store::{DatabaseUrl, Store, StoreError, clock_difference};

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    /// What was seen, and where something is wrong, how to mend it.
    detail: String,
}

/// What a look found: the good, or the bad with its mend.
type Look = Result<String, String>;

pub async fn run(context: Context) -> Result<Output, Error> {
    let mut findings = Vec::new();
    let mut found = |what, look: Look| {
        let ok = look.is_ok();
        findings.push(Finding {
            what,
            ok,
            detail: look.unwrap_or_else(|wrong| wrong),
        });
        ok
    };
    let store = context.store();
    let reached = match &store {
        Ok(store) => match (store.check_writable().await, store.transport().warning()) {
            (Err(StoreError::ReadOnly), _) => Err(format!(
                "{}: the database is read-only; changes are refused, and no token is issued",
                store.url()
            )),
            (Err(error), _) => Err(format!("{}: {error}", store.url())),
            (Ok(()), Some(warning)) => Err(format!("{}: {warning}", store.url())),
            (Ok(()), None) => Ok(format!(
                "{} is reached {}, and its tables are up to date",
                store.url(),
                store.transport()
            )),
        },
        Err(error) => Err(error.reason().to_owned()),
    };
    found("database", reached);
    if let DatabaseUrl::Sqlite(path) = &context.settings.database_url
        && store.is_ok()
    {
        found("database file", database_file(path));
    }
    let sealing_keys = sealing_keys(&context.settings.keys_dir);
    found(
        "key file",
        sealing_keys
            .as_ref()
            .map(|_| "there, and its owner's alone".to_owned())
            .map_err(Clone::clone),
    );
    if let (Ok(store), Ok(sealing_keys)) = (&store, &sealing_keys) {
        found(
            "signing key",
            signing(store, sealing_keys, context.now).await,
        );
    }
    if let Ok(store) = &store {
        found("clock", clock(store).await);
    }
    let issuer = match &store {
        Ok(store) => context.issuer(store).await?,
        Err(_) => context.settings.issuer(),
    };
    let (metadata, keys) = (
        issuer.metadata_url(),
        issuer.endpoint("/.well-known/jwks.json"),
    );
    let settings = context.settings.clone();
    let fetch = move || {
        (
            http_client::get_own(&settings, &metadata),
            http_client::get_own(&settings, &keys),
        )
    };
    let (document, published) = tokio::task::spawn_blocking(fetch)
        .await
        .map_err(|error| Error::server_error(error.to_string()))?;
    found(
        "issuer",
        check_issuer(issuer.as_str(), &issuer.metadata_url(), document),
    );
    if let (Ok(store), Ok(published)) = (&store, published) {
        found(
            "published keys",
            check_published(store, &published, context.now).await,
        );
    }
    found("transport", transport(&issuer));

    let all_well = findings.iter().all(|finding| finding.ok);
    let rows = findings.iter().map(|finding| {
        let state = if finding.ok { "ok" } else { "WRONG" };
        [
            finding.what.to_owned(),
            state.to_owned(),
            finding.detail.clone(),
        ]
    });
    let output = Output::table(&findings, ["WHAT", "STATE", "DETAIL"], rows);
    Ok(if all_well { output } else { output.refused() })
}

/// SQLite gives its write-ahead log and its index the permissions of the database file.
fn database_file(path: &Path) -> Look {
    let mode = std::fs::metadata(path)
        .map_err(|error| format!("{}: {error}", path.display()))?
        .permissions()
        .mode();
    match mode & 0o077 {
        0 => Ok(format!("{} can be read by its owner alone", path.display())),
        _ => Err(format!(
            "{0} can be read by others; run: chmod 600 {0}",
            path.display()
        )),
    }
}

fn sealing_keys(folder: &Path) -> Result<SealingKeyFile, String> {
    let path = folder.join(KEY_FILE);
    let said = |error| {
        format!(
            "{}: {error}. A new installation gets it when `keyward serve` starts. {LOST}",
            path.display()
        )
    };
    let mode = std::fs::metadata(&path).map_err(said)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "{0} can be read by others; run: chmod 600 {0}",
            path.display()
        ));
    }
    SealingKeyFile::open(folder).map_err(|error| error.to_string())
}

async fn signing(
    store: &std::sync::Arc<Store>,
    sealing_keys: &SealingKeyFile,
    now: Timestamp,
) -> Look {
    let keys = opened_keys(store, sealing_keys, now)
        .await
        .map_err(|error| error.reason().to_owned())?;
    let key = signing_at(&keys, now)
        .ok_or("no key signs; start `keyward serve`, or run: keyward signing-key rotate")?;
    Ok(format!("{} signs with {}", key.kid, key.algorithm.as_str()))
}

async fn clock(store: &std::sync::Arc<Store>) -> Look {
    let read = store.read(|database| {
        let now = Timestamp::now();
        Ok::<_, StoreError>((
            clock_difference(database, now)?,
            store_clock::seen(database)?,
            now,
        ))
    });
    let (difference, seen, now) = read.await.map_err(|error| error.to_string())?;
    let watch = ClockWatch::default();
    watch.learn(&seen);
    if let Some(behind) = watch.behind(now) {
        return Err(behind);
    }
    let behind = seen.at.duration_since(now);
    if behind > TOLERANCE {
        return Err(format!(
            "{} s behind the last moment that a node wrote down: it is behind now, or a clock was ahead before; let NTP set \
             the clocks of all nodes",
            behind.as_secs()
        ));
    }
    match difference {
        None => Ok("SQLite has the clock of this machine".to_owned()),
        Some(millis) if millis.abs() <= 500 => {
            Ok(format!("{millis} ms from the database server's"))
        }
        Some(millis) => Err(format!(
            "{millis} ms from the database server's; let NTP set the clocks of all nodes"
        )),
    }
}

fn check_issuer(issuer: &str, url: &str, document: Result<String, String>) -> Look {
    let text = document.map_err(|reason| {
        format!(
            "{url}: {reason}; is the server running, and does the proxy in front pass this path on?"
        )
    })?;
    let metadata: Value = serde_json::from_str(&text)
        .map_err(|error| format!("{url}: {error}; something else answers there"))?;
    match metadata["issuer"].as_str() {
        Some(published) if published == issuer => {
            Ok(format!("{issuer} is reached, and its metadata names it"))
        }
        Some(published) => Err(format!(
            "{url} says the issuer is {published}, and here it is {issuer}; set the same everywhere, to the character"
        )),
        None => Err(format!(
            "{url} names no issuer; something else answers there"
        )),
    }
}

/// Another installation may answer at the issuer's address.
async fn check_published(store: &std::sync::Arc<Store>, published: &str, now: Timestamp) -> Look {
    let keys = store
        .read(signing_key::list)
        .await
        .map_err(|error| error.to_string())?;
    let missing = keys
        .iter()
        .find(|key| key.state(now) != State::Gone && !published.contains(&key.kid));
    match missing {
        None => Ok("the issuer publishes the keys of this database".to_owned()),
        Some(key) => Err(format!(
            "the issuer does not publish {}; is it the same installation, with the same database?",
            key.kid
        )),
    }
}

fn transport(issuer: &Issuer) -> Look {
    if issuer.as_str().starts_with("https:") {
        Ok("secrets travel by TLS".to_owned())
    } else if issuer.is_local() {
        Ok("plain HTTP, on this machine alone".to_owned())
    } else {
        Err("secrets travel in the clear; set tls_cert and tls_key, or put a proxy with TLS in front and an https issuer"
            .to_owned())
    }
}
