//! Black-box and integration tests: one binary, one module a file.

#[path = "../shared/conformance.rs"]
mod conformance;

mod git_store;
mod store_conformance;
