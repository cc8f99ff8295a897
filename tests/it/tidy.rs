//! The house: which module may know which, how long files are, that each says what it is for, and that no test is
//! forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::program::files;

/// No file is longer.
const MAX_LINES: usize = 750;

/// What each module may `use crate::`, beside itself. A stage knows the words, the stored format and earlier stages, never
/// later ones; `a::b` allows that part of `a` only. `cli` is at the edge and may use all.
const MAY_USE: [(&str, &[&str]); 34] = [
    ("indexeddb", &[]),
    ("flowfile", &["exit_status"]),
    ("policy", &["indexeddb", "similar", "snapshot"]),
    ("similar", &[]),
    ("trace_context", &[]),
    ("exit_status", &[]),
    ("failure", &["exit_status", "store"]),
    ("spool", &["temporary"]),
    ("temporary", &[]),
    ("report_line", &["snapshot"]),
    ("rejection", &["indexeddb", "report_line"]),
    ("limits", &[]),
    ("loss", &["indexeddb", "report_line"]),
    ("memory", &[]),
    ("snapshot", &["indexeddb"]),
    ("secret", &[]),
    ("certificate_trust", &[]),
    ("http_client", &["certificate_trust"]),
    ("nifi", &["exit_status", "http_client", "secret"]),
    (
        "store",
        &[
            "exit_status",
            "http_client",
            "indexeddb",
            "secret",
            "snapshot",
            "store_error",
            "temporary",
        ],
    ),
    (
        "decode",
        &[
            "exit_status",
            "indexeddb",
            "loss",
            "memory",
            "rejection",
            "report_line",
            "snapshot::id",
            "temporary",
        ],
    ),
    ("normalize", &["decode", "indexeddb", "policy", "rejection", "snapshot", "temporary"]),
    ("merge", &["indexeddb", "normalize", "policy", "snapshot"]),
    ("chunk", &["indexeddb", "snapshot", "store_error"]),
    ("store_error", &["exit_status"]),
    ("report", &["indexeddb", "merge", "report_line", "snapshot", "spool", "temporary"]),
    (
        "apply",
        &[
            "chunk",
            "decode",
            "exit_status",
            "indexeddb",
            "merge",
            "normalize",
            "policy",
            "report",
            "report_line",
            "snapshot",
            "store",
        ],
    ),
    (
        "pipeline",
        &[
            "apply",
            "chunk",
            "decode",
            "exit_status",
            "failure",
            "flowfile",
            "indexeddb",
            "normalize",
            "policy",
            "rejection",
            "report",
            "report_line",
            "snapshot",
            "spool",
            "store",
            "trace_context",
        ],
    ),
    (
        "decide",
        &[
            "apply",
            "chunk",
            "indexeddb",
            "normalize",
            "pipeline",
            "policy",
            "report",
            "report_line",
            "snapshot",
            "spool",
            "store",
        ],
    ),
    (
        "history",
        &[
            "apply",
            "chunk",
            "exit_status",
            "flowfile",
            "indexeddb",
            "loss",
            "similar",
            "snapshot",
            "spool",
            "store",
        ],
    ),
    ("config", &["policy", "secret", "store"]),
    ("template", &["flowfile"]),
    (
        "server",
        &[
            "certificate_trust",
            "config",
            "exit_status",
            "failure",
            "flowfile",
            "history",
            "indexeddb",
            "memory",
            "normalize",
            "pipeline",
            "policy",
            "report",
            "report_line",
            "snapshot",
            "store",
            "temporary",
            "trace_context",
        ],
    ),
    (
        "cli",
        &[
            "apply",
            "config",
            "decide",
            "decode",
            "exit_status",
            "failure",
            "flowfile",
            "history",
            "http_client",
            "indexeddb",
            "loss",
            "merge",
            "nifi",
            "normalize",
            "pipeline",
            "policy",
            "rejection",
            "report",
            "report_line",
            "server",
            "similar",
            "snapshot",
            "spool",
            "store",
            "template",
            "temporary",
            "trace_context",
        ],
    ),
];

/// Modules that only part of the library may name: who speaks to a server, and who knows how our bytes hide in a flow.
const PRIVATE_PARTS: [(&str, &[&str]); 11] = [
    ("reqwest", &["src/http_client/", "src/nifi/", "src/store/registry/"]),
    ("gix", &["src/store/git/"]),
    ("clap", &["src/cli/"]),
    // Events are at the edges of stages, never inside them.
    (
        "tracing",
        &[
            "src/cli/",
            "src/http_client/",
            "src/nifi/",
            "src/pipeline/",
            "src/server/",
            "src/store/",
            "src/trace_context.rs",
        ],
    ),
    ("tracing_subscriber", &["src/cli/logging/"]),
    ("opentelemetry", &["src/cli/logging/", "src/trace_context.rs"]),
    ("opentelemetry_http", &["src/http_client/"]),
    ("opentelemetry_otlp", &["src/cli/logging/"]),
    ("opentelemetry_sdk", &["src/cli/logging/", "src/trace_context.rs"]),
    ("tracing_opentelemetry", &["src/cli/logging/", "src/trace_context.rs"]),
    (
        "envelope",
        &["src/store/envelope", "src/store/registry/", "src/store/git/", "src/store/mod.rs"],
    ),
];

