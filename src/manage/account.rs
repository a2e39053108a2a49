//! Accounts: the partner organizations, which own users and clients.

use std::sync::Arc;

use serde::Serialize;

use super::actor::Permit;
use super::api_key::MAX_API_KEYS;
use super::rights::{AccountsRead, AccountsWrite, RightType, UsersWrite};
use super::secret::MAX_SECRETS;
use super::trust_rule::MAX_RULES;
use super::{check_name, has_nul, invalid, not_found};
use crate::clock::Timestamp;
use crate::error::{Error, refusal};
use crate::store::account;
pub use crate::store::account::{Account, AccountKind};
use crate::store::audit::{Action, Recorder};
use crate::store::language::Language;
use crate::store::user::Role;
use crate::store::{Database, Store, StoreError, Transaction, client, session};

/// Creates an account.
///
/// # Errors
/// `invalid_request` for an unusable name; `conflict` if the name is taken.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<AccountsWrite>,
    name: &str,
) -> Result<Account, Error> {
    check_name(name)?;
    let account = Account::new(name, permit.now());
    store
        .write(permit.now(), move |transaction| {
            permit.ensure_first_use(transaction)?;
            if account::find(transaction.database(), &account.name)?.is_some() {
                return Err(refusal::account_exists(&account.name).field("name"));
            }
            account::insert(transaction, &account)?;
            permit.audit(
                transaction,
                Action::AccountCreate,
                Some(&account.id),
                &account.id,
            )?;
            Ok(account.clone())
        })
        .await
}

/// Lists the accounts that the actor can see.
///
/// # Errors
/// A [`StoreError`] if the database cannot be queried.
pub async fn list(store: &Arc<Store>, permit: Permit<AccountsRead>) -> Result<Vec<Account>, Error> {
    let mut accounts = store
        .report(permit.account(), |database| Ok(account::list(database)?))
        .await?;
    accounts.retain(|account| permit.can_access(&account.id));
    Ok(accounts)
}

/// Up to `limit` accounts of partners that the actor can see by name, starting after the account with
/// the id `after`: all of them, or those whose id is `text` or whose name begins with it in any case.
/// The account that owns the clients of resource servers is no partner's.
///
/// # Errors
/// A [`StoreError`] if the database cannot be queried.
pub async fn search(
    store: &Arc<Store>,
    permit: Permit<AccountsRead>,
    text: Option<String>,
    after: Option<String>,
    limit: i64,
) -> Result<Vec<Account>, Error> {
    if [&text, &after].into_iter().any(has_nul) {
        return Ok(Vec::new());
    }
    let own = permit.account().map(str::to_owned);
    store
        .report(own.as_deref(), move |database| {
            Ok(match permit.account() {
                Some(own) => account::find(database, own)?.into_iter().collect(),
                None => {
                    let text = text.as_deref().unwrap_or_default();
                    account::search(database, text, after.as_deref(), limit)?
                }
            })
        })
        .await
}

/// The accounts with these ids that the actor can see, in no order.
///
/// # Errors
/// A [`StoreError`] if the database cannot be queried.
pub async fn find_all(
    store: &Arc<Store>,
    permit: Permit<AccountsRead>,
    ids: Vec<String>,
) -> Result<Vec<Account>, Error> {
    let mut accounts = store
        .read(move |database| account::find_all(database, &ids))
        .await?;
    accounts.retain(|account| permit.can_access(&account.id));
    Ok(accounts)
}

/// The account with this id or name.
///
/// # Errors
/// `not_found` if the actor cannot see such an account.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<AccountsRead>,
    id_or_name: &str,
) -> Result<Account, Error> {
    let id_or_name = id_or_name.to_owned();
    store
        .read(move |database| find_visible(database, &permit, &id_or_name))
        .await
}

/// The limits of an account, and how much of them is used.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct AccountLimits {
    /// How many clients the account has.
    pub clients: i64,
    /// How many clients its users and dynamic registration can create. Operators can exceed it.
    pub max_clients: i64,
    /// How many API keys a client can have.
    pub max_api_keys_per_client: usize,
    /// How many active secrets a client can have.
    pub max_secrets_per_client: usize,
    /// How many trust rules a client can have.
    pub max_trust_rules_per_client: usize,
}

/// An account with its limits.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct AccountDetails {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// The limits of the account.
    pub limits: AccountLimits,
}

/// The account with this id or name, and its limits.
///
/// # Errors
/// `not_found` if the actor cannot see such an account.
pub async fn details(
    store: &Arc<Store>,
    permit: Permit<AccountsRead>,
    id_or_name: &str,
) -> Result<AccountDetails, Error> {
    let id_or_name = id_or_name.to_owned();
    let own = permit.account().map(str::to_owned);
    store
        .report(own.as_deref(), move |database| {
            let account = find_visible(database, &permit, &id_or_name)?;
            let limits = AccountLimits {
                clients: client::count(database, &account.id)?,
                max_clients: account.client_limit(),
                max_api_keys_per_client: MAX_API_KEYS,
                max_secrets_per_client: MAX_SECRETS,
                max_trust_rules_per_client: MAX_RULES,
            };
            Ok(AccountDetails { account, limits })
        })
        .await
}

