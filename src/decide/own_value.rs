//! Checks a person's own value before it may become a record.

use super::{Facts, RULE};
use crate::apply::error::SyncError;
use crate::indexeddb::key_path::KeyExtractor;
use crate::normalize::{Hidden, hide};
use crate::snapshot::logged_conflict::LoggedConflict;

/// The prefix of rules from the built-in default, which applies without a policy file.
const BUILTIN: &str = "default/";

/// Checks a canonical value and hides its private fields, as for a value in a batch. Returns the
/// value to store.
pub(super) fn admit(
    facts: &Facts<'_>,
    conflict: &LoggedConflict,
    value: &[u8],
) -> Result<(Vec<u8>, Hidden), SyncError> {
    check_key(facts, conflict, value)?;
    let mut value = value.to_vec();
    let Some(policy) = &facts.options.policy else {
        if conflict.rule.starts_with(BUILTIN) || conflict.rule == RULE {
            return Ok((value, Hidden::default()));
        }
        let (id, rule) = (conflict.id.to_canonical(), &conflict.rule);
        return Err(SyncError::Mismatch(format!(
            "conflict {id}: a policy file's rule {rule:?} was asked, and that file may hide fields \
             of the value or refuse its \
             index keys: give it with --policy"
        )));
    };
    let hash_key = facts.options.hash_key.as_ref();
    if hash_key.is_none() && policy.needs_hash_key() {
        let what = "the policy hashes private fields, which needs a key: give --hash-key-file or \
            NIFI_IDB_HASH_KEY";
        return Err(SyncError::Mismatch(what.to_owned()));
    }
    let store = facts.head.manifest.store(&conflict.store);
    let key_path = store.and_then(|store| store.schema.key_path.as_ref());
    let privacy = &policy.store(&conflict.store).privacy;
    let unhideable =
        |why| SyncError::Mismatch(format!("the value: a private field cannot be hidden: {why}"));
    let hidden = hide(privacy, key_path, hash_key, &mut value).map_err(unhideable)?;
    Ok((value, hidden))
}

/// Checks that a value contains the record's key.
fn check_key(facts: &Facts<'_>, conflict: &LoggedConflict, value: &[u8]) -> Result<(), SyncError> {
    let store = facts.head.manifest.store(&conflict.store);
    let Some(path) = store.and_then(|store| store.schema.key_path.as_ref()) else { return Ok(()) };
    let mut key = Vec::new();
    match KeyExtractor::from(path).extract(value, &mut key) {
        Ok(()) if key == conflict.key.as_bytes() => Ok(()),
        _ => Err(SyncError::Mismatch(
            "the value has not the record's key at the object store's key path".to_owned(),
        )),
    }
}
