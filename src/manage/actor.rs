//! Who acts, and what they may. A right is a value: a verb wants the [`Permit`] for it, and only
//! [`Actor::may`] makes one; to forget the check does not compile.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::credential::Fingerprint;
use crate::error::{Code, Error};
use crate::oauth::failure::Origin;
use crate::scope::Scope;
use crate::store::audit::{Entry, Recorder};
use crate::store::idempotency::{self, IdempotencyKey};
use crate::store::user::Role;
use crate::store::{Store, Transaction};

/// Something that an actor may or may not do.
pub trait Right {
    /// The scope token that gives it, in a token for the management API.
    const SCOPE: &'static str;
    /// Whether it reaches beyond any account, so that only an operator can have it.
    const OPERATOR_ONLY: bool = false;
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $scope:literal $(, $operator:ident)?;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl Right for $name {
                const SCOPE: &'static str = $scope;
                $(const OPERATOR_ONLY: bool = stringify!($operator).len() > 0;)?
            }
        )*

        /// The scope tokens of all rights.
        pub const ALL_RIGHTS: &[&str] = &[$($scope),*];
    };
}

rights! {
    /// See accounts.
    AccountsRead = "accounts:read";
    /// Make accounts.
    AccountsWrite = "accounts:write", operator;
    /// See users.
    UsersRead = "users:read";
    /// Make, change and delete users.
    UsersWrite = "users:write";
    /// See clients.
    ClientsRead = "clients:read";
    /// Make, change and delete clients.
    ClientsWrite = "clients:write";
    /// See secrets and API keys, never in full.
    KeysRead = "keys:read";
    /// Make and delete secrets and API keys.
    KeysWrite = "keys:write";
    /// See resource servers.
    ResourcesRead = "resources:read";
    /// Make and delete resource servers.
    ResourcesWrite = "resources:write", operator;
    /// See initial access tokens.
    RegistrationRead = "registration:read";
    /// Make and delete initial access tokens.
    RegistrationWrite = "registration:write";
    /// See signing keys.
    SigningKeysRead = "signing-keys:read", operator;
    /// Rotate, import and retire signing keys.
    SigningKeysWrite = "signing-keys:write", operator;
    /// See the records of issued tokens.
    TokensRead = "tokens:read";
    /// Revoke tokens.
    TokensRevoke = "tokens:revoke";
    /// See the audit.
    AuditRead = "audit:read";
}

/// The scope token that lifts a caller of the management API above all accounts.
pub const OPERATOR_SCOPE: &str = "operator";

/// Whoever asks for something to be done.
pub struct Actor {
    name: String,
    /// The account to which all is limited; an operator has none.
    account: Option<String>,
    rights: BTreeSet<String>,
    address: Option<ClientIp>,
    request_id: Option<String>,
    once: Option<Once>,
}

/// The Idempotency-Key of a creation, and what it came with.
#[derive(Clone)]
pub struct Once {
    id: String,
    request: String,
}

impl Once {
    /// The key, that this actor used for this request.
    pub fn new(actor: &str, key: &str, request: &[u8]) -> Self {
        let id = Fingerprint::of(format!("{actor}\0{key}").as_bytes()).hex();
        Once { id, request: Fingerprint::of(request).hex() }
    }

    /// What the same request made before; nothing where it is the first.
    ///
    /// # Errors
    /// Where the key came with another request.
    pub async fn made_before(&self, store: &Store) -> Result<Option<String>, Error> {
        let id = self.id.clone();
        let found = store.read(move |database| idempotency::find(database, &id)).await?;
        match found {
            Some(row) if row.request == self.request => Ok(Some(row.target)),
            Some(_) => Err(Error::new(Code::UnprocessableContent, "This Idempotency-Key came with another request before")),
            None => Ok(None),
        }
    }
}

/// For how long an Idempotency-Key is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

impl Actor {
    /// With an Idempotency-Key: of several creations with it, one is done.
    #[must_use]
    pub fn once(mut self, once: Option<Once>) -> Self {
        self.once = once;
        self
    }

    /// Who it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whoever has the database at hand: the command line.
    pub fn command_line() -> Self {
        Actor {
            name: "command line".to_owned(),
            account: None,
            rights: ALL_RIGHTS.iter().map(|&right| right.to_owned()).collect(),
            address: None,
            request_id: None,
            once: None,
        }
    }

    /// The bearer of an access token or an API key, with what its scope gives; limited to the
    /// account of its client unless the scope says otherwise.
    pub fn bearer(name: String, account: &str, scope: &Scope, origin: Origin) -> Self {
        let operator = scope.iter().any(|token| token == OPERATOR_SCOPE);
        Actor {
            name,
            account: (!operator).then(|| account.to_owned()),
            rights: scope.iter().map(str::to_owned).collect(),
            address: Some(origin.address),
            request_id: origin.id,
            once: None,
        }
    }

    /// The bearer of an API key that may manage the keys of its own client.
    pub fn key_manager(key_id: &str, account: &str, scope: &Scope, origin: Origin) -> Self {
        Actor {
            name: format!("API key {key_id}"),
            account: Some(account.to_owned()),
            rights: scope.iter().chain([KeysRead::SCOPE, KeysWrite::SCOPE]).map(str::to_owned).collect(),
            address: Some(origin.address),
            request_id: origin.id,
            once: None,
        }
    }

