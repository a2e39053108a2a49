//! The audit log: who did what to which object, when and from where, and each failed authentication
//! with its reason. Entries are only appended, and purged after the retention period.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::schema::audit;
use super::{Database, StoreError, Transaction, mail, webhook_delivery};
use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::credential::random_bytes;
use crate::request_context::RequestContext;

/// The actor of entries that the server writes on its own behalf, such as automatic key rotation.
const KEYWARD: &str = "Keyward";

/// The actor of entries about requests without a successful authentication.
const UNAUTHENTICATED: &str = "nobody";

/// What an audit entry reports. The text form (`client.create`) is stored in the database and is part
/// of the management API, so it never changes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[expect(missing_docs, reason = "the text form says it")]
pub enum Action {
    #[strum(serialize = "account.close")]
    AccountClose,
    #[strum(serialize = "account.create")]
    AccountCreate,
    #[strum(serialize = "account.delete")]
    AccountDelete,
    #[strum(serialize = "account.deleted")]
    AccountDeleted,
    #[strum(serialize = "account.reopen")]
    AccountReopen,
    #[strum(serialize = "account.update")]
    AccountUpdate,
    #[strum(serialize = "account_invitation.accept")]
    AccountInvitationAccept,
    #[strum(serialize = "account_invitation.create")]
    AccountInvitationCreate,
    #[strum(serialize = "account_invitation.decline")]
    AccountInvitationDecline,
    #[strum(serialize = "account_invitation.delete")]
    AccountInvitationDelete,
    #[strum(serialize = "account_invitation.refused")]
    AccountInvitationRefused,
    #[strum(serialize = "announcement.create")]
    AnnouncementCreate,
    #[strum(serialize = "announcement.delete")]
    AnnouncementDelete,
    #[strum(serialize = "announcement.dismiss")]
    AnnouncementDismiss,
    #[strum(serialize = "announcement.update")]
    AnnouncementUpdate,
    #[strum(serialize = "api_key.create")]
    ApiKeyCreate,
    #[strum(serialize = "api_key.delete")]
    ApiKeyDelete,
    #[strum(serialize = "api_key.expire_soon")]
    ApiKeyExpireSoon,
    #[strum(serialize = "api_key.revoke")]
    ApiKeyRevoke,
    #[strum(serialize = "api_key.rotate")]
    ApiKeyRotate,
    #[strum(serialize = "api_key.update")]
    ApiKeyUpdate,
    #[strum(serialize = "authentication.failure")]
    AuthenticationFailure,
    #[strum(serialize = "client.create")]
    ClientCreate,
    #[strum(serialize = "client.delete")]
    ClientDelete,
    #[strum(serialize = "client.disable")]
    ClientDisable,
    #[strum(serialize = "client.enable")]
    ClientEnable,
    #[strum(serialize = "client.renew_registration_token")]
    ClientRenewRegistrationToken,
    #[strum(serialize = "client.revoke_registration_token")]
    ClientRevokeRegistrationToken,
    #[strum(serialize = "client.update")]
    ClientUpdate,
    #[strum(serialize = "clock.reset")]
    ClockReset,
    #[strum(serialize = "database.restore")]
    DatabaseRestore,
    #[strum(serialize = "mail.test")]
    MailTest,
    #[strum(serialize = "membership.delete")]
    MembershipDelete,
    #[strum(serialize = "membership.leave")]
    MembershipLeave,
    #[strum(serialize = "registration_token.create")]
    RegistrationTokenCreate,
    #[strum(serialize = "registration_token.delete")]
    RegistrationTokenDelete,
    #[strum(serialize = "resource.create")]
    ResourceCreate,
    #[strum(serialize = "resource.update")]
    ResourceUpdate,
    #[strum(serialize = "resource.delete")]
    ResourceDelete,
    #[strum(serialize = "sealing_key.prune")]
    SealingKeyPrune,
    #[strum(serialize = "sealing_key.reset")]
    SealingKeyReset,
    #[strum(serialize = "sealing_key.rotate")]
    SealingKeyRotate,
    #[strum(serialize = "secret.create")]
    SecretCreate,
    #[strum(serialize = "secret.delete")]
    SecretDelete,
    #[strum(serialize = "secret.expire_soon")]
    SecretExpireSoon,
    #[strum(serialize = "secret.rotate")]
    SecretRotate,
    #[strum(serialize = "secret.update")]
    SecretUpdate,
    #[strum(serialize = "session.create")]
    SessionCreate,
    #[strum(serialize = "session.end")]
    SessionEnd,
    #[strum(serialize = "session.failure")]
    SessionFailure,
    #[strum(serialize = "session.switch_account")]
    SessionSwitchAccount,
    #[strum(serialize = "signing_key.create")]
    SigningKeyCreate,
    #[strum(serialize = "signing_key.import")]
    SigningKeyImport,
    #[strum(serialize = "signing_key.retire")]
    SigningKeyRetire,
    #[strum(serialize = "signing_key.rotate")]
    SigningKeyRotate,
    #[strum(serialize = "signing_key.update")]
    SigningKeyUpdate,
    #[strum(serialize = "token.issue")]
    TokenIssue,
    #[strum(serialize = "token.refused")]
    TokenRefused,
    #[strum(serialize = "token.revoke")]
    TokenRevoke,
    #[strum(serialize = "token.revoke_all")]
    TokenRevokeAll,
    #[strum(serialize = "trust_rule.create")]
    TrustRuleCreate,
    #[strum(serialize = "trust_rule.delete")]
    TrustRuleDelete,
    #[strum(serialize = "trust_rule.disable")]
    TrustRuleDisable,
    #[strum(serialize = "trust_rule.enable")]
    TrustRuleEnable,
    #[strum(serialize = "user.accept_invitation")]
    UserAcceptInvitation,
    #[strum(serialize = "user.change_password")]
    UserChangePassword,
    #[strum(serialize = "user.create")]
    UserCreate,
    #[strum(serialize = "user.delete")]
    UserDelete,
    #[strum(serialize = "user.invite")]
    UserInvite,
    #[strum(serialize = "user.remove_second_factor")]
    UserRemoveSecondFactor,
    #[strum(serialize = "user.renew_recovery_codes")]
    UserRenewRecoveryCodes,
    #[strum(serialize = "user.request_password_reset")]
    UserRequestPasswordReset,
    #[strum(serialize = "user.reset_password")]
    UserResetPassword,
    #[strum(serialize = "user.reset_second_factor")]
    UserResetSecondFactor,
    #[strum(serialize = "user.set_password")]
    UserSetPassword,
    #[strum(serialize = "user.set_preferences")]
    UserSetPreferences,
    #[strum(serialize = "user.set_role")]
    UserSetRole,
    #[strum(serialize = "user.set_second_factor")]
    UserSetSecondFactor,
    #[strum(serialize = "verification.refused")]
    VerificationRefused,
    #[strum(serialize = "webhook.create")]
    WebhookCreate,
    #[strum(serialize = "webhook.delete")]
    WebhookDelete,
    #[strum(serialize = "webhook.disable")]
    WebhookDisable,
    #[strum(serialize = "webhook.enable")]
    WebhookEnable,
    #[strum(serialize = "webhook.resend")]
    WebhookResend,
    #[strum(serialize = "webhook.rotate")]
    WebhookRotate,
    #[strum(serialize = "webhook.test")]
    WebhookTest,
    #[strum(serialize = "webhook.update")]
    WebhookUpdate,
}

