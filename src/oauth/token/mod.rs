//! Access tokens and API keys that are presented: the one place that determines what they are and
//! whether they are active. They are issued by [`issuance`](super::issuance).

pub mod access_token;
mod api_key;
pub mod presented;
pub mod verify;
