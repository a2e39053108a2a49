//! Applications: the clients of an account.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::audit::failure_text;
use super::page::{
    self, Field, Head, Place, badge, confirmation, copy, done, empty, hidden, member_page, table,
};
use super::quick_start::{self, Snippet};
use super::visit::{Failure, Form, Member, Posted, mendable};
use crate::error::{Code, Error};
use crate::manage::account::{self, Account};
use crate::manage::actor::{
    AccountsRead, AuditRead, ClientsRead, ClientsWrite, KeysRead, TokensRead, TokensRevoke,
};
use crate::manage::client::{
    self, AuthMethod, ClientPatch, ClientView, DisabledBy, Grantable, NewClient, Resources, Warning,
};
use crate::manage::{audit, token, version};
use crate::scope::{Scope, is_right};

/// How many rows a page shows.
const PAGE: i64 = 50;

/// How many of the newest failures and tokens the page of an application shows.
const LATEST: usize = 10;

/// An application with what pages about it have in common.
pub struct Application {
    /// Its row.
    pub client: ClientView,
}

impl Application {
    /// Of the id in the path.
    pub async fn find(member: &Member, id: &str) -> Result<Self, Failure> {
        Ok(Application {
            client: client::show(&member.server.store, member.may(ClientsRead)?, id).await?,
        })
    }

    /// Its path in the portal.
    pub fn path(&self, below: &str) -> String {
        format!("/applications/{}{below}", self.client.client_id)
    }

    /// The way back, for what lies below it.
    pub fn above(&self, member: &Member) -> Vec<(String, String)> {
        vec![
            ("/applications".to_owned(), member.t("menu-applications")),
            (self.path(""), self.client.name.clone()),
        ]
    }
}

/// GET
pub async fn list(member: Member) -> Result<HttpResponse, Failure> {
    let (account, after, text) = (
        member.query("account"),
        member.query("after"),
        member.query("text"),
    );
    let permit = member.may(ClientsRead)?;
    let clients = match text.as_deref() {
        Some(text) => client::search(&member.server.store, permit, text, PAGE).await?,
        None => {
            client::list(
                &member.server.store,
                permit,
                account.clone(),
                after,
                PAGE + 1,
            )
            .await?
        }
    };
    let accounts = account::list(&member.server.store, member.may(AccountsRead)?).await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let last = clients
        .get(page - 1)
        .filter(|_| clients.len() > page)
        .map(|last| last.client_id.clone());
    // What resource servers introspect with is nobody's application; it is found by its account.
    let of_servers = accounts
        .iter()
        .find(|own| own.kind == account::AccountKind::ResourceServers)
        .map(|own| own.id.clone());
    let hidden = |client: &ClientView| {
        account.is_none() && text.is_none() && of_servers.as_ref() == Some(&client.account)
    };
    let other = |client: &ClientView| {
        account
            .as_ref()
            .is_some_and(|chosen| *chosen != client.account)
    };
    let shown: Vec<ClientView> = clients
        .into_iter()
        .take(page)
        .filter(|client| !hidden(client) && !other(client))
        .collect();
    let may_make = member.can(ClientsWrite);
    let make = html! { a.button.primary href=(member.link("/applications/new")) { (member.t("application-new")) } };
    let content = html! {
        @if member.is_operator() || last.is_some() || text.is_some() { (filter(&member, &accounts, account.as_deref(), text.as_deref())) }
        @if shown.is_empty() && text.is_some() {
            (empty(&member.t("applications-not-found"), &member.t("applications-not-found-text"), None))
        } @else if shown.is_empty() {
            (empty(&member.t("applications-none"), &member.t("applications-none-text"), may_make.then_some(make)))
        } @else {
            @if may_make { p { (make) } }
            (rows(&member, &shown, &accounts))
        }
        @if let Some(last) = last {
            p { a href={ (member.link("/applications")) "?after=" (last) "&account=" (account.clone().unwrap_or_default()) } { (member.t("more")) } }
        }
    };
    let head = Head {
        notice: page::notice(&member),
        ..Head::titled(member.t("menu-applications"))
    };
    Ok(member_page(&member, Place::Applications, head, content))
}

