//! Black-box and integration tests: one binary, one module a file.

mod git_store;
mod pipeline;
mod registry_contract;
mod registry_double;
mod store_conformance;
