//! Values in the encoding of Dexie's typeson: JSON, next to `$types`, which contains the types by
//! path.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::MAX_RECORD_BYTES;
use super::dexie::in_line;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::array_buffer::BufferView;
use crate::indexeddb::value::kind::{RawText, TreeMember, ValueKind};
use crate::indexeddb::value::shared::{SharedValues, has_shared_values, shared_values};
use crate::indexeddb::value::tree::Tree;
use crate::indexeddb::value::view::{ViewElement, buffer_of, view_bytes, view_elements};
use crate::indexeddb::value::write::write_string;
use crate::loss::{LossStep, Losses, Trail, what};

#[path = "dexie_files.rs"]
mod files;

/// Limit on the holes of an array. An array with more is written as an object without its holes,
/// like one with named members.
const MAX_HOLES: u64 = 1_000;

/// Limit on the bytes of the paths in a row's types, because each path is written in full.
const MAX_TYPES_BYTES: usize = 256 * 1024 * 1024;

/// Appends a row.
pub(super) fn record<'t>(
    schema: &'t ObjectStore,
    key: &'t Tree<'t>,
    value: &'t Tree<'t>,
    out: &mut Vec<u8>,
    losses: &mut Losses,
) -> Option<()> {
    let mut row = Encapsulator {
        out: Vec::new(),
        losses,
        trail: Trail::new(&schema.name),
        known: shared_values(value),
        path: Vec::new(),
        types: Vec::new(),
        types_bytes: 0,
        places: HashMap::new(),
        buffers: HashMap::new(),
        data_views: 0,
        in_collection: 0,
        own_types: false,
    };
    if in_line(schema) {
        row.value(value)?;
    } else {
        row.typed("arrayNonindexKeys");
        row.out.push(b'[');
        row.inner(b"0", |row| row.value(key))?;
        row.out.push(b',');
        row.inner(b"1", |row| row.value(value))?;
        row.out.push(b']');
        row.own_types = false;
    }
    if row.types_bytes > MAX_TYPES_BYTES {
        return None;
    }
    row.finish(out);
    Some(())
}

struct Encapsulator<'a, 't> {
    out: Vec<u8>,
    losses: &'a mut Losses,
    trail: Trail<'t>,
    known: SharedValues<'t>,
    /// The current path in typeson's syntax, escaped for JSON.
    path: Vec<u8>,
    types: Vec<(Vec<u8>, &'static str)>,
    types_bytes: usize,
    /// Paths of shared values, and whether each is inside a Map or Set.
    places: HashMap<u64, (Vec<u8>, bool)>,
    /// Shared buffers of DataViews, by their number among those.
    buffers: HashMap<u64, u64>,
    data_views: u64,
    in_collection: usize,
    /// True if the root has a member `$types`.
    own_types: bool,
}

impl<'t> Encapsulator<'_, 't> {
    fn lose(&mut self, what: &'static str) {
        self.trail.lose(what, self.losses);
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn string(&mut self, raw: &[u8]) {
        write_string(raw, &mut self.out);
    }

    fn typed(&mut self, kind: &'static str) {
        self.types_bytes += self.path.len();
        if self.types_bytes > MAX_TYPES_BYTES {
            return;
        }
        self.types.push((self.path.clone(), kind));
    }

    fn finish(self, out: &mut Vec<u8>) {
        let write_types = |out: &mut Vec<u8>| {
            out.push(b'{');
            for (index, (path, kind)) in self.types.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(path, out);
                out.extend_from_slice(format!(":\"{kind}\"").as_bytes());
            }
            out.push(b'}');
        };
        match (self.types.is_empty(), self.out.first() == Some(&b'{'), self.own_types) {
            (true, _, false) => out.extend_from_slice(&self.out),
            (true, _, true) => {
                out.extend_from_slice(b"{\"$\":");
                out.extend_from_slice(&self.out);
                out.extend_from_slice(b",\"$types\":true}");
            }
            (false, true, false) => {
                let open = self.out.strip_suffix(b"}").unwrap_or(&self.out);
                out.extend_from_slice(open);
                out.extend_from_slice(if open.len() > 1 {
                    b",\"$types\":"
                } else {
                    b"\"$types\":"
                });
                write_types(out);
                out.push(b'}');
            }
            _ => {
                out.extend_from_slice(b"{\"$\":");
                out.extend_from_slice(&self.out);
                out.extend_from_slice(b",\"$types\":{\"$\":");
                write_types(out);
                out.extend_from_slice(b"}}");
            }
        }
    }

