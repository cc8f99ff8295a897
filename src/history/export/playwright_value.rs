//! Values in Playwright's encoding.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::MAX_RECORD_BYTES;
use super::kind::{Definitions, Kind, Member, Raw, View, definitions, elements, kind, view_bytes};
use crate::indexeddb::iso_date;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::tree::{Tree, write_string};
use crate::loss::{Losses, Step, Trail, what};

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
    let mut known = Definitions::new();
    definitions(tree, &mut known);
    let trail = Trail::new(&schema.name);
    let mut encoder = PlaywrightEncoder {
        out,
        losses,
        trail,
        known,
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
    Some(match kind(tree)? {
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) => true,
        Kind::List(items) => {
            for item in items {
                if !trivial(item)? {
                    return Some(false);
                }
            }
            true
        }
        Kind::Object(members) => {
            for (_, value) in members {
                if !trivial(value)? {
                    return Some(false);
                }
            }
            true
        }
        _ => false,
    })
}

struct PlaywrightEncoder<'a, 't> {
    out: &'a mut Vec<u8>,
    losses: &'a mut Losses,
    trail: Trail<'t>,
    known: Definitions<'t>,
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
        match kind(tree)? {
            Kind::Null => self.text("null"),
            Kind::Bool(value) => self.text(if value { "true" } else { "false" }),
            Kind::Number(raw) => self.out.extend_from_slice(raw),
            Kind::String(raw) => self.string(&raw),
            Kind::List(items) => {
                self.text("[");
                for (index, item) in items.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.plain(item)?;
                }
                self.text("]");
            }
            Kind::Object(members) => {
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
        match kind(tree)? {
            Kind::Id(id, inner) => {
                self.shared = Some(id);
                self.value(inner)?;
                self.shared = None;
            }
            Kind::Ref(id) => match self.ids.get(&id) {
                Some(own) => self.out.extend_from_slice(format!("{{\"ref\":{own}}}").as_bytes()),
                None => {
                    // The shared value is not a container, so each reference becomes a copy.
                    self.lose(what::SHARING);
                    let value = *self.known.get(&id)?;
                    self.leaf(kind(value)?)?;
                }
            },
            Kind::List(items) => {
                let id = self.begin(shared);
                self.text("{\"a\":[");
                for (index, item) in items.iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    self.element(item)?;
                }
                self.close(id);
            }
            Kind::Array(length, items, members) => self.array(length, &items, &members, shared)?,
            Kind::Object(members) => {
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
            Kind::Map(pairs) => {
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
            Kind::Set(items) => {
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
        self.trail.steps.push(Step::Elements);
        let done = self.value(tree);
        self.trail.steps.pop();
        done
    }

    fn member(&mut self, name: Raw<'t>, tree: &'t Tree<'t>) -> Option<()> {
        self.trail.steps.push(Step::Member(name));
        let done = self.value(tree);
        self.trail.steps.pop();
        done
    }

    fn array(
        &mut self,
        length: u64,
        items: &[(u64, &'t Tree<'t>)],
        members: &[Member<'t>],
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
    fn leaf(&mut self, kind: Kind<'t>) -> Option<()> {
        match kind {
            Kind::Null => self.text("{\"v\":\"null\"}"),
            Kind::Bool(value) => self.text(if value { "true" } else { "false" }),
            Kind::Number(raw) => self.out.extend_from_slice(raw),
            Kind::Special(word) => self.wrapped("{\"v\":", word, "}"),
            Kind::String(raw) => self.string(&raw),
            Kind::Undefined => self.text("{\"v\":\"undefined\"}"),
            Kind::BigInt(digits) => self.wrapped("{\"bi\":", digits, "}"),
            Kind::Date(Some(ms)) => self.text(&format!("{{\"d\":\"{}\"}}", iso_date::write(ms))),
            Kind::Date(None) => {
                self.lose(what::INVALID_DATE);
                self.text("{\"d\":null}");
            }
            Kind::RegExp(source, flags) => {
                self.wrapped("{\"r\":{\"p\":", &source, ",\"f\":");
                self.string(flags);
                self.text("}}");
            }
            Kind::Error(content) => self.error(content)?,
            Kind::Buffer(buffer) => {
                if buffer.resizable {
                    self.lose(what::BUFFER_MAX);
                }
                self.wrapped("{\"ab\":{\"b\":", buffer.data, "}}");
            }
            Kind::View(view) => self.view(&view)?,
            Kind::Boxed(_) => self.emptied(what::BOXED),
            Kind::Blob(_) => self.emptied(what::BLOB),
            Kind::Dom(_) => self.emptied(what::DOM),
            Kind::Opaque => self.emptied(what::OPAQUE),
            // A shared container must be defined before it is referred to.
            _ => return None,
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
        let Kind::String(name) = kind(content.get("name")?)? else { return None };
        if !ERROR_NAMES.contains(&&name[..]) {
            self.lose(what::ERROR_NAME);
        }
        if content.get("cause").is_some() {
            self.lose(what::ERROR_CAUSE);
        }
        self.wrapped("{\"e\":{\"n\":", &name, "");
        for (own, member) in [("m", "message"), ("s", "stack")] {
            if let Some(Kind::String(raw)) = content.get(member).and_then(kind) {
                self.wrapped(&format!(",\"{own}\":"), &raw, "");
            }
        }
        self.text("}}");
        Some(())
    }

    fn view(&mut self, view: &View<'t>) -> Option<()> {
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
            b"Float16Array" => {
                self.lose(what::BYTES);
                let id = self.begin(None);
                self.text("{\"o\":[");
                for (index, element) in elements(view, &bytes).iter().enumerate() {
                    self.text(if index > 0 { "," } else { "" });
                    let element = element.replace("~number", "v");
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
        if more || !matches!(kind(view.buffer)?, Kind::Buffer(_)) {
            self.lose(what::BUFFER_OF_VIEW);
        }
        self.text("{\"ta\":{\"b\":");
        self.string(STANDARD.encode(&bytes).as_bytes());
        self.text(&format!(",\"k\":\"{code}\"}}}}"));
        Some(())
    }
}
