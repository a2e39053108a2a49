//! Verifies JWT access tokens (RFC 9068) offline and API keys by introspection (RFC 7662), and
//! answers requests without a valid credential as RFC 6750 says.
//!
//! A resource server makes one [`Verifier`] and protects its routes with [`Verifier::require`]:
//! the result is a middleware of actix-web (feature `actix`) and a layer of axum (feature `axum`).
//! Handlers take the [`Caller`] as an argument.

mod caller;
mod flight;
mod introspection;
mod issuer;
mod keys;
mod options;
mod refusal;
mod token;

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "axum")]
mod axum;

pub use caller::{Caller, CredentialKind};
pub use options::{JwtCheck, Options, OptionsError};
pub use refusal::Refusal;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::introspection::Introspection;
use crate::issuer::Issuer;
use crate::keys::Keys;
use crate::token::TokenRules;

/// Authenticates the callers of one resource server. It is cheap to clone, and clones share their
/// caches.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    rules: TokenRules,
    keys: Keys,
    introspection: Option<Introspection>,
    jwt_check: JwtCheck,
    resource_metadata: Option<String>,
}

impl Verifier {
    /// Makes a verifier. Nothing is fetched until the first request.
    ///
    /// # Errors
    /// An option that is missing or does not fit the others.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        options.check()?;
        let issuer = Arc::new(Issuer::new(&options)?);
        Ok(Verifier(Arc::new(Inner {
            rules: TokenRules::new(&options),
            keys: Keys::new(Arc::clone(&issuer), options.min_refresh_interval),
            introspection: options
                .credentials
                .is_some()
                .then(|| Introspection::new(issuer, &options.cache)),
            jwt_check: options.jwt_check,
            resource_metadata: options.resource_metadata,
        })))
    }

    /// Protects routes: a middleware for actix-web, a layer for axum. A caller needs all of these
    /// scope values, separated by spaces; with an empty text, any valid credential is enough.
    pub fn require(&self, scope: &str) -> RequireScope {
        RequireScope {
            verifier: self.clone(),
            scope: scope.into(),
        }
    }

    /// Returns the caller that the value of an `Authorization` header authenticates, if the caller
    /// has the required scope.
    ///
    /// # Errors
    /// The reason why the request is refused (RFC 6750 section 3).
    pub async fn authorize(
        &self,
        authorization: Option<&str>,
        scope: &str,
    ) -> Result<Caller, Refusal> {
        let authorization = authorization.ok_or(Refusal::MissingCredential)?;
        let credential = token::credential(authorization).ok_or(Refusal::InvalidToken)?;
        let caller = self.authenticate(&credential).await?;
        if caller.is_sender_constrained() {
            // Accepting it as a bearer token would ignore the protection (RFC 9449 section 7.2,
            // RFC 8705 section 3).
            return Err(Refusal::InvalidToken);
        }
        let mut required = scope.split_ascii_whitespace();
        if required.all(|value| caller.has_scope(value)) {
            Ok(caller)
        } else {
            Err(Refusal::InsufficientScope(scope.to_owned()))
        }
    }

    /// Returns the `WWW-Authenticate` header for a refusal. There is none for an issuer that is
    /// unavailable.
    pub fn challenge(&self, refusal: &Refusal) -> Option<String> {
        refusal.challenge(self.0.resource_metadata.as_deref())
    }

    async fn authenticate(&self, credential: &str) -> Result<Caller, Refusal> {
        let inner = &self.0;
        if !token::is_jwt(credential) {
            let introspection = inner.introspection.as_ref().ok_or(Refusal::InvalidToken)?;
            return introspection.introspect(credential).await;
        }
        let caller = self.verify(credential).await?;
        match (&inner.jwt_check, &inner.introspection) {
            (JwtCheck::Introspection, Some(introspection)) => {
                introspection.introspect(credential).await
            }
            _ => Ok(caller),
        }
    }

    /// Verifies a JWT access token offline (RFC 9068 section 4).
    async fn verify(&self, jwt: &str) -> Result<Caller, Refusal> {
        let header = token::header(jwt).ok_or(Refusal::InvalidToken)?;
        let key = self.0.keys.key(&header.kid).await?;
        self.0
            .rules
            .verify(jwt, &header, &key, SystemTime::now())
            .ok_or(Refusal::InvalidToken)
    }
}

/// A rule that callers must have a scope: made by [`Verifier::require`].
#[derive(Clone)]
pub struct RequireScope {
    #[cfg_attr(
        not(any(feature = "actix", feature = "axum")),
        expect(dead_code, reason = "the frameworks' modules read it")
    )]
    verifier: Verifier,
    #[cfg_attr(
        not(any(feature = "actix", feature = "axum")),
        expect(dead_code, reason = "the frameworks' modules read it")
    )]
    scope: Arc<str>,
}

/// Locks a mutex. A panic while it was locked leaves the data usable: each change is one statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
