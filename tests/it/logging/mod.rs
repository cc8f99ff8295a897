//! The log: its flags, its lines, and what it may not contain.

#[cfg(all(feature = "otel", feature = "registry"))]
mod export;
mod lines;
pub(crate) mod secrets;
mod table;
