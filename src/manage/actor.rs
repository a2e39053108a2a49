//! Who performs an operation, and the proof that they may: every operation takes a [`Permit`] for its
//! right, and only [`Actor::may`] makes one, so an operation without the check does not compile.

use std::marker::PhantomData;
use std::sync::Arc;

use super::idempotency::IdempotencyKey;
pub use super::rights::{
    AccountsRead, AccountsWrite, AnnouncementsRead, AnnouncementsWrite, AuditRead, ClientsRead,
    ClientsWrite, KeysRead, KeysWrite, RegistrationRead, RegistrationWrite, ResourcesRead,
    ResourcesWrite, RightType, SigningKeysRead, SigningKeysWrite, StatusRead, TokensRead,
    TokensRevoke, TrustRulesRead, TrustRulesWrite, UsersRead, UsersWrite, WebhooksRead,
    WebhooksWrite,
};
use super::rights::{Right, Rights};
use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::error::{Code, Error, refusal};
use crate::request_context::RequestContext;
use crate::scope::Scope;
use crate::store::Transaction;
use crate::store::audit::{Action, Recorder};
use crate::store::user::Role;

/// The name of a user in the audit log.
pub(super) fn user_name(email: &str) -> String {
    format!("user {email}")
}

/// The name of a client in the audit log.
pub(super) fn client_name(client_id: &str) -> String {
    format!("client {client_id}")
}

/// Who an actor is, by its name in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActorName<'a> {
    /// A user with this e-mail address.
    User(&'a str),
    /// A client with this id, by an access token.
    Client(&'a str),
    /// Whoever can write to the database.
    CommandLine,
    /// Somebody else, such as an API key, or what a later version knows.
    Other,
}

impl<'a> ActorName<'a> {
    /// Reads a name that [`Actor::name`] gave.
    pub(super) fn parse(name: &'a str) -> Self {
        match name.split_once(' ') {
            Some(("user", email)) => ActorName::User(email),
            Some(("client", id)) => ActorName::Client(id),
            _ if name == COMMAND_LINE => ActorName::CommandLine,
            _ => ActorName::Other,
        }
    }
}

const COMMAND_LINE: &str = "command line";

/// The authenticated caller of management operations, in one request: who it is, what it may do, and
/// when the request was received.
pub struct Actor {
    recorder: Recorder,
    /// The account to which all operations are limited; none for an operator.
    account: Option<String>,
    rights: Rights,
    /// The issuer to assume if no node has started on the database yet.
    assumed_issuer: Option<Issuer>,
    idempotency_key: Option<IdempotencyKey>,
}

impl Actor {
    fn new(recorder: Recorder, account: Option<String>, rights: Rights) -> Self {
        Actor {
            recorder,
            account,
            rights,
            assumed_issuer: None,
            idempotency_key: None,
        }
    }

    /// The command line, which has every right: a user who can run it can read and write the database.
    pub fn command_line(now: Timestamp) -> Self {
        Actor::new(
            Recorder::without_request(COMMAND_LINE.to_owned(), now),
            None,
            Rights::of_role(Role::Operator),
        )
    }

    /// The bearer of an access token, with the rights in its scope; limited to the account of its
    /// client unless it has [`Right::Operator`].
    pub fn bearer(name: String, account: &str, scope: &Scope, context: &RequestContext) -> Self {
        let rights = Rights::in_scope(scope);
        let account = (!rights.contains(Right::Operator)).then(|| account.to_owned());
        Actor::new(Recorder::in_request(name, context), account, rights)
    }

    /// The bearer of an API key that may manage the keys of its own client.
    pub fn key_manager(
        key_id: &str,
        account: &str,
        scope: &Scope,
        context: &RequestContext,
    ) -> Self {
        Actor::new(
            Recorder::in_request(format!("API key {key_id}"), context),
            Some(account.to_owned()),
            Rights::in_scope(scope)
                .with(Right::KeysRead)
                .with(Right::KeysWrite),
        )
    }

    /// A user who signed in to the portal, with the rights of the role.
    pub fn user(email: &str, role: Role, account: Option<&str>, context: &RequestContext) -> Self {
        let account = (role != Role::Operator).then(|| account.unwrap_or_default().to_owned());
        Actor::new(
            Recorder::in_request(user_name(email), context),
            account,
            Rights::of_role(role),
        )
    }

    /// Sets the issuer to assume if no node has started on the database yet.
    #[must_use]
    pub fn with_assumed_issuer(mut self, issuer: Issuer) -> Self {
        self.assumed_issuer = Some(issuer);
        self
    }

    /// Sets the `Idempotency-Key` of the request: of several creations with it, one is done.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: Option<IdempotencyKey>) -> Self {
        self.idempotency_key = key;
        self
    }

    /// The name in the audit log, such as `user ada@acme.example`.
    pub fn name(&self) -> &str {
        self.recorder.actor()
    }

    /// The rights of the actor.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Writes audit entries in the actor's name.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The permit for a right.
    ///
    /// # Errors
    /// `insufficient_scope` or `access_denied` if the actor does not have the right.
    pub fn may<R: RightType>(self: &Arc<Self>, _: R) -> Result<Permit<R>, Error> {
        if !self.rights.contains(R::RIGHT) {
            return Err(Error::insufficient_scope(R::RIGHT.as_str()));
        }
        if R::RIGHT.is_operator_only() && self.account.is_some() {
            return Err(Error::new(Code::AccessDenied, "Only operators can do this"));
        }
        Ok(Permit {
            actor: self.clone(),
            right: PhantomData,
        })
    }

    fn ensure_first_use(&self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        match &self.idempotency_key {
            Some(key) => key.ensure_first_use(transaction),
            None => Ok(()),
        }
    }

    fn store_result(
        &self,
        transaction: &mut Transaction<'_>,
        action: Action,
        target: &str,
    ) -> Result<(), Error> {
        match &self.idempotency_key {
            Some(key) if action.creates() => {
                key.store_result(transaction, target, self.recorder.now())
            }
            _ => Ok(()),
        }
    }

    /// Writes the audit entry of an action, in the transaction that performs it; for a creation also
    /// its result under the `Idempotency-Key`.
    pub(super) fn audit(
        &self,
        transaction: &mut Transaction<'_>,
        action: Action,
        account_id: Option<&str>,
        target: &str,
    ) -> Result<(), Error> {
        self.recorder
            .record(transaction, action, account_id, target)?;
        self.store_result(transaction, action, target)
    }
}

