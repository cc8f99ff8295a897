//! The data that a format cannot represent: place, kind and count. A loss is data, not an error.
//! The pages of the formats list every kind: `doc/reference/imports.md` and
//! `doc/reference/exports.md`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::indexeddb::dom_string::DomString;
use crate::report_line::ReportLine;

/// Defines names and the list of all of them, which can then lack none.
macro_rules! kinds_of_loss {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// All kinds of loss.
        pub const ALL: &[&str] = &[$($name,)*];
    };
}

/// The kinds of loss: stable names in kebab case. The pages define each.
pub mod what {
    kinds_of_loss! {
        /// Named members of arrays.
        ARRAY_MEMBERS = "array-members",
        /// Attachments of documents.
        ATTACHMENTS = "attachments",
        /// A BigInt.
        BIGINT = "bigint",
        /// A Blob or File.
        BLOB = "blob",
        /// A boxed primitive.
        BOXED = "boxed",
        /// The maximum length of a resizable buffer.
        BUFFER_MAX = "buffer-max",
        /// The bytes of a buffer outside its view, and other views of it.
        BUFFER_OF_VIEW = "buffer-of-view",
        /// Bytes: an ArrayBuffer or a view.
        BYTES = "bytes",
        /// The types of a relational database.
        DATABASE_TYPES = "database-types",
        /// A Date.
        DATE = "date",
        /// A deletion that does not name its record.
        DELETION = "deletion",
        /// A geometry, image or list object of the DOM.
        DOM = "dom",
        /// An object without members, which may have been something else.
        EMPTIED_OBJECT = "emptied-object",
        /// A member with an empty name, in a format that cannot distinguish it from its parent.
        EMPTY_NAME = "empty-name",
        /// Fields that are encrypted in the file.
        ENCRYPTED = "encrypted",
        /// An Error.
        ERROR = "error",
        /// An Error's cause.
        ERROR_CAUSE = "error-cause",
        /// An Error's name that web pages do not keep.
        ERROR_NAME = "error-name",
        /// A hole in an array, or undefined.
        HOLE = "hole",
        /// A Date without a time.
        INVALID_DATE = "invalid-date",
        /// A member called `incomplete`, which the format's own reader removes.
        INCOMPLETE_MEMBER = "incomplete-member",
        /// An index.
        INDEX = "index",
        /// The names of indexes.
        INDEX_NAMES = "index-names",
        /// An object with the members 0, 1, …, which may have been an array of numbers or a String
        /// object.
        INDEXED_OBJECT = "indexed-object",
        /// The next key of a key generator.
        KEY_GENERATOR = "key-generator",
        /// A key path that denotes the value itself.
        KEY_PATH = "key-path",
        /// A Map.
        MAP = "map",
        /// A member whose value is undefined.
        UNDEFINED = "undefined",
        /// Negative zero.
        NEGATIVE_ZERO = "negative-zero",
        /// Files of an origin's private file system.
        OPFS = "opfs",
        /// Objects that cannot be serialized: cryptographic keys, file handles.
        OPAQUE = "opaque",
        /// Keys that are not in their values.
        OUT_OF_LINE_KEYS = "out-of-line-keys",
        /// A member called `__proto__`, owned by the object.
        OWN_PROTO = "own-proto",
        /// A RegExp.
        REGEXP = "regexp",
        /// Some flags of a RegExp.
        REGEXP_FLAGS = "regexp-flags",
        /// Revisions of a document other than the winning one.
        REVISIONS = "revisions",
        /// Every type that plain JSON does not have.
        RICH_TYPES = "rich-types",
        /// Rows that are missing, compared with the count in the file.
        ROWS = "rows",
        /// The schema, except names and key paths.
        SCHEMA = "schema",
        /// A Set.
        SET = "set",
        /// Records of an object store that the options exclude.
        SKIPPED_STORE = "skipped-store",
        /// The identity of an object that two places share.
        SHARING = "sharing",
        /// NaN or an infinity.
        SPECIAL_NUMBER = "special-number",
        /// A member that was not sent because it did not change.
        UNSENT_MEMBER = "unsent-member",
        /// A record with the same key in a unique index as another one, which a web page cannot hold.
        UNIQUE_INDEX = "unique-index",
        /// A member of the file that this release does not know.
        UNKNOWN_MEMBER = "unknown-member",
        /// An object store or index that no browser can create.
        UNMAKEABLE_SCHEMA = "unmakeable-schema",
    }
}

