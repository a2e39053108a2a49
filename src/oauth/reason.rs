//! Reasons: why an authentication failed, or why a token, an API key or a client credential is not
//! accepted. The table of all reasons, each with its code and its English sentence.

use std::fmt;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::crypto::x509::{ChainError, ValidityError};
use crate::error::Error;
use crate::error::message::{Message, Parameter};
use crate::store::StoreError;
use crate::store::client::Client;

/// Why an authentication failed, or why a token is not active. Reasons are written to the log and
/// the audit, and are never part of a response to the caller.
///
/// `Display` gives an English sentence; translations go by [`Reason::code`] and
/// [`Reason::parameters`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(Message);

impl Reason {
    /// The stable code of the reason, such as `token_revoked`.
    pub fn code(&self) -> &'static str {
        self.0.code()
    }

    /// The values that the sentence names, as a JSON object. Instants are milliseconds since the
    /// epoch.
    pub fn parameters(&self) -> Map<String, Value> {
        let parameters = self.0.parameters().iter();
        parameters
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    /// The same reason with the client named in its sentence.
    #[must_use]
    pub fn of_client(self, client_id: &str) -> Self {
        Reason(self.0.prefixed(format_args!("client {client_id}: ")))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.text())
    }
}

impl From<ValidityError> for Reason {
    fn from(error: ValidityError) -> Self {
        match error {
            ValidityError::NotBegun(at) => Reason::certificate_not_begun(at),
            ValidityError::Ended(at) => Reason::certificate_ended(at),
        }
    }
}

impl From<ChainError> for Reason {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::UnknownAuthority => Reason::certificate_unknown_authority(),
            ChainError::Expired => Reason::certificate_chain_ended(),
            ChainError::NotValidYet => Reason::certificate_chain_not_begun(),
            ChainError::WrongPurpose => Reason::certificate_wrong_purpose(),
            ChainError::Other(detail) => Reason::certificate_not_valid(&detail),
        }
    }
}

/// The outcome of a check that did not accept a token, an API key or a client credential.
#[derive(Debug)]
pub enum Rejection {
    /// The credential is not active or not valid, for this reason.
    Inactive(Reason),
    /// The token is active, but its sender did not prove that the token is its own; boxed, since it
    /// is rare.
    Unproven(Box<Unproven>),
    /// Whether it is active could not be determined, or the request itself is wrong.
    Error(Error),
}

/// Why a request does not prove possession of the key that its token is bound to.
#[derive(Debug)]
pub struct Unproven {
    /// The reason, for the owner of the client.
    pub reason: Reason,
    /// The error to answer with.
    pub refusal: Error,
}

impl Rejection {
    /// The rejection of a request without proof of possession.
    pub fn unproven(reason: Reason, refusal: Error) -> Self {
        Rejection::Unproven(Box::new(Unproven { reason, refusal }))
    }

    /// The reason why the credential was not accepted.
    ///
    /// # Errors
    /// The error of [`Rejection::Error`]: whether to accept the credential is unknown.
    pub fn into_reason(self) -> Result<Reason, Error> {
        match self {
            Rejection::Inactive(reason) => Ok(reason),
            Rejection::Unproven(unproven) => Ok(unproven.reason),
            Rejection::Error(error) => Err(error),
        }
    }
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Rejection::Inactive(reason)
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Rejection::Error(error)
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        Rejection::Error(error.into())
    }
}

impl Reason {
    /// Why nothing is accepted from a client, if it is disabled or its account closed.
    pub fn refusing(client: &Client) -> Option<Self> {
        Reason::of_inactive(client, Reason::client_disabled)
    }

    /// Why no token or API key of a client is accepted, if the client is disabled or its account
    /// closed.
    pub fn refusing_owner(client: &Client) -> Option<Self> {
        Reason::of_inactive(client, Reason::owner_disabled)
    }

    fn of_inactive(client: &Client, disabled: fn() -> Self) -> Option<Self> {
        match (client.account_closed_at, client.disabled_at) {
            (Some(_), _) => Some(Reason::account_closed()),
            (None, Some(_)) => Some(disabled()),
            (None, None) => None,
        }
    }
}

macro_rules! reasons {
    ($($code:ident($($parameter:ident: $type:ty),*) = $text:literal;)*) => {
        impl Reason {
            $(
                #[doc = $text]
                pub fn $code($($parameter: $type),*) -> Self {
                    let parameters = vec![$((stringify!($parameter), $parameter.value())),*];
                    let text = format_args!($text);
                    Reason(Message::new(stringify!($code), parameters, text))
                }
            )*
        }

        /// The codes of all reasons, each with the names of its parameters.
        pub const ALL_REASONS: &[(&str, &[&str])] = &[$((stringify!($code), &[$(stringify!($parameter)),*])),*];

        /// The sentence of each reason, with the names of its parameters in braces.
        pub const REASON_TEXTS: &[(&str, &str)] = &[$((stringify!($code), $text)),*];
    };
}

