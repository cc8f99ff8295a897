//! Checks of a policy file beyond its form: everything in it must be able to take effect, and must
//! not contradict the rest.

mod arrival;
mod fields;
mod private;
mod rules;
mod schema;

pub(crate) use arrival::order_of_arrival;
pub use schema::{SchemaCheckResult, against_schema};

use super::file::{Fault, PolicyFile};

/// Checks each scope separately.
pub(crate) fn scopes(file: &PolicyFile) -> Vec<Fault> {
    let mut faults = Vec::new();
    for scope in std::iter::once(&file.defaults).chain(&file.stores) {
        let own = scope.store.as_ref().map_or(&file.policy.default, |name| file.policy.store(name));
        fields::check(scope, &mut faults);
        rules::check(scope, own, &mut faults);
        private::check(scope, &mut faults);
    }
    faults
}

/// Returns notes on things that are valid but rarely intended.
pub(crate) fn notes(file: &PolicyFile) -> Vec<Fault> {
    let scopes = || std::iter::once(&file.defaults).chain(&file.stores);
    scopes().flat_map(fields::left_behind).collect()
}
