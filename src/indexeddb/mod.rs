//! The IndexedDB data model: names, keys, key paths, values, schema.

pub mod dom_string;
mod identifier;
pub mod iso_date;
pub mod key;
pub mod key_path;
pub mod makeable;
pub mod number;
pub mod schema;
pub mod text;
pub mod unique_index;
pub mod value;
