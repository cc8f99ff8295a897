//! What a policy file must be beyond its form: what it says must be able to happen, and must not contradict itself.

mod arrival;
mod fields;
mod private;
mod rules;
mod schema;

pub(crate) use arrival::order_of_arrival;
pub use schema::{Checked, against_schema};

use super::file::{Fault, PolicyFile};

/// Checks each scope for itself.
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

/// What is not wrong, and seldom meant.
pub(crate) fn notes(file: &PolicyFile) -> Vec<Fault> {
    let scopes = || std::iter::once(&file.defaults).chain(&file.stores);
    scopes().flat_map(fields::left_behind).collect()
}
