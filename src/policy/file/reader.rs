//! Reads values from parsed TOML, and collects their faults.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{ByteSpan, Fault};
use super::string::inside;
use crate::policy::duration::duration_ms;
use crate::policy::path::FieldPath;
use crate::similar::{listed, similar};

/// A value and its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A table.
pub(super) type TomlTable<'a> = DeTable<'a>;

/// A value from the file, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Said<T> {
    /// The value.
    pub(crate) value: T,
    /// The place.
    pub(crate) place: ByteSpan,
}

impl<T> Said<T> {
    /// Returns `value` with the position of `place`.
    pub(super) fn of(value: T, place: &Value<'_>) -> Self {
        Self { value, place: place.span() }
    }
}

/// The file's text, with the faults found so far.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) faults: Vec<Fault>,
    pub(super) notes: Vec<Fault>,
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

impl<'a> Reader<'a> {
    /// Adds a fault.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Adds a fault for a value that is not of the expected form.
    fn not(&mut self, value: &Value<'_>, what: &str, expected: &str) {
        let found = kind(value.get_ref());
        let help = match expected {
            "a string" => "write it between quotes",
            "true or false" => "write true or false, without quotes",
            "an array" => "write [...]",
            _ => "write { name = value }, or a [table] of its own",
        };
        self.fault(
            Fault::new(value.span(), format!("{what} must be {expected}, and is {found}"))
                .help(help),
        );
    }

    /// Finds members that a table may not have.
    pub(super) fn known(&mut self, table: &TomlTable<'_>, names: &[&str], what: &str) {
        for key in table.keys().filter(|key| !names.contains(&key.get_ref().as_ref())) {
            let help = match similar(key.get_ref(), names.iter().copied()) {
                Some(near) => format!("write {near}"),
                None => format!("{what} has {}", names.join(", ")),
            };
            let message = format!("unknown member {:?} of {what}", key.get_ref());
            self.fault(Fault::new(key.span(), message).help(help));
        }
    }

    /// Reads a word from a fixed list.
    pub(super) fn word(
        &mut self,
        word: &str,
        place: ByteSpan,
        known: &[&'static str],
        what: &str,
    ) -> Option<&'static str> {
        let found = known.iter().find(|it| **it == word).copied();
        if found.is_none() {
            let help = match similar(word, known.iter().copied()) {
                Some(near) => format!("write {near:?}"),
                None => format!("there are {}", listed(known.iter().copied())),
            };
            self.fault(Fault::new(place, format!("unknown {what} {word:?}")).help(help));
        }
        found
    }

    pub(super) fn table<'t>(
        &mut self,
        value: &'t Value<'a>,
        what: &str,
    ) -> Option<&'t TomlTable<'a>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.not(value, what, "a table");
                None
            }
        }
    }

    pub(super) fn array<'t>(
        &mut self,
        value: &'t Value<'a>,
        what: &str,
    ) -> Option<&'t [Value<'a>]> {
        match value.get_ref() {
            DeValue::Array(array) => Some(array),
            _ => {
                self.not(value, what, "an array");
                None
            }
        }
    }

    /// Reads an array of tables: `[[name]]`.
    pub(super) fn tables<'t>(
        &mut self,
        value: &'t Value<'a>,
        what: &str,
    ) -> Vec<(&'t TomlTable<'a>, ByteSpan)> {
        if let DeValue::Table(_) = value.get_ref() {
            let message = format!("{what} must be an array of tables, and is one table");
            self.fault(
                Fault::new(value.span(), message)
                    .help(format!("write [[{what}]] with two brackets")),
            );
            return Vec::new();
        }
        let items = self.array(value, what).unwrap_or_default();
        let one = |item: &'t Value<'a>| self.table(item, what).map(|table| (table, item.span()));
        items.iter().filter_map(one).collect()
    }

    pub(super) fn string<'t>(&mut self, value: &'t Value<'a>, what: &str) -> Option<&'t str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => {
                self.not(value, what, "a string");
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, value: &Value<'a>, what: &str) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.not(value, what, "true or false");
                None
            }
        }
    }

    /// Reads a member that is `true` or left out.
    pub(super) fn flag(&mut self, table: &TomlTable<'a>, name: &str) -> bool {
        let Some(value) = table.get(name) else { return false };
        let said = self.boolean(value, name);
        if said == Some(false) {
            self.fault(
                Fault::new(value.span(), format!("{name} is true or left out"))
                    .help("leave it out"),
            );
        }
        said == Some(true)
    }

    /// Reads the path in the text at `place`. It may contain `[]` if `elements` is true.
    pub(super) fn path_of(
        &mut self,
        text: &str,
        place: ByteSpan,
        elements: bool,
    ) -> Option<FieldPath> {
        match FieldPath::parse(text) {
            Ok(path) if path.has_elements() && !elements => {
                let at = text.find("[]").unwrap_or_default();
                let place = inside(self.text, &place, at, at + "[]".len());
                let help = "name the array itself; [] stands in privacy only";
                self.fault(
                    Fault::new(place, format!("{text:?} names elements of an array")).help(help),
                );
                None
            }
            Ok(path) => Some(path),
            Err(error) => {
                let place = inside(self.text, &place, error.offset, error.offset + 1);
                let help = r#"member names joined by a dot, such as address.city; others in quotes: "\"a.b\".c""#;
                self.fault(
                    Fault::new(place, format!("{text:?} is no path: {}", error.what)).help(help),
                );
                None
            }
        }
    }

    pub(super) fn path(&mut self, value: &Value<'a>, what: &str) -> Option<FieldPath> {
        let text = self.string(value, what)?;
        self.path_of(text, value.span(), false)
    }

    /// Reads a duration, in milliseconds.
    pub(super) fn duration(&mut self, value: &Value<'a>, what: &str) -> Option<i64> {
        let text = self.string(value, what)?;
        let read = duration_ms(text).and_then(|value| i64::try_from(value).ok());
        if read.is_none() {
            let help = "write a number with ms, s, m, h or d, such as \"90d\"";
            self.fault(
                Fault::new(value.span(), format!("{what} is no duration: {text:?}")).help(help),
            );
        }
        read
    }

    /// Checks the length of a list; a list that is too long is not read.
    pub(super) fn limit(
        &mut self,
        place: &ByteSpan,
        count: usize,
        most: usize,
        what: &str,
    ) -> bool {
        if count > most {
            let message = format!("{count} {what} are too many: there may be {most}");
            self.fault(Fault::new(place.clone(), message));
        }
        count <= most
    }
}
