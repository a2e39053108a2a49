//! The table of all operations of the HTTP API. Both the routes and `/openapi.json` are made from it,
//! so what is not listed here can be neither called nor read about.

use super::management::{
    Changed, Created, Page, Paging, Rotation, account_invitations, accounts, announcements, audit,
    clients, keys, mails, registration_tokens, resources, secrets, signing_keys, status, tokens,
    traffic, trust_rules, unused_credentials, usage, users, webhooks,
};
use super::oauth::SIGNED_INTROSPECTION;
use super::operation::Operation as Op;
use super::{api_keys, documents, health, metrics, oauth, schemas, verify, well_known};
use crate::manage::account::{Account, AccountDetails};
use crate::manage::account_invitation::AccountInvitationView;
use crate::manage::announcement::Announcement;
use crate::manage::api_key::ApiKeyView;
use crate::manage::client::ClientView;
use crate::manage::mail::MailView;
use crate::manage::registration_token::RegistrationTokenView;
use crate::manage::resource_server::ResourceServerView;
use crate::manage::rights::Right;
use crate::manage::secret::SecretView;
use crate::manage::signing_key::SigningKeyView;
use crate::manage::status::Status;
use crate::manage::token::{Inspection, TokenView};
use crate::manage::traffic::Traffic;
use crate::manage::trust_rule::{TrustRuleView, TrustTest};
use crate::manage::unused_credential::UnusedCredential;
use crate::manage::usage::Usage;
use crate::manage::user::UserView;
use crate::manage::webhook::{DeliveryView, WebhookView};
use crate::oauth::introspection::Introspection;
use crate::oauth::issuance::TokenResponse;
use crate::oauth::server_metadata::ServerMetadata;
use crate::oauth::usage::TimedRoute;
use crate::store::audit::AuditEntry;

/// All operations, in the order of `/openapi.json`.
pub fn operations() -> Vec<Op> {
    let groups = [
        oauth_endpoints(),
        registration_endpoints(),
        own_api_keys(),
        management_of_accounts_and_users(),
        management_of_clients(),
        management_of_credentials(),
        management_of_trust_rules(),
        management_of_webhooks(),
        management_of_mail(),
        management_of_resource_servers(),
        management_of_signing_keys(),
        management_of_tokens(),
        public_endpoints(),
    ];
    groups.into_iter().flatten().collect()
}

fn oauth_endpoints() -> Vec<Op> {
    vec![
        Op::post(
            "/oauth/token",
            "getToken",
            "Get an access token",
            oauth::token,
        )
        .form::<schemas::TokenRequest>()
        .returns::<TokenResponse>(200, "The access token")
        .note("A DPoP proof in the header DPoP binds the token to its key (RFC 9449).")
        .by_client()
        .timed(TimedRoute::Token),
        Op::post(
            "/oauth/introspect",
            "introspect",
            "Introspect an access token or an API key",
            oauth::introspect,
        )
        .form::<schemas::TokenForm>()
        .returns::<Introspection>(200, "Whether it is active, and its metadata")
        .returns_as::<String>(
            200,
            "The same as the claim `token_introspection` of a signed JWT (RFC 9701)",
            SIGNED_INTROSPECTION,
        )
        .note(
            "With `Accept: application/token-introspection+jwt` the response is a signed JWT \
             (RFC 9701), of which `token_introspection` is the JSON response.",
        )
        .by_client()
        .errors(&[403])
        .timed(TimedRoute::Introspection),
        Op::post(
            "/oauth/revoke",
            "revoke",
            "Revoke an access token or an API key",
            oauth::revoke,
        )
        .form::<schemas::TokenForm>()
        .returns_empty(200, "Revoked, or was not active")
        .by_client(),
        Op::get(
            "/oauth/authorize",
            "authorize",
            "Authorization endpoint; no response type is supported",
            oauth::authorize,
        )
        .oauth_errors(&[400]),
        Op::post(
            "/oauth/authorize",
            "authorizeByPost",
            "Authorization endpoint; no response type is supported",
            oauth::authorize,
        )
        .oauth_errors(&[400]),
    ]
}

