//! Finds the record that a rejected line is about, as far as possible, because a full batch must
//! not delete it.

use super::raw_json::named;
use super::scan::ScannedMembers;
use crate::indexeddb::key::SortableKey;
use crate::indexeddb::schema::{KeyPath, ObjectStore};
use crate::indexeddb::value::{Canonicalizer, sortable_key_of};

/// Returns the keys of the records that a rejected line may be about, from the raw JSON of its key
/// and its value; none if they are unknown.
pub fn rejected_keys(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    store: &ObjectStore,
    canonicalizer: &mut Canonicalizer,
) -> Vec<SortableKey> {
    let found = value.zip(store.key_path.as_ref()).and_then(|(value, path)| in_line(value, path));
    let given = key.and_then(|key| sortable(key, canonicalizer));
    given.into_iter().chain(found.and_then(|found| sortable(&found, canonicalizer))).collect()
}

/// Returns the keys that a line of changes may be about, even if other parts of it are invalid.
pub(crate) fn keys_of_line(
    line: &[u8],
    store: &ObjectStore,
    canonicalizer: &mut Canonicalizer,
) -> Vec<SortableKey> {
    let mut keys = Vec::new();
    let Ok(mut members) = ScannedMembers::of(line) else { return keys };
    while let Ok(Some(member)) = members.next() {
        let (name, content) = (member.name.of(line), member.value.of(line));
        if named(name, "key") {
            keys.extend(rejected_keys(Some(content), None, store, canonicalizer));
        } else if named(name, "value") {
            keys.extend(rejected_keys(None, Some(content), store, canonicalizer));
        }
    }
    keys
}

fn sortable(raw: &[u8], canonicalizer: &mut Canonicalizer) -> Option<SortableKey> {
    let (mut text, mut key) = (Vec::new(), Vec::new());
    canonicalizer.key(raw, &mut text).ok()?;
    sortable_key_of(&text, &mut key).ok()?;
    Some(SortableKey::trusted(&key))
}

/// Returns the raw key at a key path of plain members, each of which occurs once.
fn in_line(value: &[u8], path: &KeyPath) -> Option<Vec<u8>> {
    match path {
        KeyPath::Path(path) => at(value, &path.to_text()?).map(<[u8]>::to_vec),
        KeyPath::Paths(paths) => {
            let keys = paths.iter().map(|path| at(value, &path.to_text()?));
            let keys = keys.collect::<Option<Vec<_>>>()?;
            Some([b"[", &keys.join(&b","[..])[..], b"]"].concat())
        }
    }
}

/// Returns the raw value at a path of plain members.
pub(crate) fn at<'v>(value: &'v [u8], path: &str) -> Option<&'v [u8]> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, step| {
        let mut members = ScannedMembers::of(value).ok()?;
        let mut found = None;
        while let Some(member) = members.next().ok()? {
            if named(member.name.of(value), step) && found.replace(member.value).is_some() {
                return None;
            }
        }
        // A member that looks like a tag is written with one more `~`.
        found.filter(|_| !step.starts_with('~')).map(|found| found.of(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::value::Options;

    fn keys(path: &str, key: Option<&str>, value: &str) -> Vec<String> {
        let path = KeyPath::from_json(&serde_json::from_str(path).unwrap()).ok();
        let store = ObjectStore::new("data".into(), path);
        let mut canonicalizer = Canonicalizer::new(Options::default());
        let keys = rejected_keys(
            key.map(str::as_bytes),
            Some(value.as_bytes()),
            &store,
            &mut canonicalizer,
        );
        keys.iter().map(SortableKey::to_canonical).collect()
    }

    #[test]
    fn a_key_is_found_in_a_value_that_is_rejected() {
        assert_eq!(keys(r#""id""#, None, r#"{"n":12345678901234567891,"id":7}"#), ["7"]);
        assert_eq!(keys(r#""id""#, None, r#"{"i\u0064":"a","x":NaN}"#), [r#""a""#]);
        assert_eq!(
            keys(r#""a.b""#, None, r#"{"a":{"b":[1,{"~date":5}]},"c":{"~no":1}}"#),
            [r#"[1,{"~date":5}]"#]
        );
        assert_eq!(keys(r#"["a","b"]"#, None, r#"{"b":2,"a":1,"c":1e999}"#), ["[1,2]"]);
        assert_eq!(keys("null", Some("3"), "{"), ["3"]);
        assert_eq!(keys(r#""id""#, Some("3"), r#"{"id":4}"#), ["3", "4"], "it may be about either");
    }

    #[test]
    fn no_key_is_guessed() {
        for value in
            [r#"{"id":1,"id":2}"#, r#"{"id":true}"#, r#"{"n":1}"#, r#"[1]"#, r#"{"id":1"#, ""]
        {
            assert_eq!(keys(r#""id""#, None, value), [""; 0], "{value}");
        }
        assert_eq!(keys("null", None, r#"{"id":1}"#), [""; 0]);
        assert_eq!(keys(r#""id""#, Some("{}"), r#"{"id":4}"#), ["4"]);
    }
}
