//! The fuzz targets in `fuzz_targets/` check these properties; `CONTRIBUTING.md` says how to run them.

#[path = "../../tests/support/properties.rs"]
pub mod properties;
