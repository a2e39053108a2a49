use std::sync::Arc;

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel_migrations::MigrationHarness;
use parking_lot::Mutex;

use super::super::connection::MIGRATIONS;
use super::*;
use crate::client_certificate::ClientCertificate;
use crate::request_context::{RequestId, UserAgent};
use crate::trace_context::TraceContext;

#[test]
fn an_entry_says_who_when_and_from_where() {
    let now = Timestamp::from_seconds(1_800_000_000);
    let context = RequestContext {
        client_ip: ClientIp::Unknown,
        client_certificate: ClientCertificate::NONE,
        user_agent: UserAgent::NONE,
        received_at: now,
        request_id: RequestId::new(now, &[0; 10]),
        trace: TraceContext::new(None, 5, 9),
    };
    let entry = Recorder::in_request("client c1".to_owned(), &context).entry(
        Action::ClientUpdate,
        Some("a1"),
        "c1",
    );
    assert_eq!(
        (entry.actor.as_str(), entry.action.as_str()),
        ("client c1", "client.update")
    );
    assert_eq!(
        (entry.happened_at, entry.request_id.as_deref()),
        (now, Some(context.request_id.to_string().as_str()))
    );
    assert_eq!(entry.account_id.as_deref(), Some("a1"));
    let own = Recorder::keyward(now).entry(Action::SigningKeyRotate, None, "k1");
    assert_eq!(own.actor, "Keyward");
    assert_eq!((own.address, own.request_id), (None, None));
}

#[test]
fn a_range_of_instants_is_a_range_of_ids() {
    let second = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
    for entry_at in [second(0), second(1)] {
        let id = new_id(entry_at);
        assert!(first_id_of(entry_at) <= id);
        assert!(id < first_id_of(entry_at.saturating_add(Duration::from_millis(1))));
    }
    assert!(first_id_of(Timestamp::EPOCH) < new_id(second(0)));
}

/// Each combination of conditions.
fn every_filter() -> Vec<AuditFilter> {
    let when = |bits: u32, bit: u32, text: &str| (bits & bit != 0).then(|| text.to_owned());
    let instant = |bits: u32, bit: u32, seconds: i64| {
        (bits & bit != 0).then(|| Timestamp::from_seconds(1_800_000_000 + seconds))
    };
    let filter = |bits| AuditFilter {
        account_id: when(bits, 1, "account 7"),
        target: when(bits, 2, "target 7"),
        action: when(bits, 4, "action 7"),
        actor: when(bits, 8, "actor 7"),
        request_id: when(bits, 16, "request 7"),
        since: instant(bits, 32, 0),
        until: instant(bits, 64, 15_000),
        before: when(bits, 128, &new_id(Timestamp::from_seconds(1_800_012_000))),
    };
    (0..256).map(filter).collect()
}

/// The index that answers the conditions of the filter, or the most selective of them.
fn index_of(filter: &AuditFilter) -> &'static str {
    let AuditFilter {
        account_id,
        target,
        action,
        actor,
        request_id,
        ..
    } = filter;
    match (account_id, target, action, actor, request_id) {
        (.., Some(_)) => "audit_by_request",
        (_, Some(_), ..) => "audit_by_target",
        (Some(_), _, _, Some(_), _) => "audit_by_account_and_actor",
        (None, _, _, Some(_), _) => "audit_by_actor",
        (Some(_), _, Some(_), None, _) => "audit_by_account_and_action",
        (None, _, Some(_), None, _) => "audit_by_action",
        (Some(_), _, None, None, _) => "audit_by_account",
        (None, None, None, None, None) => "",
    }
}

/// 20 000 entries, one each second, with 200 accounts, targets, actions, actors and so on.
fn fill(database: &mut Database) {
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999)";
    let now = Timestamp::from_seconds(1_800_000_000);
    let prefix = &first_id_of(now)[..4];
    database
        .batch_execute(&format!(
            "INSERT INTO audit (id, happened_at, account_id, actor, action, target, request_id) \
             {numbers} SELECT '{prefix}' || CAST(1000 + i % 7 AS TEXT) || '-' || CAST(100000 + i AS TEXT), i, \
             'account ' || CAST(i % 200 AS TEXT), 'actor ' || CAST(i % 199 AS TEXT), \
             'action ' || CAST(i % 197 AS TEXT), 'target ' || CAST(i % 193 AS TEXT), \
             'request ' || CAST(i AS TEXT) FROM n; ANALYZE audit"
        ))
        .unwrap();
}

