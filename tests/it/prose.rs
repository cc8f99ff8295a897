//! Budgets for habits that make a reader stumble. They only go down: a change that exceeds one has to
//! be worded differently, and a change that stays far below lowers it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::program::files;

/// Doc comments that begin with "What", "How", "Its", "Whether" and the like instead of a noun or a verb.
const OPENINGS: usize = 0;

/// Type names that more than one file defines.
const SHARED_NAMES: usize = 3;

/// Lines over [`COLUMNS`]: rustfmt splits no string and no table.
const LONG_LINES: usize = 90;

/// Columns that a line may take.
const COLUMNS: usize = 100;

/// Turns of phrase, and how often pages and comments may have each.
const MANNERISMS: [(&str, usize); 8] = [
    ("but for", 0),
    ("of its own", 5),
    ("of their own", 0),
    ("if nothing is said", 0),
    ("lies in", 0),
    ("stands in", 0),
    ("stands over", 0),
    ("what stands", 0),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the texts of a folder's files with this ending, by path.
fn texts(folder: &str, ending: &str) -> Vec<(String, String)> {
    let named =
        files(&root().join(folder)).into_iter().map(|path| format!("{folder}/{}", path.display()));
    let named = named.filter(|path| {
        path.ends_with(ending) && !path.contains("node_modules") && !path.contains("/fixtures/")
    });
    named.map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

/// Returns the library's files without those of tests.
fn library() -> Vec<(String, String)> {
    let all = texts("src", ".rs")
        .into_iter()
        .filter(|(path, _)| !path.ends_with("/tests.rs") && !path.contains("/tests/"));
    all.map(|(path, text)| {
        (path, text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned())
    })
    .collect()
}

/// Returns everything that people read: pages, and comments of the library.
fn prose() -> String {
    let mut prose = String::new();
    for folder in ["doc", "nifi-templates", "client", "examples", "tests/real_nifi"] {
        texts(folder, ".md").iter().for_each(|(_, text)| prose.push_str(text));
    }
    for page in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        prose.push_str(&fs::read_to_string(root().join(page)).unwrap());
    }
    for (_, text) in library() {
        for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("//")) {
            prose.push_str(line.trim_start_matches(['/', '!']));
            prose.push('\n');
        }
    }
    prose.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// A budget has to be lowered once more than this is left of it.
const SLACK: usize = 10;

/// Asserts a budget, and that it was lowered when much less is left.
fn within(budget: usize, found: &[String], what: &str) {
    let count = found.len();
    assert!(count <= budget, "{what}: {count}, at most {budget}:\n{}", found.join("\n"));
    assert!(count + SLACK >= budget, "{what}: lower the budget from {budget} to {count}");
}

#[test]
fn docs_begin_with_a_noun_or_a_verb() {
    const WORDS: [&str; 7] = ["What", "How", "Its", "Whether", "Who", "Where", "Why"];
    let mut found = Vec::new();
    for (path, text) in library() {
        let mut before = "";
        for (number, line) in text.lines().map(str::trim_start).enumerate() {
            let doc = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
            let opens = !before.starts_with("///") && !before.starts_with("//!");
            if opens
                && doc
                    .and_then(|doc| doc.split(' ').next())
                    .is_some_and(|word| WORDS.contains(&word))
            {
                found.push(format!("{path}:{}: {line}", number + 1));
            }
            before = line;
        }
    }
    within(OPENINGS, &found, "openings of docs");
}

#[test]
fn type_names_are_unique() {
    let mut homes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in library() {
        for line in text.lines().map(str::trim_start) {
            let line = line
                .strip_prefix("pub ")
                .or_else(|| {
                    line.split_once(") ")
                        .filter(|(before, _)| *before == "pub(crate" || *before == "pub(super")
                        .map(|(_, rest)| rest)
                })
                .unwrap_or(line);
            let name = ["struct ", "enum ", "trait ", "union "]
                .iter()
                .find_map(|kind| line.strip_prefix(kind));
            if let Some(name) = name {
                let name: String =
                    name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                homes.entry(name).or_default().insert(path.clone());
            }
        }
    }
    let shared = homes.into_iter().filter(|(_, homes)| homes.len() > 1);
    let found: Vec<_> = shared.map(|(name, homes)| format!("{name}: {homes:?}")).collect();
    within(SHARED_NAMES, &found, "type names with several homes");
}

#[test]
fn lines_fit() {
    let mut found = Vec::new();
    for (path, text) in library() {
        let long = text.lines().enumerate().filter(|(_, line)| line.chars().count() > COLUMNS);
        found.extend(long.map(|(number, _)| format!("{path}:{}", number + 1)));
    }
    within(LONG_LINES, &found, "long lines");
}

#[test]
fn turns_of_phrase_become_fewer() {
    let prose = prose();
    let mut wrong = Vec::new();
    for (phrase, budget) in MANNERISMS {
        let found = prose.matches(phrase).count();
        if found > budget {
            wrong.push(format!("\"{phrase}\": {found}, at most {budget}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
