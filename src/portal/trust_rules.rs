//! The trust rules of an application: list, disable, enable and delete them, and try a JWT or a
//! certificate out.

use actix_web::HttpResponse;
use actix_web::web::Path;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::application::{Application, Tab};
use super::audit::reason_text;
use super::components::{self, Field, badge, clip, confirmation, empty, table};
use super::page::{self, NavItem, PageHeader, done, user_page};
use super::page_error::{PageError, recoverable};
use super::session_extractor::{AuthenticatedForm, CurrentUser};
use crate::error::{Error, refusal};
use crate::manage::actor::{TrustRulesRead, TrustRulesWrite};
use crate::manage::client::DisabledBy;
use crate::manage::trust_rule::{
    self, BroadCondition, MAX_RULES, RuleKind, RuleTrial, TestedCredential, TrustRuleView,
    TrustTest,
};

/// The path of a page below the list of trust rules.
pub fn path(application: &Application, below: &str) -> String {
    application.path(&format!("/trust-rules{below}"))
}

/// The breadcrumbs of the pages below the list of trust rules.
pub fn breadcrumbs(user: &CurrentUser, application: &Application) -> Vec<(String, String)> {
    let mut breadcrumbs = application.breadcrumbs(user);
    breadcrumbs.push((path(application, ""), user.t("trust-rules")));
    breadcrumbs
}

/// The trust rules of an application.
pub async fn list(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    let application = Application::find(&user, &id).await?;
    list_page(&user, &application, None).await
}

async fn list_page(
    user: &CurrentUser,
    application: &Application,
    error: Option<&Error>,
) -> Result<HttpResponse, PageError> {
    let client_id = Some(application.client.client_id.clone());
    let rules = trust_rule::list(&user.server.store, user.may(TrustRulesRead)?, client_id).await?;
    let can_create = user.can(TrustRulesWrite) && rules.len() < MAX_RULES;
    let content = html! {
        p { (user.t("trust-rules-text")) }
        @if rules.is_empty() { (empty(&user.t("trust-rules-none"), &user.t("trust-rules-none-text"), None)) }
        @else { (rows(user, application, &rules)) }
        @if rules.len() >= MAX_RULES { div.hint { p { (user.count("trust-rules-full", MAX_RULES)) } } }
    };
    let actions = html! {
        a.button href=(user.link(&path(application, "/test"))) { (user.t("trust-rule-test")) }
        @if can_create { a.button.primary href=(user.link(&path(application, "/new"))) { (user.t("trust-rule-new")) } }
    };
    let title = user.tr(
        "trust-rules-of",
        &[("name", application.client.name.as_str().into())],
    );
    let header = PageHeader {
        breadcrumbs: application.breadcrumbs(user),
        actions: Some(actions),
        tabs: Some(application.tabs(user, Tab::Credentials)),
        notice: page::notice(user),
        error,
        ..PageHeader::titled(title)
    };
    Ok(user_page(user, NavItem::Applications, header, content))
}

/// The trust rules as a table, with the buttons to disable and delete them.
pub fn rows(user: &CurrentUser, application: &Application, rules: &[TrustRuleView]) -> Markup {
    let rows: Vec<Vec<Markup>> = rules
        .iter()
        .map(|rule| {
            vec![
                html! {
                    code { (clip(&rule.issuer)) }
                    @if let Some(name) = kind_name(rule.kind) { " " (badge("plain", name)) }
                    div.detail { (user.t("detail-trust-rule")) " " (components::id(user, &rule.id)) }
                    @if let Some(audience) = &rule.audience { div.detail { (user.t("field-audience")) " " code { (clip(audience)) } } }
                    @if rule.single_use { div.detail { (user.t("trust-rule-single-use")) } }
                },
                html! {
                    @for condition in &rule.conditions { div { code { (clip(&condition.to_string())) } } }
                    @if let Some(broad) = trust_rule::broad_condition(rule) { (broad_warning(user, &broad)) }
                },
                state(user, rule),
                match rule.expires_at {
                    None => html! { (user.t("never")) },
                    Some(at) => user.relative(at),
                },
                html! { @if user.can(TrustRulesWrite) { (row_actions(user, application, rule)) } },
            ]
        })
        .collect();
    let columns = [
        "field-issuer",
        "field-conditions",
        "column-state",
        "column-expires",
        "",
    ];
    table(user, &user.t("trust-rules"), &columns, &rows)
}

/// The name of the credentials that a rule is for, if they are not the JWTs of workloads.
fn kind_name(kind: RuleKind) -> Option<&'static str> {
    match kind {
        RuleKind::Workload => None,
        RuleKind::IdJag => Some("ID-JAG"),
        RuleKind::SpiffeX509 => Some("X.509-SVID"),
    }
}

