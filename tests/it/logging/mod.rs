//! The log: its flags, its lines, and what it may not contain.

mod lines;
pub(crate) mod secrets;
mod table;
