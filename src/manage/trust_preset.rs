//! Presets: the issuer, the audience and the conditions of a trust rule for the workloads of one
//! platform.

use serde_json::{Map, Value, json};
use strum::{VariantArray, VariantNames};

use super::invalid;
use super::trust_rule::{Condition, NewTrustRule, Operator, RuleKind};
use crate::error::{Error, refusal};

/// A platform that gives its workloads JWTs or certificates.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Preset {
    /// GitHub Actions.
    GithubActions,
    /// GitLab CI/CD, on GitLab.com or self-managed.
    Gitlab,
    /// Kubernetes service accounts.
    Kubernetes,
    /// SPIFFE JWT-SVIDs.
    Spiffe,
    /// SPIFFE X.509-SVIDs.
    SpiffeX509,
    /// AWS IAM roles, by outbound identity federation.
    Aws,
    /// Google Cloud service accounts.
    Gcp,
    /// Azure managed identities.
    Azure,
}

impl Preset {
    /// The names of all presets.
    pub const NAMES: &'static [&'static str] = <Preset as VariantNames>::VARIANTS;

    /// All presets.
    pub const ALL: &'static [Preset] = <Preset as VariantArray>::VARIANTS;

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What the preset needs of a [`WorkloadName`], by the names of its fields.
    pub fn required(self) -> &'static [&'static str] {
        match self {
            Preset::GithubActions => &["repository"],
            Preset::Gitlab => &["project"],
            Preset::Kubernetes => &["namespace", "service_account"],
            Preset::Spiffe | Preset::SpiffeX509 => &["spiffe_id"],
            Preset::Aws => &["role_arn"],
            Preset::Gcp => &["service_account"],
            Preset::Azure => &["tenant", "object_id"],
        }
    }

    /// What else the preset can use of a [`WorkloadName`], by the names of its fields.
    pub fn optional(self) -> &'static [&'static str] {
        match self {
            Preset::GithubActions => &["repository_id", "ref", "environment"],
            Preset::Gitlab => &["ref"],
            _ => &[],
        }
    }

    /// An issuer as customers of the platform have it, for sample tokens.
    pub fn example_issuer(self) -> &'static str {
        match self {
            Preset::GithubActions => "https://token.actions.githubusercontent.com",
            Preset::Gitlab => "https://gitlab.com",
            Preset::Kubernetes => "https://kubernetes.default.svc.cluster.local",
            Preset::Spiffe | Preset::SpiffeX509 => "spiffe://acme.example",
            Preset::Aws => "https://0b2cd5a3.tokens.sts.global.api.aws",
            Preset::Gcp => "https://accounts.google.com",
            Preset::Azure => {
                "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"
            }
        }
    }

    /// The kind of the rules that the preset makes.
    pub fn rule_kind(self) -> RuleKind {
        match self {
            Preset::SpiffeX509 => RuleKind::SpiffeX509,
            _ => RuleKind::Workload,
        }
    }

    /// The issuer that the preset fills in; none if each customer of the platform has its own.
    pub fn default_issuer(self, name: &WorkloadName) -> Option<String> {
        let shared = match self {
            Preset::GithubActions | Preset::Gitlab | Preset::Gcp => self.example_issuer(),
            Preset::Kubernetes | Preset::Aws => return None,
            Preset::Spiffe | Preset::SpiffeX509 => {
                let id = name.spiffe_id.as_deref()?;
                return crate::oauth::trust::trust_domain(id).map(str::to_owned);
            }
            Preset::Azure => {
                let tenant = name.tenant.as_deref()?;
                return Some(format!("https://login.microsoftonline.com/{tenant}/v2.0"));
            }
        };
        Some(shared.to_owned())
    }
}

/// What identifies a workload on its platform. Each preset needs some of it, and refuses the rest.
#[derive(Clone, Debug, Default)]
pub struct WorkloadName {
    /// GitHub: `OWNER/REPOSITORY`.
    pub repository: Option<String>,
    /// GitHub: the numeric id of the repository, which stays the same when it is renamed.
    pub repository_id: Option<String>,
    /// GitHub: the environment of the job.
    pub environment: Option<String>,
    /// GitHub and GitLab: a branch, or a full reference such as `refs/tags/v1`.
    pub git_ref: Option<String>,
    /// GitLab: `GROUP/PROJECT`.
    pub project: Option<String>,
    /// Kubernetes: the namespace.
    pub namespace: Option<String>,
    /// Kubernetes: the name of the service account. Google Cloud: its e-mail address.
    pub service_account: Option<String>,
    /// SPIFFE: the SPIFFE ID.
    pub spiffe_id: Option<String>,
    /// AWS: the ARN of the role.
    pub role_arn: Option<String>,
    /// Azure: the tenant id.
    pub tenant: Option<String>,
    /// Azure: the object id of the managed identity.
    pub object_id: Option<String>,
}

