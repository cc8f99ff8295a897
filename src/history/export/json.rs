//! Plain JSON, as `JSON.stringify` writes the values, plus BigInts, which it refuses.

use super::kind::{Definitions, Kind, Raw, definitions, elements, kind, view_bytes};
use super::{MAX_RECORD_BYTES, write_name};
use crate::indexeddb::iso_date;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::tree::{Tree, write_string};
use crate::loss::{Losses, Step, Trail, path, what};
use crate::snapshot::StoreManifest;

/// Limit on the holes of an array, because each is written.
const MAX_HOLES: u64 = 1_000_000;

pub(super) fn open_store(store: &StoreManifest, out: &mut Vec<u8>, losses: &mut Losses) {
    let place = path(&store.schema.name, &[]);
    losses.add(&place, what::SCHEMA, 1);
    if store.schema.key_path.is_none() {
        losses.add(&place, what::OUT_OF_LINE_KEYS, store.record_count());
    }
    write_name(&store.schema.name, out);
    out.extend_from_slice(b":[");
}

/// Appends a value.
pub(super) fn record<'t>(
    schema: &'t ObjectStore,
    value: &'t Tree<'t>,
    out: &mut Vec<u8>,
    losses: &mut Losses,
) -> Option<()> {
    let mut known = Definitions::new();
    definitions(value, &mut known);
    Stringifier { out, losses, trail: Trail::new(&schema.name), known }.item(value)
}

struct Stringifier<'a, 't> {
    out: &'a mut Vec<u8>,
    losses: &'a mut Losses,
    trail: Trail<'t>,
    known: Definitions<'t>,
}

impl<'t> Stringifier<'_, 't> {
    fn lose(&mut self, what: &'static str) {
        self.trail.lose(what, self.losses);
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn lost(&mut self, what: &'static str, text: &str) {
        self.lose(what);
        self.text(text);
    }

    /// Writes a value in a place that must not be empty: undefined becomes `null`.
    fn item(&mut self, tree: &'t Tree<'t>) -> Option<()> {
        if self.out.len() > MAX_RECORD_BYTES {
            return None;
        }
        match kind(tree)? {
            Kind::Null => self.text("null"),
            Kind::Bool(value) => self.text(if value { "true" } else { "false" }),
            Kind::Number(raw) => self.out.extend_from_slice(raw),
            Kind::Special(b"-0") => self.lost(what::NEGATIVE_ZERO, "0"),
            Kind::Special(_) => self.lost(what::SPECIAL_NUMBER, "null"),
            Kind::String(raw) => write_string(&raw, self.out),
            Kind::Undefined => self.lost(what::UNDEFINED, "null"),
            Kind::BigInt(digits) => {
                self.lose(what::BIGINT);
                write_string(digits, self.out);
            }
            Kind::Date(Some(ms)) => self.lost(what::DATE, &format!("\"{}\"", iso_date::write(ms))),
            Kind::Date(None) => self.lost(what::INVALID_DATE, "null"),
            Kind::RegExp(..) => self.lost(what::REGEXP, "{}"),
            Kind::Boxed(inner) => {
                self.lose(what::BOXED);
                self.item(inner)?;
            }
            Kind::List(items) => self.list(items.iter().map(Some))?,
            Kind::Array(length, items, members) => {
                let holes = length - items.len() as u64;
                if holes > MAX_HOLES {
                    return None;
                }
                (0..holes).for_each(|_| self.lose(what::HOLE));
                members.iter().for_each(|_| self.lose(what::ARRAY_MEMBERS));
                let mut items = items.into_iter().peekable();
                self.list((0..length).map(|index| {
                    items.next_if(|(place, _)| *place == index).map(|(_, item)| item)
                }))?;
            }
            Kind::Object(members) => self.object(members)?,
            Kind::Map(_) => self.lost(what::MAP, "{}"),
            Kind::Set(_) => self.lost(what::SET, "{}"),
            Kind::Buffer(_) => self.lost(what::BYTES, "{}"),
            Kind::View(view) => {
                self.lose(what::BYTES);
                let (bytes, _) = view_bytes(&view, &self.known)?;
                self.text("{");
                let elements =
                    if view.name == b"DataView" { Vec::new() } else { elements(&view, &bytes) };
                for (index, element) in elements.iter().enumerate() {
                    let element = if element.starts_with('{') { "null" } else { element };
                    let quote = if view.name.starts_with(b"Big") { "\"" } else { "" };
                    self.text(if index > 0 { "," } else { "" });
                    self.text(&format!("\"{index}\":{quote}{element}{quote}"));
                }
                self.text("}");
            }
            Kind::Error(_) => self.lost(what::ERROR, "{}"),
            Kind::Blob(_) => self.lost(what::BLOB, "{}"),
            Kind::Dom(_) => self.lost(what::DOM, "{}"),
            Kind::Opaque => self.lost(what::OPAQUE, "{}"),
            Kind::Id(_, inner) => self.item(inner)?,
            // A copy could contain copies in turn, without end.
            Kind::Ref(_) => self.lost(what::SHARING, "null"),
        }
        Some(())
    }

    fn list(&mut self, items: impl Iterator<Item = Option<&'t Tree<'t>>>) -> Option<()> {
        self.text("[");
        for (index, item) in items.enumerate() {
            self.text(if index > 0 { "," } else { "" });
            match item {
                Some(item) => self.within(Step::Elements, item)?,
                None => self.text("null"),
            }
        }
        self.text("]");
        Some(())
    }

    fn object(&mut self, members: Vec<(Raw<'t>, &'t Tree<'t>)>) -> Option<()> {
        self.text("{");
        let mut first = true;
        for (name, value) in members {
            if matches!(kind(value)?, Kind::Undefined) {
                self.trail.steps.push(Step::Member(name));
                self.lose(what::UNDEFINED);
                self.trail.steps.pop();
                continue;
            }
            self.text(if std::mem::replace(&mut first, false) { "" } else { "," });
            write_string(&name, self.out);
            self.text(":");
            self.within(Step::Member(name), value)?;
        }
        self.text("}");
        Some(())
    }

    fn within(&mut self, step: Step<'t>, value: &'t Tree<'t>) -> Option<()> {
        self.trail.steps.push(step);
        let done = self.item(value);
        self.trail.steps.pop();
        done
    }
}