    /// Runs `write` one step further inside; `name` is escaped for JSON.
    fn inner<T>(&mut self, name: &[u8], write: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 {
            self.path.push(b'.');
        }
        for &byte in name {
            match byte {
                b'~' => self.path.extend_from_slice(b"~0"),
                b'.' => self.path.extend_from_slice(b"~1"),
                _ => self.path.push(byte),
            }
        }
        let result = write(self);
        self.path.truncate(length);
        result
    }

    fn element(&mut self, index: impl ToString, tree: &'t Tree<'t>) -> Option<()> {
        self.trail.steps.push(LossStep::Elements);
        let done = self.inner(index.to_string().as_bytes(), |row| row.value(tree));
        self.trail.steps.pop();
        done
    }

    fn member(&mut self, name: RawText<'t>, tree: &'t Tree<'t>) -> Option<()> {
        self.trail.steps.push(LossStep::Member(name.clone()));
        match &name[..] {
            b"__proto__" => self.lose(what::OWN_PROTO),
            b"incomplete" => self.lose(what::INCOMPLETE_MEMBER),
            _ => {}
        }
        self.string(&name);
        self.text(":");
        let types = self.types.len();
        let done = self.inner(&name, |row| row.value(tree));
        if name.is_empty() && self.path.is_empty() && self.types.len() > types {
            self.lose(what::EMPTY_NAME);
        }
        self.trail.steps.pop();
        done
    }

    fn value(&mut self, tree: &'t Tree<'t>) -> Option<()> {
        if self.out.len() > MAX_RECORD_BYTES || self.types_bytes > MAX_TYPES_BYTES {
            return None;
        }
        match ValueKind::of(tree)? {
            ValueKind::Id(id, inner) => {
                self.places.insert(id, (self.path.clone(), self.in_collection > 0));
                self.value(inner)
            }
            ValueKind::Ref(id) => self.reference(id),
            ValueKind::List(items) => {
                self.typed("arrayNonindexKeys");
                self.list(items)
            }
            ValueKind::Array(length, items, members) => self.array(length, &items, members),
            ValueKind::Object(members) => {
                // In a row, a member `$types` would be read as the types of the row's places.
                self.own_types |= self.path.is_empty()
                    && members.iter().any(|(name, _)| &name[..] == b"\\u0024types");
                self.object(members)
            }
            ValueKind::Map(pairs) => {
                self.typed("map");
                self.in_collection += 1;
                self.text("[");
                for (index, (key, value)) in pairs.into_iter().enumerate() {
                    self.text(if index > 0 { ",[" } else { "[" });
                    self.inner(index.to_string().as_bytes(), |row| {
                        // Dexie's export gives every array this type, the pairs of a Map included.
                        row.typed("arrayNonindexKeys");
                        row.element(0, key)?;
                        row.text(",");
                        row.element(1, value)
                    })?;
                    self.text("]");
                }
                self.text("]");
                self.in_collection -= 1;
                Some(())
            }
            ValueKind::Set(items) => {
                self.typed("set");
                self.in_collection += 1;
                let done = self.list(items);
                self.in_collection -= 1;
                done
            }
            leaf => self.leaf(leaf),
        }
    }

    /// Writes a reference to a value that was written before. Dexie's reader resolves no reference
    /// to or from the inside of a Map or Set. In these cases the value is written again, unless it
    /// contains references itself.
    fn reference(&mut self, id: u64) -> Option<()> {
        let place = self.places.get(&id).cloned();
        let value = *self.known.get(&id)?;
        if self.in_collection > 0 || place.as_ref().is_none_or(|(_, inside)| *inside) {
            self.lose(what::SHARING);
            if place.is_none() || !has_shared_values(value) {
                return self.value(value);
            }
        }
        self.typed("#");
        self.text("\"#");
        self.out.extend_from_slice(&place.unwrap_or_default().0);
        self.text("\"");
        Some(())
    }

