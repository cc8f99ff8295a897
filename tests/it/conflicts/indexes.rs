//! Conflicts about unique indexes, through the program.

use super::through_program::{conflicts, lines_of};
use super::*;

/// A store whose object store `data` has key path `id` and the unique index `mail`; `policy` is a file's text.
struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    fn new(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.toml"), format!("version = 1\n{policy}")).unwrap();
        Self { folder }
    }

    fn repo(&self) -> std::path::PathBuf {
        self.folder.path().join("s.git")
    }

    fn policy(&self) -> String {
        self.folder.path().join("policy.toml").to_str().unwrap().to_owned()
    }

    fn sync(&self, source: &str, values: &[&str]) -> Vec<Value> {
        let store = r#"{"name":"data","keyPath":"id","indexes":[{"name":"mail","keyPath":"mail","unique":true}]}"#;
        let puts: String =
            values.iter().map(|value| format!("{{\"op\":\"put\",\"store\":\"data\",\"value\":{value}}}\n")).collect();
        let text = format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"source\":\"{source}\",\"stores\":[{store}]}}\n\
             {puts}{{\"op\":\"end\",\"count\":{}}}\n",
            values.len()
        );
        lines_of(on(&self.repo(), "sync", &["--policy", &self.policy()], text.as_bytes()))
    }

    fn conflicts(&self, arguments: &[&str]) -> Ran {
        conflicts(&self.repo(), arguments)
    }
}

#[test]
fn who_has_the_index_key_is_named() {
    let shop = Shop::new("[defaults.types]\nunique-index = \"park\"\n");
    shop.sync("a", &[r#"{"id":1,"mail":"x"}"#]);
    let report = shop.sync("b", &[r#"{"id":2,"mail":"x","secret":"s"}"#]);
    assert_eq!((&report[0]["kind"], &report[0]["key"]), (&"unique-index".into(), &2.into()));
    assert_eq!(report[0]["other"], 1, "the report names it");
    assert_eq!(lines_of(shop.conflicts(&["list"]))[0]["other"], 1);
    let shown = lines_of(shop.conflicts(&["show", r#"[2,"data",2]"#]));
    assert_eq!((&shown[0]["other"], &shown[0]["key"]), (&1.into(), &2.into()));
    let text = String::from_utf8(shop.conflicts(&["list", "--format", "text"]).done()).unwrap();
    assert!(text.contains("[2,\"data\",2]  against 1  the policy leaves it to a person"), "{text}");
}
