//! One binary; a file for each thing that it tests. Everything is real: the binary as a process, its
//! HTTP, SQLite files, a Postgres (which `tests/run` starts), the client libraries of others.
#![expect(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[macro_use]
mod support;

mod api_keys;
mod architecture;
mod check;
mod client_assertion;
mod client_authentication;
mod command_line;
mod database_away;
mod discovery;
mod durability;
mod failure;
mod interop;
mod introspection;
mod languages;
mod limits;
mod management;
mod many_nodes;
mod metrics;
mod openapi;
mod people;
mod portal;
mod postgres;
mod postgres_tls;
mod purge;
mod quick_start;
mod registration;
mod revocation;
mod settings;
mod signing_keys;
mod starting;
mod token;
mod traffic;
mod units;
mod verify;
