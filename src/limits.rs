//! A module that contains only a page: all limits, wherever they are applied.
//!
//! [changes.md#rejected-lines]: crate::decode#rejected-lines
//! [exit-status.md]: crate::exit_status
//! [expressions.md#limits]: crate::policy::expression#limits
//! [http.md#limits-and-stop]: crate::server::http#limits-and-stop
//! [rules.md#the-guard]: crate::merge#the-guard
//!
#![doc = include_str!("../doc/reference/limits.md")]