fn registration_endpoints() -> Vec<Op> {
    vec![
        Op::post(
            "/oauth/register",
            "register",
            "Register a client",
            oauth::register,
        )
        .json::<schemas::ClientMetadata>()
        .returns::<schemas::ClientInformation>(
            201,
            "The client; its secret is shown in this response only",
        )
        .by_registration_token()
        .errors(&[403]),
        Op::get(
            "/oauth/register/{client_id}",
            "readRegistration",
            "Read a registration",
            oauth::read_registration,
        )
        .returns::<schemas::ClientInformation>(200, "The client")
        .by_registration_token(),
        Op::put(
            "/oauth/register/{client_id}",
            "updateRegistration",
            "Replace a registration",
            oauth::update_registration,
        )
        .json::<schemas::ClientMetadata>()
        .returns::<schemas::ClientInformation>(200, "The client")
        .by_registration_token(),
        Op::delete(
            "/oauth/register/{client_id}",
            "deleteRegistration",
            "Delete a client that registered itself",
            oauth::delete_registration,
        )
        .returns_empty(204, "Deleted")
        .by_registration_token(),
    ]
}

fn own_api_keys() -> Vec<Op> {
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

fn management_of_accounts_and_users() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/accounts",
            "listAccounts",
            "List accounts",
            accounts::list,
        )
        .query::<Paging>()
        .returns::<Page<Account>>(200, "Accounts, sorted by name")
        .requires(Right::AccountsRead),
        Op::post(
            "/api/v1/accounts",
            "createAccount",
            "Create an account",
            accounts::create,
        )
        .json::<accounts::CreateAccount>()
        .creates::<Created<Account>>()
        .requires(Right::AccountsWrite),
        Op::get(
            "/api/v1/accounts/{id}",
            "showAccount",
            "Show an account with its limits",
            accounts::show,
        )
        .returns::<AccountDetails>(200, "The account")
        .requires(Right::AccountsRead),
        Op::patch(
            "/api/v1/accounts/{id}",
            "updateAccount",
            "Change the name of an account, whether it requires two-step verification, or its maximum number of clients",
            accounts::update,
        )
        .json::<accounts::UpdateAccount>()
        .returns::<Account>(200, "The changed account")
        .requires(Right::UsersWrite)
        .errors(&[409]),
        Op::post(
            "/api/v1/accounts/{id}/close",
            "closeAccount",
            "Close an account: nothing of it is accepted until it is opened again",
            accounts::close,
        )
        .returns::<Account>(200, "The closed account")
        .requires(Right::AccountsWrite)
        .errors(&[409]),
        Op::post(
            "/api/v1/accounts/{id}/reopen",
            "reopenAccount",
            "Open a closed account again",
            accounts::reopen,
        )
        .returns::<Account>(200, "The opened account")
        .requires(Right::AccountsWrite)
        .errors(&[409]),
        Op::post(
            "/api/v1/accounts/{id}/delete",
            "deleteAccount",
            "Begin to delete a closed account with everything in it; the audit stays",
            accounts::delete,
        )
        .json::<accounts::DeleteAccount>()
        .returns::<Account>(202, "The account, which is being deleted in the background")
        .requires(Right::AccountsWrite)
        .errors(&[409]),
        Op::get("/api/v1/users", "listUsers", "List users", users::list)
            .query::<Paging>()
            .returns::<Page<UserView>>(200, "Users, sorted by e-mail address")
            .requires(Right::UsersRead),
        Op::post(
            "/api/v1/users",
            "createUser",
            "Create a user",
            users::create,
        )
        .json::<users::CreateUser>()
        .creates::<Created<UserView>>()
        .requires(Right::UsersWrite),
        Op::put(
            "/api/v1/users/{id}/password",
            "setPassword",
            "Set the password of a user",
            users::set_password,
        )
        .json::<users::SetPassword>()
        .returns::<UserView>(200, "The changed user")
        .requires(Right::UsersWrite),
        Op::patch(
            "/api/v1/users/{id}/preferences",
            "setPreferences",
            "Change the language and the time zone in which the portal is shown to a user",
            users::set_preferences,
        )
        .json::<users::SetPreferences>()
        .returns::<UserView>(200, "The changed user")
        .requires(Right::UsersWrite),
        Op::post(
            "/api/v1/users/{id}/invitation",
            "inviteUser",
            "Create a link with which a user sets a password",
            users::invite,
        )
        .returns::<users::InvitationLink>(
            201,
            "The link, shown in this response only; it replaces an earlier link",
        )
        .requires(Right::UsersWrite),
        Op::delete(
            "/api/v1/users/{id}/second-factor",
            "resetSecondFactor",
            "Reset two-step verification of a user",
            users::reset_second_factor,
        )
        .returns_empty(204, "Removed; all sessions of the user are terminated")
        .requires(Right::UsersWrite),
        Op::patch(
            "/api/v1/users/{id}",
            "updateUser",
            "Change the role of a user",
            users::update,
        )
        .json::<users::UpdateUser>()
        .returns::<UserView>(200, "The changed user")
        .requires(Right::UsersWrite)
        .errors(&[409]),
        Op::delete(
            "/api/v1/users/{id}",
            "deleteUser",
            "Remove a user from an account, and delete a user without another one",
            users::delete,
        )
        .query::<users::DeleteUser>()
        .returns_empty(204, "Removed")
        .requires(Right::UsersWrite)
        .errors(&[409]),
        Op::get(
            "/api/v1/account-invitations",
            "listAccountInvitations",
            "List the open invitations of users of other accounts",
            account_invitations::list,
        )
        .query::<Paging>()
        .returns::<Page<AccountInvitationView>>(200, "Invitations, the newest first")
        .requires(Right::UsersRead),
        Op::post(
            "/api/v1/account-invitations",
            "createAccountInvitation",
            "Create a link with which a user of another account joins an account",
            account_invitations::create,
        )
        .json::<account_invitations::CreateAccountInvitation>()
        .creates::<Created<account_invitations::AccountInvitationLink>>()
        .requires(Right::UsersWrite),
        Op::delete(
            "/api/v1/account-invitations/{id}",
            "deleteAccountInvitation",
            "Withdraw an invitation",
            account_invitations::delete,
        )
        .returns_empty(204, "Withdrawn")
        .requires(Right::UsersWrite),
        Op::get(
            "/api/v1/status",
            "showStatus",
            "Show the status of the installation",
            status::show,
        )
        .returns::<Status>(200, "Nodes, database, signing keys, background jobs, and problems")
        .requires(Right::StatusRead),
        Op::get(
            "/api/v1/announcements",
            "listAnnouncements",
            "List announcements",
            announcements::list,
        )
        .query::<Paging>()
        .returns::<Page<Announcement>>(200, "The announcements, those that end first at the top")
        .requires(Right::AnnouncementsRead),
        Op::post(
            "/api/v1/announcements",
            "createAnnouncement",
            "Create an announcement, which the portal shows to its users",
            announcements::create,
        )
        .json::<announcements::CreateAnnouncement>()
        .creates::<Created<Announcement>>()
        .requires(Right::AnnouncementsWrite),
        Op::get(
            "/api/v1/announcements/{id}",
            "showAnnouncement",
            "Show an announcement",
            announcements::show,
        )
        .returns::<Announcement>(200, "The announcement")
        .requires(Right::AnnouncementsRead),
        Op::patch(
            "/api/v1/announcements/{id}",
            "updateAnnouncement",
            "Update an announcement",
            announcements::update,
        )
        .json::<announcements::UpdateAnnouncement>()
        .returns::<Announcement>(200, "The changed announcement")
        .requires(Right::AnnouncementsWrite)
        .errors(&[409]),
        Op::delete(
            "/api/v1/announcements/{id}",
            "deleteAnnouncement",
            "Delete an announcement",
            announcements::delete,
        )
        .returns_empty(204, "Deleted")
        .requires(Right::AnnouncementsWrite),
        Op::get(
            "/api/v1/audit",
            "listAudit",
            "List audit entries",
            audit::list,
        )
        .query::<audit::ListAuditQuery>()
        .returns::<Page<AuditEntry>>(200, "Audit entries, newest first")
        .note(
            "With several conditions, a page may have fewer items than limit, or none, and a next_cursor \
             all the same: read on until it is null.",
        )
        .requires(Right::AuditRead),
        Op::get(
            "/api/v1/audit/export",
            "exportAudit",
            "Export audit entries as CSV or JSON Lines",
            audit::export,
        )
        .query::<audit::ExportAuditQuery>()
        .returns_as::<String>(
            200,
            "Audit entries, newest first, as a stream: all members of listAudit's items, in the same order",
            "text/csv",
        )
        .returns_as::<AuditEntry>(
            200,
            "Audit entries, newest first, as a stream: an object on each line",
            "application/jsonl",
        )
        .note(
            "If the connection ends without the last chunk, the export is incomplete.",
        )
        .requires(Right::AuditRead),
    ]
}

