//! A page only.
#![doc = include_str!("ADVERSARIES.md")]