/// The proof that an actor has a right. It carries what operations need to know of the request: the
/// actor and the time.
pub struct Permit<R> {
    actor: Arc<Actor>,
    right: PhantomData<R>,
}

impl<R> Clone for Permit<R> {
    fn clone(&self) -> Self {
        Permit {
            actor: self.actor.clone(),
            right: PhantomData,
        }
    }
}

impl<R: RightType> Permit<R> {
    /// The account to which all operations are limited; none for an operator.
    pub fn account(&self) -> Option<&str> {
        self.actor.account.as_deref()
    }

    /// Whether the actor is an operator, who acts on all accounts.
    pub fn is_operator(&self) -> bool {
        self.actor.account.is_none()
    }

    /// The name of the actor in the audit log.
    pub fn actor(&self) -> &str {
        self.actor.name()
    }

    /// The time of the request or command: the one `now` of the operation.
    pub fn now(&self) -> Timestamp {
        self.actor.recorder.now()
    }

    /// All rights of the actor.
    pub fn rights(&self) -> Rights {
        self.actor.rights
    }

    /// Whether the actor can access objects of this account. An object of another account must be
    /// reported as not found.
    pub fn can_access(&self, account_id: &str) -> bool {
        self.account().is_none_or(|own| own == account_id)
    }

    /// The issuer to assume if no node has started on the database yet.
    pub fn assumed_issuer(&self) -> Option<&Issuer> {
        self.actor.assumed_issuer.as_ref()
    }

