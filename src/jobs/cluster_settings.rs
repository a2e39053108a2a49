//! Settings that all nodes of a deployment must share: recorded when a node starts, compared while
//! it runs.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Timestamp;
use crate::config::{Issuer, Settings};
use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::store::cluster_settings::{self, ClusterSettings, Difference, Joined};
use crate::store::{Store, StoreError};

/// Whether a node may start with another issuer than the one that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerChange {
    /// Only a default issuer replaces another default: it follows the address that is listened on.
    Refuse,
    /// The operator asked for it.
    Allow,
}

/// The settings of this node that the others must share.
pub fn own(settings: &Settings, issuer: &Issuer, now: Timestamp) -> ClusterSettings {
    ClusterSettings::new(
        issuer.to_string(),
        settings.issuer.is_some(),
        settings.jwks_max_age,
        settings.token_ttl,
        &settings.shared(),
        now,
    )
}

/// Records the settings of a node that starts, and logs a warning for each that differs.
///
/// # Errors
/// Nodes of this database serve with another issuer, and `change` does not allow to replace it;
/// [`StoreError`] if the database gave no answer.
pub async fn join(
    store: &Arc<Store>,
    own: ClusterSettings,
    issuer: &Issuer,
    change: IssuerChange,
    now: Timestamp,
) -> Result<(), Error> {
    let issuer_set = own.issuer_set;
    let may_replace = move |before: &ClusterSettings| {
        change == IssuerChange::Allow || !issuer_set && !before.issuer_set
    };
    let joined = store
        .write(now, move |transaction| {
            cluster_settings::join(transaction, &own, may_replace)
        })
        .await
        .map_err(Error::from)?;
    match joined {
        Joined::Serves {
            differences,
            replaced,
        } => {
            warn_of(&differences);
            if let Some(previous) = replaced {
                tracing::warn!(
                    previous,
                    issuer = issuer.as_str(),
                    "the issuer was changed: tokens, links and sessions of the previous issuer are refused; restart \
                     every node that still serves with it"
                );
            }
            Ok(())
        }
        Joined::OtherIssuer(before) => Err(other_issuer(issuer, &before)),
    }
}

/// Compares the settings of a node that starts on a read-only database, where [`join`] cannot
/// write.
///
/// # Errors
/// Nodes of this database serve with another issuer, or none has served yet; [`StoreError`] if the
/// database gave no answer.
pub async fn compare(
    store: &Arc<Store>,
    own: &ClusterSettings,
    issuer: &Issuer,
) -> Result<(), Error> {
    match store.read(cluster_settings::find).await? {
        None => Err(StoreError::ReadOnly.into()),
        Some(before) if before.issuer != own.issuer => Err(other_issuer(issuer, &before)),
        Some(before) => {
            warn_of(&own.differences(&before));
            Ok(())
        }
    }
}

fn other_issuer(issuer: &Issuer, before: &ClusterSettings) -> Error {
    let same_but_slash =
        before.issuer.trim_end_matches('/') == issuer.as_str().trim_end_matches('/');
    let hint = if same_but_slash {
        " (they differ by the slash at the end)"
    } else {
        ""
    };
    Error::server_error(format!(
        "here the issuer is {issuer}, and nodes of this database served as {} at {}{hint}: tokens, links and sessions \
         of one are invalid at the other; set the same issuer, or change it on purpose with `keyward serve \
         --change-issuer`",
        before.issuer, before.used_at
    ))
    .field("issuer")
}

fn warn_of(differences: &[Difference]) {
    for Difference {
        setting,
        own,
        other,
    } in differences
    {
        tracing::warn!(
            setting,
            own,
            other,
            "another node serves with another value of this setting; set the same on all nodes"
        );
    }
}

/// Records that this node still serves, and logs a warning when the shared settings begin to
/// differ.
pub(super) struct SettingsCheck {
    server: Arc<AuthorizationServer>,
    /// The differences that were logged already.
    logged: Mutex<Vec<Difference>>,
}

impl SettingsCheck {
    pub(super) fn new(server: &Arc<AuthorizationServer>) -> Self {
        SettingsCheck {
            server: server.clone(),
            logged: Mutex::default(),
        }
    }

    pub(super) async fn run(self: Arc<Self>) -> Result<(), Error> {
        let server = &self.server;
        let now = Timestamp::now();
        let issuer = server.issuer.to_string();
        let row = server
            .store
            .write_untracked(move |database| cluster_settings::touch(database, &issuer, now))
            .await?;
        let Some(row) = row else {
            return Ok(());
        };
        let own = own(&server.settings, &server.issuer, now);
        if row.issuer != own.issuer {
            tracing::warn!(
                own = own.issuer,
                other = row.issuer,
                "the issuer was changed; restart this node with the new one"
            );
            return Ok(());
        }
        let differences = own.differences(&row);
        let mut logged = self.logged.lock();
        if differences != *logged {
            warn_of(&differences);
            *logged = differences;
        }
        Ok(())
    }
}