impl Action {
    /// All actions, in the order of their definition.
    pub const ALL: &'static [Action] = <Action as strum::VariantArray>::VARIANTS;

    /// The text form, such as `client.create`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the action creates an object, so that a request for it may carry an `Idempotency-Key`,
    /// which is stored together with the audit entry.
    pub fn creates(self) -> bool {
        matches!(
            self,
            Action::AccountCreate
                | Action::AccountInvitationCreate
                | Action::AnnouncementCreate
                | Action::ApiKeyCreate
                | Action::ApiKeyRotate
                | Action::ClientCreate
                | Action::RegistrationTokenCreate
                | Action::ResourceCreate
                | Action::SealingKeyRotate
                | Action::SecretCreate
                | Action::SecretRotate
                | Action::SessionCreate
                | Action::SigningKeyCreate
                | Action::SigningKeyRotate
                | Action::TrustRuleCreate
                | Action::UserCreate
                | Action::WebhookCreate
                | Action::WebhookRotate
        )
    }

    /// Whether webhooks can subscribe to the action. Failures and tokens are too many: clients cause
    /// them as fast as they can send requests. What is sent to a webhook is no event for another, and
    /// a restore is written to a database that is not in use yet.
    pub fn is_event(self) -> bool {
        !matches!(
            self,
            Action::AccountInvitationRefused
                | Action::AuthenticationFailure
                | Action::DatabaseRestore
                | Action::SessionFailure
                | Action::TokenIssue
                | Action::TokenRefused
                | Action::TokenRevoke
                | Action::UserRequestPasswordReset
                | Action::VerificationRefused
                | Action::WebhookResend
                | Action::WebhookTest
        )
    }

