//! A module that contains only a page.
//!
//! [../reference/clients.md]: crate::server::client
//!
#![doc = include_str!("../../doc/guide/coming-from.md")]
