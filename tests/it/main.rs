//! Black-box and integration tests: one binary, one module a file.

#![allow(clippy::disallowed_methods, reason = "tests make names that differ from run to run")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../shared/batches.rs"]
mod batches;
#[path = "../shared/conformance.rs"]
mod conformance;

#[cfg(feature = "registry")]
mod addresses;
mod bounds;
mod concurrency;
mod conflicts;
mod crash;
mod damage;
mod deliveries;
mod erasure;
#[cfg(feature = "registry")]
mod esc;
mod examples;
mod flowfiles;
mod format_compat;
mod full;
mod git_gc;
mod git_odd_files;
mod git_people;
mod git_store;
mod imports;
mod json_records;
mod limits;
mod links;
mod logging;
mod lost_main;
mod model;
mod model_findings;
mod model_schema_findings;
mod names;
mod package_conflicts;
mod packages;
mod pipeline;
mod policy;
mod privacy;
mod program;
mod prose;
#[cfg(feature = "registry")]
mod registry_contract;
#[cfg(feature = "registry")]
mod registry_double;
#[cfg(feature = "registry")]
mod registry_store;
mod rejected_input;
mod rules;
mod schemas;
#[cfg(feature = "serve")]
mod serve;
mod stdio;
mod store_cached;
mod store_conformance;
#[cfg(feature = "registry")]
mod store_faults;
mod templates;
mod tidy;
mod verify_chain;
mod work;
