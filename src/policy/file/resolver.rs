//! Reads a resolver: its name, or a table with `use` and parameters.

use toml::de::DeValue;

use super::fault::{ByteSpan, Fault};
use super::names::{ARRAYS, ARRAYS_NAMES};
use super::reader::{Reader, TomlTable, Value};
use super::string::inside;
use crate::policy::aliases::{self, ALIASES, DELETE_WINS, PRIORITY_COLUMN, UPDATE_WINS};
use crate::policy::expression::{Expression, Wanted};
use crate::policy::resolver::{Arrays, Resolver, ResolverKind, ThreeWay};
use crate::similar::{listed, similar};
use crate::snapshot::ConflictType;

/// The part of a record that a resolver decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Serving<'t> {
    /// Conflicts of these types, of whole records.
    Types(&'t [ConflictType]),
    /// One field.
    Field,
    /// Several fields: taken from one side if the resolver picks sides, otherwise resolved one by
    /// one.
    Group,
    /// Members that both sides changed, within three-way.
    Contested,
}

/// Returns the parameters of a kind.
pub(crate) const fn parameters(kind: ResolverKind) -> &'static [&'static str] {
    match kind {
        ResolverKind::ThreeWay => &["arrays", "contested"],
        ResolverKind::Max | ResolverKind::Min => &["by"],
        ResolverKind::AppendUnique => &["key", "order-by"],
        ResolverKind::Order => &["states"],
        ResolverKind::Cel => &["value"],
        _ => &[],
    }
}

/// Returns an example of a resolver that needs parameters.
fn example(kind: ResolverKind) -> &'static str {
    match kind {
        ResolverKind::AppendUnique => r#"{ use = "append-unique", key = "id" }"#,
        ResolverKind::Order => r#"{ use = "order", states = ["first", "second"] }"#,
        ResolverKind::Cel => r#"{ use = "cel", value = "head.total + incoming.total" }"#,
        _ => r#"{ use = "max", by = "changedAt" }"#,
    }
}

