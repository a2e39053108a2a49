//! The usage of one client, API key or client secret: how often, by hour or by day, and from where, on
//! all nodes together. The counters are a few seconds late, on a busy server up to a minute.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use serde::Serialize;

use super::actor::{Permit, TokensRead};
use super::not_found;
use super::policy::find_visible;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::oauth::usage::Metric;
use crate::store::client::{Client, could_be_id};
use crate::store::credential_use::{self, UsageCount};
pub use crate::store::credential_use::{Bucket, Origin};
use crate::store::{Database, Store, StoreError, api_key, client_secret, counters};

/// The number of hours that are reported.
pub const HOURS: u32 = 24;

/// The number of days that are reported.
pub const DAYS: u32 = 90;

/// What the usage is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The client itself.
    Client,
    /// One of its API keys.
    ApiKey(String),
    /// One of its secrets.
    Secret(String),
}

/// The usage of a client, an API key or a client secret.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Usage {
    /// What a point stands for: `hour` or `day`.
    pub by: Bucket,
    /// The last 24 hours or 90 days in UTC, oldest first; the last one is incomplete.
    pub points: Vec<UsagePoint>,
    /// From where an API key was used, or a client authenticated: the last ten origins, newest first.
    /// Not recorded for a secret, nor for introspections, which do not show who presented the key.
    pub used_from: Vec<Origin>,
}

/// The format of a usage report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageFormat {
    /// A JSON object.
    #[default]
    Json,
    /// The points as CSV.
    Csv,
}

/// The counts of one hour or day.
#[derive(Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct UsagePoint {
    /// When the hour or day begins.
    pub at: Timestamp,
    /// Of an API key or a secret: how many requests it authenticated. Of a client: the sum of `tokens`,
    /// `introspections` and `verifications`.
    pub uses: i64,
    /// How many authentications failed, and requests were refused.
    pub failures: i64,
    /// How many requests there were of each kind; only of a client.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<UsageKinds>,
}

/// How many requests of a client there were of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct UsageKinds {
    /// How many tokens were issued to it.
    pub tokens: i64,
    /// How many introspections found a token or an API key of it active.
    pub introspections: i64,
    /// How many requests `/verify` allowed with its tokens and API keys.
    pub verifications: i64,
}

/// The usage of a client, or of one of its API keys or secrets.
///
/// # Errors
/// `not_found` for an unknown client, API key or secret.
pub async fn show(
    store: &Arc<Store>,
    permit: Permit<TokensRead>,
    client_id: &str,
    subject: Subject,
    by: Bucket,
) -> Result<Usage, Error> {
    let now = permit.now();
    let client_id = client_id.to_owned();
    let account = permit.account().map(str::to_owned);
    let begin = first(by, now);
    let report = move |database: &mut Database| {
        let client = find_visible(database, &permit, &client_id)?;
        find_subject(database, &client, &subject)?;
        let counts = match &subject {
            Subject::Client => of_client(database, &client, by, begin)?,
            Subject::ApiKey(id) | Subject::Secret(id) => {
                credential_use::counts(database, id, by, begin)?
            }
        };
        Ok(Usage {
            by,
            points: points(&counts, by, begin, &subject),
            used_from: match &subject {
                Subject::Client => credential_use::origins(database, &client.client_id)?,
                Subject::ApiKey(id) => credential_use::origins(database, id)?,
                Subject::Secret(_) => Vec::new(),
            },
        })
    };
    store.report(account.as_deref(), report).await
}

/// The start of the first hour or day that is reported.
fn first(by: Bucket, now: Timestamp) -> Timestamp {
    let earlier = count_of(by).saturating_sub(1);
    now.truncate_to(by.length())
        .saturating_sub(by.length() * earlier)
}

const fn count_of(by: Bucket) -> u32 {
    match by {
        Bucket::Hour => HOURS,
        Bucket::Day => DAYS,
    }
}

/// Checks that the client has this API key or secret.
fn find_subject(database: &mut Database, client: &Client, subject: &Subject) -> Result<(), Error> {
    let client_id = &client.client_id;
    let (what, id, exists) = match subject {
        Subject::Client => return Ok(()),
        Subject::ApiKey(id) => {
            let key = could_be_id(id)
                .then(|| api_key::find(database, id))
                .transpose()?;
            (
                "API key",
                id,
                key.flatten().is_some_and(|key| key.client_id == *client_id),
            )
        }
        Subject::Secret(id) => {
            let secret = could_be_id(id).then(|| client_secret::find(database, client_id, id));
            ("secret", id, secret.transpose()?.flatten().is_some())
        }
    };
    if exists {
        Ok(())
    } else {
        Err(not_found(what, id))
    }
}

