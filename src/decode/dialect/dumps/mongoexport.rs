//! Output of mongoexport: one document of extended JSON a line or, with `--jsonArray`, an array of
//! them.

use crate::decode::dialect::{ANY_STRING, Beginning, Dialect, DialectSpec};
use crate::loss::what;
use std::io::Read;

use super::{Dump, DumpFormat, NO_OBJECT, Source, store};
use crate::decode::built::Built;
use crate::decode::document_walk::{DocumentWalk, First};
use crate::decode::error::DecodeError;
use crate::decode::extended_json;
use crate::decode::framing::Lines;
use crate::decode::opened_document::OpenedDocument;
use crate::decode::options::{DEFAULT_DATABASE, Decimals, DecodeOptions};
use crate::decode::raw_json::{Reject, tree};
use crate::decode::staged::RawRecord;

pub(crate) const SPEC: DialectSpec = DialectSpec {
    name: "mongoexport",
    summary: "An output of mongoexport; needs --object-store",
    losses: &[what::DATABASE_TYPES, what::SCHEMA],
    beginnings: &[
        Beginning::only(&[b"{", b"\"_id\"", b":", b"{", b"\"$oid\"", b":", ANY_STRING, b"}"]),
        Beginning::only(&[b"[", b"{", b"\"_id\"", b":", b"{", b"\"$oid\"", b":", ANY_STRING, b"}"]),
    ],
    ..DialectSpec::NONE
};

/// The key path of documents.
const KEY_PATH: &str = "_id";

/// The reader's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DocumentPosition {
    Start,
    Array(First),
    Values,
    End,
}

/// The documents of a file, one at a time.
pub(super) struct Documents {
    at: DocumentPosition,
    max_line_bytes: usize,
}

/// Returns the header; nothing is read yet.
pub(crate) fn open(options: &DecodeOptions) -> Result<OpenedDocument<Dump>, DecodeError> {
    let Some(name) = &options.object_store else {
        let what =
            "a file of mongoexport holds one collection and does not name it: give --object-store";
        return Err(DecodeError::Usage(what.to_owned()));
    };
    let stores = vec![store(name, options, KEY_PATH)];
    let database = options.database.clone().unwrap_or_else(|| DEFAULT_DATABASE.into());
    let version = options.database_version.unwrap_or(1);
    let header = options.import_header(Dialect::Mongoexport, database, version, stores)?;
    let source = Source::Stream(Documents {
        at: DocumentPosition::Start,
        max_line_bytes: options.max_line_bytes,
    });
    let dump = Dump::new(DumpFormat::Mongoexport, source, options);
    Ok(OpenedDocument { header, names: vec![name.clone()], records: dump })
}

impl Documents {
    /// Finds the next document and copies it to `raw`.
    pub(super) fn next<R: Read>(
        &mut self,
        lines: &mut Lines<R>,
        raw: &mut Vec<u8>,
    ) -> Result<Option<RawRecord>, DecodeError> {
        let mut pull = DocumentWalk(lines);
        loop {
            let found = match &mut self.at {
                DocumentPosition::Start => {
                    self.at = if pull.peek_or_end()? == Some(b'[') {
                        DocumentPosition::Array(pull.open(b'[', "the array")?)
                    } else {
                        DocumentPosition::Values
                    };
                    continue;
                }
                DocumentPosition::Array(first) => {
                    let found = pull.item(first)?;
                    if !found {
                        pull.finish()?;
                    }
                    found
                }
                DocumentPosition::Values => pull.peek_or_end()?.is_some(),
                DocumentPosition::End => return Ok(None),
            };
            if !found {
                self.at = DocumentPosition::End;
                return Ok(None);
            }
            pull.peek()?;
            let mark = pull.mark();
            let whole = pull.copy(raw, self.max_line_bytes)?;
            return Ok(Some(RawRecord { store: Some(0), mark, too_long: !whole }));
        }
    }
}

/// Builds a document.
pub(super) fn record(raw: &[u8], decimals: Decimals, out: &mut Built) -> Result<(), Reject> {
    let document = tree(raw)?;
    document.members().ok_or(NO_OBJECT)?;
    extended_json::write(&document, decimals, &mut out.value)
}
