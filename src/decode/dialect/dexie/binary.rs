//! Binary data in Dexie's exports: buffers, views, Blobs, Files, images.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Builder, INVALID, UNKNOWN};
use crate::decode::dialect::dexie::types::{PlaceId, ROOT, Typed};
use crate::decode::raw_json::Reject;
use crate::indexeddb::value::ValueTag;
use crate::indexeddb::value::tree::{Tree, unescape, write_plain};
use crate::indexeddb::value::write::{
    close_shared, close_tag, close_view, open_shared, open_tag, open_view, write_buffer,
    write_reference, write_string,
};
use crate::loss::what;

/// The first of the characters for the bytes 80 to FF in the text of a File, as in the character
/// set `x-user-defined`.
const USER_DEFINED: u16 = 0xf780;

/// The buffers of DataViews (and of typed arrays in old releases). They are numbered in the order
/// of the document, and shared buffers are referred to by number.
#[derive(Default)]
pub(super) struct Buffers {
    held: Vec<(PlaceId, Option<u64>)>,
    numbers: HashMap<PlaceId, usize>,
    shared: HashSet<u64>,
}

impl Buffers {
    pub(super) fn find(typed: &Typed<'_>) -> Self {
        let mut buffers = Self::default();
        let numbered = |kind: Option<&[u8]>| kind.and_then(view_of_number).is_some();
        if typed.places.iter().any(|place| numbered(place.kind)) {
            buffers.walk(typed, typed.root, ROOT);
        }
        buffers
    }

    /// Visits all places that have a type, in the order of the document.
    fn walk(&mut self, typed: &Typed<'_>, tree: &Tree<'_>, place: PlaceId) {
        if typed.kind(Some(place)).and_then(view_of_number).is_some() {
            if tree.get("encoded").is_some() {
                self.numbers.insert(place, self.held.len());
                self.held.push((place, None));
            }
            self.shared.extend(tree.get("index").and_then(Tree::whole));
            return;
        }
        if !typed.has_children(Some(place)) {
            return;
        }
        let mut inside = |name: Vec<u16>, tree: &Tree<'_>| {
            if let Some(place) = typed.child(Some(place), &name) {
                self.walk(typed, tree, place);
            }
        };
        match tree {
            Tree::List(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| inside(super::units_of(index), item));
            }
            Tree::Object(members) => {
                members
                    .iter()
                    .for_each(|(name, value)| inside(unescape(name).unwrap_or_default(), value));
            }
            _ => {}
        }
    }
}

/// Returns the view of a type that contains its buffer or refers to it by number.
fn view_of_number(kind: &[u8]) -> Option<&'static str> {
    if kind == b"dataview" { Some("DataView") } else { typed_array(kind) }
}

fn typed_array(kind: &[u8]) -> Option<&'static str> {
    const NAMES: [&str; 9] = [
        "Int8Array",
        "Uint8Array",
        "Uint8ClampedArray",
        "Int16Array",
        "Uint16Array",
        "Int32Array",
        "Uint32Array",
        "Float32Array",
        "Float64Array",
    ];
    NAMES.into_iter().find(|name| name.to_ascii_lowercase().as_bytes() == kind)
}