impl Serving<'_> {
    fn allows(self, kind: ResolverKind) -> bool {
        match self {
            Self::Types(types) => types.iter().all(|conflict| kind.serves(*conflict)),
            Self::Field | Self::Group => kind.serves_fields(),
            // Contested members were already merged member by member.
            Self::Contested => kind.serves_fields() && !matches!(kind, ResolverKind::ThreeWay),
        }
    }

    fn what(self, kind: ResolverKind) -> String {
        match self {
            Self::Types(types) => {
                let refused = types.iter().filter(|conflict| !kind.serves(**conflict));
                listed(refused.map(|conflict| conflict.name()))
            }
            Self::Field => "about one field".to_owned(),
            Self::Group => "about a group of fields".to_owned(),
            Self::Contested => "between contested members".to_owned(),
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads a resolver and checks that it is allowed here.
    pub(super) fn resolver(&mut self, value: &Value<'a>, serving: Serving<'_>) -> Option<Resolver> {
        let none = TomlTable::new();
        let (name, place, table) = match value.get_ref() {
            DeValue::String(name) => (name.as_ref(), value.span(), &none),
            DeValue::Table(table) => {
                let Some(name) = table.get("use") else {
                    let fault = Fault::new(value.span(), "a resolver in a table needs `use`");
                    self.fault(fault.help(without_use(table)));
                    return None;
                };
                (self.string(name, "use")?, name.span(), table)
            }
            _ => {
                let fault = Fault::new(value.span(), "a resolver is a name, or a table with `use`");
                self.fault(
                    fault.help(format!(
                        "write \"last-write-wins\", or {}",
                        example(ResolverKind::Max)
                    )),
                );
                return None;
            }
        };
        let kind = self.kind(name, &place, serving)?;
        if !serving.allows(kind) {
            let able = listed(
                ResolverKind::ALL
                    .iter()
                    .copied()
                    .filter(|it| serving.allows(*it))
                    .map(ResolverKind::name),
            );
            let message = format!("{:?} cannot decide {}", kind.name(), serving.what(kind));
            self.fault(Fault::new(place, message).help(format!("these can: {able}")));
            return None;
        }
        let names: Vec<_> =
            std::iter::once("use").chain(parameters(kind).iter().copied()).collect();
        // An unknown parameter does not end the reading, so that all faults are reported at once.
        for key in table.keys().filter(|key| !names.contains(&key.get_ref().as_ref())) {
            let help = match (
                similar(key.get_ref(), parameters(kind).iter().copied()),
                parameters(kind),
            ) {
                (Some(near), _) => format!("write {near}"),
                (None, []) => format!("write {:?} alone", kind.name()),
                (None, all) => format!("{} has {}", kind.name(), all.join(", ")),
            };
            let message = format!("{:?} has no parameter {:?}", kind.name(), key.get_ref());
            self.fault(Fault::new(key.span(), message).help(help));
        }
        self.with_parameters(kind, table, &place, name == PRIORITY_COLUMN)
    }

    fn kind(&mut self, name: &str, place: &ByteSpan, serving: Serving<'_>) -> Option<ResolverKind> {
        if let Serving::Types(types) = serving
            && let Some((first, rest)) = types.split_first()
            && let Some(kind) = aliases::delete_alias(name, *first)
            && rest.iter().all(|conflict| aliases::delete_alias(name, *conflict) == Some(kind))
        {
            return Some(kind);
        }
        if let Some(kind) = aliases::resolver_kind(name) {
            return Some(kind);
        }
        let fault = if matches!(name, UPDATE_WINS | DELETE_WINS) {
            Fault::new(
                place.clone(),
                format!("{name:?} says nothing here: no one side updates and the other deletes"),
            )
            .help(
                "it stands for update-delete, delete-update and update-recently-deleted, in types",
            )
        } else {
            let known = ResolverKind::names();
            let aliases = ALIASES.iter().map(|(alias, _)| *alias);
            let near = similar(name, known.clone())
                .or_else(|| similar(name, aliases).and_then(canonical_name));
            let help = match near {
                Some(near) => format!("write {near:?}"),
                None => format!("there are {}", listed(known)),
            };
            Fault::new(place.clone(), format!("unknown resolver {name:?}")).help(help)
        };
        self.fault(fault);
        None
    }

    fn with_parameters(
        &mut self,
        kind: ResolverKind,
        table: &TomlTable<'a>,
        place: &ByteSpan,
        needs_by: bool,
    ) -> Option<Resolver> {
        use ResolverKind as K;
        Some(match kind {
            K::Max | K::Min => {
                let by = match table.get("by") {
                    Some(value) => Some(self.path(value, "by")?),
                    None if needs_by => return self.missing(kind, "by", place),
                    None => None,
                };
                if kind == K::Max { Resolver::Max { by } } else { Resolver::Min { by } }
            }
            K::AppendUnique => {
                let Some(key) = table.get("key") else { return self.missing(kind, "key", place) };
                // Both are read before either can end the reading, so that both are reported.
                let (key, order_by) = (self.path(key, "key"), table.get("order-by"));
                let order_by = order_by.map(|value| self.path(value, "order-by"));
                Resolver::AppendUnique {
                    key: key?,
                    order_by: order_by.map_or(Some(None), |it| it.map(Some))?,
                }
            }
            K::Order => {
                let Some(states) = table.get("states") else {
                    return self.missing(kind, "states", place);
                };
                Resolver::Order(self.states(states)?)
            }
            K::Cel => {
                let Some(value) = table.get("value") else {
                    return self.missing(kind, "value", place);
                };
                Resolver::Cel(self.expression(value, "value", Wanted::Value)?)
            }
            K::ThreeWay => {
                let arrays =
                    table.get("arrays").map_or(Some(Arrays::Whole), |value| self.arrays(value));
                let contested =
                    table.get("contested").map_or(Some(Resolver::LastWriteWins), |value| {
                        self.resolver(value, Serving::Contested)
                    });
                Resolver::ThreeWay(ThreeWay { arrays: arrays?, contested: Box::new(contested?) })
            }
            K::LastWriteWins => Resolver::LastWriteWins,
            K::FirstWriteWins => Resolver::FirstWriteWins,
            K::IncomingWins => Resolver::IncomingWins,
            K::HeadWins => Resolver::HeadWins,
            K::Delta => Resolver::Delta,
            K::SetUnion => Resolver::SetUnion,
            K::Immutable => Resolver::Immutable,
            K::Skip => Resolver::Skip,
            K::Fail => Resolver::Fail,
            K::Park => Resolver::Park,
            K::Accept => Resolver::Accept,
        })
    }

    fn missing(
        &mut self,
        kind: ResolverKind,
        parameter: &str,
        place: &ByteSpan,
    ) -> Option<Resolver> {
        let message = format!("{:?} needs `{parameter}`", kind.name());
        self.fault(Fault::new(place.clone(), message).help(format!("write {}", example(kind))));
        None
    }

    fn states(&mut self, value: &Value<'a>) -> Option<Vec<Vec<u8>>> {
        let items = self.array(value, "states")?;
        let mut states: Vec<Vec<u8>> = Vec::new();
        for item in items {
            let Some(state) = self.canonical(item) else { continue };
            if states.contains(&state) {
                let fault = Fault::new(item.span(), "this state is in the list already");
                self.fault(
                    fault.help("a state that comes twice is behind and before the others at once"),
                );
            } else {
                states.push(state);
            }
        }
        if items.len() < 2 {
            let fault = Fault::new(value.span(), "an order needs two states or more");
            self.fault(fault.help(format!("write {}", example(ResolverKind::Order))));
        }
        Some(states)
    }

    fn arrays(&mut self, value: &Value<'a>) -> Option<Arrays> {
        let DeValue::Table(table) = value.get_ref() else {
            let name = self.string(value, "arrays")?;
            let name = match name {
                "key" => {
                    let fault = Fault::new(
                        value.span(),
                        "arrays by key need the member that says which elements are the same",
                    );
                    self.fault(fault.help(r#"write { key = "id" }"#));
                    return None;
                }
                name => self.word(name, value.span(), ARRAYS_NAMES, "way with arrays")?,
            };
            return Some(match name {
                "set" => Arrays::Set,
                "append" => Arrays::Append,
                _ => Arrays::Whole,
            });
        };
        self.known(table, ARRAYS, "arrays");
        let Some(key) = table.get("key") else {
            let fault = Fault::new(value.span(), "arrays in a table need `key`")
                .help(r#"write { key = "id" }"#);
            self.fault(fault);
            return None;
        };
        self.path(key, "key").map(Arrays::Key)
    }

    /// Reads and checks an expression. Mistakes are located inside the string.
    pub(super) fn expression(
        &mut self,
        value: &Value<'a>,
        what: &str,
        wanted: Wanted,
    ) -> Option<Expression> {
        let source = self.string(value, what)?;
        match Expression::compile(source, wanted) {
            Ok(expression) => Some(expression),
            Err(mistakes) => {
                for mistake in mistakes {
                    let span = inside(self.text, &value.span(), mistake.start, mistake.end);
                    self.fault(Fault { span, message: mistake.message, help: mistake.help });
                }
                None
            }
        }
    }
}

/// Returns the canonical name for an alias.
fn canonical_name(alias: &str) -> Option<&'static str> {
    aliases::resolver_kind(alias).map(ResolverKind::name)
}

/// Returns help for a table without `use`.
fn without_use(table: &TomlTable<'_>) -> String {
    let first = table.iter().next().map(|(name, _)| name.get_ref().to_string()).unwrap_or_default();
    let parameters =
        ResolverKind::ALL.iter().copied().find(|kind| parameters(*kind).contains(&first.as_str()));
    match parameters {
        Some(kind) => format!("write {}", example(kind)),
        None => format!("write {}", example(ResolverKind::Max)),
    }
}
