//! Blobs, Files and image data in Dexie's format.

use super::{Encapsulator, decode, plain_members};
use crate::indexeddb::value::kind::ValueKind;
use crate::indexeddb::value::shared::SharedValues;
use crate::indexeddb::value::tree::{Tree, escape};
use crate::indexeddb::value::view::view_bytes;
use crate::loss::what;

/// Offset of the characters that represent the bytes 80 to FF in a File's text, as in the character
/// set `x-user-defined`.
const USER_DEFINED: u16 = 0xf700;

impl<'t> Encapsulator<'_, 't> {
    pub(super) fn blob(&mut self, content: &'t Tree<'t>) -> Option<()> {
        let Some(bytes) = decode(content) else {
            // The bytes are stored elsewhere.
            self.lost(what::BLOB);
            return Some(());
        };
        let kind_text = string(content, "type")?;
        match string(content, "name") {
            None => {
                self.typed("blob2");
                self.text("{\"type\":");
                self.string(&kind_text);
                self.text(",\"data\":");
                let Some(Tree::String(data)) = content.get("data") else { return None };
                self.string(data);
            }
            Some(name) => {
                self.typed("file");
                self.text("{\"type\":");
                self.string(&kind_text);
                self.text(",\"stringContents\":\"");
                let unit = |byte: u8| u16::from(byte) | if byte < 0x80 { 0 } else { USER_DEFINED };
                escape(bytes.into_iter().map(unit), &mut self.out);
                self.text("\",\"name\":");
                self.string(&name);
                if let Some(Tree::Number(time)) = content.get("lastModified") {
                    self.text(",\"lastModified\":");
                    self.out.extend_from_slice(time);
                }
            }
        }
        self.text("}");
        Some(())
    }

    pub(super) fn dom(&mut self, content: &'t Tree<'t>) -> Option<()> {
        match &string(content, "kind")?[..] {
            b"ImageData" if self.image_data(content).is_some() => Some(()),
            b"FileList" if content.get("files").is_some_and(|files| files.items().is_some()) => {
                self.typed("filelist");
                self.list(content.get("files")?.items()?)
            }
            _ => {
                self.lose(what::DOM);
                self.object(plain_members(content))
            }
        }
    }

    /// Writes image data; `None`, without output, if the content is not an image of bytes.
    fn image_data(&mut self, content: &'t Tree<'t>) -> Option<()> {
        let [width, height] =
            ["width", "height"].map(|name| content.get(name).and_then(Tree::whole));
        let (width, height) = (width?, height?);
        let ValueKind::View(view) = ValueKind::of(content.get("data")?)? else { return None };
        let (bytes, _) = view_bytes(&view, &SharedValues::new())?;
        if view.name != b"Uint8ClampedArray" {
            return None;
        }
        if content.get("colorSpace").is_some_and(|space| *space != Tree::String(b"srgb")) {
            self.lose(what::DOM);
        }
        self.typed("imagedata");
        self.inner(b"array", |row| row.typed("arrayNonindexKeys"));
        let bytes: Vec<_> = bytes.iter().map(u8::to_string).collect();
        self.text(&format!(
            "{{\"array\":[{}],\"width\":{width},\"height\":{height}}}",
            bytes.join(",")
        ));
        Some(())
    }
}

fn string<'t>(content: &'t Tree<'t>, name: &str) -> Option<Vec<u8>> {
    match ValueKind::of(content.get(name)?)? {
        ValueKind::String(raw) => Some(raw.into_owned()),
        _ => None,
    }
}
