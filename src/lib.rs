//! Keyward: an OAuth 2.0 authorization server for machines.
//!
//! # The house
//!
//! A noun lives in [`store`], a verb of the protocol in [`oauth`], a verb of management in
//! [`manage`], a door in [`http`] (for machines), [`portal`] (for people) or [`cli`]. Everything below
//! the doors is free of HTTP.
//!
//! Arrows point down only, and a test over the `use crate::` lines holds them to it:
//!
//! ```text
//! cli        → server, bootstrap, manage, oauth, outbound, telemetry
//! server     → http, portal, jobs, manage, oauth, directory, net, telemetry
//! jobs       → manage, oauth, directory, store
//! portal     → manage; of http what both doors share
//! http       → manage, oauth, net, telemetry
//! bootstrap  → manage
//! manage     → oauth, store
//! oauth      → directory, outbound, store
//! directory  → store
//! store      → secret_hash
//! ```
//!
//! [`secret_hash`], [`password`] and [`rate_limit`] need none of these. Beneath all of them, and used by
//! all: [`client_ip`], [`clock`], [`concurrency_limit`], [`config`], [`credential`], [`error`], [`jose`], [`metrics`], [`scope`],
//! [`trace_context`], [`uri`]. `docs/architecture.md` walks through it.

pub mod bootstrap;
pub mod cache;
pub mod cli;
pub mod client_ip;
pub mod clock;
pub mod concurrency_limit;
pub mod config;
pub mod credential;
pub mod crypto;
pub mod error;
pub mod http;
pub mod jobs;
pub mod manage;
pub mod metrics;
pub mod net;
pub mod oauth;
pub mod portal;
pub mod rate_limit;
pub mod request_context;
pub mod scope;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod trace_context;
pub mod uri;
