//! The settings of a running server, and what a reload changes in them.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Settings;

/// The settings that [`LiveSettings::reload`] applies. Changes of others need a restart.
pub const RELOADABLE: [&str; 14] = [
    "registration",
    "registration_scope",
    "registration_resources",
    "assertion_for_token_endpoint",
    "dpop_nonce",
    "security_profile",
    "audit_kept",
    "portal_idle",
    "portal_session",
    "operator_second_factor",
    "trusted_proxies",
    "forwarded_header",
    "client_certificate_header",
    "log",
];

/// What a reload did with a setting whose value differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The new value is used from now on.
    Applied,
    /// The old value stays until the process is restarted.
    NeedsRestart,
}

/// The settings of a running server: read like [`Settings`], replaced as a whole by a reload.
///
/// Replaced settings are leaked (about a kilobyte per reload that changed something), so that a setting can
/// be borrowed like a field, without a lock.
pub struct LiveSettings(ArcSwap<&'static Settings>);

impl LiveSettings {
    /// Starts with `settings`.
    pub fn new(settings: Settings) -> Self {
        LiveSettings(ArcSwap::from_pointee(Box::leak(Box::new(settings))))
    }

    /// The current settings.
    pub fn current(&self) -> &'static Settings {
        **self.0.load()
    }

    /// Applies the settings that can change in a running server. Returns each setting that differs, and
    /// whether its new value is used from now on.
    pub fn reload(&self, new: Settings) -> Vec<(&'static str, Reload)> {
        let old = self.current();
        // Port 0 was replaced by the bound port at start.
        let any_port = new.listen.port() == 0 && new.listen.ip() == old.listen.ip();
        let new = Settings {
            listen: if any_port { old.listen } else { new.listen },
            ..new
        };
        let pairs = old.values().into_iter().zip(new.values());
        let changed: Vec<_> = pairs
            .filter(|((_, before), (_, after))| before != after)
            .map(|((name, _), _)| {
                let reload = match RELOADABLE.contains(&name) {
                    true => Reload::Applied,
                    false => Reload::NeedsRestart,
                };
                (name, reload)
            })
            .collect();
        let merged = Settings {
            registration: new.registration,
            registration_scope: new.registration_scope,
            registration_resources: new.registration_resources,
            assertion_for_token_endpoint: new.assertion_for_token_endpoint,
            dpop_nonce: new.dpop_nonce,
            security_profile: new.security_profile,
            audit_kept: new.audit_kept,
            portal_idle: new.portal_idle,
            portal_session: new.portal_session,
            operator_second_factor: new.operator_second_factor,
            trusted_proxies: new.trusted_proxies,
            forwarded_header: new.forwarded_header,
            client_certificate_header: new.client_certificate_header,
            log: new.log,
            ..old.clone()
        };
        if changed.iter().any(|(_, reload)| *reload == Reload::Applied) {
            self.0.store(Arc::new(Box::leak(Box::new(merged))));
        }
        changed
    }
}

impl std::ops::Deref for LiveSettings {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        self.current()
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        let command = Settings::augment_args(Command::new("keyward"));
        let arguments = [&["keyward"], arguments].concat();
        Settings::from_arg_matches(&command.get_matches_from(arguments)).unwrap()
    }

    const OTHER_VALUES: &[&str] = &[
        "--listen=127.0.0.1:1",
        "--issuer=https://auth.example",
        "--database-url=sqlite://other.db",
        "--keys-dir=other",
        "--token-ttl=1",
        "--token-records=off",
        "--jwks-max-age=1",
        "--signing-key-max-age=1d",
        "--registration=open",
        "--registration-scope=other",
        "--registration-resources=https://api.example",
        "--assertion-for-token-endpoint=on",
        "--dpop-nonce=required",
        "--security-profile=fapi2",
        "--private-jwks-uri=on",
        "--audit-kept=1d",
        "--portal-idle=1m",
        "--portal-session=1m",
        "--operator-second-factor=on",
        "--trusted-proxies=10.0.0.1",
        "--forwarded-header=forwarded",
        "--client-certificate-header=client-cert",
        "--log=debug",
        "--tls-cert=cert.pem",
        "--tls-key=key.pem",
        "--tls-client-certificate=on",
        "--tls-client-ca=ca.pem",
        "--mtls-base-url=https://mtls.auth.example",
        "--max-connections=16",
        "--http2-cleartext=on",
        "--outbound-proxy=http://proxy.example:3128",
        "--outbound-ca=ca.pem",
        "--smtp-url=smtps://mail.example",
        "--smtp-password=other",
        "--mail-from=keyward@acme.example",
        "--mail-language=fr",
        "--otlp-endpoint=http://collector.example:4318",
        "--otlp-sample-ratio=0.5",
        "--operator-email=ada@acme.example",
        "--operator-password=other",
    ];

    #[test]
    fn a_reload_applies_exactly_the_settings_that_it_reports_as_applied() {
        let before = settings(&[]);
        let live = LiveSettings::new(before.clone());
        let reported = live.reload(settings(OTHER_VALUES));
        let all = before.values();
        assert_eq!(
            reported.len(),
            all.len(),
            "a setting has no other value in this test"
        );
        for (((name, before), (_, after)), (reported, reload)) in
            all.into_iter().zip(live.values()).zip(reported)
        {
            assert_eq!(name, reported);
            assert_eq!(before != after, reload == Reload::Applied, "{name}");
        }
    }

    #[test]
    fn a_reload_without_changes_reports_nothing() {
        let live = LiveSettings::new(settings(&[]));
        assert_eq!(live.reload(settings(&[])), []);
    }
}
