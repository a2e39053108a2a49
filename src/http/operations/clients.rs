//! Clients, their credentials and their trust rules.

use super::super::api_keys;
use super::super::management::{
    Changed, Created, Page, Paging, Rotation, clients, keys, registration_tokens, secrets,
    trust_rules, unused_credentials,
};
use super::super::operation::Operation as Op;
use crate::manage::api_key::ApiKeyView;
use crate::manage::client::ClientView;
use crate::manage::registration_token::RegistrationTokenView;
use crate::manage::rights::Right;
use crate::manage::secret::SecretView;
use crate::manage::trust_rule::{TrustRuleView, TrustTest};
use crate::manage::unused_credential::UnusedCredential;

pub(super) fn own_api_keys() -> Vec<Op> {
    vec![
        Op::get(
            "/apiKeys",
            "listOwnKeys",
            "List the API keys of the client",
            api_keys::list,
        )
        .returns::<api_keys::OwnKeys>(200, "The API keys, without their secrets")
        .by_api_key(),
        Op::post(
            "/apiKeys",
            "createOwnKey",
            "Create an API key",
            api_keys::create,
        )
        .json::<api_keys::CreateOwnKey>()
        .returns::<api_keys::OwnKey>(
            201,
            "The API key; the whole key is shown in this response only",
        )
        .by_api_key()
        .errors(&[409]),
        Op::delete(
            "/apiKeys/{id}",
            "deleteOwnKey",
            "Delete an API key",
            api_keys::delete,
        )
        .returns_empty(204, "Deleted")
        .by_api_key()
        .errors(&[404, 409]),
    ]
}

pub(super) fn clients() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/clients",
            "listClients",
            "List clients",
            clients::list,
        )
        .query::<clients::ListClientsQuery>()
        .returns::<Page<ClientView>>(200, "Clients, oldest first")
        .requires(Right::ClientsRead),
        Op::post(
            "/api/v1/clients",
            "createClient",
            "Create a client",
            clients::create,
        )
        .json::<clients::CreateClient>()
        .creates::<Created<ClientView>>()
        .requires(Right::ClientsWrite),
        Op::post(
            "/api/v1/clients/disable",
            "disableClients",
            "Disable several clients, all of them or none",
            clients::disable_all,
        )
        .json::<clients::SelectedClients>()
        .returns_empty(204, "Disabled")
        .requires(Right::ClientsWrite),
        Op::post(
            "/api/v1/clients/revoke-tokens",
            "revokeTokensOfClients",
            "Revoke all tokens of several clients, all of them or none",
            clients::revoke_tokens_of_all,
        )
        .json::<clients::SelectedClients>()
        .returns_empty(204, "Revoked")
        .requires(Right::TokensRevoke),
        Op::get(
            "/api/v1/clients/{client_id}",
            "showClient",
            "Show a client",
            clients::show,
        )
        .returns::<ClientView>(200, "The client, with its ETag")
        .requires(Right::ClientsRead),
        Op::patch(
            "/api/v1/clients/{client_id}",
            "updateClient",
            "Change a client",
            clients::update,
        )
        .json::<clients::UpdateClient>()
        .returns::<Changed<ClientView>>(200, "The changed client, with its new ETag")
        .requires(Right::ClientsWrite)
        .conditional(),
        Op::delete(
            "/api/v1/clients/{client_id}",
            "deleteClient",
            "Delete a client",
            clients::delete,
        )
        .returns_empty(204, "Deleted, with its secrets, API keys and tokens")
        .requires(Right::ClientsWrite)
        .errors(&[409]),
        Op::post(
            "/api/v1/clients/{client_id}/revoke-tokens",
            "revokeTokens",
            "Revoke all tokens of a client",
            clients::revoke_tokens,
        )
        .returns_empty(204, "Revoked")
        .requires(Right::TokensRevoke),
        Op::post(
            "/api/v1/clients/{client_id}/registration-access-token",
            "renewRegistrationAccessToken",
            "Replace the registration access token of a client that registered itself",
            clients::renew_registration_token,
        )
        .returns::<clients::RegistrationAccess>(
            201,
            "The new token, shown in this response only; the previous one is revoked",
        )
        .requires(Right::ClientsWrite)
        .errors(&[409]),
        Op::delete(
            "/api/v1/clients/{client_id}/registration-access-token",
            "revokeRegistrationAccessToken",
            "Revoke the registration access token of a client that registered itself",
            clients::revoke_registration_token,
        )
        .returns_empty(204, "Revoked; the client itself is unchanged")
        .requires(Right::ClientsWrite)
        .errors(&[409]),
    ]
}

