//! Keyward: an OAuth 2.0 authorization server for machines.
//!
//! # Layers
//!
//! - [`store`]: tables, rows and queries. The only module that uses diesel.
//! - [`oauth`]: operations of the protocol, a file for each RFC or step, without HTTP.
//! - [`manage`]: operations of administration. Each demands a permit.
//! - [`domain`]: operations that `oauth` and `manage` share. Each writes its audit entry.
//! - [`http`] (the API), [`portal`] (the web UI) and [`cli`]: the entry points.
//! - [`server`]: the composition root.
//!
//! Dependencies point down. `docs/architecture.md` has the table, which a test compares with the `use crate::`
//! lines, and walks through typical requests file by file.

pub mod bootstrap;
pub mod cache;
pub mod cli;
pub mod client_certificate;
pub mod client_ip;
pub mod clock;
pub mod concurrency_limit;
pub mod config;
pub mod credential;
pub mod crypto;
pub mod decimal;
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
pub mod secret;
pub mod server;
pub mod span;
pub mod store;
pub mod telemetry;
pub mod trace_context;
pub mod uri;
