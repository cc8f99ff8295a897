//! Flow definitions for NiFi: what is shipped is good, what is broken is refused at the right place, and `install` puts them
//! into a NiFi.

mod broken;
#[cfg(feature = "registry")]
mod double;
mod generated;
#[cfg(feature = "registry")]
mod install;

use nifi_idb::template::SHIPPED;
use serde_json::Value;

use crate::program::{Ran, program, run};

/// `nifi-idb template` with these words.
fn template(words: &[&str]) -> Ran {
    run(program(["template"].iter().chain(words)), b"")
}

#[test]
fn what_is_shipped_is_good() {
    for shipped in SHIPPED {
        let ran = template(&["check", shipped.name]);
        assert_eq!(ran.code(), Some(0), "{}{}", String::from_utf8_lossy(&ran.out), ran.err);
        let out = String::from_utf8(ran.done()).unwrap();
        assert!(
            out.starts_with(&format!("{}: good, ", shipped.name)) && out.lines().count() == 1,
            "{out}"
        );
    }
}

#[test]
fn list_names_them_and_print_gives_them_unchanged() {
    let list = String::from_utf8(template(&["list"]).done()).unwrap();
    let names: Vec<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        names,
        ["scheduled-sync", "live-sync", "http-sync", "scheduled-restore", "grpc-sync"]
    );
    for name in names {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/nifi-templates/");
        let printed = template(&["print", name]).done();
        assert!(
            printed == std::fs::read(format!("{file}{name}.json")).unwrap(),
            "{name} is not as printed"
        );
    }
    let ran = template(&["print", "nope"]);
    assert_eq!(ran.code(), Some(2));
    assert!(
        ran.err
            .starts_with("nifi-idb: no definition is named \"nope\"\nthere are scheduled-sync, "),
        "{}",
        ran.err
    );
}

#[test]
fn each_definition_has_a_page_that_names_its_parameters() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/nifi-templates/");
    let readme = std::fs::read_to_string(format!("{folder}README.md")).unwrap();
    for shipped in SHIPPED {
        let page = std::fs::read_to_string(format!("{folder}{}.md", shipped.name)).unwrap();
        assert!(
            readme.contains(&format!("{}.md", shipped.name)),
            "README.md has no link to {}",
            shipped.name
        );
        let definition: serde_json::Value = serde_json::from_str(shipped.text).unwrap();
        for context in definition["parameterContexts"].as_object().unwrap().values() {
            for parameter in context["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                assert!(
                    page.contains(&format!("| `{name}` |")),
                    "{}.md does not say what {name} is",
                    shipped.name
                );
            }
        }
        for processor in definition["flowContents"]["processors"].as_array().unwrap() {
            // Boxes may not lie on each other, whatever was moved.
            let place = |it: &serde_json::Value| {
                (it["position"]["x"].as_i64().unwrap(), it["position"]["y"].as_i64().unwrap())
            };
            let (x, y) = place(processor);
            let near = definition["flowContents"]["processors"].as_array().unwrap().iter().filter(
                |other| {
                    let (other_x, other_y) = place(other);
                    (other_x - x).abs() < 400 && (other_y - y).abs() < 150
                },
            );
            assert_eq!(
                near.count(),
                1,
                "{}: {} lies on another processor",
                shipped.name,
                processor["name"]
            );
        }
    }
}

#[test]
fn intake_over_http_takes_every_attribute_in_any_spelling() {
    let table = include_str!("../../../nifi-templates/attributes.json");
    let table: Value = serde_json::from_str(table).unwrap();
    let names: Vec<_> =
        table["read"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut intakes = 0;
    for shipped in SHIPPED.iter().filter(|shipped| shipped.text.contains("ListenHTTP")) {
        for name in names.iter().filter_map(|name| name.strip_prefix("indexeddb.")) {
            // These two are stamped at the intake, whatever the client says.
            if ["received.at", "rejects"].contains(&name) {
                continue;
            }
            let taken =
                format!("allMatchingAttributes('(?i)indexeddb[.]{}')", name.replace('.', "[.]"));
            let named = format!(
                "\"indexeddb.{name}\": \"${{indexeddb.{name}:replaceEmpty(${{intake.{name}}})}}\""
            );
            assert!(
                shipped.text.contains(&taken) && shipped.text.contains(&named),
                "{}: {name}",
                shipped.name
            );
        }
        intakes += 1;
    }
    assert_eq!(intakes, 3);
}
