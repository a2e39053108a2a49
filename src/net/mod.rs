//! The network: the listening socket, the connection table with its limits, TLS, and outgoing HTTP.
//!
//! This module serves no HTTP. [`server`](crate::server) runs HTTP on a
//! [`Connection`](connections::Connection), and [`http`](crate::http) tells its
//! [`Activity`](connections::Activity) when a request begins and ends.

pub mod client_authorities;
pub mod connections;
mod file_state;
pub mod http_client;
pub mod listener;
pub mod smtp;
pub mod tls;
