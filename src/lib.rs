//! Keyward: an OAuth 2.0 authorization server for machines.
//!
//! # Layout
//!
//! Entry points: [`http`] for machines, [`portal`] for people, [`cli`]. Operations: [`oauth`] for the
//! protocol, [`manage`] for administration, [`domain`] for what both do. Entities with their rows and
//! queries: [`store`]. Everything below the entry points is free of HTTP.
//!
//! Dependencies point down only; a test reads the `use crate::` lines and fails on one that points up:
//!
//! ```text
//! cli        → server, bootstrap, manage, oauth, net, telemetry, cache, store
//! server     → http, portal, jobs, manage, oauth, net, telemetry, cache, store
//! jobs       → manage, oauth, net, cache, store
//! portal     → manage; of http what both entry points share
//! http       → manage, oauth, net, telemetry, store
//! bootstrap  → manage, store
//! manage     → oauth, domain, store
//! oauth      → domain, cache, net, store
//! domain     → store
//! cache      → store
//! store      → crypto
//! ```
//!
//! [`crypto`] and [`rate_limit`] depend on none of these. Every module may use [`client_ip`], [`clock`],
//! [`concurrency_limit`], [`config`], [`credential`], [`error`], [`metrics`], [`request_context`],
//! [`scope`], [`trace_context`] and [`uri`]. `docs/architecture.md` walks through the code.

pub mod bootstrap;
pub mod cache;
pub mod cli;
pub mod client_ip;
pub mod clock;
pub mod concurrency_limit;
pub mod config;
pub mod credential;
pub mod crypto;
pub mod domain;
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
