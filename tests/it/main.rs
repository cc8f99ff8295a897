//! Black-box and integration tests: one binary, one module a file.

#[path = "../shared/conformance.rs"]
mod conformance;

mod git_store;
mod pipeline;
mod registry_contract;
mod registry_double;
mod stdio;
mod store_conformance;
