//! Black-box and integration tests: one binary, one module a file.

#[path = "../shared/conformance.rs"]
mod conformance;

mod store_conformance;
