//! Converts Playwright's encoded values to our form.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::decode::built::Built;
use crate::decode::raw_json::{Reject, tree};
use crate::indexeddb::iso_date;
use crate::indexeddb::schema::ObjectStore;
use crate::indexeddb::value::tree::{Tree, write_list, write_name, write_plain};
use crate::indexeddb::value::write::{
    close_shared, close_tag, close_view, open_shared, open_tag, open_view, write_buffer,
    write_date, write_reference, write_special_number, write_tagged_string, write_undefined,
};
use crate::indexeddb::value::{MAX_DEPTH, ValueTag};
use crate::loss::{LossStep, Losses, Trail, what};
use crate::rejection::code;

const UNKNOWN: Reject =
    (code::UNKNOWN_TAG, "an encoded value of a kind that Playwright's page does not list");
const INVALID: Reject = (code::INVALID_TAG, "an encoded value that is not written as its kind is");

/// Builds a record: `{key | keyEncoded, value | valueEncoded}`.
pub(crate) fn record(raw: &[u8], store: &ObjectStore, out: &mut Built) -> Result<(), Reject> {
    let record = tree(raw)?;
    let members = record.members().ok_or((code::SYNTAX, "the record is not an object"))?;
    let (mut key, mut value) = (None, None);
    for (name, content) in members {
        let (place, encoded) = match *name {
            b"key" => (&mut key, false),
            b"keyEncoded" => (&mut key, true),
            b"value" => (&mut value, false),
            b"valueEncoded" => (&mut value, true),
            _ => {
                return Err((
                    code::UNKNOWN_MEMBER,
                    "the record has a member that Playwright's records do not have",
                ));
            }
        };
        if place.replace((content, encoded)).is_some() {
            return Err((code::DUPLICATE_MEMBER, "the record has two keys or two values"));
        }
    }
    if key.is_none() && store.key_path.is_none() {
        return Err((code::NO_KEY, "the object store has no key path, so the record needs a key"));
    }
    if let Some((key, encoded)) = key {
        write(key, encoded, &mut Trail::new(&store.name), &mut out.key, &mut Losses::default())?;
        out.keyed = true;
    }
    let value = value.ok_or((
        code::MISSING_MEMBER,
        "the record has no value: older Playwright leaves out values that are false, 0, \"\", null \
         or NaN; save the \
         state with a newer one",
    ))?;
    write(value.0, value.1, &mut Trail::new(&store.name), &mut out.value, &mut out.losses)
}

fn write<'t>(
    tree: &'t Tree<'t>,
    encoded: bool,
    trail: &mut Trail<'t>,
    out: &mut Vec<u8>,
    losses: &mut Losses,
) -> Result<(), Reject> {
    if !encoded {
        find_nulls(tree, trail, losses);
        write_plain(tree, out);
        return Ok(());
    }
    let mut referred = HashSet::new();
    find_references(tree, &mut referred);
    CanonicalEncoder { trail, out, losses, referred, depth: 0 }.value(tree)
}

/// Reports each `null` of a value that is plain JSON, because older releases of Playwright also
/// write it for NaN and the infinities.
fn find_nulls<'t>(tree: &'t Tree<'t>, trail: &mut Trail<'t>, losses: &mut Losses) {
    match tree {
        Tree::Null => trail.lose(what::SPECIAL_NUMBER, losses),
        Tree::List(items) => {
            trail.steps.push(LossStep::Elements);
            items.iter().for_each(|item| find_nulls(item, trail, losses));
            trail.steps.pop();
        }
        Tree::Object(members) => {
            for (name, value) in members {
                trail.steps.push(LossStep::member(name));
                find_nulls(value, trail, losses);
                trail.steps.pop();
            }
        }
        _ => {}
    }
}

/// Finds all ids that references name, and possibly more.
fn find_references(tree: &Tree<'_>, found: &mut HashSet<u64>) {
    match tree {
        Tree::List(items) => items.iter().for_each(|item| find_references(item, found)),
        Tree::Object(members) => {
            found.extend(tree.get("ref").and_then(Tree::whole));
            members.iter().for_each(|(_, value)| find_references(value, found));
        }
        _ => {}
    }
}

struct CanonicalEncoder<'a, 't> {
    trail: &'a mut Trail<'t>,
    out: &'a mut Vec<u8>,
    losses: &'a mut Losses,
    referred: HashSet<u64>,
    depth: usize,
}

