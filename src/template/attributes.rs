//! The attributes that an expression may use: those of nifi-idb, those of NiFi, and those that the
//! definition sets.

use std::collections::{BTreeMap, BTreeSet};

use super::part::ComponentGroup;
use super::processors::{ComponentType, Dynamic};
use crate::flowfile::names;

/// Attributes that NiFi gives every FlowFile, and those of its processors.
const NIFI: [&str; 9] = [
    "absolute.path",
    "entryDate",
    "fileSize",
    "filename",
    "flowFileId",
    "lineageStartDate",
    "mime.type",
    "path",
    "uuid",
];

/// Prefixes of attributes that NiFi's processors write.
const FAMILIES: [&str; 8] = [
    "execution.",
    "file.",
    "fragment.",
    "http.",
    "invokegrpc.",
    "invokehttp.",
    "merge.",
    "restlistener.",
];

/// The set of names that an expression may use.
#[derive(Debug)]
pub(super) struct KnownAttributes(BTreeSet<String>);

impl KnownAttributes {
    pub(super) fn of(
        groups: &[ComponentGroup<'_>],
        known: &BTreeMap<String, ComponentType>,
    ) -> Self {
        let mut known_names: BTreeSet<String> =
            names::READ.into_iter().chain(names::WRITTEN).map(str::to_owned).collect();
        for processor in groups.iter().flat_map(|group| &group.processors) {
            let kind = known
                .get(processor.text("type"))
                .filter(|kind| kind.dynamic == Dynamic::Attributes);
            if let Some(kind) = kind {
                let set = processor.properties().map(|(name, _)| name);
                known_names.extend(
                    set.filter(|name| !kind.has(name, false) && !kind.has(name, true))
                        .map(str::to_owned),
                );
            }
        }
        Self(known_names)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
            || NIFI.contains(&name)
            || FAMILIES.iter().any(|family| name.starts_with(family))
    }
}