/// Limit on the distinct places that are recorded; losses at other places are only counted.
pub const MAX_PLACES: usize = 1_000;

/// Limit on the characters of a path.
const MAX_PATH_CHARS: usize = 200;

/// Limit on the bytes of a name in a path, counted as JSON.
const MAX_NAME_BYTES: usize = 6 * 64;

/// A step of a path, from the outside in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossStep<'a> {
    /// A member, by its name as written between the quotes in JSON.
    Member(Cow<'a, [u8]>),
    /// Any element of an array, Map or Set.
    Elements,
}

/// The position of a reader or writer in a record.
#[derive(Clone, Debug)]
pub struct Trail<'t> {
    /// The object store.
    pub store: &'t DomString,
    /// The steps from the record's value inwards.
    pub steps: Vec<LossStep<'t>>,
}

impl<'a> LossStep<'a> {
    /// Creates the step to a member.
    pub fn member(name: &'a [u8]) -> Self {
        Self::Member(Cow::Borrowed(name))
    }
}

impl<'t> Trail<'t> {
    /// Creates the position of a record's value.
    pub fn new(store: &'t DomString) -> Self {
        Self { store, steps: Vec::new() }
    }

    /// Records one loss at this position.
    pub fn lose(&self, what: &'static str, losses: &mut Losses) {
        losses.at(self.store, &self.steps, what);
    }
}

/// The losses, by place and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    found: BTreeMap<(String, &'static str), u64>,
    total: u64,
    left_out: u64,
}

impl Losses {
    /// Records `count` losses at a path; `""` is the whole input.
    pub fn add(&mut self, path: &str, what: &'static str, count: u64) {
        self.total += count;
        if count == 0 {
            return;
        }
        if let Some(known) = self.found.get_mut(&(path.to_owned(), what)) {
            *known += count;
        } else if self.found.len() < MAX_PLACES {
            self.found.insert((path.to_owned(), what), count);
        } else {
            self.left_out += count;
        }
    }

    /// Records one loss inside a record of an object store.
    pub fn at(&mut self, store: &DomString, steps: &[LossStep<'_>], what: &'static str) {
        self.add(&path(store, steps), what, 1);
    }

    /// Moves all losses of `other` into this one.
    pub fn append(&mut self, other: &mut Self) {
        for ((path, what), count) in std::mem::take(&mut other.found) {
            self.add(&path, what, count);
        }
        self.total += other.left_out;
        self.left_out += other.left_out;
        (other.total, other.left_out) = (0, 0);
    }

    /// True if nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Returns the total number of losses.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns one line for each path and kind, in this order. If there are any, a last line
    /// contains the number of all losses.
    pub fn lines(&self) -> impl Iterator<Item = ReportLine<'_>> {
        let all = (self.total > 0)
            .then_some(ReportLine::Losses { count: self.total, left_out: self.left_out });
        self.found
            .iter()
            .map(|((path, what), count)| ReportLine::Loss { count: *count, path, what })
            .chain(all)
    }
}

