//! A definition split into groups, each with its processors, services, connections and other
//! components.

use serde_json::{Map, Value};

/// A component, or a group itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct TemplatePart<'a> {
    /// The kind of component, for naming the place of a fault.
    pub(super) kind: &'static str,
    pub(super) value: &'a Value,
}

impl<'a> TemplatePart<'a> {
    /// Returns a member's text; empty if absent.
    pub(super) fn text(self, name: &str) -> &'a str {
        self.value.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the texts of a list.
    pub(super) fn texts(self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let list =
            self.value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str)
    }

    /// Returns the properties with a value, ordered by name.
    pub(super) fn properties(self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let properties = self.value.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flat_map(Map::iter)
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// Returns the place of a fault: the kind, and the visible name.
    pub(super) fn place(self) -> String {
        let end = |name: &str| {
            let end = self.value.get(name).and_then(|end| end.get("name"));
            end.and_then(Value::as_str).unwrap_or("?").to_owned()
        };
        match (self.kind, self.text("name")) {
            ("connection", "") => {
                format!("connection from {:?} to {:?}", end("source"), end("destination"))
            }
            (kind, "") => format!("{kind} {:?}", self.text("identifier")),
            (kind, name) => format!("{kind} {name:?}"),
        }
    }
}

/// The components of one group.
#[derive(Debug)]
pub(super) struct ComponentGroup<'a> {
    pub(super) group: TemplatePart<'a>,
    pub(super) processors: Vec<TemplatePart<'a>>,
    pub(super) services: Vec<TemplatePart<'a>>,
    pub(super) connections: Vec<TemplatePart<'a>>,
    pub(super) others: Vec<TemplatePart<'a>>,
}

impl<'a> ComponentGroup<'a> {
    /// Returns this group and all groups below it.
    pub(super) fn all(value: &'a Value) -> Vec<Self> {
        let parts = |name: &str, kind| {
            let list =
                value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list.iter().map(move |value| TemplatePart { kind, value }).collect::<Vec<_>>()
        };
        let mut others = parts("labels", "label");
        others.extend(parts("funnels", "funnel"));
        others.extend(parts("inputPorts", "input port"));
        others.extend(parts("outputPorts", "output port"));
        let mut all = vec![Self {
            group: TemplatePart { kind: "group", value },
            processors: parts("processors", "processor"),
            services: parts("controllerServices", "controller service"),
            connections: parts("connections", "connection"),
            others,
        }];
        all.extend(
            parts("processGroups", "group").into_iter().flat_map(|group| Self::all(group.value)),
        );
        all
    }

    /// Returns all components of the group.
    pub(super) fn parts(&self) -> impl Iterator<Item = TemplatePart<'a>> + '_ {
        let lists = [&self.processors, &self.services, &self.connections, &self.others];
        lists.into_iter().flatten().copied()
    }
}
