//! Reads the top level of a policy file.

use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::names::{CLOCK, TOMBSTONES, TOP};
use super::reader::{Reader, TomlTable, Value};
use super::scope::Scope;
use super::{MAX_FILE_BYTES, MAX_STORES, PolicyFile, overlay};
use crate::indexeddb::dom_string::DomString;
use crate::policy::rules::Tombstones;

/// The version of the format.
const VERSION: &str = "1";

/// The most TOML syntax faults that are reported; further ones are usually consequences of the
/// first.
const MAX_SYNTAX_FAULTS: usize = 10;

/// Reads a file. The relations between scopes are checked elsewhere.
pub(in crate::policy) fn read(text: &str) -> Result<PolicyFile, Vec<Fault>> {
    if text.len() > MAX_FILE_BYTES {
        let message = format!(
            "a policy file may have {MAX_FILE_BYTES} bytes, and this one has {}",
            text.len()
        );
        return Err(vec![Fault::new(0..0, message)]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let fault = |error: &toml::de::Error| {
            let span = error.span().unwrap_or_default();
            let fault = Fault::new(span, format!("this is no TOML: {}", error.message()));
            Fault { help: syntax_help(error.message()).map(str::to_owned), ..fault }
        };
        return Err(errors.iter().take(MAX_SYNTAX_FAULTS).map(fault).collect());
    }
    let mut reader = Reader { text, faults: Vec::new(), notes: Vec::new() };
    let file = reader.top(table.get_ref());
    if reader.faults.is_empty() {
        return Ok(file);
    }
    reader.faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
    Err(reader.faults)
}

/// Returns the correction for common mistakes in TOML.
fn syntax_help(message: &str) -> Option<&'static str> {
    let helps = [
        ("duplicate key", "a name stands once in a table: join the two, or rename one"),
        ("must be quoted", "write it between quotes"),
        ("unclosed table", "write ] at its end"),
        ("unclosed array", "write ] at its end"),
        ("unclosed inline table", "write } at its end"),
        (
            "invalid basic string",
            "write a quote at its end; in \"...\" a backslash is \\\\, in '...' it is itself",
        ),
        ("missing escaped value", "in \"...\" a backslash is \\\\; in '...' it is itself"),
    ];
    helps.into_iter().find(|(part, _)| message.contains(part)).map(|(_, help)| help)
}

impl<'a> Reader<'a> {
    fn top(&mut self, table: &TomlTable<'a>) -> PolicyFile {
        self.version(table);
        self.known(table, TOP, "a policy file");
        let tombstones = table.get("tombstones").and_then(|value| self.tombstones(value));
        let max_skew_ms = table.get("clock").and_then(|value| self.max_skew(value));
        let defaults = match table.get("defaults") {
            Some(value) => self.scope(value, None),
            None => Scope::default(),
        };
        let mut stores = table.get("stores").map(|value| self.stores(value)).unwrap_or_default();
        stores.sort_by_key(|scope| scope.place.start);
        let cases = table.get("tests").map(|value| self.cases(value)).unwrap_or_default();
        let policy = overlay::policy(&defaults, &stores, tombstones, max_skew_ms);
        PolicyFile { policy, cases, notes: std::mem::take(&mut self.notes), defaults, stores }
    }

    fn version(&mut self, table: &TomlTable<'a>) {
        let Some(value) = table.get("version") else {
            let fault = Fault::new(0..0, "the file does not say its version");
            self.fault(fault.help("write version = 1 in the first line, above all [tables]"));
            return;
        };
        let is_right =
            matches!(value.get_ref(), DeValue::Integer(number) if number.to_string() == VERSION);
        if !is_right {
            let message = "this release reads version 1 of the format";
            self.fault(Fault::new(value.span(), message).help("write version = 1"));
        }
    }

    fn tombstones(&mut self, value: &Value<'a>) -> Option<Tombstones> {
        let table = self.table(value, "tombstones")?;
        self.known(table, TOMBSTONES, "tombstones");
        let (keep, offline) = (table.get("keep"), table.get("longest-offline"));
        let (Some(keep), Some(offline)) = (keep, offline) else {
            let missing = if keep.is_none() { "keep" } else { "longest-offline" };
            let fault = Fault::new(value.span(), format!("tombstones need `{missing}`"));
            self.fault(fault.help(
                r#"write keep = "90d" and longest-offline = "30d", or leave tombstones out"#,
            ));
            return None;
        };
        let (keep_ms, longest_offline_ms) =
            (self.duration(keep, "keep"), self.duration(offline, "longest-offline"));
        let (keep_ms, longest_offline_ms) = (keep_ms?, longest_offline_ms?);
        if keep_ms < longest_offline_ms {
            let message = "deletions are forgotten before a source may come back";
            let help = "keep is at least longest-offline: else what was deleted comes back with \
                such a source";
            self.fault(Fault::new(keep.span(), message).help(help));
        }
        Some(Tombstones { keep_ms, longest_offline_ms })
    }

    fn max_skew(&mut self, value: &Value<'a>) -> Option<i64> {
        let table = self.table(value, "clock")?;
        self.known(table, CLOCK, "clock");
        self.duration(table.get("max-skew")?, "max-skew")
    }

    fn stores(&mut self, value: &Value<'a>) -> Vec<Scope> {
        let Some(table) = self.table(value, "stores") else { return Vec::new() };
        if !self.limit(&value.span(), table.len(), MAX_STORES, "object stores") {
            return Vec::new();
        }
        table
            .iter()
            .map(|(name, value)| self.scope(value, Some(DomString::from(name.get_ref().as_ref()))))
            .collect()
    }
}
