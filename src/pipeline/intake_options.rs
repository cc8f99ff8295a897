//! The options of a call, completed by the attributes of each FlowFile.

use super::SyncOptions;
use super::admission::Admission;
use super::verdict::{Review, ascii};
use crate::decode::{Decimals, DecodeOptions, Dialect, Mode};
use crate::failure::Failure;
use crate::flowfile::{Attributes, names};
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::KeyPath;
use crate::normalize::NormalizeOptions;
use crate::snapshot::SourceId;
use crate::snapshot::sources::MAX_DELIVERY_BYTES;

/// The configuration for every FlowFile of a call.
#[derive(Clone, Debug)]
pub struct IntakeOptions {
    /// The bucket.
    pub bucket: String,
    /// The flow; by default the database's name.
    pub flow: Option<String>,
    /// Defaults for everything that the content does not contain.
    pub decode: DecodeOptions,
    /// Options for reading values, and the time of receipt.
    pub normalize: NormalizeOptions,
    /// The caller's options for the batch.
    pub sync: SyncOptions,
    /// The conditions for exit status 3.
    pub review: Review,
    /// True if the report contains the text of rejected lines. For a sequenced batch it always
    /// does.
    pub rejected_text: bool,
    /// The admission of batches; `None`: all are admitted.
    pub admission: Option<Admission>,
    /// True if the attribute `indexeddb.received.at` is used. It is never later than the time in
    /// the options.
    pub trusts_received_at: bool,
}

impl IntakeOptions {
    /// Returns the options of one FlowFile, completed by its attributes.
    pub(super) fn settled(&self, attributes: &Attributes) -> Result<Self, Failure> {
        let mut settled = self.clone();
        let decode = &mut settled.decode;
        let wrong = |name: &str, expected: &str| {
            Failure::usage(format!("attribute {name} must be {expected}"))
        };
        // An attribute that is almost right would be ignored, and the batch be stored in the wrong
        // place.
        if let Some((name, _)) = attributes.iter().find(|(name, _)| names::is_misspelt(name)) {
            return Err(Failure::usage(format!(
                "attribute {} is unknown: is it misspelt?",
                ascii(name)
            )));
        }
        if let Some(text) = attributes.get(names::INPUT) {
            let all = || {
                Dialect::ALL.iter().copied().flat_map(Dialect::names).collect::<Vec<_>>().join(", ")
            };
            let dialect = Dialect::from_name(text);
            let dialect =
                dialect.ok_or_else(|| wrong(names::INPUT, &format!("one of {}", all())))?;
            decode.input = Some(dialect);
        }
        if let Some(text) = attributes.get(names::MODE) {
            decode.mode = Some(match text {
                "delta" => Mode::Delta,
                "full" => Mode::Full,
                _ => return Err(wrong(names::MODE, "delta or full")),
            });
        }
        if let Some(text) = attributes.get(names::DATABASE) {
            decode.database = Some(text.into());
        }
        if let Some(text) = attributes.get(names::DATABASE_VERSION) {
            let expected = || wrong(names::DATABASE_VERSION, "a number from 1");
            decode.database_version = Some(text.parse().map_err(|_| expected())?);
        }
        if let Some(text) = attributes.get(names::OBJECT_STORE) {
            decode.object_store = Some(text.into());
        }
        if let Some(text) = attributes.get(names::KEY_PATHS) {
            decode.key_paths = key_paths(text)?;
        }
        if let Some(text) = attributes.get(names::SKIP_STORES) {
            let names: Result<Vec<String>, _> = serde_json::from_str(text);
            let names =
                names.map_err(|_| wrong(names::SKIP_STORES, "a JSON array of object stores"))?;
            decode.skip_stores = names.iter().map(|name| name.as_str().into()).collect();
        }
        if let Some(text) = attributes.get(names::DECIMALS) {
            decode.decimals = match text {
                "number" => Decimals::Number,
                "text" => Decimals::Text,
                _ => return Err(wrong(names::DECIMALS, "number or text")),
            };
        }
        if let Some(text) = attributes.get(names::REJECTS) {
            match text {
                "text" => settled.rejected_text = true,
                "place" => {}
                _ => return Err(wrong(names::REJECTS, "text or place")),
            }
        }
        if let Some(text) = attributes.get(names::ORIGIN) {
            decode.origin = Some(text.to_owned());
        }
        let (path, field) = (attributes.get(names::KEY_PATH), attributes.get(names::KEY_FIELD));
        // One of them replaces both options, which exclude each other.
        if path.is_some() || field.is_some() {
            decode.key_path = path.map(key_path).transpose()?;
            decode.key_field = field.map(str::to_owned);
        }
        if let Some(text) = attributes.get(names::SOURCE) {
            let expected = || wrong(names::SOURCE, "1 to 64 of A-Z a-z 0-9 . _ : -");
            let source: SourceId = text.parse().map_err(|_| expected())?;
            // A server's client may be bound to one source.
            if decode.source.as_ref().is_some_and(|known| *known != source) {
                return Err(Failure::usage(
                    "attribute indexeddb.source names another source than the options",
                ));
            }
            decode.source = Some(source);
        }
        if let Some(text) = attributes.get(names::RECEIVED_AT) {
            let expected = || wrong(names::RECEIVED_AT, "milliseconds since 1970");
            let at = text
                .parse()
                .ok()
                .filter(|at| (0..=crate::indexeddb::iso_date::MAX_DATE_MS).contains(at));
            // A browser could otherwise win every conflict with a time in the future.
            if self.trusts_received_at {
                settled.normalize.received_at =
                    at.ok_or_else(expected)?.min(self.normalize.received_at);
            }
        }
        if let Some(id) = delivery(attributes) {
            settled.sync.delivery = Some(id.to_owned());
        }
        if settled.sync.delivery.as_ref().is_some_and(|id| id.len() > MAX_DELIVERY_BYTES) {
            return Err(Failure::usage(format!(
                "the delivery id is longer than {MAX_DELIVERY_BYTES} bytes"
            )));
        }
        Ok(settled)
    }

    /// Returns the id of the delivery, if it has one.
    pub(super) fn delivery_id(&self) -> Option<&str> {
        self.sync.delivery.as_deref()
    }
}

/// Returns the delivery id in the attributes. `uuid` is the default, but NiFi gives a FlowFile a
/// new one when it passes through a file or another flow.
pub fn delivery(attributes: &Attributes) -> Option<&str> {
    attributes.get(names::DELIVERY).or_else(|| attributes.get(names::UUID))
}

fn key_path(text: &str) -> Result<KeyPath, Failure> {
    if !text.starts_with('[') {
        return Ok(KeyPath::Path(text.into()));
    }
    let paths: Vec<String> = serde_json::from_str(text).map_err(|_| {
        Failure::usage("attribute indexeddb.key.path must be a path, or a JSON array of paths")
    })?;
    Ok(KeyPath::Paths(paths.iter().map(|path| path.as_str().into()).collect()))
}

/// Parses key paths by object store: a JSON object whose values are paths, or arrays of paths.
fn key_paths(text: &str) -> Result<Vec<(DomString, KeyPath)>, Failure> {
    let wrong = || {
        let what = "attribute indexeddb.key.paths must be a JSON object of object stores, each \
            with a path, or an array of paths";
        Failure::usage(what)
    };
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|_| wrong())?;
    let read = |(name, path): (&String, &serde_json::Value)| {
        Some((name.as_str().into(), KeyPath::from_json(path).ok()?))
    };
    members.iter().map(read).collect::<Option<_>>().ok_or_else(wrong)
}
