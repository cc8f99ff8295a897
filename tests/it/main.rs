//! Black-box and integration tests: one binary, one module a file.

mod pipeline;
mod registry_contract;
mod registry_double;