    /// A user, with the rights of the role.
    pub fn user(email: &str, role: Role, account: Option<&str>, origin: Origin) -> Self {
        Actor {
            name: format!("user {email}"),
            account: if role == Role::Operator { None } else { Some(account.unwrap_or_default().to_owned()) },
            rights: rights_of(role).iter().map(|&right| right.to_owned()).collect(),
            address: Some(origin.address),
            request_id: origin.id,
            once: None,
        }
    }

    /// The permit for a right.
    ///
    /// # Errors
    /// `access_denied` where the actor has not got it.
    pub fn may<R: Right>(self: &Arc<Self>, _: R) -> Result<Permit<R>, Error> {
        if !self.rights.contains(R::SCOPE) {
            return Err(Error::insufficient_scope(R::SCOPE));
        }
        if R::OPERATOR_ONLY && self.account.is_some() {
            return Err(Error::new(Code::AccessDenied, "This is for operators alone"));
        }
        Ok(Permit { actor: self.clone(), right: PhantomData })
    }

    /// Writes entries that stand beside the one of the action itself.
    fn recorder(&self) -> Recorder {
        Recorder { actor: self.name.clone(), client_ip: self.address, request_id: self.request_id.clone() }
    }

    fn check_not_done(&self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        let Some(once) = &self.once else { return Ok(()) };
        match idempotency::find(transaction.database(), &once.id)? {
            Some(_) => Err(Error::new(Code::AlreadyDone, "This request was done before")),
            None => Ok(()),
        }
    }

    /// An entry for the audit, in this actor's name.
    pub fn entry(&self, action: &str, account: Option<&str>, target: &str, now: Timestamp) -> Entry {
        self.recorder().entry(action, account, target, now)
    }

    /// Writes down what was done, in the transaction that does it.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub(super) fn record(
        &self,
        transaction: &mut Transaction<'_>,
        action: &str,
        account: Option<&str>,
        target: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.recorder().record(transaction, action, account, target, now)?;
        if let Some(once) = self.once.as_ref().filter(|_| action.ends_with(".create") || action.ends_with(".rotate")) {
            self.check_not_done(transaction)?;
            let (id, request) = (once.id.clone(), once.request.clone());
            let row = IdempotencyKey { id, request, target: target.to_owned(), expires_at: now.plus(REMEMBERED) };
            idempotency::insert(transaction, &row)?;
        }
        Ok(())
    }
}

/// What each role may. A viewer sees clients, and neither secrets nor keys.
pub fn rights_of(role: Role) -> Vec<&'static str> {
    let viewer = ["accounts:read", "clients:read", "resources:read"];
    let developer = ["clients:write", "keys:read", "keys:write", "tokens:read", "tokens:revoke", "audit:read"];
    let administrator = ["users:read", "users:write", "registration:read", "registration:write"];
    match role {
        Role::Operator => ALL_RIGHTS.to_vec(),
        Role::Administrator => [&viewer[..], &developer, &administrator].concat(),
        Role::Developer => [&viewer[..], &developer].concat(),
        Role::Viewer => viewer.to_vec(),
    }
}

/// The proof that an actor may do something.
pub struct Permit<R> {
    actor: Arc<Actor>,
    right: PhantomData<R>,
}

impl<R> Clone for Permit<R> {
    fn clone(&self) -> Self {
        Permit { actor: self.actor.clone(), right: PhantomData }
    }
}

impl<R: Right> Permit<R> {
    /// The account to which lists are narrowed; none for an operator.
    pub fn account(&self) -> Option<&str> {
        self.actor.account.as_deref()
    }

    /// Who acts.
    pub fn actor(&self) -> &str {
        &self.actor.name
    }

    /// Whether a thing of this account is within reach. What is not must look as if it were not
    /// there.
    pub fn reaches(&self, account: &str) -> bool {
        self.account().is_none_or(|own| own == account)
    }

    /// Whether this scope may be given to a client: what gives rights over Keyward itself, only by
    /// who has it.
    ///
    /// # Errors
    /// `invalid_scope` where it says more than the actor may.
    pub fn check_gift(&self, scope: &Scope) -> Result<(), Error> {
        let reserved = |token: &&str| ALL_RIGHTS.contains(token) || *token == OPERATOR_SCOPE;
        let mut beyond =
            scope.iter().filter(reserved).filter(|token| self.account().is_some() && !self.actor.rights.contains(*token));
        match beyond.next() {
            None => Ok(()),
            Some(token) => {
                Err(Error::new(Code::InvalidScope, format!("You cannot give the right {token}, which you have not"))
                    .field("scope"))
            }
        }
    }

    /// Writes entries for what an action brings about beside what it is named for.
    pub(super) fn recorder(&self) -> Recorder {
        self.actor.recorder()
    }

    /// Before a creation looks whether something stands in its way: what the same request made before
    /// would.
    ///
    /// # Errors
    /// The same request, with the same Idempotency-Key, was done before.
    pub fn check_not_done(&self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        self.actor.check_not_done(transaction)
    }

    /// Writes down what was done, in the transaction that does it.
    ///
    /// # Errors
    /// Where the database gave no answer.
    pub fn record(
        &self,
        transaction: &mut Transaction<'_>,
        action: &str,
        account: Option<&str>,
        target: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.actor.record(transaction, action, account, target, now)
    }
}