fn filter(
    member: &Member,
    accounts: &[Account],
    chosen: Option<&str>,
    text: Option<&str>,
) -> Markup {
    let mut choices = vec![(String::new(), member.t("all-accounts"))];
    choices.extend(
        accounts
            .iter()
            .map(|account| (account.id.clone(), account.name.clone())),
    );
    html! {
        form.filter method="get" action=(member.link("/applications")) {
            (Field::new(member, "text", None).filter().input("search", text.unwrap_or_default()))
            @if member.is_operator() { (Field::new(member, "account", None).filter().select(&choices, chosen.unwrap_or_default())) }
            button { (member.t("filter")) }
        }
    }
}

fn rows(member: &Member, clients: &[ClientView], accounts: &[Account]) -> Markup {
    let name_of = |id: &str| {
        accounts
            .iter()
            .find(|account| account.id == id)
            .map_or_else(|| id.to_owned(), |account| account.name.clone())
    };
    let operator = member.is_operator();
    let mut columns = vec![
        "column-name",
        "column-client-id",
        "column-scope",
        "column-state",
    ];
    if operator {
        columns.insert(2, "column-account");
    }
    let rows: Vec<Vec<Markup>> = clients
        .iter()
        .map(|client| {
            let mut row = vec![
                html! { a href=(member.link(&format!("/applications/{}", client.client_id))) { (client.name) } },
                html! { code { (client.client_id) } },
                html! { span.words { (client.scope) } },
                state(member, client),
            ];
            if operator {
                row.insert(2, html! { (name_of(&client.account)) });
            }
            row
        })
        .collect();
    table(member, &member.t("menu-applications"), &columns, &rows)
}

fn state(member: &Member, client: &ClientView) -> Markup {
    match client.disabled_by {
        _ if client.enabled => badge("good", &member.t("enabled")),
        Some(DisabledBy::Operator) => badge("off", &member.t("disabled-by-operator")),
        _ => badge("off", &member.t("disabled")),
    }
}

/// GET `/new`
pub async fn show_new(member: Member) -> Result<HttpResponse, Failure> {
    let defaults = Form::default();
    new_page(&member, &defaults, None).await
}

async fn new_page(
    member: &Member,
    sent: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, Failure> {
    let choices = client::grantable(&member.server.store, member.may(ClientsWrite)?).await?;
    let accounts = account::partners(&member.server.store, member.may(AccountsRead)?).await?;
    let accounts: Vec<(String, String)> = accounts
        .into_iter()
        .map(|account| (account.id, account.name))
        .collect();
    let content = page::form_once(
        member,
        "/applications",
        sent,
        html! {
            p { (member.t("application-new-text")) }
            (Field::new(member, "name", error).help("help-application-name").input("text", sent.get("name")))
            @if member.is_operator() { (Field::new(member, "account", error).select(&accounts, sent.get("account"))) }
            (reach(member, &choices, sent, error))
            (authentication(member, sent, error))
            button.primary { (member.t("application-create")) }
        },
    );
    let above = vec![("/applications".to_owned(), member.t("menu-applications"))];
    let head = Head {
        above,
        error,
        ..Head::titled(member.t("application-new"))
    };
    Ok(member_page(member, Place::Applications, head, content))
}

/// What the application may reach: what there is to choose from, and what it has.
fn reach(member: &Member, choices: &Grantable, sent: &Form, error: Option<&Error>) -> Markup {
    let values = |known: &BTreeSet<String>, name: &'static str| -> BTreeSet<String> {
        known
            .iter()
            .cloned()
            .chain(sent.all(name).map(str::to_owned))
            .collect()
    };
    let resources = values(&choices.resources, "resources");
    let (scope, rights) = (
        values(&choices.scope, "scope"),
        values(&choices.rights, "rights"),
    );
    html! {
        @if resources.is_empty() && scope.is_empty() && !member.is_operator() {
            div.hint { p { (member.t("reach-nothing")) } }
        }
        @if !resources.is_empty() {
            (Field::new(member, "resources", error).optional().help("help-resources").boxes(resources.iter().map(String::as_str), sent))
        }
        @if !scope.is_empty() {
            (Field::new(member, "scope", error).optional().help("help-scope").boxes(scope.iter().map(String::as_str), sent))
        }
        @if !rights.is_empty() {
            details.more open[sent.all("rights").next().is_some()] {
                summary { (member.t("rights")) }
                (Field::new(member, "rights", error).optional().help("help-rights").boxes(rights.iter().map(String::as_str), sent))
            }
        }
        @if member.is_operator() {
            (Field::new(member, "more_scope", error).optional().help("help-more-scope").input("text", sent.get("more_scope")))
        }
    }
}

