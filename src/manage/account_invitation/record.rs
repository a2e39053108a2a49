//! The audit entries of invitations, and the end of those whose inviter may not invite any more.

use serde_json::json;

use crate::manage::actor::{ActorName, client_name, user_name};
use crate::manage::rights::{Right, Rights};
use crate::store::account_invitation::{self, AccountInvitation};
use crate::store::audit::{Action, Recorder};
use crate::store::user::{self, User};
use crate::store::{Database, StoreError, Transaction, client, membership};

/// Writes the audit entry of an invitation of the user with this address, with the role that it offers.
pub(in crate::manage) fn record(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    action: Action,
    row: &AccountInvitation,
    email: &str,
) -> Result<(), StoreError> {
    let details = json!({"role": row.role});
    let account_id = Some(row.account_id.as_str());
    recorder.record_with(transaction, action, account_id, email, &details)
}

/// Ends an invitation, with an audit entry.
pub(in crate::manage) fn withdraw(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    row: &AccountInvitation,
) -> Result<(), StoreError> {
    let invited = user::find(transaction.database(), &row.user_id)?;
    let email = invited.map(|user| user.email).unwrap_or_default();
    account_invitation::delete(transaction, row)?;
    let action = Action::AccountInvitationDelete;
    record(transaction, recorder, action, row, &email)
}

/// Ends the invitations that a user could not create any more: it was removed, or its role changed.
pub(in crate::manage) fn end_those_of_user(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    inviter: &User,
) -> Result<(), StoreError> {
    end_those_of(transaction, recorder, &user_name(&inviter.email))
}

/// Ends the invitations that a client could not create any more: it was deleted or disabled, or lost a right.
pub(in crate::manage) fn end_those_of_client(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    client_id: &str,
) -> Result<(), StoreError> {
    end_those_of(transaction, recorder, &client_name(client_id))
}

fn end_those_of(
    transaction: &mut Transaction<'_>,
    recorder: &Recorder,
    inviter: &str,
) -> Result<(), StoreError> {
    for row in account_invitation::of_creator(transaction.database(), inviter)? {
        if !can_still_invite(transaction.database(), &row)? {
            withdraw(transaction, recorder, &row)?;
        }
    }
    Ok(())
}

/// Whether who created an invitation could still do so: a user or a client with the rights, in the account
/// or as an operator. The command line has every right.
pub(super) fn can_still_invite(
    database: &mut Database,
    row: &AccountInvitation,
) -> Result<bool, StoreError> {
    let needed = Rights::of_role(row.role).with(Right::UsersWrite);
    let suffices = |rights: Rights| needed.difference(rights) == Rights::default();
    match ActorName::parse(&row.created_by) {
        ActorName::CommandLine => Ok(true),
        ActorName::User(email) => {
            let Some(inviter) = user::find_by_email(database, email)? else {
                return Ok(false);
            };
            if inviter.is_operator() {
                return Ok(true);
            }
            let all = membership::of_user(database, &inviter)?;
            Ok(all
                .iter()
                .filter(|own| own.account_id == row.account_id)
                .any(|own| suffices(Rights::of_role(own.role))))
        }
        ActorName::Client(client_id) => {
            let Some(client) = client::find(database, client_id)? else {
                return Ok(false);
            };
            let rights = Rights::in_scope(&client.scope);
            let in_reach = client.account_id == row.account_id || rights.contains(Right::Operator);
            Ok(client.is_active() && in_reach && suffices(rights))
        }
        ActorName::Other => Ok(false),
    }
}
