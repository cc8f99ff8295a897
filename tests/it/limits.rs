//! The page of limits and the constants in the code: the same names, and the same values.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::program::files;

/// Beginnings of names that only limits have. Other constants may be on the page.
const PREFIXES: [&str; 3] = ["MAX_", "MIN_", "DEFAULT_"];

/// A constant with a number or a duration.
struct Constant {
    /// The module and the name: `scan::MAX_DEPTH`.
    name: String,
    file: String,
    expression: String,
    /// True if the value is a duration, which counts in milliseconds.
    is_duration: bool,
}

/// A row of the page.
struct Row {
    name: String,
    value: f64,
    flag: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the name of the module of a file, without those around it, because files move.
fn module(file: &str) -> &str {
    let path = file.strip_suffix(".rs").unwrap();
    path.strip_suffix("/mod").unwrap_or(path).rsplit('/').next().unwrap()
}

/// Returns the constants of a source without its inline tests.
fn constants_in(file: &str, text: &str) -> Vec<Constant> {
    let code = &text[..text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len())];
    let mut found = Vec::new();
    for (place, _) in code.match_indices("const ") {
        let line_start = code[..place].rfind('\n').map_or(0, |at| at + 1);
        let before = code[line_start..place].trim();
        let is_item = before.is_empty() || before == "pub" || before.starts_with("pub(");
        let Some((declared, rest)) = code[place + 6..].split_once('=').filter(|_| is_item) else {
            continue;
        };
        let Some((name, kind)) = declared.split_once(':') else { continue };
        let numbers = ["usize", "u64", "u32", "i64", "f64", "Duration"];
        if numbers.contains(&kind.trim()) {
            found.push(Constant {
                name: format!("{}::{}", module(file), name.trim()),
                file: file.to_owned(),
                expression: rest.split(';').next().unwrap().trim().to_owned(),
                is_duration: kind.trim() == "Duration",
            });
        }
    }
    found
}

/// All constants of the library with a number, by name.
fn constants() -> BTreeMap<String, Constant> {
    let mut found = BTreeMap::new();
    for path in files(&root().join("src")) {
        let file = format!("src/{}", path.display());
        if !file.ends_with(".rs") || file.ends_with("/tests.rs") || file.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(root().join(&file)).unwrap();
        for constant in constants_in(&file, &text) {
            let is_limit = is_limit(&constant.name);
            if let Some(other) = found.insert(constant.name.clone(), constant) {
                assert!(!is_limit, "two constants are {}: rename one", other.name);
            }
        }
    }
    found
}

fn is_limit(name: &str) -> bool {
    let name = name.rsplit("::").next().unwrap();
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Computes a constant; durations in milliseconds.
fn value_of(constant: &Constant, all: &BTreeMap<String, Constant>) -> f64 {
    let (call, factor) = match constant.expression.split_once('(') {
        Some(("Duration::from_secs", _)) => (1, 1000.0),
        Some(("Duration::from_millis", _)) => (1, 1.0),
        _ => (0, 1.0),
    };
    assert_eq!(call == 1, constant.is_duration, "{}: {}", constant.name, constant.expression);
    let text = constant.expression.replace("Duration::from_secs", "");
    let mut reader = ExpressionReader {
        text: text.replace("Duration::from_millis", ""),
        at: 0,
        of: constant,
        all,
    };
    let value = reader.sum();
    assert_eq!(reader.peek(), None, "{}: {}", constant.name, constant.expression);
    value * factor
}

/// Reads `64 * 1024`, `16 << 20`, `(1 << 53) - 1`, `MAX_KEY_DEPTH + 3`.
struct ExpressionReader<'a> {
    text: String,
    at: usize,
    of: &'a Constant,
    all: &'a BTreeMap<String, Constant>,
}

