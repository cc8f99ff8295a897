//! Reads policy files. Turns TOML into a [`Policy`] and its cases, or into all faults with their
//! places.

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
pub(super) mod top;
mod value;

pub use case::{Case, CaseBase, CaseResult, CaseState, Expectation, ExpectedDetection};
pub use fault::{ByteSpan, Fault, FilePosition};

use self::scope::Scope;
use super::rules::Policy;

/// The greatest length of a policy file, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// The most rules in one scope.
const MAX_RULES: usize = 1_000;

/// The most fields in one list.
const MAX_FIELDS: usize = 10_000;

/// The most object stores with their own rules.
const MAX_STORES: usize = 1_000;

/// The most cases in one file.
const MAX_CASES: usize = 10_000;

/// A policy file that has been read and checked.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// The policy that a merge uses.
    pub policy: Policy,
    /// The cases, in the file's order.
    pub cases: Vec<Case>,
    /// Notes on things that are valid but worth knowing, in the file's order.
    pub notes: Vec<Fault>,
    /// The defaults, as written in the file.
    pub(crate) defaults: Scope,
    /// The object stores' scopes, as written in the file and in its order.
    pub(crate) stores: Vec<Scope>,
}

impl PolicyFile {
    /// True if the file has rules for this object store.
    pub fn names(&self, store: &crate::indexeddb::dom_string::DomString) -> bool {
        self.policy.stores.contains_key(store)
    }
}