pub(super) fn credentials() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/clients/{client_id}/secrets",
            "listSecrets",
            "List the secrets of a client",
            secrets::list,
        )
        .query::<Paging>()
        .returns::<Page<SecretView>>(200, "The secrets, without their values")
        .requires(Right::KeysRead),
        Op::post(
            "/api/v1/clients/{client_id}/secrets",
            "createSecret",
            "Create a client secret",
            secrets::create,
        )
        .json::<secrets::CreateSecret>()
        .creates::<Created<SecretView>>()
        .requires(Right::KeysWrite),
        Op::post(
            "/api/v1/clients/{client_id}/secrets/rotate",
            "rotateSecrets",
            "Create a client secret that replaces all others",
            secrets::rotate,
        )
        .json::<Rotation>()
        .returns::<Created<SecretView>>(
            201,
            "The new secret; the others expire after the grace period",
        )
        .requires(Right::KeysWrite)
        .errors(&[409]),
        Op::patch(
            "/api/v1/clients/{client_id}/secrets/{id}",
            "updateSecret",
            "Update a client secret",
            secrets::update,
        )
        .json::<secrets::UpdateSecret>()
        .returns::<SecretView>(200, "The secret, without its value")
        .requires(Right::KeysWrite),
        Op::delete(
            "/api/v1/clients/{client_id}/secrets/{id}",
            "deleteSecret",
            "Delete a client secret",
            secrets::delete,
        )
        .returns_empty(204, "Deleted")
        .requires(Right::KeysWrite),
        Op::get(
            "/api/v1/clients/{client_id}/keys",
            "listKeys",
            "List the API keys of a client",
            keys::list,
        )
        .query::<Paging>()
        .returns::<Page<ApiKeyView>>(200, "The API keys, without their secrets")
        .requires(Right::KeysRead),
        Op::get(
            "/api/v1/unused-credentials",
            "listUnusedCredentials",
            "List the API keys and client secrets that were not used for 90 days",
            unused_credentials::list,
        )
        .query::<unused_credentials::ListUnusedQuery>()
        .returns::<Page<UnusedCredential>>(
            200,
            "Unused credentials, those unused for the longest time first",
        )
        .requires(Right::KeysRead),
        Op::post(
            "/api/v1/clients/{client_id}/keys",
            "createKey",
            "Create an API key",
            keys::create,
        )
        .json::<keys::CreateKey>()
        .creates::<Created<ApiKeyView>>()
        .requires(Right::KeysWrite),
        Op::patch(
            "/api/v1/clients/{client_id}/keys/{id}",
            "updateKey",
            "Update an API key",
            keys::update,
        )
        .json::<keys::UpdateKey>()
        .returns::<ApiKeyView>(200, "The API key, without its secret")
        .requires(Right::KeysWrite)
        .errors(&[409]),
        Op::post(
            "/api/v1/clients/{client_id}/keys/{id}/rotate",
            "rotateKey",
            "Create an API key that replaces another",
            keys::rotate,
        )
        .json::<Rotation>()
        .returns::<Created<ApiKeyView>>(
            201,
            "The new API key; the old one expires after the grace period",
        )
        .requires(Right::KeysWrite)
        .errors(&[409]),
        Op::delete(
            "/api/v1/clients/{client_id}/keys/{id}",
            "deleteKey",
            "Delete an API key",
            keys::delete,
        )
        .returns_empty(204, "Deleted")
        .requires(Right::KeysWrite)
        .errors(&[409]),
        Op::post(
            "/api/v1/clients/{client_id}/delete-secrets",
            "deleteSecrets",
            "Delete several secrets of a client, all of them or none",
            secrets::delete_all,
        )
        .json::<secrets::DeleteSecrets>()
        .returns_empty(204, "Deleted")
        .requires(Right::KeysWrite),
        Op::post(
            "/api/v1/clients/{client_id}/revoke-keys",
            "revokeKeys",
            "Delete several API keys of a client, all of them or none",
            keys::delete_all,
        )
        .json::<keys::RevokeKeys>()
        .returns_empty(204, "Deleted")
        .requires(Right::KeysWrite)
        .errors(&[409]),
        Op::get(
            "/api/v1/registration-tokens",
            "listRegistrationTokens",
            "List initial access tokens",
            registration_tokens::list,
        )
        .query::<Paging>()
        .returns::<Page<RegistrationTokenView>>(200, "The tokens, without their secrets")
        .requires(Right::RegistrationRead),
        Op::post(
            "/api/v1/registration-tokens",
            "createRegistrationToken",
            "Create an initial access token",
            registration_tokens::create,
        )
        .json::<registration_tokens::CreateRegistrationToken>()
        .creates::<Created<RegistrationTokenView>>()
        .requires(Right::RegistrationWrite),
        Op::delete(
            "/api/v1/registration-tokens/{id}",
            "deleteRegistrationToken",
            "Delete an initial access token",
            registration_tokens::delete,
        )
        .returns_empty(204, "Deleted")
        .requires(Right::RegistrationWrite),
    ]
}

