//! The form to create a trust rule, guided by the platform of the workload. It shows a sample token
//! of the platform, and which of its claims the rule matches. Without a script the button "Preview"
//! refreshes that; the script does it while the user types.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::application::Application;
use super::components::{self, Field, badge, duration_choices, hidden};
use super::form::Form;
use super::page::{NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use super::trust_rules::{breadcrumbs, broad_warning, claims_table, path};
use crate::error::{Error, refusal};
use crate::manage::actor::TrustRulesWrite;
use crate::manage::trust_preset::{self, Preset, WorkloadName};
use crate::manage::trust_rule::{
    self, BroadCondition, Condition, InvalidCondition, NewTrustRule, RuleKind,
};

/// The choices for the lifetime of a rule. The empty one is no expiry.
const LIFETIMES: [&str; 5] = ["", "30d", "90d", "365d", "730d"];

/// The platform of a rule that no preset is for.
const CUSTOM: &str = "custom";

/// The platform of a rule for ID-JAGs.
const ID_JAG: &str = "id-jag";

/// What the form is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Platform {
    Preset(Preset),
    /// Any other issuer of JWTs for workloads.
    Custom,
    /// An identity provider that issues ID-JAGs.
    IdJag,
}

impl Platform {
    fn parse(name: &str) -> Option<Self> {
        match name {
            CUSTOM => Some(Platform::Custom),
            ID_JAG => Some(Platform::IdJag),
            name => name.parse().ok().map(Platform::Preset),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Platform::Preset(preset) => preset.as_str(),
            Platform::Custom => CUSTOM,
            Platform::IdJag => ID_JAG,
        }
    }

    fn all() -> impl Iterator<Item = Platform> {
        let presets = Preset::ALL.iter().copied().map(Platform::Preset);
        presets.chain([Platform::Custom, Platform::IdJag])
    }

    fn rule_kind(self) -> RuleKind {
        match self {
            Platform::IdJag => RuleKind::IdJag,
            Platform::Preset(preset) => preset.rule_kind(),
            Platform::Custom => RuleKind::Workload,
        }
    }

    /// Whether the issuer is a trust domain, which has no discovery document.
    fn is_spiffe(self) -> bool {
        matches!(self, Platform::Preset(Preset::Spiffe | Preset::SpiffeX509))
    }

    fn title(self, user: &CurrentUser) -> String {
        user.t(&format!("platform-{}", self.name()))
    }
}

/// The page to create a trust rule: it asks for the platform first.
pub async fn show(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(TrustRulesWrite)?;
    let application = Application::find(&user, &id).await?;
    let platform = user.query("platform");
    match platform.as_deref().and_then(Platform::parse) {
        Some(platform) => Ok(form_page(
            &user,
            &application,
            platform,
            &Form::default(),
            None,
        )),
        None => Ok(choice_page(&user, &application)),
    }
}

fn choice_page(user: &CurrentUser, application: &Application) -> HttpResponse {
    let link = |platform: Platform| {
        let query = format!("/new?platform={}", platform.name());
        user.link(&path(application, &query))
    };
    let content = html! {
        p { (user.t("trust-rule-new-text")) }
        ul.choices { @for platform in Platform::all() { li { a href=(link(platform)) { (platform.title(user)) } } } }
    };
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        ..PageHeader::titled(user.t("trust-rule-new"))
    };
    user_page(user, NavItem::Applications, header, content)
}

/// Creates the trust rule, or shows the preview again.
pub async fn submit(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(TrustRulesWrite)?;
    let application = Application::find(&user, &id).await?;
    let Some(platform) = Platform::parse(form.text("platform")) else {
        return Ok(choice_page(&user, &application));
    };
    if form.get("step") == "preview" {
        return Ok(form_page(&user, &application, platform, &form, None));
    }
    let created = async {
        let new = new_rule(&application, platform, &form)?;
        trust_rule::create(&user.server.store, permit, new).await
    };
    let list = path(&application, "");
    match recoverable(&user, created.await, &list)? {
        Ok(_) => Ok(done(&user, &list, "trust-rule-created")),
        Err(error) => Ok(form_page(
            &user,
            &application,
            platform,
            &form,
            Some(&error),
        )),
    }
}

