//! Values in Playwright's encoding.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::MAX_RECORD_BYTES;
use crate::indexeddb::iso_date;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::array_buffer::BufferView;
use crate::indexeddb::value::kind::{RawText, TreeMember, ValueKind};
use crate::indexeddb::value::shared::{SharedValues, shared_values};
use crate::indexeddb::value::tree::Tree;
use crate::indexeddb::value::view::{ViewElement, view_bytes, view_elements};
use crate::indexeddb::value::write::write_string;
use crate::loss::{LossStep, Losses, Trail, what};

/// Limit on the holes of an array, because each is written.
const MAX_HOLES: u64 = 1_000_000;

/// Names of Errors that the structured clone algorithm keeps.
const ERROR_NAMES: [&[u8]; 7] = [
    b"Error",
    b"EvalError",
    b"RangeError",
    b"ReferenceError",
    b"SyntaxError",
    b"TypeError",
    b"URIError",
];

/// Appends a record.
pub(super) fn record<'t>(
    schema: &'t ObjectStore,
    key: &'t Tree<'t>,
    value: &'t Tree<'t>,
    out: &mut Vec<u8>,
    losses: &mut Losses,
) -> Option<()> {
    out.push(b'{');
    if schema.key_path.is_none() {
        write(schema, "key", key, out, losses)?;
        out.push(b',');
    }
    write(schema, "value", value, out, losses)?;
    out.push(b'}');
    Some(())
}

fn write<'t>(
    schema: &'t ObjectStore,
    name: &str,
    tree: &'t Tree<'t>,
    out: &mut Vec<u8>,
    losses: &mut Losses,
) -> Option<()> {
    let trail = Trail::new(&schema.name);
    let mut encoder = PlaywrightEncoder {
        out,
        losses,
        trail,
        known: shared_values(tree),
        ids: HashMap::new(),
        last_id: 0,
        shared: None,
    };
    if trivial(tree)? {
        encoder.text(&format!("\"{name}\":"));
        encoder.plain(tree)
    } else {
        encoder.text(&format!("\"{name}Encoded\":"));
        encoder.value(tree)
    }
}

/// True if a value needs no encoding because plain JSON represents it completely.
fn trivial(tree: &Tree<'_>) -> Option<bool> {
    Some(match ValueKind::of(tree)? {
        ValueKind::Null | ValueKind::Bool(_) | ValueKind::Number(_) | ValueKind::String(_) => true,
        ValueKind::List(items) => {
            for item in items {
                if !trivial(item)? {
                    return Some(false);
                }
            }
            true
        }
        ValueKind::Object(members) => {
            for (_, value) in members {
                if !trivial(value)? {
                    return Some(false);
                }
            }
            true
        }
        ValueKind::Special(_)
        | ValueKind::Undefined
        | ValueKind::BigInt(_)
        | ValueKind::Date(_)
        | ValueKind::RegExp(..)
        | ValueKind::Boxed(_)
        | ValueKind::Array(..)
        | ValueKind::Map(_)
        | ValueKind::Set(_)
        | ValueKind::Buffer(_)
        | ValueKind::View(_)
        | ValueKind::Error(_)
        | ValueKind::Blob(_)
        | ValueKind::Dom(_)
        | ValueKind::Opaque
        | ValueKind::Id(..)
        | ValueKind::Ref(_) => false,
    })
}

struct PlaywrightEncoder<'a, 't> {
    out: &'a mut Vec<u8>,
    losses: &'a mut Losses,
    trail: Trail<'t>,
    known: SharedValues<'t>,
    /// Playwright's ids of the shared containers written so far.
    ids: HashMap<u64, u64>,
    last_id: u64,
    /// The id under which the next container is shared.
    shared: Option<u64>,
}