pub(super) fn trust_rules() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/trust-rules",
            "listTrustRules",
            "List trust rules",
            trust_rules::list,
        )
        .query::<trust_rules::ListTrustRulesQuery>()
        .returns::<Page<TrustRuleView>>(200, "The trust rules, the oldest first")
        .requires(Right::TrustRulesRead),
        Op::post(
            "/api/v1/trust-rules",
            "createTrustRule",
            "Create a trust rule: workloads with a matching JWT or X.509-SVID act as the client",
            trust_rules::create,
        )
        .json::<trust_rules::CreateTrustRule>()
        .creates::<Created<TrustRuleView>>()
        .requires(Right::TrustRulesWrite),
        Op::post(
            "/api/v1/trust-rules/test",
            "testTrustRules",
            "Try a JWT or a certificate out: which trust rule accepts it, or why none does",
            trust_rules::test,
        )
        .json::<trust_rules::PresentedCredential>()
        .returns::<TrustTest>(200, "What each trust rule for its issuer says")
        .requires(Right::TrustRulesRead),
        Op::post(
            "/api/v1/trust-rules/disable-issuer",
            "disableTrustedIssuer",
            "Disable all trust rules for an issuer",
            trust_rules::disable_issuer,
        )
        .json::<trust_rules::DisableIssuer>()
        .returns::<Vec<TrustRuleView>>(200, "The trust rules for the issuer")
        .requires(Right::TrustRulesWrite),
        Op::get(
            "/api/v1/trust-rules/{id}",
            "showTrustRule",
            "Show a trust rule",
            trust_rules::show,
        )
        .returns::<TrustRuleView>(200, "The trust rule")
        .requires(Right::TrustRulesRead),
        Op::patch(
            "/api/v1/trust-rules/{id}",
            "updateTrustRule",
            "Disable or enable a trust rule",
            trust_rules::update,
        )
        .json::<trust_rules::UpdateTrustRule>()
        .returns::<TrustRuleView>(200, "The changed trust rule")
        .requires(Right::TrustRulesWrite),
        Op::delete(
            "/api/v1/trust-rules/{id}",
            "deleteTrustRule",
            "Delete a trust rule; tokens that it gave stay active",
            trust_rules::delete,
        )
        .returns_empty(204, "Deleted")
        .requires(Right::TrustRulesWrite),
    ]
}