fn workload_name(form: &Form) -> WorkloadName {
    WorkloadName {
        repository: form.optional("repository"),
        repository_id: form.optional("repository_id"),
        environment: form.optional("environment"),
        git_ref: form.optional("ref"),
        project: form.optional("project"),
        namespace: form.optional("namespace"),
        service_account: form.optional("service_account"),
        spiffe_id: form.optional("spiffe_id"),
        role_arn: form.optional("role_arn"),
        tenant: form.optional("tenant"),
        object_id: form.optional("object_id"),
    }
}

/// The rule that the form describes.
fn new_rule(
    application: &Application,
    platform: Platform,
    form: &Form,
) -> Result<NewTrustRule, Error> {
    let conditions: Result<Vec<Condition>, InvalidCondition> = form
        .get("conditions")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::parse)
        .collect();
    let conditions = conditions
        .map_err(|error| refusal::trust_conditions(&error.to_string()).field("conditions"))?;
    let rule = NewTrustRule {
        kind: platform.rule_kind(),
        client_id: application.client.client_id.clone(),
        issuer: form.text("issuer").to_owned(),
        jwks: form.optional("jwks"),
        jwks_uri: form.optional("jwks_uri"),
        audience: form.optional("audience"),
        conditions,
        single_use: Some(form.checked("single_use")),
        lifetime: form.duration("expires_in")?,
    };
    match platform {
        Platform::Preset(preset) => trust_preset::apply(preset, workload_name(form), rule),
        Platform::Custom | Platform::IdJag => Ok(rule),
    }
}

fn form_page(
    user: &CurrentUser,
    application: &Application,
    platform: Platform,
    submitted: &Form,
    error: Option<&Error>,
) -> HttpResponse {
    let action = path(application, "/new");
    let change = html! { a href=(user.link(&action)) { (user.t("trust-rule-other-platform")) } };
    let content = html! {
        p { (user.t(&format!("platform-{}-text", platform.name()))) " " (change) }
        div data-preview="preview" {
            (components::idempotent_form(user, &action, submitted, html! {
                (hidden("platform", platform.name()))
                (name_fields(user, platform, submitted, error))
                (issuer_fields(user, platform, submitted, error))
                (condition_fields(user, platform, submitted, error))
                div.buttons {
                    button.primary name="step" value="create" { (user.t("trust-rule-create")) }
                    button name="step" value="preview" formnovalidate { (user.t("preview")) }
                    a.button href=(user.link(&path(application, ""))) { (user.t("cancel")) }
                }
            }))
        }
        (preview(user, application, platform, submitted))
    };
    let title = user.tr(
        "trust-rule-for",
        &[("platform", platform.title(user).into())],
    );
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        error,
        ..PageHeader::titled(title)
    };
    user_page(user, NavItem::Applications, header, content)
}

/// The fields for what identifies a workload on its platform.
fn name_fields(
    user: &CurrentUser,
    platform: Platform,
    submitted: &Form,
    error: Option<&Error>,
) -> Markup {
    let Platform::Preset(preset) = platform else {
        return html! {};
    };
    html! {
        @for name in preset.required() { (Field::new(user, name, error).help(&help(name)).input("text", submitted.get(name))) }
        @for name in preset.optional() { (Field::new(user, name, error).optional().help(&help(name)).input("text", submitted.get(name))) }
    }
}

fn help(name: &str) -> String {
    format!("help-{}", name.replace('_', "-"))
}

/// The fields for the issuer and its keys.
fn issuer_fields(
    user: &CurrentUser,
    platform: Platform,
    submitted: &Form,
    error: Option<&Error>,
) -> Markup {
    let default = match platform {
        Platform::Preset(preset) => preset.default_issuer(&WorkloadName::default()),
        Platform::Custom | Platform::IdJag => None,
    };
    let is_optional =
        default.is_some() || platform.is_spiffe() || platform == Platform::Preset(Preset::Azure);
    let issuer = Field::new(user, "issuer", error).help("help-issuer");
    let issuer = if is_optional {
        issuer.optional()
    } else {
        issuer
    };
    let is_open = |field: &str| {
        submitted.checked(field) || error.is_some_and(|error| error.wrong_field() == Some(field))
    };
    let open = platform.is_spiffe() || is_open("jwks") || is_open("jwks_uri");
    let (keys_help, address_help) = if platform.is_spiffe() {
        ("help-trust-bundle", "help-trust-bundle-uri")
    } else {
        ("help-trust-jwks", "help-trust-jwks-uri")
    };
    html! {
        (issuer.input("text", submitted.get("issuer")))
        @if let Some(default) = default { p.help { (user.t("trust-rule-default-issuer")) " " code { (default) } } }
        details.more open[open] {
            summary { (user.t("trust-rule-keys")) }
            (Field::new(user, "jwks", error).optional().help(keys_help).textarea(submitted.get("jwks")))
            (Field::new(user, "jwks_uri", error).optional().help(address_help).input("text", submitted.get("jwks_uri")))
        }
    }
}

