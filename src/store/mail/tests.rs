//! Which messages are queued, sent and reported, on both databases.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use diesel_migrations::MigrationHarness;

use super::queue::{MAX_PENDING, MAX_PENDING_OF_ACCOUNT, RESERVED};
use super::*;
use crate::store::account::{self, Account, AccountKind};
use crate::store::audit::{Action, Recorder};
use crate::store::connection::MIGRATIONS;
use crate::store::user::{self, Role};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

/// Runs a check on an empty SQLite database, and on Postgres if the tests have a server.
fn on_both(name: &str, check: impl Fn(&mut Database)) {
    let mut sqlite = Database::Sqlite(SqliteConnection::establish(":memory:").unwrap());
    sqlite.run_pending_migrations(MIGRATIONS).unwrap();
    check(&mut sqlite);
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        return;
    };
    let schema = format!("mail_{name}_{}", std::process::id());
    let mut connection = PgConnection::establish(&format!("{server}/postgres")).unwrap();
    connection
        .batch_execute(&format!(
            "CREATE SCHEMA {schema}; SET search_path = {schema}"
        ))
        .unwrap();
    let mut postgres = Database::Postgres(connection);
    postgres.run_pending_migrations(MIGRATIONS).unwrap();
    check(&mut postgres);
    postgres
        .batch_execute(&format!("DROP SCHEMA {schema} CASCADE"))
        .unwrap();
}