    /// Refuses a scope with a right that the actor does not have: nobody grants such a right to a
    /// client, or changes a client that has it.
    ///
    /// # Errors
    /// `invalid_scope` if the scope holds a right that the actor does not have, or that does not exist.
    pub fn check_grantable(&self, scope: &Scope) -> Result<(), Error> {
        for token in scope.rights() {
            let refused = match token.parse::<Right>() {
                Ok(right) if self.actor.rights.contains(right) => continue,
                Ok(_) => refusal::right_not_held(token),
                Err(_) => refusal::right_unknown(token),
            };
            return Err(refused.field("scope"));
        }
        Ok(())
    }

    /// Refuses a role with a right that the actor does not have: nobody creates, invites, changes or
    /// deletes a user who can do more than they can.
    ///
    /// # Errors
    /// `access_denied` if the role has a right that the actor does not have.
    pub fn check_role(&self, role: Role) -> Result<(), Error> {
        let missing = Rights::of_role(role)
            .difference(self.actor.rights)
            .iter()
            .next();
        let refused = match (role, missing) {
            (Role::Operator, None) if self.is_operator() => return Ok(()),
            (Role::Operator, _) => refusal::operators_manage_operators(),
            (_, None) => return Ok(()),
            (_, Some(missing)) => refusal::role_right_not_held(role.as_str(), missing.as_str()),
        };
        Err(refused.field("role"))
    }

    /// Requires every right of an operator, for operations that give all of them to the actor.
    ///
    /// # Errors
    /// `access_denied` if the actor lacks a right.
    pub fn check_every_right(&self) -> Result<(), Error> {
        let missing = Rights::of_role(Role::Operator)
            .difference(self.actor.rights)
            .iter()
            .next()
            .or((!self.is_operator()).then_some(Right::Operator));
        let Some(missing) = missing else {
            return Ok(());
        };
        let reason = format!(
            "Importing a signing key takes every right, since its holder can sign tokens with any of them; you do not have {}",
            missing.as_str()
        );
        Err(Error::new(Code::AccessDenied, reason))
    }

    /// Writes audit entries in the actor's name, for what an operation changes besides its own target.
    pub(super) fn recorder(&self) -> &Recorder {
        &self.actor.recorder
    }

    /// Refuses a replay of a request with an `Idempotency-Key`. To be called before checks for
    /// uniqueness, so that a replay is not reported as a conflict.
    ///
    /// # Errors
    /// [`Code::AlreadyDone`] if the request was done before.
    pub fn ensure_first_use(&self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        self.actor.ensure_first_use(transaction)
    }

    /// Stores the id of a created object under the request's `Idempotency-Key`, if it has one; for
    /// creations whose audit entry is written by [`domain`](crate::domain).
    pub(super) fn store_result(
        &self,
        transaction: &mut Transaction<'_>,
        action: Action,
        target: &str,
    ) -> Result<(), Error> {
        self.actor.store_result(transaction, action, target)
    }

