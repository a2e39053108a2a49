//! Who acts, and what they may. A right is a value: a verb wants the [`Permit`] for it, and only
//! [`Actor::may`] makes one; to forget the check does not compile.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::client_ip::ClientIp;
use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::credential::Fingerprint;
use crate::error::{Code, Error};
use crate::request_context::RequestContext;
use crate::scope::{RIGHTS_PREFIX, Scope};
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

        /// The scope tokens of all rights, each with the prefix [`RIGHTS_PREFIX`](crate::scope::RIGHTS_PREFIX).
        pub const ALL_RIGHTS: &[&str] = &[$($scope),*];
    };
}

rights! {
    /// See accounts.
    AccountsRead = "keyward:accounts:read";
    /// Make accounts.
    AccountsWrite = "keyward:accounts:write", operator;
    /// See users.
    UsersRead = "keyward:users:read";
    /// Make, change and delete users.
    UsersWrite = "keyward:users:write";
    /// See clients.
    ClientsRead = "keyward:clients:read";
    /// Make, change and delete clients.
    ClientsWrite = "keyward:clients:write";
    /// See secrets and API keys, never in full.
    KeysRead = "keyward:keys:read";
    /// Make and delete secrets and API keys.
    KeysWrite = "keyward:keys:write";
    /// See resource servers.
    ResourcesRead = "keyward:resources:read";
    /// Make and delete resource servers.
    ResourcesWrite = "keyward:resources:write", operator;
    /// See initial access tokens.
    RegistrationRead = "keyward:registration:read";
    /// Make and delete initial access tokens.
    RegistrationWrite = "keyward:registration:write";
    /// See signing keys.
    SigningKeysRead = "keyward:signing-keys:read", operator;
    /// Rotate, import and retire signing keys.
    SigningKeysWrite = "keyward:signing-keys:write", operator;
    /// See the records of issued tokens.
    TokensRead = "keyward:tokens:read";
    /// Revoke tokens.
    TokensRevoke = "keyward:tokens:revoke";
    /// See the audit.
    AuditRead = "keyward:audit:read";
}

/// The scope token that lifts a caller of the management API above all accounts.
pub const OPERATOR_SCOPE: &str = "keyward:operator";

/// Whoever asks for something to be done.
pub struct Actor {
    name: String,
    /// The account to which all is limited; an operator has none.
    account: Option<String>,
    rights: BTreeSet<String>,
    /// The issuer to reckon with where no node has started yet.
    assumed_issuer: Option<Issuer>,
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
        Once {
            id,
            request: Fingerprint::of(request).hex(),
        }
    }

    /// What the same request made before; nothing where it is the first.
    ///
    /// # Errors
    /// Where the key came with another request.
    pub async fn made_before(&self, store: &Store) -> Result<Option<String>, Error> {
        let id = self.id.clone();
        let found = store
            .read(move |database| idempotency::find(database, &id))
            .await?;
        match found {
            Some(row) if row.request == self.request => Ok(Some(row.target)),
            Some(_) => Err(Error::new(
                Code::UnprocessableContent,
                "This Idempotency-Key came with another request before",
            )),
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
            rights: rights_of(Role::Operator)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            assumed_issuer: None,
            address: None,
            request_id: None,
            once: None,
        }
    }

    /// The issuer to reckon with where no node has started on the database yet.
    #[must_use]
    pub fn assuming(mut self, issuer: Issuer) -> Self {
        self.assumed_issuer = Some(issuer);
        self
    }

    /// The bearer of an access token or an API key, with what its scope gives; limited to the
    /// account of its client unless the scope says otherwise.
    pub fn bearer(name: String, account: &str, scope: &Scope, context: RequestContext) -> Self {
        let operator = scope.iter().any(|token| token == OPERATOR_SCOPE);
        Actor {
            name,
            account: (!operator).then(|| account.to_owned()),
            rights: scope.rights().map(str::to_owned).collect(),
            assumed_issuer: None,
            address: Some(context.client_ip),
            request_id: Some(context.request_id.to_string()),
            once: None,
        }
    }

    /// The bearer of an API key that may manage the keys of its own client.
    pub fn key_manager(
        key_id: &str,
        account: &str,
        scope: &Scope,
        context: RequestContext,
    ) -> Self {
        Actor {
            name: format!("API key {key_id}"),
            account: Some(account.to_owned()),
            rights: scope
                .rights()
                .chain([KeysRead::SCOPE, KeysWrite::SCOPE])
                .map(str::to_owned)
                .collect(),
            assumed_issuer: None,
            address: Some(context.client_ip),
            request_id: Some(context.request_id.to_string()),
            once: None,
        }
    }

    /// A user, with the rights of the role.
    pub fn user(email: &str, role: Role, account: Option<&str>, context: RequestContext) -> Self {
        Actor {
            name: format!("user {email}"),
            account: if role == Role::Operator {
                None
            } else {
                Some(account.unwrap_or_default().to_owned())
            },
            rights: rights_of(role).into_iter().map(str::to_owned).collect(),
            assumed_issuer: None,
            address: Some(context.client_ip),
            request_id: Some(context.request_id.to_string()),
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
            return Err(Error::new(
                Code::AccessDenied,
                "This is for operators alone",
            ));
        }
        Ok(Permit {
            actor: self.clone(),
            right: PhantomData,
        })
    }

    /// Writes entries that stand beside the one of the action itself.
    fn recorder(&self) -> Recorder {
        Recorder {
            actor: self.name.clone(),
            client_ip: self.address,
            request_id: self.request_id.clone(),
        }
    }

    fn check_not_done(&self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        let Some(once) = &self.once else {
            return Ok(());
        };
        match idempotency::find(transaction.database(), &once.id)? {
            Some(_) => Err(Error::new(
                Code::AlreadyDone,
                "This request was done before",
            )),
            None => Ok(()),
        }
    }

    /// An entry for the audit, in this actor's name.
    pub fn entry(
        &self,
        action: &str,
        account: Option<&str>,
        target: &str,
        now: Timestamp,
    ) -> Entry {
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
        self.recorder()
            .record(transaction, action, account, target, now)?;
        if let Some(once) = self
            .once
            .as_ref()
            .filter(|_| action.ends_with(".create") || action.ends_with(".rotate"))
        {
            self.check_not_done(transaction)?;
            let (id, request) = (once.id.clone(), once.request.clone());
            let row = IdempotencyKey {
                id,
                request,
                target: target.to_owned(),
                expires_at: now.saturating_add(REMEMBERED),
            };
            idempotency::insert(transaction, &row)?;
        }
        Ok(())
    }
}

