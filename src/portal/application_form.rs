//! The forms to create and to edit an application.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};

use super::account_field::AccountChoices;
use super::application::Application;
use super::application_details::{profile_name, scope_warning};
use super::components::{self, Field, copy, hidden};
use super::form::Form;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::credential::Credential;
use crate::error::{Code, Error, refusal};
use crate::manage::actor::ClientsWrite;
use crate::manage::api_key::authorization_header;
use crate::manage::client::{
    self, AuthMethod, CertificateName, ClientPatch, ClientView, Grantable, NameKind, NewClient,
    Resources, SecurityProfile, Warning,
};
use crate::manage::version;
use crate::scope::{Scope, is_right};

/// The page to create an application.
pub async fn show_new(user: CurrentUser) -> Result<HttpResponse, PageError> {
    let defaults = Form::default();
    new_page(&user, &defaults, None).await
}

async fn new_page(
    user: &CurrentUser,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let grantable = client::grantable(&user.server.store, user.may(ClientsWrite)?).await?;
    let accounts = AccountChoices::load(user).await?;
    let content = components::idempotent_form(
        user,
        "/applications",
        submitted,
        html! {
            p { (user.t("application-new-text")) }
            (Field::new(user, "name", error).help("help-application-name").input("text", submitted.get("name")))
            @if user.is_operator() { (accounts.field(Field::new(user, "account", error), submitted.get("account"))) }
            (access_fields(user, &grantable, submitted, error))
            (authentication_fields(user, submitted, error))
            button.primary { (user.t("application-create")) }
        },
    );
    let breadcrumbs = vec![NavItem::Applications.breadcrumb(user)];
    let header = PageHeader {
        breadcrumbs,
        error,
        ..PageHeader::titled(user.t("application-new"))
    };
    Ok(user_page(user, NavItem::Applications, header, content))
}

/// The fields for what the application may access: the values that can be granted, and those it
/// has.
fn access_fields(
    user: &CurrentUser,
    grantable: &Grantable,
    submitted: &Form,
    error: Option<&Error>,
) -> Markup {
    let values = |known: &BTreeSet<String>, name: &'static str| -> BTreeSet<String> {
        known
            .iter()
            .cloned()
            .chain(submitted.all(name).map(str::to_owned))
            .collect()
    };
    let resources = values(&grantable.resources, "resources");
    let scope = values(&grantable.scope, "scope");
    let rights = values(&grantable.rights, "rights");
    html! {
        @if resources.is_empty() && scope.is_empty() && !user.is_operator() {
            div.hint { p { (user.t("access-none")) } }
        }
        @if !resources.is_empty() {
            (Field::new(user, "resources", error).optional().help("help-resources").checkboxes(resources.iter().map(String::as_str), submitted))
        }
        @if !scope.is_empty() {
            (Field::new(user, "scope", error).optional().help("help-scope").checkboxes(scope.iter().map(String::as_str), submitted))
        }
        @if !rights.is_empty() {
            details.more open[submitted.all("rights").next().is_some()] {
                summary { (user.t("rights")) }
                (Field::new(user, "rights", error).optional().help("help-rights").checkboxes(rights.iter().map(String::as_str), submitted))
            }
        }
        @if user.is_operator() {
            (Field::new(user, "more_scope", error).optional().help("help-more-scope").input("text", submitted.get("more_scope")))
        }
    }
}

/// The fields of the part of the form that is folded away at first.
const AUTHENTICATION_FIELDS: [&str; 4] = [
    "auth_method",
    "jwks",
    "certificate_name",
    "tls_client_certificate_bound_access_tokens",
];

/// The message for a kind of name in a certificate.
pub(super) const fn name_kind_message(kind: NameKind) -> &'static str {
    match kind {
        NameKind::SubjectDn => "certificate-subject-dn",
        NameKind::SanDns => "certificate-san-dns",
        NameKind::SanUri => "certificate-san-uri",
        NameKind::SanIp => "certificate-san-ip",
        NameKind::SanEmail => "certificate-san-email",
    }
}

