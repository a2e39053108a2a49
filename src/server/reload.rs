//! SIGHUP: reads the settings and the TLS files again.

use crate::config::{LiveSettings, Reload, Settings};
use crate::error::Error;
use crate::jobs::ReloadedFiles;
use crate::oauth::AuthorizationServer;
use crate::telemetry::Telemetry;

/// Reads the settings from the same sources as at the start.
pub type ReadSettings = Box<dyn Fn() -> Result<Settings, Error> + Send>;

/// Reloads the certificate, the client certificate authorities, the settings and the log filter.
/// Settings that cannot be used change nothing.
pub(super) fn reload(
    server: &AuthorizationServer,
    telemetry: &Telemetry,
    read_settings: &ReadSettings,
    files: &ReloadedFiles,
) {
    if let Some(certificate) = &files.certificate {
        certificate.reload();
    }
    if let Some(authorities) = &files.client_authorities {
        authorities.reload();
    }
    let settings = match read_checked(server, read_settings) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(
                error = error.reason(),
                "cannot reload the settings: the present ones stay in use"
            );
            return;
        }
    };
    let changed = Changed::apply(&server.settings, settings);
    if let Err(error) = telemetry.set_filter(&server.settings.log) {
        tracing::error!(error = error.reason(), "cannot change the log filter");
    }
    tracing::info!(changed = changed.applied, "settings reloaded");
    if !changed.pending.is_empty() {
        tracing::warn!(
            settings = changed.pending,
            "these settings changed too, and take effect after a restart"
        );
    }
}

fn read_checked(
    server: &AuthorizationServer,
    read_settings: &ReadSettings,
) -> Result<Settings, Error> {
    let settings = read_settings()?;
    settings.check(&server.issuer).map_err(|error| {
        let setting = error.wrong_field().unwrap_or_default();
        let reason = format!("{setting}: {}", error.reason());
        error.detail(reason)
    })?;
    Ok(settings)
}

/// The names of settings that changed, separated by commas.
struct Changed {
    applied: String,
    /// They need a restart.
    pending: String,
}

impl Changed {
    fn apply(live: &LiveSettings, new: Settings) -> Self {
        let changed = live.reload(new);
        let names = |wanted: Reload| {
            let names = changed.iter().filter(|(_, reload)| *reload == wanted);
            let names: Vec<_> = names.map(|(name, _)| *name).collect();
            names.join(", ")
        };
        Changed {
            applied: names(Reload::Applied),
            pending: names(Reload::NeedsRestart),
        }
    }
}
