//! Key paths: finds the key in a value as IndexedDB does when it stores or indexes a record.

use std::borrow::Cow;

use super::dom_string::DomString;
use super::key::KeyError;
use super::schema::KeyPath;
use super::value::{
    ValueTag, all_members, at_path, items, sortable_array_within, sortable_key_within, tagged,
};

/// A key path that is prepared for evaluation on many values.
#[derive(Clone, Debug)]
pub struct KeyExtractor {
    paths: Vec<String>,
    is_list: bool,
}

/// The reason why a value has no key at a key path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// There is nothing at the key path, or `undefined`.
    #[error("the value has no key at the key path")]
    Absent,
    /// The value at the key path is not a valid key.
    #[error(transparent)]
    Invalid(#[from] KeyError),
}

impl From<&KeyPath> for KeyExtractor {
    fn from(key_path: &KeyPath) -> Self {
        match key_path {
            KeyPath::Path(path) => Self { paths: vec![path.to_string()], is_list: false },
            KeyPath::Paths(paths) => {
                Self { paths: paths.iter().map(DomString::to_string).collect(), is_list: true }
            }
        }
    }
}

impl KeyExtractor {
    /// Returns the member name if the key path consists of a single one.
    pub fn member(&self) -> Option<&str> {
        match &self.paths[..] {
            [path] if !self.is_list && !path.is_empty() && !path.contains('.') => Some(path),
            _ => None,
        }
    }

    /// Appends the sortable form of the key in a canonical value. After an error `out` is
    /// unchanged.
    ///
    /// # Errors
    ///
    /// Fails if there is nothing at the key path, or no valid key.
    pub fn extract(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), ExtractError> {
        match &self.paths[..] {
            [path] if !self.is_list => {
                let found = at_path(value, path).ok_or(ExtractError::Absent)?;
                Ok(sortable_key_within(&found, value, out)?)
            }
            paths => {
                let found: Option<Vec<Cow<'_, [u8]>>> =
                    paths.iter().map(|path| at_path(value, path)).collect();
                let found = found.ok_or(ExtractError::Absent)?;
                Ok(sortable_array_within(found.iter().map(|part| &**part), value, out)?)
            }
        }
    }

    /// Passes to `each` the sortable form of every key that a canonical value has in an index.
    /// Without a valid key there is none; with `multi_entry` there is one for each item of an array
    /// that is a valid key. The same key may be passed twice.
    pub fn index_keys(&self, value: &[u8], multi_entry: bool, each: &mut dyn FnMut(&[u8])) {
        let mut key = Vec::new();
        if multi_entry
            && let [path] = &self.paths[..]
            && let Some(found) = at_path(value, path)
            && let Some(elements) = array_items(&found)
        {
            for element in elements {
                key.clear();
                if sortable_key_within(element, value, &mut key).is_ok() {
                    each(&key);
                }
            }
        } else if self.extract(value, &mut key).is_ok() {
            each(&key);
        }
    }
}