/// The fields for how the application authenticates.
fn authentication_fields(user: &CurrentUser, submitted: &Form, error: Option<&Error>) -> Markup {
    let server_profile = user.server.settings.security_profile;
    let methods: Vec<(String, String)> = AuthMethod::ALL
        .into_iter()
        .filter(|method| server_profile.allows_auth_method(*method))
        .map(|method| {
            (
                method.as_str().to_owned(),
                user.t(&format!("method-{}", method.as_str().replace('_', "-"))),
            )
        })
        .collect();
    let profiles: Vec<(String, String)> = SecurityProfile::ALL
        .map(|profile| (profile.as_str().to_owned(), profile_name(user, profile)))
        .into();
    let kinds: Vec<(String, String)> = NameKind::ALL
        .iter()
        .map(|kind| (kind.as_str().to_owned(), user.t(name_kind_message(*kind))))
        .collect();
    let has_secret = submitted
        .get("auth_method")
        .parse()
        .map_or(true, AuthMethod::uses_secret);
    let open = !has_secret
        || submitted.checked("dpop_bound_access_tokens")
        || submitted.checked("tls_client_certificate_bound_access_tokens")
        || error
            .and_then(Error::wrong_field)
            .is_some_and(|field| AUTHENTICATION_FIELDS.contains(&field));
    html! {
        details.more open[open] {
            summary { (user.t("application-authentication")) }
            (Field::new(user, "auth_method", error).help("help-auth-method").select(&methods, submitted.get("auth_method")))
            (Field::new(user, "jwks", error).optional().help("help-jwks").textarea(submitted.get("jwks")))
            (Field::new(user, "certificate_name_kind", error).select(&kinds, submitted.get("certificate_name_kind")))
            (Field::new(user, "certificate_name", error).optional().help("help-certificate-name").input("text", submitted.get("certificate_name")))
            (Field::new(user, "tls_client_certificate_bound_access_tokens", error).help("help-tls-client-certificate-bound-access-tokens").checkbox(submitted.checked("tls_client_certificate_bound_access_tokens")))
            (Field::new(user, "dpop_bound_access_tokens", error).help("help-dpop-bound-access-tokens").checkbox(submitted.checked("dpop_bound_access_tokens")))
            (Field::new(user, "profile", error).help("help-profile").select(&profiles, submitted.get("profile")))
        }
    }
}

/// The scope of a submitted form.
fn parse_scope(form: &Form) -> Result<Scope, Error> {
    // People separate words with commas.
    let more = form.text("more_scope").replace(',', " ");
    let words: Vec<&str> = form
        .all("scope")
        .chain(form.all("rights"))
        .chain([more.as_str()])
        .collect();
    let unusable = |error: crate::scope::InvalidScope| {
        refusal::invalid_scope(&error.to_string()).field("more_scope")
    };
    words.join(" ").parse().map_err(unusable)
}

/// The name of the certificate of a submitted form; `None` if the field is empty.
fn parse_certificate_name(form: &Form) -> Result<Option<CertificateName>, Error> {
    let Some(name) = form.optional("certificate_name") else {
        return Ok(None);
    };
    let kind = form.choice("certificate_name_kind")?;
    let kind = kind.unwrap_or(NameKind::SubjectDn);
    CertificateName::new(kind, &name)
        .map(Some)
        .map_err(|error| {
            refusal::certificate_name_invalid(&error.to_string()).field("certificate_name")
        })
}

/// Creates an application.
pub async fn create(
    AuthenticatedForm { user, form }: AuthenticatedForm,
) -> Result<HttpResponse, PageError> {
    let created = async {
        let new = NewClient {
            name: form.text("name").to_owned(),
            account: form.optional("account").filter(|_| user.is_operator()),
            scope: parse_scope(&form)?,
            resources: form.all("resources").map(str::to_owned).collect(),
            may_introspect: false,
            auth_method: form
                .choice("auth_method")?
                .unwrap_or(AuthMethod::ClientSecretBasic),
            jwks: form.optional("jwks"),
            dpop_bound_access_tokens: form.checked("dpop_bound_access_tokens"),
            profile: form.choice("profile")?.unwrap_or_default(),
            certificate_name: parse_certificate_name(&form)?,
            tls_client_certificate_bound_access_tokens: form
                .checked("tls_client_certificate_bound_access_tokens"),
        };
        client::create(&user.server.store, user.may(ClientsWrite)?, new).await
    };
    match recoverable(&user, created.await, "/applications")? {
        Ok(created) => {
            let application = Application {
                client: created.client.into(),
            };
            Ok(created_page(
                &user,
                &application,
                created.secret.as_ref(),
                created.api_key.as_ref(),
                created.warning.as_ref(),
            ))
        }
        Err(error) => new_page(&user, &form, Some(&error)).await,
    }
}

