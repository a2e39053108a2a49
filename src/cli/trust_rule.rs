//! `keyward trust-rule`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::confirmation::Confirmation;
use super::output::{Output, when};
use super::token::{read_file_or_stdin, read_text_file};
use super::{Context, Lifetime};
use crate::error::Error;
use crate::manage::actor::{TrustRulesRead, TrustRulesWrite};
use crate::manage::trust_preset::{self, Preset, WorkloadName};
use crate::manage::trust_rule::{
    self, Condition, NewTrustRule, RuleKind, RuleTrial, TestedCredential, TrustRuleView, TrustTest,
};

#[derive(Subcommand)]
pub enum TrustRule {
    /// Create a trust rule: workloads with a matching JWT or X.509-SVID act as the client
    Create(Box<Create>),
    /// List trust rules
    List {
        /// Only the rules of this client
        #[arg(long, value_name = "CLIENT_ID")]
        client: Option<String>,
    },
    /// Show a trust rule
    Show { id: String },
    /// Disable a trust rule, or all rules for an issuer: they accept nothing any more
    Disable(DisableTarget),
    /// Re-enable a disabled trust rule
    Enable { id: String },
    /// Delete a trust rule; tokens that it gave stay active
    Delete {
        id: String,

        #[command(flatten)]
        confirmation: Confirmation,
    },
    /// Try a JWT or a certificate out: show which rule accepts it, or why none does
    Test {
        /// File with the JWT; `-` reads it from standard input
        #[arg(long, value_name = "FILE", default_value = "-")]
        token_file: PathBuf,

        /// File with an X.509-SVID in PEM, and the certificates between it and the bundle, instead of
        /// a JWT
        #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
        certificate_file: Option<PathBuf>,
    },
}

#[derive(Args)]
pub struct Create {
    /// Client that a matching workload acts as
    client_id: String,

    /// Accept JWTs or X.509-SVIDs of workloads, which act as the client, or ID-JAGs of users, which the
    /// client presents
    #[arg(long, value_name = "KIND", default_value = RuleKind::Workload.as_str(), value_parser = clap::builder::PossibleValuesParser::new(RuleKind::NAMES))]
    kind: String,

    /// Fill issuer and conditions for the workloads of a platform
    #[arg(long, value_name = "PLATFORM", value_parser = clap::builder::PossibleValuesParser::new(Preset::NAMES))]
    preset: Option<String>,

    #[command(flatten)]
    workload: Workload,

    /// `iss` of the JWTs, or a SPIFFE trust domain such as spiffe://acme.example
    #[arg(long, value_name = "URL", required_unless_present = "preset")]
    trusted_issuer: Option<String>,

    /// File with the issuer's JWK Set, for an issuer that cannot be reached, or with the bundle of a trust
    /// domain
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,

    /// URL of the issuer's JWK Set [default: what its discovery document names], or of a bundle endpoint
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,

    /// `aud` of the JWTs [default: the issuer identifier of Keyward]
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,

    /// Condition on a claim: CLAIM=VALUE, CLAIM^=PREFIX, or CLAIM~=PATTERN, in which * stands for any
    /// characters but / and :, and ** for any characters. Can be repeated; all must be met
    #[arg(long = "condition", value_name = "CONDITION")]
    conditions: Vec<Condition>,

    /// Accept each JWT only once [default: true for ID-JAGs, false for workloads]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    single_use: Option<bool>,

    #[command(flatten)]
    expires_in: Lifetime,
}

/// The name of a workload, for a preset.
#[derive(Args)]
struct Workload {
    /// github-actions: the repository
    #[arg(long, value_name = "OWNER/REPOSITORY")]
    repository: Option<String>,

    /// github-actions: the numeric id of the repository
    #[arg(long, value_name = "ID")]
    repository_id: Option<String>,

    /// github-actions: the environment of the job
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,

    /// github-actions, gitlab: a branch, or a full reference such as refs/tags/v1
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<String>,

    /// gitlab: the project
    #[arg(long, value_name = "GROUP/PROJECT")]
    project: Option<String>,

    /// kubernetes: the namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,

    /// kubernetes: the name of the service account; gcp: its e-mail address
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,

    /// spiffe, spiffe-x509: the SPIFFE ID
    #[arg(long, value_name = "URI")]
    spiffe_id: Option<String>,

    /// aws: the ARN of the role
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,

    /// azure: the tenant id
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,

