//! Operations on entities that both the protocol ([`oauth`](crate::oauth)) and management
//! ([`manage`](crate::manage)) perform, such as revoking an API key. Each takes a
//! [`Recorder`](crate::store::audit::Recorder) and writes its audit entry in the transaction of the
//! change, so that no entry point can forget it. The callers decide who may do it.

pub mod api_key;
pub mod client;
pub mod token;