impl ExpressionReader<'_> {
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        self.peek();
        let found = self.text[self.at..].starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn sum(&mut self) -> f64 {
        let mut value = self.product();
        loop {
            if self.take("<<") {
                value *= 2f64.powf(self.product());
            } else if self.take("+") {
                value += self.product();
            } else if self.take("-") {
                value -= self.product();
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> f64 {
        let mut value = self.factor();
        while self.take("*") {
            value *= self.factor();
        }
        value
    }

    fn factor(&mut self) -> f64 {
        if self.take("(") {
            let value = self.sum();
            assert!(self.take(")"), "{}", self.text);
            return value;
        }
        self.peek();
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_.:".contains(c);
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        assert!(!word.is_empty(), "{}: {}", self.of.name, self.text);
        let word = word.to_owned();
        self.at += word.len();
        match word.replace('_', "").parse::<f64>() {
            Ok(number) => number,
            Err(_) => self.other(&word),
        }
    }

    /// Computes another constant that this one names: of the same file, or the only one.
    fn other(&self, word: &str) -> f64 {
        let name = word.rsplit("::").next().unwrap();
        let near = format!("{}::{name}", module(&self.of.file));
        let ending = format!("::{name}");
        let imported = |constant: &&Constant| {
            let module = constant.name.split("::").next().unwrap();
            let uses = |line: &str| line.contains(&format!("{module}::")) && line.contains(name);
            let source = fs::read_to_string(root().join(&self.of.file)).unwrap();
            source.lines().any(|line| line.starts_with("use ") && uses(line))
        };
        let named: Vec<_> =
            self.all.values().filter(|other| other.name.ends_with(&ending)).collect();
        let found = self.all.get(&near).or_else(|| match named[..] {
            [only] => Some(only),
            _ => named.iter().copied().find(imported),
        });
        value_of(found.unwrap_or_else(|| panic!("{}: {word}", self.of.name)), self.all)
    }
}

/// Reads `64 MiB`, `1,024`, `10 minutes`, `20 %`.
fn shown_value(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: f64 = number.replace(',', "").parse().unwrap_or_else(|_| panic!("{text}"));
    number
        * match unit {
            "" | "bytes" | "%" | "ms" => 1.0,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            "s" => 1000.0,
            "minutes" => 60_000.0,
            "h" => 3_600_000.0,
            _ => panic!("{text}: a unit that this test does not know"),
        }
}

fn rows(page: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    page.lines()
        .filter(|line| {
            line.starts_with("| ") && !line.starts_with("| limit ") && !line.starts_with("| ---")
        })
        .map(|line| match &cells(line)[..] {
            [_, value, flag, _, name] => Row {
                name: name.trim_matches('`').to_owned(),
                value: shown_value(value),
                flag: flag.trim_matches('`').to_owned(),
            },
            _ => panic!("a row does not have five cells: {line}"),
        })
        .collect()
}

fn page() -> Vec<Row> {
    rows(&fs::read_to_string(root().join("doc/reference/limits.md")).unwrap())
}

#[test]
fn each_limit_is_on_the_page_with_its_value() {
    let (all, page) = (constants(), page());
    let mut wrong = Vec::new();
    for row in &page {
        match all.get(&row.name) {
            None => wrong.push(format!("the page names {}, which no constant is", row.name)),
            Some(constant) if value_of(constant, &all) != row.value => wrong.push(format!(
                "{} is {}, on the page {}",
                row.name,
                value_of(constant, &all),
                row.value
            )),
            Some(_) => {}
        }
    }
    let shown: BTreeSet<_> = page.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(shown.len(), page.len(), "a limit is on the page twice");
    for name in all.keys().filter(|name| is_limit(name) && !shown.contains(name.as_str())) {
        wrong.push(format!("{name} is not in doc/reference/limits.md"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[cfg(feature = "serve")]
#[test]
fn flags_of_limits_exist() {
    use crate::program::{program, run};

    let help = ["sync", "serve"].map(|command| run(program([command, "--help"]), b"").out);
    let help = String::from_utf8(help.concat()).unwrap();
    for row in page().iter().filter(|row| !row.flag.is_empty()) {
        assert!(help.contains(&format!("{} ", row.flag)), "{}: {}", row.name, row.flag);
    }
}

#[test]
fn values_are_read_as_they_are_written() {
    let text = "pub const MAX_A: usize = 4 * 1024;\nconst B: Duration = Duration::from_secs(2 * 60);\n\
                pub(super) const MAX_C: u64 = MAX_A + 3;\nconst D: &str = \"1\";\nconst E: u64 = (1 << 53) - 1;\n\
                #[cfg(test)]\nmod tests {\nconst MAX_T: u64 = 1;\n}\n";
    let all: BTreeMap<_, _> = constants_in("src/a/mod.rs", text)
        .into_iter()
        .map(|constant| (constant.name.clone(), constant))
        .collect();
    let values: Vec<_> =
        all.values().map(|constant| (constant.name.as_str(), value_of(constant, &all))).collect();
    let expected = [
        ("a::B", 120_000.0),
        ("a::E", 9_007_199_254_740_991.0),
        ("a::MAX_A", 4096.0),
        ("a::MAX_C", 4099.0),
    ];
    assert_eq!(values, expected);
    assert_eq!([shown_value("64 MiB"), shown_value("2 minutes")], [67_108_864.0, 120_000.0]);
    let row = &rows("| limit | value |\n| --- |\n| a | 1,024 | `--x` | exit 5 | `a::B` |\n")[0];
    assert_eq!((row.name.as_str(), row.value, row.flag.as_str()), ("a::B", 1024.0, "--x"));
}