/// Warns of a condition that is probably too broad.
pub fn broad_warning(user: &CurrentUser, broad: &BroadCondition) -> Markup {
    let values = [("condition", broad.0.as_str().into())];
    html! { div.hint { p { (user.tr("trust-rule-broad", &values)) } } }
}

fn state(user: &CurrentUser, rule: &TrustRuleView) -> Markup {
    let is_expired = rule.expires_at.is_some_and(|end| end <= user.now());
    match rule.disabled_by {
        Some(DisabledBy::Operator) => badge("off", &user.t("disabled-by-operator")),
        Some(DisabledBy::Account) => badge("off", &user.t("disabled")),
        None if is_expired => badge("off", &user.t("expired")),
        None => badge("good", &user.t("enabled")),
    }
}

fn row_actions(user: &CurrentUser, application: &Application, rule: &TrustRuleView) -> Markup {
    let action = |name: &str| path(application, &format!("/{}/{name}", rule.id));
    let button = |name: &str| {
        let label = html! { (user.t(name)) span.visually_hidden { " " (rule.id) } };
        components::form(user, &action(name), html! { button.small { (label) } })
    };
    // What an operator disabled, only an operator can enable or delete.
    let is_changeable = user.is_operator() || rule.disabled_by != Some(DisabledBy::Operator);
    html! {
        span.buttons {
            @if rule.enabled { (button("disable")) } @else if is_changeable { (button("enable")) }
            @if is_changeable {
                a.button.small href=(user.link(&action("delete"))) { (user.t("delete")) span.visually_hidden { " " (rule.id) } }
            }
        }
    }
}

/// The application and its trust rule, by their ids.
async fn find(
    user: &CurrentUser,
    ids: &(String, String),
) -> Result<(Application, TrustRuleView), PageError> {
    let (client_id, rule_id) = ids;
    let application = Application::find(user, client_id).await?;
    let permit = user.may(TrustRulesRead)?;
    let rule = trust_rule::show(&user.server.store, permit, rule_id).await?;
    if rule.client_id != application.client.client_id {
        return Err(refusal::not_found("trust rule", rule_id).into());
    }
    Ok((application, rule))
}

/// Disables a trust rule.
pub async fn disable(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(TrustRulesWrite)?;
    let (application, rule) = find(&user, &ids).await?;
    let disabled = trust_rule::disable(&user.server.store, permit, &rule.id).await;
    changed(&user, &application, disabled, "trust-rule-disabled").await
}

/// Enables a trust rule.
pub async fn enable(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(TrustRulesWrite)?;
    let (application, rule) = find(&user, &ids).await?;
    let enabled = trust_rule::enable(&user.server.store, permit, &rule.id).await;
    changed(&user, &application, enabled, "trust-rule-enabled").await
}

/// Leads to the list with the notice `done-WHAT`, or shows there why the change was refused.
async fn changed(
    user: &CurrentUser,
    application: &Application,
    result: Result<TrustRuleView, Error>,
    what: &str,
) -> Result<HttpResponse, PageError> {
    let list = path(application, "");
    match recoverable(user, result, &list)? {
        Ok(_) => Ok(done(user, &list, what)),
        Err(error) => list_page(user, application, Some(&error)).await,
    }
}

/// Asks to confirm that a trust rule is deleted.
pub async fn confirm_delete(
    user: CurrentUser,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    user.may(TrustRulesWrite)?;
    let (application, rule) = find(&user, &ids).await?;
    let question = html! {
        p { (user.t("trust-rule-delete-text")) }
        dl.facts {
            dt { (user.t("field-issuer")) } dd { code { (rule.issuer) } }
            dt { (user.t("field-conditions")) } dd { @for condition in &rule.conditions { code { (condition) } br; } }
        }
    };
    let content = confirmation(
        &user,
        question,
        &path(&application, &format!("/{}/delete", rule.id)),
        &user.t("trust-rule-delete"),
        &path(&application, ""),
        html! {},
    );
    let header = PageHeader {
        breadcrumbs: breadcrumbs(&user, &application),
        ..PageHeader::titled(user.t("trust-rule-delete"))
    };
    Ok(user_page(&user, NavItem::Applications, header, content))
}

/// Deletes a trust rule.
pub async fn delete(
    AuthenticatedForm { user, .. }: AuthenticatedForm,
    ids: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(TrustRulesWrite)?;
    let (application, rule) = find(&user, &ids).await?;
    trust_rule::delete(&user.server.store, permit, &rule.id).await?;
    Ok(done(&user, &path(&application, ""), "trust-rule-deleted"))
}

