//! `keyward token`

use std::io::Read;
use std::path::Path;

use clap::{Args, Subcommand};

use super::Context;
use super::confirmation::Confirmation;
use super::output::Output;
use crate::error::{Code, Error};
use crate::manage::actor::{TokensRead, TokensRevoke};
use crate::manage::{client, token};
use crate::oauth::binding::Binding;

/// Number of token records read at a time.
const PAGE: i64 = 1000;

#[derive(Subcommand)]
pub enum Token {
    /// Show whether a token (or its jti) or an API key is active, and if not, why
    Inspect {
        /// The token, its jti or the API key; `-` reads it from standard input, which keeps it out of the process
        /// list and the shell history
        token: String,
    },
    /// Revoke a token (or its jti) or an API key, or all tokens of a client
    Revoke {
        #[command(flatten)]
        target: RevokeTarget,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// List the unexpired tokens of a client
    List {
        #[arg(long, value_name = "CLIENT_ID")]
        client: String,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct RevokeTarget {
    /// The token, its jti or the API key; `-` reads it from standard input
    token: Option<String>,

    /// Revoke all tokens of this client; may be repeated: of all of them or none
    #[arg(long, value_name = "CLIENT_ID")]
    client: Vec<String>,
}

/// Maximum length of a token on standard input, in bytes.
const MAX_TOKEN: u64 = 64 * 1024;

/// The argument, or the content of standard input if the argument is `-`.
fn read_token(argument: String) -> Result<String, Error> {
    if argument != "-" {
        return Ok(argument);
    }
    read_stdin()
}

/// The content of a file, or of standard input if the path is `-`.
pub(super) fn read_file_or_stdin(path: &Path) -> Result<String, Error> {
    if path == Path::new("-") {
        return read_stdin();
    }
    read_text_file(path)
}

/// The content of a file.
pub(super) fn read_text_file(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::new(Code::InvalidRequest, format!("{}: {error}", path.display())))
}

/// A token on standard input.
fn read_stdin() -> Result<String, Error> {
    let mut token = String::new();
    let read = std::io::stdin().take(MAX_TOKEN).read_to_string(&mut token);
    read.map_err(|error| Error::new(Code::InvalidRequest, format!("standard input: {error}")))?;
    match token.trim() {
        "" => Err(Error::new(
            Code::InvalidRequest,
            "standard input contains no token",
        )),
        token => Ok(token.to_owned()),
    }
}

impl Token {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let server = context.authorization_server().await?;
        let operator = context.operator();
        match self {
            Token::Inspect { token } => {
                let token = read_token(token)?;
                let inspection = token::inspect(&server, operator.may(TokensRead)?, &token).await?;
                let state = match &inspection.reason {
                    None => "active".to_owned(),
                    Some(reason) => format!("not active: {reason}"),
                };
                let claims = inspection
                    .claims
                    .as_ref()
                    .and_then(|claims| serde_json::to_string_pretty(claims).ok());
                Ok(Output::new(
                    &inspection,
                    [Some(state), claims]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join("\n"),
                ))
            }
            Token::Revoke {
                target: RevokeTarget {
                    token: Some(token), ..
                },
                ..
            } => {
                let token = read_token(token)?;
                token::revoke(&server, operator.may(TokensRevoke)?, &token).await?;
                Ok(Output::done("Revoked"))
            }
            Token::Revoke {
                target: RevokeTarget { client, .. },
                confirmation,
            } => {
                let named = match client.as_slice() {
                    [only] => format!("the client {only}"),
                    several => format!("the clients {}", several.join(", ")),
                };
                confirmation.ask(&format!("This revokes all tokens of {named}."))?;
                let ids = client.into_iter().collect();
                let permit = operator.may(TokensRevoke)?;
                client::revoke_tokens_of_all(&server.store, permit, ids).await?;
                Ok(Output::done(format!("Revoked all tokens of {named}")))
            }
            Token::List { client } => {
                if !context.settings.token_records.is_on() {
                    tracing::warn!(
                        "token_records is off: tokens issued without a record are not listed"
                    );
                }
                let mut tokens = Vec::new();
                loop {
                    let before = tokens
                        .last()
                        .map(|view: &token::TokenView| view.token.jti.clone());
                    let page =
                        token::list(&server, operator.may(TokensRead)?, &client, before, PAGE)
                            .await?;
                    if page.is_empty() {
                        break;
                    }
                    tokens.extend(page);
                }
                let rows = tokens.iter().map(|view| {
                    let token = &view.token;
                    let state = if view.revoked { "revoked" } else { "active" };
                    [
                        token.jti.clone(),
                        token.scope.clone(),
                        token.issued_at.to_string(),
                        token.expires_at.to_string(),
                        view.cnf.as_ref().map_or("", Binding::method).to_owned(),
                        state.to_owned(),
                    ]
                });
                Ok(Output::table(
                    &tokens,
                    ["JTI", "SCOPE", "ISSUED", "EXPIRES", "BOUND", "STATE"],
                    rows,
                ))
            }
        }
    }
}
