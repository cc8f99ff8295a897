//! Black-box and integration tests: one binary, one module a file.

#[path = "../shared/batches.rs"]
mod batches;
#[path = "../shared/conformance.rs"]
mod conformance;

mod git_store;
mod pipeline;
mod registry_contract;
mod registry_double;
mod registry_store;
mod stdio;
mod store_conformance;
mod store_faults;
