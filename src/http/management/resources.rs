//! `/api/v1/resource-servers`. The identifier of a resource server is a URI, so it is in the query
//! instead of the path.

use actix_web::web::Payload;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Created, Creation, Page, no_content, ok};
use crate::error::{Code, Error};
use crate::http::extract::ApiRequest;
use crate::http::operation::HandlerResult;
use crate::manage::actor::{ResourcesRead, ResourcesWrite};
use crate::manage::resource_server::{
    self, NewResourceServer, ResourceServerChanges, SignatureAlgorithm, TokenFormat, TokenTyp,
};
use crate::scope::Scope;
use crate::secret::Disclosed;

/// The resource server to create.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateResourceServer {
    /// The identifier, a URI, which is the `aud` of tokens for the resource server.
    #[schemars(length(max = 512))]
    identifier: String,
    /// The display name.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// The scope that the resource server describes.
    #[serde(default)]
    scope: Scope,
    /// The header parameter `typ` of tokens for the resource server; `at+jwt` by default.
    #[serde(default)]
    token_typ: TokenTyp,
    /// The algorithm that signs tokens for the resource server; `RS256` by default. `Ed25519` and
    /// `EdDSA` are the same.
    #[serde(default)]
    signing_alg: SignatureAlgorithm,
}

/// Changes of a resource server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateResourceServer {
    /// The display name.
    #[schemars(length(min = 1, max = 100))]
    name: Option<String>,
    /// The scope that the resource server describes.
    scope: Option<Scope>,
    /// The header parameter `typ` of tokens that are issued from now on.
    token_typ: Option<TokenTyp>,
    /// The algorithm that signs tokens from now on. While no key of the algorithm can sign, because
    /// its first key is yet to be published for long enough, tokens are signed with `RS256`.
    signing_alg: Option<SignatureAlgorithm>,
}

/// The resource server to change or delete.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ResourceServerQuery {
    /// The identifier of the resource server.
    identifier: String,
}

/// `GET /api/v1/resource-servers`
pub(in crate::http) async fn list(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(ResourcesRead).await?;
    let servers = resource_server::list(api.store(), permit).await?;
    let page = Page::of(servers, &api.query()?, |server| &server.identifier)?;
    Ok(ok(&page))
}

/// `POST /api/v1/resource-servers`
pub(in crate::http) async fn create(api: ApiRequest, payload: Payload) -> HandlerResult {
    let creation: Creation<CreateResourceServer> = Creation::read(&api, payload).await?;
    let permit = creation.actor.may(ResourcesWrite)?;
    let body = &creation.body;
    let new = NewResourceServer {
        identifier: body.identifier.clone(),
        name: body.name.clone(),
        scope: body.scope.clone(),
        token_format: TokenFormat {
            typ: body.token_typ,
            signing_algorithm: body.signing_alg,
        },
    };
    let create = async {
        let made = resource_server::create(api.store(), permit, new).await?;
        let mut created = Created::without_secrets(made.server.into());
        created.client_secret = Some(Disclosed::new(made.secret.expose()));
        Ok(created)
    };
    let find = async |identifier: String| {
        let permit = creation.actor.may(ResourcesRead)?;
        let all = resource_server::list(api.store(), permit).await?;
        Ok(all
            .into_iter()
            .find(|server| server.identifier == identifier))
    };
    creation.run(&api, create, find).await
}

/// `PATCH /api/v1/resource-servers?identifier=…`
pub(in crate::http) async fn update(api: ApiRequest, payload: Payload) -> HandlerResult {
    let permit = api.permit(ResourcesWrite).await?;
    let ResourceServerQuery { identifier } = api.query()?;
    let UpdateResourceServer {
        name,
        scope,
        token_typ,
        signing_alg,
    } = api.json(payload).await?;
    let changes = ResourceServerChanges {
        name,
        scope,
        token_typ,
        signing_algorithm: signing_alg,
    };
    let changed = resource_server::update(api.store(), permit, &identifier, changes).await?;
    Ok(ok(&changed))
}

/// `DELETE /api/v1/resource-servers?identifier=…`
pub(in crate::http) async fn delete(api: ApiRequest) -> HandlerResult {
    let permit = api.permit(ResourcesWrite).await?;
    let ResourceServerQuery { identifier } = api.query()?;
    // Postgres stores no text with a zero byte, and refuses to look for one.
    if identifier.contains('\0') {
        return Err(Error::new(
            Code::NotFound,
            "There is no such resource server",
        ));
    }
    resource_server::delete(api.store(), permit, &identifier).await?;
    Ok(no_content())
}
