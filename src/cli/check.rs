//! `keyward check`: diagnoses an installation and suggests fixes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::output::Output;
use crate::clock::Timestamp;
use crate::clock::watch::{ClockWatch, TOLERANCE};
use crate::config::{Issuer, Settings};
use crate::crypto::jws::SignatureAlgorithm;
use crate::crypto::sealing_key::{KEY_FILE, SealingKeyFile, is_exposed};
use crate::error::Error;
use crate::manage::signing_key::{LOST_FILE_HELP, opened_keys};
use crate::net::http_client;
use crate::net::smtp::Mailer;
use crate::span::Scope;
use crate::store::clock as store_clock;
use crate::store::security_profile::SecurityProfile;
use crate::store::signing_key::{self, SigningKey, State, signing_at, signing_with};
use crate::store::unused_credential;
use crate::store::{DatabaseUrl, Store, StoreError, clock_difference};

/// The result of one check.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    /// What was found, and after a failure, how to fix it.
    detail: String,
}

/// The result of one check, of which people read both cases: a description of the good state (or what the
/// next checks need), or the problem with its fix.
type Outcome<T = String> = Result<T, String>;

/// Nodes publish a new signing key within a second. A check that follows a rotation waits this long
/// for it before it reports the key as missing.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(3);

pub async fn run(context: Context) -> Result<Output, Error> {
    let mut findings = Vec::new();
    let mut found = |what, outcome: Outcome| {
        let ok = outcome.is_ok();
        let detail = outcome.unwrap_or_else(|problem| problem);
        findings.push(Finding { what, ok, detail });
        ok
    };
    let store = context.store();
    let reached = match &store {
        Ok(store) => match (store.check_writable().await, store.transport().warning()) {
            (Err(StoreError::ReadOnly), _) => Err(format!(
                "{}: the database is read-only; changes are refused and no tokens are issued",
                store.url()
            )),
            (Err(error), _) => Err(format!("{}: {error}", store.url())),
            (Ok(()), Some(warning)) => Err(format!("{}: {warning}", store.url())),
            (Ok(()), None) => Ok(format!(
                "{} is reachable {}, and its schema is up to date",
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
            .map(|_| "exists, readable only by its owner".to_owned())
            .map_err(Clone::clone),
    );
    if let (Ok(store), Ok(sealing_keys)) = (&store, &sealing_keys) {
        found(
            "signing key",
            signing(
                store,
                sealing_keys,
                context.settings.security_profile,
                context.now,
            )
            .await,
        );
    }
    if let Ok(store) = &store {
        found("clock", clock(store).await);
        found("unused credentials", unused(store, context.now).await);
    }
    let issuer = match &store {
        Ok(store) => context.issuer(store).await?,
        Err(_) => context.settings.issuer(),
    };
    let document = fetch(&context, issuer.metadata_url()).await;
    let reachable = document.is_ok();
    found(
        "issuer",
        check_issuer(issuer.as_str(), &issuer.metadata_url(), document),
    );
    if let (Ok(store), true) = (&store, reachable) {
        found(
            "published keys",
            check_published(&context, store, &issuer).await,
        );
    }
    found("transport", transport(&issuer));
    match Mailer::new(&context.settings) {
        Ok(None) => {}
        Ok(Some(mailer)) => {
            found("mail", mail(&context.settings, &mailer).await);
        }
        Err(error) => {
            found("mail", Err(error.reason().to_owned()));
        }
    }

    let all_ok = findings.iter().all(|finding| finding.ok);
    let rows = findings.iter().map(|finding| {
        let state = if finding.ok { "ok" } else { "FAILED" };
        [
            finding.what.to_owned(),
            state.to_owned(),
            finding.detail.clone(),
        ]
    });
    let output = Output::table(&findings, ["CHECK", "STATE", "DETAIL"], rows);
    Ok(if all_ok { output } else { output.refused() })
}

/// Whether the SMTP server accepts a connection and the password.
async fn mail(settings: &Settings, mailer: &Mailer) -> Outcome {
    let server = settings.smtp_url.as_ref().map(ToString::to_string);
    let server = server.unwrap_or_default();
    match mailer.check().await {
        Ok(()) => Ok(format!("{server} accepts e-mail of this server")),
        Err(error) => Err(format!(
            "{server}: {error}; check smtp_url and smtp_password, then run: keyward mail test --to EMAIL"
        )),
    }
}

/// SQLite creates its write-ahead log and index with the permissions of the database file.
fn database_file(path: &Path) -> Outcome {
    let mode = std::fs::metadata(path)
        .map_err(|error| format!("{}: {error}", path.display()))?
        .permissions()
        .mode();
    match mode & 0o077 {
        0 => Ok(format!("{} is readable only by its owner", path.display())),
        _ => Err(format!(
            "{0} is readable by other users; run: chmod 600 {0}",
            path.display()
        )),
    }
}

fn sealing_keys(folder: &Path) -> Outcome<SealingKeyFile> {
    let path = folder.join(KEY_FILE);
    let failed = |error| {
        format!(
            "{}: {error}. `keyward serve` creates it on first start. {LOST_FILE_HELP}",
            path.display()
        )
    };
    let metadata = std::fs::metadata(&path).map_err(failed)?;
    if is_exposed(metadata.mode(), metadata.uid(), geteuid().as_raw()) {
        return Err(format!(
            "{0} is readable by other users; run: chmod 600 {0}",
            path.display()
        ));
    }
    SealingKeyFile::open(folder).map_err(|error| error.to_string())
}

async fn signing(
    store: &std::sync::Arc<Store>,
    sealing_keys: &SealingKeyFile,
    profile: SecurityProfile,
    now: Timestamp,
) -> Outcome {
    let keys = opened_keys(store, sealing_keys, now)
        .await
        .map_err(|error| error.reason().to_owned())?;
    let asked = store
        .read(move |database| signing_key::asked_algorithms(database, profile))
        .await
        .map_err(|error| error.to_string())?;
    let default = signing_at(&keys, SignatureAlgorithm::default(), now).ok_or(
        "there is no active signing key; start `keyward serve`, or run: keyward signing-key rotate",
    )?;
    let describe = |key: &SigningKey| format!("{} signs with {}", key.kid, key.algorithm.as_str());
    let mut found = vec![describe(default)];
    for algorithm in SignatureAlgorithm::ALL {
        match signing_with(&keys, algorithm, now) {
            Some(key) if key.kid != default.kid => found.push(describe(key)),
            None if asked.contains(&algorithm) => found.push(format!(
                "no key signs with {} yet, and tokens are signed with {} until one does",
                algorithm.as_str(),
                default.algorithm.as_str()
            )),
            _ => {}
        }
    }
    Ok(found.join("; "))
}

async fn clock(store: &std::sync::Arc<Store>) -> Outcome {
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
            "{} s behind the time that a node recorded: this clock is behind, or another was ahead before; synchronize the \
             clocks of all nodes with NTP",
            behind.as_secs()
        ));
    }
    match difference {
        None => Ok("SQLite uses the clock of this machine".to_owned()),
        Some(millis) if millis.abs() <= 500 => {
            Ok(format!("{millis} ms from the database server's clock"))
        }
        Some(millis) => Err(format!(
            "{millis} ms from the database server's clock; synchronize the clocks of all nodes with NTP"
        )),
    }
}