    /// Writes the audit entry of an action, in the transaction that performs it; for a creation also
    /// its result under the `Idempotency-Key`.
    ///
    /// # Errors
    /// [`Code::AlreadyDone`] if the request was done before; a
    /// [`StoreError`](crate::store::StoreError) if a row cannot be written.
    pub fn audit(
        &self,
        transaction: &mut Transaction<'_>,
        action: Action,
        account_id: Option<&str>,
        target: &str,
    ) -> Result<(), Error> {
        self.actor.audit(transaction, action, account_id, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_certificate::ClientCertificate;
    use crate::client_ip::ClientIp;
    use crate::request_context::{RequestId, UserAgent};
    use crate::trace_context::TraceContext;

    fn context() -> RequestContext {
        RequestContext {
            client_ip: ClientIp::Unknown,
            client_certificate: ClientCertificate::NONE,
            user_agent: UserAgent::NONE,
            received_at: Timestamp::from_seconds(1_800_000_000),
            request_id: RequestId::new(Timestamp::EPOCH, &[0; 10]),
            trace: TraceContext::new(None, 5, 9),
        }
    }

    fn user(role: Role) -> Arc<Actor> {
        Arc::new(Actor::user(
            "ada@acme.example",
            role,
            Some("acme"),
            &context(),
        ))
    }

    fn bearer(scope: &str) -> Arc<Actor> {
        let scope = scope.parse().unwrap();
        Arc::new(Actor::bearer(
            "client c1".to_owned(),
            "acme",
            &scope,
            &context(),
        ))
    }

    #[test]
    fn a_permit_needs_the_right_and_for_some_rights_an_operator() {
        let code = |result: Result<(), Error>| result.map_err(|error| error.code());
        let write = |actor: &Arc<Actor>| code(actor.may(AccountsWrite).map(drop));
        let cases = [
            (user(Role::Viewer), Err(Code::InsufficientScope)),
            (user(Role::Administrator), Err(Code::InsufficientScope)),
            (user(Role::Operator), Ok(())),
            (bearer("keyward:accounts:write"), Err(Code::AccessDenied)),
            (bearer("keyward:accounts:write keyward:operator"), Ok(())),
            (bearer("keyward:operator"), Err(Code::InsufficientScope)),
        ];
        for (index, (actor, expected)) in cases.iter().enumerate() {
            assert_eq!(write(actor), *expected, "case {index}");
        }
    }

    #[test]
    fn an_actor_of_an_account_sees_that_account_alone() {
        let permit = user(Role::Viewer).may(ClientsRead).unwrap();
        assert!(permit.can_access("acme") && !permit.can_access("globex"));
        let permit = user(Role::Operator).may(ClientsRead).unwrap();
        assert!(permit.can_access("acme") && permit.can_access("globex"));
        assert_eq!(permit.now(), context().received_at);
    }

    #[test]
    fn an_actor_is_known_by_its_name() {
        let at = context().received_at;
        let client = bearer("keyward:clients:read");
        for (name, expected) in [
            (
                user(Role::Viewer).name(),
                ActorName::User("ada@acme.example"),
            ),
            (client.name(), ActorName::Client("c1")),
            (Actor::command_line(at).name(), ActorName::CommandLine),
            ("API key id", ActorName::Other),
            ("user", ActorName::Other),
            ("", ActorName::Other),
        ] {
            assert_eq!(ActorName::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn nobody_grants_a_right_that_they_do_not_have() {
        let permit = bearer("keyward:clients:write keyward:clients:read")
            .may(ClientsWrite)
            .unwrap();
        let cases = [
            ("", true),
            ("orders:read", true),
            ("keyward:clients:read orders:read", true),
            ("keyward:keys:read", false),
            ("keyward:operator", false),
            ("keyward:unknown", false),
            ("Keyward:clients:read", false),
        ];
        for (scope, allowed) in cases {
            let checked = permit.check_grantable(&scope.parse().unwrap());
            assert_eq!(checked.is_ok(), allowed, "{scope:?}");
        }
    }

    #[test]
    fn nobody_manages_a_user_with_more_rights() {
        let cases = [
            (Role::Administrator, Role::Viewer, true),
            (Role::Administrator, Role::Administrator, true),
            (Role::Administrator, Role::Operator, false),
            (Role::Operator, Role::Operator, true),
            (Role::Operator, Role::Viewer, true),
        ];
        for (actor, role, allowed) in cases {
            let permit = user(actor).may(UsersWrite).unwrap();
            assert_eq!(
                permit.check_role(role).is_ok(),
                allowed,
                "{actor} on {role}"
            );
        }
        // All rights, but those of one account.
        let every_right = Rights::of(Right::ALL).to_scope().unwrap();
        let every_right = every_right.as_str().replace("keyward:operator", "");
        let permit = bearer(&every_right).may(UsersWrite).unwrap();
        assert!(permit.check_role(Role::Administrator).is_ok());
        assert!(permit.check_role(Role::Operator).is_err());
        assert!(permit.check_every_right().is_err());
        let permit = user(Role::Operator).may(UsersWrite).unwrap();
        assert!(permit.check_every_right().is_ok());
    }
}
