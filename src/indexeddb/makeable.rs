//! Schemas that no browser can create because `createObjectStore` or `createIndex` throws.
//!
//! A valid key path (W3C IndexedDB 3.0) is the empty string, an identifier (ECMAScript's
//! `IdentifierName`), identifiers joined by `.`, or a non-empty list of such strings.

use super::dom_string::DomString;
use super::identifier::is_identifier_name;
use super::schema::{KeyPath, ObjectStore};
use super::text;

/// A part of an object store's schema that no browser can create.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaFault {
    /// The key path is not valid.
    KeyPath {
        /// The index, or `None` for the object store itself.
        index: Option<DomString>,
        /// The path that is not valid; one of them, if there are several.
        path: DomString,
    },
    /// A key generator together with a key path that is empty or an array.
    KeyGenerator,
    /// A multi-entry index with an array as its key path.
    MultiEntry {
        /// The index.
        index: DomString,
    },
}

impl ObjectStore {
    /// Returns the parts of the schema that no browser can create; none for an object store of a
    /// real page.
    pub fn faults(&self) -> Vec<SchemaFault> {
        let mut faults = Vec::new();
        if let Some(key_path) = &self.key_path {
            let paths = invalid(key_path)
                .map(|path| SchemaFault::KeyPath { index: None, path: path.clone() });
            faults.extend(paths);
            if self.auto_increment
                && !matches!(key_path, KeyPath::Path(path) if !path.units().is_empty())
            {
                faults.push(SchemaFault::KeyGenerator);
            }
        }
        for index in &self.indexes {
            let name = || index.name.clone();
            let paths = invalid(&index.key_path)
                .map(|path| SchemaFault::KeyPath { index: Some(name()), path: path.clone() });
            faults.extend(paths);
            if index.multi_entry && matches!(index.key_path, KeyPath::Paths(_)) {
                faults.push(SchemaFault::MultiEntry { index: name() });
            }
        }
        faults
    }
}

impl SchemaFault {
    /// Returns a message that states the fault in the object store of this name and how to fix it.
    pub fn explain(&self, store: &DomString) -> String {
        let store = store.to_canonical();
        match self {
            Self::KeyPath { index: None, path } => {
                let (path, name) = (path.to_canonical(), path.to_string());
                // With out-of-line keys, the key may come from any member of the record.
                let field = if name.contains('.') { "FIELD".to_owned() } else { quoted(&name) };
                format!(
                    "object store {store}: IndexedDB takes no key path {path}: a key path is \
                     identifiers joined by dots; take \
                     the key out of the value with --key-field {field}, which makes its keys out \
                     of line (keyPath null), or \
                     name another member with --key-path"
                )
            }
            Self::KeyPath { index: Some(index), path } => {
                let (index, path) = (index.to_canonical(), path.to_canonical());
                format!(
                    "object store {store}, index {index}: IndexedDB takes no key path {path}: a \
                     key path is identifiers joined \
                     by dots; leave the index out, or index another member"
                )
            }
            Self::KeyGenerator => format!(
                "object store {store}: IndexedDB has no key generator (autoIncrement) beside a key \
                 path that is empty or an \
                 array; leave autoIncrement out, or give one member or null as the key path"
            ),
            Self::MultiEntry { index } => {
                let index = index.to_canonical();
                format!(
                    "object store {store}, index {index}: IndexedDB takes no array as the key path \
                     of a multi-entry index; \
                     leave multiEntry out, or give one key path"
                )
            }
        }
    }
}

/// Quotes a word for a shell, if necessary.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_@:/+".contains(character);
    let shown: String = text::canonical_text(word).trim_matches('"').chars().take(80).collect();
    if shown == word && !word.is_empty() && word.chars().all(plain) {
        shown
    } else {
        format!("'{shown}'")
    }
}

/// Returns the paths that are not valid.
fn invalid(key_path: &KeyPath) -> impl Iterator<Item = &DomString> {
    let paths = match key_path {
        KeyPath::Path(path) => std::slice::from_ref(path),
        KeyPath::Paths(paths) => paths,
    };
    paths.iter().filter(|path| !is_valid(path))
}

/// True if IndexedDB accepts this string as a key path.
fn is_valid(path: &DomString) -> bool {
    // A lone surrogate cannot be part of an identifier.
    path.to_text().is_some_and(|path| path.is_empty() || path.split('.').all(is_identifier_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::schema::Index;

    fn store(key_path: Option<KeyPath>) -> ObjectStore {
        ObjectStore::new("s".into(), key_path)
    }

    #[test]
    fn key_paths_that_browsers_take() {
        for path in [
            "",
            "id",
            "a.b.c",
            "_id",
            "$",
            "_$0",
            "né",
            "名前",
            "x\u{200d}y",
            "\u{1d4d0}",
            "class",
            "a1.b2",
            "ﾟ",
        ] {
            assert!(is_valid(&path.into()), "{path}");
            assert_eq!(store(Some(KeyPath::Path(path.into()))).faults(), []);
        }
    }

    #[test]
    fn key_paths_that_no_browser_takes() {
        for path in [
            "order-id",
            "@id",
            "a b",
            "a..b",
            ".a",
            "a.",
            ".",
            "1a",
            "0",
            " ",
            "a[0]",
            "a\u{0}",
            "\u{301}",
            "a.\u{200c}b",
            "\\u0061",
        ] {
            assert!(!is_valid(&path.into()), "{path}");
        }
        let lone = DomString::from_units([0x61, 0xd800]);
        assert!(!is_valid(&lone));
        let several = store(Some(KeyPath::Paths(vec!["a".into(), "b-c".into(), "".into()])));
        assert_eq!(several.faults(), [SchemaFault::KeyPath { index: None, path: "b-c".into() }]);
    }

    #[test]
    fn generators_and_multi_entry_indexes_that_no_browser_makes() {
        let generating = |key_path| ObjectStore { auto_increment: true, ..store(key_path) };
        for key_path in [KeyPath::Path("".into()), KeyPath::Paths(vec!["a".into()])] {
            assert_eq!(generating(Some(key_path)).faults(), [SchemaFault::KeyGenerator]);
        }
        assert_eq!(generating(None).faults(), []);
        assert_eq!(generating(Some(KeyPath::Path("a.b".into()))).faults(), []);
        let index = |key_path, multi_entry| {
            let index = Index { name: "i".into(), key_path, unique: false, multi_entry };
            ObjectStore { indexes: vec![index], ..store(None) }.faults()
        };
        let both = || KeyPath::Paths(vec!["x".into(), "y".into()]);
        assert_eq!(index(both(), true), [SchemaFault::MultiEntry { index: "i".into() }]);
        assert_eq!(index(both(), false), []);
        assert_eq!(index(KeyPath::Path("".into()), true), []);
        let bad = SchemaFault::KeyPath { index: Some("i".into()), path: "x y".into() };
        assert_eq!(index(KeyPath::Path("x y".into()), false), [bad]);
    }

    #[test]
    fn the_way_out_is_named() {
        let says = |path: &str| {
            SchemaFault::KeyPath { index: None, path: path.into() }.explain(&"s".into())
        };
        assert!(says("order-id").contains("--key-field order-id,"), "{}", says("order-id"));
        assert!(says("@id").contains("--key-field @id,"), "{}", says("@id"));
        assert!(says("a b").contains("--key-field 'a b',"), "{}", says("a b"));
        assert!(says("a..b").contains("--key-field FIELD,"), "{}", says("a..b"));
        assert!(!says("a\nb").contains('\n'));
    }
}