impl<'t> CanonicalEncoder<'_, 't> {
    fn lose(&mut self, what: &'static str) {
        self.trail.lose(what, self.losses);
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn inner(&mut self, step: LossStep<'t>, tree: &'t Tree<'t>) -> Result<(), Reject> {
        self.trail.steps.push(step);
        let result = self.value(tree);
        self.trail.steps.pop();
        result
    }

    fn value(&mut self, tree: &'t Tree<'t>) -> Result<(), Reject> {
        let members = match tree {
            // An array is always encoded.
            Tree::List(_) => return Err(UNKNOWN),
            Tree::Object(members) => members,
            _ => {
                write_plain(tree, self.out);
                return Ok(());
            }
        };
        if self.depth >= MAX_DEPTH {
            return Err((code::DEPTH, "brackets are nested too deep"));
        }
        self.depth += 1;
        let id = tree.get("id");
        let written = match (&members[..], id) {
            ([(kind, content)], None) => self.leaf(kind, content),
            ([(_, _), (_, _)], Some(id)) => {
                let (kind, content) =
                    members.iter().find(|(name, _)| *name != b"id").ok_or(UNKNOWN)?;
                self.container(kind, content, id.whole().ok_or(INVALID)?)
            }
            _ => Err(UNKNOWN),
        };
        self.depth -= 1;
        written
    }

    fn leaf(&mut self, kind: &[u8], content: &'t Tree<'t>) -> Result<(), Reject> {
        match kind {
            b"v" => self.special(&content.text().ok_or(INVALID)?)?,
            b"d" if *content == Tree::Null => write_date(None, self.out),
            b"d" => {
                let ms = content.text().and_then(|text| iso_date::read(&text)).ok_or(INVALID)?;
                write_date(Some(ms), self.out);
            }
            b"bi" => self.big_int(content)?,
            b"ref" => {
                let id = content.whole().filter(|&id| id > 0).ok_or(INVALID)?;
                write_reference(id, self.out);
            }
            b"r" => {
                let [source, flags] = exact(content, ["p", "f"])?;
                open_tag(ValueTag::RegExp, self.out);
                write_list([source, flags], self.out, |part, out| write_plain(part, out));
                close_tag(self.out);
            }
            b"e" => self.error(content)?,
            b"ab" => {
                let [data] = exact(content, ["b"])?;
                self.lose(what::BUFFER_MAX);
                self.buffer(data)?;
            }
            b"ta" => self.typed_array(content)?,
            // Containers without an id, which the tool never writes but accepts.
            b"a" | b"o" | b"m" | b"s" => self.container(kind, content, 0)?,
            _ => return Err(UNKNOWN),
        }
        Ok(())
    }

    fn special(&mut self, word: &str) -> Result<(), Reject> {
        match word {
            "undefined" => write_undefined(self.out),
            "null" => self.text("null"),
            "NaN" | "Infinity" | "-Infinity" | "-0" => write_special_number(word, self.out),
            _ => return Err(UNKNOWN),
        }
        Ok(())
    }

    fn big_int(&mut self, content: &Tree<'_>) -> Result<(), Reject> {
        let Tree::String(raw) = content else { return Err(INVALID) };
        write_tagged_string(ValueTag::BigInt, raw, self.out);
        Ok(())
    }

    fn error(&mut self, content: &Tree<'_>) -> Result<(), Reject> {
        let known = |(name, _): &(&[u8], Tree<'_>)| matches!(*name, b"n" | b"m" | b"s");
        if !content.members().is_some_and(|members| members.iter().all(known)) {
            return Err(INVALID);
        }
        self.lose(what::ERROR_CAUSE);
        open_tag(ValueTag::Error, self.out);
        self.text("{\"name\":");
        write_plain(content.get("n").ok_or(INVALID)?, self.out);
        for (name, own) in [("m", "message"), ("s", "stack")] {
            if let Some(value) = content.get(name) {
                self.text(&format!(",\"{own}\":"));
                write_plain(value, self.out);
            }
        }
        self.text("}");
        close_tag(self.out);
        Ok(())
    }

    fn buffer(&mut self, data: &Tree<'_>) -> Result<(), Reject> {
        let Tree::String(raw) = data else { return Err(INVALID) };
        write_buffer(raw, self.out);
        Ok(())
    }

    fn typed_array(&mut self, content: &Tree<'_>) -> Result<(), Reject> {
        let [data, kind] = exact(content, ["b", "k"])?;
        let (kind, size) = view_type(&kind.text().ok_or(INVALID)?).ok_or(UNKNOWN)?;
        let bytes = STANDARD.decode(data.text().ok_or(INVALID)?).map_err(|_| INVALID)?.len();
        if bytes % size != 0 {
            return Err(INVALID);
        }
        self.lose(what::BUFFER_OF_VIEW);
        open_view(self.out);
        self.buffer(data)?;
        close_view(bytes / size, 0, kind, self.out);
        Ok(())
    }

    fn container(&mut self, kind: &[u8], content: &'t Tree<'t>, id: u64) -> Result<(), Reject> {
        let items = content.items().ok_or(INVALID)?;
        let shared = self.referred.contains(&id);
        if shared {
            open_shared(id, self.out);
        }
        match kind {
            b"a" => self.list(items, true)?,
            b"s" => {
                open_tag(ValueTag::Set, self.out);
                self.list(items, false)?;
                close_tag(self.out);
            }
            b"m" => self.map(items)?,
            b"o" => self.object(items)?,
            _ => return Err(UNKNOWN),
        }
        if shared {
            close_shared(self.out);
        }
        Ok(())
    }

    fn list(&mut self, items: &'t [Tree<'t>], array: bool) -> Result<(), Reject> {
        self.text("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            let undefined = item.get("v").is_some_and(|word| *word == Tree::String(b"undefined"));
            if array && undefined {
                self.lose(what::HOLE);
            }
            self.inner(LossStep::Elements, item)?;
        }
        self.text("]");
        Ok(())
    }

    fn map(&mut self, items: &'t [Tree<'t>]) -> Result<(), Reject> {
        open_tag(ValueTag::Map, self.out);
        self.text("[");
        for (index, item) in items.iter().enumerate() {
            let [key, value] = exact(item, ["k", "v"])?;
            self.text(if index > 0 { ",[" } else { "[" });
            self.inner(LossStep::Elements, key)?;
            self.text(",");
            self.inner(LossStep::Elements, value)?;
            self.text("]");
        }
        self.text("]");
        close_tag(self.out);
        Ok(())
    }

    fn object(&mut self, items: &'t [Tree<'t>]) -> Result<(), Reject> {
        let mut members = Vec::with_capacity(items.len());
        for item in items {
            let [Tree::String(name), value] = exact(item, ["k", "v"])? else { return Err(INVALID) };
            members.push((*name, value));
        }
        self.ambiguous(&members);
        self.text("{");
        for (index, (name, value)) in members.into_iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            write_name(name, self.out);
            self.inner(LossStep::member(name), value)?;
        }
        self.text("}");
        Ok(())
    }

    /// Reports a loss if the object may have been something else.
    fn ambiguous(&mut self, members: &[(&[u8], &Tree<'_>)]) {
        let indexes = || (0_usize..).map(|index| index.to_string());
        match members {
            [] => self.lose(what::EMPTIED_OBJECT),
            [(b"data", value)] if value.get("ta").is_some() => self.lose(what::DOM),
            _ if members
                .iter()
                .zip(indexes())
                .all(|((name, _), index)| *name == index.as_bytes()) =>
            {
                self.lose(what::INDEXED_OBJECT);
            }
            _ => {}
        }
    }
}

/// Returns the members of an object that has exactly these.
fn exact<'t, const N: usize>(
    tree: &'t Tree<'t>,
    names: [&str; N],
) -> Result<[&'t Tree<'t>; N], Reject> {
    if tree.members().is_none_or(|members| members.len() != N) {
        return Err(INVALID);
    }
    let mut found = [tree; N];
    for (place, name) in found.iter_mut().zip(names) {
        *place = tree.get(name).ok_or(INVALID)?;
    }
    Ok(found)
}

/// Returns a typed array's name, and the bytes of an element.
fn view_type(kind: &str) -> Option<(&'static str, usize)> {
    Some(match kind {
        "i8" => ("Int8Array", 1),
        "ui8" => ("Uint8Array", 1),
        "ui8c" => ("Uint8ClampedArray", 1),
        "i16" => ("Int16Array", 2),
        "ui16" => ("Uint16Array", 2),
        "i32" => ("Int32Array", 4),
        "ui32" => ("Uint32Array", 4),
        "f32" => ("Float32Array", 4),
        "f64" => ("Float64Array", 8),
        "bi64" => ("BigInt64Array", 8),
        "bui64" => ("BigUint64Array", 8),
        _ => return None,
    })
}
