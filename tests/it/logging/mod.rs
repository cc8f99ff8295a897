//! The log: its flags, its lines, and what it may not contain.

#[cfg(feature = "otel")]
mod export;
mod lines;
pub(crate) mod secrets;
mod table;