    /// Who is told of the action by e-mail; none if nobody is.
    pub fn audience(self) -> Option<Audience> {
        match self {
            Action::ApiKeyCreate
            | Action::ApiKeyDelete
            | Action::ApiKeyExpireSoon
            | Action::ApiKeyRevoke
            | Action::ApiKeyRotate
            | Action::SecretCreate
            | Action::SecretDelete
            | Action::SecretExpireSoon
            | Action::SecretRotate => Some(Audience::Account),
            Action::SealingKeyRotate
            | Action::SigningKeyImport
            | Action::SigningKeyRetire
            | Action::SigningKeyRotate => Some(Audience::Operators),
            Action::UserAcceptInvitation
            | Action::UserChangePassword
            | Action::UserRemoveSecondFactor
            | Action::UserResetPassword
            | Action::UserResetSecondFactor
            | Action::UserSetPassword
            | Action::UserSetSecondFactor => Some(Audience::User),
            _ => None,
        }
    }
}

/// Who is told of an action by e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The administrators and developers of the account who want notices.
    Account,
    /// The operators who want notices.
    Operators,
    /// The user whom it was done to, always.
    User,
}

/// A row of the table `audit`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Serialize, schemars::JsonSchema)]
#[diesel(table_name = audit)]
pub struct AuditEntry {
    /// A UUIDv7, so that ids sort by time.
    pub id: String,
    /// When it happened.
    pub happened_at: Timestamp,
    /// The account that owns the target; absent where it belongs to the operator.
    pub account_id: Option<String>,
    /// Who did it, such as `user ada@acme.example` or `client ID`.
    pub actor: String,
    /// What was done, such as `client.create`.
    pub action: String,
    /// The id of the object that was changed.
    pub target: String,
    /// Why it failed, in English; absent for an action that succeeded.
    pub reason: Option<String>,
    /// The stable code of the reason, such as `secret_ended`.
    pub reason_code: Option<String>,
    /// The values in the reason, by name.
    #[serde(serialize_with = "as_json_object")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub reason_parameters: Option<String>,
    /// The client IP address.
    pub address: Option<String>,
    /// The request id, as in the log.
    pub request_id: Option<String>,
    /// For a failure: the client whose credential was presented or whose id was given.
    pub client_id: Option<String>,
    /// Further facts: for a token that was issued by a trust rule, the client, the rule, and the
    /// claims that its conditions were compared with.
    #[serde(serialize_with = "as_json_object")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub details: Option<String>,
}

fn as_json_object<S: Serializer>(json: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    json.as_deref()
        .and_then(|json| serde_json::from_str::<Value>(json).ok())
        .serialize(serializer)
}

/// A new entry id for this instant.
pub fn new_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes())
        .into_uuid()
        .to_string()
}

/// The smallest entry id of this instant. Ids sort by time, so a range of instants is a range of ids,
/// which every index of the table ends with.
fn first_id_of(instant: Timestamp) -> String {
    let millis = u64::try_from(instant.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10])
        .into_uuid()
        .to_string()
}