impl<'t> Builder<'_, 't> {
    pub(super) fn binary(
        &mut self,
        kind: &[u8],
        tree: &'t Tree<'t>,
        out: &mut Vec<u8>,
    ) -> Result<(), Reject> {
        match kind {
            b"arraybuffer" => buffer(tree, out),
            b"blob2" => {
                let Some(Tree::String(data)) = tree.get("data") else { return Err(INVALID) };
                blob(tree, data, out)
            }
            b"blob" | b"file" => self.file(tree, out),
            b"filelist" => {
                open_tag(ValueTag::Dom, out);
                out.extend_from_slice(b"{\"kind\":\"FileList\",\"files\":");
                self.dense(tree.items().ok_or(INVALID)?, out)?;
                out.push(b'}');
                close_tag(out);
                Ok(())
            }
            b"imagedata" => self.image_data(tree, out),
            _ => match (view_of_number(kind), kind.strip_suffix(b"2").and_then(typed_array)) {
                (Some(name), _) => self.numbered_view(name, tree, out),
                (_, Some(name)) => {
                    let length = tree.get("length").and_then(Tree::whole).ok_or(INVALID)?;
                    open_view(out);
                    self.member(b"buffer", tree.get("buffer").ok_or(INVALID)?, out)?;
                    close_view_of(tree, name, length, out)
                }
                _ => Err(UNKNOWN),
            },
        }
    }

    fn numbered_view(
        &mut self,
        name: &str,
        tree: &Tree<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Reject> {
        let length = tree.get(if name == "DataView" { "byteLength" } else { "length" });
        let length = length.and_then(Tree::whole).ok_or(INVALID)?;
        open_view(out);
        match (tree.get("encoded"), tree.get("index").and_then(Tree::whole)) {
            (Some(data), None) => {
                let place = self.place.and_then(|place| self.buffers.numbers.get(&place).copied());
                let shared =
                    place.is_some_and(|place| self.buffers.shared.contains(&(place as u64)));
                if let Some(place) = place.filter(|_| shared) {
                    let id = self.fresh_id();
                    self.buffers.held[place].1 = Some(id);
                    open_shared(id, out);
                }
                buffer(data, out)?;
                if shared {
                    close_shared(out);
                }
            }
            (None, Some(number)) => {
                let held =
                    usize::try_from(number).ok().and_then(|number| self.buffers.held.get(number));
                let id = held.and_then(|(_, id)| *id).ok_or(INVALID)?;
                write_reference(id, out);
            }
            _ => return Err(INVALID),
        }
        close_view_of(tree, name, length, out)
    }

    /// Writes an ImageData with `array`, `width` and `height`; the array's items are bytes.
    fn image_data(&mut self, tree: &Tree<'_>, out: &mut Vec<u8>) -> Result<(), Reject> {
        let items = tree.get("array").and_then(Tree::items).ok_or(INVALID)?;
        let array: Vec<u16> = "array".encode_utf16().collect();
        self.used += usize::from(self.typed.kind(self.typed.child(self.place, &array)).is_some());
        let byte = |item: &Tree<'_>| item.whole().and_then(|byte| u8::try_from(byte).ok());
        let bytes = items.iter().map(byte).collect::<Option<Vec<u8>>>().ok_or(INVALID)?;
        let [width, height] = ["width", "height"].map(|name| tree.get(name).and_then(Tree::whole));
        let (width, height) = (width.ok_or(INVALID)?, height.ok_or(INVALID)?);
        // The file does not contain its colour space.
        self.lose(what::DOM);
        open_tag(ValueTag::Dom, out);
        out.extend_from_slice(b"{\"kind\":\"ImageData\",\"data\":");
        open_view(out);
        write_buffer(STANDARD.encode(&bytes).as_bytes(), out);
        close_view(bytes.len(), 0, "Uint8ClampedArray", out);
        out.extend_from_slice(format!(",\"height\":{height},\"width\":{width}}}").as_bytes());
        close_tag(out);
        Ok(())
    }

    /// Writes a File, or a Blob of an old release, whose bytes are stored as text.
    fn file(&mut self, tree: &Tree<'_>, out: &mut Vec<u8>) -> Result<(), Reject> {
        let Some(Tree::String(raw)) = tree.get("stringContents") else { return Err(INVALID) };
        let byte = |unit: u16| match unit {
            0..=0xff => Some(unit as u8),
            USER_DEFINED..=0xf7ff => Some((unit & 0xff) as u8),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = unescape(raw).ok_or(INVALID)?.into_iter().map(byte).collect();
        blob(tree, STANDARD.encode(bytes.ok_or(INVALID)?).as_bytes(), out)
    }
}

fn buffer(tree: &Tree<'_>, out: &mut Vec<u8>) -> Result<(), Reject> {
    let Tree::String(data) = tree else { return Err(INVALID) };
    write_buffer(data, out);
    Ok(())
}

/// Writes the rest of a view after its buffer.
fn close_view_of(
    tree: &Tree<'_>,
    name: &str,
    length: u64,
    out: &mut Vec<u8>,
) -> Result<(), Reject> {
    let offset = tree.get("byteOffset").and_then(Tree::whole).ok_or(INVALID)?;
    close_view(length, offset, name, out);
    Ok(())
}

fn blob(tree: &Tree<'_>, data: &[u8], out: &mut Vec<u8>) -> Result<(), Reject> {
    open_tag(ValueTag::Blob, out);
    out.extend_from_slice(b"{\"data\":");
    write_string(data, out);
    for name in ["type", "name", "lastModified"] {
        let Some(value) = tree.get(name) else { continue };
        if matches!(value, Tree::List(_) | Tree::Object(_)) {
            return Err(INVALID);
        }
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        write_plain(value, out);
    }
    out.push(b'}');
    close_tag(out);
    Ok(())
}