// A released code never changes: audit entries keep it for a year, and operators translate it.
reasons! {
    // Client authentication.
    no_authentication() = "no client authentication in the request";
    unreadable_authorization() = "unreadable Authorization header";
    secret_without_client() = "client_secret without client_id";
    unknown_client() = "unknown client";
    client_disabled() = "the client is disabled";
    account_closed() = "the account is closed";
    wrong_method(method: &str) = "the client is registered with {method}";
    not_a_secret() = "what was presented is not a client secret, or is mistyped";
    no_such_secret(id: &str) = "it has no secret {id}";
    wrong_secret(id: &str) = "wrong secret, under the id {id}";
    secret_ended(id: &str, at: Timestamp) = "secret {id} expired at {at}";

    // Client authentication by a signed assertion (private_key_jwt).
    assertion_not_a_jwt(detail: &str) = "the assertion is not a JWT: {detail}";
    assertion_wrong_type() = "typ of the assertion is that of a JWT for something else";
    assertion_algorithm() = "the assertion is signed with an algorithm that is not accepted";
    assertion_critical_header() = "the assertion has a critical header that is not understood";
    assertion_no_keys() = "the client has no keys";
    assertion_keys_unreadable(detail: &str) = "the client's jwks: {detail}";
    assertion_keys_unreachable(detail: &str) = "{detail}";
    assertion_no_usable_key(detail: &str) = "none of the client's keys can verify an assertion: {detail}";
    assertion_no_fitting_key() = "the client has no key that matches the assertion";
    assertion_wrong_signature() = "the signature of the assertion is not by the client's key";
    assertion_unreadable(detail: &str) = "the assertion: {detail}";
    assertion_wrong_client() = "iss and sub of the assertion are not the client's id";
    assertion_wrong_audience(aud: &str) = "aud of the assertion is {aud}, and not the issuer alone";
    assertion_for_token_endpoint() = "aud of the assertion is the token endpoint, and not the issuer: let the client name the issuer (Spring Security: the parameters converter's JWT client assertion customizer), or turn assertion_for_token_endpoint on";
    assertion_ended(seconds: i64) = "the assertion expired {seconds} s ago";
    assertion_too_long(seconds: i64, most: i64) = "the assertion expires in {seconds} s, and {most} s is the maximum";
    assertion_not_begun(seconds: i64) = "the assertion is not valid before {seconds} s from now";
    assertion_used() = "the assertion has been used before";

    // Security profiles.
    profile_secret(profile: &str) = "the security profile {profile} does not allow a client secret";
    profile_api_key(profile: &str) = "the security profile {profile} does not allow API keys";
    profile_workload(profile: &str) = "the security profile {profile} does not allow a JWT of another issuer in place of the client's own key";
    profile_algorithm(profile: &str, algorithm: &str) = "the security profile {profile} does not allow an assertion signed with {algorithm}";
    profile_audience(profile: &str, aud: &str) = "aud of the assertion is {aud}, and the security profile {profile} requires the issuer as a string";
    profile_unbound(profile: &str) = "the security profile {profile} requires a token that is bound to a key, and the request has neither a DPoP proof nor a client certificate";
    // Client certificates (mutual TLS), at the token endpoint and with an access token.
    certificate_missing() = "no client certificate in the request";
    certificate_unreadable(detail: &str) = "the client certificate cannot be read: {detail}";
    certificate_ended(at: Timestamp) = "the client certificate expired at {at}";
    certificate_not_begun(at: Timestamp) = "the client certificate is not valid before {at}";
    certificate_no_authorities() = "no certificate authorities are configured for client certificates (tls_client_ca)";
    certificate_of_authority() = "the client certificate is one of a certificate authority";
    certificate_unknown_authority() = "the client certificate does not chain to a configured certificate authority";
    certificate_chain_ended() = "a certificate above the client certificate has expired";
    certificate_chain_not_begun() = "a certificate above the client certificate is not valid yet";
    certificate_wrong_purpose() = "the client certificate is not for client authentication (key usage or extended key usage)";
    certificate_not_valid(detail: &str) = "the client certificate is not valid: {detail}";
    certificate_no_name() = "the client is registered without a name of its certificate";
    certificate_wrong_name(kind: &str, name: &str) = "the client certificate does not have the registered name, {kind} {name}";
    certificate_not_registered(thumbprint: &str) = "the client certificate with the SHA-256 thumbprint {thumbprint} is not registered in the client's keys (x5c)";
    certificate_with_proof() = "sent a DPoP proof, although the client is registered for certificate-bound tokens";
    token_without_certificate() = "presented without a client certificate, although it is bound to one";
    token_wrong_certificate() = "presented with another client certificate than the one that it is bound to";

    // Workload identity: a JWT of another issuer, and the trust rules for it.
    trust_own_issuer() = "a token that Keyward issued is not accepted as an assertion";
    trust_token_type(typ: &str) = "a JWT of the type {typ} is not accepted as an assertion";
    trust_no_issuer() = "the JWT has no iss, and no SPIFFE ID as its sub";
    trust_issuer_unknown(issuer: &str) = "there is no trust rule for the issuer {issuer}";
    trust_no_rule_matches(issuer: &str) = "none of the trust rules for the issuer {issuer} matches";
    trust_rule_ambiguous() = "trust rules of several clients match; the request must name one of them as client_id";
    trust_condition_unmet(rule: &str, condition: &str) = "trust rule {rule}: the JWT or certificate does not meet the condition {condition}";
    trust_rule_disabled(rule: &str) = "trust rule {rule} is disabled";
    trust_rule_ended(rule: &str, at: Timestamp) = "trust rule {rule} expired at {at}";
    trust_wrong_audience(rule: &str, expected: &str, aud: &str) = "trust rule {rule}: aud of the JWT is {aud}, and not {expected} alone";
    trust_token_ended(rule: &str, seconds: i64) = "trust rule {rule}: the JWT expired {seconds} s ago";
    trust_token_too_long(rule: &str, seconds: i64, most: i64) = "trust rule {rule}: the JWT expires in {seconds} s, and {most} s is the maximum";
    trust_token_not_begun(rule: &str, seconds: i64) = "trust rule {rule}: the JWT is not valid before {seconds} s from now";
    trust_keys_unreachable(rule: &str, detail: &str) = "trust rule {rule}: the issuer's keys cannot be fetched: {detail}";
    trust_keys_unusable(rule: &str, detail: &str) = "trust rule {rule}: none of the issuer's keys can verify the JWT: {detail}";
    trust_no_fitting_key(rule: &str) = "trust rule {rule}: the issuer has no key that matches the JWT";
    trust_wrong_signature(rule: &str) = "trust rule {rule}: the signature of the JWT is not by the issuer's key";
    trust_token_used(rule: &str) = "trust rule {rule}: the JWT has been used before, and the rule accepts each only once";
    svid_uri_names(count: usize) = "the client certificate has {count} URIs among its subject alternative names, and an X.509-SVID has exactly one";
    svid_not_a_spiffe_id(uri: &str, detail: &str) = "the URI {uri} of the client certificate is not a SPIFFE ID: {detail}";
    svid_key_usage(detail: &str) = "the key usage of the client certificate is not that of an X.509-SVID: {detail}";
    svid_wrong_client_id(given: &str, expected: &str) = "client_id is {given}, and the SPIFFE ID of the client certificate is {expected}";
    svid_no_rule(domain: &str) = "there is no trust rule for X.509-SVIDs of {domain}";
    svid_no_authorities(rule: &str, detail: &str) = "trust rule {rule}: the trust bundle has no certificate authority for X.509-SVIDs: {detail}";
    svid_unknown_authority(rule: &str) = "trust rule {rule}: the client certificate does not chain to the trust bundle";
    id_jag_claim_missing(claim: &str) = "the ID-JAG has no {claim}";
    id_jag_claim_unsupported(claim: &str) = "the claim {claim} of the ID-JAG is not supported";
    id_jag_wrong_client(rule: &str, client: &str) = "trust rule {rule}: client_id of the ID-JAG is {client}, and not the client of the rule";
    id_jag_wrong_key() = "the ID-JAG is bound to a key, and the request does not prove possession of it";

    // Dynamic client registration.
    no_initial_token() = "no initial access token";
    unknown_initial_token() = "unknown initial access token";
    wrong_initial_token() = "wrong initial access token";
    initial_token_ended() = "the initial access token has expired";
    initial_token_used_up() = "the initial access token has no uses left";
    no_registration_token() = "no registration access token";
    wrong_registration_token() = "wrong registration access token";
    not_registered_by_itself() = "unknown client, or one that did not register itself";

    // Access tokens.
    token_too_long() = "too long for a token";
    not_a_token() = "not a JWT";
    token_header_unreadable() = "unreadable header";
    token_wrong_type() = "not of the type at+jwt or JWT";
    token_critical_header() = "a critical header that is not understood";
    token_unknown_key() = "signed by an unknown key";
    token_signing_key_retired() = "its signing key is retired";
    token_wrong_algorithm() = "the algorithm is not that of its key";
    token_signature_unreadable() = "unreadable signature";
    token_wrong_signature() = "wrong signature";
    token_claims_unreadable() = "unreadable claims";
    token_of_another_issuer() = "issued by another issuer";
    token_ended() = "expired";
    token_ended_by_later_clock() =
        "expired by the last instant that a node recorded; the clock of this machine is more than a day behind it";
    token_revoked() = "revoked";
    all_tokens_revoked() = "all of the client's tokens were revoked";
    token_api_key_ended() = "the API key that it was exchanged for has expired or was revoked";
    token_without_record() = "there is no record of a token with this jti";
    token_without_proof() = "presented as a Bearer token, although it is bound to a key";
    token_not_bound() = "presented with a DPoP proof, although it is not bound to a key";

    // DPoP proofs, at the token endpoint and with an access token.
    dpop_missing() = "no DPoP proof in the request";
    dpop_header() = "the header DPoP is given more than once, or is not text";
    dpop_not_a_jwt(detail: &str) = "the DPoP proof is not a JWT: {detail}";
    dpop_wrong_type() = "typ of the DPoP proof is not dpop+jwt";
    dpop_algorithm() = "the DPoP proof is signed with an algorithm that is not accepted";
    dpop_critical_header() = "the DPoP proof has a critical header that is not understood";
    dpop_unusable_key(detail: &str) = "jwk of the DPoP proof: {detail}";
    dpop_wrong_signature() = "the signature of the DPoP proof is not by its key";
    dpop_unreadable(detail: &str) = "the DPoP proof: {detail}";
    dpop_wrong_method(given: &str, expected: &str) = "htm of the DPoP proof is {given}, and the method is {expected}";
    dpop_wrong_url(given: &str, expected: &str) = "htu of the DPoP proof is {given}, and the URL is {expected}";
    dpop_unknown_request(missing: &str) = "the DPoP proof cannot be checked, because the proxy does not say which request it is for: {missing}";
    dpop_wrong_time(seconds: i64) = "iat of the DPoP proof is {seconds} s behind the time of the server";
    dpop_wrong_access_token() = "ath of the DPoP proof is not the hash of the access token";
    dpop_wrong_key() = "the DPoP proof is by another key than the one that the token is bound to";
    dpop_nonce() = "the DPoP proof has no valid nonce";
    dpop_used() = "the DPoP proof has been used before";

    // API keys.
    not_a_key() = "not an API key, or mistyped";
    no_such_key() = "no such API key";
    key_revoked(name: &str) = "the API key {name} was revoked";
    wrong_key() = "wrong API key";
    key_ended() = "expired";
    address_not_allowed() = "presented from an IP address that is not allowed";

    // Token requests of an authenticated client that asks for more than it is allowed.
    scope_malformed() = "asked for a scope that is not well-formed";
    scope_not_allowed(scope: &str) = "asked for the scope {scope}, which the client is not allowed";
    resource_not_allowed(resource: &str) = "asked for the resource server {resource}, which the client is not allowed";
    key_scope_not_allowed(scope: &str) = "asked for the scope {scope}, which the client is allowed, but not its API key";
    key_resource_not_allowed(resource: &str) = "asked for the resource server {resource}, which the client is allowed, but not its API key";
    grant_type_not_allowed(grant_type: &str) = "asked for the grant type {grant_type}, which the client is not allowed";

    // Requests to a resource server with an active token or API key.
    insufficient_scope(scope: &str) = "the request needed the scope {scope}";
    wrong_resource_server(resource: &str) = "presented to {resource}, which is not in its audience";

    // Portal users.
    wrong_password() = "wrong e-mail address or password";
    wrong_current_password() = "wrong current password";
    wrong_second_factor() = "wrong second-factor code";
    second_factor_locked() = "the second factor is locked after too many wrong codes";

    // Failures by unknown callers, summed up.
    failures_left_out(count: i64) = "{count} more failures by unknown callers were not recorded";

    // Tokens and API keys.
    owner_deleted() = "its client is deleted";
    owner_disabled() = "its client is disabled";
    not_for_caller() = "not intended for the caller";
}
