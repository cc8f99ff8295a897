//! Converts a row of an event to our form, column by column.

use std::collections::HashMap;

use super::{KeyColumns, decimal, unsent};
use crate::decode::options::Decimals;
use crate::decode::raw_json::{self, Reject, tree};
use crate::indexeddb::number;
use crate::indexeddb::schema::KeyPath;
use crate::indexeddb::value::tree::{Tree, write_name, write_plain};
use crate::rejection::code;

/// The scales of the columns that an event's schema declares as decimals.
pub(super) type Scales = HashMap<Vec<u8>, i64>;

/// A row: the values that were sent, and the names of those that were not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Names as written in JSON, with values in our form.
    columns: Vec<(Vec<u8>, Vec<u8>)>,
    /// Names of the columns that did not change and were not sent.
    pub(super) unsent: Vec<Vec<u8>>,
    /// The row as one text in our form, if it is not a list of columns.
    whole: Option<Vec<u8>>,
    /// The names of the columns that were removed, if only changes were sent.
    pub(super) gone: Option<Vec<Vec<u8>>>,
    /// True if only the key can be trusted.
    is_key_only: bool,
}

impl Row {
    /// Reads a row from a JSON object; `is_own` decides which members are columns.
    pub(super) fn read(
        raw: &[u8],
        keys: &KeyColumns<'_>,
        scales: Option<&Scales>,
        is_own: impl Fn(&[u8]) -> bool,
    ) -> Result<Self, Reject> {
        let tree = tree(raw)?;
        let members = tree.members().ok_or((code::SYNTAX, "the row is not an object"))?;
        let mut row = Self::default();
        for (name, value) in members.iter().filter(|(name, _)| is_own(name)) {
            row.push(name, value, keys, scales.and_then(|scales| scales.get(*name)).copied());
        }
        Ok(row)
    }

    /// Returns a row from a document that is already in our form.
    pub(super) fn document(text: Vec<u8>) -> Self {
        Self { whole: Some(text), ..Self::default() }
    }

    /// Returns a part of a document: the members that changed, and the names of those that were
    /// removed.
    pub(super) fn part_of_document(text: Vec<u8>, gone: Vec<Vec<u8>>) -> Self {
        Self { whole: Some(text), gone: Some(gone), ..Self::default() }
    }

    /// Returns the same row, of which only the key can be trusted.
    pub(super) fn key_only(self) -> Self {
        Self { is_key_only: true, unsent: Vec::new(), ..self }
    }

    /// Adds a column.
    pub(super) fn push(
        &mut self,
        name: &[u8],
        value: &Tree<'_>,
        keys: &KeyColumns<'_>,
        scale: Option<i64>,
    ) {
        if unsent::is_unsent(value) {
            self.unsent.push(name.to_vec());
            return;
        }
        let mut text = Vec::new();
        write_column(value, scale, keys.has(name), keys, &mut text);
        self.columns.push((name.to_vec(), text));
    }

    /// Takes unsent values from the row before the change, if it contains them. A `null` there does
    /// not count: a null column is never left out, and databases that log only the key give `null`
    /// for all other columns.
    pub(super) fn take_unsent_from(&mut self, before: &Self) {
        let Self { columns, unsent, .. } = self;
        unsent.retain(|name| {
            match before.columns.iter().find(|(own, value)| own == name && value != b"null") {
                Some(column) => {
                    columns.push(column.clone());
                    false
                }
                None => true,
            }
        });
    }

    /// Returns the key, and removes it from the row if the object store has out-of-line keys.
    pub(super) fn key(
        &mut self,
        path: Option<&KeyPath>,
        field: Option<&str>,
    ) -> Result<Vec<u8>, Reject> {
        match (path, field) {
            (Some(path), _) => raw_json::key_at(&self.text(), path),
            (None, Some(field)) => {
                let (text, mut rest) = (self.text(), Vec::new());
                let key = raw_json::take_key(&text, field, &mut rest)?.of(&text).to_vec();
                self.whole = Some(rest);
                Ok(key)
            }
            (None, None) => Err((code::NO_KEY, "nothing says where the key is")),
        }
    }

    /// Returns the row as the base of a change; empty if only its key can be trusted.
    pub(super) fn base(&self) -> Vec<u8> {
        if self.is_key_only { Vec::new() } else { self.text() }
    }

    /// Returns the row as one text.
    pub(super) fn text(&self) -> Vec<u8> {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        let mut text = vec![b'{'];
        for (name, value) in &self.columns {
            if text.len() > 1 {
                text.push(b',');
            }
            write_name(name, &mut text);
            text.extend_from_slice(value);
        }
        text.push(b'}');
        text
    }
}

/// Writes a column's value. Decimals become numbers, or text if the options ask for it. A key
/// cannot contain a BigInt, so with `--big-integers` an integer in a key that a double cannot
/// represent becomes text.
fn write_column(
    value: &Tree<'_>,
    scale: Option<i64>,
    is_key: bool,
    keys: &KeyColumns<'_>,
    out: &mut Vec<u8>,
) {
    let text = keys.options.decimals == Decimals::Text;
    let digits = scale
        .and_then(|scale| decimal::of_bytes(value, scale))
        .or_else(|| decimal::of_struct(value));
    let Some(digits) = digits else {
        if let Tree::Number(raw) = value
            && !decimal::fits(raw)
        {
            let integer = number::scan(raw).is_some_and(|literal| literal.integer);
            let as_text = if integer { is_key && keys.options.big_integers } else { text };
            return write_digits(raw, as_text, out);
        }
        return write_plain(value, out);
    };
    let whole = decimal::integer(&digits);
    match whole {
        Some(whole) if is_key => {
            let as_text = !decimal::fits(whole.as_bytes()) && (text || keys.options.big_integers);
            write_digits(whole.as_bytes(), as_text, out);
        }
        Some(whole) if !text => write_digits(whole.as_bytes(), false, out),
        _ => write_digits(digits.as_bytes(), text, out),
    }
}

fn write_digits(digits: &[u8], as_text: bool, out: &mut Vec<u8>) {
    let quote: &[u8] = if as_text { b"\"" } else { b"" };
    out.extend_from_slice(&[quote, digits, quote].concat());
}
