//! Finds out if the order in which batches arrive can change the result.
//!
//! It cannot if the state of a record only ever grows in some order that is independent of arrival:
//! the later clock, the greater value, the larger set. Each reason below is a way in which a scope
//! breaks this rule. The result also depends on two things that a file cannot guarantee: every
//! change has a clock, from its source or at `clock`, and each resolver can decide between the
//! values that arrive.

use std::sync::Arc;

use super::path::FieldPath;
use super::resolver::{Resolver, ResolverKind};
use super::rules::{FieldRule, StorePolicy, Unresolved};
use crate::snapshot::ConflictType;

/// The part of a scope that a reason is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopePart {
    /// The resolver of a type.
    Type(ConflictType),
    /// A rule, by its position in the scope.
    Rule(usize),
    /// A field or group, by its position in the scope.
    Field(usize),
    /// The resolver of last resort.
    Unresolved,
}

/// The reason why the order of arrival can change the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The part of the scope.
    pub part: ScopePart,
    /// The reason in one sentence, without its final period.
    pub why: String,
}

/// Returns all reasons why a scope's result can depend on the order of arrival; none if it cannot.
pub fn why_not_commutative(policy: &StorePolicy) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |part, why: String| reasons.push(Reason { part, why });
    for (number, rule) in policy.rules.iter().enumerate() {
        add(
            ScopePart::Rule(number),
            format!("the rule {:?} sees as head whatever came first", rule.name),
        );
    }
    let by_clock = records(policy, &mut add);
    for (number, field) in policy.fields.iter().enumerate() {
        if let Some(why) = field_reason(field, policy, by_clock.as_ref()) {
            add(ScopePart::Field(number), why);
        }
    }
    deletes(policy, by_clock.as_ref(), &mut add);
    others(policy, &mut add);
    reasons
}

/// Returns the clock resolver that decides whole records, if there is one.
fn records(policy: &StorePolicy, add: &mut impl FnMut(ScopePart, String)) -> Option<ResolverKind> {
    let [insert, update] = [ConflictType::InsertInsert, ConflictType::UpdateUpdate];
    let kind = |conflict| policy.resolver(conflict).map(Resolver::kind);
    if kind(insert) == kind(update) {
        return record(kind(update), "records", update, add);
    }
    let first = record(kind(insert), insert.name(), insert, add);
    let second = record(kind(update), update.name(), update, add);
    if first.is_some() && second.is_some() {
        let why = "insert-insert and update-update are decided differently, and which of them it \
            is depends on what came first";
        add(ScopePart::Type(update), why.to_owned());
    }
    None
}

fn record(
    kind: Option<ResolverKind>,
    what: &str,
    conflict: ConflictType,
    add: &mut impl FnMut(ScopePart, String),
) -> Option<ResolverKind> {
    let reason = match kind {
        Some(ResolverKind::LastWriteWins) => return kind,
        Some(found) => format!("{} decides {what}: {}", found.name(), why(found)),
        None => format!("{what} is not looked for: what arrives last stands"),
    };
    add(ScopePart::Type(conflict), reason);
    None
}

/// Returns the reason why a resolver depends on the order of arrival.
fn why(kind: ResolverKind) -> &'static str {
    match kind {
        ResolverKind::IncomingWins => "what arrives last stands",
        ResolverKind::HeadWins | ResolverKind::Immutable => "what arrives first stands",
        ResolverKind::FirstWriteWins => {
            "only the latest clock of a record is kept, not the earliest"
        }
        ResolverKind::ThreeWay => {
            "it goes by the base, which is what had arrived before the change was made"
        }
        ResolverKind::Cel => {
            "nothing says that its value is the same with the sides the other way round"
        }
        ResolverKind::Skip => "what arrives second is left out",
        ResolverKind::Park => "what arrives second waits",
        ResolverKind::Fail => "what arrives second is refused",
        ResolverKind::Accept => "whatever arrives is taken as it is",
        ResolverKind::Delta
        | ResolverKind::Max
        | ResolverKind::Min
        | ResolverKind::SetUnion
        | ResolverKind::AppendUnique
        | ResolverKind::Order => {
            "it is a rule for fields: members that it does not know are not resolved"
        }
        ResolverKind::LastWriteWins => "",
    }
}

