//! The names of all attributes that are read or written. `doc/reference/flowfiles.md` describes
//! them; every other list of attributes is derived from these.

pub(crate) const DELIVERY: &str = "idempotency-key";
pub(crate) const DATABASE: &str = "indexeddb.database";
pub(crate) const DATABASE_VERSION: &str = "indexeddb.database.version";
pub(crate) const DECIMALS: &str = "indexeddb.decimals";
pub(crate) const INPUT: &str = "indexeddb.input";
pub(crate) const KEY_FIELD: &str = "indexeddb.key.field";
pub(crate) const KEY_PATH: &str = "indexeddb.key.path";
pub(crate) const KEY_PATHS: &str = "indexeddb.key.paths";
pub(crate) const MODE: &str = "indexeddb.mode";
pub(crate) const OBJECT_STORE: &str = "indexeddb.object.store";
pub(crate) const ORIGIN: &str = "indexeddb.origin";
pub(crate) const RECEIVED_AT: &str = "indexeddb.received.at";
pub(crate) const REJECTS: &str = "indexeddb.rejects";
pub(crate) const SKIP_STORES: &str = "indexeddb.skip.stores";
pub(crate) const SOURCE: &str = "indexeddb.source";
pub(crate) const UUID: &str = "uuid";
pub(crate) const MIME_TYPE: &str = "mime.type";
pub(crate) const BUCKET: &str = "registry.bucket";
pub(crate) const FLOW: &str = "registry.flow";
pub(crate) const FLOW_VERSION: &str = "registry.flow.version";
pub(crate) const CHECKPOINT: &str = "sync.checkpoint";
pub(crate) const CONFLICTS: &str = "sync.conflicts";
pub(crate) const DELETED: &str = "sync.deleted";
pub(crate) const EPOCH: &str = "sync.epoch";
pub(crate) const ERROR: &str = "sync.error";
pub(crate) const KEPT: &str = "sync.kept";
pub(crate) const OUTCOME: &str = "sync.outcome";
pub(crate) const PARKED: &str = "sync.parked";
pub(crate) const PLAN: &str = "sync.plan";
pub(crate) const PUT: &str = "sync.put";
pub(crate) const RECEIVED: &str = "sync.received";
pub(crate) const REJECTED: &str = "sync.rejected";
pub(crate) const RESYNC: &str = "sync.resync";
pub(crate) const ROOT: &str = "sync.root";
pub(crate) const STATE: &str = "sync.state";
pub(crate) const STATUS: &str = "sync.status";
pub(crate) const UNCHANGED: &str = "sync.unchanged";

/// The attributes that are read, sorted. The server takes them as headers or query parameters.
pub const READ: [&str; 16] = [
    DELIVERY,
    DATABASE,
    DATABASE_VERSION,
    DECIMALS,
    INPUT,
    KEY_FIELD,
    KEY_PATH,
    KEY_PATHS,
    MODE,
    OBJECT_STORE,
    ORIGIN,
    RECEIVED_AT,
    REJECTS,
    SKIP_STORES,
    SOURCE,
    UUID,
];

/// The prefix of names that belong to nifi-idb. Any other attribute with it is misspelt.
const PREFIX: &str = "indexeddb.";

/// Returns whether a name looks like one of [`READ`] and is none of them.
pub fn is_misspelt(name: &str) -> bool {
    name.starts_with(PREFIX) && !READ.contains(&name)
}

/// The attributes that are written, sorted.
pub const WRITTEN: [&str; 24] = [
    DATABASE,
    OBJECT_STORE,
    SOURCE,
    MIME_TYPE,
    BUCKET,
    FLOW,
    FLOW_VERSION,
    CHECKPOINT,
    CONFLICTS,
    DELETED,
    EPOCH,
    ERROR,
    KEPT,
    OUTCOME,
    PARKED,
    PLAN,
    PUT,
    RECEIVED,
    REJECTED,
    RESYNC,
    ROOT,
    STATE,
    STATUS,
    UNCHANGED,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the names in the first column of the table below a heading of the page.
    fn of_page(heading: &str) -> BTreeSet<&'static str> {
        let (_, section) =
            include_str!("../../doc/reference/flowfiles.md").split_once(heading).unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
    }

    #[test]
    fn the_page_lists_them_all() {
        assert_eq!(of_page("## Attributes that are read"), BTreeSet::from(READ));
        assert_eq!(of_page("## Attributes that are written"), BTreeSet::from(WRITTEN));
        assert!(READ.is_sorted() && WRITTEN.is_sorted());
    }

    #[test]
    fn the_generator_of_flow_definitions_has_them_all() {
        let file = include_str!("../../nifi-templates/attributes.json");
        let json: serde_json::Value = serde_json::from_str(file).unwrap();
        assert_eq!(json["read"], serde_json::json!(READ));
        assert_eq!(json["written"], serde_json::json!(WRITTEN));
    }
}