/// Credentials that nothing uses are no fault of the installation, so this says only where to look.
async fn unused(store: &std::sync::Arc<Store>, now: Timestamp) -> Outcome {
    let counts = store
        .read(move |database| unused_credential::count(database, now))
        .await
        .map_err(|error: StoreError| error.to_string())?;
    if counts.total() == 0 {
        return Ok("no active API key or client secret was unused for 90 days".to_owned());
    }
    Ok(format!(
        "{} API keys and {} client secrets were not used for 90 days; list them with `keyward key list --unused` and \
         `keyward secret list --unused`, and delete what nothing needs",
        counts.api_keys, counts.client_secrets
    ))
}

fn check_issuer(issuer: &str, url: &str, document: Outcome) -> Outcome {
    let text = document.map_err(|reason| {
        format!(
            "{url}: {reason}; check that the server is running and that the reverse proxy forwards this path"
        )
    })?;
    let metadata: Value = serde_json::from_str(&text)
        .map_err(|error| format!("{url}: {error}; another server answers at this URL"))?;
    match metadata["issuer"].as_str() {
        Some(published) if published == issuer => {
            Ok(format!("{issuer} is reachable, and its metadata matches"))
        }
        Some(published) => Err(format!(
            "{url} has the issuer {published}, but this installation has {issuer}; set exactly the same issuer everywhere"
        )),
        None => Err(format!(
            "{url} has no issuer; another server answers at this URL"
        )),
    }
}

/// Fetches a document of the issuer, or says why it could not be fetched.
async fn fetch(context: &Context, url: String) -> Outcome {
    let settings = context.settings.clone();
    Scope::current()
        .run_blocking(move || http_client::fetch_unrestricted(&settings, &url))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

/// Another installation may answer at the URL of the issuer.
async fn check_published(
    context: &Context,
    store: &std::sync::Arc<Store>,
    issuer: &Issuer,
) -> Outcome {
    let url = issuer.endpoint("/.well-known/jwks.json");
    let started = Instant::now();
    loop {
        let keys = store
            .read(signing_key::list)
            .await
            .map_err(|error| error.to_string())?;
        let published = fetch(context, url.clone()).await?;
        let missing = keys
            .iter()
            .find(|key| key.state(context.now) != State::Gone && !published.contains(&key.kid));
        match missing {
            None => return Ok("the issuer publishes the keys of this database".to_owned()),
            Some(_) if started.elapsed() < PUBLISHED_WITHIN => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Some(key) => {
                return Err(format!(
                    "the issuer does not publish {}; check that it is this installation, with this database",
                    key.kid
                ));
            }
        }
    }
}

fn transport(issuer: &Issuer) -> Outcome {
    if issuer.as_str().starts_with("https:") {
        Ok("HTTPS".to_owned())
    } else if issuer.is_local() {
        Ok("plain HTTP, only on this machine".to_owned())
    } else {
        Err("secrets are sent over plain HTTP; set tls_cert and tls_key, or use a TLS reverse proxy and an https issuer"
            .to_owned())
    }
}
