//! `keyward user`

use std::io::Read;
use std::str::FromStr;

use clap::{ArgGroup, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use super::Context;
use super::confirmation::Confirmation;
use super::output::{ListWriter, Output};
use crate::clock::TimeZone;
use crate::config::Switch;
use crate::crypto::sealing_key::SealingKeyFile;
use crate::error::message::Message;
use crate::error::{Code, Error, refusal};
use crate::manage::actor::{UsersRead, UsersWrite};
use crate::manage::invitation;
use crate::manage::user::{self, Passwords, PreferencesPatch, Removal, UserView};
use crate::secret::SecretString;
use crate::store::UnknownName;
use crate::store::language::Language;
use crate::store::user::Role;

#[derive(Subcommand)]
pub enum User {
    /// Create a user, without a password
    Create {
        /// E-mail address to sign in with
        #[arg(long)]
        email: String,

        /// Role: operator, administrator, developer or viewer
        #[arg(long)]
        role: Role,

        /// Account, by id or name [default: the oldest account; operators have none]
        #[arg(long)]
        account: Option<String>,
    },
    /// List all users
    List,
    /// Create a single-use link to set a password; it replaces an earlier link
    Invite { email: String },
    /// Change the role of a user within the account
    SetRole {
        email: String,

        /// administrator, developer or viewer
        role: Role,

        /// Account, by id or name [default: the only account of the user]
        #[arg(long)]
        account: Option<String>,
    },
    /// Change the language and the time zone of the portal for a user, and which e-mail the user gets
    #[command(group = ArgGroup::new("change").required(true).multiple(true))]
    SetPreferences {
        email: String,

        /// Language: en, fr, or browser for that of the browser
        #[arg(long, group = "change")]
        language: Option<LanguageChoice>,

        /// Name of the IANA time zone database, such as Europe/Paris or UTC
        #[arg(long, value_name = "NAME", group = "change")]
        time_zone: Option<TimeZone>,

        /// E-mail about secrets and API keys, and about sign-ins with a new browser
        #[arg(
            long,
            value_name = "on|off",
            hide_possible_values = true,
            group = "change"
        )]
        email_notices: Option<Switch>,
    },
    /// Reset two-step verification of a user who lost their device and recovery codes
    ResetSecondFactor {
        email: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Set the password of a user, read from standard input
    SetPassword { email: String },
    /// Delete a user, or remove the user from one account
    Delete {
        email: String,

        /// Account to remove the user from, by id or name [default: all, and the user is deleted]
        #[arg(long)]
        account: Option<String>,

        #[command(flatten)]
        confirmation: Confirmation,
    },
}

/// A language of the portal; `None` is that of the browser.
#[derive(Clone, Copy)]
pub struct LanguageChoice(Option<Language>);

impl FromStr for LanguageChoice {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "browser" => Ok(LanguageChoice(None)),
            code => Ok(LanguageChoice(Some(code.parse()?))),
        }
    }
}

/// The refusal of an address that a user of another account has, with the command that invites the user.
fn with_command(error: Error) -> Error {
    let elsewhere = refusal::user_elsewhere();
    match error.refusal() {
        Some(refusal) if elsewhere.refusal().map(Message::code) == Some(refusal.code()) => {
            Error::new(
                error.code(),
                format!("{}: keyward account-invitation create", refusal.text()),
            )
        }
        _ => error,
    }
}

/// How many users are read at a time.
const PAGE: i64 = 1000;

fn cells(user: &UserView) -> [String; 5] {
    let names = user.accounts.iter().map(|own| {
        let name = own.account_name.as_ref();
        name.unwrap_or(&own.account).as_str()
    });
    let accounts = names.collect::<Vec<_>>().join(", ");
    let roles = user.accounts.iter().map(|own| own.role.as_str());
    let role = match &roles.collect::<Vec<_>>()[..] {
        [] => user.role.to_string(),
        roles => roles.join(", "),
    };
    let sign_in = match (user.has_password, user.has_second_factor) {
        (true, true) => "password and second factor",
        (true, false) => "password",
        (false, _) if user.invited_until.is_some() => "invited",
        (false, _) => "no password",
    };
    [
        user.id.clone(),
        user.email.clone(),
        role,
        Some(accounts)
            .filter(|accounts| !accounts.is_empty())
            .unwrap_or_else(|| "-".to_owned()),
        sign_in.to_owned(),
    ]
}

