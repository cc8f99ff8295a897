//! Tests against a real NiFi Registry: `cargo test --test real_registry`.
//!
//! They assemble 0.8.0 from Maven (once, into `target/real-registry`) and run it; `NIFI_REGISTRY_HOME` names an unpacked
//! distribution of another release to test as well. What they need and do not find fails them, loudly.

mod contract;
#[path = "../it/registry_double/replay/mod.rs"]
mod replay;
mod server;