/// The account that owns the clients of resource servers, if there is one and the actor can see it.
///
/// # Errors
/// A [`StoreError`] if the database cannot be queried.
pub async fn of_introspection_clients(
    store: &Arc<Store>,
    permit: Permit<AccountsRead>,
) -> Result<Option<Account>, Error> {
    let found = store.read(account::of_resource_servers).await?;
    Ok(found.filter(|account| permit.can_access(&account.id)))
}

/// An update of an account. Each member comes with the permit that it takes; absent members stay
/// unchanged.
#[derive(Clone, Default)]
pub struct AccountPatch {
    /// The display name.
    pub name: Option<(Permit<UsersWrite>, String)>,
    /// Whether the account's users need a second factor to use the portal. A user without one sets it
    /// up at the next request.
    pub requires_second_factor: Option<(Permit<UsersWrite>, bool)>,
    /// How many clients the account's own people and self-registration can create; the default if the
    /// number is absent. Existing clients beyond a lower limit stay.
    pub max_clients: Option<(Permit<AccountsWrite>, Option<u32>)>,
    /// The language of e-mail to users who have not chosen one; the setting `mail_language` if it is
    /// absent.
    pub language: Option<(Permit<UsersWrite>, Option<Language>)>,
}

impl AccountPatch {
    /// The permits of the changes that take the right to manage users.
    fn of_users(&self) -> impl Iterator<Item = &Permit<UsersWrite>> {
        let of_name = self.name.as_ref().map(|(permit, _)| permit);
        let of_factor = self
            .requires_second_factor
            .as_ref()
            .map(|(permit, _)| permit);
        let of_language = self.language.as_ref().map(|(permit, _)| permit);
        [of_name, of_factor, of_language].into_iter().flatten()
    }

    /// Whether each of the changes lets the actor see an account.
    fn can_access(&self, account: &Account) -> bool {
        let of_limit = self.max_clients.as_ref();
        self.of_users().all(|permit| permit.can_access(&account.id))
            && of_limit.is_none_or(|(permit, _)| permit.can_access(&account.id))
    }

    /// The permit of one of the changes; `None` for an empty patch.
    fn recorded_by(&self) -> Option<(&Recorder, Timestamp)> {
        let of_users = self.of_users().next();
        of_users
            .map(|permit| (permit.recorder(), permit.now()))
            .or_else(|| {
                let (permit, _) = self.max_clients.as_ref()?;
                Some((permit.recorder(), permit.now()))
            })
    }

    /// Changes the row.
    fn apply(&self, database: &mut Database, account: &mut Account) -> Result<(), Error> {
        if let Some((_, name)) = &self.name {
            let taken = account::find(database, name)?.filter(|found| found.id != account.id);
            if taken.is_some() {
                return Err(refusal::account_exists(name).field("name"));
            }
            account.name.clone_from(name);
        }
        if let Some((permit, required)) = &self.requires_second_factor {
            if !required {
                // The second factor protects the administrators too.
                permit.check_role(Role::Administrator)?;
            }
            account.requires_second_factor = *required;
        }
        if let Some((_, limit)) = &self.max_clients {
            account.max_clients = limit.map(i64::from);
        }
        if let Some((_, language)) = &self.language {
            account.language = *language;
        }
        Ok(())
    }
}

/// Updates an account, in one transaction.
///
/// # Errors
/// `not_found`; `invalid_request` for an empty patch or an unusable name; `conflict` if the name is
/// taken; `access_denied` if the second factor protects users with more rights than the actor.
pub async fn update(
    store: &Arc<Store>,
    patch: AccountPatch,
    id_or_name: &str,
) -> Result<Account, Error> {
    let Some((_, now)) = patch.recorded_by() else {
        return Err(invalid(
            "Change name, requires_second_factor, max_clients, language or several of them",
        ));
    };
    if let Some((_, name)) = &patch.name {
        check_name(name)?;
    }
    let id_or_name = id_or_name.to_owned();
    store
        .write(now, move |transaction| {
            let found = account::find(transaction.database(), &id_or_name)?;
            let found = found.filter(|account| patch.can_access(account));
            let mut account = found.ok_or_else(|| not_found("account", &id_or_name))?;
            patch.apply(transaction.database(), &mut account)?;
            account::update(transaction, &account)?;
            if let Some((recorder, _)) = patch.recorded_by() {
                let id = account.id.as_str();
                recorder.record(transaction, Action::AccountUpdate, Some(id), id)?;
            }
            Ok(account)
        })
        .await
}

