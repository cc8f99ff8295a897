//! Reads a scope: the defaults, or the rules of one object store. Settings that the file does not
//! contain stay unset.

use toml::de::DeValue;

use super::fault::{ByteSpan, Fault};
use super::names::{DETECT, DETECTS, SCOPE, UNRESOLVED};
use super::reader::{Reader, Said, TomlTable, Value};
use super::resolver::Serving;
use crate::indexeddb::dom_string::DomString;
use crate::policy::aliases;
use crate::policy::path::FieldPath;
use crate::policy::privacy::Hide;
use crate::policy::resolver::Resolver;
use crate::policy::rules::{Detect, FieldRule, Rule, Unresolved};
use crate::similar::{listed, similar};
use crate::snapshot::ConflictType;

/// A scope as written in the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The place of its header or, without one, of its name.
    pub(crate) place: ByteSpan,
    /// The object store, or `None` for the defaults.
    pub(crate) store: Option<DomString>,
    pub(crate) detect: Option<Said<Detect>>,
    pub(crate) resolve: Option<Said<Resolver>>,
    /// The resolvers, in the order of [`ConflictType::ALL`].
    pub(crate) types: [Option<Said<Resolver>>; ConflictType::ALL.len()],
    pub(crate) fields: Vec<SaidField>,
    pub(crate) rules: Vec<SaidRule>,
    pub(crate) unresolved: Option<Said<Unresolved>>,
    pub(crate) clock: Option<Said<FieldPath>>,
    pub(crate) commutative: Option<Said<bool>>,
    pub(crate) privacy: Vec<SaidPrivate>,
}

/// A field or group, with its places.
#[derive(Clone, Debug)]
pub(crate) struct SaidField {
    pub(crate) rule: FieldRule,
    /// The place of each path.
    pub(crate) places: Vec<ByteSpan>,
    /// The place of the resolver.
    pub(crate) resolver_place: ByteSpan,
    /// True if it was written as a group.
    pub(crate) is_group: bool,
}

/// A rule, with its places. Its name does not include the scope yet.
#[derive(Clone, Debug)]
pub(crate) struct SaidRule {
    pub(crate) rule: Rule,
    pub(crate) place: ByteSpan,
    /// The place of each type; a single one if the rule names none.
    pub(crate) type_places: Vec<ByteSpan>,
    pub(crate) when_place: Option<ByteSpan>,
}

/// A private field.
#[derive(Clone, Debug)]
pub(crate) struct SaidPrivate {
    pub(crate) path: FieldPath,
    pub(crate) hide: Hide,
    pub(crate) place: ByteSpan,
}

/// The types that a scope's `resolve` decides, and that a rule without types applies to.
pub(crate) const BOTH_VALUES: [ConflictType; 2] =
    [ConflictType::InsertInsert, ConflictType::UpdateUpdate];

/// The types that can only be decided for the whole database.
pub(crate) const DATABASE_WIDE: [ConflictType; 3] =
    [ConflictType::UniqueIndex, ConflictType::SchemaNewer, ConflictType::SchemaOlder];

impl Scope {
    /// Returns the scope's name in messages and in the names of rules.
    pub(crate) fn name(&self) -> String {
        self.store.as_ref().map_or_else(|| "defaults".to_owned(), ToString::to_string)
    }

    /// Returns the name of the scope's table in the file.
    pub(crate) fn table(&self) -> String {
        self.store.as_ref().map_or_else(|| "defaults".to_owned(), |name| format!("stores.{name}"))
    }
}

impl<'a> Reader<'a> {
    /// Reads a scope.
    pub(super) fn scope(&mut self, value: &Value<'a>, store: Option<DomString>) -> Scope {
        let mut scope = Scope { place: value.span(), store, ..Scope::default() };
        let what = scope.table();
        let Some(table) = self.table(value, &what) else { return scope };
        self.known(table, SCOPE, "a scope");
        if let Some(value) = table.get("detect") {
            scope.detect = self.detect(value).map(|it| Said::of(it, value));
        }
        if let Some(value) = table.get("resolve") {
            scope.resolve =
                self.resolver(value, Serving::Types(&BOTH_VALUES)).map(|it| Said::of(it, value));
        }
        if let Some(types) = table.get("types").and_then(|value| self.table(value, "types")) {
            self.types(types, &mut scope);
        }
        if let Some(value) = table.get("fields") {
            self.fields(value, &mut scope);
        }
        if let Some(value) = table.get("groups") {
            self.groups(value, &mut scope);
        }
        if let Some(value) = table.get("rules") {
            self.rules(value, &mut scope);
        }
        if let Some(value) = table.get("on-unresolved") {
            scope.unresolved = self.unresolved(value).map(|it| Said::of(it, value));
        }
        if let Some(value) = table.get("clock") {
            scope.clock = self.path(value, "clock").map(|it| Said::of(it, value));
        }
        if let Some(value) = table.get("commutative") {
            scope.commutative = self.boolean(value, "commutative").map(|it| Said::of(it, value));
        }
        if let Some(privacy) = table.get("privacy").and_then(|value| self.table(value, "privacy")) {
            self.privacy(privacy, &mut scope);
        }
        scope
    }

