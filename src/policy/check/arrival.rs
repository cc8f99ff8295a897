//! Finds the scopes that depend on the order in which batches arrive: a fault if the file requires
//! that they do not, otherwise a note.

use crate::policy::commutative::{Reason, ScopePart, why_not_commutative};
use crate::policy::file::scope::{BOTH_VALUES, Scope};
use crate::policy::file::{ByteSpan, Fault, PolicyFile};
use crate::policy::rules::{Detect, StorePolicy};
use crate::snapshot::ConflictType;

/// The most reasons that a note lists; the others are counted.
const SHOWN_REASONS: usize = 3;

/// Adds notes to the file, and returns the faults.
pub(crate) fn order_of_arrival(file: &mut PolicyFile) -> Vec<Fault> {
    let (mut faults, mut notes) = (Vec::new(), Vec::new());
    for scope in std::iter::once(&file.defaults).chain(&file.stores) {
        let (own, above) = match &scope.store {
            Some(name) => (file.policy.store(name), Some(&file.defaults)),
            None => (&file.policy.default, None),
        };
        let reasons = why_not_commutative(own);
        if own.commutative {
            faults.extend(reasons.iter().map(|reason| fault(reason, own, scope, above)));
            faults.extend(needless_detect(scope));
        } else {
            notes.push(note(&reasons, scope));
        }
    }
    // A fault in the defaults also appears in every object store.
    faults.dedup();
    faults.sort_by_key(|fault| fault.span.start);
    faults.dedup();
    file.notes.extend(notes);
    file.notes.sort_by_key(|note| note.span.start);
    faults
}

fn fault(reason: &Reason, own: &StorePolicy, scope: &Scope, above: Option<&Scope>) -> Fault {
    let said = |scope: &Scope| scope.commutative.as_ref().map(|said| said.place.clone());
    let asked = said(scope).or_else(|| above.and_then(said)).unwrap_or_else(|| scope.place.clone());
    let place = place_of(reason.part, own, scope, above).unwrap_or(asked);
    let message =
        format!("{} must not depend on the order of arrival, but {}", named(scope), reason.why);
    Fault::new(place, message).help(help(reason.part, scope))
}

fn named(scope: &Scope) -> String {
    scope
        .store
        .as_ref()
        .map_or_else(|| "the defaults".to_owned(), |name| format!("{:?}", name.to_string()))
}

fn help(part: ScopePart, scope: &Scope) -> String {
    use ConflictType as T;
    let right = match part {
        ScopePart::Type(T::InsertInsert | T::UpdateUpdate) => {
            "write resolve = \"last-write-wins\"".to_owned()
        }
        ScopePart::Type(
            conflict @ (T::UpdateDelete | T::DeleteUpdate | T::UpdateRecentlyDeleted),
        ) => {
            let name = conflict.name();
            format!(
                "write {name} = \"delete-wins\" in [{}.types], and the same for the two others",
                scope.table()
            )
        }
        ScopePart::Type(conflict @ (T::UpdateMissing | T::DeleteMissing)) => {
            format!("write {} = \"incoming-wins\" in [{}.types]", conflict.name(), scope.table())
        }
        ScopePart::Type(conflict) => format!("leave {} out", conflict.name()),
        ScopePart::Rule(_) => "leave the rule out".to_owned(),
        ScopePart::Field(_) => {
            "last-write-wins, max, min, set-union, order, delta and append-unique with order-by do \
             not"
            .to_owned()
        }
        ScopePart::Unresolved => "write on-unresolved = \"last-write-wins\"".to_owned(),
    };
    format!("{right}, or leave commutative out")
}

/// Returns the place in the file that causes a reason, or `None` if the file does not mention it.
fn place_of(
    part: ScopePart,
    own: &StorePolicy,
    scope: &Scope,
    above: Option<&Scope>,
) -> Option<ByteSpan> {
    let scopes = || std::iter::once(scope).chain(above);
    match part {
        ScopePart::Type(conflict) => scopes().find_map(|scope| {
            let resolve = scope.resolve.as_ref().filter(|_| BOTH_VALUES.contains(&conflict));
            let said = scope.types.get(conflict as usize).and_then(Option::as_ref).or(resolve);
            said.map(|said| said.place.clone())
        }),
        // A scope's own rules and fields come first, then those of the defaults.
        ScopePart::Rule(number) => {
            scopes().flat_map(|scope| &scope.rules).nth(number).map(|said| said.place.clone())
        }
        ScopePart::Field(number) => {
            let rule = own.fields.get(number)?;
            let mut said = scopes().flat_map(|scope| &scope.fields);
            said.find(|said| said.rule.name == rule.name).map(|said| said.resolver_place.clone())
        }
        ScopePart::Unresolved => {
            scopes().find_map(|scope| scope.unresolved.as_ref().map(|said| said.place.clone()))
        }
    }
}

fn needless_detect(scope: &Scope) -> Option<Fault> {
    let said = scope.detect.as_ref().filter(|said| said.value != Detect::BaseRevision)?;
    scope.commutative.as_ref().filter(|said| said.value)?;
    let fault = Fault::new(
        said.place.clone(),
        "with commutative = true every change is judged, whatever it had seen",
    );
    Some(fault.help("leave detect out"))
}

fn note(reasons: &[Reason], scope: &Scope) -> Fault {
    let name = named(scope);
    if reasons.is_empty() {
        let message = format!("{name} could do without the order of arrival");
        return Fault::new(scope.place.clone(), message)
            .help("with commutative = true it will, if every change has a clock");
    }
    let mut whys: Vec<_> =
        reasons.iter().take(SHOWN_REASONS).map(|reason| reason.why.clone()).collect();
    if reasons.len() > SHOWN_REASONS {
        whys.push(format!("and {} more", reasons.len() - SHOWN_REASONS));
    }
    let verb = if scope.store.is_some() { "depends" } else { "depend" };
    Fault::new(
        scope.place.clone(),
        format!("{name} {verb} on the order in which batches arrive: {}", whys.join("; ")),
    )
}
