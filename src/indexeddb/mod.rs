//! The IndexedDB data model: names, keys, key paths, values, schema, entries.

pub mod dom_string;
pub mod key;
pub mod number;
pub mod text;
pub mod value;
