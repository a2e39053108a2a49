//! Resource servers, signing and tokens.

use super::super::management::{
    Created, Page, Paging, resources, signing_keys, tokens, traffic, usage,
};
use super::super::operation::Operation as Op;
use crate::manage::resource_server::ResourceServerView;
use crate::manage::rights::Right;
use crate::manage::signing_key::SigningKeyView;
use crate::manage::token::{Inspection, TokenView};
use crate::manage::traffic::Traffic;
use crate::manage::usage::Usage;

pub(super) fn resource_servers() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/resource-servers",
            "listResourceServers",
            "List resource servers",
            resources::list,
        )
        .query::<Paging>()
        .returns::<Page<ResourceServerView>>(200, "Resource servers, sorted by identifier")
        .requires(Right::ResourcesRead),
        Op::post(
            "/api/v1/resource-servers",
            "createResourceServer",
            "Create a resource server",
            resources::create,
        )
        .json::<resources::CreateResourceServer>()
        .creates::<Created<ResourceServerView>>()
        .requires(Right::ResourcesWrite),
        Op::patch(
            "/api/v1/resource-servers",
            "updateResourceServer",
            "Change the typ or the signature algorithm of tokens for a resource server",
            resources::update,
        )
        .query::<resources::ResourceServerQuery>()
        .json::<resources::UpdateResourceServer>()
        .returns::<ResourceServerView>(200, "The changed resource server")
        .requires(Right::ResourcesWrite),
        Op::delete(
            "/api/v1/resource-servers",
            "deleteResourceServer",
            "Delete a resource server and its client",
            resources::delete,
        )
        .query::<resources::ResourceServerQuery>()
        .returns_empty(204, "Deleted")
        .requires(Right::ResourcesWrite)
        .errors(&[409]),
    ]
}

pub(super) fn signing_keys() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/signing-keys",
            "listSigningKeys",
            "List signing keys",
            signing_keys::list,
        )
        .query::<Paging>()
        .returns::<Page<SigningKeyView>>(200, "The signing keys, with their states")
        .requires(Right::SigningKeysRead),
        Op::post(
            "/api/v1/signing-keys/rotate",
            "rotateSigningKey",
            "Create a signing key that replaces the present one of its algorithm",
            signing_keys::rotate,
        )
        .query::<signing_keys::RotateSigningKey>()
        .returns::<SigningKeyView>(
            201,
            "The new key; it is published now, and signs once all caches can have it",
        )
        .requires(Right::SigningKeysWrite),
        Op::post(
            "/api/v1/signing-keys/import",
            "importSigningKey",
            "Import a private key as a signing key",
            signing_keys::import,
        )
        .json::<signing_keys::ImportSigningKey>()
        .returns::<SigningKeyView>(
            201,
            "The imported key; it is published now, and signs once all caches can have it",
        )
        .requires(Right::SigningKeysWrite)
        .note(
            "The caller must have every other right as well, including `keyward:operator`: \
             with a signing key one can sign tokens with any right.",
        )
        .errors(&[409]),
        Op::post(
            "/api/v1/signing-keys/{kid}/retire",
            "retireSigningKey",
            "Retire a signing key",
            signing_keys::retire,
        )
        .json::<signing_keys::RetireSigningKey>()
        .returns::<SigningKeyView>(
            200,
            "The key, with the times until it signs and is published",
        )
        .requires(Right::SigningKeysWrite)
        .errors(&[409]),
    ]
}

pub(super) fn tokens() -> Vec<Op> {
    vec![
        Op::get(
            "/api/v1/tokens",
            "listTokens",
            "List the unexpired access tokens of a client",
            tokens::list,
        )
        .query::<tokens::ListTokensQuery>()
        .returns::<Page<TokenView>>(200, "Token records, newest first")
        .requires(Right::TokensRead),
        Op::post(
            "/api/v1/tokens/inspect",
            "inspectToken",
            "Show whether an access token or an API key is active, and why not",
            tokens::inspect,
        )
        .json::<tokens::PresentedToken>()
        .returns::<Inspection>(200, "Its state and its metadata")
        .requires(Right::TokensRead),
        Op::post(
            "/api/v1/tokens/revoke",
            "revokeToken",
            "Revoke an access token or an API key",
            tokens::revoke,
        )
        .json::<tokens::PresentedToken>()
        .returns_empty(204, "Revoked")
        .requires(Right::TokensRevoke),
        Op::get(
            "/api/v1/traffic",
            "showTraffic",
            "Show usage statistics",
            traffic::overview,
        )
        .returns::<Traffic>(200, "Statistics of all nodes, delayed by a few seconds")
        .requires(Right::TokensRead),
        Op::get(
            "/api/v1/clients/{client_id}/usage",
            "showUsage",
            "Show how often and from where a client, an API key or a secret was used",
            usage::show,
        )
        .query::<usage::UsageQuery>()
        .returns::<Usage>(200, "The usage on all nodes, delayed by a few seconds")
        .returns_as::<String>(200, "The points as CSV", "text/csv")
        .requires(Right::TokensRead),
    ]
}
