//! Trying a token or an API key out: what `/verify` and introspection would answer about it, and why. A
//! trial changes nothing: it is no use of the credential, and no failure of its client.

use std::net::IpAddr;

use super::actor::{Permit, TokensRead};
use super::token::check_visible;
use crate::client_certificate::ClientCertificate;
use crate::client_ip::ClientIp;
use crate::error::Error;
use crate::oauth::AuthorizationServer;
use crate::oauth::forward_auth::{self, Refusal};
pub use crate::oauth::forward_auth::{Identity, RequiredAccess};
use crate::oauth::introspection::{self, Active};
use crate::oauth::possession::Possession;
pub use crate::oauth::reason::Reason;
use crate::oauth::reason::Rejection;
use crate::oauth::token::presented::{self, Presentation};
use crate::store::{StoreError, resource_server};

/// What is tried out.
pub struct Trial<'a> {
    /// The token or API key.
    pub credential: &'a str,
    /// The scope and the resource servers that a proxy would require.
    pub required: RequiredAccess,
    /// The client IP of the request that is imagined; `None` if IP ranges are not to be checked.
    pub client_ip: Option<IpAddr>,
}

/// What the endpoints would answer.
pub struct TrialResult {
    /// `/verify`.
    pub verification: Verification,
    /// The introspection endpoint.
    pub introspection: Introspection,
}

/// What `/verify` would answer.
pub enum Verification {
    /// The request would be let through.
    Allowed(Identity),
    /// It would be refused.
    Refused {
        /// The error of the response.
        error: Error,
        /// The reason, which only the owner of the client sees.
        reason: Option<Reason>,
    },
}

/// What introspection would answer.
pub enum Introspection {
    /// The credential is active.
    Active {
        /// The resource server that would ask.
        resource_server: String,
        /// The response.
        response: Box<Active>,
    },
    /// The credential is not active.
    Inactive {
        /// The resource server that would ask, if it is known.
        resource_server: Option<String>,
        /// The reason, which only the owner of the client sees.
        reason: Reason,
    },
    /// No resource server could ask about it: it is for none, or for one that does not exist.
    NoCaller,
}

/// Tries a credential out. One that the actor cannot see is answered as an unknown one.
///
/// # Errors
/// Too many requests, if the actor tries too often; or if the database does not answer.
pub async fn try_out(
    server: &AuthorizationServer,
    permit: Permit<TokensRead>,
    trial: &Trial<'_>,
) -> Result<TrialResult, Error> {
    if let Some(wait) = server.limit_trials(permit.actor()) {
        let description = "Too many credentials were tried out; try again later";
        return Err(Error::too_many_requests(description, wait));
    }
    if let Err(rejection) = check_visible(server, &permit, trial.credential).await {
        let reason = rejection.into_reason()?;
        return Ok(TrialResult {
            verification: Verification::Refused {
                error: forward_auth::inactive(),
                reason: Some(reason.clone()),
            },
            introspection: Introspection::Inactive {
                resource_server: None,
                reason,
            },
        });
    }
    Ok(TrialResult {
        verification: verify(server, &permit, trial).await?,
        introspection: introspect(server, &permit, trial).await?,
    })
}

async fn verify(
    server: &AuthorizationServer,
    permit: &Permit<TokensRead>,
    trial: &Trial<'_>,
) -> Result<Verification, Error> {
    let certificate = ClientCertificate::NONE;
    let client_ip = trial.client_ip.map(ClientIp::from);
    let presentation = Presentation::tried_out(client_ip, Possession::Bearer(&certificate));
    let verified = forward_auth::verify(
        server,
        trial.credential,
        presentation,
        &trial.required,
        permit.now(),
    );
    Ok(match verified.await {
        Ok((_, identity)) => Verification::Allowed(identity),
        Err(Refusal::Inactive(rejection)) => {
            let (reason, error) = match rejection {
                Rejection::Inactive(reason) => (reason, forward_auth::inactive()),
                Rejection::Unproven(unproven) => (unproven.reason, unproven.refusal),
                Rejection::Error(error) => return Err(error),
            };
            Verification::Refused {
                error,
                reason: Some(reason),
            }
        }
        Err(Refusal::NotAllowed { error, reason, .. }) => Verification::Refused {
            error,
            reason: Some(reason),
        },
        Err(Refusal::NoAudience(error)) => Verification::Refused {
            error,
            reason: None,
        },
    })
}

async fn introspect(
    server: &AuthorizationServer,
    permit: &Permit<TokensRead>,
    trial: &Trial<'_>,
) -> Result<Introspection, Error> {
    let now = permit.now();
    let presentation = Presentation::tried_out(None, Possession::NotChecked);
    let token = match presented::resolve(server, trial.credential, presentation, now).await {
        Ok(token) => token,
        Err(rejection) => {
            return Ok(Introspection::Inactive {
                resource_server: None,
                reason: rejection.into_reason()?,
            });
        }
    };
    let own = token.audience(&server.issuer);
    let own = own.as_ref().and_then(|audience| audience.iter().next());
    let asking = trial.required.audiences.first().map(String::as_str).or(own);
    let Some(resource_server) = asking.map(str::to_owned) else {
        return Ok(Introspection::NoCaller);
    };
    let identifier = resource_server.clone();
    let found = server
        .store
        .read::<_, StoreError>(move |database| resource_server::find(database, &identifier))
        .await?;
    let caller = match found {
        Some(found) => server.cache.client(&found.client_id).await?,
        None => None,
    };
    let Some(caller) = caller else {
        return Ok(Introspection::NoCaller);
    };
    let found = introspection::find(server, &caller, trial.credential, presentation, now).await;
    Ok(match found {
        Ok((_, response)) => Introspection::Active {
            resource_server,
            response: Box::new(response),
        },
        Err(rejection) => Introspection::Inactive {
            resource_server: Some(resource_server),
            reason: rejection.into_reason()?,
        },
    })
}
