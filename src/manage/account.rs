//! Accounts: the partner organisations.

use std::sync::Arc;

use super::actor::{AccountsRead, AccountsWrite, Permit, Right, UsersWrite};
use super::{check_name, invalid, not_found};
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::store::account;
pub use crate::store::account::{Account, AccountKind};
use crate::store::user::Role;
use crate::store::{Database, Store, Transaction};

/// Makes an account.
///
/// # Errors
/// An unusable name, or one that is taken.
pub async fn create(
    store: &Arc<Store>,
    permit: Permit<AccountsWrite>,
    name: &str,
    now: Timestamp,
) -> Result<Account, Error> {
    check_name(name)?;
    let account = Account::new(name, now);
    store
        .write(now, move |transaction| {
            permit.check_not_done(transaction)?;
            if account::find(transaction.database(), &account.name)?.is_some() {
                return Err(Error::new(
                    Code::Conflict,
                    format!("There is an account {} already", account.name),
                )
                .phrase("name-taken", [])
                .field("name"));
            }
            account::insert(transaction, &account)?;
            permit.record(
                transaction,
                "account.create",
                Some(&account.id),
                &account.id,
                now,
            )?;
            Ok(account.clone())
        })
        .await
}

/// All of them that are within reach.
///
/// # Errors
/// Where the database gave no answer.
pub async fn list(
    store: &Arc<Store>,
    permit: &Permit<AccountsRead>,
) -> Result<Vec<Account>, Error> {
    let mut accounts = store
        .report(permit.account(), |database| Ok(account::list(database)?))
        .await?;
    accounts.retain(|account| permit.reaches(&account.id));
    Ok(accounts)
}

/// The partners among them: without the account that Keyward made for the clients of resource servers.
///
/// # Errors
/// Where the database gave no answer.
pub async fn partners(
    store: &Arc<Store>,
    permit: &Permit<AccountsRead>,
) -> Result<Vec<Account>, Error> {
    let mut accounts = list(store, permit).await?;
    accounts.retain(|account| account.kind != AccountKind::ResourceServers);
    Ok(accounts)
}

/// What of an account is to change, each with the permit that it takes; what is absent stays.
#[derive(Clone, Default)]
pub struct AccountChange {
    /// Whether its users must have a second factor to get into the portal. Who has none sets one up at the next
    /// request.
    pub requires_second_factor: Option<(Permit<UsersWrite>, bool)>,
    /// How many clients its own people, and registration, can bring it to; the default where there is no number.
    /// Clients beyond a lower limit stay.
    pub max_clients: Option<(Permit<AccountsWrite>, Option<u32>)>,
}

/// Changes an account, wholly or not at all.
///
/// # Errors
/// No such account; nothing to change; a second factor that protects who has more rights than the actor.
pub async fn update(
    store: &Arc<Store>,
    change: AccountChange,
    id_or_name: &str,
    now: Timestamp,
) -> Result<Account, Error> {
    let named = id_or_name.to_owned();
    store
        .write(now, move |transaction| {
            let AccountChange {
                requires_second_factor,
                max_clients,
            } = &change;
            let reaches = |account: &Account| {
                requires_second_factor
                    .as_ref()
                    .is_none_or(|(permit, _)| permit.reaches(&account.id))
                    && max_clients
                        .as_ref()
                        .is_none_or(|(permit, _)| permit.reaches(&account.id))
            };
            let found = account::find(transaction.database(), &named)?.filter(reaches);
            let mut account = found.ok_or_else(|| not_found("account", &named))?;
            if let Some((permit, required)) = requires_second_factor {
                if !required {
                    // It protects the administrators, too.
                    permit.check_role(Role::Administrator)?;
                }
                account.requires_second_factor = *required;
            }
            if let Some((_, most)) = max_clients {
                account.max_clients = most.map(i64::from);
            }
            account::update(transaction, &account)?;
            match (requires_second_factor, max_clients) {
                (Some((permit, _)), _) => permit.record(
                    transaction,
                    "account.update",
                    Some(&account.id),
                    &account.id,
                    now,
                )?,
                (_, Some((permit, _))) => permit.record(
                    transaction,
                    "account.update",
                    Some(&account.id),
                    &account.id,
                    now,
                )?,
                _ => {
                    return Err(invalid(
                        "Change requires_second_factor, max_clients or both",
                    ));
                }
            }
            Ok(account)
        })
        .await
}

/// The id of the account that a list is asked for by id or name; without one the actor's own, and for an operator
/// none, which is all of them.
///
/// # Errors
/// No such account within reach.
pub(super) fn filter<R: Right>(
    database: &mut Database,
    permit: &Permit<R>,
    id_or_name: Option<&str>,
) -> Result<Option<String>, Error> {
    let Some(named) = id_or_name else {
        return Ok(permit.account().map(str::to_owned));
    };
    let found = account::find(database, named)?.filter(|account| permit.reaches(&account.id));
    Ok(Some(found.ok_or_else(|| not_found("account", named))?.id))
}

/// The account of this id or name, where it is within reach; without one the actor's own, and for an
/// operator the oldest, made where there is none.
pub(super) fn resolve<R: Right>(
    transaction: &mut Transaction<'_>,
    permit: &Permit<R>,
    named: Option<&str>,
    now: Timestamp,
) -> Result<Account, Error> {
    let database = transaction.database();
    if let Some(named) = named.or(permit.account()) {
        let found = account::find(database, named)?.filter(|account| permit.reaches(&account.id));
        return found.ok_or_else(|| not_found("account", named));
    }
    let all = account::list(database)?
        .into_iter()
        .filter(|account| account.kind != AccountKind::ResourceServers);
    let oldest = all.min_by_key(|account| (account.created_at, account.id.clone()));
    if let Some(account) = oldest {
        return Ok(account);
    }
    let recorder = permit.recorder();
    Ok(account::find_or_create(
        transaction,
        &recorder,
        AccountKind::Partner,
        now,
    )?)
}

/// The account of the clients that resource servers introspect with: no partner's.
pub(super) fn of_resource_servers<R: Right>(
    transaction: &mut Transaction<'_>,
    permit: &Permit<R>,
    now: Timestamp,
) -> Result<Account, Error> {
    let recorder = permit.recorder();
    let kind = AccountKind::ResourceServers;
    Ok(account::find_or_create(transaction, &recorder, kind, now)?)
}
