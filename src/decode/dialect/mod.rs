//! The formats of a batch. Each is described by one constant beside its reader; this file lists
//! them.
//!
//! To add a format, write its file with a [`DialectSpec`], add an arm to each match below, and write
//! its section in `doc/reference/imports.md`.

pub(crate) mod changes;
pub(crate) mod dexie;
pub(crate) mod dumps;
pub(crate) mod events;
pub(crate) mod plain_json;
pub(crate) mod playwright;
pub(crate) mod records;

use strum::VariantArray as _;

use crate::indexeddb::value;

/// A format of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
pub enum Dialect {
    /// Bare JSON values.
    Records,
    /// `indexeddb-changes/1`.
    Changes,
    /// Playwright's `storageState`.
    Playwright,
    /// An export of dexie-export-import.
    Dexie,
    /// `{"store":[value,…],…}`.
    PlainJson,
    /// Change events of Debezium.
    Debezium,
    /// Events of NiFi's CaptureChangeMySQL.
    CaptureChangeMysql,
    /// An export of RxDB's `exportJSON`.
    Rxdb,
    /// An export of `dexie-cloud export`.
    DexieCloud,
    /// A response of CouchDB's `_all_docs` or `_changes`.
    Couchdb,
    /// An output of pouchdb-dump.
    PouchdbDump,
    /// An output of mongoexport.
    Mongoexport,
}

/// The syntax of the values of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueSyntax {
    /// The syntax that the caller's options specify.
    AsOptions,
    /// Plain JSON, in which no member is a tag.
    Plain,
    /// Tags, written by the reader; the other options apply.
    Built,
    /// The canonical form, written by the reader.
    Canonical,
}

/// A sequence of tokens that a document may begin with, white space between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    /// JSON tokens, [`ANY_STRING`] or [`ANY_NUMBER`].
    pub(crate) tokens: &'static [&'static [u8]],
    /// True if a record may begin like this too. Then it counts only if the options name no object
    /// store for records.
    pub(crate) is_like_record: bool,
}

impl Beginning {
    /// Returns a beginning that no record has.
    pub(crate) const fn only(tokens: &'static [&'static [u8]]) -> Self {
        Self { tokens, is_like_record: false }
    }

    /// Returns a beginning that records may have too.
    pub(crate) const fn like_record(tokens: &'static [&'static [u8]]) -> Self {
        Self { tokens, is_like_record: true }
    }
}

/// Matches any string in a list of tokens.
pub(crate) const ANY_STRING: &[u8] = b"\"";

/// Matches any number in a list of tokens.
pub(crate) const ANY_NUMBER: &[u8] = b"0";

/// Everything about a dialect that is not its reader.
#[derive(Clone, Copy, Debug)]
pub struct DialectSpec {
    /// The name in options, attributes and messages.
    pub name: &'static str,
    /// Other names, of programs that write the same shape.
    pub aliases: &'static [&'static str],
    /// One line for `--help`.
    pub summary: &'static str,
    /// True if the input describes its object stores.
    pub(crate) has_schema: bool,
    /// True if the input names the indexes, so its schema may replace one of the same database
    /// version.
    pub(crate) names_indexes: bool,
    /// True if the lines are change events of a database.
    pub(crate) has_events: bool,
    /// True if a batch with a source is full by default.
    pub(crate) is_whole: bool,
    /// True if the input does not contain the state of key generators.
    pub(crate) lacks_key_generators: bool,
    /// The syntax of its values.
    pub(crate) values: ValueSyntax,
    /// The losses that apply to any record.
    pub(crate) losses: &'static [&'static str],
    /// The beginnings of documents; empty if the first bytes do not decide.
    pub(crate) beginnings: &'static [Beginning],
}

impl DialectSpec {
    /// The base of every description; each dialect overrides the fields that differ.
    pub(crate) const NONE: Self = Self {
        name: "",
        aliases: &[],
        summary: "",
        has_schema: false,
        names_indexes: false,
        has_events: false,
        is_whole: false,
        lacks_key_generators: false,
        values: ValueSyntax::Built,
        losses: &[],
        beginnings: &[],
    };
}

impl Dialect {
    /// All dialects, in the order of `--help`.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the description.
    pub fn spec(self) -> &'static DialectSpec {
        match self {
            Self::Records => &records::SPEC,
            Self::Changes => &changes::SPEC,
            Self::Playwright => &playwright::SPEC,
            Self::Dexie => &dexie::SPEC,
            Self::PlainJson => &plain_json::SPEC,
            Self::Debezium => &events::debezium::SPEC,
            Self::CaptureChangeMysql => &events::capture_mysql::SPEC,
            Self::Rxdb => &dumps::rxdb::SPEC,
            Self::DexieCloud => &dumps::dexie_cloud::SPEC,
            Self::Couchdb => &dumps::couchdb::SPEC,
            Self::PouchdbDump => &dumps::couchdb::POUCHDB_DUMP,
            Self::Mongoexport => &dumps::mongoexport::SPEC,
        }
    }

    /// Returns the dialect with this name or alias.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|dialect| dialect.names().any(|own| own == name))
    }

    /// Returns the name, then the aliases.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.spec().name).chain(self.spec().aliases.iter().copied())
    }

    /// True if the input describes its object stores and indexes.
    pub fn has_schema(self) -> bool {
        self.spec().has_schema
    }

    /// True if its schema may replace one of the same database version.
    pub fn names_indexes(self) -> bool {
        self.spec().names_indexes
    }

    /// True if its lines are change events of a database.
    pub(crate) fn has_events(self) -> bool {
        self.spec().has_events
    }

    /// Returns the options for reading its values, given the caller's options.
    pub(crate) fn values(self, values: value::Options) -> value::Options {
        match self.spec().values {
            ValueSyntax::AsOptions => values,
            ValueSyntax::Plain => value::Options { plain: true, ..values },
            ValueSyntax::Built => value::Options { plain: false, ..values },
            ValueSyntax::Canonical => value::Options::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_place_in_the_pages() {
        let pages = [
            include_str!("../../../doc/reference/changes.md"),
            include_str!("../../../doc/reference/imports.md"),
        ]
        .concat();
        for name in Dialect::ALL.iter().copied().flat_map(Dialect::names) {
            assert!(pages.contains(&format!("`{name}`")), "no page names {name}");
        }
    }

    #[test]
    fn names_are_unique_and_lead_back() {
        let mut seen = BTreeSet::new();
        for &dialect in Dialect::ALL {
            for name in dialect.names() {
                assert!(seen.insert(name) && Dialect::from_name(name) == Some(dialect), "{name}");
            }
            assert!(!dialect.spec().summary.is_empty());
        }
        assert_eq!(Dialect::from_name("auto"), None);
    }
}
