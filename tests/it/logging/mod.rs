//! The log: its flags, its lines, and what it may not contain.

mod lines;
mod table;
