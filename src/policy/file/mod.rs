//! Reads policy files: TOML in, a [`Policy`] and its cases out, or all that is wrong, each fault with its place.

mod case;
mod fault;
mod fields;
pub(crate) mod names;
mod overlay;
mod reader;
pub(crate) mod resolver;
mod rules;
pub(crate) mod scope;
mod string;
#[cfg(test)]
mod tests;
mod top;
mod value;

pub use case::{Case, CaseBase, CaseResult, CaseState, Expectation, ExpectedDetection};
pub use fault::{Fault, Place, Span};

use self::scope::Scope;
use super::check;
use super::rules::Policy;

/// A policy file may have this many bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Rules in one scope.
const MAX_RULES: usize = 1_000;

/// Fields in one list.
const MAX_FIELDS: usize = 10_000;

/// Object stores with rules of their own.
const MAX_STORES: usize = 1_000;

/// Cases in one file.
const MAX_CASES: usize = 10_000;

/// A policy file, read and checked.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// What a merge asks.
    pub policy: Policy,
    /// Its cases, in the file's order.
    pub cases: Vec<Case>,
    /// What is worth knowing and not wrong, in the file's order.
    pub notes: Vec<Fault>,
    /// The defaults as the file says them.
    pub(crate) defaults: Scope,
    /// The object stores' scopes as the file says them, in its order.
    pub(crate) stores: Vec<Scope>,
}

impl PolicyFile {
    /// Reads and checks a file's text.
    ///
    /// # Errors
    ///
    /// All faults, in the file's order; at least one.
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        let mut file = top::read(text)?;
        let mut faults = check::scopes(&file);
        if faults.is_empty() {
            // What depends on the order of arrival is asked of scopes that are right in themselves.
            faults = check::order_of_arrival(&mut file);
        }
        if faults.is_empty() {
            file.notes.extend(check::notes(&file));
            file.notes.sort_by_key(|note| note.span.start);
            return Ok(file);
        }
        faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        Err(faults)
    }

    /// Whether this object store has rules of its own.
    pub fn names(&self, store: &crate::indexeddb::dom_string::DomString) -> bool {
        self.policy.stores.contains_key(store)
    }
}
