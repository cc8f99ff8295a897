//! Plain JSON, as `JSON.stringify` writes the values, plus BigInts, which it refuses.

use super::{MAX_RECORD_BYTES, write_name};
use crate::indexeddb::iso_date;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::kind::{RawText, ValueKind};
use crate::indexeddb::value::shared::{SharedValues, shared_values};
use crate::indexeddb::value::tree::Tree;
use crate::indexeddb::value::view::{ViewElement, view_bytes, view_elements};
use crate::indexeddb::value::write::write_string;
use crate::loss::{LossStep, Losses, Trail, path, what};
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
    let known = shared_values(value);
    Stringifier { out, losses, trail: Trail::new(&schema.name), known }.item(value)
}

struct Stringifier<'a, 't> {
    out: &'a mut Vec<u8>,
    losses: &'a mut Losses,
    trail: Trail<'t>,
    known: SharedValues<'t>,
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
        match ValueKind::of(tree)? {
            ValueKind::Null => self.text("null"),
            ValueKind::Bool(value) => self.text(if value { "true" } else { "false" }),
            ValueKind::Number(raw) => self.out.extend_from_slice(raw),
            ValueKind::Special(b"-0") => self.lost(what::NEGATIVE_ZERO, "0"),
            ValueKind::Special(_) => self.lost(what::SPECIAL_NUMBER, "null"),
            ValueKind::String(raw) => write_string(&raw, self.out),
            ValueKind::Undefined => self.lost(what::UNDEFINED, "null"),
            ValueKind::BigInt(digits) => {
                self.lose(what::BIGINT);
                write_string(digits, self.out);
            }
            ValueKind::Date(Some(ms)) => {
                self.lost(what::DATE, &format!("\"{}\"", iso_date::write(ms)))
            }
            ValueKind::Date(None) => self.lost(what::INVALID_DATE, "null"),
            ValueKind::RegExp(..) => self.lost(what::REGEXP, "{}"),
            ValueKind::Boxed(inner) => {
                self.lose(what::BOXED);
                self.item(inner)?;
            }
            ValueKind::List(items) => self.list(items.iter().map(Some))?,
            ValueKind::Array(length, items, members) => {
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
            ValueKind::Object(members) => self.object(members)?,
            ValueKind::Map(_) => self.lost(what::MAP, "{}"),
            ValueKind::Set(_) => self.lost(what::SET, "{}"),
            ValueKind::Buffer(_) => self.lost(what::BYTES, "{}"),
            ValueKind::View(view) => {
                self.lose(what::BYTES);
                let (bytes, _) = view_bytes(&view, &self.known)?;
                self.text("{");
                let elements = if view.name == b"DataView" {
                    Vec::new()
                } else {
                    view_elements(&view, &bytes)
                };
                for (index, element) in elements.into_iter().enumerate() {
                    let element = match element {
                        ViewElement::Number(number) => number,
                        ViewElement::Special(_) => "null".to_owned(),
                        ViewElement::BigInt(digits) => format!("\"{digits}\""),
                    };
                    self.text(if index > 0 { "," } else { "" });
                    self.text(&format!("\"{index}\":{element}"));
                }
                self.text("}");
            }
            ValueKind::Error(_) => self.lost(what::ERROR, "{}"),
            ValueKind::Blob(_) => self.lost(what::BLOB, "{}"),
            ValueKind::Dom(_) => self.lost(what::DOM, "{}"),
            ValueKind::Opaque => self.lost(what::OPAQUE, "{}"),
            ValueKind::Id(_, inner) => self.item(inner)?,
            // A copy could contain copies in turn, without end.
            ValueKind::Ref(_) => self.lost(what::SHARING, "null"),
        }
        Some(())
    }

    fn list(&mut self, items: impl Iterator<Item = Option<&'t Tree<'t>>>) -> Option<()> {
        self.text("[");
        for (index, item) in items.enumerate() {
            self.text(if index > 0 { "," } else { "" });
            match item {
                Some(item) => self.within(LossStep::Elements, item)?,
                None => self.text("null"),
            }
        }
        self.text("]");
        Some(())
    }

    fn object(&mut self, members: Vec<(RawText<'t>, &'t Tree<'t>)>) -> Option<()> {
        self.text("{");
        let mut first = true;
        for (name, value) in members {
            if matches!(ValueKind::of(value)?, ValueKind::Undefined) {
                self.trail.steps.push(LossStep::Member(name));
                self.lose(what::UNDEFINED);
                self.trail.steps.pop();
                continue;
            }
            self.text(if std::mem::replace(&mut first, false) { "" } else { "," });
            write_string(&name, self.out);
            self.text(":");
            self.within(LossStep::Member(name), value)?;
        }
        self.text("}");
        Some(())
    }

    fn within(&mut self, step: LossStep<'t>, value: &'t Tree<'t>) -> Option<()> {
        self.trail.steps.push(step);
        let done = self.item(value);
        self.trail.steps.pop();
        done
    }
}
