//! Checks that no field has two resolvers.

use crate::policy::file::scope::{SaidField, Scope};
use crate::policy::file::{ByteSpan, Fault};
use crate::policy::path::FieldPath;
use crate::policy::resolver::Resolver;

/// One path of the scope.
struct NamedPath<'a> {
    path: &'a FieldPath,
    place: &'a ByteSpan,
    field: &'a SaidField,
}

fn each(field: &SaidField) -> impl Iterator<Item = NamedPath<'_>> {
    field.rule.paths.iter().zip(&field.places).map(move |(path, place)| NamedPath {
        path,
        place,
        field,
    })
}

/// Finds fields that are named twice, alone or in a group, or that contain each other.
pub(super) fn check(scope: &Scope, faults: &mut Vec<Fault>) {
    let mut named: Vec<_> = scope.fields.iter().flat_map(each).collect();
    // This sorts a path before the paths inside it.
    named
        .sort_by(|a, b| a.path.steps().cmp(b.path.steps()).then(a.place.start.cmp(&b.place.start)));
    let mut outer: Option<&NamedPath<'_>> = None;
    for one in &named {
        match outer {
            Some(outer) if one.path.is_within(outer.path) => faults.push(overlap(outer, one)),
            _ => outer = Some(one),
        }
    }
    group_names(scope, faults);
}

/// Returns the fault, located at the field that comes later in the file.
fn overlap(outer: &NamedPath<'_>, inner: &NamedPath<'_>) -> Fault {
    let (first, second) =
        if outer.place.start < inner.place.start { (outer, inner) } else { (inner, outer) };
    let has = |named: &NamedPath<'_>| match named.field.is_group {
        true => format!("is in the group {:?}", named.field.rule.name),
        false => "has a resolver".to_owned(),
    };
    let (path, other) = (second.path, first.path);
    if outer.path.steps() == inner.path.steps() {
        let message = format!("the field \"{path}\" {} already", has(first));
        return Fault::new(second.place.clone(), message)
            .help("one of them decides: leave the other out");
    }
    let relation = if std::ptr::eq(second, inner) { "is inside" } else { "holds" };
    let message =
        format!("the field \"{path}\" {relation} \"{other}\", which {} already", has(first));
    Fault::new(second.place.clone(), message)
        .help("name either the whole field, or each of its members")
}

/// Returns notes for fields that are resolved by a member that is not resolved with them: the next
/// conflict would then compare with the other side's member.
pub(super) fn left_behind(scope: &Scope) -> Vec<Fault> {
    let mut notes = Vec::new();
    for field in &scope.fields {
        let (Resolver::Max { by: Some(by) } | Resolver::Min { by: Some(by) }) =
            &field.rule.resolver
        else {
            continue;
        };
        let follows = |other: &SaidField| {
            let same = other.rule.resolver.kind() == field.rule.resolver.kind();
            (same || std::ptr::eq(other, field))
                && other.rule.paths.iter().any(|path| by.is_within(path))
        };
        if !scope.fields.iter().any(follows) {
            let message =
                format!("{:?} goes by \"{by}\", which does not go with it", field.rule.name);
            let help = if field.is_group {
                "put it into the group's fields"
            } else {
                "make a group of both"
            };
            let why = "else the next conflict compares with another side's";
            notes.push(
                Fault::new(field.resolver_place.clone(), message).help(format!("{help}: {why}")),
            );
        }
    }
    notes
}

fn group_names(scope: &Scope, faults: &mut Vec<Fault>) {
    let groups: Vec<_> = scope.fields.iter().filter(|field| field.is_group).collect();
    for (number, group) in groups.iter().enumerate() {
        if groups.iter().take(number).any(|other| other.rule.name == group.rule.name) {
            let place = group.places.first().cloned().unwrap_or_default();
            let message = format!("there is a group {:?} already", group.rule.name);
            faults.push(
                Fault::new(place, message)
                    .help("logs name groups by their names: give it another one"),
            );
        }
    }
}
