//! placeholder until the canonicalizer lands
#![allow(missing_docs, reason = "placeholder")]
use super::key::{Key, KeyError};
pub fn without_stacks(_: &[u8]) -> Option<Vec<u8>> {
    None
}
pub fn sortable_key_of(c: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
    let v: serde_json::Value = serde_json::from_slice(c).map_err(|_| KeyError::Invalid)?;
    Key::from_json(&v)?.write_sortable(out);
    Ok(())
}
pub fn members(c: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let _ = c;
    None
}
