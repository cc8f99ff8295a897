//! Converts rows of Dexie's exports to our form: typeson's types become our tags.

use std::collections::HashSet;

use super::types::{INVALID, PlaceId, ROOT, Typed};
use crate::decode::built::Built;
use crate::decode::raw_json::{Reject, tree};
use crate::decode::rejected::at;
use crate::decode::scan::ScannedMembers;
use crate::indexeddb::schema::{KeyPath, ObjectStore};
use crate::indexeddb::value::tree::{Tree, unescape, write_list, write_name, write_plain};
use crate::indexeddb::value::write::{
    begin_array_members, close_array, close_opaque, close_shared, close_tag, open_array,
    open_opaque, open_shared, open_tag, write_date, write_reference, write_special_number,
    write_string, write_undefined,
};
use crate::indexeddb::value::{MAX_DEPTH, ValueTag};
use crate::loss::{LossStep, Losses, Trail, what};
use crate::rejection::code;

#[path = "binary.rs"]
mod binary;

const UNKNOWN: Reject = (code::UNKNOWN_TAG, "a type that Dexie's page does not list");

/// Builds a row, which is a value or a list of key and value.
pub(crate) fn record(
    raw: &[u8],
    store: &ObjectStore,
    in_line: bool,
    out: &mut Built,
) -> Result<(), Reject> {
    if in_line != store.key_path.is_some() {
        return Err((
            code::INVALID_MEMBER,
            "the rows and the schema disagree on where the keys are",
        ));
    }
    let row = tree(raw)?;
    let typed = Typed::read(&row)?;
    let (root, count) = (typed.root, typed.count);
    let mut builder = Builder::new(typed, store, &mut out.losses);
    if in_line {
        builder.value(root, &mut out.value)?;
    } else {
        let Some([key, value]) = root.items() else {
            return Err((code::NO_KEY, "the row is no list of key and value"));
        };
        builder.used += usize::from(builder.typed.kind(Some(ROOT)).is_some());
        // A key is converted exactly or not at all, so it has no losses to report.
        builder.quiet = true;
        builder.within(
            &[u16::from(b'0')],
            None,
            |builder, out| builder.value(key, out),
            &mut out.key,
        )?;
        builder.quiet = false;
        out.keyed = true;
        builder.within(
            &[u16::from(b'1')],
            None,
            |builder, out| builder.value(value, out),
            &mut out.value,
        )?;
    }
    // A type of a place that the row does not have belongs to a value that is not in the file, so
    // the row is not what was exported.
    if builder.used == count {
        Ok(())
    } else {
        Err((code::INVALID_TAG, "the row's types name a place that it does not have"))
    }
}

/// Returns the row itself if it is a value whose types do not affect its key path.
pub(crate) fn plain_value<'r>(raw: &'r [u8], path: &KeyPath) -> Option<&'r [u8]> {
    let Some(types) = at(raw, "$types") else { return Some(raw) };
    let mut members = ScannedMembers::of(types).ok()?;
    let paths = match path {
        KeyPath::Path(path) => std::slice::from_ref(path),
        KeyPath::Paths(paths) => paths,
    };
    let first: Vec<_> =
        paths.iter().map(|path| path.to_string().split('.').next().map(str::to_owned)).collect();
    while let Some(member) = members.next().ok()? {
        let name: String =
            serde_json::from_slice(&[b"\"", member.name.of(types), b"\""].concat()).ok()?;
        let step = name.split('.').next().map(str::to_owned);
        if name.is_empty() || name.starts_with('$') || first.contains(&step) {
            return None;
        }
    }
    Some(raw)
}

struct Builder<'a, 't> {
    typed: Typed<'t>,
    losses: &'a mut Losses,
    trail: Trail<'t>,
    /// The current place, if `$types` mentions it.
    place: Option<PlaceId>,
    last_id: u64,
    /// The number of types used so far.
    used: usize,
    depth: usize,
    /// Buffers of DataViews, which are shared by their number in the order of the document.
    buffers: binary::Buffers,
    /// True if losses are not reported, because this is a key.
    quiet: bool,
}

