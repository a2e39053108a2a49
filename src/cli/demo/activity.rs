//! What the sample clients did: requests that succeeded, for the charts, and requests that failed, for
//! the audit.

use std::time::Duration;

use super::samples::{
    BOUTIQUE, CLIENTS, COMPTABILITE, FRAUD_SCORING, OLD_IMPORTER, POINT_OF_SALE, PRICE_CHECKER,
    SETTLEMENT,
};
use super::{ApiKeys, CreatedClient, Demo, HOUR, MINUTE};
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::metrics::CredentialKind;
use crate::oauth::failures::{FailureSubject, FailureTarget};
use crate::oauth::grant::GrantType;
use crate::oauth::reason::Reason;
use crate::oauth::usage::TimedRoute;
use crate::request_context::{RequestContext, UserAgent};
use crate::store::client::Client;

impl Demo<'_> {
    /// Records failed authentications and refused requests, with the most common reasons.
    pub(super) fn record_failures(&self, clients: &[CreatedClient], keys: &ApiKeys) {
        let yesterday = self.days_ago(1);
        let by_client = [
            (BOUTIQUE, 1, Reason::wrong_secret("mQ3rT8kZ")),
            (BOUTIQUE, 26, Reason::not_a_secret()),
            (OLD_IMPORTER, 2, Reason::client_disabled()),
            (OLD_IMPORTER, 5, Reason::client_disabled()),
            (OLD_IMPORTER, 9, Reason::client_disabled()),
            (OLD_IMPORTER, 31, Reason::client_disabled()),
            (
                POINT_OF_SALE,
                4,
                Reason::wrong_method("client_secret_basic"),
            ),
            (COMPTABILITE, 7, Reason::assertion_ended(94)),
            (
                COMPTABILITE,
                12,
                Reason::assertion_wrong_audience("https://auth.example.com"),
            ),
            (SETTLEMENT, 3, Reason::assertion_no_fitting_key()),
            (SETTLEMENT, 70, Reason::assertion_used()),
            (FRAUD_SCORING, 6, Reason::client_disabled()),
        ];
        for (place, hours, reason) in by_client {
            let client = &clients[place].client;
            let named = Some(client.client_id.as_str());
            let target = FailureTarget::Client(&client.client_id);
            self.fail(hours, place, named, client, target, &reason);
        }
        let by_key = [
            (BOUTIQUE, 8, &keys.expired, Reason::key_ended()),
            (BOUTIQUE, 16, &keys.expired, Reason::key_ended()),
            (
                PRICE_CHECKER,
                2,
                &keys.revoked,
                Reason::key_revoked("Build server"),
            ),
            (
                PRICE_CHECKER,
                19,
                &keys.revoked,
                Reason::key_revoked("Build server"),
            ),
            (
                PRICE_CHECKER,
                54,
                &keys.revoked,
                Reason::key_revoked("Build server"),
            ),
            (
                POINT_OF_SALE,
                11,
                &keys.active[POINT_OF_SALE],
                Reason::address_not_allowed(),
            ),
        ];
        for (place, hours, key, reason) in by_key {
            let target = FailureTarget::ApiKey(key);
            self.fail(hours, place, None, &clients[place].client, target, &reason);
        }
        let refused = Reason::insufficient_scope("inventory:write");
        for hours in [1, 13, 22] {
            let at = self.now.saturating_sub(hours * HOUR);
            let (client, key) = (&clients[PRICE_CHECKER].client, &keys.active[PRICE_CHECKER]);
            let request = self.request(2, 60, at);
            self.server.record_refused_verification(
                &request,
                client,
                FailureTarget::ApiKey(key),
                &refused,
            );
        }
        let stranger = FailureSubject {
            client_id: Some("orders-app"),
            client: None,
            target: FailureTarget::Client("orders-app"),
            secret_id: None,
        };
        let request = self.request(3, 99, yesterday);
        self.server.record_failed_authentication(
            &request,
            &stranger,
            &Reason::unknown_client(),
            refusal(),
        );
    }

    fn fail(
        &self,
        hours: u32,
        place: usize,
        client_id: Option<&str>,
        client: &Client,
        target: FailureTarget<'_>,
        reason: &Reason,
    ) {
        let subject = FailureSubject {
            client_id,
            client: Some(client),
            target,
            secret_id: None,
        };
        let at = self.now.saturating_sub(hours * HOUR + hours * MINUTE / 3);
        let network = u8::try_from(CLIENTS[place].account).unwrap_or_default();
        let request = self.request(network, 21, at);
        self.server
            .record_failed_authentication(&request, &subject, reason, refusal());
    }

    /// A request of a sample client, from one of its two machines.
    fn caller(&self, place: usize, minutes: u32, at: Timestamp) -> RequestContext {
        let network = u8::try_from(CLIENTS[place].account).unwrap_or_default();
        let (host, user_agent) = match minutes % 7 {
            0 => (24, "curl/8.14.1"),
            _ => (23, "python-requests/2.32.5"),
        };
        RequestContext {
            user_agent: UserAgent::new(user_agent.as_bytes()),
            ..self.request(network, host, at)
        }
    }

    /// Counts the requests of the last 24 hours, which the charts show.
    pub(super) fn count_requests(
        &self,
        clients: &[CreatedClient],
        keys: &ApiKeys,
        asking: &Client,
    ) {
        let usage = &self.server.usage;
        let mut noise = Noise(0x6B65_7977_6172_6421);
        for minutes in 1..24 * 60 {
            let at = self.now.saturating_sub(minutes * MINUTE);
            let busy = busy_percent(at);
            for (place, (created, key)) in clients.iter().zip(&keys.active).enumerate() {
                let request = self.caller(place, minutes, at);
                let (client, sample) = (&created.client, created.sample);
                for _ in 0..noise.in_minute(sample.tokens * busy / 100) {
                    usage.count_token(client, GrantType::ClientCredentials, at);
                    usage.count_time(TimedRoute::Token, noise.latency(900), at);
                    usage.record_authentication(&client.client_id, None, &request);
                }
                for _ in 0..noise.in_minute(sample.introspections * busy / 100) {
                    let kind = CredentialKind::ApiKey;
                    usage.count_introspection(asking, Some(client), kind, at);
                    usage.count_time(TimedRoute::Introspection, noise.latency(220), at);
                    usage.record_key_use(key, None, at);
                }
                for _ in 0..noise.in_minute(sample.verifications * busy / 100) {
                    usage.count_verification(client, at);
                    usage.record_key_use(key, Some(&request), at);
                }
            }
        }
    }
}

fn refusal() -> Error {
    Error::new(Code::InvalidClient, "Client authentication failed")
}

/// Traffic in an hour of the day (UTC), in percent of the daily maximum.
fn busy_percent(at: Timestamp) -> u64 {
    const BUSY: [u64; 24] = [
        12, 10, 9, 9, 11, 18, 34, 58, 82, 96, 100, 98, 90, 95, 99, 97, 92, 84, 70, 52, 38, 28, 20,
        15,
    ];
    let hour = at.seconds().div_euclid(3600).rem_euclid(24);
    usize::try_from(hour).map_or(0, |hour| BUSY[hour])
}

/// Pseudo-random numbers, the same in each run (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// How many requests come in a minute, of which `in_hour` come in an hour.
    fn in_minute(&mut self, in_hour: u64) -> u64 {
        (in_hour + self.below(60)) / 60
    }

    /// A duration around `usual` microseconds: now and then much longer, as on a busy machine.
    fn latency(&mut self, usual: u64) -> Duration {
        let slow = match self.below(200) {
            0 => 12,
            1..=9 => 3,
            _ => 1,
        };
        Duration::from_micros(usual * slow + self.below(usual))
    }
}
