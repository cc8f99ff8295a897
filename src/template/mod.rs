//! Flow definitions for NiFi: the shipped ones, and the check for any definition that runs
//! `nifi-idb`.
//!
//! [`crate::template::check()`] is a pure function of JSON. Its knowledge of processors
//! (`processors.json`) is taken from the sources of NiFi 1.28.1 and 2.9.0 and from running
//! instances; its knowledge of attributes from the tables of [`crate::flowfile`].

mod attributes;
mod check;
mod commands;
mod cron;
mod expression;
mod faults;
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

pub use check::{TemplateCheckResult, check};
pub use faults::TemplateFault;
pub use shipped::{SHIPPED, Shipped, find};