/// A filter of the audit log; an absent condition matches every entry.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// The account that owns the target.
    pub account_id: Option<String>,
    /// The id of the target.
    pub target: Option<String>,
    /// The text form of an [`Action`].
    pub action: Option<String>,
    /// The actor, in full.
    pub actor: Option<String>,
    /// The id of the request that the entry was written for.
    pub request_id: Option<String>,
    /// Only entries of this instant or later.
    pub since: Option<Timestamp>,
    /// Only entries from before this instant.
    pub until: Option<Timestamp>,
    /// Only entries older than the one with this id: the cursor of the next page.
    pub before: Option<String>,
}

/// A page of the audit log.
#[derive(Debug)]
pub struct AuditPage {
    /// The entries, newest first.
    pub entries: Vec<AuditEntry>,
    /// The cursor of the next page: [`AuditFilter::before`]. None on the last page.
    pub next: Option<String>,
}

/// The conditions of a filter that compare a column with a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conditions<'a> {
    account_id: Option<&'a str>,
    target: Option<&'a str>,
    action: Option<&'a str>,
    actor: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl<'a> Conditions<'a> {
    fn of(filter: &'a AuditFilter) -> Self {
        Conditions {
            account_id: filter.account_id.as_deref(),
            target: filter.target.as_deref(),
            action: filter.action.as_deref(),
            actor: filter.actor.as_deref(),
            request_id: filter.request_id.as_deref(),
        }
    }

    /// Those of the conditions that one index answers together, the most selective first.
    fn indexed(self) -> Self {
        let none = Conditions::default();
        let Conditions {
            account_id,
            target,
            action,
            actor,
            request_id,
        } = self;
        if request_id.is_some() {
            return Conditions { request_id, ..none };
        }
        if target.is_some() {
            return Conditions { target, ..none };
        }
        if actor.is_some() {
            // audit_by_account_and_actor, audit_by_actor
            return Conditions {
                account_id,
                actor,
                ..none
            };
        }
        // audit_by_account_and_action, audit_by_action, audit_by_account, or the primary key
        Conditions {
            account_id,
            action,
            ..none
        }
    }

    /// The conditions that are not among `others`.
    fn without(self, others: Self) -> Self {
        let unless = |other: Option<&str>, own| if other.is_some() { None } else { own };
        Conditions {
            account_id: unless(others.account_id, self.account_id),
            target: unless(others.target, self.target),
            action: unless(others.action, self.action),
            actor: unless(others.actor, self.actor),
            request_id: unless(others.request_id, self.request_id),
        }
    }
}

type Query<'a> = audit::BoxedQuery<'a, <Database as diesel::Connection>::Backend>;

/// The entries that satisfy the conditions, in the range of ids of the filter, newest first.
fn matching<'a>(conditions: Conditions<'a>, filter: &'a AuditFilter) -> Query<'a> {
    // Absent conditions are left out of the SQL: `column = $1 OR $2` would use no index.
    let mut rows = audit::table.order(audit::id.desc()).into_boxed();
    if let Some(account_id) = conditions.account_id {
        rows = rows.filter(audit::account_id.eq(account_id));
    }
    if let Some(target) = conditions.target {
        rows = rows.filter(audit::target.eq(target));
    }
    if let Some(action) = conditions.action {
        rows = rows.filter(audit::action.eq(action));
    }
    if let Some(actor) = conditions.actor {
        rows = rows.filter(audit::actor.eq(actor));
    }
    if let Some(request_id) = conditions.request_id {
        rows = rows.filter(audit::request_id.eq(request_id));
    }
    if let Some(since) = filter.since {
        rows = rows.filter(audit::id.ge(first_id_of(since)));
    }
    if let Some(until) = filter.until {
        rows = rows.filter(audit::id.lt(first_id_of(until)));
    }
    if let Some(before) = &filter.before {
        rows = rows.filter(audit::id.lt(before));
    }
    rows
}

/// The entries of `rows` that also satisfy `conditions`, which no index is to be chosen for: of a
/// condition that many entries satisfy, an index would be slower than the one of `rows`.
fn compared<'a>(mut rows: Query<'a>, conditions: Conditions<'a>) -> Query<'a> {
    if let Some(account_id) = conditions.account_id {
        rows = rows.filter(audit::account_id.concat("").eq(account_id));
    }
    if let Some(action) = conditions.action {
        rows = rows.filter(audit::action.concat("").eq(action));
    }
    if let Some(actor) = conditions.actor {
        rows = rows.filter(audit::actor.concat("").eq(actor));
    }
    if let Some(target) = conditions.target {
        rows = rows.filter(audit::target.concat("").eq(target));
    }
    rows
}