    fn list(&mut self, items: &'t [Tree<'t>]) -> Option<()> {
        self.text("[");
        for (index, item) in items.iter().enumerate() {
            self.text(if index > 0 { "," } else { "" });
            self.element(index, item)?;
        }
        self.text("]");
        Some(())
    }

    fn object(&mut self, members: Vec<TreeMember<'t>>) -> Option<()> {
        self.text("{");
        for (index, (name, value)) in members.into_iter().enumerate() {
            self.text(if index > 0 { "," } else { "" });
            self.member(name, value)?;
        }
        self.text("}");
        Some(())
    }

    fn array(
        &mut self,
        length: u64,
        items: &[(u64, &'t Tree<'t>)],
        members: Vec<TreeMember<'t>>,
    ) -> Option<()> {
        self.typed("arrayNonindexKeys");
        if members.is_empty() && length - items.len() as u64 <= MAX_HOLES {
            let mut items = items.iter().peekable();
            self.text("[");
            for index in 0..length {
                self.text(if index > 0 { "," } else { "" });
                match items.next_if(|(place, _)| *place == index) {
                    Some((_, item)) => self.element(index, item)?,
                    None => {
                        self.inner(index.to_string().as_bytes(), |row| {
                            row.typed("sparseUndefined")
                        });
                        self.text("0");
                    }
                }
            }
            self.text("]");
            return Some(());
        }
        self.text(&format!("{{\"length\":{length}"));
        for (index, item) in items {
            self.text(&format!(",\"{index}\":"));
            self.element(index, item)?;
        }
        for (name, value) in members {
            self.text(",");
            self.member(name, value)?;
        }
        self.text("}");
        Some(())
    }

    /// Writes anything except containers and references.
    fn leaf(&mut self, kind: ValueKind<'t>) -> Option<()> {
        match kind {
            ValueKind::Null => self.text("null"),
            ValueKind::Bool(value) => self.text(if value { "true" } else { "false" }),
            ValueKind::Number(raw) => self.out.extend_from_slice(raw),
            ValueKind::Special(word) => match special_type(word) {
                Some(kind) => self.typed_string(kind, word),
                None => {
                    // Only −0 is left, for which Dexie's export has no type.
                    self.lose(what::NEGATIVE_ZERO);
                    self.text("0");
                }
            },
            ValueKind::String(raw) => self.string(&raw),
            ValueKind::Undefined => {
                self.typed("undef");
                self.text("0");
            }
            ValueKind::BigInt(digits) => self.typed_string("bigint", digits),
            ValueKind::Date(ms) => {
                self.typed("date");
                self.text(&ms.map_or("\"NaN\"".to_owned(), |ms| ms.to_string()));
            }
            ValueKind::RegExp(source, flags) => {
                self.typed("regexp");
                if flags.iter().any(|flag| !b"gimuy".contains(flag)) {
                    self.lose(what::REGEXP_FLAGS);
                }
                let flags: Vec<u8> =
                    b"gimyu".iter().copied().filter(|flag| flags.contains(flag)).collect();
                self.text("{\"source\":");
                self.string(&source);
                self.text(",\"flags\":");
                self.string(&flags);
                self.text("}");
            }
            ValueKind::Boxed(inner) => self.boxed(inner)?,
            ValueKind::Buffer(buffer) => {
                if buffer.resizable {
                    self.lose(what::BUFFER_MAX);
                }
                self.typed_string("arraybuffer", buffer.data);
            }
            ValueKind::View(view) => self.view(&view)?,
            ValueKind::Error(_) => self.lost(what::ERROR),
            ValueKind::Blob(content) => self.blob(content)?,
            ValueKind::Dom(content) => self.dom(content)?,
            ValueKind::Opaque => self.lost(what::OPAQUE),
            ValueKind::List(_)
            | ValueKind::Array(..)
            | ValueKind::Object(_)
            | ValueKind::Map(_)
            | ValueKind::Set(_)
            | ValueKind::Id(..)
            | ValueKind::Ref(_) => return None,
        }
        Some(())
    }

    fn lost(&mut self, what: &'static str) {
        self.lose(what);
        self.text("{}");
    }

    fn typed_string(&mut self, kind: &'static str, raw: &[u8]) {
        self.typed(kind);
        self.string(raw);
    }

    /// Writes a boxed primitive. Numbers that JSON lacks are written as strings, which Dexie's
    /// reader converts.
    fn boxed(&mut self, inner: &'t Tree<'t>) -> Option<()> {
        match ValueKind::of(inner)? {
            ValueKind::BigInt(digits) => self.typed_string("bigintObject", digits),
            ValueKind::Special(word) => self.typed_string("NumberObject", word),
            ValueKind::String(raw) => self.typed_string("StringObject", &raw),
            ValueKind::Number(raw) => {
                self.typed("NumberObject");
                self.out.extend_from_slice(raw);
            }
            ValueKind::Bool(value) => {
                self.typed("BooleanObject");
                self.text(if value { "true" } else { "false" });
            }
            _ => return None,
        }
        Some(())
    }

    fn view(&mut self, view: &BufferView<'t>) -> Option<()> {
        let kind_name = match view.name {
            b"Int8Array" => "int8array2",
            b"Uint8Array" => "uint8array2",
            b"Uint8ClampedArray" => "uint8clampedarray2",
            b"Int16Array" => "int16array2",
            b"Uint16Array" => "uint16array2",
            b"Int32Array" => "int32array2",
            b"Uint32Array" => "uint32array2",
            b"Float32Array" => "float32array2",
            b"Float64Array" => "float64array2",
            b"DataView" => return self.data_view(view),
            _ => return self.members_of(view),
        };
        let (bytes, _) = view_bytes(view, &self.known)?;
        self.typed(kind_name);
        self.text("{\"buffer\":");
        self.inner(b"buffer", |row| row.value(view.buffer))?;
        self.text(&format!(
            ",\"byteOffset\":{},\"length\":{}}}",
            view.offset,
            bytes.len() / view.size()
        ));
        Some(())
    }

    /// Writes a view that Dexie stores as an object of its elements.
    fn members_of(&mut self, view: &BufferView<'t>) -> Option<()> {
        self.lose(what::BYTES);
        let (bytes, _) = view_bytes(view, &self.known)?;
        self.text("{");
        for (index, element) in view_elements(view, &bytes).into_iter().enumerate() {
            self.text(&format!("{}\"{index}\":", if index > 0 { "," } else { "" }));
            self.inner(index.to_string().as_bytes(), |row| match element {
                ViewElement::Number(number) => row.text(&number),
                ViewElement::BigInt(digits) => row.typed_string("bigint", digits.as_bytes()),
                ViewElement::Special(word) => match special_type(word.as_bytes()) {
                    Some(kind) => row.typed_string(kind, word.as_bytes()),
                    None => row.text("0"),
                },
            });
        }
        self.text("}");
        Some(())
    }

    fn data_view(&mut self, view: &BufferView<'t>) -> Option<()> {
        let (bytes, _) = view_bytes(view, &self.known)?;
        self.typed("dataview");
        let shared = match ValueKind::of(view.buffer)? {
            ValueKind::Ref(id) => Some((id, true)),
            ValueKind::Id(id, _) => Some((id, false)),
            _ => None,
        };
        match shared.and_then(|(id, later)| self.buffers.get(&id).copied().filter(|_| later)) {
            Some(number) => self.text(&format!("{{\"index\":{number}")),
            None => {
                if let Some((id, later)) = shared {
                    if later {
                        self.lose(what::SHARING);
                    }
                    self.buffers.insert(id, self.data_views);
                }
                self.data_views += 1;
                let buffer = buffer_of(view.buffer, &self.known)?;
                if buffer.resizable {
                    self.lose(what::BUFFER_MAX);
                }
                self.text("{\"encoded\":");
                self.string(buffer.data);
            }
        }
        self.text(&format!(",\"byteOffset\":{},\"byteLength\":{}}}", view.offset, bytes.len()));
        Some(())
    }
}

/// Returns typeson's type for a number that JSON lacks; `None` for −0, which it does not have.
fn special_type(word: &[u8]) -> Option<&'static str> {
    match word {
        b"NaN" => Some("nan"),
        b"Infinity" => Some("infinity"),
        b"-Infinity" => Some("negativeInfinity"),
        _ => None,
    }
}

/// Returns the members of a `~dom` except its kind.
fn plain_members<'t>(content: &'t Tree<'t>) -> Vec<TreeMember<'t>> {
    let members = content.members().unwrap_or_default().iter();
    members
        .filter(|(name, _)| *name != b"kind")
        .map(|(name, value)| (RawText::Borrowed(*name), value))
        .collect()
}

/// Decodes the bytes of a Blob's `data`.
fn decode(content: &Tree<'_>) -> Option<Vec<u8>> {
    match content.get("data")? {
        Tree::String(data) => STANDARD.decode(data).ok(),
        _ => None,
    }
}
