//! Tests on a real NiFi: `cargo test --test real_nifi`; see README.md here.
//!
//! `NIFI_HOME` names one or several unpacked distributions. Private copies of them run on loopback, with a real NiFi
//! Registry beside them, and are driven by REST alone; the definitions of `nifi-templates/` are uploaded as they are.
//! What a test needs and does not find fails it, loudly.

#![allow(clippy::disallowed_methods, reason = "a NiFi has a clock, and tests wait for it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "the figures are what some of these tests are for")]

mod batches;
mod canvas;
mod cluster;
mod deaths;
mod definition;
mod distribution;
mod figures;
mod group;
mod imports;
mod lab;
mod live;
mod nifi;
#[path = "../shared/node.rs"]
mod node;
#[allow(dead_code, reason = "shared with the tests of the Registry alone")]
#[path = "../real_registry/server.rs"]
mod registry;
#[allow(dead_code, reason = "the recordings have more to send than these tests")]
#[path = "../it/registry_double/replay/mod.rs"]
mod replay;
mod rest;
mod schedule;
mod serve;
#[path = "../shared/batches.rs"]
mod shared;
mod wrapper;
