//! ArrayBuffers and views of them, as canonical values describe them.

use super::tree::Tree;

/// An ArrayBuffer: base64, and whether it is resizable.
#[derive(Clone, Copy)]
pub(crate) struct ArrayBuffer<'t> {
    pub(crate) data: &'t [u8],
    pub(crate) resizable: bool,
}

/// A view of a buffer.
#[derive(Clone, Copy)]
pub(crate) struct BufferView<'t> {
    pub(crate) name: &'t [u8],
    pub(crate) offset: u64,
    /// The length in elements; `None` if the view tracks its buffer's length.
    pub(crate) length: Option<u64>,
    pub(crate) buffer: &'t Tree<'t>,
}

impl BufferView<'_> {
    /// Returns the size of an element in bytes.
    pub(crate) fn size(&self) -> usize {
        match self.name {
            b"Int16Array" | b"Uint16Array" | b"Float16Array" => 2,
            b"Int32Array" | b"Uint32Array" | b"Float32Array" => 4,
            b"Float64Array" | b"BigInt64Array" | b"BigUint64Array" => 8,
            _ => 1,
        }
    }
}