impl User {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let creates = matches!(self, User::Create { .. });
        let store = if creates {
            context.store_or_new()?
        } else {
            context.store()?
        };
        let operator = context.operator();
        match self {
            User::Create {
                email,
                role,
                account,
            } => {
                let permit = operator.may(UsersWrite)?;
                let created = user::create(&store, permit, &email, role, account).await;
                let user = created.map_err(with_command)?;
                Ok(Output::new(
                    &user,
                    format!("Created the user {} ({})", user.email, user.id),
                ))
            }
            User::List => {
                let mut list =
                    ListWriter::new(context.json, ["ID", "EMAIL", "ROLE", "ACCOUNT", "SIGN-IN"]);
                let mut after = None;
                loop {
                    let permit = operator.may(UsersRead)?;
                    let page = user::search(&store, permit, None, after, PAGE).await?;
                    let Some(last) = page.last() else {
                        return list.finish();
                    };
                    after = Some(last.email.clone());
                    if list.write(&page, cells)?.is_break() {
                        return list.finish();
                    }
                }
            }
            User::Invite { email } => {
                let issuer = context.issuer(&store).await?;
                // Read only if a node sends e-mail.
                let sealing_keys = SealingKeyFile::unread(&context.settings.keys_dir);
                let permit = operator.may(UsersWrite)?;
                let created = invitation::create(&store, permit, &sealing_keys, &email).await?;
                let link = invitation::url(&issuer, &created.link);
                let (link, expires_at) = (link.expose(), created.expires_at);
                let document = json!({
                    "email": email,
                    "link": link,
                    "expires_at": expires_at,
                    "mailed": created.mailed,
                });
                let sent = if created.mailed {
                    "A running server sends it by e-mail too. "
                } else {
                    ""
                };
                Ok(Output::new(
                    &document,
                    format!(
                        "Created a link for {email}. {sent}It expires at {expires_at} and is shown only once:\n  {link}"
                    ),
                ))
            }
            User::SetRole {
                email,
                role,
                account,
            } => {
                let permit = operator.may(UsersWrite)?;
                let user = user::set_role(&store, permit, &email, role, account).await?;
                let text = format!("The role of {} is now {role}", user.email);
                Ok(Output::new(&user, text))
            }
            User::SetPreferences {
                email,
                language,
                time_zone,
                email_notices,
            } => {
                let change = PreferencesPatch {
                    language: language.map(|LanguageChoice(language)| language),
                    time_zone,
                    email_notices: email_notices.map(Switch::is_on),
                };
                let permit = operator.may(UsersWrite)?;
                let user = user::set_preferences(&store, permit, &email, change).await?;
                let preferences = user.preferences.as_ref();
                let language = preferences.and_then(|preferences| preferences.language);
                let zone = preferences.map(|preferences| preferences.time_zone.name());
                Ok(Output::new(
                    &user,
                    format!(
                        "The portal is shown to {} in {}, with times in {}; notices by e-mail are {}",
                        user.email,
                        language.map_or("the language of the browser", Language::as_str),
                        zone.unwrap_or("UTC"),
                        if preferences.is_some_and(|preferences| preferences.email_notices) {
                            "on"
                        } else {
                            "off"
                        }
                    ),
                ))
            }
            User::ResetSecondFactor {
                email,
                confirmation,
            } => {
                confirmation.ask(&format!(
                    "This removes the second factor and the recovery codes of {email}."
                ))?;
                user::reset_second_factor(&store, operator.may(UsersWrite)?, &email).await?;
                Ok(Output::done(format!(
                    "Reset two-step verification of {email}"
                )))
            }
            User::SetPassword { email } => {
                let mut password = Zeroizing::new(String::new());
                let read = std::io::stdin().read_to_string(&mut password);
                read.map_err(|error| {
                    Error::new(Code::InvalidRequest, format!("standard input: {error}"))
                })?;
                let password = SecretString::from(password.trim_end_matches(['\r', '\n']));
                let permit = operator.may(UsersWrite)?;
                let passwords = Passwords::default();
                let user = user::set_password(&store, &passwords, permit, &email, password).await?;
                Ok(Output::new(
                    &user,
                    format!("Set the password of {}", user.email),
                ))
            }
            User::Delete {
                email,
                account,
                confirmation,
            } => {
                let permit = operator.may(UsersWrite)?;
                let expected = match &account {
                    Some(_) => user::removal(&store, permit, &email, account.clone()).await?,
                    None => Removal::Entirely,
                };
                confirmation.ask(&match (&account, expected) {
                    (Some(account), Removal::FromAccount) => {
                        format!("This removes the user {email} from the account {account}.")
                    }
                    (Some(account), Removal::Entirely) => {
                        format!("The account {account} is the only one of the user {email}: this deletes the user.")
                    }
                    (None, _) => format!("This deletes the user {email}."),
                })?;
                let permit = operator.may(UsersWrite)?;
                let named = account.clone();
                let done = user::delete(&store, permit, &email, account, Some(expected)).await?;
                Ok(Output::done(match (named, done) {
                    (Some(account), Removal::FromAccount) => {
                        format!("Removed the user {email} from the account {account}")
                    }
                    (Some(account), Removal::Entirely) => {
                        format!("Deleted the user {email}, whose only account was {account}")
                    }
                    (None, _) => format!("Deleted the user {email}"),
                }))
            }
        }
    }
}