    /// azure: the object id of the managed identity
    #[arg(long, value_name = "ID")]
    object_id: Option<String>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct DisableTarget {
    id: Option<String>,

    /// Disable all rules for this issuer
    #[arg(long, value_name = "URL")]
    trusted_issuer: Option<String>,
}

impl Create {
    fn rule(self) -> Result<NewTrustRule, Error> {
        let jwks = self.jwks.as_deref().map(read_text_file).transpose()?;
        // clap accepts the names of kinds only.
        let kind: RuleKind = self.kind.parse().unwrap_or_default();
        let rule = NewTrustRule {
            kind,
            client_id: self.client_id,
            issuer: self.trusted_issuer.unwrap_or_default(),
            jwks,
            jwks_uri: self.jwks_uri,
            audience: self.audience,
            conditions: self.conditions,
            single_use: self.single_use,
            lifetime: self.expires_in.duration,
        };
        let workload = self.workload;
        let name = WorkloadName {
            repository: workload.repository,
            repository_id: workload.repository_id,
            environment: workload.environment,
            git_ref: workload.git_ref,
            project: workload.project,
            namespace: workload.namespace,
            service_account: workload.service_account,
            spiffe_id: workload.spiffe_id,
            role_arn: workload.role_arn,
            tenant: workload.tenant,
            object_id: workload.object_id,
        };
        match self.preset.map(|preset| preset.parse::<Preset>()) {
            Some(Ok(preset)) => trust_preset::apply(preset, name, rule),
            // clap accepts the names of presets only.
            Some(Err(_)) | None => {
                trust_preset::check_without_preset(name)?;
                Ok(rule)
            }
        }
    }
}

impl TrustRule {
    pub async fn run(self, context: Context) -> Result<Output, Error> {
        let operator = context.operator();
        match self {
            TrustRule::Create(create) => {
                let store = context.store()?;
                let permit = operator.may(TrustRulesWrite)?;
                let (rule, broad) = trust_rule::create(&store, permit, create.rule()?).await?;
                let warning = broad.map(|broad| broad.to_string());
                Ok(shown(&rule).warning(warning.as_ref()))
            }
            TrustRule::List { client } => {
                let store = context.store()?;
                let permit = operator.may(TrustRulesRead)?;
                Ok(listed(&trust_rule::list(&store, permit, client).await?))
            }
            TrustRule::Show { id } => {
                let store = context.store()?;
                let permit = operator.may(TrustRulesRead)?;
                Ok(shown(&trust_rule::show(&store, permit, &id).await?))
            }
            TrustRule::Disable(DisableTarget { id: Some(id), .. }) => {
                let store = context.store()?;
                let permit = operator.may(TrustRulesWrite)?;
                Ok(shown(&trust_rule::disable(&store, permit, &id).await?))
            }
            TrustRule::Disable(DisableTarget { trusted_issuer, .. }) => {
                let store = context.store()?;
                let permit = operator.may(TrustRulesWrite)?;
                let issuer = trusted_issuer.unwrap_or_default();
                let disabled = trust_rule::disable_issuer(&store, permit, &issuer).await?;
                Ok(listed(&disabled))
            }
            TrustRule::Enable { id } => {
                let store = context.store()?;
                let permit = operator.may(TrustRulesWrite)?;
                Ok(shown(&trust_rule::enable(&store, permit, &id).await?))
            }
            TrustRule::Delete { id, confirmation } => {
                confirmation.ask(&format!("This deletes the trust rule {id}."))?;
                let store = context.store()?;
                trust_rule::delete(&store, operator.may(TrustRulesWrite)?, &id).await?;
                Ok(Output::done(format!("Deleted the trust rule {id}")))
            }
            TrustRule::Test {
                token_file,
                certificate_file,
            } => {
                let text = match &certificate_file {
                    Some(file) => read_text_file(file)?,
                    None => read_file_or_stdin(&token_file)?,
                };
                let credential = match certificate_file {
                    Some(_) => TestedCredential::Certificate(&text),
                    None => TestedCredential::Jwt(&text),
                };
                let server = context.authorization_server().await?;
                let permit = operator.may(TrustRulesRead)?;
                Ok(tested(
                    &trust_rule::test(&server, permit, credential).await?,
                ))
            }
        }
    }
}

fn conditions(rule: &TrustRuleView) -> String {
    let texts: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn state(rule: &TrustRuleView) -> String {
    match rule.disabled_by {
        None => "enabled".to_owned(),
        Some(by) => format!("disabled by {}", by.as_str()),
    }
}

fn audience(rule: &TrustRuleView) -> &str {
    match (&rule.audience, rule.kind) {
        (Some(audience), _) => audience,
        (None, RuleKind::SpiffeX509) => "none",
        (None, RuleKind::Workload | RuleKind::IdJag) => "the issuer identifier of Keyward",
    }
}

fn listed(rules: &[TrustRuleView]) -> Output {
    let rows = rules.iter().map(|rule| {
        [
            rule.id.clone(),
            rule.client_id.clone(),
            rule.issuer.clone(),
            conditions(rule),
            state(rule),
            when(rule.expires_at),
        ]
    });
    Output::table(
        &rules,
        [
            "ID",
            "CLIENT_ID",
            "ISSUER",
            "CONDITIONS",
            "STATE",
            "EXPIRES",
        ],
        rows,
    )
}

fn shown(rule: &TrustRuleView) -> Output {
    let keys = match (&rule.jwks, &rule.jwks_uri) {
        (Some(_), _) => "those of the rule",
        (None, Some(uri)) => uri,
        (None, None) => "by discovery",
    };
    let lines: Vec<String> = [
        ("id", rule.id.clone()),
        ("kind", rule.kind.as_str().to_owned()),
        ("client_id", rule.client_id.clone()),
        ("issuer", rule.issuer.clone()),
        ("keys", keys.to_owned()),
        ("audience", audience(rule).to_owned()),
        ("conditions", conditions(rule)),
        ("single_use", rule.single_use.to_string()),
        ("state", state(rule)),
        ("created_by", rule.created_by.clone()),
        ("expires", when(rule.expires_at)),
    ]
    .into_iter()
    .map(|(name, value)| format!("{name:12} {value}"))
    .collect();
    Output::new(rule, lines.join("\n"))
}

/// The exit status is 1 if no rule accepts the credential.
fn tested(test: &TrustTest) -> Output {
    let line = |rule: &RuleTrial| match &rule.reason {
        None => format!(
            "accepted by the trust rule {} of the client {}",
            rule.id, rule.client_id
        ),
        Some(reason) => format!("refused: {reason} (client {})", rule.client_id),
    };
    let mut lines: Vec<String> = test.rules.iter().map(line).collect();
    lines.extend(
        test.reason
            .as_ref()
            .map(|reason| format!("refused: {reason}")),
    );
    lines.extend(
        test.claims
            .as_ref()
            .and_then(|claims| serde_json::to_string_pretty(claims).ok()),
    );
    let output = Output::new(test, lines.join("\n"));
    if test.accepted {
        output
    } else {
        output.refused()
    }
}