/// The rights of each role, as scope tokens. A viewer sees clients, and neither secrets nor keys. An
/// operator has every right, and [`OPERATOR_SCOPE`].
pub fn rights_of(role: Role) -> Vec<&'static str> {
    let viewer = [
        AccountsRead::SCOPE,
        ClientsRead::SCOPE,
        ResourcesRead::SCOPE,
    ];
    let developer = [
        ClientsWrite::SCOPE,
        KeysRead::SCOPE,
        KeysWrite::SCOPE,
        TokensRead::SCOPE,
        TokensRevoke::SCOPE,
        AuditRead::SCOPE,
    ];
    let administrator = [
        UsersRead::SCOPE,
        UsersWrite::SCOPE,
        RegistrationRead::SCOPE,
        RegistrationWrite::SCOPE,
    ];
    match role {
        Role::Operator => [ALL_RIGHTS, &[OPERATOR_SCOPE]].concat(),
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
        Permit {
            actor: self.actor.clone(),
            right: PhantomData,
        }
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

    /// All rights of whoever acts.
    ///
    /// # Errors
    /// A fault of Keyward's own.
    pub fn rights(&self) -> Result<Scope, Error> {
        let words: Vec<&str> = self.actor.rights.iter().map(String::as_str).collect();
        words
            .join(" ")
            .parse()
            .map_err(|_| Error::server_error("the rights of an actor are no scope"))
    }

    /// Whether a thing of this account is within reach. What is not must look as if it were not
    /// there.
    pub fn reaches(&self, account: &str) -> bool {
        self.account().is_none_or(|own| own == account)
    }

    /// The issuer to reckon with where no node has started on the database yet.
    pub fn assumed_issuer(&self) -> Option<&Issuer> {
        self.actor.assumed_issuer.as_ref()
    }

    /// Nobody gives to a client rights over Keyward that they have not, nor changes a client that has
    /// such rights.
    ///
    /// # Errors
    /// `invalid_scope` where the scope holds a right that the actor has not, or one that does not exist.
    pub fn check_gift(&self, scope: &Scope) -> Result<(), Error> {
        let Some(beyond) = scope
            .rights()
            .find(|right| !self.actor.rights.contains(*right))
        else {
            return Ok(());
        };
        let known = beyond == OPERATOR_SCOPE || ALL_RIGHTS.contains(&beyond);
        let refused = if known {
            Error::new(
                Code::InvalidScope,
                format!("You cannot give the right {beyond}, which you have not"),
            )
            .phrase("right-beyond-you", [("right", beyond.into())])
        } else {
            let reason = format!(
                "There is no right {beyond}; what begins with {RIGHTS_PREFIX} is reserved for rights over Keyward"
            );
            Error::new(Code::InvalidScope, reason)
                .phrase("right-unknown", [("right", beyond.into())])
        };
        Err(refused.field("scope"))
    }

    /// Nobody makes, invites, changes, takes over or deletes a user with rights that they have not: all
    /// rights of the role must be among the actor's.
    ///
    /// # Errors
    /// `access_denied` where the role has a right that the actor has not.
    pub fn check_role(&self, role: Role) -> Result<(), Error> {
        let beyond = rights_of(role)
            .into_iter()
            .find(|right| !self.actor.rights.contains(*right));
        let within = beyond.is_none() && (role != Role::Operator || self.account().is_none());
        if within {
            return Ok(());
        }
        let refused = match role {
            Role::Operator => Error::new(
                Code::AccessDenied,
                "Only an operator can do this for an operator",
            )
            .phrase("operator-role", []),
            _ => {
                let missing = beyond.unwrap_or_default();
                Error::new(
                    Code::AccessDenied,
                    format!("The role {role} has the right {missing}, which you have not"),
                )
                .phrase("role-beyond-you", [("right", missing.into())])
            }
        };
        Err(refused.field("role"))
    }

    /// For what gives every right over Keyward to whoever does it.
    ///
    /// # Errors
    /// `access_denied` where the actor lacks any right.
    pub fn check_every_right(&self) -> Result<(), Error> {
        let all = rights_of(Role::Operator);
        let missing = all
            .into_iter()
            .find(|right| !self.actor.rights.contains(*right))
            .or(self.account().map(|_| OPERATOR_SCOPE));
        let Some(missing) = missing else {
            return Ok(());
        };
        let reason = format!(
            "Whoever knows a signing key can give themselves every right, so importing one needs every right; you do not have {missing}"
        );
        Err(Error::new(Code::AccessDenied, reason))
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