/// Runs a part of a transaction in an installation that sends e-mail. Returns how many messages it dropped.
fn write(database: &mut Database, work: impl FnOnce(&mut Transaction<'_>)) -> u64 {
    let mut transaction = Transaction {
        database,
        changes: Vec::new(),
        modified: false,
        audited: false,
        dropped_events: Vec::new(),
        mails: MailCounts::sending(),
    };
    work(&mut transaction);
    transaction.mails.dropped()
}

fn person(email: &str, account_id: Option<&str>) -> User {
    let mut user = User::new(
        email.to_owned(),
        Role::Developer,
        account_id.map(str::to_owned),
        NOW,
    );
    user.password_hash = Some("a".to_owned());
    user
}

fn add_people(database: &mut Database, people: &[User]) {
    write(database, |transaction| {
        for id in people.iter().filter_map(|user| user.account_id.clone()) {
            if account::find(transaction.database(), &id)
                .unwrap()
                .is_none()
            {
                let account = Account {
                    name: id.clone(),
                    id,
                    created_at: NOW,
                    requires_second_factor: false,
                    max_clients: None,
                    kind: AccountKind::Partner,
                    closed_at: None,
                    deleting_at: None,
                    language: None,
                };
                account::insert(transaction, &account).unwrap();
            }
        }
        for user in people {
            user::insert(transaction, user).unwrap();
        }
    });
}

/// Inserts pending messages of one kind to a user.
fn fill(database: &mut Database, kind: MailKind, user_id: &str, count: i64) {
    let kind = kind.as_str();
    let sql = format!(
        "INSERT INTO mails (id, kind, recipient, user_id, facts, created_at, expires_at, attempts, next_attempt_at) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         SELECT '{kind} {user_id} ' || CAST(i AS TEXT), '{kind}', 'x', '{user_id}', '{{}}', 0, 9, 0, 1 FROM n"
    );
    database.batch_execute(&sql).unwrap();
}

fn count(database: &mut Database, kind: MailKind, recipient: &str) -> i64 {
    mails::table
        .filter(mails::kind.eq(kind))
        .filter(mails::recipient.eq(recipient))
        .count()
        .get_result(database)
        .unwrap()
}

#[test]
fn notices_do_not_suppress_what_is_about_the_user() {
    on_both("kinds", |database| {
        let people = ["ada@a.example", "bob@a.example"].map(|email| person(email, Some("a")));
        add_people(database, &people);
        let recorder = Recorder::keyward(NOW);
        let entries = |action: Action, target: &str, times: usize| {
            vec![recorder.entry(action, Some("a"), target); times]
        };
        for (entries, kind, sent, dropped) in [
            // All of one transaction are counted too.
            (
                entries(Action::ApiKeyCreate, "key", 22),
                MailKind::Notice,
                [20, 20],
                4,
            ),
            (
                entries(Action::UserSetPassword, "ada@a.example", 21),
                MailKind::Security,
                [20, 0],
                1,
            ),
            (
                entries(Action::UserSetSecondFactor, "bob@a.example", 1),
                MailKind::Security,
                [20, 1],
                0,
            ),
            (
                entries(Action::UserAcceptInvitation, "bob@a.example", 1),
                MailKind::Security,
                [20, 2],
                0,
            ),
        ] {
            let found = write(database, |transaction| {
                for entry in &entries {
                    enqueue(transaction, entry).unwrap();
                }
            });
            let counts = [&people[0], &people[1]].map(|user| count(database, kind, &user.email));
            assert_eq!((counts, found), (sent, dropped), "{}", entries[0].action);
        }
    });
}

#[test]
fn a_backlog_keeps_nothing_urgent_back() {
    on_both("backlog", |database| {
        let people =
            ["a", "b"].map(|account| person(&format!("x@{account}.example"), Some(account)));
        add_people(database, &people);
        let [first, second] = &people;
        let is_queued = |database: &mut Database, kind: MailKind, user: &User| {
            let mail = Mail::to_user(kind, user, &Facts::default(), NOW);
            let mut queued = false;
            let dropped = write(database, |transaction| {
                queued = queue(transaction, mail, user.account_id.as_deref()).unwrap();
            });
            assert_eq!(dropped, u64::from(!queued));
            queued
        };
        let invitation = MailKind::Invitation;
        fill(
            database,
            MailKind::Notice,
            &first.id,
            MAX_PENDING_OF_ACCOUNT - 1,
        );
        assert!(is_queued(database, invitation, first));
        assert!(!is_queued(database, invitation, first), "one account");
        assert!(!is_queued(database, MailKind::Notice, first), "one account");
        assert!(is_queued(database, MailKind::SignIn, first));
        assert!(is_queued(database, MailKind::Notice, second), "another");
        let free = MAX_PENDING - RESERVED - MAX_PENDING_OF_ACCOUNT - 2;
        fill(database, MailKind::SignIn, &second.id, free);
        for (kind, expected) in [
            (MailKind::Notice, false),
            (invitation, false),
            (MailKind::SignIn, false),
            (MailKind::PasswordReset, true),
            (MailKind::Security, true),
        ] {
            assert_eq!(is_queued(database, kind, second), expected, "{kind:?}");
        }
        // Whoever makes people and gives them passwords does not use the reserve up.
        fill(
            database,
            MailKind::Security,
            &first.id,
            MAX_PENDING_OF_ACCOUNT,
        );
        assert!(!is_queued(database, MailKind::Security, first));
        assert!(is_queued(database, MailKind::PasswordReset, second));
        let free = RESERVED - MAX_PENDING_OF_ACCOUNT - 3;
        fill(database, MailKind::Security, "operator", free);
        assert!(!is_queued(database, MailKind::PasswordReset, second));
    });
}

#[test]
fn the_urgent_is_sent_first_and_the_unknown_by_a_later_version() {
    on_both("order", |database| {
        let kinds = [
            MailKind::Notice,
            MailKind::SignIn,
            MailKind::Invitation,
            MailKind::Notice,
            MailKind::Security,
            MailKind::PasswordReset,
            MailKind::Test,
        ];
        for (place, kind) in kinds.into_iter().enumerate() {
            let mut mail = Mail::new(kind, "x", &Facts::default(), NOW);
            mail.id = format!("{place}");
            write(database, |transaction| {
                assert!(queue(transaction, mail, None).unwrap());
            });
        }
        database
            .batch_execute(
                "UPDATE mails SET failure = 'future'; \
                 INSERT INTO mails SELECT 'f', 'future', recipient, user_id, facts, 'link', created_at, expires_at, \
                 attempts, next_attempt_at, last_attempt_at, delivered_at, response_status, failure, account_id FROM mails \
                 WHERE id = '0'",
            )
            .unwrap();
        let ids = |mails: Vec<Mail>| mails.into_iter().map(|mail| mail.id).collect::<String>();
        assert_eq!(ids(due(database, NOW, 20).unwrap()), "6542103");
        assert_eq!(ids(due(database, NOW, 3).unwrap()), "654");
        let listed = list(database, None, 20).unwrap();
        assert!(listed.iter().all(|mail| mail.failure().is_none()));
        assert_eq!(ids(listed), "6543210");
        assert_ne!(late(database, NOW).unwrap().unwrap().id, "f");
        // Its link is sealed anew all the same.
        let links = with_links(database).unwrap();
        assert_eq!(links, [("f".to_owned(), "link".to_owned())]);
    });
}

#[test]
fn one_recipient_who_is_refused_for_a_while_is_no_problem() {
    on_both("late", |database| {
        let mail = Mail::new(MailKind::Test, "x", &Facts::default(), NOW);
        let id = mail.id.clone();
        write(database, |transaction| {
            assert!(queue(transaction, mail, None).unwrap());
        });
        for (failure, status, at_once) in [
            (None, None, false),
            (Some("status"), Some(450), false),
            (Some("status"), Some(421), true),
            (Some("status"), Some(454), true),
            (Some("status"), Some(535), true),
            (Some("status"), Some(554), true),
            (Some("timeout"), None, true),
            (Some("future"), None, true),
        ] {
            diesel::update(mails::table.find(&id))
                .set((
                    mails::failure.eq(failure),
                    mails::response_status.eq(status.map(i64::from)),
                ))
                .execute(database)
                .unwrap();
            let mut is_late = |since| late(database, since).unwrap().is_some();
            assert_eq!(is_late(NOW), at_once, "{failure:?} {status:?}");
            assert!(is_late(later(1)), "{failure:?} {status:?}");
        }
    });
}

#[test]
fn what_is_being_sent_does_not_expire() {
    on_both("expire", |database| {
        let mail = Mail::new(MailKind::PasswordReset, "x", &Facts::default(), NOW);
        let row = mail.clone();
        write(database, |transaction| {
            assert!(queue(transaction, row, None).unwrap());
        });
        assert_eq!(expire(database, later(3600)).unwrap(), 0);
        assert!(claim(database, &mail, later(3650)).unwrap());
        assert_eq!(expire(database, later(3610)).unwrap(), 0);
        let attempt = MailAttempt {
            at: later(3599),
            status: None,
            failure: None,
            next_attempt_at: None,
        };
        record(database, &mail, later(3650), &attempt).unwrap();
        let [sent] = &list(database, None, 2).unwrap()[..] else {
            panic!("one message");
        };
        assert_eq!(sent.delivered_at, Some(later(3599)));
        // The claim of a node that died ends.
        database
            .batch_execute(&format!(
                "UPDATE mails SET next_attempt_at = {}",
                later(3650).millis()
            ))
            .unwrap();
        assert_eq!(expire(database, later(3651)).unwrap(), 1);
    });
}