/// How many entries of an index are compared with further conditions for one page. Without a limit,
/// a filter that matches nothing would read all entries of a busy actor.
const MAX_COMPARED: i64 = 20_000;

/// A page of at most `limit` entries that match the filter, newest first. If one index does not
/// answer all conditions, at most `MAX_COMPARED` entries are compared with the others: such a page
/// may have fewer entries than `limit`, or none, and a next page all the same.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried.
pub fn list(
    database: &mut Database,
    filter: &AuditFilter,
    limit: usize,
) -> Result<AuditPage, StoreError> {
    let conditions = Conditions::of(filter);
    let indexed = conditions.indexed();
    let rest = conditions.without(indexed);
    let last_compared: Option<String> = if rest == Conditions::default() {
        None
    } else {
        matching(indexed, filter)
            .select(audit::id)
            .offset(MAX_COMPARED - 1)
            .limit(1)
            .first(database)
            .optional()?
    };
    // One more than the page has shows whether there is a next page.
    let rows = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut query = compared(matching(indexed, filter), rest).limit(rows);
    if let Some(id) = &last_compared {
        query = query.filter(audit::id.ge(id));
    }
    let mut entries: Vec<AuditEntry> = query.select(AuditEntry::as_select()).load(database)?;
    let next = if entries.len() > limit {
        entries.truncate(limit);
        entries.last().map(|entry| entry.id.clone())
    } else {
        last_compared
    };
    Ok(AuditPage { entries, next })
}

/// The newest failures of a client, newest first: failed authentications, rejected tokens and API
/// keys, and refused requests.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried.
pub fn failures(
    database: &mut Database,
    client_id: &str,
    limit: i64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let rows = audit::table
        .filter(audit::client_id.eq(client_id))
        .order(audit::id.desc())
        .limit(limit);
    Ok(rows.select(AuditEntry::as_select()).load(database)?)
}

/// Whether the log has an entry of a successful action of anybody but the server itself.
///
/// # Errors
/// [`StoreError`] if the database cannot be queried.
pub fn any_by_others(database: &mut Database) -> Result<bool, StoreError> {
    let successes = audit::table.filter(audit::reason.is_null().and(audit::actor.ne(KEYWARD)));
    Ok(successes
        .select(audit::id)
        .first::<String>(database)
        .optional()?
        .is_some())
}

/// Adds an entry to the transaction that makes the change it reports.
///
/// # Errors
/// [`StoreError`] if the row cannot be written.
pub fn insert(transaction: &mut Transaction<'_>, entry: &AuditEntry) -> Result<(), StoreError> {
    diesel::insert_into(audit::table)
        .values(entry)
        .execute(transaction.database)?;
    transaction.audited = true;
    webhook_delivery::enqueue(transaction, entry)?;
    mail::enqueue(transaction, entry)
}

/// Writes audit entries for one actor in one request: it holds what all of these entries have in
/// common.
#[derive(Clone, Debug)]
pub struct Recorder {
    actor: String,
    client_ip: Option<ClientIp>,
    request_id: Option<String>,
    now: Timestamp,
}

impl Recorder {
    /// A recorder for an authenticated actor (`user ada@acme.example`, `client ID`) in a request.
    pub fn in_request(actor: String, context: &RequestContext) -> Self {
        Recorder {
            actor,
            client_ip: Some(context.client_ip),
            request_id: Some(context.request_id.to_string()),
            now: context.received_at,
        }
    }

    /// A recorder for an actor outside of a request: the command line.
    pub fn without_request(actor: String, now: Timestamp) -> Self {
        Recorder {
            actor,
            client_ip: None,
            request_id: None,
            now,
        }
    }

    /// A recorder for what the server does on its own behalf, such as automatic key rotation.
    pub fn keyward(now: Timestamp) -> Self {
        Recorder::without_request(KEYWARD.to_owned(), now)
    }

