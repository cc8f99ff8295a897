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
        std::fs::write(folder.path().join("policy.toml"), format!("version = 1\n{policy}"))
            .unwrap();
        Self { folder }
    }

    fn repo(&self) -> std::path::PathBuf {
        self.folder.path().join("s.git")
    }

    /// The path of a file of this text.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn policy(&self) -> String {
        self.folder.path().join("policy.toml").to_str().unwrap().to_owned()
    }

    fn sync(&self, source: &str, values: &[&str]) -> Vec<Value> {
        let store = r#"{"name":"data","keyPath":"id","indexes":[{"name":"mail","keyPath":"mail","unique":true}]}"#;
        let puts: String = values
            .iter()
            .map(|value| format!("{{\"op\":\"put\",\"store\":\"data\",\"value\":{value}}}\n"))
            .collect();
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

#[test]
fn no_record_gets_an_index_key_that_another_one_has() {
    let shop = Shop::new("[defaults.types]\nunique-index = \"park\"\n");
    shop.sync("a", &[r#"{"id":1,"mail":"x"}"#, r#"{"id":3,"mail":"z"}"#]);
    shop.sync("b", &[r#"{"id":2,"mail":"x"}"#, r#"{"id":4,"mail":"z"}"#]);
    let (two, policy) = (r#"[2,"data",2]"#, shop.policy());
    let resolve =
        |more: &[&str]| shop.conflicts(&[&["resolve", "--policy", &policy], more].concat());
    let (taken, free) =
        (shop.file("taken", r#"{"id":2,"mail":"z"}"#), shop.file("free", r#"{"id":2,"mail":"y"}"#));
    for (choice, other) in [(&["--use", "incoming"][..], 1), (&["--value", &taken], 3)] {
        let refused = resolve(&[&[two], choice].concat());
        assert_eq!((refused.code(), refused.out.len()), (Some(2), 0), "{choice:?}");
        let what = format!(
            "record 2 of object store \"data\" would have the same key in a unique index as record {other}:"
        );
        assert!(refused.err.contains(&what), "{}", refused.err);
    }
    // Two that are decided at once, and one of them is no better.
    shop.sync("a", &[r#"{"id":1,"mail":"n"}"#, r#"{"id":3,"mail":"m"}"#]);
    shop.sync("c", &[r#"{"id":5,"mail":"x"}"#]);
    let refused = resolve(&["--all-matching", "--use", "incoming"]);
    assert!(refused.code() == Some(2) && refused.err.contains("record 2 of"), "{}", refused.err);
    assert!(refused.err.contains("as record 5:"), "{}", refused.err);
    let done = lines_of(resolve(&[two, "--value", &free]));
    assert_eq!(done[0]["line"]["value"]["mail"], "y");
    // The way that the message names: the other one has let it go.
    assert_eq!(
        lines_of(resolve(&[r#"[2,"data",4]"#, "--use", "incoming"]))[0]["line"]["value"]["mail"],
        "z"
    );
}

#[test]
fn a_value_of_ones_own_passes_the_policys_private_fields() {
    let shop = Shop::new(concat!(
        "[stores.data]\nresolve = \"park\"\n",
        "[stores.data.privacy]\nexclude = [\"card\"]\nredact = [\"note\"]\nhash = [\"tel\"]\n"
    ));
    let (key, policy) = (shop.file("hash.key", "0123456789abcdef"), shop.policy());
    let sync = |source: &str, value: &str| {
        let store = r#"{"name":"data","keyPath":"id"}"#;
        let text = format!(
            "{{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"source\":\"{source}\",\"stores\":[{store}]}}\n\
             {{\"op\":\"put\",\"store\":\"data\",\"value\":{value}}}\n{{\"op\":\"end\",\"count\":1}}\n"
        );
        let flags = ["--policy", &policy, "--hash-key-file", &key];
        lines_of(on(&shop.repo(), "sync", &flags, text.as_bytes()))
    };
    sync("a", r#"{"id":1,"tel":"5"}"#);
    sync("b", r#"{"id":1,"tel":"6"}"#);
    let own = shop.file("own", r#"{"id":1,"card":"4111","note":"n","tel":"5"}"#);
    let resolve = |more: &[&str]| {
        shop.conflicts(&[&["resolve", r#"[2,"data",1]"#, "--value", &own], more].concat())
    };
    for (flags, what) in [
        (&[][..], "rule \"data/park\" was asked"),
        (&["--policy", &policy], "needs a key: give --hash-key-file"),
    ] {
        let refused = resolve(flags);
        assert_eq!((refused.code(), refused.out.len()), (Some(2), 0), "{flags:?}");
        assert!(refused.err.contains(what) && !refused.err.contains("4111"), "{}", refused.err);
    }
    let flags = ["--policy", &policy, "--hash-key-file", &key];
    let done = lines_of(resolve(&flags));
    assert_eq!(done[0].to_string(), r#"{"excluded":1,"hashed":1,"redacted":1,"type":"privacy"}"#);
    let value = &done[1]["line"]["value"];
    assert_eq!((value.get("card"), &value["note"]), (None, &"[redacted]".into()));
    assert!(value["tel"].as_str().unwrap().starts_with("blake3:"), "{value}");
    // What was hidden is what is compared.
    assert_eq!(lines_of(resolve(&flags)).last().unwrap()["outcome"], "unchanged");

    // What cannot be hidden does not go in.
    let shared = shop.file("own", r#"{"id":1,"note":{"~id":[1,{}]},"more":{"~ref":1},"tel":"5"}"#);
    let refused =
        shop.conflicts(&[&["resolve", r#"[2,"data",1]"#, "--value", &shared], &flags[..]].concat());
    assert!(
        refused.code() == Some(2) && refused.err.contains("cannot be hidden"),
        "{}",
        refused.err
    );
}