/// The counts of a client. Those by hour are the ones that the traffic report has.
fn of_client(
    database: &mut Database,
    client: &Client,
    by: Bucket,
    begin: Timestamp,
) -> Result<Vec<UsageCount>, StoreError> {
    if by == Bucket::Day {
        return credential_use::counts(database, &client.client_id, by, begin);
    }
    let owner = (client.account_id.as_str(), client.client_id.as_str());
    let rows = counters::list_of_clients(database, &[owner], begin)?;
    let counts = rows.into_iter().map(|row| UsageCount {
        bucket_start: row.bucket_start,
        metric: row.metric,
        count: row.count,
    });
    Ok(counts.collect())
}

fn points(
    counts: &[UsageCount],
    by: Bucket,
    begin: Timestamp,
    subject: &Subject,
) -> Vec<UsagePoint> {
    let known: HashMap<_, _> = counts
        .iter()
        .map(|row| ((row.bucket_start, row.metric.as_str()), row.count))
        .collect();
    let point = |at| {
        let count = |metric: Metric| known.get(&(at, metric.as_str())).copied().unwrap_or(0);
        let kinds = (*subject == Subject::Client).then(|| UsageKinds {
            tokens: count(Metric::Tokens),
            introspections: count(Metric::Introspections),
            verifications: count(Metric::Verifications),
        });
        UsagePoint {
            at,
            uses: kinds.map_or_else(
                || count(Metric::Uses),
                |kinds| kinds.tokens + kinds.introspections + kinds.verifications,
            ),
            failures: count(Metric::Failures),
            kinds,
        }
    };
    (0..count_of(by))
        .map(|place| point(begin.saturating_add(by.length() * place)))
        .collect()
}

impl Usage {
    /// The points as CSV (RFC 4180), with a header. No value needs quotes: they are times and numbers.
    pub fn to_csv(&self) -> String {
        let has_kinds = self.points.iter().any(|point| point.kinds.is_some());
        let mut csv = "at,uses,failures".to_owned();
        csv.push_str(if has_kinds {
            ",tokens,introspections,verifications\r\n"
        } else {
            "\r\n"
        });
        for point in &self.points {
            // Writing to a string does not fail.
            let _ = write!(csv, "{},{},{}", point.at, point.uses, point.failures);
            if let Some(kinds) = point.kinds {
                let UsageKinds {
                    tokens,
                    introspections,
                    verifications,
                } = kinds;
                let _ = write!(csv, ",{tokens},{introspections},{verifications}");
            }
            csv.push_str("\r\n");
        }
        csv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn the_last_point_is_the_hour_or_day_that_has_begun() {
        for (by, first_at) in [
            (Bucket::Hour, -23 * 3600),
            (Bucket::Day, -89 * 86_400 - 28_800),
        ] {
            assert_eq!(first(by, at(3599)), at(first_at), "{by:?}");
            let points = points(&[], by, first(by, at(3599)), &Subject::Client);
            let last = points.last().unwrap().at;
            assert_eq!(last, at(3599).truncate_to(by.length()), "{by:?}");
        }
    }

    #[test]
    fn a_csv_has_the_columns_of_its_subject() {
        let count = |metric: Metric, count| UsageCount {
            bucket_start: at(0),
            metric: metric.as_str().to_owned(),
            count,
        };
        let counts = [
            count(Metric::Uses, 5),
            count(Metric::Tokens, 1),
            count(Metric::Verifications, 3),
            count(Metric::Failures, 2),
        ];
        let key = Subject::ApiKey("k".to_owned());
        for (subject, expected) in [
            (key, "at,uses,failures\r\n2027-01-15T08:00:00Z,5,2\r\n"),
            (
                Subject::Client,
                "at,uses,failures,tokens,introspections,verifications\r\n2027-01-15T08:00:00Z,4,2,1,0,3\r\n",
            ),
        ] {
            let usage = Usage {
                by: Bucket::Hour,
                points: points(&counts, Bucket::Hour, at(0), &subject)
                    .into_iter()
                    .take(1)
                    .collect(),
                used_from: Vec::new(),
            };
            assert_eq!(usage.to_csv(), expected);
        }
    }
}