/// Formats a path as policies write it: the object store, then members joined by `.`, and `[]` for
/// any element. A name is quoted if it is empty or contains `.`, `[`, `"` or white space.
pub fn path(store: &DomString, steps: &[LossStep<'_>]) -> String {
    let mut path = String::new();
    push_name(&store.to_string(), &mut path);
    for step in steps {
        match step {
            LossStep::Elements => path.push_str("[]"),
            LossStep::Member(name) => {
                path.push('.');
                push_name(&plain(name), &mut path);
            }
        }
        if path.chars().count() > MAX_PATH_CHARS {
            let end = path.char_indices().nth(MAX_PATH_CHARS).map_or(path.len(), |(at, _)| at);
            path.truncate(end);
            path.push('…');
            break;
        }
    }
    path
}

fn push_name(name: &str, path: &mut String) {
    let plain = |char: char| {
        !char.is_whitespace() && !char.is_control() && !matches!(char, '.' | '[' | '"' | '\\')
    };
    if !name.is_empty() && name.chars().all(plain) {
        path.push_str(name);
        return;
    }
    path.push('"');
    for char in name.chars() {
        if matches!(char, '"' | '\\') {
            path.push('\\');
        }
        path.push(char);
    }
    path.push('"');
}

/// Decodes the inside of a JSON string; a lone surrogate becomes U+FFFD. A long name is decoded
/// only at its beginning, so that a record with many losses below it costs no more than others.
fn plain(raw: &[u8]) -> String {
    let raw = raw.get(..MAX_NAME_BYTES).unwrap_or(raw);
    match crate::indexeddb::value::tree::unescape(raw) {
        Some(units) => String::from_utf16_lossy(&units),
        None => String::from_utf8_lossy(raw).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_canonical_and_counted() {
        let mut losses = Losses::default();
        let store = DomString::from("a b");
        losses.at(
            &store,
            &[LossStep::member(b"x\\u00e9"), LossStep::Elements, LossStep::member(b"")],
            what::HOLE,
        );
        losses.at(
            &store,
            &[LossStep::member(b"x\\u00e9"), LossStep::Elements, LossStep::member(b"")],
            what::HOLE,
        );
        losses.add("", what::SHARING, 7);
        losses.add("nothing", what::SHARING, 0);
        let lines: Vec<_> = losses.lines().map(|line| line.to_json()).collect();
        assert_eq!(
            lines,
            [
                r#"{"count":7,"path":"","type":"loss","what":"sharing"}"#,
                r#"{"count":2,"path":"\"a b\".x\u00e9[].\"\"","type":"loss","what":"hole"}"#,
                r#"{"count":9,"left_out":0,"type":"losses"}"#,
            ]
        );
        assert_eq!(Losses::default().lines().count(), 0);
    }

    #[test]
    fn places_are_bounded_and_nothing_is_forgotten() {
        let mut losses = Losses::default();
        for place in 0..MAX_PLACES + 10 {
            losses.add(&place.to_string(), what::MAP, 2);
        }
        assert_eq!(losses.lines().count(), MAX_PLACES + 1);
        assert_eq!((losses.total(), losses.left_out), (2 * (MAX_PLACES as u64 + 10), 20));
        let mut all = Losses::default();
        all.append(&mut losses);
        assert_eq!((all.total(), all.left_out, losses.total()), (2020, 20, 0));
        let long = [b'x'; 1000];
        assert!(
            path(&"s".into(), &[LossStep::member(&long)]).chars().count() <= MAX_PATH_CHARS + 1
        );
    }

    #[test]
    fn the_pages_list_every_kind_and_no_other() {
        let pages = [
            include_str!("../doc/reference/imports.md"),
            include_str!("../doc/reference/exports.md"),
        ];
        let mut listed: Vec<_> = pages
            .iter()
            .flat_map(|page| page.split("| what |").skip(1))
            .flat_map(|table| table.split("\n\n").next().unwrap().lines().skip(2))
            .map(|row| row.split('`').nth(1).unwrap())
            .collect();
        listed.sort_unstable();
        listed.dedup();
        let mut all = what::ALL.to_vec();
        all.sort_unstable();
        assert_eq!(listed, all);
    }
}
