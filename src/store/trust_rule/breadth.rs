//! Whether the conditions of a trust rule identify a workload, or would trust everybody who can get
//! a token of the issuer.

use std::fmt;

use super::conditions::{Condition, Conditions};

/// The claims that identify a workload. At least one condition must be on one of them, or on a
/// member of `kubernetes.io`.
const IDENTITY_CLAIMS: [&str; 15] = [
    "sub",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "project_path",
    "project_id",
    "namespace_path",
    "namespace_id",
    "email",
    "azp",
    "appid",
    "oid",
    "client_id",
    "https://sts.amazonaws.com/.principal_id",
];

/// How a condition confines a rule to one customer of a shared issuer.
#[derive(Clone, Copy)]
enum Confinement {
    /// It accepts only one value.
    Exact,
    /// The value begins with this text, and the customer's name up to this delimiter.
    Owner(&'static str, char),
}

use Confinement::{Exact, Owner};

/// An issuer with many customers: each of them gets tokens of it.
struct SharedIssuer {
    issuer: &'static str,
    /// What confines a rule to one customer; one of them is enough.
    confined_by: &'static [(&'static str, Confinement)],
}

/// The shared issuers that are known. `job_workflow_ref` of GitHub does not confine a rule: anybody
/// can call a reusable workflow of a public repository.
const SHARED_ISSUERS: &[SharedIssuer] = &[
    SharedIssuer {
        issuer: "https://token.actions.githubusercontent.com",
        confined_by: &[
            ("sub", Owner("repo:", '/')),
            ("repository", Owner("", '/')),
            ("repository_id", Exact),
            ("repository_owner", Exact),
            ("repository_owner_id", Exact),
        ],
    },
    SharedIssuer {
        issuer: "https://gitlab.com",
        confined_by: &[
            ("sub", Owner("project_path:", '/')),
            ("project_path", Owner("", '/')),
            ("project_id", Exact),
            ("namespace_path", Exact),
            ("namespace_id", Exact),
        ],
    },
    SharedIssuer {
        issuer: "https://accounts.google.com",
        confined_by: &[("sub", Exact), ("email", Exact), ("azp", Exact)],
    },
    SharedIssuer {
        issuer: "https://agent.buildkite.com",
        confined_by: &[("sub", Owner("organization:", ':'))],
    },
    SharedIssuer {
        issuer: "https://app.terraform.io",
        confined_by: &[("sub", Owner("organization:", ':'))],
    },
    SharedIssuer {
        issuer: "https://oidc.vercel.com",
        confined_by: &[("sub", Owner("owner:", ':'))],
    },
];

/// Why the conditions of a rule are too broad.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooBroad {
    /// No condition identifies a workload.
    #[error(
        "no condition identifies the workload: add one on sub, or on a claim such as repository_id, project_id, email or kubernetes.io.serviceaccount.name, that begins with a fixed text"
    )]
    NoIdentity,
    /// Every customer of a shared issuer could satisfy the conditions.
    #[error(
        "{issuer} issues tokens to all of its customers, and the conditions do not confine the rule to one of them: add one of {forms}"
    )]
    SharedIssuer {
        /// The issuer.
        issuer: &'static str,
        /// Which conditions would.
        forms: String,
    },
}

/// The condition of a rule that accepts every workload of a cluster or a trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroadCondition(pub String);

impl fmt::Display for BroadCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let condition = &self.0;
        write!(
            f,
            "the condition {condition} accepts every workload of the cluster or the trust domain; confine it to a namespace or a path"
        )
    }
}

/// Checks that the conditions identify a workload of the issuer. Returns the condition that is
/// probably too broad, if they accept every workload of a cluster or a trust domain.
///
/// # Errors
/// [`TooBroad`] if they do not identify any, or any customer of a shared issuer satisfies them.
pub fn check(issuer: &str, conditions: &Conditions) -> Result<Option<BroadCondition>, TooBroad> {
    if let Some(shared) = SHARED_ISSUERS
        .iter()
        .find(|one| is_same(one.issuer, issuer))
    {
        let is_confined = conditions.iter().any(|one| confines(shared, one));
        if !is_confined {
            return Err(TooBroad::SharedIssuer {
                issuer: shared.issuer,
                forms: confining_forms(shared),
            });
        }
    }
    let identity: Vec<&Condition> = conditions
        .iter()
        .filter(|one| is_identity(one.claim()) && !one.literal_prefix().is_empty())
        .collect();
    if identity.is_empty() {
        return Err(TooBroad::NoIdentity);
    }
    let everybody = identity.iter().all(|one| accepts_everybody(one));
    Ok(everybody.then(|| BroadCondition(identity[0].to_string())))
}

/// Whether two spellings name the same issuer. A rule whose issuer is written differently matches
/// no token, so the comparison only has to find what an attempt to evade the check would write.
fn is_same(shared: &str, issuer: &str) -> bool {
    issuer.trim_end_matches('/').eq_ignore_ascii_case(shared)
}

fn is_identity(claim: &str) -> bool {
    IDENTITY_CLAIMS.contains(&claim) || claim.starts_with("kubernetes.io.")
}

