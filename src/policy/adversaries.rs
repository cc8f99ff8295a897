//! A page only.
//!
//! [../reference/clients.md]: crate::server::client
//!
#![doc = include_str!("../../doc/internals/adversaries.md")]
