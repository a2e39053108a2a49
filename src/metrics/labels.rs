//! The labels of the metrics. No label holds a value that a caller chooses.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StatusLabels {
    pub(super) route: String,
    pub(super) status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub(super) route: String,
    pub(super) outcome: Outcome,
}

/// The class of a response, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the names are label values")]
pub(super) enum Outcome {
    success,
    client_error,
    server_error,
}

impl Outcome {
    pub(super) fn of(status: u16) -> Self {
        match status {
            ..400 => Outcome::success,
            400..500 => Outcome::client_error,
            _ => Outcome::server_error,
        }
    }
}

macro_rules! label {
    ($($labels:ident { $name:ident });* $(;)?) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $labels {
            pub(super) $name: &'static str,
        }
    )*};
}

label! {
    ErrorLabels { code };
    GrantLabels { grant_type };
    DecisionLabels { decision };
    ReasonLabels { reason };
    CacheLabels { cache };
    PoolLabels { pool };
    QueueLabels { queue };
    JobLabels { name };
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct JobRunLabels {
    pub(super) name: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct IntrospectionLabels {
    pub(super) credential: &'static str,
    pub(super) active: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CacheResultLabels {
    pub(super) cache: &'static str,
    pub(super) result: &'static str,
}

/// How a run of a background job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// It did its work, or found nothing to do.
    Success,
    /// It returned an error.
    Failure,
    /// It panicked, and was restarted.
    Panic,
}

impl JobOutcome {
    pub(super) const ALL: [JobOutcome; 3] =
        [JobOutcome::Success, JobOutcome::Failure, JobOutcome::Panic];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            JobOutcome::Success => "success",
            JobOutcome::Failure => "failure",
            JobOutcome::Panic => "panic",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DeliveryLabels {
    pub(super) outcome: &'static str,
}

/// What became of an event for a webhook, or of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver accepted the request.
    Success,
    /// The receiver did not accept the request.
    Failure,
    /// It was not sent, since the webhook, the recipient or the server had too many.
    Dropped,
}

impl DeliveryOutcome {
    pub(super) const ALL: [DeliveryOutcome; 3] = [
        DeliveryOutcome::Success,
        DeliveryOutcome::Failure,
        DeliveryOutcome::Dropped,
    ];

    pub(super) const fn labels(self) -> DeliveryLabels {
        let outcome = match self {
            DeliveryOutcome::Success => "success",
            DeliveryOutcome::Failure => "failure",
            DeliveryOutcome::Dropped => "dropped",
        };
        DeliveryLabels { outcome }
    }
}

/// The kind of credential that an introspection was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A JWT access token, or anything that is not an API key.
    AccessToken,
    /// An API key.
    ApiKey,
}

/// The decision of forward authentication (`/verify`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// 200.
    Allowed,
    /// 401: no active credential, or one for another resource server.
    Unauthenticated,
    /// 403: the scope is not sufficient.
    InsufficientScope,
    /// Anything else: a bad request, too many failures, or a store that gives no answer.
    Error,
}

impl Decision {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Decision::Allowed => "allowed",
            Decision::Unauthenticated => "unauthenticated",
            Decision::InsufficientScope => "insufficient_scope",
            Decision::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_classes_of_the_status() {
        for (status, outcome) in [
            (200, Outcome::success),
            (304, Outcome::success),
            (400, Outcome::client_error),
            (429, Outcome::client_error),
            (500, Outcome::server_error),
            (503, Outcome::server_error),
        ] {
            assert_eq!(Outcome::of(status), outcome, "{status}");
        }
    }
}