/// The fields for further conditions and limits.
fn condition_fields(
    user: &CurrentUser,
    platform: Platform,
    submitted: &Form,
    error: Option<&Error>,
) -> Markup {
    let lifetimes = duration_choices(user, &LIFETIMES, "no-expiry");
    let conditions = Field::new(user, "conditions", error).help("help-conditions");
    let conditions = match platform {
        Platform::Custom => conditions,
        Platform::Preset(_) | Platform::IdJag => conditions.optional(),
    };
    // Each ID-JAG is accepted once, unless the user says otherwise.
    let is_new = !submitted.checked("platform");
    let single_use = submitted.checked("single_use") || (is_new && platform == Platform::IdJag);
    html! {
        (conditions.textarea(submitted.get("conditions")))
        @if platform.rule_kind() == RuleKind::Workload { (Field::new(user, "audience", error).optional().help("help-audience").input("text", submitted.get("audience"))) }
        @if platform.rule_kind() != RuleKind::SpiffeX509 { (Field::new(user, "single_use", error).help("help-single-use").checkbox(single_use)) }
        (Field::new(user, "expires_in", error).select(&lifetimes, submitted.get("expires_in")))
    }
}

/// The claims of a sample token, the conditions of the rule, and which of them the token meets.
fn preview(
    user: &CurrentUser,
    application: &Application,
    platform: Platform,
    submitted: &Form,
) -> Markup {
    let rule = new_rule(application, platform, submitted);
    let checked = rule.as_ref().ok().map(trust_rule::preview);
    let (conditions, broad) = match checked {
        Some(Ok((conditions, broad))) => (conditions, broad),
        // What is wrong with the rule is said when it is created.
        Some(Err(_)) | None => (Vec::new(), None),
    };
    let issuer = rule.map_or_else(|_| submitted.text("issuer").to_owned(), |rule| rule.issuer);
    let audience = submitted.optional("audience");
    let audience = audience.unwrap_or_else(|| user.server.issuer.as_str().to_owned());
    let claims = sample(application, platform, submitted, &issuer, &audience);
    html! {
        section #preview aria-labelledby="sample" {
            h2 #sample { (user.t("trust-rule-sample")) }
            p { (user.t("trust-rule-sample-text")) }
            (conditions_list(user, &conditions, broad.as_ref(), &claims))
            (claims_table(user, &claims, |path| {
                conditions.iter().any(|condition| condition.claim() == path && condition.matches(&claims))
            }))
        }
    }
}

fn conditions_list(
    user: &CurrentUser,
    conditions: &[Condition],
    broad: Option<&BroadCondition>,
    claims: &Map<String, Value>,
) -> Markup {
    html! {
        @if conditions.is_empty() { div.hint { p { (user.t("trust-rule-incomplete")) } } }
        @else {
            ul.choices {
                @for condition in conditions {
                    li {
                        code { (condition) } " "
                        @if condition.matches(claims) { (badge("good", &user.t("trust-rule-met"))) } @else { (badge("off", &user.t("trust-rule-unmet"))) }
                    }
                }
            }
        }
        @if let Some(broad) = broad { (broad_warning(user, broad)) }
    }
}

/// The claims of a sample token of the platform.
fn sample(
    application: &Application,
    platform: Platform,
    submitted: &Form,
    issuer: &str,
    audience: &str,
) -> Map<String, Value> {
    let preset = match platform {
        Platform::Preset(preset) => preset,
        Platform::Custom | Platform::IdJag => {
            let client_id = &application.client.client_id;
            let kind = platform.rule_kind();
            return trust_preset::sample_without_preset(kind, client_id, issuer, audience);
        }
    };
    let name = workload_name(submitted);
    let default = preset.default_issuer(&name);
    let issuer = if issuer.is_empty() {
        default.as_deref().unwrap_or(preset.example_issuer())
    } else {
        issuer
    };
    trust_preset::sample(preset, &name, issuer, audience)
}