/// Sets the kind of a rule, fills its issuer, unless it has one, and adds the conditions for the
/// workload before the rule's own ones.
///
/// # Errors
/// `invalid_request`, naming a value that is missing, malformed or not one of the preset.
pub fn apply(
    preset: Preset,
    name: WorkloadName,
    rule: NewTrustRule,
) -> Result<NewTrustRule, Error> {
    let kind = preset.rule_kind();
    match rule.kind {
        RuleKind::IdJag => {
            return Err(invalid("Presets are for workloads, and not for ID-JAGs").field("preset"));
        }
        RuleKind::SpiffeX509 if kind != RuleKind::SpiffeX509 => {
            return Err(invalid("The preset is for JWTs, and not for X.509-SVIDs").field("preset"));
        }
        RuleKind::SpiffeX509 | RuleKind::Workload => {}
    }
    let default_issuer = preset.default_issuer(&name);
    let mut form = Form {
        preset: preset.into(),
        name,
        conditions: Vec::new(),
    };
    match preset {
        Preset::GithubActions => form.github()?,
        Preset::Gitlab => form.gitlab()?,
        Preset::Kubernetes => form.kubernetes()?,
        Preset::Spiffe | Preset::SpiffeX509 => form.spiffe()?,
        Preset::Aws => form.aws()?,
        Preset::Gcp => form.gcp()?,
        Preset::Azure => form.azure()?,
    }
    form.check_unused()?;
    let issuer = match (rule.issuer.is_empty(), default_issuer) {
        (false, _) => rule.issuer,
        (true, Some(issuer)) => issuer,
        (true, None) => {
            let missing = refusal::trust_preset_value(form.preset, "trusted-issuer");
            return Err(missing.field("issuer"));
        }
    };
    let mut conditions = form.conditions;
    conditions.extend(rule.conditions);
    Ok(NewTrustRule {
        kind,
        issuer,
        conditions,
        ..rule
    })
}

/// The name of the form field and the JSON member for a flag.
fn field_of(flag: &str) -> String {
    flag.replace('-', "_")
}

fn malformed(flag: &str, example: &str) -> Error {
    refusal::trust_preset_value_malformed(flag, example).field(field_of(flag))
}

struct Form {
    preset: &'static str,
    name: WorkloadName,
    conditions: Vec<Condition>,
}

impl Form {
    fn missing(&self, flag: &str) -> Error {
        refusal::trust_preset_value(self.preset, flag).field(field_of(flag))
    }

    fn require(&self, value: Option<String>, flag: &str) -> Result<String, Error> {
        value.ok_or_else(|| self.missing(flag))
    }

    fn exact(&mut self, claim: &str, value: &str) -> Result<(), Error> {
        let condition = Condition::new(claim, Operator::Exact, value)
            .map_err(|error| refusal::trust_conditions(&format!("{claim}: {error}")))?;
        self.conditions.push(condition);
        Ok(())
    }

    fn github(&mut self) -> Result<(), Error> {
        let repository = self.name.repository.take();
        let repository = self.require(repository, "repository")?;
        if repository
            .split('/')
            .filter(|part| !part.is_empty())
            .count()
            != 2
        {
            return Err(malformed("repository", "acme/app"));
        }
        self.exact("repository", &repository)?;
        if let Some(id) = self.name.repository_id.take() {
            self.exact("repository_id", &id)?;
        }
        if let Some(git_ref) = self.name.git_ref.take() {
            self.exact("ref", &github_ref(&git_ref))?;
        }
        if let Some(environment) = self.name.environment.take() {
            self.exact("environment", &environment)?;
        }
        Ok(())
    }

    fn gitlab(&mut self) -> Result<(), Error> {
        let project = self.name.project.take();
        let project = self.require(project, "project")?;
        self.exact("project_path", &project)?;
        if let Some(git_ref) = self.name.git_ref.take() {
            let (kind, short) = gitlab_ref(&git_ref);
            self.exact("ref_type", kind)?;
            self.exact("ref", short)?;
        }
        Ok(())
    }

    fn kubernetes(&mut self) -> Result<(), Error> {
        let namespace = self.name.namespace.take();
        let namespace = self.require(namespace, "namespace")?;
        let account = self.name.service_account.take();
        let account = self.require(account, "service-account")?;
        self.exact(
            "sub",
            &format!("system:serviceaccount:{namespace}:{account}"),
        )
    }

