//! Tests against a real NiFi Registry: `cargo test --test real_registry`.
//!
//! They assemble 0.8.0 from Maven and install nipyapi, once, into `target/real-registry`, and run them; `NIFI_REGISTRY_HOME` names an unpacked
//! distribution of another release to test as well. `REAL_REGISTRY_LARGE_MIB` sets the size of the large snapshot (300). What they need and do not find fails them, loudly.

#![allow(clippy::disallowed_methods, reason = "tests make names that differ from run to run")]

#[path = "../shared/batches.rs"]
mod batches;
#[path = "../shared/conformance.rs"]
mod suite;

mod conformance;
mod contract;
mod crash;
mod large;
mod nipyapi;
mod program;
mod races;
#[path = "../it/registry_double/replay/mod.rs"]
mod replay;
mod server;
