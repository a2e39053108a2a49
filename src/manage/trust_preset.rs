//! Presets: the issuer, the audience and the conditions of a trust rule for the workloads of one
//! platform.

use strum::VariantNames;

use super::invalid;
use super::trust_rule::{Condition, NewTrustRule, Operator};
use crate::error::Error;

/// A platform that gives its workloads JWTs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantNames,
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

/// Fills the issuer of a rule, unless it has one, and adds the conditions for the workload before
/// the rule's own ones.
///
/// # Errors
/// `invalid_request`, naming a value that is missing, malformed or not one of the preset.
pub fn apply(
    preset: Preset,
    name: WorkloadName,
    rule: NewTrustRule,
) -> Result<NewTrustRule, Error> {
    let mut form = Form {
        preset: preset.into(),
        name,
        conditions: Vec::new(),
    };
    let issuer = match preset {
        Preset::GithubActions => form.github()?,
        Preset::Gitlab => form.gitlab()?,
        Preset::Kubernetes => form.kubernetes()?,
        Preset::Spiffe => form.spiffe()?,
        Preset::Aws => form.aws()?,
        Preset::Gcp => form.gcp()?,
        Preset::Azure => form.azure()?,
    };
    form.check_unused()?;
    let issuer = match (rule.issuer.is_empty(), issuer) {
        (false, _) => rule.issuer,
        (true, Some(issuer)) => issuer,
        (true, None) => return Err(form.missing("issuer")),
    };
    let mut conditions = form.conditions;
    conditions.extend(rule.conditions);
    Ok(NewTrustRule {
        issuer,
        conditions,
        ..rule
    })
}

struct Form {
    preset: &'static str,
    name: WorkloadName,
    conditions: Vec<Condition>,
}

impl Form {
    fn missing(&self, flag: &str) -> Error {
        invalid(format!("The preset {} needs --{flag}", self.preset)).field(flag)
    }

    fn require(&self, value: Option<String>, flag: &str) -> Result<String, Error> {
        value.ok_or_else(|| self.missing(flag))
    }

    fn exact(&mut self, claim: &str, value: &str) -> Result<(), Error> {
        let condition = Condition::new(claim, Operator::Exact, value)
            .map_err(|error| invalid(format!("{claim}: {error}")))?;
        self.conditions.push(condition);
        Ok(())
    }

    fn github(&mut self) -> Result<Option<String>, Error> {
        let repository = self.name.repository.take();
        let repository = self.require(repository, "repository")?;
        if repository
            .split('/')
            .filter(|part| !part.is_empty())
            .count()
            != 2
        {
            return Err(invalid("--repository must be OWNER/REPOSITORY").field("repository"));
        }
        self.exact("repository", &repository)?;
        if let Some(id) = self.name.repository_id.take() {
            self.exact("repository_id", &id)?;
        }
        if let Some(git_ref) = self.name.git_ref.take() {
            let full = if git_ref.starts_with("refs/") {
                git_ref
            } else {
                format!("refs/heads/{git_ref}")
            };
            self.exact("ref", &full)?;
        }
        if let Some(environment) = self.name.environment.take() {
            self.exact("environment", &environment)?;
        }
        Ok(Some(
            "https://token.actions.githubusercontent.com".to_owned(),
        ))
    }

    fn gitlab(&mut self) -> Result<Option<String>, Error> {
        let project = self.name.project.take();
        let project = self.require(project, "project")?;
        self.exact("project_path", &project)?;
        if let Some(git_ref) = self.name.git_ref.take() {
            let (kind, short) = match git_ref.strip_prefix("refs/tags/") {
                Some(tag) => ("tag", tag),
                None => (
                    "branch",
                    git_ref.strip_prefix("refs/heads/").unwrap_or(&git_ref),
                ),
            };
            self.exact("ref_type", kind)?;
            self.exact("ref", short)?;
        }
        Ok(Some("https://gitlab.com".to_owned()))
    }

    fn kubernetes(&mut self) -> Result<Option<String>, Error> {
        let namespace = self.name.namespace.take();
        let namespace = self.require(namespace, "namespace")?;
        let account = self.name.service_account.take();
        let account = self.require(account, "service-account")?;
        self.exact(
            "sub",
            &format!("system:serviceaccount:{namespace}:{account}"),
        )?;
        Ok(None)
    }

    fn spiffe(&mut self) -> Result<Option<String>, Error> {
        let id = self.name.spiffe_id.take();
        let id = self.require(id, "spiffe-id")?;
        let malformed = || {
            invalid("--spiffe-id must be such as spiffe://acme.example/ns/payments/sa/batch")
                .field("spiffe-id")
        };
        let domain = crate::oauth::trust::trust_domain(&id).ok_or_else(malformed)?;
        self.exact("sub", &id)?;
        Ok(Some(domain.to_owned()))
    }

    fn aws(&mut self) -> Result<Option<String>, Error> {
        let arn = self.name.role_arn.take();
        let arn = self.require(arn, "role-arn")?;
        if !arn.starts_with("arn:") {
            return Err(invalid("--role-arn must begin with arn:").field("role-arn"));
        }
        self.exact("sub", &arn)?;
        Ok(None)
    }

    fn gcp(&mut self) -> Result<Option<String>, Error> {
        let email = self.name.service_account.take();
        let email = self.require(email, "service-account")?;
        self.exact("email", &email)?;
        self.exact("email_verified", "true")?;
        Ok(Some("https://accounts.google.com".to_owned()))
    }

    fn azure(&mut self) -> Result<Option<String>, Error> {
        let tenant = self.name.tenant.take();
        let tenant = self.require(tenant, "tenant")?;
        let object = self.name.object_id.take();
        let object = self.require(object, "object-id")?;
        self.exact("oid", &object)?;
        self.exact("tid", &tenant)?;
        Ok(Some(format!(
            "https://login.microsoftonline.com/{tenant}/v2.0"
        )))
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
            Some((flag, _)) => Err(invalid(format!(
                "The preset {} has no use for --{flag}",
                self.preset
            ))
            .field(flag)),
        }
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
            let made = apply(preset.parse().unwrap(), name, rule).unwrap();
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
        assert_eq!(Preset::NAMES.len(), 7);
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
            (Preset::Aws, none()),
            (Preset::Gcp, none()),
            (Preset::Azure, none()),
        ] {
            let refused = apply(preset, name.clone(), NewTrustRule::default());
            assert!(refused.is_err(), "{preset:?} {name:?}");
        }
        assert!(check_without_preset(none()).is_ok());
        assert!(check_without_preset(repository).is_err());
    }
}
