//! Checks that a private field is either left out, replaced by a mark, or hashed, but only one of
//! these.

use crate::policy::file::Fault;
use crate::policy::file::scope::Scope;
use crate::policy::privacy::Hide;

/// Finds fields that are in two lists, or twice in one, and fields inside others.
pub(super) fn check(scope: &Scope, faults: &mut Vec<Fault>) {
    let mut private: Vec<_> = scope.privacy.iter().collect();
    private
        .sort_by(|a, b| a.path.steps().cmp(b.path.steps()).then(a.place.start.cmp(&b.place.start)));
    let mut outer = None;
    for one in private {
        let Some(other) = outer.replace(one) else { continue };
        if !one.path.is_within(&other.path) {
            continue;
        }
        outer = Some(other);
        let place = one.place.start.max(other.place.start);
        let later = if place == one.place.start { one } else { other };
        let what = match other.hide {
            Hide::Exclude => "left out",
            Hide::Redact => "replaced by a mark",
            Hide::Hash => "hashed",
        };
        let message = if one.path.steps() == other.path.steps() {
            format!("the field \"{}\" is in two lists, or twice in one", one.path)
        } else {
            format!(
                "the field \"{}\" is inside \"{}\", which is {what} as a whole",
                one.path, other.path
            )
        };
        faults.push(Fault::new(later.place.clone(), message).help("leave one of them out"));
    }
}
