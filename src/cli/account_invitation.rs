//! `keyward account-invitation`

use std::str::FromStr;

use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::confirmation::Confirmation;
use super::output::{ListWriter, Output};
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::Error;
use crate::manage::account_invitation::{self, AccountInvitationView};
use crate::manage::actor::{UsersRead, UsersWrite};
use crate::store::user::Role;

#[derive(Subcommand)]
pub enum AccountInvitation {
    /// Create a single-use link with which a user of another account joins an account
    Create {
        /// E-mail address of the user
        #[arg(long)]
        email: String,

        /// Role in the account: administrator, developer or viewer
        #[arg(long)]
        role: MemberRole,

        /// Account to join, by id or name [default: the oldest account]
        #[arg(long)]
        account: Option<String>,
    },
    /// List all open invitations
    List,
    /// Withdraw an invitation; its link stops working
    Delete {
        id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
}

/// A role within an account.
#[derive(Clone, Copy)]
pub struct MemberRole(Role);

/// A text that is not a [`MemberRole`].
#[derive(Debug, thiserror::Error)]
#[error("the roles in an account are administrator, developer, viewer")]
pub struct InvalidMemberRole;

impl FromStr for MemberRole {
    type Err = InvalidMemberRole;

    fn from_str(text: &str) -> Result<Self, InvalidMemberRole> {
        match text.parse() {
            Ok(Role::Operator) | Err(_) => Err(InvalidMemberRole),
            Ok(role) => Ok(MemberRole(role)),
        }
    }
}

impl AccountInvitation {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let store = context.store()?;
        let operator = context.operator();
        match self {
            AccountInvitation::Create {
                email,
                role: MemberRole(role),
                account,
            } => {
                let issuer = context.issuer(&store).await?;
                // Read only if a node sends e-mail.
                let keys = SealingKeyFile::unread(&context.settings.keys_dir);
                let permit = operator.may(UsersWrite)?;
                let created =
                    account_invitation::create(&store, permit, &keys, &email, role, account)
                        .await?;
                let link = account_invitation::url(&issuer, created.link.expose());
                let link = link.expose();
                let mut document = json!(created.view);
                document["link"] = json!(link);
                document["mailed"] = json!(created.mailed);
                let sent = if created.mailed {
                    "A running server sends it by e-mail too. "
                } else {
                    ""
                };
                let view = &created.view;
                Ok(Output::new(
                    &document,
                    format!(
                        "Created a link for {} to join {}. {sent}It expires at {} and is shown only once:\n  {link}",
                        view.email,
                        view.account_name.as_ref().unwrap_or(&view.account),
                        view.expires_at
                    ),
                ))
            }
            AccountInvitation::List => {
                let head = ["ID", "EMAIL", "ROLE", "ACCOUNT", "EXPIRES"];
                let mut list = ListWriter::new(context.json, head);
                let mut after = None;
                loop {
                    let permit = operator.may(UsersRead)?;
                    let page = account_invitation::list(&store, permit, after, PAGE).await?;
                    after = page.last().map(AccountInvitationView::position);
                    if after.is_none() || list.write(&page, cells)?.is_break() {
                        return list.finish();
                    }
                }
            }
            AccountInvitation::Delete { id, confirmation } => {
                confirmation.ask(&format!("This withdraws the invitation {id}."))?;
                account_invitation::delete(&store, operator.may(UsersWrite)?, &id).await?;
                Ok(Output::done(format!("Withdrew the invitation {id}")))
            }
        }
    }
}

/// How many invitations are read at a time.
const PAGE: i64 = 500;

fn cells(one: &AccountInvitationView) -> [String; 5] {
    [
        one.id.clone(),
        one.email.clone(),
        one.role.to_string(),
        one.account_name.clone().unwrap_or(one.account.clone()),
        one.expires_at.to_string(),
    ]
}
