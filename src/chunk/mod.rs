//! Stage 4: turns sorted lines into chunks, and chunks into lines.

mod boundary;
mod builder;
mod content;
mod editor;
mod reader;
mod stored_lines;

pub use boundary::{Boundary, CAP_BYTES, MIN_BYTES, TARGET_BYTES, weight};
pub use builder::ChunkBuilder;
pub use content::{ContentBuilder, ContentRef};
pub use editor::{ChunkSink, ChunkSource, ListEditor, lines_of};
pub use reader::{parse_chunk, store_name};