fn authentication(member: &Member, sent: &Form, error: Option<&Error>) -> Markup {
    let methods: Vec<(String, String)> = AuthMethod::ALL
        .map(|method| {
            (
                method.as_str().to_owned(),
                member.t(&format!("method-{}", method.as_str().replace('_', "-"))),
            )
        })
        .to_vec();
    let key_by_key = sent.get("auth_method") == AuthMethod::PrivateKeyJwt.as_str()
        || error.is_some_and(|error| error.wrong_field() == Some("jwks"));
    html! {
        details.more open[key_by_key] {
            summary { (member.t("application-authentication")) }
            (Field::new(member, "auth_method", error).help("help-auth-method").select(&methods, sent.get("auth_method")))
            (Field::new(member, "jwks", error).optional().help("help-jwks").area(sent.get("jwks")))
        }
    }
}

/// The scope that a form asks for.
fn scope_of(form: &Form) -> Result<Scope, Error> {
    // People put commas between words.
    let more = form.text("more_scope").replace(',', " ");
    let words: Vec<&str> = form
        .all("scope")
        .chain(form.all("rights"))
        .chain([more.as_str()])
        .collect();
    let unusable = |error: crate::scope::InvalidScope| {
        Error::new(Code::InvalidScope, error.to_string())
            .phrase("scope-unusable", [])
            .field("more_scope")
    };
    words.join(" ").parse().map_err(unusable)
}