fn management_of_clients() -> Vec<Op> {
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

fn management_of_credentials() -> Vec<Op> {
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

fn management_of_trust_rules() -> Vec<Op> {
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

fn management_of_webhooks() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/webhooks",
            "listWebhooks",
            "List webhooks",
            webhooks::list,
        )
        .query::<Paging>()
        .returns::<Page<WebhookView>>(200, "The webhooks, the oldest first")
        .requires(Right::WebhooksRead),
        Op::post(
            "/api/v1/webhooks",
            "createWebhook",
            "Create a webhook: a URL that gets the events of an account",
            webhooks::create,
        )
        .json::<webhooks::CreateWebhook>()
        .creates::<Created<WebhookView>>()
        .requires(Right::WebhooksWrite),
        Op::get(
            "/api/v1/webhooks/{id}",
            "showWebhook",
            "Show a webhook",
            webhooks::show,
        )
        .returns::<WebhookView>(200, "The webhook, without its secret")
        .requires(Right::WebhooksRead),
        Op::patch(
            "/api/v1/webhooks/{id}",
            "updateWebhook",
            "Change, disable or enable a webhook",
            webhooks::update,
        )
        .json::<webhooks::UpdateWebhook>()
        .returns::<WebhookView>(200, "The changed webhook")
        .requires(Right::WebhooksWrite),
        Op::delete(
            "/api/v1/webhooks/{id}",
            "deleteWebhook",
            "Delete a webhook",
            webhooks::delete,
        )
        .returns_empty(204, "Deleted")
        .requires(Right::WebhooksWrite),
        Op::post(
            "/api/v1/webhooks/{id}/rotate-secret",
            "rotateWebhookSecret",
            "Replace the secret that signs the deliveries of a webhook",
            webhooks::rotate_secret,
        )
        .json::<Rotation>()
        .returns::<Created<WebhookView>>(
            201,
            "The webhook with its new secret; the old one signs too until the grace period ends",
        )
        .requires(Right::WebhooksWrite)
        .errors(&[409]),
        Op::post(
            "/api/v1/webhooks/{id}/test",
            "testWebhook",
            "Send the event webhook.test to a webhook",
            webhooks::test,
        )
        .returns::<DeliveryView>(201, "The delivery, which is sent now")
        .requires(Right::WebhooksWrite)
        .errors(&[409]),
        Op::get(
            "/api/v1/webhooks/{id}/deliveries",
            "listDeliveries",
            "List the deliveries of a webhook",
            webhooks::deliveries,
        )
        .query::<Paging>()
        .returns::<Page<DeliveryView>>(200, "The deliveries, the newest first")
        .requires(Right::WebhooksRead),
        Op::post(
            "/api/v1/webhooks/{id}/deliveries/{delivery_id}/resend",
            "resendDelivery",
            "Send the event of a delivery again",
            webhooks::resend,
        )
        .returns::<DeliveryView>(201, "The new delivery, which is sent now")
        .requires(Right::WebhooksWrite)
        .errors(&[409]),
    ]
}

