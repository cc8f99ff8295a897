//! Reads the conditional rules of a scope.

use std::sync::Arc;

use super::MAX_RULES;
use super::fault::{ByteSpan, Fault};
use super::names::RULE;
use super::reader::{Reader, TomlTable, Value};
use super::resolver::Serving;
use super::scope::{BOTH_VALUES, DATABASE_WIDE, SaidRule, Scope};
use crate::policy::expression::Wanted;
use crate::policy::rules::Rule;
use crate::snapshot::ConflictType;

/// The greatest length of the name of a rule, a group or a case, in characters.
const MAX_NAME_CHARS: usize = 200;

impl<'a> Reader<'a> {
    /// Reads the name of a rule, a group or a case. It is written to logs, so it must be on one
    /// line.
    pub(super) fn name(
        &mut self,
        table: &TomlTable<'a>,
        place: &ByteSpan,
        what: &str,
    ) -> Option<(Arc<str>, ByteSpan)> {
        let Some(value) = table.get("name") else {
            let fault = Fault::new(place.clone(), format!("{what} needs `name`"));
            self.fault(fault.help("it stands in logs and reports: write name = \"...\""));
            return None;
        };
        let name = self.string(value, "name")?;
        if name.is_empty()
            || name.chars().count() > MAX_NAME_CHARS
            || name.chars().any(char::is_control)
        {
            let message = format!("a name has 1 to {MAX_NAME_CHARS} characters, on one line");
            self.fault(Fault::new(value.span(), message));
            return None;
        }
        Some((name.into(), value.span()))
    }

    pub(super) fn rules(&mut self, value: &Value<'a>, scope: &mut Scope) {
        let tables = self.tables(value, "rules");
        if !self.limit(&value.span(), tables.len(), MAX_RULES, "rules") {
            return;
        }
        for (table, place) in tables {
            self.known(table, RULE, "a rule");
            let name = self.name(table, &place, "a rule");
            let types = self.rule_types(table, &place);
            let when = table
                .get("when")
                .map(|value| (self.expression(value, "when", Wanted::Condition), value.span()));
            let serving: Vec<_> = types.iter().map(|(conflict, _)| *conflict).collect();
            let then = match table.get("then") {
                Some(value) => self.resolver(value, Serving::Types(&serving)),
                None => {
                    let fault = Fault::new(place.clone(), "a rule needs `then`");
                    self.fault(fault.help(r#"write then = "head-wins""#));
                    None
                }
            };
            let (Some((name, place)), Some(then)) = (name, then) else { continue };
            let (when, when_place) = match when {
                Some((None, _)) => continue,
                Some((when, place)) => (when, Some(place)),
                None => (None, None),
            };
            let (types, type_places) = types.into_iter().unzip();
            let rule = Rule { name, types, when, then };
            scope.rules.push(SaidRule { rule, place, type_places, when_place });
        }
    }

    fn rule_types(
        &mut self,
        table: &TomlTable<'a>,
        place: &ByteSpan,
    ) -> Vec<(ConflictType, ByteSpan)> {
        let Some(value) = table.get("types") else {
            return BOTH_VALUES.map(|conflict| (conflict, place.clone())).to_vec();
        };
        let mut types: Vec<(ConflictType, ByteSpan)> = Vec::new();
        let items = self.array(value, "types").unwrap_or_default();
        for item in items {
            let Some(name) = self.string(item, "a type") else { continue };
            let Some(conflict) = self.conflict_type(name, item.span()) else { continue };
            if DATABASE_WIDE.contains(&conflict) {
                let message =
                    format!("{name:?} is decided for the whole database: no rule is tried for it");
                self.fault(
                    Fault::new(item.span(), message)
                        .help("write what decides it in [defaults.types]"),
                );
            } else if types.iter().any(|(other, _)| *other == conflict) {
                self.fault(Fault::new(item.span(), format!("{name:?} is in the list already")));
            } else {
                types.push((conflict, item.span()));
            }
        }
        if items.is_empty() {
            let help = "leave types out for insert-insert and update-update";
            self.fault(Fault::new(value.span(), "a rule without types is never tried").help(help));
        }
        types
    }
}
