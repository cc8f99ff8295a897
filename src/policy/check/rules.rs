//! Checks that every rule can match, and that its condition can be evaluated.

use crate::policy::expression::Expression;
use crate::policy::file::Fault;
use crate::policy::file::scope::{SaidRule, Scope};
use crate::policy::rules::StorePolicy;
use crate::similar::listed;
use crate::snapshot::ConflictType;

/// Checks the rules of a scope; `own` is the scope with the defaults applied.
pub(super) fn check(scope: &Scope, own: &StorePolicy, faults: &mut Vec<Fault>) {
    for (number, said) in scope.rules.iter().enumerate() {
        let before = scope.rules.get(..number).unwrap_or_default();
        if before.iter().any(|other| other.rule.name == said.rule.name) {
            let message = format!("there is a rule {:?} already", said.rule.name);
            faults.push(
                Fault::new(said.place.clone(), message)
                    .help("logs name rules by their names: give it another one"),
            );
        }
        if let Some(fault) = unreachable(said, before) {
            faults.push(fault);
        }
        not_looked_for(said, own, scope, faults);
        without_side(said, faults);
    }
}

/// True if an earlier rule takes a type from a later one: it always matches, or it has the same
/// condition.
fn takes(earlier: &SaidRule, later: &SaidRule) -> bool {
    let source = |said: &SaidRule| said.rule.when.as_ref().map(|when| when.source().to_owned());
    earlier.rule.when.is_none() || source(earlier) == source(later)
}

fn unreachable(said: &SaidRule, before: &[SaidRule]) -> Option<Fault> {
    let taker = |conflict: &ConflictType| {
        before.iter().find(|earlier| earlier.rule.types.contains(conflict) && takes(earlier, said))
    };
    let takers: Option<Vec<_>> = said.rule.types.iter().map(taker).collect();
    let first = *takers?.first()?;
    let message = format!("the rule {:?} is never reached", said.rule.name);
    let help = match first.rule.when {
        None => format!(
            "{:?} above it has no `when` and takes all: move that one to the end",
            first.rule.name
        ),
        Some(_) => {
            format!("{:?} above it has the same `when`: leave one of them out", first.rule.name)
        }
    };
    Some(Fault::new(said.place.clone(), message).help(help))
}

/// Finds types of conflict that this scope does not detect.
fn not_looked_for(said: &SaidRule, own: &StorePolicy, scope: &Scope, faults: &mut Vec<Fault>) {
    for (conflict, place) in said.rule.types.iter().zip(&said.type_places) {
        if own.resolver(*conflict).is_none() {
            let name = conflict.name();
            let message = format!("{name:?} is not looked for here: no rule is tried for it");
            let example = if *conflict == ConflictType::DeleteMissing { "skip" } else { "park" };
            let help = format!(
                "say what decides it if no rule fits: {name} = {example:?} in [{}.types]",
                scope.table()
            );
            faults.push(Fault::new(place.clone(), message).help(help));
        }
    }
}

/// A side of a conflict, by its name in expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamedSide {
    Base,
    Head,
    Incoming,
}

impl NamedSide {
    const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Head => "head",
            Self::Incoming => "incoming",
        }
    }

    /// True if this side never has a value in conflicts of this type.
    const fn is_null(self, conflict: ConflictType) -> bool {
        use ConflictType as T;
        match self {
            Self::Base => matches!(conflict, T::InsertInsert),
            Self::Head => {
                matches!(
                    conflict,
                    T::DeleteUpdate
                        | T::UpdateRecentlyDeleted
                        | T::UpdateMissing
                        | T::DeleteMissing
                )
            }
            Self::Incoming => matches!(conflict, T::UpdateDelete | T::DeleteMissing),
        }
    }
}

/// True if an expression cannot be evaluated when this side is null.
fn fails_on_null(expression: &Expression, side: NamedSide) -> bool {
    let reads = expression.reads();
    match side {
        NamedSide::Base => reads.base.fails_on_null(),
        NamedSide::Head => reads.head.fails_on_null(),
        NamedSide::Incoming => reads.incoming.fails_on_null(),
    }
}

/// Finds a condition that uses a member of a side that has no value in one of the rule's types.
fn without_side(said: &SaidRule, faults: &mut Vec<Fault>) {
    let (Some(when), Some(place)) = (&said.rule.when, &said.when_place) else { return };
    for side in [NamedSide::Base, NamedSide::Head, NamedSide::Incoming] {
        let without: Vec<_> =
            said.rule.types.iter().filter(|conflict| side.is_null(**conflict)).collect();
        if without.is_empty() || !fails_on_null(when, side) {
            continue;
        }
        let (name, types) = (side.name(), listed(without.iter().map(|conflict| conflict.name())));
        let message =
            format!("`{name}` is null in {types}: this condition cannot be evaluated there");
        let help = if without.len() == said.rule.types.len() {
            format!("write {name} != null && ..., or leave {name} out")
        } else {
            format!("write {name} != null && ..., or name the other types: types = [...]")
        };
        faults.push(Fault::new(place.clone(), message).help(help));
    }
}