fn management_of_mail() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/mails",
            "listMails",
            "List the e-mail that was sent and is to be sent, without its text",
            mails::list,
        )
        .query::<Paging>()
        .returns::<Page<MailView>>(200, "The messages, the newest first")
        .requires(Right::StatusRead),
        Op::post(
            "/api/v1/mails/test",
            "testMail",
            "Send a test message",
            mails::test,
        )
        .json::<mails::TestMail>()
        .returns::<MailView>(201, "The message, which is sent now")
        .requires(Right::AccountsWrite)
        .errors(&[409]),
    ]
}

fn management_of_resource_servers() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/resource-servers",
            "listResourceServers",
            "List resource servers",
            resources::list,
        )
        .query::<Paging>()
        .returns::<Page<ResourceServerView>>(200, "Resource servers, sorted by identifier")
        .requires(Right::ResourcesRead),
        Op::post(
            "/api/v1/resource-servers",
            "createResourceServer",
            "Create a resource server",
            resources::create,
        )
        .json::<resources::CreateResourceServer>()
        .creates::<Created<ResourceServerView>>()
        .requires(Right::ResourcesWrite),
        Op::patch(
            "/api/v1/resource-servers",
            "updateResourceServer",
            "Change the typ or the signature algorithm of tokens for a resource server",
            resources::update,
        )
        .query::<resources::ResourceServerQuery>()
        .json::<resources::UpdateResourceServer>()
        .returns::<ResourceServerView>(200, "The changed resource server")
        .requires(Right::ResourcesWrite),
        Op::delete(
            "/api/v1/resource-servers",
            "deleteResourceServer",
            "Delete a resource server and its client",
            resources::delete,
        )
        .query::<resources::ResourceServerQuery>()
        .returns_empty(204, "Deleted")
        .requires(Right::ResourcesWrite)
        .errors(&[409]),
    ]
}