fn field_reason(
    field: &FieldRule,
    policy: &StorePolicy,
    by_clock: Option<&ResolverKind>,
) -> Option<String> {
    let name: &Arc<str> = &field.name;
    match &field.resolver {
        Resolver::Delta | Resolver::SetUnion | Resolver::Order(_) => None,
        Resolver::Max { by: None } | Resolver::Min { by: None } => None,
        Resolver::Max { by: Some(by) } => by_reason(field, by, policy, ResolverKind::Max),
        Resolver::Min { by: Some(by) } => by_reason(field, by, policy, ResolverKind::Min),
        Resolver::AppendUnique { order_by: Some(_), .. } => None,
        Resolver::AppendUnique { order_by: None, .. } => {
            Some(format!("append-unique without order-by keeps {name:?} in the order of arrival"))
        }
        Resolver::LastWriteWins if by_clock == Some(&ResolverKind::LastWriteWins) => None,
        Resolver::LastWriteWins => {
            Some(format!("last-write-wins decides {name:?}, but not the rest of the record"))
        }
        other => Some(format!("{} decides {name:?}: {}", other.kind().name(), why(other.kind()))),
    }
}

/// Returns a reason unless the member that a side is chosen by is resolved in the same way, so that
/// the result contains the value that was compared.
fn by_reason(
    field: &FieldRule,
    by: &FieldPath,
    policy: &StorePolicy,
    kind: ResolverKind,
) -> Option<String> {
    let in_group = field.paths.iter().any(|path| by.is_within(path));
    let follows = policy.fields.iter().any(|other| {
        let same = other.resolver.kind() == kind
            && matches!(other.resolver, Resolver::Max { by: None } | Resolver::Min { by: None });
        same && other.paths.iter().any(|path| path.steps() == by.steps())
    });
    if in_group || follows {
        return None;
    }
    let name = kind.name();
    Some(format!(
        "{:?} goes by \"{by}\", which is resolved otherwise: put it into the group, or give it \
         {name:?}",
        field.name
    ))
}

/// Checks that a deletion and a value have the same outcome, whichever comes first.
fn deletes(
    policy: &StorePolicy,
    by_clock: Option<&ResolverKind>,
    add: &mut impl FnMut(ScopePart, String),
) {
    use ConflictType as T;
    let types = [T::UpdateDelete, T::DeleteUpdate, T::UpdateRecentlyDeleted];
    let found = types.map(|conflict| policy.resolver(conflict).map(Resolver::kind));
    let side = |head: bool| {
        if head { Some(ResolverKind::HeadWins) } else { Some(ResolverKind::IncomingWins) }
    };
    // In update-delete, head updates; in the two others, head deletes.
    let updates_win = [side(true), side(false), side(false)];
    let deletes_win = [side(false), side(true), side(true)];
    if found == updates_win || found == deletes_win {
        return;
    }
    let clocks = found == [Some(ResolverKind::LastWriteWins); 3];
    if clocks && (policy.fields.is_empty() || by_clock.is_none()) {
        // This is correct in itself, and the fault of the records was already reported.
        return;
    }
    let why = if clocks {
        "a clock decides between a deletion and the record, but not between the fields: a deletion \
         in between takes away \
         what an earlier field would have had"
    } else {
        "deletions are decided differently when they come first"
    };
    add(ScopePart::Type(T::UpdateDelete), why.to_owned());
}

/// Checks the remaining types. `out-of-order` is not detected when every change goes to the
/// resolvers.
fn others(policy: &StorePolicy, add: &mut impl FnMut(ScopePart, String)) {
    use ConflictType as T;
    let kind = |conflict| policy.resolver(conflict).map(Resolver::kind);
    for conflict in [T::UpdateMissing, T::DeleteMissing] {
        if let Some(found) = kind(conflict).filter(|found| *found != ResolverKind::IncomingWins) {
            let why = format!(
                "{} decides {}: {}",
                found.name(),
                conflict.name(),
                "a change that overtakes the insert is not stored"
            );
            add(ScopePart::Type(conflict), why);
        }
    }
    for conflict in [T::UniqueIndex, T::SchemaNewer, T::SchemaOlder] {
        // The second of two records with one index key is parked in any case; the page describes
        // the consequences.
        let known =
            if conflict == T::UniqueIndex { ResolverKind::Park } else { ResolverKind::Accept };
        if let Some(found) = kind(conflict).filter(|found| *found != known) {
            let why = format!(
                "{} decides {}: which batch meets the other depends on what came first",
                found.name(),
                conflict.name()
            );
            add(ScopePart::Type(conflict), why);
        }
    }
    let unresolved = match policy.unresolved {
        Unresolved::HeadWins => "on-unresolved lets head win: what arrives first stands",
        Unresolved::IncomingWins => "on-unresolved lets incoming win: what arrives last stands",
        Unresolved::Park | Unresolved::LastWriteWins | Unresolved::Fail => return,
    };
    add(ScopePart::Unresolved, unresolved.to_owned());
}

#[cfg(test)]
mod tests;