    fn detect(&mut self, value: &Value<'a>) -> Option<Detect> {
        let (name, place, field) = match value.get_ref() {
            DeValue::Table(table) => {
                self.known(table, DETECT, "detect");
                let Some(name) = table.get("use") else {
                    let help = r#"write { use = "version-field", field = "version" }"#;
                    self.fault(
                        Fault::new(value.span(), "detect in a table needs `use`").help(help),
                    );
                    return None;
                };
                (self.string(name, "use")?, name.span(), table.get("field"))
            }
            _ => (self.string(value, "detect")?, value.span(), None),
        };
        // Other systems' names are refused with our spelling, because some of ours need a field.
        let name = match aliases::foreign_detect(name) {
            Some(ours) => {
                let fault = Fault::new(place, format!("unknown way to find a conflict {name:?}"));
                self.fault(fault.help(format!("write {ours}")));
                return None;
            }
            None => self.word(name, place.clone(), DETECTS, "way to find a conflict")?,
        };
        let wants_field = matches!(name, "version-field" | "timestamp-field");
        match (wants_field, field) {
            (true, None) => {
                let help = format!("write {{ use = {name:?}, field = \"version\" }}");
                self.fault(Fault::new(place, format!("{name:?} needs `field`")).help(help));
                return None;
            }
            (false, Some(field)) => {
                let fault =
                    Fault::new(field.span(), format!("{name:?} has no parameter \"field\""));
                self.fault(fault.help(format!("write {name:?} alone")));
                return None;
            }
            _ => {}
        }
        let path = match field {
            Some(field) => Some(self.path(field, "field")?),
            None => None,
        };
        Some(match (name, path) {
            ("changed-fields", _) => Detect::ChangedFields,
            ("clock", _) => Detect::Clock,
            ("version-field", Some(path)) => Detect::VersionField(path),
            ("timestamp-field", Some(path)) => Detect::TimestampField(path),
            _ => Detect::BaseRevision,
        })
    }

    fn unresolved(&mut self, value: &Value<'a>) -> Option<Unresolved> {
        let name = self.string(value, "on-unresolved")?;
        // Other systems' names are accepted here too.
        let canonical = aliases::resolver_kind(name).map_or(name, |kind| kind.name());
        Some(match self.word(canonical, value.span(), UNRESOLVED, "value of on-unresolved")? {
            "head-wins" => Unresolved::HeadWins,
            "incoming-wins" => Unresolved::IncomingWins,
            "last-write-wins" => Unresolved::LastWriteWins,
            "fail" => Unresolved::Fail,
            _ => Unresolved::Park,
        })
    }

    /// Reads the type with this name.
    pub(super) fn conflict_type(&mut self, name: &str, place: ByteSpan) -> Option<ConflictType> {
        let found = ConflictType::from_name(name);
        if found.is_none() {
            let known = ConflictType::names();
            let foreign = aliases::foreign_type(name).map(ConflictType::name);
            let near = foreign.or_else(|| similar(name, known.clone()));
            let help = match near {
                Some(near) => format!("write {near:?}"),
                None => format!("there are {}", listed(known)),
            };
            self.fault(Fault::new(place, format!("unknown type of conflict {name:?}")).help(help));
        }
        found
    }

    fn types(&mut self, table: &TomlTable<'a>, scope: &mut Scope) {
        for (key, value) in table {
            let Some(conflict) = self.conflict_type(key.get_ref(), key.span()) else { continue };
            if scope.store.is_some() && DATABASE_WIDE.contains(&conflict) {
                let message = format!("{:?} is decided for the whole database", conflict.name());
                self.fault(Fault::new(key.span(), message).help("write it in [defaults.types]"));
                continue;
            }
            let Some(resolver) = self.resolver(value, Serving::Types(&[conflict])) else {
                continue;
            };
            if let Some(place) = scope.types.get_mut(conflict as usize) {
                *place = Some(Said { value: resolver, place: value.span() });
            }
        }
    }
}
