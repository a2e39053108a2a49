//! Connections: the listening socket, TLS, and what one peer may take of the server.
//!
//! No HTTP here. `server` puts HTTP on top of a [`Connection`](connections::Connection); `http` reports to
//! its [`Activity`](connections::Activity) when a request begins and ends.

pub mod connections;
pub mod http_client;
pub mod listener;
pub mod tls;
