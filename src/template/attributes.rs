//! Attributes that there are: ours by the page, NiFi's own, and those that the definition itself sets.

use std::collections::{BTreeMap, BTreeSet};

use super::part::Group;
use super::processors::{Dynamic, Kind};

/// The page with the tables of attributes.
const PAGE: &str = include_str!("../flowfile/FLOWFILE.md");

/// What NiFi gives every FlowFile, and its processors' own.
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

/// Families of attributes that NiFi's processors write.
const FAMILIES: [&str; 8] =
    ["execution.", "file.", "fragment.", "http.", "invokegrpc.", "invokehttp.", "merge.", "restlistener."];

/// The names that an expression may use.
#[derive(Debug)]
pub(super) struct Attributes(BTreeSet<String>);

impl Attributes {
    pub(super) fn of(groups: &[Group<'_>], known: &BTreeMap<String, Kind>) -> Self {
        let mut names: BTreeSet<String> = ours().map(str::to_owned).collect();
        for processor in groups.iter().flat_map(|group| &group.processors) {
            let kind = known.get(processor.text("type")).filter(|kind| kind.dynamic == Dynamic::Attributes);
            if let Some(kind) = kind {
                let set = processor.properties().map(|(name, _)| name);
                names.extend(set.filter(|name| !kind.has(name, false) && !kind.has(name, true)).map(str::to_owned));
            }
        }
        Self(names)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name) || NIFI.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
    }
}

/// The names in the first column of the page's tables.
fn ours() -> impl Iterator<Item = &'static str> {
    let cells = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| name.contains('.') || *name == "idempotency-key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_attributes() {
        let names: BTreeSet<_> = ours().collect();
        for name in
            ["indexeddb.database", "indexeddb.received.at", "sync.outcome", "sync.rejected", "registry.flow.version"]
        {
            assert!(names.contains(name), "{name}");
        }
        assert!(!names.contains("sync.nope"));
    }
}
