use std::time::Duration;

use jsonwebtoken::Algorithm;

/// The settings of a [`crate::Verifier`]. Only the issuer and the audience are required.
pub struct Options {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) min_refresh_interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) credentials: Option<(String, String)>,
    pub(crate) jwt_check: JwtCheck,
    pub(crate) cache: CacheOptions,
    pub(crate) resource_metadata: Option<String>,
    pub(crate) agent: Option<ureq::Agent>,
}

/// The limits of the introspection cache.
pub(crate) struct CacheOptions {
    pub(crate) size: usize,
    pub(crate) active_ttl: Duration,
    pub(crate) inactive_ttl: Duration,
}

/// How a JWT access token is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtCheck {
    /// Offline: a revoked token is accepted until it expires.
    Offline,
    /// Offline, then by introspection: a revoked token is accepted until its cached introspection
    /// response expires.
    Introspection,
}

/// An option that is missing or does not fit the others.
#[derive(Debug)]
pub struct OptionsError(pub(crate) String);

impl std::fmt::Display for OptionsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionsError {}

impl Options {
    /// The options for tokens of this issuer, exactly as in `iss`, whose `aud` contains the
    /// identifier of this resource server.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Options {
            issuer: issuer.into(),
            audience: audience.into(),
            algorithms: vec![
                Algorithm::RS256,
                Algorithm::PS256,
                Algorithm::ES256,
                Algorithm::EdDSA,
            ],
            leeway: Duration::from_secs(5),
            min_refresh_interval: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            credentials: None,
            jwt_check: JwtCheck::Offline,
            cache: CacheOptions {
                size: 10_000,
                active_ttl: Duration::from_secs(10),
                inactive_ttl: Duration::from_secs(10),
            },
            resource_metadata: None,
            agent: None,
        }
    }

    /// Sets the accepted signature algorithms. A key is only used with its own algorithm in any
    /// case. The default is RS256, PS256, ES256 and EdDSA.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = algorithms.to_vec();
        self
    }

    /// Sets the accepted difference between the clocks, for `exp` and `nbf`. The default is 5
    /// seconds.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets the shortest time between two requests for the keys, whatever the reason. The default
    /// is 5 seconds.
    #[must_use]
    pub fn min_refresh_interval(mut self, interval: Duration) -> Self {
        self.min_refresh_interval = interval;
        self
    }

    /// Sets the timeout of requests to the issuer. The default is 5 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the credentials of the resource server, for introspection. Without them, API keys are
    /// refused.
    #[must_use]
    pub fn credentials(
        mut self,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        self.credentials = Some((client_id.into(), client_secret.into()));
        self
    }

    /// Sets how JWTs are checked. The default is [`JwtCheck::Offline`].
    #[must_use]
    pub fn jwt_check(mut self, check: JwtCheck) -> Self {
        self.jwt_check = check;
        self
    }

    /// Sets how many introspection responses are cached. The default is 10,000.
    #[must_use]
    pub fn cache_size(mut self, size: usize) -> Self {
        self.cache.size = size;
        self
    }

    /// Sets how long an introspection response is cached, if the credential is active and if it is
    /// not. The default is 10 seconds for both; zero caches nothing.
    #[must_use]
    pub fn cache_ttl(mut self, active: Duration, inactive: Duration) -> Self {
        self.cache.active_ttl = active;
        self.cache.inactive_ttl = inactive;
        self
    }

    /// Sets the URL of the protected resource metadata (RFC 9728), which each challenge then has.
    #[must_use]
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// Sets the HTTP client, for an issuer behind a proxy or with a private certificate authority.
    #[must_use]
    pub fn agent(mut self, agent: ureq::Agent) -> Self {
        self.agent = Some(agent);
        self
    }

    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        let problem = if self.issuer.is_empty() {
            "the issuer is empty"
        } else if self.audience.is_empty() {
            "the audience is empty"
        } else if self.algorithms.is_empty() {
            "no algorithm is accepted"
        } else if self.jwt_check == JwtCheck::Introspection && self.credentials.is_none() {
            "introspection of JWTs needs credentials"
        } else if self
            .resource_metadata
            .as_ref()
            .is_some_and(|url| url.contains(['"', '\\']))
        {
            "the URL of the resource metadata cannot be quoted"
        } else {
            return Ok(());
        };
        Err(OptionsError(problem.to_owned()))
    }
}