/// Closes an account: its clients, secrets, API keys and tokens are refused, its users are signed out
/// and cannot sign in, and nothing can be created in it, until it is opened again.
///
/// # Errors
/// `not_found`; `conflict` for the account of the clients of resource servers.
pub async fn close(
    store: &Arc<Store>,
    permit: Permit<AccountsWrite>,
    id_or_name: &str,
) -> Result<Account, Error> {
    let now = permit.now();
    set_closed(store, permit, id_or_name, Some(now)).await
}

/// Opens a closed account again. Tokens that have not expired are active again.
///
/// # Errors
/// `not_found`; `conflict` for an account that is being deleted.
pub async fn reopen(
    store: &Arc<Store>,
    permit: Permit<AccountsWrite>,
    id_or_name: &str,
) -> Result<Account, Error> {
    set_closed(store, permit, id_or_name, None).await
}

async fn set_closed(
    store: &Arc<Store>,
    permit: Permit<AccountsWrite>,
    id_or_name: &str,
    closed_at: Option<Timestamp>,
) -> Result<Account, Error> {
    let id_or_name = id_or_name.to_owned();
    store
        .write(permit.now(), move |transaction| {
            let mut account = find_visible(transaction.database(), &permit, &id_or_name)?;
            if account.kind == AccountKind::ResourceServers {
                return Err(refusal::account_not_closable(&account.name));
            }
            // A second request changes nothing.
            if account.closed_at.is_some() == closed_at.is_some() {
                return Ok(account);
            }
            if account.is_being_deleted() {
                return Err(refusal::account_being_deleted());
            }
            // A node of a previous version may have opened it again. To delete it takes another confirmation.
            account.deleting_at = None;
            account.closed_at = closed_at;
            account::update(transaction, &account)?;
            client::set_account_closed(transaction, &account.id, account.closed_at)?;
            let action = match closed_at {
                Some(_) => {
                    session::delete_of_closed_account(transaction, &account.id)?;
                    Action::AccountClose
                }
                None => Action::AccountReopen,
            };
            permit.audit(transaction, action, Some(&account.id), &account.id)?;
            Ok(account)
        })
        .await
}

/// Whether an account, if there is one, is closed.
pub(super) fn is_closed(
    database: &mut Database,
    account_id: Option<&str>,
) -> Result<bool, StoreError> {
    let account = match account_id {
        Some(id) => account::find(database, id)?,
        None => None,
    };
    Ok(account.is_some_and(|account| account.closed_at.is_some()))
}

/// Refuses to create something in a closed account.
pub(super) fn ensure_open(account: &Account) -> Result<(), Error> {
    match account.closed_at {
        Some(_) => Err(refusal::account_closed()),
        None => Ok(()),
    }
}

/// The id of the account to which a query is limited: of the named account, else the actor's own, else
/// (for an operator) none.
///
/// # Errors
/// `not_found` for an account that the actor cannot see.
pub(super) fn filter<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    id_or_name: Option<&str>,
) -> Result<Option<String>, Error> {
    match id_or_name {
        Some(named) => Ok(Some(find_visible(database, permit, named)?.id)),
        None => Ok(permit.account().map(str::to_owned)),
    }
}

pub(super) fn find_visible<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    id_or_name: &str,
) -> Result<Account, Error> {
    let found =
        account::find(database, id_or_name)?.filter(|account| permit.can_access(&account.id));
    found.ok_or_else(|| not_found("account", id_or_name))
}

/// The account that will own a new object: the named one, else the actor's own, else (for an operator)
/// the oldest open one, which is created if there is none. A closed account is refused.
pub(super) fn resolve<R: RightType>(
    transaction: &mut Transaction<'_>,
    permit: &Permit<R>,
    id_or_name: Option<&str>,
) -> Result<Account, Error> {
    let database = transaction.database();
    if let Some(named) = id_or_name.or(permit.account()) {
        let account = find_visible(database, permit, named)?;
        ensure_open(&account)?;
        return Ok(account);
    }
    let partners = account::list(database)?.into_iter().filter(|account| {
        account.kind != AccountKind::ResourceServers && account.closed_at.is_none()
    });
    let oldest = partners.min_by_key(|account| (account.created_at, account.id.clone()));
    match oldest {
        Some(account) => Ok(account),
        None => {
            let recorder = permit.recorder();
            let account = account::find_or_create(transaction, recorder, AccountKind::Partner)?;
            // There may be closed ones only.
            ensure_open(&account)?;
            Ok(account)
        }
    }
}

/// The account that owns the clients with which resource servers introspect. It is no partner's.
pub(super) fn of_resource_servers<R: RightType>(
    transaction: &mut Transaction<'_>,
    permit: &Permit<R>,
) -> Result<Account, Error> {
    Ok(account::find_or_create(
        transaction,
        permit.recorder(),
        AccountKind::ResourceServers,
    )?)
}