fn management_of_signing_keys() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/signing-keys",
            "listSigningKeys",
            "List signing keys",
            signing_keys::list,
        )
        .query::<Paging>()
        .returns::<Page<SigningKeyView>>(200, "The signing keys, with their states")
        .requires(Right::SigningKeysRead),
        Op::post(
            "/api/v1/signing-keys/rotate",
            "rotateSigningKey",
            "Create a signing key that replaces the present one of its algorithm",
            signing_keys::rotate,
        )
        .query::<signing_keys::RotateSigningKey>()
        .returns::<SigningKeyView>(
            201,
            "The new key; it is published now, and signs once all caches can have it",
        )
        .requires(Right::SigningKeysWrite),
        Op::post(
            "/api/v1/signing-keys/import",
            "importSigningKey",
            "Import a private key as a signing key",
            signing_keys::import,
        )
        .json::<signing_keys::ImportSigningKey>()
        .returns::<SigningKeyView>(
            201,
            "The imported key; it is published now, and signs once all caches can have it",
        )
        .requires(Right::SigningKeysWrite)
        .note(
            "The caller must have every other right as well, including `keyward:operator`: \
             with a signing key one can sign tokens with any right.",
        )
        .errors(&[409]),
        Op::post(
            "/api/v1/signing-keys/{kid}/retire",
            "retireSigningKey",
            "Retire a signing key",
            signing_keys::retire,
        )
        .json::<signing_keys::RetireSigningKey>()
        .returns::<SigningKeyView>(
            200,
            "The key, with the times until it signs and is published",
        )
        .requires(Right::SigningKeysWrite)
        .errors(&[409]),
    ]
}

