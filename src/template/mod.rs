//! Flow definitions for NiFi: those that are shipped, and what any that runs `nifi-idb` must be like.
//!
//! [`crate::template::check()`] is a plain function over JSON. What it knows of processors (`processors.json`) is what the
//! sources of NiFi 1.28.1 and 2.9.0 say, and what real ones list; what it knows of attributes is the tables of
//! [`crate::flowfile`].

mod attributes;
mod check;
mod commands;
mod cron;
mod expression;
mod fields;
mod parameters;
mod part;
mod processors;
mod properties;
mod report_loops;
mod shipped;
#[cfg(test)]
mod tests;
mod wiring;

pub use check::{Checked, Fault, check};
pub use shipped::{SHIPPED, Shipped, find};