fn method_of(form: &Form) -> Result<AuthMethod, Error> {
    let named = if form.checked("auth_method") {
        form.get("auth_method")
    } else {
        AuthMethod::ClientSecretBasic.as_str()
    };
    named
        .parse::<AuthMethod>()
        .map_err(|error| Error::new(Code::InvalidRequest, error).field("auth_method"))
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// POST
pub async fn create(Posted { member, form }: Posted) -> Result<HttpResponse, Failure> {
    let made = async {
        let new = NewClient {
            name: form.text("name").to_owned(),
            account: some(form.get("account")).filter(|_| member.is_operator()),
            scope: scope_of(&form)?,
            resources: form.all("resources").map(str::to_owned).collect(),
            may_introspect: false,
            auth_method: method_of(&form)?,
            jwks: some(form.text("jwks")),
        };
        client::create(&member.server.store, member.may(ClientsWrite)?, new).await
    };
    match mendable(&member, made.await, "/applications")? {
        Ok(made) => {
            let application = Application {
                client: made.client.into(),
            };
            let secret = made.secret.as_ref().map(|secret| secret.expose());
            Ok(made_page(
                &member,
                &application,
                secret,
                made.api_key.expose(),
                made.warning.as_ref(),
            ))
        }
        Err(error) => new_page(&member, &form, Some(&error)).await,
    }
}

fn made_page(
    member: &Member,
    application: &Application,
    secret: Option<&str>,
    api_key: &str,
    warning: Option<&Warning>,
) -> HttpResponse {
    let client = &application.client;
    let token_endpoint = member.server.issuer.endpoint("/oauth/token");
    let content = html! {
        @if let Some(warning) = warning { (warned(member, warning)) }
        div.once {
            p { strong { (member.t("shown-once")) } }
            (copy(member, &member.t("column-client-id"), "client-id", &client.client_id))
            @if let Some(secret) = secret {
                (copy(member, &member.t("client-secret"), "client-secret", secret))
                (copy(member, &member.t("first-token"), "first-token",
                    &format!("curl -u {}:{secret} -d grant_type=client_credentials {token_endpoint}", client.client_id)))
            }
            (copy(member, &member.t("first-key"), "api-key", api_key))
            (copy(member, &member.t("ready-header"), "header", &super::api_keys::header_of(api_key)))
        }
        p {
            a.button.primary href=(member.link(&application.path("/quick-start"))) { (member.t("quick-start")) } " "
            a.button href=(member.link(&application.path(""))) { (member.t("to-application")) }
        }
    };
    let above = application.above(member);
    let notice = Some(html! { (member.t("done-application-created")) });
    member_page(
        member,
        Place::Applications,
        Head {
            above,
            notice,
            ..Head::titled(member.t("application-made"))
        },
        content,
    )
}

/// GET `/{id}`
pub async fn show(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let client = &application.client;
    let store = &member.server.store;
    let failures = match member.may(AuditRead) {
        Ok(permit) => Some(audit::failures(store, permit, &id, LATEST).await?),
        Err(_) => None,
    };
    let tokens = match member.may(TokensRead) {
        Ok(permit) => {
            let limit = i64::try_from(LATEST).unwrap_or(i64::MAX);
            Some(token::list(&member.server, permit, &id, None, limit + 1).await?)
        }
        Err(_) => None,
    };
    // Right after it was saved; later it would be noise.
    let warning = match member.query("done").as_deref() {
        Some("saved") => client::warning(store, member.may(ClientsRead)?, client).await?,
        _ => None,
    };
    let content = html! {
        p.badges { (state(&member, client)) @if client.introspect { " " (badge("plain", &member.t("introspects"))) } }
        @if client.disabled_by == Some(DisabledBy::Operator) && !member.is_operator() {
            div.hint { p { (member.t("disabled-by-operator-text")) } }
        }
        @if let Some(warning) = &warning { (warned(&member, warning)) }
        (actions(&member, &application))
        section aria-labelledby="about" {
            h2 #about { (member.t("application-about")) }
            dl.facts {
                dt { (member.t("column-client-id")) } dd { (copy_inline(&member, "client-id", &client.client_id)) }
                dt { (member.t("field-auth-method")) } dd { (member.t(&format!("method-{}", client.auth_method.replace('_', "-")))) }
                dt { (member.t("field-scope")) } dd { @if client.scope.is_empty() { (member.t("nothing")) } @for word in client.scope.iter() { code { (word) } " " } }
                dt { (member.t("field-resources")) } dd { @if client.resources.is_empty() { (member.t("nothing")) } @for word in client.resources.iter() { code { (word) } " " } }
                dt { (member.t("column-made")) } dd { (member.language.moment(client.created_at)) }
            }
        }
        @if client.self_registered && member.can(ClientsWrite) { (registration_section(&member, &application)) }
        @if let Some(failures) = failures { (failures_section(&member, &failures)) }
        @if let Some(tokens) = tokens { (tokens_section(&member, &application, &tokens)) }
    };
    let above = vec![("/applications".to_owned(), member.t("menu-applications"))];
    let head = Head {
        above,
        notice: page::notice(&member),
        ..Head::titled(client.name.clone())
    };
    Ok(member_page(&member, Place::Applications, head, content))
}

/// What is most likely not meant with its scope.
pub fn warned(member: &Member, warning: &Warning) -> Markup {
    let values = [
        ("unknown", warning.unknown.as_str().into()),
        ("known", warning.known.as_str().into()),
    ];
    html! { div.hint { p { (member.tr("scope-undescribed", &values)) } } }
}

fn copy_inline(member: &Member, id: &str, text: &str) -> Markup {
    html! { code #(id) { (text) } " " button.small type="button" data-copy=(id) hidden { (member.t("copy")) } }
}

fn actions(member: &Member, application: &Application) -> Markup {
    let to = |below: &str, message: &str| html! { a.button href=(member.link(&application.path(below))) { (member.t(message)) } };
    let writes = member.can(ClientsWrite);
    let gets_tokens = !application.client.grant_types.is_empty();
    let uses_secret = application.client.auth_method != AuthMethod::PrivateKeyJwt.as_str();
    html! {
        div.buttons {
            @if gets_tokens { (to("/quick-start", "quick-start")) }
            @if member.can(KeysRead) {
                @if gets_tokens { (to("/keys", "menu-api-keys")) }
                @if uses_secret { (to("/secrets", "secrets")) }
            }
            @if writes {
                (to("/edit", "edit"))
                @if application.client.enabled { (to("/disable", "disable")) }
                @else if member.is_operator() || application.client.disabled_by != Some(DisabledBy::Operator) {
                    (page::button(member, &application.path("/enable"), &member.t("enable"), ""))
                }
                (to("/delete", "delete"))
            }
        }
    }
}

/// What a client that registered itself can change by itself, and the buttons that end that.
fn registration_section(member: &Member, application: &Application) -> Markup {
    let has_token = application.client.has_registration_token;
    let to = |below: &str, message: &str| html! { a.button href=(member.link(&application.path(below))) { (member.t(message)) } };
    html! {
        section aria-labelledby="registration-access" {
            h2 #registration-access { (member.t("registration-access")) }
            p { (member.t(if has_token { "registration-access-text" } else { "registration-access-none" })) }
            div.buttons {
                (to("/renew-registration-token", "ask-renew-registration-token"))
                @if has_token { (to("/revoke-registration-token", "ask-revoke-registration-token")) }
            }
        }
    }
}

fn failures_section(member: &Member, failures: &[audit::Failure]) -> Markup {
    let rows: Vec<Vec<Markup>> = failures
        .iter()
        .map(|audit::Failure { entry, api_key }| {
            vec![
                member.relative(entry.happened_at),
                html! { (failure_text(member, entry)) },
                html! { @if let Some(name) = api_key { (name) } @else { "–" } },
                html! { code.short { (entry.address.as_deref().unwrap_or("–")) } },
                html! { code { (entry.request_id.as_deref().unwrap_or("–")) } },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="failures" {
            h2 #failures { (member.t("failures")) }
            @if rows.is_empty() { p { (member.t("failures-none")) } } @else {
                (table(member, &member.t("failures"), &["column-when", "column-why", "api-key", "column-address", "column-request"], &rows))
            }
        }
    }
}

fn tokens_section(
    member: &Member,
    application: &Application,
    tokens: &[token::TokenView],
) -> Markup {
    let shown = &tokens[..tokens.len().min(LATEST)];
    let rows: Vec<Vec<Markup>> = shown
        .iter()
        .map(|view| {
            vec![
                html! { code { (view.token.jti) } },
                html! { span.words { (view.token.scope) } },
                member.relative(view.token.issued_at),
                member.relative(view.token.expires_at),
                if view.revoked {
                    badge("off", &member.t("revoked"))
                } else {
                    badge("good", &member.t("live"))
                },
            ]
        })
        .collect();
    html! {
        section aria-labelledby="tokens" {
            h2 #tokens { (member.t("tokens")) }
            @if !member.server.settings.token_records.is_on() { p { (member.t("tokens-off")) } }
            @else if rows.is_empty() { p { (member.t("tokens-none")) } }
            @else {
                (table(member, &member.t("tokens"), &["column-token", "column-scope", "column-issued", "column-ends", "column-state"], &rows))
                @if tokens.len() > LATEST { p { (member.t("tokens-more")) } }
            }
            @if member.can(TokensRevoke) {
                p { a.button href=(member.link(&application.path("/revoke-tokens"))) { (member.t("revoke-all")) } }
            }
        }
    }
}

/// GET `/{id}/edit`
pub async fn show_edit(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let client = &application.client;
    let jwks = client
        .jwks
        .as_ref()
        .and_then(|jwks| serde_json::to_string_pretty(jwks).ok())
        .unwrap_or_default();
    let version = version(client);
    let mut fields = vec![
        ("name", client.name.as_str()),
        ("auth_method", client.auth_method),
        ("jwks", &jwks),
        ("version", &version),
    ];
    fields.extend(
        client
            .scope
            .iter()
            .map(|token| (if is_right(token) { "rights" } else { "scope" }, token)),
    );
    fields.extend(
        client
            .resources
            .iter()
            .map(|identifier| ("resources", identifier)),
    );
    if client.introspect {
        fields.push(("introspect", "on"));
    }
    edit_page(&member, &application, &Form::filled(&fields), None).await
}

async fn edit_page(
    member: &Member,
    application: &Application,
    sent: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, Failure> {
    let choices = client::grantable(&member.server.store, member.may(ClientsWrite)?).await?;
    // Whoever saw that it was changed meanwhile may save over it.
    let stale = error.is_some_and(|error| error.code() == Code::PreconditionFailed);
    let current = version(&application.client);
    let content = html! {
        @if stale { (as_it_is(member, &application.client)) }
        (page::form(member, &application.path("/edit"), html! {
            (hidden("version", if stale { &current } else { sent.get("version") }))
            (Field::new(member, "name", error).input("text", sent.get("name")))
            (reach(member, &choices, sent, error))
            @if member.is_operator() { (Field::new(member, "introspect", error).help("help-introspect").tick(sent.checked("introspect"))) }
            (authentication(member, sent, error))
            div.buttons {
                button.primary { (member.t("save")) }
                a.button href=(member.link(&application.path(""))) { (member.t("cancel")) }
            }
        }))
    };
    let head = Head {
        above: application.above(member),
        error,
        ..Head::titled(member.t("edit"))
    };
    Ok(member_page(member, Place::Applications, head, content))
}

/// What somebody else made of it while the form was open.
fn as_it_is(member: &Member, client: &ClientView) -> Markup {
    html! {
        section.hint aria-labelledby="now" {
            h2 #now { (member.t("as-it-is")) }
            dl.facts {
                dt { (member.t("field-name")) } dd { (client.name) }
                dt { (member.t("field-scope")) } dd { (client.scope) }
                dt { (member.t("field-resources")) } dd { (client.resources.as_str()) }
            }
        }
    }
}

/// POST `/{id}/edit`
pub async fn edit(
    Posted { member, form }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let changed = async {
        let introspect = form.checked("introspect");
        // The form always has them; what is as it was is not set anew.
        let (scope, before) = (scope_of(&form)?, &application.client);
        let resources: Vec<String> = form.all("resources").map(str::to_owned).collect();
        let same = resources.iter().map(String::as_str).collect::<Resources>() == before.resources;
        let change = ClientPatch {
            name: Some(form.text("name").to_owned()),
            scope: Some(scope).filter(|scope| *scope != before.scope),
            resources: Some(resources).filter(|_| !same),
            may_introspect: member.is_operator().then_some(introspect),
            auth_method: Some(method_of(&form)?),
            jwks: some(form.text("jwks")),
            enabled: None,
            expected: some(form.get("version")).map(|version| vec![version]),
        };
        client::update(&member.server.store, member.may(ClientsWrite)?, &id, change).await
    };
    match mendable(&member, changed.await, &application.path(""))? {
        Ok(_) => Ok(done(&member, &application.path(""), "saved")),
        Err(error) => edit_page(&member, &application, &form, Some(&error)).await,
    }
}

/// A page that asks before something is done to an application.
fn ask(member: &Member, application: &Application, what: &str) -> HttpResponse {
    let text = member.tr(
        &format!("ask-{what}-text"),
        &[("name", application.client.name.as_str().into())],
    );
    let question = confirmation(
        member,
        html! { p { (text) } },
        &application.path(&format!("/{what}")),
        &member.t(&format!("ask-{what}")),
        &application.path(""),
        html! {},
    );
    let head = Head {
        above: application.above(member),
        ..Head::titled(member.t(&format!("ask-{what}")))
    };
    member_page(member, Place::Applications, head, question)
}

/// What came of it: `what` was done, and `to` shows it; or why it was refused, with the way back.
fn outcome<T>(
    member: &Member,
    application: &Application,
    result: Result<T, Error>,
    to: &str,
    what: &str,
) -> Result<HttpResponse, Failure> {
    let Err(error) = mendable(member, result, to)? else {
        return Ok(done(member, to, what));
    };
    let back = html! { p { a.button href=(member.link(&application.path(""))) { (member.t("to-application")) } } };
    let head = Head {
        above: application.above(member),
        error: Some(&error),
        ..Head::titled(member.t("failed-refused"))
    };
    Ok(member_page(member, Place::Applications, head, back))
}

/// GET `/{id}/disable`
pub async fn ask_disable(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    member.may(ClientsWrite)?;
    Ok(ask(
        &member,
        &Application::find(&member, &id).await?,
        "disable",
    ))
}

/// POST `/{id}/disable`
pub async fn disable(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let result = client::disable(&member.server.store, member.may(ClientsWrite)?, &id).await;
    outcome(
        &member,
        &application,
        result,
        &application.path(""),
        "disabled",
    )
}

/// POST `/{id}/enable`
pub async fn enable(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let result = client::enable(&member.server.store, member.may(ClientsWrite)?, &id).await;
    outcome(
        &member,
        &application,
        result,
        &application.path(""),
        "enabled",
    )
}

/// GET `/{id}/delete`
pub async fn ask_delete(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    member.may(ClientsWrite)?;
    Ok(ask(
        &member,
        &Application::find(&member, &id).await?,
        "delete",
    ))
}

/// POST `/{id}/delete`
pub async fn delete(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let result = client::delete(&member.server.store, member.may(ClientsWrite)?, &id).await;
    outcome(
        &member,
        &application,
        result,
        "/applications",
        "application-deleted",
    )
}

/// GET `/{id}/revoke-tokens`
pub async fn ask_revoke(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    member.may(TokensRevoke)?;
    Ok(ask(
        &member,
        &Application::find(&member, &id).await?,
        "revoke-tokens",
    ))
}

/// POST `/{id}/revoke-tokens`
pub async fn revoke(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let result = token::revoke_all(&member.server, member.may(TokensRevoke)?, &id).await;
    outcome(
        &member,
        &application,
        result,
        &application.path(""),
        "tokens-revoked",
    )
}

/// GET `/{id}/renew-registration-token`
pub async fn ask_renew_registration(
    member: Member,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    member.may(ClientsWrite)?;
    Ok(ask(
        &member,
        &Application::find(&member, &id).await?,
        "renew-registration-token",
    ))
}

/// POST `/{id}/renew-registration-token`
pub async fn renew_registration(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let renewed =
        client::renew_registration_token(&member.server.store, member.may(ClientsWrite)?, &id)
            .await;
    let token = match renewed {
        Ok(token) => token,
        refused => {
            return outcome(
                &member,
                &application,
                refused,
                &application.path(""),
                "saved",
            );
        }
    };
    let uri = member
        .server
        .issuer
        .endpoint(&format!("/oauth/register/{id}"));
    let content = html! {
        div.once {
            p { strong { (member.t("shown-once")) } }
            (copy(&member, &member.t("registration-access"), "registration-access-token", token.expose()))
            (copy(&member, &member.t("registration-access-uri"), "registration-client-uri", &uri))
        }
        p { a.button.primary href=(member.link(&application.path(""))) { (member.t("to-application")) } }
    };
    let head = Head {
        above: application.above(&member),
        ..Head::titled(member.t("registration-access-made"))
    };
    Ok(member_page(&member, Place::Applications, head, content))
}

/// GET `/{id}/revoke-registration-token`
pub async fn ask_revoke_registration(
    member: Member,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    member.may(ClientsWrite)?;
    Ok(ask(
        &member,
        &Application::find(&member, &id).await?,
        "revoke-registration-token",
    ))
}

/// POST `/{id}/revoke-registration-token`
pub async fn revoke_registration(
    Posted { member, .. }: Posted,
    id: Path<String>,
) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let result =
        client::revoke_registration_token(&member.server.store, member.may(ClientsWrite)?, &id)
            .await;
    outcome(
        &member,
        &application,
        result,
        &application.path(""),
        "registration-access-revoked",
    )
}

/// GET `/{id}/quick-start`
pub async fn quick_start(member: Member, id: Path<String>) -> Result<HttpResponse, Failure> {
    let application = Application::find(&member, &id).await?;
    let client = &application.client;
    let chosen = member.query("language");
    let chosen = Snippet::ALL
        .into_iter()
        .find(|snippet| chosen.as_deref() == Some(snippet.slug()));
    let chosen = chosen.unwrap_or(Snippet::Curl);
    let content = html! {
        @if let Some(values) = quick_start::Application::of(client, &member.server.issuer) {
            p { (member.t("quick-start-text")) }
            nav.tabs aria-label=(member.t("quick-start-languages")) {
                ul {
                    @for snippet in Snippet::ALL {
                        li { a href={ "?language=" (snippet.slug()) } aria-current=[(snippet == chosen).then_some("page")] { (snippet.name()) } }
                    }
                }
            }
            (steps(&member, &application, chosen, &values))
        } @else if client.auth_method != AuthMethod::PrivateKeyJwt.as_str() {
            p { (member.t("quick-start-none")) }
        } @else {
            p { (member.t("quick-start-assertion")) }
            dl.facts {
                dt { (member.t("token-endpoint")) } dd { code { (member.server.issuer.endpoint("/oauth/token")) } }
                dt { (member.t("column-client-id")) } dd { code { (client.client_id) } }
                dt { "aud" } dd { code { (member.server.issuer) } }
            }
        }
    };
    let head = Head {
        above: application.above(&member),
        ..Head::titled(member.t("quick-start"))
    };
    Ok(member_page(&member, Place::Applications, head, content))
}

fn steps(
    member: &Member,
    application: &Application,
    snippet: Snippet,
    values: &quick_start::Application,
) -> Markup {
    html! {
        ol.steps {
            li {
                p { (member.t("quick-start-secret")) }
                @if member.can(KeysRead) { p { a href=(member.link(&application.path("/secrets"))) { (member.t("secrets")) } } }
                (copy(member, &member.t("quick-start-environment"), "environment", "export CLIENT_SECRET=…"))
            }
            @if !snippet.prepare().is_empty() {
                li { (copy(member, &member.t("quick-start-prepare"), "prepare", &snippet.prepare().join("\n"))) }
            }
            li { (copy(member, &member.tr("quick-start-save", &[("file", snippet.file_name().into())]), "code", &snippet.code(values))) }
            li { (copy(member, &member.t("quick-start-run"), "run", snippet.run())) }
        }
    }
}
