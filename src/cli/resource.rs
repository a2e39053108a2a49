//! `keyward resource`

use clap::{ArgGroup, Subcommand};
use serde_json::json;

use super::Context;
use super::confirmation::Confirmation;
use super::output::Output;
use crate::error::Error;
use crate::manage::actor::{ResourcesRead, ResourcesWrite};
use crate::manage::resource_server::{
    self, NewResourceServer, ResourceServerChanges, SignatureAlgorithm, TokenFormat, TokenTyp,
};
use crate::scope::Scope;

#[derive(Subcommand)]
pub enum Resource {
    /// Create a resource server and its client for introspection
    Create {
        /// URI of the resource server: the `aud` of its tokens
        #[arg(long, value_name = "URI")]
        identifier: String,

        /// Display name
        #[arg(long)]
        name: String,

        /// Scope that the resource server defines
        #[arg(long, default_value = "", hide_default_value = true)]
        scope: Scope,

        /// Header `typ` of its tokens: at+jwt, or JWT for libraries that do not accept at+jwt
        #[arg(long, value_name = "TYP", default_value = "at+jwt")]
        token_typ: TokenTyp,

        /// Algorithm that signs its tokens: RS256, PS256, ES256, Ed25519 or
        /// ML-DSA-44
        #[arg(long, value_name = "ALG", default_value = "RS256")]
        signing_alg: SignatureAlgorithm,
    },
    /// Change a resource server; values that are not given stay as they are
    #[command(group(ArgGroup::new("change").required(true).multiple(true)))]
    Update {
        identifier: String,

        /// Display name
        #[arg(long, group = "change")]
        name: Option<String>,

        /// Replace the scope that the resource server defines
        #[arg(long, group = "change")]
        scope: Option<Scope>,

        /// Header `typ` of its tokens: at+jwt, or JWT for libraries that do not accept at+jwt
        #[arg(long, value_name = "TYP", group = "change")]
        token_typ: Option<TokenTyp>,

        /// Algorithm that signs its tokens: RS256, PS256, ES256, Ed25519 or ML-DSA-44. While no key
        /// of the algorithm can sign, tokens are signed with RS256
        #[arg(long, value_name = "ALG", group = "change")]
        signing_alg: Option<SignatureAlgorithm>,
    },
    /// List all resource servers
    List,
    /// Delete a resource server and its client
    Delete {
        identifier: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
}

impl Resource {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let creates = matches!(self, Resource::Create { .. });
        let store = if creates {
            context.store_or_new()?
        } else {
            context.store()?
        };
        let operator = context.operator();
        match self {
            Resource::Create {
                identifier,
                name,
                scope,
                token_typ,
                signing_alg,
            } => {
                let permit = operator.may(ResourcesWrite)?;
                let new = NewResourceServer {
                    identifier,
                    name,
                    scope,
                    token_format: TokenFormat {
                        typ: token_typ,
                        signing_algorithm: signing_alg,
                    },
                };
                let created = resource_server::create(&store, permit, new).await?;
                let server = created.server;
                let secret = created.secret;
                let words = format!(
                    "Created the resource server {}. Its credentials for introspection (the secret is shown only once):\n  client_id      {}\n  client_secret  {}",
                    server.identifier,
                    server.client_id,
                    secret.expose()
                );
                let mut document = json!(server);
                document["client_secret"] = json!(secret.expose());
                Ok(Output::new(&document, words))
            }
            Resource::Update {
                identifier,
                name,
                scope,
                token_typ,
                signing_alg,
            } => {
                let permit = operator.may(ResourcesWrite)?;
                let changes = ResourceServerChanges {
                    name,
                    scope,
                    token_typ,
                    signing_algorithm: signing_alg,
                };
                let server = resource_server::update(&store, permit, &identifier, changes).await?;
                let words = format!(
                    "Saved {} ({}). New tokens for it have the typ {} and are signed with {}",
                    server.identifier,
                    server.name,
                    server.token_typ.as_str(),
                    server.signing_algorithm.as_str()
                );
                Ok(Output::new(&server, words))
            }
            Resource::List => {
                let servers = resource_server::list(&store, operator.may(ResourcesRead)?).await?;
                let rows = servers.iter().map(|server| {
                    let client_id = server.client_id.clone().unwrap_or_default();
                    [
                        server.identifier.clone(),
                        server.name.clone(),
                        server.scope.to_string(),
                        server.signing_alg.as_str().to_owned(),
                        client_id,
                    ]
                });
                Ok(Output::table(
                    &servers,
                    ["IDENTIFIER", "NAME", "SCOPE", "ALG", "CLIENT_ID"],
                    rows,
                ))
            }
            Resource::Delete {
                identifier,
                confirmation,
            } => {
                confirmation.ask(&format!(
                    "This deletes the resource server {identifier} and its client."
                ))?;
                resource_server::delete(&store, operator.may(ResourcesWrite)?, &identifier).await?;
                Ok(Output::done(format!(
                    "Deleted the resource server {identifier}"
                )))
            }
        }
    }
}
