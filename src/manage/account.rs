//! Accounts: the partner organizations, which own users and clients.

use std::sync::Arc;

use super::actor::Permit;
use super::rights::{AccountsRead, AccountsWrite, RightType, UsersWrite};
use super::{check_name, has_nul, invalid, not_found};
use crate::error::{Error, refusal};
use crate::store::account;
pub use crate::store::account::{Account, AccountKind};
use crate::store::audit::Action;
use crate::store::user::Role;
use crate::store::{Database, Store, Transaction};

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
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
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
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
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
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
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

/// The account that owns the clients of resource servers, if there is one and the actor can see it.
///
/// # Errors
/// A [`StoreError`](crate::store::StoreError) if the database cannot be queried.
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
    /// Whether the account's users need a second factor to use the portal. A user without one sets it
    /// up at the next request.
    pub requires_second_factor: Option<(Permit<UsersWrite>, bool)>,
    /// How many clients the account's own people and self-registration can create; the default if the
    /// number is absent. Existing clients beyond a lower limit stay.
    pub max_clients: Option<(Permit<AccountsWrite>, Option<u32>)>,
}

/// Updates an account, in one transaction.
///
/// # Errors
/// `not_found`; `invalid_request` for an empty patch; `access_denied` if the second factor protects
/// users with more rights than the actor.
pub async fn update(
    store: &Arc<Store>,
    patch: AccountPatch,
    id_or_name: &str,
) -> Result<Account, Error> {
    let AccountPatch {
        requires_second_factor,
        max_clients,
    } = patch;
    let now = match (&requires_second_factor, &max_clients) {
        (Some((permit, _)), _) => permit.now(),
        (None, Some((permit, _))) => permit.now(),
        (None, None) => {
            return Err(invalid(
                "Change requires_second_factor, max_clients or both",
            ));
        }
    };
    let id_or_name = id_or_name.to_owned();
    store
        .write(now, move |transaction| {
            let can_access = |account: &Account| {
                let may_set_second_factor = requires_second_factor
                    .as_ref()
                    .is_none_or(|(permit, _)| permit.can_access(&account.id));
                let may_set_limit = max_clients
                    .as_ref()
                    .is_none_or(|(permit, _)| permit.can_access(&account.id));
                may_set_second_factor && may_set_limit
            };
            let found = account::find(transaction.database(), &id_or_name)?.filter(can_access);
            let mut account = found.ok_or_else(|| not_found("account", &id_or_name))?;
            if let Some((permit, required)) = &requires_second_factor {
                if !required {
                    // The second factor protects the administrators too.
                    permit.check_role(Role::Administrator)?;
                }
                account.requires_second_factor = *required;
            }
            if let Some((_, limit)) = &max_clients {
                account.max_clients = limit.map(i64::from);
            }
            account::update(transaction, &account)?;
            let action = Action::AccountUpdate;
            let id = account.id.as_str();
            if let Some((permit, _)) = &requires_second_factor {
                permit.audit(transaction, action, Some(id), id)?;
            } else if let Some((permit, _)) = &max_clients {
                permit.audit(transaction, action, Some(id), id)?;
            }
            Ok(account)
        })
        .await
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

fn find_visible<R: RightType>(
    database: &mut Database,
    permit: &Permit<R>,
    id_or_name: &str,
) -> Result<Account, Error> {
    let found =
        account::find(database, id_or_name)?.filter(|account| permit.can_access(&account.id));
    found.ok_or_else(|| not_found("account", id_or_name))
}

/// The account that will own a new object: the named one, else the actor's own, else (for an operator)
/// the oldest one, which is created if there is none.
pub(super) fn resolve<R: RightType>(
    transaction: &mut Transaction<'_>,
    permit: &Permit<R>,
    id_or_name: Option<&str>,
) -> Result<Account, Error> {
    let database = transaction.database();
    if let Some(named) = id_or_name.or(permit.account()) {
        return find_visible(database, permit, named);
    }
    let partners = account::list(database)?
        .into_iter()
        .filter(|account| account.kind != AccountKind::ResourceServers);
    let oldest = partners.min_by_key(|account| (account.created_at, account.id.clone()));
    match oldest {
        Some(account) => Ok(account),
        None => Ok(account::find_or_create(
            transaction,
            permit.recorder(),
            AccountKind::Partner,
        )?),
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