    fn spiffe(&mut self) -> Result<(), Error> {
        let id = self.name.spiffe_id.take();
        let id = self.require(id, "spiffe-id")?;
        if crate::oauth::trust::trust_domain(&id).is_none() {
            let example = "spiffe://acme.example/ns/payments/sa/batch";
            return Err(malformed("spiffe-id", example));
        }
        self.exact("sub", &id)
    }

    fn aws(&mut self) -> Result<(), Error> {
        let arn = self.name.role_arn.take();
        let arn = self.require(arn, "role-arn")?;
        if !arn.starts_with("arn:") {
            let example = "arn:aws:iam::123456789012:role/batch";
            return Err(malformed("role-arn", example));
        }
        self.exact("sub", &arn)
    }

    fn gcp(&mut self) -> Result<(), Error> {
        let email = self.name.service_account.take();
        let email = self.require(email, "service-account")?;
        self.exact("email", &email)?;
        self.exact("email_verified", "true")
    }

    fn azure(&mut self) -> Result<(), Error> {
        let tenant = self.name.tenant.take();
        let tenant = self.require(tenant, "tenant")?;
        let object = self.name.object_id.take();
        let object = self.require(object, "object-id")?;
        self.exact("oid", &object)?;
        self.exact("tid", &tenant)
    }

    /// Refuses values that the preset has not used: without them the rule would be broader than its
    /// author believes.
    fn check_unused(&self) -> Result<(), Error> {
        let name = &self.name;
        let left = [
            ("repository", &name.repository),
            ("repository-id", &name.repository_id),
            ("environment", &name.environment),
            ("ref", &name.git_ref),
            ("project", &name.project),
            ("namespace", &name.namespace),
            ("service-account", &name.service_account),
            ("spiffe-id", &name.spiffe_id),
            ("role-arn", &name.role_arn),
            ("tenant", &name.tenant),
            ("object-id", &name.object_id),
        ];
        match left.into_iter().find(|(_, value)| value.is_some()) {
            None => Ok(()),
            Some((flag, _)) => {
                Err(refusal::trust_preset_value_unused(self.preset, flag).field(field_of(flag)))
            }
        }
    }
}

