//! The properties and relationships of NiFi's processors and services, in 1.28 and 2.x.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The meaning of properties without a fixed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Dynamic {
    None,
    /// Each sets an attribute.
    Attributes,
    /// Each is an HTTP header.
    Headers,
    /// Each is a relationship.
    Relationships,
    /// `command.argument.N` is an argument; any other is an environment variable.
    Arguments,
}

/// A type of processor or service.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ComponentType {
    /// True if NiFi 2.x has this type.
    pub(super) line_2: bool,
    pub(super) dynamic: Dynamic,
    pub(super) relationships: Vec<String>,
    /// Names of properties in 1.28.1, each with its name in 2.x; `None` if 2.x drops it.
    pub(super) properties: BTreeMap<String, Option<String>>,
    /// Names of properties that only 2.x has.
    pub(super) added: Vec<String>,
}

impl ComponentType {
    /// True if a definition written for this version of NiFi may set a property with that name.
    pub(super) fn has(&self, name: &str, line_2: bool) -> bool {
        if line_2 {
            self.properties.values().flatten().any(|known| known == name)
                || self.added.iter().any(|known| known == name)
        } else {
            self.properties.contains_key(name)
        }
    }

    /// True if 2.x drops this property of 1.28.
    pub(super) fn is_dropped(&self, name: &str) -> bool {
        self.line_2 && self.properties.get(name).is_some_and(Option::is_none)
    }
}

/// Returns all known types by name.
pub(super) fn known() -> BTreeMap<String, ComponentType> {
    serde_json::from_str(include_str!("processors.json")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sensitive properties, which a downloaded definition never contains.
    const SENSITIVE: [&str; 5] = [
        "Basic Authentication Password",
        "Password",
        "Request Password",
        "invokehttp-proxy-password",
        "invokehttp-proxy-user",
    ];

    #[test]
    fn the_table_is_what_real_nifis_list() {
        let downloaded = [
            (false, include_str!("../../tests/fixtures/nifi/properties-1.28.1.json")),
            (true, include_str!("../../tests/fixtures/nifi/properties-2.9.0.json")),
        ];
        let known = known();
        for (line_2, text) in downloaded {
            let listed: BTreeMap<String, Vec<String>> = serde_json::from_str(text).unwrap();
            assert!(listed.len() > 12);
            for (name, properties) in listed {
                let kind = &known[&name];
                for property in &properties {
                    assert!(kind.has(property, line_2), "{name}: {property} is not in the table");
                }
                let ours: Vec<_> = if line_2 {
                    kind.properties.values().flatten().chain(&kind.added).collect()
                } else {
                    kind.properties.keys().collect()
                };
                for property in ours {
                    let there =
                        properties.contains(property) || SENSITIVE.contains(&property.as_str());
                    assert!(there, "{name}: no real NiFi has {property}");
                }
            }
        }
    }

    #[test]
    fn the_table_can_be_read() {
        let known = known();
        assert!(known.len() > 12);
        let child = &known["org.apache.nifi.processors.standard.ExecuteStreamCommand"];
        assert!(child.has("argumentsStrategy", false) && !child.has("argumentsStrategy", true));
        assert!(
            child.has("Command Arguments Strategy", true) && child.dynamic == Dynamic::Arguments
        );
        assert!(!known["org.apache.nifi.processors.grpc.InvokeGRPC"].line_2);
        assert!(known["org.apache.nifi.processors.standard.InvokeHTTP"].is_dropped("Proxy Host"));
    }
}