impl<'t> PlaywrightEncoder<'_, 't> {
    fn lose(&mut self, what: &'static str) {
        self.trail.lose(what, self.losses);
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn string(&mut self, raw: &[u8]) {
        write_string(raw, self.out);
    }

    /// Writes a trivial value as plain JSON.
    fn plain(&mut self, tree: &'t Tree<'t>) -> Option<()> {
        match ValueKind::of(tree)? {
            ValueKind::Null => self.text("null"),
            ValueKind::Bool(value) => self.text(if value { "true" } else { "false" }),
            ValueKind::Number(raw) => self.out.extend_from_slice(raw),
            ValueKind::String(raw) => self.string(&raw),
            ValueKind::List(items) => {
                self.text("[");
                for (index, item) in items.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.plain(item)?;
                }
                self.text("]");
            }
            ValueKind::Object(members) => {
                self.text("{");
                for (index, (name, value)) in members.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.proto(name);
                    self.string(name);
                    self.text(":");
                    self.plain(value)?;
                }
                self.text("}");
            }
            _ => return None,
        }
        Some(())
    }

    /// Records a loss for a member `__proto__`, because Playwright's reader ignores it.
    fn proto(&mut self, name: &[u8]) {
        if name == b"__proto__" {
            self.lose(what::OWN_PROTO);
        }
    }

    fn value(&mut self, tree: &'t Tree<'t>) -> Option<()> {
        if self.out.len() > MAX_RECORD_BYTES {
            return None;
        }
        let shared = self.shared.take();
        match ValueKind::of(tree)? {
            ValueKind::Id(id, inner) => {
                self.shared = Some(id);
                self.value(inner)?;
                self.shared = None;
            }
            ValueKind::Ref(id) => match self.ids.get(&id) {
                Some(own) => self.out.extend_from_slice(format!("{{\"ref\":{own}}}").as_bytes()),
                None => {
                    // The shared value is not a container, so each reference becomes a copy.
                    self.lose(what::SHARING);
                    let value = *self.known.get(&id)?;
                    self.leaf(ValueKind::of(value)?)?;
                }
            },
            ValueKind::List(items) => {
                let id = self.begin(shared);
                self.text("{\"a\":[");
                for (index, item) in items.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.element(item)?;
                }
                self.close(id);
            }
            ValueKind::Array(length, items, members) => {
                self.array(length, &items, &members, shared)?
            }
            ValueKind::Object(members) => {
                let id = self.begin(shared);
                self.text("{\"o\":[");
                for (index, (name, value)) in members.iter().enumerate() {
                    self.text(if index > 0 { ",{\"k\":" } else { "{\"k\":" });
                    self.proto(name);
                    self.string(name);
                    self.text(",\"v\":");
                    self.member(name.clone(), value)?;
                    self.text("}");
                }
                self.close(id);
            }
            ValueKind::Map(pairs) => {
                let id = self.begin(shared);
                self.text("{\"m\":[");
                for (index, (key, value)) in pairs.iter().enumerate() {
                    self.text(if index > 0 { ",{\"k\":" } else { "{\"k\":" });
                    self.element(key)?;
                    self.text(",\"v\":");
                    self.element(value)?;
                    self.text("}");
                }
                self.close(id);
            }
            ValueKind::Set(items) => {
                let id = self.begin(shared);
                self.text("{\"s\":[");
                for (index, item) in items.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.element(item)?;
                }
                self.close(id);
            }
            leaf => self.leaf(leaf)?,
        }
        Some(())
    }

    fn begin(&mut self, shared: Option<u64>) -> u64 {
        self.last_id += 1;
        if let Some(shared) = shared {
            self.ids.insert(shared, self.last_id);
        }
        self.last_id
    }

    fn close(&mut self, id: u64) {
        self.text(&format!("],\"id\":{id}}}"));
    }

    fn element(&mut self, tree: &'t Tree<'t>) -> Option<()> {
        self.trail.steps.push(LossStep::Elements);
        let done = self.value(tree);
        self.trail.steps.pop();
        done
    }

    fn member(&mut self, name: RawText<'t>, tree: &'t Tree<'t>) -> Option<()> {
        self.trail.steps.push(LossStep::Member(name));
        let done = self.value(tree);
        self.trail.steps.pop();
        done
    }

    fn array(
        &mut self,
        length: u64,
        items: &[(u64, &'t Tree<'t>)],
        members: &[TreeMember<'t>],
        shared: Option<u64>,
    ) -> Option<()> {
        let holes = length - items.len() as u64;
        if holes > MAX_HOLES {
            return None;
        }
        for _ in 0..holes {
            self.lose(what::HOLE);
        }
        for _ in members {
            self.lose(what::ARRAY_MEMBERS);
        }
        let id = self.begin(shared);
        self.text("{\"a\":[");
        let mut items = items.iter().peekable();
        for index in 0..length {
            self.text(if index > 0 { "," } else { "" });
            match items.next_if(|(place, _)| *place == index) {
                Some((_, item)) => self.element(item)?,
                None => self.text("{\"v\":\"undefined\"}"),
            }
        }
        self.close(id);
        Some(())
    }

    /// Writes anything except containers and references.
    fn leaf(&mut self, kind: ValueKind<'t>) -> Option<()> {
        match kind {
            ValueKind::Null => self.text("{\"v\":\"null\"}"),
            ValueKind::Bool(value) => self.text(if value { "true" } else { "false" }),
            ValueKind::Number(raw) => self.out.extend_from_slice(raw),
            ValueKind::Special(word) => self.wrapped("{\"v\":", word, "}"),
            ValueKind::String(raw) => self.string(&raw),
            ValueKind::Undefined => self.text("{\"v\":\"undefined\"}"),
            ValueKind::BigInt(digits) => self.wrapped("{\"bi\":", digits, "}"),
            ValueKind::Date(Some(ms)) => {
                self.text(&format!("{{\"d\":\"{}\"}}", iso_date::write(ms)))
            }
            ValueKind::Date(None) => {
                self.lose(what::INVALID_DATE);
                self.text("{\"d\":null}");
            }
            ValueKind::RegExp(source, flags) => {
                self.wrapped("{\"r\":{\"p\":", &source, ",\"f\":");
                self.string(flags);
                self.text("}}");
            }
            ValueKind::Error(content) => self.error(content)?,
            ValueKind::Buffer(buffer) => {
                if buffer.resizable {
                    self.lose(what::BUFFER_MAX);
                }
                self.wrapped("{\"ab\":{\"b\":", buffer.data, "}}");
            }
            ValueKind::View(view) => self.view(&view)?,
            ValueKind::Boxed(_) => self.emptied(what::BOXED),
            ValueKind::Blob(_) => self.emptied(what::BLOB),
            ValueKind::Dom(_) => self.emptied(what::DOM),
            ValueKind::Opaque => self.emptied(what::OPAQUE),
            // A shared container must be defined before it is referred to.
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

    fn wrapped(&mut self, before: &str, raw: &[u8], after: &str) {
        self.text(before);
        self.string(raw);
        self.text(after);
    }

    /// Writes a value that Playwright turns into an empty object.
    fn emptied(&mut self, what: &'static str) {
        self.lose(what);
        let id = self.begin(None);
        self.text(&format!("{{\"o\":[],\"id\":{id}}}"));
    }

    fn error(&mut self, content: &'t Tree<'t>) -> Option<()> {
        let ValueKind::String(name) = ValueKind::of(content.get("name")?)? else { return None };
        if !ERROR_NAMES.contains(&&name[..]) {
            self.lose(what::ERROR_NAME);
        }
        if content.get("cause").is_some() {
            self.lose(what::ERROR_CAUSE);
        }
        self.wrapped("{\"e\":{\"n\":", &name, "");
        for (own, member) in [("m", "message"), ("s", "stack")] {
            if let Some(ValueKind::String(raw)) = content.get(member).and_then(ValueKind::of) {
                self.wrapped(&format!(",\"{own}\":"), &raw, "");
            }
        }
        self.text("}}");
        Some(())
    }

    fn view(&mut self, view: &BufferView<'t>) -> Option<()> {
        let (bytes, more) = view_bytes(view, &self.known)?;
        let code = match view.name {
            b"Int8Array" => "i8",
            b"Uint8Array" => "ui8",
            b"Uint8ClampedArray" => "ui8c",
            b"Int16Array" => "i16",
            b"Uint16Array" => "ui16",
            b"Int32Array" => "i32",
            b"Uint32Array" => "ui32",
            b"Float32Array" => "f32",
            b"Float64Array" => "f64",
            b"BigInt64Array" => "bi64",
            b"BigUint64Array" => "bui64",
            // Playwright has no name for it, so its elements are kept as members of an object.
            b"Float16Array" => {
                self.lose(what::BYTES);
                let id = self.begin(None);
                self.text("{\"o\":[");
                for (index, element) in view_elements(view, &bytes).into_iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    let element = match element {
                        ViewElement::Number(number) | ViewElement::BigInt(number) => number,
                        ViewElement::Special(word) => format!("{{\"v\":\"{word}\"}}"),
                    };
                    self.text(&format!("{{\"k\":\"{index}\",\"v\":{element}}}"));
                }
                self.close(id);
                return Some(());
            }
            _ => {
                self.emptied(what::BYTES);
                return Some(());
            }
        };
        // Playwright writes the bytes of a view and makes a separate buffer for each.
        if more || !matches!(ValueKind::of(view.buffer)?, ValueKind::Buffer(_)) {
            self.lose(what::BUFFER_OF_VIEW);
        }
        self.text("{\"ta\":{\"b\":");
        self.string(STANDARD.encode(&bytes).as_bytes());
        self.text(&format!(",\"k\":\"{code}\"}}}}"));
        Some(())
    }
}