fn management_of_tokens() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/tokens",
            "listTokens",
            "List the unexpired access tokens of a client",
            tokens::list,
        )
        .query::<tokens::ListTokensQuery>()
        .returns::<Page<TokenView>>(200, "Token records, newest first")
        .requires(Right::TokensRead),
        Op::post(
            "/api/v1/tokens/inspect",
            "inspectToken",
            "Show whether an access token or an API key is active, and why not",
            tokens::inspect,
        )
        .json::<tokens::PresentedToken>()
        .returns::<Inspection>(200, "Its state and its metadata")
        .requires(Right::TokensRead),
        Op::post(
            "/api/v1/tokens/revoke",
            "revokeToken",
            "Revoke an access token or an API key",
            tokens::revoke,
        )
        .json::<tokens::PresentedToken>()
        .returns_empty(204, "Revoked")
        .requires(Right::TokensRevoke),
        Op::get(
            "/api/v1/traffic",
            "showTraffic",
            "Show usage statistics",
            traffic::overview,
        )
        .returns::<Traffic>(200, "Statistics of all nodes, delayed by a few seconds")
        .requires(Right::TokensRead),
        Op::get(
            "/api/v1/clients/{client_id}/usage",
            "showUsage",
            "Show how often and from where a client, an API key or a secret was used",
            usage::show,
        )
        .query::<usage::UsageQuery>()
        .returns::<Usage>(200, "The usage on all nodes, delayed by a few seconds")
        .returns_as::<String>(200, "The points as CSV", "text/csv")
        .requires(Right::TokensRead),
    ]
}

fn public_endpoints() -> Vec<Op> {
    vec![
        Op::get(
            "/.well-known/jwks.json",
            "publishedKeys",
            "Get the public keys that verify access tokens",
            well_known::jwks,
        )
        .returns_as::<schemas::JwkSet>(200, "A JWK Set", "application/jwk-set+json")
        .returns_empty(304, "Not modified")
        .any_origin(),
        Op::get(
            "/.well-known/oauth-authorization-server",
            "metadata",
            "Get the authorization server metadata (RFC 8414)",
            well_known::metadata,
        )
        .returns::<ServerMetadata>(200, "The metadata")
        .any_origin(),
        Op::get(
            "/.well-known/openid-configuration",
            "openidConfiguration",
            "Get the same metadata at the path of OpenID Connect Discovery",
            well_known::metadata,
        )
        .returns::<ServerMetadata>(200, "The metadata")
        .any_origin(),
        // A reverse proxy sends its subrequest with the method of the original request.
        Op::any_method(
            "/verify",
            "verify",
            "Authenticate a request for a proxy (forward authentication)",
            verify::verify,
        )
        .query::<schemas::RequiredAccess>()
        .returns_empty(
            200,
            "Allowed. X-Keyward-Client-Id, X-Keyward-Account, X-Keyward-Scope and \
             X-Keyward-Token-Id describe the credential. A scope of more than 2,048 bytes is \
             narrowed to the required scope, and X-Keyward-Scope-Truncated is true",
        )
        .note(
            "For a token that is bound by DPoP (RFC 9449), a trusted proxy forwards the header DPoP, and \
             names the request by X-Original-Method and X-Original-URL, or by X-Forwarded-Method, \
             X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-Uri.",
        )
        .errors(&[400, 401, 403, 429, 503]),
        Op::get("/healthz", "healthz", "Check liveness", health::healthz)
            .returns::<schemas::Health>(200, "Alive"),
        Op::get("/readyz", "readyz", "Check readiness", health::readyz)
            .returns::<schemas::Health>(200, "Ready to serve")
            .errors(&[503]),
        Op::get(
            "/metrics",
            "metrics",
            "Get metrics for Prometheus",
            metrics::metrics,
        )
        .returns_as::<String>(
            200,
            "Metrics in the Prometheus text format, or in OpenMetrics where Accept asks for it",
            "text/plain",
        ),
        Op::get(
            "/openapi.json",
            "openapi",
            "Get this document",
            documents::openapi,
        )
        .returns::<schemas::Document>(200, "An OpenAPI 3.1 document"),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn operations_of_one_path_declare_the_same_route_options() {
        let mut options = BTreeMap::new();
        for operation in operations() {
            let declared = *options.entry(operation.path).or_insert(operation.options);
            assert_eq!(operation.options, declared, "{}", operation.path);
        }
    }

    #[test]
    fn operation_ids_are_unique() {
        let mut ids = BTreeSet::new();
        for operation in operations() {
            assert!(ids.insert(operation.id), "{} is not unique", operation.id);
        }
    }
}
