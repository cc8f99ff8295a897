//! FlowFiles: content and attributes, and the package that carries both.
#![doc = include_str!("FLOWFILE.md")]

mod attributes;

pub use attributes::Attributes;