impl<'t> Builder<'_, 't> {
    fn new<'a>(
        typed: Typed<'t>,
        store: &'t ObjectStore,
        losses: &'a mut Losses,
    ) -> Builder<'a, 't> {
        let buffers = binary::Buffers::find(&typed);
        Builder {
            typed,
            losses,
            trail: Trail::new(&store.name),
            place: Some(ROOT),
            last_id: 0,
            used: 0,
            depth: 0,
            buffers,
            quiet: false,
        }
    }

    fn lose(&mut self, what: &'static str) {
        if !self.quiet {
            self.trail.lose(what, self.losses);
        }
    }

    fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Runs a closure one step further inside.
    fn within<T>(
        &mut self,
        name: &[u16],
        step: Option<LossStep<'t>>,
        write: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<T, Reject>,
        out: &mut Vec<u8>,
    ) -> Result<T, Reject> {
        let (place, steps) = (self.place, self.trail.steps.len());
        self.place = self.typed.child(place, name);
        self.trail.steps.extend(step);
        let result = write(self, out);
        self.trail.steps.truncate(steps);
        self.place = place;
        result
    }

    fn item(&mut self, index: usize, item: &'t Tree<'t>, out: &mut Vec<u8>) -> Result<(), Reject> {
        // Most items have no types inside.
        let name = if self.typed.has_children(self.place) { units_of(index) } else { Vec::new() };
        self.within(&name, Some(LossStep::Elements), |builder, out| builder.value(item, out), out)
    }

    fn member(
        &mut self,
        name: &'t [u8],
        value: &'t Tree<'t>,
        out: &mut Vec<u8>,
    ) -> Result<(), Reject> {
        let units = unescape(name).ok_or((code::SYNTAX, "a member's name is not a JSON string"))?;
        self.within(
            &units,
            Some(LossStep::member(name)),
            |builder, out| builder.value(value, out),
            out,
        )
    }

    /// Writes the value at the current place.
    fn value(&mut self, tree: &'t Tree<'t>, out: &mut Vec<u8>) -> Result<(), Reject> {
        if self.depth >= MAX_DEPTH {
            return Err((code::DEPTH, "brackets are nested too deep"));
        }
        let Some(place) = self.place else { return self.inner(None, tree, out) };
        let Some(known) = self.typed.places.get(place) else { return Err(INVALID) };
        if let Some(id) = known.id {
            // The value was already written, at the first reference to it.
            write_reference(id, out);
            return Ok(());
        }
        let (kind, target, points_to) = (known.kind, known.target, known.points_to);
        self.used += usize::from(kind.is_some());
        if let Some(points_to) = points_to {
            let value =
                self.typed.places.get(points_to).and_then(|place| place.tree).ok_or(INVALID)?;
            self.place = Some(points_to);
            let result = self.value(value, out);
            self.place = Some(place);
            return result;
        }
        if target {
            let id = self.fresh_id();
            self.typed.places[place].id = Some(id);
            open_shared(id, out);
        }
        self.inner(kind, tree, out)?;
        if target {
            close_shared(out);
        }
        Ok(())
    }

    fn inner(
        &mut self,
        kind: Option<&'t [u8]>,
        tree: &'t Tree<'t>,
        out: &mut Vec<u8>,
    ) -> Result<(), Reject> {
        self.depth += 1;
        let result = match kind {
            None => self.plain(tree, out),
            Some(kind) => self.typed(kind, tree, out),
        };
        self.depth -= 1;
        result
    }

    fn plain(&mut self, tree: &'t Tree<'t>, out: &mut Vec<u8>) -> Result<(), Reject> {
        match tree {
            Tree::List(items) => self.list(items, out),
            Tree::Object(members) => self.object(members, out),
            _ => {
                write_plain(tree, out);
                Ok(())
            }
        }
    }

    fn object(
        &mut self,
        members: &'t [(&'t [u8], Tree<'t>)],
        out: &mut Vec<u8>,
    ) -> Result<(), Reject> {
        let root = self.typed.beside && self.place == Some(ROOT);
        if !root {
            self.ambiguous(members);
        }
        out.push(b'{');
        let mut first = true;
        for (name, value) in members.iter().filter(|(name, _)| !root || *name != b"$types") {
            if !std::mem::replace(&mut first, false) {
                out.push(b',');
            }
            write_name(name, out);
            self.member(name, value, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Reports a loss if the object may have been something else.
    fn ambiguous(&mut self, members: &[(&[u8], Tree<'_>)]) {
        let names = |names: &[&str]| {
            members.len() == names.len()
                && members.iter().zip(names).all(|((own, _), name)| *own == name.as_bytes())
        };
        let indexes = || {
            members
                .iter()
                .enumerate()
                .all(|(index, (name, _))| *name == index.to_string().as_bytes())
        };
        let geometry = names(&["x", "y", "z", "w"])
            || names(&["x", "y", "width", "height", "top", "right", "bottom", "left"])
            || names(&["p1", "p2", "p3", "p4"])
            || members.iter().any(|(name, _)| *name == b"is2D");
        match members {
            [] => self.lose(what::EMPTIED_OBJECT),
            _ if geometry => self.lose(what::DOM),
            _ if indexes() => self.lose(what::INDEXED_OBJECT),
            _ => {}
        }
    }

    fn is_hole(&self, index: usize) -> bool {
        self.typed.has_children(self.place)
            && self.typed.kind(self.typed.child(self.place, &units_of(index)))
                == Some(b"sparseUndefined")
    }

    fn list(&mut self, items: &'t [Tree<'t>], out: &mut Vec<u8>) -> Result<(), Reject> {
        let holes: HashSet<usize> = (0..items.len()).filter(|&index| self.is_hole(index)).collect();
        if holes.is_empty() {
            return self.dense(items, out);
        }
        self.used += holes.len();
        open_array(items.len(), out);
        let mut first = true;
        for (index, item) in items.iter().enumerate().filter(|(index, _)| !holes.contains(index)) {
            out.extend_from_slice(if std::mem::replace(&mut first, false) { b"[" } else { b",[" });
            out.extend_from_slice(format!("{index},").as_bytes());
            self.item(index, item, out)?;
            out.push(b']');
        }
        close_array(out);
        Ok(())
    }

    fn dense(&mut self, items: &'t [Tree<'t>], out: &mut Vec<u8>) -> Result<(), Reject> {
        out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.item(index, item, out)?;
        }
        out.push(b']');
        Ok(())
    }

    /// Writes an array with members in addition to its items, which the export writes as an object.
    fn array_object(
        &mut self,
        members: &'t [(&'t [u8], Tree<'t>)],
        out: &mut Vec<u8>,
    ) -> Result<(), Reject> {
        let is_length = |(name, _): &&(&[u8], Tree<'_>)| *name == b"length";
        let length =
            members.iter().find(is_length).and_then(|(_, length)| length.whole()).ok_or(INVALID)?;
        // As in ECMAScript, only the shortest spelling of a number is an index: `01` is a name.
        let index = |name: &[u8]| {
            let index = std::str::from_utf8(name).ok()?.parse::<u64>().ok()?;
            (index.to_string().as_bytes() == name && index < length).then_some(index)
        };
        let mut named = Vec::new();
        open_array(length, out);
        let mut first = true;
        for (name, value) in members.iter().filter(|member| !is_length(member)) {
            let Some(index) = index(name) else {
                // In our form the named members come after all items.
                named.push((*name, value));
                continue;
            };
            let hole = usize::try_from(index).is_ok_and(|index| self.is_hole(index));
            if hole {
                self.used += 1;
                continue;
            }
            out.extend_from_slice(if std::mem::replace(&mut first, false) { b"[" } else { b",[" });
            out.extend_from_slice(format!("{index},").as_bytes());
            self.member(name, value, out)?;
            out.push(b']');
        }
        begin_array_members(out);
        for (place, (name, value)) in named.into_iter().enumerate() {
            out.extend_from_slice(if place == 0 { b"[" } else { b",[" });
            write_string(name, out);
            out.push(b',');
            self.member(name, value, out)?;
            out.push(b']');
        }
        close_array(out);
        Ok(())
    }

    fn typed(&mut self, kind: &[u8], tree: &'t Tree<'t>, out: &mut Vec<u8>) -> Result<(), Reject> {
        // A value that does not fit its type is refused below rather than kept as plain data.
        match (kind, tree) {
            (b"undef", _) => write_undefined(out),
            (b"nan", Tree::String(b"NaN")) => write_special_number("NaN", out),
            (b"infinity", Tree::String(b"Infinity")) => write_special_number("Infinity", out),
            (b"negativeInfinity", Tree::String(b"-Infinity")) => {
                write_special_number("-Infinity", out);
            }
            (b"negativeZero", _) => write_special_number("-0", out),
            (b"date", Tree::String(b"NaN")) => write_date(None, out),
            (b"date", Tree::Number(_)) => write_scalar(&[ValueTag::Date], tree, out),
            (b"bigint", Tree::String(_)) => write_scalar(&[ValueTag::BigInt], tree, out),
            (b"bigintObject", Tree::String(_)) => {
                write_scalar(&[ValueTag::Boxed, ValueTag::BigInt], tree, out);
            }
            (b"NumberObject", Tree::String(b"NaN" | b"Infinity" | b"-Infinity" | b"-0")) => {
                write_scalar(&[ValueTag::Boxed, ValueTag::Number], tree, out);
            }
            (b"NumberObject", Tree::Number(_))
            | (b"StringObject", Tree::String(_))
            | (b"BooleanObject", Tree::Bool(_)) => write_scalar(&[ValueTag::Boxed], tree, out),
            (b"regexp", Tree::Object(_)) => {
                self.lose(what::REGEXP_FLAGS);
                regexp(tree, out)?;
            }
            (b"map", Tree::List(pairs)) => self.map(pairs, out)?,
            (b"set", Tree::List(items)) => {
                open_tag(ValueTag::Set, out);
                self.dense(items, out)?;
                close_tag(out);
            }
            (b"arrayNonindexKeys", Tree::List(items)) => self.list(items, out)?,
            (b"arrayNonindexKeys", Tree::Object(members)) => self.array_object(members, out)?,
            (b"userObject", Tree::Object(members)) => self.object(members, out)?,
            (b"cryptokey", _) => {
                self.lose(what::OPAQUE);
                open_opaque("CryptoKey", "Dexie's export does not hold it", out);
                close_opaque(out);
            }
            (b"imagebitmap", Tree::String(_)) => {
                self.lose(what::DOM);
                open_opaque("ImageBitmap", "Dexie's export holds a picture of it", out);
                out.extend_from_slice(b",\"url\":");
                write_plain(tree, out);
                close_opaque(out);
            }
            (
                b"nan" | b"infinity" | b"negativeInfinity" | b"date" | b"bigint" | b"bigintObject"
                | b"NumberObject" | b"StringObject" | b"BooleanObject" | b"regexp" | b"map"
                | b"set" | b"arrayNonindexKeys" | b"userObject" | b"imagebitmap"
                | b"sparseUndefined",
                _,
            ) => return Err(INVALID),
            _ => self.binary(kind, tree, out)?,
        }
        Ok(())
    }

    fn map(&mut self, pairs: &'t [Tree<'t>], out: &mut Vec<u8>) -> Result<(), Reject> {
        open_tag(ValueTag::Map, out);
        out.push(b'[');
        for (index, pair) in pairs.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if pair.items().is_none_or(|items| items.len() != 2) {
                return Err(INVALID);
            }
            self.item(index, pair, out)?;
        }
        out.push(b']');
        close_tag(out);
        Ok(())
    }
}

/// Writes a scalar inside these tags, the outermost first.
fn write_scalar(tags: &[ValueTag], scalar: &Tree<'_>, out: &mut Vec<u8>) {
    tags.iter().for_each(|tag| open_tag(*tag, out));
    write_plain(scalar, out);
    tags.iter().for_each(|_| close_tag(out));
}

fn regexp(tree: &Tree<'_>, out: &mut Vec<u8>) -> Result<(), Reject> {
    let [source, flags] = ["source", "flags"].map(|name| tree.get(name));
    let parts = [source.ok_or(INVALID)?, flags.ok_or(INVALID)?];
    if parts.iter().any(|part| matches!(part, Tree::List(_) | Tree::Object(_))) {
        return Err(INVALID);
    }
    open_tag(ValueTag::RegExp, out);
    write_list(parts, out, write_plain);
    close_tag(out);
    Ok(())
}

fn units_of(index: usize) -> Vec<u16> {
    index.to_string().encode_utf16().collect()
}