fn created_page(
    user: &CurrentUser,
    application: &Application,
    secret: Option<&Credential>,
    api_key: Option<&Credential>,
    warning: Option<&Warning>,
) -> HttpResponse {
    let client = &application.client;
    let token_endpoint = user.server.issuer.endpoint("/oauth/token");
    let content = html! {
        @if let Some(warning) = warning { (scope_warning(user, warning)) }
        div.shown_once {
            p { strong { (user.t("shown-once")) } }
            (copy(user, &user.t("column-client-id"), "client-id", &client.client_id))
            @if let Some(secret) = secret.map(Credential::expose) {
                (copy(user, &user.t("client-secret"), "client-secret", secret))
                @if !client.dpop_bound_access_tokens && !client.tls_client_certificate_bound_access_tokens {
                    (copy(user, &user.t("first-token"), "first-token",
                        &format!("curl -u {}:{secret} -d grant_type=client_credentials {token_endpoint}", client.client_id)))
                }
            }
            @if let Some(api_key) = api_key {
                (copy(user, &user.t("first-key"), "api-key", api_key.expose()))
                (copy(user, &user.t("ready-header"), "header", &format!("Authorization: {}", authorization_header(api_key).expose())))
            }
        }
        p {
            a.button.primary href=(user.link(&application.path("/quick-start"))) { (user.t("quick-start")) } " "
            a.button href=(user.link(&application.path(""))) { (user.t("to-application")) }
        }
    };
    let breadcrumbs = application.breadcrumbs(user);
    let notice = Some(html! { (user.t("done-application-created")) });
    user_page(
        user,
        NavItem::Applications,
        PageHeader {
            breadcrumbs,
            notice,
            ..PageHeader::titled(user.t("application-created"))
        },
        content,
    )
}

/// The page to edit an application.
pub async fn show_edit(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
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
        ("profile", client.profile.as_str()),
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
    if client.dpop_bound_access_tokens {
        fields.push(("dpop_bound_access_tokens", "on"));
    }
    if client.tls_client_certificate_bound_access_tokens {
        fields.push(("tls_client_certificate_bound_access_tokens", "on"));
    }
    let certificate_name = client.certificate_names.clone().into_name().ok().flatten();
    if let Some(name) = &certificate_name {
        fields.push(("certificate_name_kind", name.kind().as_str()));
        fields.push(("certificate_name", name.name()));
    }
    edit_page(&user, &application, &Form::filled(&fields), None).await
}

async fn edit_page(
    user: &CurrentUser,
    application: &Application,
    submitted: &Form,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let grantable = client::grantable(&user.server.store, user.may(ClientsWrite)?).await?;
    // After seeing the conflict, the user may overwrite the other change.
    let stale = error.is_some_and(|error| error.code() == Code::PreconditionFailed);
    let current = version(&application.client);
    let content = html! {
        @if stale { (current_values(user, &application.client)) }
        (components::form(user, &application.path("/edit"), html! {
            (hidden("version", if stale { &current } else { submitted.get("version") }))
            (Field::new(user, "name", error).input("text", submitted.get("name")))
            (access_fields(user, &grantable, submitted, error))
            @if user.is_operator() { (Field::new(user, "introspect", error).help("help-introspect").checkbox(submitted.checked("introspect"))) }
            (authentication_fields(user, submitted, error))
            div.buttons {
                button.primary { (user.t("save")) }
                a.button href=(user.link(&application.path(""))) { (user.t("cancel")) }
            }
        }))
    };
    let header = PageHeader {
        breadcrumbs: application.breadcrumbs(user),
        error,
        ..PageHeader::titled(user.t("edit"))
    };
    Ok(user_page(user, NavItem::Applications, header, content))
}

/// The current values, after somebody else changed them while the form was open.
fn current_values(user: &CurrentUser, client: &ClientView) -> Markup {
    html! {
        section.hint aria-labelledby="now" {
            h2 #now { (user.t("current-values")) }
            dl.facts {
                dt { (user.t("field-name")) } dd { (client.name) }
                dt { (user.t("field-scope")) } dd { (client.scope) }
                dt { (user.t("field-resources")) } dd { (client.resources.as_str()) }
            }
        }
    }
}

/// Saves an edited application.
pub async fn edit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    let changed = async {
        let introspect = form.checkbox("introspect");
        // The form holds all values. Unchanged ones are not set, because setting them needs the
        // right to grant them.
        let scope = parse_scope(&form)?;
        let before = &application.client;
        let resources: Vec<String> = form.all("resources").map(str::to_owned).collect();
        let same = resources.iter().map(String::as_str).collect::<Resources>() == before.resources;
        let change = ClientPatch {
            name: Some(form.text("name").to_owned()),
            scope: Some(scope).filter(|scope| *scope != before.scope),
            resources: Some(resources).filter(|_| !same),
            may_introspect: introspect.filter(|_| user.is_operator()),
            auth_method: form.choice("auth_method")?,
            jwks: form.optional("jwks"),
            dpop_bound_access_tokens: form.checkbox("dpop_bound_access_tokens"),
            profile: form.choice("profile")?,
            certificate_name: parse_certificate_name(&form)?,
            tls_client_certificate_bound_access_tokens: form
                .checkbox("tls_client_certificate_bound_access_tokens"),
            enabled: None,
            expected: form.optional("version").map(|version| vec![version]),
        };
        client::update(&user.server.store, user.may(ClientsWrite)?, &id, change).await
    };
    match recoverable(&user, changed.await, &application.path(""))? {
        Ok(_) => Ok(done(&user, &application.path(""), "saved")),
        Err(error) => edit_page(&user, &application, &form, Some(&error)).await,
    }
}