#[derive(QueryableByName)]
struct SqlitePlan {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresPlan {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    line: String,
}

/// The plan of a query whose values are given in the form `-- binds: ["a", 1]`.
fn plan(database: &mut Database, query: &str) -> String {
    let (sql, values) = query.split_once(" -- binds: ").unwrap();
    let values: Vec<Value> = serde_json::from_str(values).unwrap();
    let mut sql = sql.replace('`', "\"");
    for (index, value) in values.iter().enumerate().rev() {
        let literal = match value {
            Value::String(text) => format!("'{text}'"),
            other => other.to_string(),
        };
        sql = match database {
            Database::Postgres(_) => sql.replace(&format!("${}", index + 1), &literal),
            Database::Sqlite(_) => {
                let (before, after) = sql.rsplit_once('?').unwrap();
                format!("{before}{literal}{after}")
            }
        };
    }
    match database {
        Database::Postgres(connection) => {
            let lines = diesel::sql_query(format!("EXPLAIN {sql}"))
                .load::<PostgresPlan>(connection)
                .unwrap();
            let lines: Vec<String> = lines.into_iter().map(|line| line.line).collect();
            lines.join("\n")
        }
        Database::Sqlite(connection) => {
            let steps = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}"))
                .load::<SqlitePlan>(connection)
                .unwrap();
            let steps: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
            steps.join("\n")
        }
    }
}

/// Lists with each combination of conditions, and checks the plan of each query.
fn check_plans(database: &mut Database) {
    fill(database);
    for filter in every_filter() {
        let queries = Arc::new(Mutex::new(Vec::new()));
        let recorded = queries.clone();
        database.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                recorded.lock().push(query.to_string());
            }
        });
        list(database, &filter, 50).unwrap();
        let queries = std::mem::take(&mut *queries.lock());
        assert!((1..=2).contains(&queries.len()), "{queries:?}");
        for query in queries {
            let plan = plan(database, &query);
            let index = match (index_of(&filter), &*database) {
                ("", Database::Postgres(_)) => "audit_pkey".to_owned(),
                ("", Database::Sqlite(_)) => "sqlite_autoindex_audit_1".to_owned(),
                (index, _) => index.to_owned(),
            };
            let uses = |index: &str| plan.split([' ', '\n']).any(|word| word == index);
            // For a short range of ids, Postgres may estimate that another index is as good.
            let has_range =
                filter.since.is_some() || filter.until.is_some() || filter.before.is_some();
            let uses_index = uses(&index) || has_range && plan.contains("using audit_");
            let reads_all = ["Seq Scan", "Sort", "TEMP B-TREE"];
            assert!(
                uses_index && !reads_all.into_iter().any(|step| plan.contains(step)),
                "{filter:?} should use {index}\n{query}\n{plan}"
            );
        }
    }
}

#[test]
fn sqlite_answers_every_filter_by_an_index() {
    let connection = SqliteConnection::establish(":memory:").unwrap();
    let mut database = Database::Sqlite(connection);
    database.run_pending_migrations(MIGRATIONS).unwrap();
    check_plans(&mut database);
}

#[test]
fn postgres_answers_every_filter_by_an_index() {
    // As the tests in `tests/`: without a server there is nothing to test.
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        return;
    };
    let schema = format!("audit_{}", std::process::id());
    // For a hundred entries the planner may prefer a bitmap of the index, and sort them. That is
    // no worse, but it does not show that the index has them in order.
    let mut connection = PgConnection::establish(&format!("{server}/postgres")).unwrap();
    connection
        .batch_execute(&format!(
            "CREATE SCHEMA {schema}; SET search_path = {schema}; SET enable_bitmapscan = off"
        ))
        .unwrap();
    let mut database = Database::Postgres(connection);
    database.run_pending_migrations(MIGRATIONS).unwrap();
    check_plans(&mut database);
    database
        .batch_execute(&format!("DROP SCHEMA {schema} CASCADE"))
        .unwrap();
}
