//! The web portal.

pub mod quick_start;