    /// A recorder for a request without a successful authentication.
    pub fn unauthenticated(context: &RequestContext) -> Self {
        Recorder::in_request(UNAUTHENTICATED.to_owned(), context)
    }

    /// A recorder for several unauthenticated requests together.
    pub fn unauthenticated_at(now: Timestamp) -> Self {
        Recorder::without_request(UNAUTHENTICATED.to_owned(), now)
    }

    /// Who acts.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The time of the request or command.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The entry of an action that succeeded.
    pub fn entry(&self, action: Action, account_id: Option<&str>, target: &str) -> AuditEntry {
        AuditEntry {
            id: new_id(self.now),
            happened_at: self.now,
            account_id: account_id.map(str::to_owned),
            actor: self.actor.clone(),
            action: action.as_str().to_owned(),
            target: target.to_owned(),
            reason: None,
            reason_code: None,
            reason_parameters: None,
            address: self.client_ip.map(|client_ip| client_ip.to_string()),
            request_id: self.request_id.clone(),
            client_id: None,
            details: None,
        }
    }

    /// Adds an entry to the transaction that makes the change it reports.
    ///
    /// # Errors
    /// [`StoreError`] if the row cannot be written.
    pub fn record(
        &self,
        transaction: &mut Transaction<'_>,
        action: Action,
        account_id: Option<&str>,
        target: &str,
    ) -> Result<(), StoreError> {
        insert(transaction, &self.entry(action, account_id, target))
    }
}

/// Adds entries that report no change, such as failures. With a `retention` they expire after it;
/// without one they stay as long as the rest of the log.
///
/// # Errors
/// [`StoreError`] if the rows cannot be written.
pub fn insert_all(
    database: &mut Database,
    entries: &[AuditEntry],
    retention: Option<Duration>,
) -> Result<(), StoreError> {
    for entry in entries {
        let expires_at = retention.map(|retention| entry.happened_at.saturating_add(retention));
        diesel::insert_into(audit::table)
            .values((entry, audit::expires_at.eq(expires_at)))
            .execute(database)?;
    }
    Ok(())
}

