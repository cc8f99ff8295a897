//! Checks a policy file against the schema of a database: unknown names, and private fields that
//! are part of keys.

use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::schema::{Database, KeyPath, ObjectStore};
use crate::policy::file::scope::{SaidPrivate, Scope};
use crate::policy::file::{Fault, PolicyFile};
use crate::policy::path::FieldPath;
use crate::policy::privacy::Hide;
use crate::similar::similar;
use crate::snapshot::ConflictType;

/// The result of a check against a schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaCheckResult {
    /// The faults.
    pub faults: Vec<Fault>,
    /// Notes that are worth knowing.
    pub notes: Vec<Fault>,
}

/// Checks a file against a database's schema.
pub fn against_schema(file: &PolicyFile, database: &Database) -> SchemaCheckResult {
    let mut checked = SchemaCheckResult::default();
    let names: Vec<String> = database.stores.iter().map(|store| store.name.to_string()).collect();
    for scope in &file.stores {
        let Some(name) = &scope.store else { continue };
        if database.store(name).is_none() {
            checked.faults.push(unknown(scope, name, &names));
        }
    }
    for case in file.cases.iter().filter(|case| database.store(&case.store).is_none()) {
        let message = format!(
            "the case {:?} is of an object store that is not there: {:?}",
            case.name,
            case.store.to_string()
        );
        checked.notes.push(Fault::new(case.place.clone(), message));
    }
    for store in &database.stores {
        keys(file, store, &mut checked);
        unique(file, store, &mut checked);
    }
    checked.faults.sort_by_key(|fault| fault.span.start);
    checked.faults.dedup();
    checked.notes.sort_by_key(|note| note.span.start);
    checked
}

fn unknown(scope: &Scope, name: &DomString, names: &[String]) -> Fault {
    let name = name.to_string();
    let help = match similar(&name, names.iter().map(String::as_str)) {
        Some(near) => format!("write [stores.{near}]"),
        None if names.is_empty() => "the database has no object store yet".to_owned(),
        None => format!(
            "there are {}",
            names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
        ),
    };
    Fault::new(scope.place.clone(), format!("there is no object store {name:?}")).help(help)
}

/// Returns the paths of a key as field paths; a key path that is the value itself has none.
fn key_paths(store: &ObjectStore) -> Vec<FieldPath> {
    let paths: Vec<&DomString> = match &store.key_path {
        None => Vec::new(),
        Some(KeyPath::Path(path)) => vec![path],
        Some(KeyPath::Paths(paths)) => paths.iter().collect(),
    };
    paths.into_iter().filter_map(|path| FieldPath::parse(&path.to_text()?).ok()).collect()
}

/// Finds private fields that are part of a key: a key cannot be hidden, because a record cannot
/// exist without it.
fn keys(file: &PolicyFile, store: &ObjectStore, checked: &mut SchemaCheckResult) {
    let own = file.stores.iter().find(|scope| scope.store.as_ref() == Some(&store.name));
    for key in key_paths(store) {
        let hides =
            |private: &&SaidPrivate| private.path.is_within(&key) || key.is_within(&private.path);
        let scopes = own.into_iter().chain(std::iter::once(&file.defaults));
        for private in scopes.flat_map(|scope| &scope.privacy).filter(hides) {
            let how = match private.hide {
                Hide::Exclude => "left out",
                Hide::Redact => "replaced by a mark",
                Hide::Hash => "hashed",
            };
            let (path, name) = (&private.path, store.name.to_string());
            let message = format!("the key of {name:?} is \"{key}\": \"{path}\" cannot be {how}");
            let help = "leave it out of privacy, or give the object store another key";
            checked.faults.push(Fault::new(private.place.clone(), message).help(help));
        }
    }
}

fn unique(file: &PolicyFile, store: &ObjectStore, checked: &mut SchemaCheckResult) {
    let said = file.defaults.types.get(ConflictType::UniqueIndex as usize);
    if said.is_some_and(Option::is_some) {
        return;
    }
    for index in store.indexes.iter().filter(|index| index.unique) {
        let (name, index) = (store.name.to_string(), index.name.to_string());
        let message = format!(
            "the index {index:?} of {name:?} is unique, and nothing says what happens when two \
             records share its key"
        );
        let help = "the one that arrives second is parked; unique-index in [defaults.types] \
            decides otherwise";
        checked.notes.push(Fault::new(file.defaults.place.clone(), message).help(help));
    }
}
