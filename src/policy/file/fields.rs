//! Reads the fields of a scope: single fields, groups, and private fields.

use super::MAX_FIELDS;
use super::fault::{ByteSpan, Fault};
use super::names::{GROUP, PRIVACY};
use super::reader::{Reader, TomlTable, Value};
use super::resolver::{Serving, parameters};
use super::scope::{SaidField, SaidPrivate, Scope};
use crate::policy::path::FieldPath;
use crate::policy::privacy::Hide;
use crate::policy::resolver::ResolverKind;
use crate::policy::rules::FieldRule;

/// Returns the name after the dot, if a path without quotes was parsed as nested tables.
fn dotted<'t>(value: &'t Value<'_>) -> Option<&'t str> {
    let table = value.get_ref().as_table().filter(|table| !table.contains_key("use"))?;
    let (name, _) = table.iter().next()?;
    let is_parameter =
        ResolverKind::ALL.iter().any(|kind| parameters(*kind).contains(&name.get_ref().as_ref()));
    (!is_parameter).then_some(name.get_ref().as_ref())
}

impl<'a> Reader<'a> {
    pub(super) fn fields(&mut self, value: &Value<'a>, scope: &mut Scope) {
        let Some(table) = self.table(value, "fields") else { return };
        if !self.limit(&value.span(), table.len(), MAX_FIELDS, "fields") {
            return;
        }
        for (key, value) in table {
            if let Some(inner) = dotted(value) {
                let fault = Fault::new(key.span(), "a path of several names stands in quotes");
                self.fault(fault.help(format!("write \"{}.{inner}\" = ...", key.get_ref())));
                continue;
            }
            let path = self.path_of(key.get_ref(), key.span(), false);
            let (Some(path), Some(resolver)) = (path, self.resolver(value, Serving::Field)) else {
                continue;
            };
            let rule = FieldRule { name: path.to_string().into(), paths: vec![path], resolver };
            let field = SaidField {
                rule,
                places: vec![key.span()],
                resolver_place: value.span(),
                is_group: false,
            };
            scope.fields.push(field);
        }
        // Tables in TOML are unordered; the order of the file applies.
        scope.fields.sort_by_key(|field| field.places.first().map(|place| place.start));
    }

    pub(super) fn groups(&mut self, value: &Value<'a>, scope: &mut Scope) {
        for (table, place) in self.tables(value, "groups") {
            self.known(table, GROUP, "a group");
            let name = self.name(table, &place, "a group");
            let paths = self.group_fields(table, &place);
            let resolver = match table.get("resolve") {
                Some(value) => self.resolver(value, Serving::Group).map(|it| (it, value.span())),
                None => {
                    let fault = Fault::new(place, "a group needs `resolve`");
                    self.fault(fault.help(r#"write resolve = "last-write-wins""#));
                    None
                }
            };
            let (Some((name, _)), Some((resolver, resolver_place))) = (name, resolver) else {
                continue;
            };
            let (paths, places): (Vec<_>, Vec<_>) = paths.into_iter().unzip();
            if !paths.is_empty() {
                let rule = FieldRule { name, paths, resolver };
                scope.fields.push(SaidField { rule, places, resolver_place, is_group: true });
            }
        }
    }

    fn group_fields(
        &mut self,
        table: &TomlTable<'a>,
        place: &ByteSpan,
    ) -> Vec<(FieldPath, ByteSpan)> {
        let Some(value) = table.get("fields") else {
            let help = r#"write fields = ["street", "city"]"#;
            self.fault(Fault::new(place.clone(), "a group needs `fields`").help(help));
            return Vec::new();
        };
        let Some(items) = self.array(value, "fields") else { return Vec::new() };
        if items.is_empty() {
            let fault = Fault::new(value.span(), "a group needs fields");
            self.fault(fault.help(r#"write fields = ["street", "city"]"#));
        }
        if !self.limit(&value.span(), items.len(), MAX_FIELDS, "fields") {
            return Vec::new();
        }
        items.iter().filter_map(|item| Some((self.path(item, "a field")?, item.span()))).collect()
    }

    pub(super) fn privacy(&mut self, table: &TomlTable<'a>, scope: &mut Scope) {
        self.known(table, PRIVACY, "privacy");
        for (name, hide) in
            [("exclude", Hide::Exclude), ("redact", Hide::Redact), ("hash", Hide::Hash)]
        {
            let Some(value) = table.get(name) else { continue };
            let items = self.array(value, name).unwrap_or_default();
            if !self.limit(&value.span(), items.len(), MAX_FIELDS, "fields") {
                continue;
            }
            for item in items {
                let Some(text) = self.string(item, "a field") else { continue };
                let Some(path) = self.path_of(text, item.span(), true) else { continue };
                scope.privacy.push(SaidPrivate { path, hide, place: item.span() });
            }
        }
    }
}