/// What no file of the library holds outside of tests, and where it may.
const FORBIDDEN: [(&str, &[&str]); 13] = [
    ("todo!(", &[]),
    ("unimplemented!(", &[]),
    ("dbg!(", &[]),
    ("println!(", &["src/cli/"]),
    ("print!(", &["src/cli/"]),
    ("std::process::exit", &["src/cli/"]),
    ("std::process::abort", &["src/store/fault.rs"]),
    ("SystemTime::now", &["src/cli/", "src/server/api/sync.rs"]),
    ("env::var(", &["src/cli/", "src/config.rs", "src/store/fault.rs"]),
    ("env::vars", &["src/cli/", "src/config.rs"]),
    ("tokio", &["src/server/"]),
    // Others can read what it makes, as far as the umask lets them.
    ("tempfile::tempfile", &["src/temporary.rs"]),
    ("FIXME", &[]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a directory of the package: path from the package, and text.
fn sources(dir: &str) -> Vec<(String, String)> {
    let all = files(&root().join(dir))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(root().join(dir).join(&path)).unwrap();
        (format!("{dir}/{}", path.display()), text)
    };
    all.map(read).collect()
}

/// The library's code without comments, tests and the insides of text that is only shown.
fn code(text: &str) -> Vec<(usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().enumerate().map(|(number, line)| (number + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The top module that a file of `src` belongs to.
fn module(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap();
    below.split_once('/').map_or_else(|| below.strip_suffix(".rs").unwrap(), |(module, _)| module)
}

/// Paths after `crate::` in a line, `a::b` at most.
fn used(line: &str) -> Vec<String> {
    let after = line.match_indices("crate::").map(|(place, found)| &line[place + found.len()..]);
    let word = |text: &str| {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
    };
    after
        .map(|rest| {
            let first = word(rest);
            let second = rest[first.len()..].strip_prefix("::").map(word).unwrap_or_default();
            if second.is_empty() { first } else { format!("{first}::{second}") }
        })
        .collect()
}

fn allowed(module: &str, path: &str) -> bool {
    let top = path.split("::").next().unwrap();
    let (_, may) = MAY_USE
        .iter()
        .find(|(name, _)| *name == module)
        .unwrap_or_else(|| panic!("{module} has no place"));
    top == module || may.iter().any(|may| *may == top || path == *may)
}

#[test]
fn modules_know_only_what_they_may() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").iter().filter(|(path, _)| !is_test(path)) {
        if path == "src/lib.rs" || path == "src/main.rs" {
            continue;
        }
        for (number, line) in code(text) {
            // A group would hide its members from this test.
            if line.contains("crate::{") {
                wrong.push(format!("{path}:{number}: name one module a line"));
            }
            for used in used(line) {
                if !allowed(module(path), &used) {
                    wrong.push(format!("{path}:{number}: {} may not use {used}", module(path)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_place() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let named: BTreeSet<_> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    let ruled: BTreeSet<_> = MAY_USE.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(named, ruled);
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    let uses: Vec<_> = main.lines().filter(|line| line.contains("nifi_idb::")).collect();
    assert_eq!(uses, ["use nifi_idb::cli;"]);
    assert!(main.lines().count() <= 40);
}

#[test]
fn some_words_have_one_home() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").iter().filter(|(path, _)| !is_test(path)) {
        for (number, line) in code(text) {
            for (word, homes) in FORBIDDEN {
                if line.contains(word) && !homes.iter().any(|home| path.starts_with(home)) {
                    wrong.push(format!("{path}:{number}: {word}"));
                }
            }
            for (word, homes) in PRIVATE_PARTS {
                let names = [format!("{word}::"), format!("use {word};")];
                if names.iter().any(|name| line.contains(name.as_str()))
                    && !homes.iter().any(|home| path.starts_with(home))
                {
                    wrong.push(format!("{path}:{number}: {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names of ours that begin with `~` and are no tags, and the one file that spells each.
const NAMES_LIKE_TAGS: [(&str, &str); 6] = [
    ("~conflicts", "src/snapshot/manifest.rs"),
    ("~sources", "src/snapshot/manifest.rs"),
    ("~views", "src/snapshot/manifest.rs"),
    ("~manifest.ndjson", "src/store/git/layout.rs"),
    ("~tombstones", "src/store/git/layout.rs"),
    ("~values", "src/store/git/layout.rs"),
];

/// The names in a line that begin, after a quote, with `~` and a letter.
fn tilde_names(line: &str) -> Vec<&str> {
    let name = |(place, _)| {
        let rest = &line[place + 1..];
        let end = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '.');
        &rest[..end.map_or(rest.len(), |end| end + 1)]
    };
    let is_name = |name: &&str| name[1..].starts_with(|c: char| c.is_ascii_alphabetic());
    line.match_indices("\"~").map(name).filter(is_name).collect()
}

#[test]
fn tags_are_spelled_in_one_place() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").iter().filter(|(path, _)| !is_test(path)) {
        let tags_live_here = path.starts_with("src/indexeddb/");
        for (number, line) in code(text) {
            for name in tilde_names(line).into_iter().filter(|_| !tags_live_here) {
                if !NAMES_LIKE_TAGS.contains(&(name, path.as_str())) {
                    wrong.push(format!("{path}:{number}: {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "use indexeddb::value: {}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_is_not_too_long() {
    let mut wrong = Vec::new();
    for dir in ["src", "tests", "benches", "examples", "fuzz/fuzz_targets"] {
        for (path, text) in sources(dir) {
            let first = text.lines().next().unwrap_or_default();
            if !first.starts_with("//! ") && !first.starts_with("#![doc = include_str!(") {
                wrong.push(format!("{path}: its first line does not say what it is for"));
            }
            let lines = text.lines().count();
            if lines > MAX_LINES {
                wrong.push(format!("{path}: {lines} lines"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_test_file_is_forgotten() {
    for binary in ["browser", "clients", "it", "real_nifi", "real_registry"] {
        let main = fs::read_to_string(root().join("tests").join(binary).join("main.rs")).unwrap();
        for entry in fs::read_dir(root().join("tests").join(binary))
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let rust = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs");
            let is_module = rust(&entry) || entry.is_dir() && files(&entry).iter().any(rust);
            let name = entry.file_stem().unwrap().to_string_lossy().into_owned();
            if is_module && name != "main" {
                assert!(
                    main.contains(&format!("mod {name};")),
                    "tests/{binary}/main.rs does not name {name}"
                );
            }
        }
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for dir in ["benches", "tests"] {
        for entry in fs::read_dir(root().join(dir)).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_stem().unwrap().to_string_lossy().into_owned();
            if entry.join("main.rs").exists()
                || (dir == "benches" && entry.extension().is_some_and(|end| end == "rs"))
            {
                assert!(
                    manifest.contains(&format!("name = \"{name}\"")),
                    "Cargo.toml does not name {dir}/{name}"
                );
            }
        }
    }
    let fuzz = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for (path, _) in sources("fuzz/fuzz_targets") {
        assert!(
            fuzz.contains(path.strip_prefix("fuzz/").unwrap()),
            "fuzz/Cargo.toml does not name {path}"
        );
    }
}

#[test]
fn pages_are_part_of_the_documentation() {
    let all: String = sources("src").into_iter().map(|(_, text)| text).collect();
    for page in files(&root().join("doc/reference")) {
        let name = page.file_name().unwrap().to_string_lossy();
        assert!(
            all.contains(&format!("doc/reference/{name}\")]")),
            "{} is in no module",
            page.display()
        );
    }
    let inside = files(&root().join("src"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "md"));
    assert_eq!(inside.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "pages live in doc/");
}

#[test]
fn unsafe_is_forbidden_and_lints_have_reasons() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for lint in [
        "unsafe_code = \"forbid\"",
        "unwrap_used = \"deny\"",
        "print_stdout = \"deny\"",
        "allow_attributes_without_reason = \"deny\"",
    ] {
        assert!(manifest.contains(lint), "Cargo.toml has lost {lint}");
    }
}

#[test]
fn the_rules_find_what_they_forbid() {
    assert!(!allowed("indexeddb", "snapshot::id"));
    assert!(allowed("decode", "snapshot::id") && !allowed("decode", "snapshot::Line"));
    assert!(!allowed("merge", "pipeline") && !allowed("store", "chunk"));
    assert_eq!(tilde_names(r#"b"{\"~date\":", "~id", '~', "~", "~0""#), ["~date", "~id"]);
    assert_eq!(used("use crate::snapshot::id::SourceId; crate::chunk"), ["snapshot::id", "chunk"]);
    assert_eq!(code("a\n// crate::b\nc\n#[cfg(test)]\nmod tests {\n}\n"), [(1, "a"), (3, "c")]);
    assert_eq!((module("src/store/git/mod.rs"), module("src/config.rs")), ("store", "config"));
}
