//! One test binary, with a file for each subject. Everything is real: the binary as a process,
//! HTTP, SQLite files, a Postgres server (started by `tests/run`), and third-party client
//! libraries.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

#[macro_use]
mod support;

mod accessibility;
mod accounts;
mod algorithms;
mod announcements;
mod api_keys;
mod architecture;
mod audit;
mod backup;
mod check;
mod client_assertion;
mod client_authentication;
mod client_ip;
mod clocks;
mod command_line;
mod confirmation;
mod connections;
mod credential_use;
mod database_away;
mod demo;
mod discovery;
mod documentation;
mod dpop;
mod durability;
mod examples;
mod failure;
mod golden;
mod guessing;
mod http2;
mod id_jag;
mod interop;
mod introspection;
mod languages;
mod limits;
mod log;
mod mail;
mod management;
mod many_nodes;
mod memberships;
mod metrics;
mod migrations;
mod missing_database;
mod mutual_tls;
mod openapi;
mod outbound;
mod packaging;
mod people;
mod portal;
mod portal_search;
mod postgres;
mod postgres_tls;
mod preferences;
mod properties;
mod purge;
mod quick_start;
mod reference;
mod registration;
mod reload;
mod revocation;
mod revoke_keys;
mod rights;
mod sealing_key;
mod security_profile;
mod selected;
mod settings;
mod signed_introspection;
mod signing_keys;
mod slow_reports;
mod spire;
mod starting;
mod status;
mod token;
mod traces;
mod traffic;
mod units;
mod verify;
mod webhooks;
mod workload_identity;
mod x509_svid;