/// The claims of a sample token of the platform, for a workload of this name. What the name leaves
/// open has an example value.
pub fn sample(
    preset: Preset,
    name: &WorkloadName,
    issuer: &str,
    audience: &str,
) -> Map<String, Value> {
    let or = |value: &Option<String>, example: &str| match value {
        Some(value) => value.clone(),
        None => example.to_owned(),
    };
    let mut claims = match preset {
        Preset::GithubActions => github_sample(name),
        Preset::Gitlab => gitlab_sample(name),
        Preset::Kubernetes => {
            let namespace = or(&name.namespace, "payments");
            let account = or(&name.service_account, "batch");
            json!({
                "sub": format!("system:serviceaccount:{namespace}:{account}"),
                "kubernetes.io": {
                    "namespace": namespace,
                    "node": {"name": "node-1"},
                    "pod": {"name": format!("{account}-7d4b9"), "uid": "5e9f3ad2-0b4c-4b6e-9a3c-0c6f8d1d2e11"},
                    "serviceaccount": {"name": account, "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
                },
            })
        }
        Preset::Spiffe | Preset::SpiffeX509 => {
            json!({"sub": or(&name.spiffe_id, "spiffe://acme.example/ns/payments/sa/batch")})
        }
        Preset::Aws => {
            let arn = or(&name.role_arn, "arn:aws:iam::123456789012:role/batch");
            let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
            json!({
                "sub": arn,
                "jti": "0b2cd5a3-6fd8-4a6f-9f8f-6f0a4c6f1b77",
                "https://sts.amazonaws.com/": {"aws_account": account, "principal_id": arn},
            })
        }
        Preset::Gcp => json!({
            "sub": "104029292853099978293",
            "azp": "104029292853099978293",
            "email": or(&name.service_account, "batch@acme.iam.gserviceaccount.com"),
            "email_verified": true,
        }),
        Preset::Azure => {
            let object = or(&name.object_id, "b9f1d2c3-1c2d-4f3e-8a9b-2f6f7d1e0a55");
            json!({
                "sub": object,
                "oid": object,
                "tid": or(&name.tenant, "72f988bf-86f1-41af-91ab-2d7cd011db47"),
                "idtyp": "app",
                "ver": "2.0",
            })
        }
    };
    match preset {
        // What a certificate says, in the names of claims.
        Preset::SpiffeX509 => {}
        // A JWT-SVID has no `iss`.
        Preset::Spiffe => claims["aud"] = audience.into(),
        _ => {
            claims["iss"] = issuer.into();
            claims["aud"] = audience.into();
        }
    }
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

/// The claims of a sample token of an issuer that no preset is for.
pub fn sample_without_preset(
    kind: RuleKind,
    client_id: &str,
    issuer: &str,
    audience: &str,
) -> Map<String, Value> {
    let issuer = if issuer.is_empty() {
        "https://id.example"
    } else {
        issuer
    };
    let mut claims = json!({"iss": issuer, "aud": audience, "sub": "batch"});
    if kind == RuleKind::IdJag {
        claims["sub"] = "00u1b2c3d4".into();
        claims["email"] = "ada@acme.example".into();
        claims["client_id"] = client_id.into();
        claims["jti"] = "9e43f81b64a33f20".into();
    }
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

fn github_sample(name: &WorkloadName) -> Value {
    let repository = name.repository.as_deref().unwrap_or("acme/app");
    let owner = repository.split('/').next().unwrap_or_default();
    let git_ref = name.git_ref.as_deref().map(github_ref);
    let git_ref = git_ref.unwrap_or_else(|| "refs/heads/main".to_owned());
    let context = match &name.environment {
        Some(environment) => format!("environment:{environment}"),
        None => format!("ref:{git_ref}"),
    };
    let mut claims = json!({
        "sub": format!("repo:{repository}:{context}"),
        "repository": repository,
        "repository_id": name.repository_id.as_deref().unwrap_or("123456"),
        "repository_owner": owner,
        "repository_owner_id": "9919",
        "repository_visibility": "private",
        "ref": git_ref,
        "ref_type": if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" },
        "event_name": "push",
        "actor": "ada",
        "run_id": "10837624512",
        "workflow": "deploy",
        "job_workflow_ref": format!("{repository}/.github/workflows/deploy.yml@{git_ref}"),
        "runner_environment": "github-hosted",
    });
    if let Some(environment) = &name.environment {
        claims["environment"] = environment.as_str().into();
    }
    claims
}

fn gitlab_sample(name: &WorkloadName) -> Value {
    let project = name.project.as_deref().unwrap_or("acme/app");
    let namespace = project
        .rsplit_once('/')
        .map_or("", |(namespace, _)| namespace);
    let (ref_type, git_ref) = gitlab_ref(name.git_ref.as_deref().unwrap_or("main"));
    json!({
        "sub": format!("project_path:{project}:ref_type:{ref_type}:ref:{git_ref}"),
        "project_id": "4217",
        "project_path": project,
        "namespace_id": "72",
        "namespace_path": namespace,
        "user_login": "ada",
        "pipeline_source": "push",
        "job_id": "6302",
        "ref": git_ref,
        "ref_type": ref_type,
        "ref_protected": "true",
    })
}

/// The full reference that GitHub writes.
fn github_ref(git_ref: &str) -> String {
    if git_ref.starts_with("refs/") {
        git_ref.to_owned()
    } else {
        format!("refs/heads/{git_ref}")
    }
}

/// The type and the short name of a reference, as GitLab writes them.
fn gitlab_ref(git_ref: &str) -> (&'static str, &str) {
    match git_ref.strip_prefix("refs/tags/") {
        Some(tag) => ("tag", tag),
        None => (
            "branch",
            git_ref.strip_prefix("refs/heads/").unwrap_or(git_ref),
        ),
    }
}

/// Refuses values that only presets use.
///
/// # Errors
/// `invalid_request`, naming the first one.
pub fn check_without_preset(name: WorkloadName) -> Result<(), Error> {
    let form = Form {
        preset: "",
        name,
        conditions: Vec::new(),
    };
    form.check_unused()
        .map_err(|_| invalid("The name of a workload needs a --preset").field("preset"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::trust_rule::{Conditions, breadth};

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn none() -> WorkloadName {
        WorkloadName::default()
    }

    #[test]
    fn each_preset_makes_a_rule_that_is_confined_to_the_workload() {
        let cases = [
            (
                "github-actions",
                WorkloadName {
                    repository: some("acme/app"),
                    repository_id: some("7"),
                    git_ref: some("main"),
                    environment: some("production"),
                    ..none()
                },
                "",
                "https://token.actions.githubusercontent.com",
                "repository=acme/app repository_id=7 ref=refs/heads/main environment=production",
            ),
            (
                "github-actions",
                WorkloadName {
                    repository: some("acme/app"),
                    git_ref: some("refs/tags/v1"),
                    ..none()
                },
                "",
                "https://token.actions.githubusercontent.com",
                "repository=acme/app ref=refs/tags/v1",
            ),
            (
                "gitlab",
                WorkloadName {
                    project: some("acme/app"),
                    git_ref: some("main"),
                    ..none()
                },
                "https://gitlab.acme.example",
                "https://gitlab.acme.example",
                "project_path=acme/app ref_type=branch ref=main",
            ),
            (
                "kubernetes",
                WorkloadName {
                    namespace: some("payments"),
                    service_account: some("batch"),
                    ..none()
                },
                "https://kubernetes.default.svc",
                "https://kubernetes.default.svc",
                "sub=system:serviceaccount:payments:batch",
            ),
            (
                "spiffe",
                WorkloadName {
                    spiffe_id: some("spiffe://acme.example/batch"),
                    ..none()
                },
                "",
                "spiffe://acme.example",
                "sub=spiffe://acme.example/batch",
            ),
            (
                "spiffe-x509",
                WorkloadName {
                    spiffe_id: some("spiffe://acme.example/batch"),
                    ..none()
                },
                "",
                "spiffe://acme.example",
                "sub=spiffe://acme.example/batch",
            ),
            (
                "aws",
                WorkloadName {
                    role_arn: some("arn:aws:iam::123456789012:role/batch"),
                    ..none()
                },
                "https://0000.tokens.sts.global.api.aws",
                "https://0000.tokens.sts.global.api.aws",
                "sub=arn:aws:iam::123456789012:role/batch",
            ),
            (
                "gcp",
                WorkloadName {
                    service_account: some("batch@acme.iam.gserviceaccount.com"),
                    ..none()
                },
                "",
                "https://accounts.google.com",
                "email=batch@acme.iam.gserviceaccount.com email_verified=true",
            ),
            (
                "azure",
                WorkloadName {
                    tenant: some("t1"),
                    object_id: some("o1"),
                    ..none()
                },
                "",
                "https://login.microsoftonline.com/t1/v2.0",
                "oid=o1 tid=t1",
            ),
        ];
        for (preset, name, issuer, expected_issuer, conditions) in cases {
            let rule = NewTrustRule {
                issuer: issuer.to_owned(),
                ..NewTrustRule::default()
            };
            let preset: Preset = preset.parse().unwrap();
            let made = apply(preset, name.clone(), rule).unwrap();
            // A token of the platform for this workload meets all conditions.
            let claims = sample(preset, &name, &made.issuer, "https://auth.example");
            for condition in &made.conditions {
                assert!(condition.matches(&claims), "{condition}: {claims:?}");
            }
            assert_eq!(made.kind, preset.rule_kind());
            let preset = preset.as_str();
            assert_eq!(made.issuer, expected_issuer, "{preset}");
            let texts: Vec<String> = made.conditions.iter().map(ToString::to_string).collect();
            assert_eq!(texts.join(" "), conditions, "{preset}");
            let conditions = Conditions::new(made.conditions).unwrap();
            assert_eq!(
                breadth::check(&made.issuer, &conditions),
                Ok(None),
                "{preset}"
            );
        }
        assert_eq!(Preset::NAMES.len(), 8);
    }

    #[test]
    fn a_preset_refuses_what_is_missing_or_not_its_own() {
        let repository = WorkloadName {
            repository: some("acme/app"),
            ..none()
        };
        let malformed = WorkloadName {
            repository: some("acme"),
            ..none()
        };
        let with_namespace = WorkloadName {
            namespace: some("payments"),
            ..repository.clone()
        };
        let account = WorkloadName {
            namespace: some("payments"),
            service_account: some("batch"),
            ..none()
        };
        for (preset, name) in [
            (Preset::GithubActions, none()),
            (Preset::GithubActions, malformed),
            (Preset::GithubActions, with_namespace),
            (Preset::Gitlab, repository.clone()),
            // Without an issuer.
            (Preset::Kubernetes, account),
            (Preset::Spiffe, none()),
            (Preset::SpiffeX509, none()),
            (Preset::Aws, none()),
            (Preset::Gcp, none()),
            (Preset::Azure, none()),
        ] {
            let refused = apply(preset, name.clone(), NewTrustRule::default());
            assert!(refused.is_err(), "{preset:?} {name:?}");
        }
        let for_svids = NewTrustRule {
            kind: RuleKind::SpiffeX509,
            ..NewTrustRule::default()
        };
        assert!(apply(Preset::GithubActions, repository.clone(), for_svids).is_err());
        assert!(check_without_preset(none()).is_ok());
        assert!(check_without_preset(repository).is_err());
    }
}