/// Deletes, of the `limit` oldest entries, those from before `retained_since`, and up to `limit`
/// entries that expired before `now`. Returns the number of deleted rows.
///
/// # Errors
/// [`StoreError`] if the rows cannot be deleted.
pub fn purge(
    database: &mut Database,
    retained_since: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let old = "DELETE FROM audit WHERE happened_at < $1 AND id IN (SELECT id FROM audit ORDER BY id LIMIT $2)";
    let expired = "DELETE FROM audit WHERE id IN \
                   (SELECT id FROM audit WHERE expires_at IS NOT NULL AND expires_at < $1 ORDER BY expires_at LIMIT $2)";
    let mut deleted = 0;
    for (sql, before) in [(old, retained_since), (expired, now)] {
        deleted += diesel::sql_query(sql)
            .bind::<BigInt, _>(before)
            .bind::<BigInt, _>(limit)
            .execute(database)?;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use diesel::connection::{InstrumentationEvent, SimpleConnection};
    use diesel_migrations::MigrationHarness;
    use parking_lot::Mutex;

    use super::super::connection::MIGRATIONS;
    use super::*;
    use crate::client_certificate::ClientCertificate;
    use crate::request_context::{RequestId, UserAgent};
    use crate::trace_context::TraceContext;

    #[test]
    fn every_action_survives_the_round_trip_through_its_text_form() {
        for &action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(action), "{action:?}");
        }
        let texts: BTreeSet<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(texts.len(), Action::ALL.len(), "two actions share a text");
        assert!("client.paint".parse::<Action>().is_err());
    }

    #[test]
    fn the_text_form_names_an_object_and_a_verb() {
        let word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        for action in Action::ALL {
            let parts: Vec<&str> = action.as_str().split('.').collect();
            assert_eq!(parts.len(), 2, "{action:?}");
            assert!(parts.into_iter().all(word), "{action:?}");
        }
    }

    #[test]
    fn an_idempotency_key_is_stored_with_creations_and_rotations() {
        for &action in Action::ALL {
            let text = action.as_str();
            let expected = text.ends_with(".create") || text.ends_with(".rotate");
            assert_eq!(action.creates(), expected, "{text}");
        }
    }

    #[test]
    fn an_entry_says_who_when_and_from_where() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let context = RequestContext {
            client_ip: ClientIp::Unknown,
            client_certificate: ClientCertificate::NONE,
            user_agent: UserAgent::NONE,
            received_at: now,
            request_id: RequestId::new(now, &[0; 10]),
            trace: TraceContext::new(None, 5, 9),
        };
        let entry = Recorder::in_request("client c1".to_owned(), &context).entry(
            Action::ClientUpdate,
            Some("a1"),
            "c1",
        );
        assert_eq!(
            (entry.actor.as_str(), entry.action.as_str()),
            ("client c1", "client.update")
        );
        assert_eq!(
            (entry.happened_at, entry.request_id.as_deref()),
            (now, Some(context.request_id.to_string().as_str()))
        );
        assert_eq!(entry.account_id.as_deref(), Some("a1"));
        let own = Recorder::keyward(now).entry(Action::SigningKeyRotate, None, "k1");
        assert_eq!(own.actor, "Keyward");
        assert_eq!((own.address, own.request_id), (None, None));
    }

    #[test]
    fn a_range_of_instants_is_a_range_of_ids() {
        let second = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        for entry_at in [second(0), second(1)] {
            let id = new_id(entry_at);
            assert!(first_id_of(entry_at) <= id);
            assert!(id < first_id_of(entry_at.saturating_add(Duration::from_millis(1))));
        }
        assert!(first_id_of(Timestamp::EPOCH) < new_id(second(0)));
    }

    /// Each combination of conditions.
    fn every_filter() -> Vec<AuditFilter> {
        let when = |bits: u32, bit: u32, text: &str| (bits & bit != 0).then(|| text.to_owned());
        let instant = |bits: u32, bit: u32, seconds: i64| {
            (bits & bit != 0).then(|| Timestamp::from_seconds(1_800_000_000 + seconds))
        };
        let filter = |bits| AuditFilter {
            account_id: when(bits, 1, "account 7"),
            target: when(bits, 2, "target 7"),
            action: when(bits, 4, "action 7"),
            actor: when(bits, 8, "actor 7"),
            request_id: when(bits, 16, "request 7"),
            since: instant(bits, 32, 0),
            until: instant(bits, 64, 15_000),
            before: when(bits, 128, &new_id(Timestamp::from_seconds(1_800_012_000))),
        };
        (0..256).map(filter).collect()
    }

    /// The index that answers the conditions of the filter, or the most selective of them.
    fn index_of(filter: &AuditFilter) -> &'static str {
        let AuditFilter {
            account_id,
            target,
            action,
            actor,
            request_id,
            ..
        } = filter;
        match (account_id, target, action, actor, request_id) {
            (.., Some(_)) => "audit_by_request",
            (_, Some(_), ..) => "audit_by_target",
            (Some(_), _, _, Some(_), _) => "audit_by_account_and_actor",
            (None, _, _, Some(_), _) => "audit_by_actor",
            (Some(_), _, Some(_), None, _) => "audit_by_account_and_action",
            (None, _, Some(_), None, _) => "audit_by_action",
            (Some(_), _, None, None, _) => "audit_by_account",
            (None, None, None, None, None) => "",
        }
    }

    /// 20 000 entries, one each second, with 200 accounts, targets, actions, actors and so on.
    fn fill(database: &mut Database) {
        let numbers =
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999)";
        let now = Timestamp::from_seconds(1_800_000_000);
        let prefix = &first_id_of(now)[..4];
        database
            .batch_execute(&format!(
                "INSERT INTO audit (id, happened_at, account_id, actor, action, target, request_id) \
                 {numbers} SELECT '{prefix}' || CAST(1000 + i % 7 AS TEXT) || '-' || CAST(100000 + i AS TEXT), i, \
                 'account ' || CAST(i % 200 AS TEXT), 'actor ' || CAST(i % 199 AS TEXT), \
                 'action ' || CAST(i % 197 AS TEXT), 'target ' || CAST(i % 193 AS TEXT), \
                 'request ' || CAST(i AS TEXT) FROM n; ANALYZE audit"
            ))
            .unwrap();
    }

    #[derive(QueryableByName)]
    struct SqlitePlan {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }

    #[derive(QueryableByName)]
    struct PostgresPlan {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
        line: String,
    }

    /// The plan of a query whose values are given in the form `-- binds: ["a", 1]`.
    fn plan(database: &mut Database, query: &str) -> String {
        let (sql, values) = query.split_once(" -- binds: ").unwrap();
        let values: Vec<Value> = serde_json::from_str(values).unwrap();
        let mut sql = sql.replace('`', "\"");
        for (index, value) in values.iter().enumerate().rev() {
            let literal = match value {
                Value::String(text) => format!("'{text}'"),
                other => other.to_string(),
            };
            sql = match database {
                Database::Postgres(_) => sql.replace(&format!("${}", index + 1), &literal),
                Database::Sqlite(_) => {
                    let (before, after) = sql.rsplit_once('?').unwrap();
                    format!("{before}{literal}{after}")
                }
            };
        }
        match database {
            Database::Postgres(connection) => {
                let lines = diesel::sql_query(format!("EXPLAIN {sql}"))
                    .load::<PostgresPlan>(connection)
                    .unwrap();
                let lines: Vec<String> = lines.into_iter().map(|line| line.line).collect();
                lines.join("\n")
            }
            Database::Sqlite(connection) => {
                let steps = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
                    .load::<SqlitePlan>(connection)
                    .unwrap();
                let steps: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
                steps.join("\n")
            }
        }
    }

    /// Lists with each combination of conditions, and checks the plan of each query.
    fn check_plans(database: &mut Database) {
        fill(database);
        for filter in every_filter() {
            let queries = Arc::new(Mutex::new(Vec::new()));
            let recorded = queries.clone();
            database.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    recorded.lock().push(query.to_string());
                }
            });
            list(database, &filter, 50).unwrap();
            let queries = std::mem::take(&mut *queries.lock());
            assert!((1..=2).contains(&queries.len()), "{queries:?}");
            for query in queries {
                let plan = plan(database, &query);
                let index = match (index_of(&filter), &*database) {
                    ("", Database::Postgres(_)) => "audit_pkey".to_owned(),
                    ("", Database::Sqlite(_)) => "sqlite_autoindex_audit_1".to_owned(),
                    (index, _) => index.to_owned(),
                };
                let uses = |index: &str| plan.split([' ', '\n']).any(|word| word == index);
                // For a short range of ids, Postgres may estimate that another index is as good.
                let has_range =
                    filter.since.is_some() || filter.until.is_some() || filter.before.is_some();
                let uses_index = uses(&index) || has_range && plan.contains("using audit_");
                let reads_all = ["Seq Scan", "Sort", "TEMP B-TREE"];
                assert!(
                    uses_index && !reads_all.into_iter().any(|step| plan.contains(step)),
                    "{filter:?} should use {index}\n{query}\n{plan}"
                );
            }
        }
    }

    #[test]
    fn sqlite_answers_every_filter_by_an_index() {
        let connection = SqliteConnection::establish(":memory:").unwrap();
        let mut database = Database::Sqlite(connection);
        database.run_pending_migrations(MIGRATIONS).unwrap();
        check_plans(&mut database);
    }

    #[test]
    fn postgres_answers_every_filter_by_an_index() {
        // As the tests in `tests/`: without a server there is nothing to test.
        let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
            return;
        };
        let schema = format!("audit_{}", std::process::id());
        // For a hundred entries the planner may prefer a bitmap of the index, and sort them. That is
        // no worse, but it does not show that the index has them in order.
        let mut connection = PgConnection::establish(&format!("{server}/postgres")).unwrap();
        connection
            .batch_execute(&format!(
                "CREATE SCHEMA {schema}; SET search_path = {schema}; SET enable_bitmapscan = off"
            ))
            .unwrap();
        let mut database = Database::Postgres(connection);
        database.run_pending_migrations(MIGRATIONS).unwrap();
        check_plans(&mut database);
        database
            .batch_execute(&format!("DROP SCHEMA {schema} CASCADE"))
            .unwrap();
    }
}
