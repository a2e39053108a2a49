//! Refusals: errors that the portal shows in the language of the page. The table of all of them,
//! each with its kind and its English sentence, which is the public description of the error. The
//! portal's language files have each sentence as `refusal-` and the code.

use super::message::{Message, Parameter};
use super::{Code, Error};
use crate::scope::RIGHTS_PREFIX;

macro_rules! refusals {
    ($($code:ident($($parameter:ident: $type:ty),*) = $kind:ident, $text:literal;)*) => {
        $(
            #[doc = $text]
            pub fn $code($($parameter: $type),*) -> Error {
                let parameters = vec![$((stringify!($parameter), $parameter.value())),*];
                let text = format_args!($text);
                Error::refused(Code::$kind, Message::new(stringify!($code), parameters, text))
            }
        )*

        /// The codes of all refusals, each with the names of its parameters.
        pub const ALL_REFUSALS: &[(&str, &[&str])] =
            &[$((stringify!($code), &[$(stringify!($parameter)),*])),*];
    };
}

refusals! {
    // Any object.
    not_found(kind: &str, name: &str) = NotFound, "There is no {kind} {name}";
    client_changed() = PreconditionFailed, "The client has changed in the meantime; read it again";
    name_length(limit: usize, length: usize) = InvalidRequest, "A name must have between 1 and {limit} characters; this one has {length}";
    name_characters() = InvalidRequest, "A name must not begin or end with a space, or contain invisible characters";
    expiry_in_the_past(kind: &str) = InvalidRequest, "The expiry of a {kind} must be in the future";
    too_many_reports() = TooManyRequests, "Too many slow requests at once; wait until earlier ones finish";

    // Fields of forms in the portal.
    cross_site_form() = AccessDenied, "This form was submitted from another site";
    invalid_duration(detail: &str) = InvalidRequest, "{detail}";
    invalid_date() = InvalidRequest, "This is not a date";
    invalid_integer(name: &str) = InvalidRequest, "{name} is not a number";
    invalid_scope(detail: &str) = InvalidScope, "{detail}";

    // Rights, scopes and resource servers that cannot be granted.
    right_not_held(right: &str) = InvalidScope, "You cannot grant the right {right}, which you do not have";
    right_unknown(right: &str) = InvalidScope, "There is no right {right}; scope tokens that begin with {RIGHTS_PREFIX} are reserved for rights over Keyward";
    right_needs_management(right: &str, resource: &str) = InvalidRequest, "The right {right} has an effect only together with the resource {resource}";
    registrant_right(right: &str) = InvalidScope, "{right} is a right over Keyward, which a client that registers itself cannot have";
    registrant_management(resource: &str) = InvalidRequest, "{resource} is the management API, which a client that registers itself cannot use";
    resource_unknown(name: &str) = InvalidRequest, "There is no resource server {name}";
    resource_not_in_account(resource: &str) = InvalidRequest, "No client of the account can use {resource}; ask an operator";
    scope_not_in_account(scope: &str) = InvalidScope, "No client of the account has the scope {scope} without a resource server; ask an operator";
    scope_and_resource_not_in_account(scope: &str, resource: &str) = InvalidScope, "No client of the account has the scope {scope} for {resource}; ask an operator";
    too_many_combinations() = InvalidScope, "Too many combinations of a scope token and a resource server to check; create several clients instead";

    // Trust rules.
    trust_rules_full(limit: usize) = Conflict, "A client can have at most {limit} trust rules; delete one first";
    trust_rule_disabled_by_operator() = AccessDenied, "An operator disabled this trust rule, so only an operator can enable it";
    trust_issuer_disabled_by_operator() = AccessDenied, "An operator disabled a trust rule of the account for this issuer, so only an operator can create another one or delete it";
    trust_rule_profile(profile: &str) = InvalidRequest, "The client has the security profile {profile}, which does not allow JWTs of other issuers";
    trust_issuer(detail: &str) = InvalidRequest, "The issuer {detail}";
    trust_issuer_own() = InvalidRequest, "The issuer is Keyward itself";
    trust_domain() = InvalidRequest, "The issuer must be a trust domain, such as spiffe://acme.example, without a path";
    trust_domain_keys() = InvalidRequest, "The issuer is a SPIFFE trust domain: give its bundle (jwks), or its bundle endpoint (jwks_uri)";
    trust_keys_twice() = InvalidRequest, "Give jwks or jwks_uri, and not both";
    trust_jwks(detail: &str) = InvalidRequest, "The jwks cannot be used: {detail}";
    trust_jwks_uri(detail: &str) = InvalidRequest, "The jwks_uri {detail}";
    trust_audience(limit: usize) = InvalidRequest, "The audience must have 1 to {limit} visible ASCII characters";
    trust_id_jag_issuer() = InvalidRequest, "The issuer of ID-JAGs must be an https URL";
    trust_id_jag_audience() = InvalidRequest, "The audience of ID-JAGs is the issuer identifier of Keyward, and cannot be set";
    trust_svid_audience() = InvalidRequest, "An X.509-SVID has no audience, so the rule cannot have one";
    trust_svid_single_use() = InvalidRequest, "An X.509-SVID is presented for as long as it is valid, so it cannot be accepted only once";
    trust_svid_condition(claim: &str) = InvalidRequest, "A condition for X.509-SVIDs is on sub, which is the SPIFFE ID, and not on {claim}";
    trust_conditions(detail: &str) = InvalidRequest, "{detail}";
    trust_no_identity(detail: &str) = InvalidRequest, "Too broad: {detail}";
    trust_shared_issuer(issuer: &str, forms: &str) = InvalidRequest, "Too broad: {issuer} issues tokens to all of its customers, and the conditions do not confine the rule to one of them: add one of {forms}";
    trust_preset_value(preset: &str, flag: &str) = InvalidRequest, "The preset {preset} needs --{flag}";
    trust_preset_value_unused(preset: &str, flag: &str) = InvalidRequest, "The preset {preset} has no use for --{flag}";
    trust_preset_value_malformed(flag: &str, example: &str) = InvalidRequest, "--{flag} must be such as {example}";

    // Accounts and users.
    account_closed() = AccessDenied, "The account is closed; an operator can open it again";
    account_not_closable(name: &str) = Conflict, "The account {name} belongs to Keyward itself and cannot be closed";
    account_not_closed() = Conflict, "Only a closed account can be deleted; close it first";
    account_name_differs() = InvalidRequest, "The name is not that of the account, which confirms its deletion";
    account_being_deleted() = Conflict, "The account is being deleted; it cannot be opened again";
    account_exists(name: &str) = Conflict, "The account {name} already exists";
    user_exists(email: &str) = Conflict, "The user {email} already exists";
    user_elsewhere() = Conflict, "A user of another account has this email address; invite them to the account";
    user_of_several_accounts() = AccessDenied, "The user also belongs to another account. They can reset their password by email, if email is set up; for everything else, ask an operator";
    user_account_required() = InvalidRequest, "The user belongs to several accounts; name one";
    user_unknown() = NotFound, "The user does not exist";
    user_has_more_rights() = AccessDenied, "The user has rights that you do not have";
    email_invalid() = InvalidRequest, "This is not a valid email address";
    email_reserved() = Conflict, "This email address cannot be used; ask an operator";
    role_right_not_held(role: &str, right: &str) = AccessDenied, "The role {role} has the right {right}, which you do not have";
    operators_manage_operators() = AccessDenied, "Only an operator can manage operators";
    operator_has_no_account() = Conflict, "An operator does not belong to an account: delete the user and create another";
    own_user() = Conflict, "You cannot do this to your own user; ask another administrator";
    invited_without_password() = Conflict, "The user has not set a password yet and could not accept; an administrator of their account or an operator has to send them a new password link first";
    user_would_be_deleted() = Conflict, "This is the user's only account, so removing the user would delete them; nothing was changed, confirm again";
    user_gone() = NotFound, "The user was removed, or has left the account";
    account_invitation_accepted() = NotFound, "The user has accepted the invitation";
    account_invitation_declined() = NotFound, "The user has declined the invitation";
    account_invitation_withdrawn() = NotFound, "The invitation was withdrawn, or ended when its creator could no longer invite";
    account_invitation_replaced() = NotFound, "A newer invitation has replaced this one";
    account_invitation_expired() = NotFound, "The invitation has expired";
    account_invitation_of_other() = AccessDenied, "The invitation is for another user; sign in as the user who was invited";
    account_invitations_full(limit: usize) = Conflict, "There can be at most {limit} open invitations; withdraw one first";
    account_invitations_refused(limit: usize) = TooManyRequests, "More than {limit} addresses within an hour could not be invited; try again later";
    account_limit(limit: usize) = Conflict, "A user can belong to at most {limit} accounts";
    account_not_own() = NotFound, "You do not belong to this account";
    last_account() = Conflict, "This is your only account; an administrator or an operator can delete your user";
    last_open_account() = Conflict, "Your other accounts are closed, so you could no longer sign in; you can leave this account when another one is open";
    last_administrator() = Conflict, "You are the only administrator of this account; give somebody else this role first";
    invitation_invalid() = NotFound, "The link was used or replaced, or has expired";

    language_unknown() = InvalidRequest, "The portal does not have this language";
    time_zone_unknown(name: &str) = InvalidRequest, "There is no time zone {name}; enter a name of the IANA database, such as Europe/Paris";

    // Sign-in, passwords and the second factor.
    too_many_failures(seconds: u64) = TooManyRequests, "Too many failed attempts; try again later";
    sign_in_failed() = AccessDenied, "The email address or the password is wrong";
    session_ended() = AccessDenied, "The session has ended; sign in again";
    wrong_current_password() = InvalidRequest, "The current password is wrong";
    wrong_code() = AccessDenied, "The code is wrong, or was already used";
    second_factor_locked() = AccessDenied, "Two-step verification is locked after too many wrong codes; set a new password, or use a recovery code";
    second_factor_exists() = Conflict, "There is a second factor already";
    enrolment_expired() = InvalidRequest, "The form is out of date; start again";
    password_unchanged() = InvalidRequest, "The new password is the current one";
    password_format() = InvalidRequest, "A password has at least 10 characters, five of them different, no control characters, and at most 1024 bytes";
    password_personal() = InvalidRequest, "The password contains the e-mail address or the name of this service: it is easy to guess";
    password_common() = InvalidRequest, "The password is, or resembles, one of the most common ones: it is easy to guess";
    password_keyboard() = InvalidRequest, "Keys that are next to each other on the keyboard are easy to guess";
    password_repeated() = InvalidRequest, "A password that repeats the same characters is easy to guess";
    password_sequence() = InvalidRequest, "Sequences such as abc or 1234 are easy to guess";
    password_date() = InvalidRequest, "Dates and years are easy to guess";
    password_guessable() = InvalidRequest, "The password is easy to guess: add another word or two";

    // Clients.
    client_limit(limit: i64) = Conflict, "The account has reached its limit of {limit} clients; ask an operator";
    client_has_more_rights() = AccessDenied, "The client has rights that you do not have";
    client_disabled_by_operator() = AccessDenied, "An operator disabled this client, so only an operator can enable it";
    client_of_disabled_trust_rule() = AccessDenied, "An operator disabled a trust rule of this client, so only an operator can delete the client";
    client_of_resource_server(resource: &str) = Conflict, "The resource server {resource} introspects with this client; delete that instead";
    client_not_self_registered() = Conflict, "The client did not register itself, so it has no registration access token";
    introspection_needs_operator() = AccessDenied, "Only an operator can let a client introspect";
    introspected_resources_need_operator() = AccessDenied, "Only an operator can give other resource servers to a client that introspects";
    jwks_invalid(detail: &str) = InvalidRequest, "{detail}";
    certificate_name_invalid(detail: &str) = InvalidRequest, "{detail}";
    certificate_name_required() = InvalidRequest, "tls_client_auth needs one of tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip, tls_client_auth_san_email";
    certificate_required() = InvalidRequest, "self_signed_tls_client_auth needs the client's certificates (x5c in jwks)";
    one_binding() = InvalidRequest, "dpop_bound_access_tokens and tls_client_certificate_bound_access_tokens exclude each other";
    jwks_required() = InvalidRequest, "private_key_jwt needs the client's public keys (jwks)";

    profile_auth_method(profile: &str, method: &str) = InvalidRequest, "The security profile {profile} does not allow the authentication method {method}";

    // Client secrets and initial access tokens.
    secret_unknown() = NotFound, "The client secret does not exist";
    secret_limit(limit: usize) = Conflict, "A client can have at most {limit} active secrets; delete one first";
    secret_not_used(method: &str) = InvalidRequest, "The client authenticates by {method}, without a secret";
    uses_required() = InvalidRequest, "The number of uses must be at least one";

    // Credentials that are tried out.
    credential_required() = InvalidRequest, "Give a token or an API key";
    client_ip_invalid() = InvalidRequest, "This is not an IP address";

    // Announcements.
    announcement_length(limit: usize) = InvalidRequest, "The text has 1 to {limit} characters";
    announcement_characters() = InvalidRequest, "The text is one line of plain text, without spaces at its ends and without control or direction characters";
    announcement_time() = InvalidRequest, "A date such as 2026-11-21, or a time such as 2026-11-21T20:18:40Z, is needed";
    announcement_period() = InvalidRequest, "An announcement ends after it begins, and in the future";
    announcement_too_far(days: u64) = InvalidRequest, "An announcement begins within {days} days";
    announcement_too_long(days: u64) = InvalidRequest, "An announcement is shown for up to {days} days";
    announcement_limit(limit: i64) = Conflict, "There can be at most {limit} announcements that have not ended; delete one first";

    // API keys.
    api_key_unknown() = NotFound, "The API key does not exist";
    api_key_name_taken() = Conflict, "The client already has an API key with this name";
    api_key_limit(limit: usize) = Conflict, "Maximum number of API keys reached: a client can have at most {limit}; delete one first";
    api_key_scope(scope: &str) = InvalidScope, "The client has only the scope {scope:?}";
    api_key_ip_ranges(detail: &str) = InvalidRequest, "{detail}";
    api_key_no_scope() = InvalidRequest, "The key needs a scope";
    api_key_no_ip_ranges() = InvalidRequest, "An empty list of IP addresses would allow all of them; give null to allow all";
    api_key_resources(resources: &str) = InvalidRequest, "The client may use only the resource servers {resources:?}";
    api_key_no_resources() = InvalidRequest, "An empty list of resource servers is not the same as all of them; leave it out, or give null, for all that the client may use";
    api_key_no_resource() = InvalidRequest, "The key needs a resource server";
    api_key_resources_lost() = Conflict, "The client may no longer use any of the resource servers of this API key";
    api_key_manages_none() = AccessDenied, "This API key has no right to manage keys";
    api_key_already_rotated() = Conflict, "This API key was rotated already";
    api_key_profile(profile: &str) = InvalidRequest, "The client has the security profile {profile}, which does not allow API keys";
    secrets_not_chosen() = InvalidRequest, "Choose at least one secret";
    clients_not_chosen() = InvalidRequest, "Choose at least one client";
    clients_too_many(max: usize) = InvalidRequest, "At most {max} clients can be changed in one step";
    api_keys_not_chosen() = InvalidRequest, "Choose at least one API key";
    api_key_is_last() = Conflict, "The last API key cannot be deleted; create another one first";

    // Webhooks.
    webhooks_full(limit: usize) = Conflict, "There can be at most {limit} webhooks; delete one first";
    webhook_url(detail: &str) = InvalidRequest, "The URL cannot be used: {detail}";
    webhook_description(limit: usize) = InvalidRequest, "A description must have at most {limit} characters, none of them invisible";
    webhook_no_events() = InvalidRequest, "A webhook needs at least one event; give * for all";
    webhook_all_events() = InvalidRequest, "The event * stands for all, so there can be no other beside it";
    webhook_event(event: &str) = InvalidRequest, "There is no event {event}";
    webhook_for_operators() = AccessDenied, "Only an operator can have a webhook for all accounts";
    webhook_account_or_all() = InvalidRequest, "Give an account or all_accounts, and not both";
    webhook_disabled_by_operator() = AccessDenied, "An operator disabled this webhook, so only an operator can enable or delete it";
    webhook_is_disabled() = Conflict, "The webhook is disabled; enable it first";
    webhook_is_full(limit: i64) = Conflict, "The webhook has {limit} pending deliveries; wait until some of them were sent";
    webhook_grace() = InvalidRequest, "The old secret can stay valid for at most a week";

    // E-mail.
    mail_is_off() = Conflict, "No e-mail is sent: the setting smtp_url is not set";
    mail_is_full() = Conflict, "There are too many pending messages; wait until some of them were sent";

    // Resource servers.
    resource_server_exists(identifier: &str) = Conflict, "The resource server {identifier} already exists";
    resource_server_in_use(count: usize, identifier: &str, user: &str) = Conflict, "{count} clients can use {identifier}, among them {user}; change them first";
    identifier_invalid(detail: &str) = InvalidRequest, "{detail}";
    identifier_reserved(identifier: &str) = InvalidRequest, "{identifier} is Keyward itself: neither the issuer nor a URI at or below its management API can be a resource server";
    resource_server_right(right: &str) = InvalidScope, "{right} looks like a right over Keyward, which a resource server cannot have";
}