/// Returns the items of an array, without holes, or `None` if the value is not an array.
fn array_items(value: &[u8]) -> Option<Vec<&[u8]>> {
    match tagged(value) {
        Some((ValueTag::Array, content)) => {
            let (_, listed) =
                all_members(content)?.into_iter().find(|(name, _)| *name == b"items")?;
            items(listed)?.into_iter().map(|item| items(item)?.get(1).copied()).collect()
        }
        _ => items(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::key::Key;
    use crate::indexeddb::value::Canonicalizer;

    fn canonical(json: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Canonicalizer::default().value(json.as_bytes(), &mut out).unwrap();
        out
    }

    fn extracted(json: &str, key_path: &KeyPath) -> Result<String, ExtractError> {
        let mut key = Vec::new();
        let found = KeyExtractor::from(key_path).extract(&canonical(json), &mut key);
        found.map(|()| Key::from_sortable(&key).unwrap().to_canonical())
    }

    fn at(json: &str, path: &str) -> Result<String, ExtractError> {
        extracted(json, &KeyPath::Path(path.into()))
    }

    #[test]
    fn every_kind_of_value_has_the_members_that_indexeddb_sees() {
        let file =
            r#"{"~blob":{"name":"r.txt","lastModified":5,"data":"YWJj","type":"text/plain"}}"#;
        for (value, path, key) in [
            (file, "name", "\"r.txt\""),
            (file, "size", "3"),
            (file, "type", "\"text/plain\""),
            (file, "lastModified", "5"),
            (r#""four""#, "length", "4"),
            (r#""four""#, "", "\"four\""),
            ("[7,8]", "length", "2"),
            ("[7,8]", "", "[7,8]"),
            (r#"{"length":"own"}"#, "length", "\"own\""),
            (r#"{"\ud800":1,"id":7}"#, "id", "7"),
            (r#"{"~id":[1,{"id":4,"self":{"~ref":1}}]}"#, "id", "4"),
            (r#"{"~id":[1,{"id":4,"self":{"~ref":1}}]}"#, "self.self.id", "4"),
            (r#"{"a":{"~id":[1,[3]]},"t":{"~ref":1}}"#, "t", "[3]"),
            (r#"{"a":{"~id":[1,[3]]},"t":[{"~ref":1},{"~ref":1}]}"#, "t", "[[3],[3]]"),
            (
                r#"{"a":{"~id":[1,{"~buffer":{"data":"AQID"}}]},"t":{"~view":{"buffer":{"~ref":1},"length":2,"offset":1,"type":"Uint8Array"}}}"#,
                "t",
                r#"{"~binary":"AgM="}"#,
            ),
        ] {
            assert_eq!(at(value, path).as_deref(), Ok(key), "{path} of {value}");
        }
    }

    #[test]
    fn what_is_only_inherited_is_not_there() {
        let blob = r#"{"~blob":{"data":"YWJj","type":""}}"#;
        for (value, path) in [
            (blob, "name"),
            (blob, "lastModified"),
            (blob, "lastModifiedDate"),
            (blob, "data"),
            (r#"{"~map":[["size",1]]}"#, "size"),
            (r#"{"~set":[1]}"#, "size"),
            (r#"{"~date":0}"#, "length"),
            (r#"{"~regexp":["a","g"]}"#, "source"),
            (r#"{"~buffer":{"data":"AQID"}}"#, "byteLength"),
            (
                r#"{"~view":{"buffer":{"~buffer":{"data":"AQID"}},"length":3,"offset":0,"type":"Uint8Array"}}"#,
                "length",
            ),
            (r#"{"id":{"~undefined":true}}"#, "id"),
            ("5", "length"),
            ("null", "id"),
        ] {
            assert_eq!(at(value, path), Err(ExtractError::Absent), "{path} of {value}");
        }
    }

    #[test]
    fn an_array_that_contains_itself_is_no_key() {
        for value in [
            r#"{"id":{"~id":[1,[{"~ref":1}]]}}"#,
            r#"{"a":{"~id":[1,[[{"~ref":1}]]]},"id":{"~ref":1}}"#,
            r#"{"id":{"~id":[1,[{"~id":[2,[{"~ref":1}]]},{"~ref":2}]]}}"#,
        ] {
            assert_eq!(at(value, "id"), Err(ExtractError::Invalid(KeyError::Invalid)), "{value}");
        }
        // This would be 2^40 items in 40 lines.
        let mut value = r#"{"~id":[1,[0,0]]}"#.to_owned();
        for number in 2..=40 {
            value = format!(r#"{{"~id":[{number},[{value},{{"~ref":{}}}]]}}"#, number - 1);
        }
        assert_eq!(
            at(&format!(r#"{{"id":{value}}}"#), "id"),
            Err(ExtractError::Invalid(KeyError::Length))
        );
    }

    #[test]
    fn several_paths_give_an_array_or_nothing() {
        let paths = KeyPath::Paths(vec!["a".into(), "b.length".into()]);
        assert_eq!(
            extracted(r#"{"a":{"~id":[1,[2]]},"b":"xyz","c":{"~ref":1}}"#, &paths).as_deref(),
            Ok("[[2],3]")
        );
        assert_eq!(extracted(r#"{"a":1}"#, &paths), Err(ExtractError::Absent));
        assert_eq!(
            extracted(r#"{"a":null,"b":""}"#, &paths),
            Err(ExtractError::Invalid(KeyError::Invalid))
        );
    }

    fn index_keys(json: &str, path: &str, multi_entry: bool) -> Vec<String> {
        let (mut keys, extractor) = (Vec::new(), KeyExtractor::from(&KeyPath::Path(path.into())));
        extractor.index_keys(&canonical(json), multi_entry, &mut |key| {
            keys.push(Key::from_sortable(key).unwrap().to_canonical());
        });
        keys
    }

    #[test]
    fn a_multi_entry_index_has_each_valid_item() {
        let value = r#"{"t":["a",null,{"~undefined":true},[1],{"x":1}]}"#;
        assert_eq!(index_keys(value, "t", true), ["\"a\"", "[1]"]);
        assert_eq!(index_keys(value, "t", false), [""; 0]);
        let holes =
            r#"{"t":{"~array":{"length":4,"items":[[0,"a"],[3,"b"]],"members":[["name",1]]}}}"#;
        assert_eq!(index_keys(holes, "t", true), ["\"a\"", "\"b\""]);
        assert_eq!(
            index_keys(r#"{"a":{"~id":[1,[5]]},"t":[{"~ref":1},6]}"#, "t", true),
            ["[5]", "6"]
        );
        assert_eq!(index_keys(r#"{"t":"one"}"#, "t", true), ["\"one\""]);
        assert_eq!(index_keys("{}", "t", true), [""; 0]);
    }
}