fn confines(shared: &SharedIssuer, condition: &Condition) -> bool {
    shared.confined_by.iter().any(|(claim, confinement)| {
        *claim == condition.claim()
            && match confinement {
                Exact => condition.is_exact(),
                Owner(before, delimiter) => condition
                    .literal_prefix()
                    .strip_prefix(before)
                    .and_then(|rest| rest.split_once(*delimiter))
                    .is_some_and(|(owner, _)| !owner.is_empty()),
            }
    })
}

fn confining_forms(shared: &SharedIssuer) -> String {
    let forms: Vec<String> = shared
        .confined_by
        .iter()
        .map(|(claim, confinement)| match confinement {
            Exact => format!("{claim}=VALUE"),
            Owner(before, delimiter) => format!("{claim}^={before}NAME{delimiter}…"),
        })
        .collect();
    forms.join(", ")
}

/// Whether a condition leaves open all that distinguishes the service accounts of a Kubernetes
/// cluster, or the workloads of a SPIFFE trust domain.
fn accepts_everybody(condition: &Condition) -> bool {
    if condition.is_exact() {
        return false;
    }
    let prefix = condition.literal_prefix();
    match prefix.strip_prefix("spiffe://") {
        Some(rest) => rest.split_once('/').is_none_or(|(_, path)| path.is_empty()),
        None => prefix == "system:serviceaccount:" || "system:serviceaccount:".starts_with(prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GITHUB: &str = "https://token.actions.githubusercontent.com";
    const GITLAB: &str = "https://gitlab.com";
    const GOOGLE: &str = "https://accounts.google.com";
    const CLUSTER: &str = "https://kubernetes.default.svc";

    #[test]
    fn a_rule_that_trusts_a_whole_platform_is_refused() {
        for (issuer, conditions, expected) in [
            (GITHUB, &["sub=repo:acme/app:ref:refs/heads/main"][..], "ok"),
            (GITHUB, &["sub^=repo:acme/app:"], "ok"),
            (GITHUB, &["sub~=repo:acme/*:ref:refs/heads/main"], "ok"),
            (GITHUB, &["repository_id=7", "ref=refs/heads/main"], "ok"),
            (GITHUB, &["repository=acme/app"], "ok"),
            (GITHUB, &["repository_owner=acme"], "ok"),
            (GITHUB, &["sub~=*"], "shared"),
            (GITHUB, &["sub~=**"], "shared"),
            (GITHUB, &["sub^=repo:"], "shared"),
            (GITHUB, &["sub^=repo:acme"], "shared"),
            (GITHUB, &["sub~=repo:*/app:**"], "shared"),
            (GITHUB, &["sub~=repo:acme*/app:**"], "shared"),
            (GITHUB, &["sub^=repo:/"], "shared"),
            (GITHUB, &["repository_id^=7"], "shared"),
            (GITHUB, &["ref=refs/heads/main"], "shared"),
            (
                GITHUB,
                &["job_workflow_ref=acme/app/.github/workflows/x.yml@v1"],
                "shared",
            ),
            (
                "https://token.actions.githubusercontent.com/",
                &["sub~=**"],
                "shared",
            ),
            (GITLAB, &["sub^=project_path:acme/app:"], "ok"),
            (GITLAB, &["project_id=7"], "ok"),
            (GITLAB, &["sub^=project_path:acme"], "shared"),
            (GITLAB, &["ref=main"], "shared"),
            (GOOGLE, &["email=job@p.iam.gserviceaccount.com"], "ok"),
            (GOOGLE, &["sub=1234"], "ok"),
            (GOOGLE, &["sub^=1"], "shared"),
            (GOOGLE, &["email_verified=true"], "shared"),
            (CLUSTER, &["sub=system:serviceaccount:payments:batch"], "ok"),
            (CLUSTER, &["sub~=system:serviceaccount:payments:*"], "ok"),
            (CLUSTER, &["kubernetes.io.namespace=payments"], "ok"),
            (CLUSTER, &["sub^=system:serviceaccount:"], "warned"),
            (CLUSTER, &["sub~=system:*:*:*"], "warned"),
            (
                CLUSTER,
                &[
                    "sub^=system:serviceaccount:",
                    "kubernetes.io.namespace=payments",
                ],
                "ok",
            ),
            (CLUSTER, &["sub~=*"], "no identity"),
            (CLUSTER, &["sub~=**:batch"], "no identity"),
            (CLUSTER, &["colour=green"], "no identity"),
            (
                "spiffe://acme.example",
                &["sub=spiffe://acme.example/batch"],
                "ok",
            ),
            (
                "spiffe://acme.example",
                &["sub^=spiffe://acme.example/"],
                "warned",
            ),
            ("spiffe://acme.example", &["sub~=spiffe://**"], "warned"),
            (
                "spiffe://acme.example",
                &["sub^=spiffe://acme.example/ns/"],
                "ok",
            ),
        ] {
            let all = conditions
                .iter()
                .map(|text| text.parse().unwrap())
                .collect();
            let checked = check(issuer, &Conditions::new(all).unwrap());
            let found = match &checked {
                Ok(None) => "ok",
                Ok(Some(_)) => "warned",
                Err(TooBroad::NoIdentity) => "no identity",
                Err(TooBroad::SharedIssuer { .. }) => "shared",
            };
            assert_eq!(found, expected, "{issuer} {conditions:?}: {checked:?}");
        }
    }
}