/// The page to try a JWT or a certificate out.
pub async fn show_test(user: CurrentUser, id: Path<String>) -> Result<HttpResponse, PageError> {
    user.may(TrustRulesRead)?;
    let application = Application::find(&user, &id).await?;
    Ok(test_page(&user, &application, None))
}

/// Tries a JWT or a certificate out. It is not used up, and not shown again.
pub async fn test(
    AuthenticatedForm { user, form }: AuthenticatedForm,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    let permit = user.may(TrustRulesRead)?;
    let application = Application::find(&user, &id).await?;
    let credential = match (form.text("jwt"), form.text("certificate")) {
        ("", certificate) if !certificate.is_empty() => TestedCredential::Certificate(certificate),
        (jwt, _) => TestedCredential::Jwt(jwt),
    };
    let tested = trust_rule::test(&user.server, permit, credential).await?;
    Ok(test_page(&user, &application, Some(&tested)))
}

fn test_page(
    user: &CurrentUser,
    application: &Application,
    tested: Option<&TrustTest>,
) -> HttpResponse {
    let content = html! {
        @if let Some(tested) = tested { (result(user, application, tested)) }
        p { (user.t("trust-rule-test-text")) }
        (components::form(user, &path(application, "/test"), html! {
            (Field::new(user, "jwt", None).optional().help("help-jwt").textarea(""))
            (Field::new(user, "certificate", None).optional().help("help-certificate").textarea(""))
            div.buttons {
                button.primary { (user.t("trust-rule-test")) }
                a.button href=(user.link(&path(application, ""))) { (user.t("cancel")) }
            }
        }))
    };
    let header = PageHeader {
        breadcrumbs: breadcrumbs(user, application),
        ..PageHeader::titled(user.t("trust-rule-test"))
    };
    user_page(user, NavItem::Applications, header, content)
}

fn result(user: &CurrentUser, application: &Application, tested: &TrustTest) -> Markup {
    let (kind, message) = if tested.accepted {
        ("notice", "trust-rule-accepted")
    } else {
        ("hint", "trust-rule-not-accepted")
    };
    html! {
        section aria-labelledby="result" {
            h2 #result { (user.t("trust-rule-result")) }
            div class=(kind) role="status" {
                p { (user.t(message)) }
                @if let Some(reason) = &tested.reason { p { (reason_text(user, tested.reason_code.as_deref(), &tested.reason_parameters, reason)) } }
            }
            @if !tested.rules.is_empty() { (trial_rows(user, application, &tested.rules)) }
            @if let Some(claims) = &tested.claims { h3 { (user.t("trust-rule-claims")) } (claims_table(user, claims, |_| false)) }
        }
    }
}

fn trial_rows(user: &CurrentUser, application: &Application, rules: &[RuleTrial]) -> Markup {
    let own = &application.client.client_id;
    let rows: Vec<Vec<Markup>> = rules
        .iter()
        .map(|rule| {
            vec![
                components::id(user, &rule.id),
                html! { @if rule.client_id == *own { (clip(&application.client.name)) } @else { (components::id(user, &rule.client_id)) } },
                match &rule.reason {
                    None => badge("good", &user.t("accepted")),
                    Some(reason) => html! {
                        (badge("off", &user.t("rejected"))) " "
                        span.sentence { (reason_text(user, rule.reason_code.as_deref(), &rule.reason_parameters, reason)) }
                    },
                },
            ]
        })
        .collect();
    let columns = ["detail-trust-rule", "application", "trust-rule-result"];
    table(user, &user.t("trust-rules"), &columns, &rows)
}

/// The claims of a JWT: the name of each, the path of a member of an object, and the value.
/// `matches` says which of them a rule compares and accepts.
pub fn claims_table(
    user: &CurrentUser,
    claims: &Map<String, Value>,
    matches: impl Fn(&str) -> bool,
) -> Markup {
    let mut flat = Vec::new();
    flatten("", claims, &mut flat);
    let rows: Vec<Vec<Markup>> = flat
        .iter()
        .map(|(path, value)| {
            vec![
                html! { code.words { (path) } },
                html! { code.words { (value) } @if matches(path) { " " (badge("good", &user.t("trust-rule-matched"))) } },
            ]
        })
        .collect();
    let columns = ["column-claim", "column-value"];
    table(user, &user.t("trust-rule-claims"), &columns, &rows)
}

fn flatten(prefix: &str, members: &Map<String, Value>, flat: &mut Vec<(String, String)>) {
    for (name, value) in members {
        let path = format!("{prefix}{name}");
        match value {
            Value::Object(inner) => flatten(&format!("{path}."), inner, flat),
            Value::String(text) => flat.push((path, text.clone())),
            other => flat.push((path, other.to_string())),
        }
    }
}
