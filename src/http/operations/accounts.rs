//! Accounts, users, their invitations, announcements and the audit log.

use super::super::management::{
    Created, Page, Paging, account_invitations, accounts, announcements, audit, status, users,
};
use super::super::operation::Operation as Op;
use crate::manage::account::{Account, AccountDetails};
use crate::manage::account_invitation::AccountInvitationView;
use crate::manage::announcement::Announcement;
use crate::manage::rights::Right;
use crate::manage::status::Status;
use crate::manage::user::UserView;
use crate::store::audit::AuditEntry;

pub(super) fn operations() -> Vec<Op> {
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
