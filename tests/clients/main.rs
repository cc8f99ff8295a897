//! Clients that are not ours: `cargo test --test clients`.
//!
//! They need Python 3 with its venv module, Node.js with npm, Chromium, and a package index; what they install lies in
//! `target/clients`. What they need and do not find fails them, loudly. `tests/real_registry` has more of their kind.

#![allow(clippy::disallowed_methods, reason = "tests make names that differ from run to run")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

mod grpcio;
mod imports;
mod packages;
mod python;
