//! Access tokens and API keys: how access tokens are issued and verified, and the one place that
//! determines what a presented token or API key is.

pub mod access_token;
mod api_key;
pub mod binding;
pub mod issue;
pub mod presented;
pub mod verify;
