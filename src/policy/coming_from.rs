//! A page only.
//!
//! [../reference/clients.md]: crate::server::client
//!
#![doc = include_str!("../../doc/guide/coming-from.md")]
