//! The page of the log lists every event and span of the code, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::program::files;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The event that the writer of lines makes by hand.
const BY_HAND: &str = "| log lines dropped | warn | cli | lines |";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the rows of a table of the page, without its head.
fn rows(heading: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("doc/reference/logging.md")).unwrap();
    let section = page.split_once(&format!("\n## {heading}\n")).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    section.lines().filter(|line| line.starts_with("| ")).skip(2).map(str::to_owned).collect()
}

/// Returns the arguments of a macro: the text between the parentheses, split at the outer commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut found, mut depth, mut is_text, mut before) = (vec![String::new()], 0, false, ' ');
    for character in text.chars() {
        is_text ^= character == '"' && before != '\\';
        before = character;
        match character {
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().unwrap().push(character);
    }
    found.iter().map(|argument| argument.trim().to_owned()).filter(|it| !it.is_empty()).collect()
}

/// Returns the name of a field: `a`, `%a`, `?a`, `a = …` or `a.b = …`.
fn field(argument: &str) -> String {
    let name = argument.split(" = ").next().unwrap().trim_start_matches(['%', '?']);
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.');
    assert!(is_name(name), "a field needs a name: {argument}");
    // In JSON the fields are beside these members.
    let reserved = ["timestamp", "level", "message", "target", "spans"];
    assert!(!reserved.contains(&name), "{name} is a member of each line");
    name.to_owned()
}

/// Returns the literal text of an argument.
fn literal(argument: &str) -> Option<&str> {
    argument.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains(['{', '"']))
}

/// Calls `found` with the module, the macro and the arguments of each event and span of the code.
fn each_macro(mut found: impl FnMut(&str, &str, Vec<String>)) {
    for path in
        files(&root().join("src")).iter().filter(|it| it.extension().is_some_and(|it| it == "rs"))
    {
        let text = fs::read_to_string(root().join("src").join(path)).unwrap();
        let part = path.iter().next().unwrap().to_string_lossy();
        for piece in text.split("tracing::").skip(1) {
            let Some((name, rest)) = piece.split_once("!(") else { continue };
            if name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                found(part.trim_end_matches(".rs"), name, arguments(rest));
            }
        }
    }
}

#[test]
fn the_page_lists_every_event() {
    let mut events = BTreeSet::from([BY_HAND.to_owned()]);
    each_macro(|part, level, mut arguments| {
        if level.ends_with("_span") {
            return;
        }
        assert!(LEVELS.contains(&level), "{part}: tracing::{level}!");
        let last = arguments.pop().unwrap_or_default();
        let event = literal(&last).unwrap_or_else(|| panic!("{part}: no constant message: {last}"));
        let fields: Vec<_> = arguments.iter().map(|argument| field(argument)).collect();
        events.insert(format!("| {event} | {level} | {part} | {} |", fields.join(", ")));
    });
    assert_eq!(rows("Events"), events);
}

#[test]
fn the_page_lists_every_span() {
    let mut spans = BTreeSet::new();
    each_macro(|part, level, arguments| {
        if !level.ends_with("_span") {
            return;
        }
        // A span of another level would be missing from the lines of errors.
        assert_eq!(level, "error_span", "{part}");
        let (name, fields) = arguments.split_first().unwrap();
        let name = literal(name).unwrap_or_else(|| panic!("{part}: no constant name: {name}"));
        let fields: Vec<_> = fields.iter().map(|argument| field(argument)).collect();
        spans.insert(format!("| {name} | {part} | {} |", fields.join(", ")));
    });
    assert_eq!(rows("Spans"), spans);
}

#[test]
fn macros_are_named_with_their_crate() {
    for path in files(&root().join("src")) {
        let text = fs::read_to_string(root().join("src").join(&path)).unwrap_or_default();
        let imports = text.lines().filter(|line| line.starts_with("use tracing::"));
        for line in imports {
            let words = line.split(|c: char| !c.is_ascii_lowercase() && c != '_');
            let is_macro = |word: &str| LEVELS.contains(&word) || word.ends_with("_span");
            assert!(!words.into_iter().any(is_macro), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_check_reads_macros() {
    let text = "a, b = f(1, \"x,)\"), %c, d.e = ?[1, 2],\n \"done\");\nlet x = 1;";
    let arguments = arguments(text);
    assert_eq!(arguments, ["a", "b = f(1, \"x,)\")", "%c", "d.e = ?[1, 2]", "\"done\""]);
    let fields: Vec<_> = arguments[..4].iter().map(|argument| field(argument)).collect();
    assert_eq!((fields.join(" "), literal(&arguments[4])), ("a b c d.e".to_owned(), Some("done")));
    assert_eq!((literal("\"{x}\""), literal("x")), (None, None));
}
