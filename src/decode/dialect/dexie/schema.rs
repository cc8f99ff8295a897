//! Dexie's schema syntax: `++id,&mail,name,*tags,[a+b]`, with the primary key first.

use serde_json::{Map, Value, json};

use crate::indexeddb::schema::ObjectStore;

/// Parses the schema of one table. `name` is its name in our JSON form. The error message is for
/// people.
pub(crate) fn parse(name: &Value, schema: &str) -> Result<ObjectStore, String> {
    let mut parts = schema.split(',').map(SchemaPart::read);
    let primary = parts.next().unwrap_or(Err("it has no primary key"))?;
    if primary.multi_entry {
        return Err("a primary key cannot be marked with *".to_owned());
    }
    let mut indexes = Vec::new();
    for part in parts {
        let part = part?;
        if part.auto_increment || part.path.is_null() {
            return Err("an index needs a name, and cannot be marked with ++".to_owned());
        }
        let SchemaPart { name, path, unique, multi_entry, .. } = part;
        indexes.push(
            json!({ "name": name, "keyPath": path, "unique": unique, "multiEntry": multi_entry }),
        );
    }
    let mut members = Map::new();
    members.insert("name".to_owned(), name.clone());
    members.insert("keyPath".to_owned(), primary.path);
    members.insert("autoIncrement".to_owned(), primary.auto_increment.into());
    members.insert("indexes".to_owned(), indexes.into());
    ObjectStore::from_json(&members).map_err(|error| error.to_string())
}

struct SchemaPart {
    /// The name that Dexie gives the index.
    name: String,
    /// The key path; `null` if there is none.
    path: Value,
    unique: bool,
    multi_entry: bool,
    auto_increment: bool,
}

impl SchemaPart {
    fn read(text: &str) -> Result<Self, &'static str> {
        // After a colon comes a type that only Dexie uses; the browser does not know it.
        let text = text.split(':').next().unwrap_or_default().trim();
        let name = text.replace("++", "").replace(['&', '*'], "");
        let path = match name.strip_prefix('[') {
            None if name.is_empty() => Value::Null,
            None => name.as_str().into(),
            Some(rest) => {
                let inside = rest.strip_suffix(']').ok_or("a [ has no ]")?;
                inside.split('+').map(Value::from).collect()
            }
        };
        let (unique, multi_entry) = (text.contains('&'), text.contains('*'));
        Ok(Self { name, path, unique, multi_entry, auto_increment: text.contains("++") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_read() {
        let store = parse(&json!("t"), "++id, &mail,name,*tags,[a+b.c],&*both,doc:Y.Doc").unwrap();
        let index = |name: &str, path: Value, unique: bool, multi: bool| json!({ "name": name, "keyPath": path, "unique": unique, "multiEntry": multi });
        let expected = json!({
            "name": "t", "keyPath": "id", "autoIncrement": true,
            "indexes": [
                index("[a+b.c]", json!(["a", "b.c"]), false, false),
                index("both", json!("both"), true, true),
                index("doc", json!("doc"), false, false),
                index("mail", json!("mail"), true, false),
                index("name", json!("name"), false, false),
                index("tags", json!("tags"), false, true),
            ],
        });
        assert_eq!(Value::Object(store.to_json()), expected);
        for (schema, path, auto) in [
            ("", Value::Null, false),
            ("++", Value::Null, true),
            ("[a+b]", json!(["a", "b"]), false),
        ] {
            let store = parse(&json!("t"), schema).unwrap().to_json();
            assert_eq!(
                (&store["keyPath"], &store["autoIncrement"]),
                (&path, &json!(auto)),
                "{schema}"
            );
        }
        for schema in ["*id", "id,", "id,++x", "id,[a", "id,a,a", "[a+b", "id,&"] {
            assert!(parse(&json!("t"), schema).is_err(), "{schema}");
        }
    }
}
