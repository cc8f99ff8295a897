//! Paths of fields in values.

use std::fmt;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathStep {
    /// A member of an object, with its name as it is written between the quotes in canonical text,
    /// with the `~` escape.
    Member(Vec<u8>),
    /// Every element of an array.
    Elements,
}

/// A path of member names from the outside in: `address.street`, `"a.b".c`, `contacts[].email`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    text: String,
    steps: Vec<PathStep>,
}

/// The error for a text that is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct PathError {
    /// The fault.
    pub what: &'static str,
    /// The position, in bytes from the start of the text.
    pub offset: usize,
}

impl FieldPath {
    /// Parses a path: names joined by `.`. A name that is empty or contains `.`, `[` or `"` must be
    /// quoted, with `"` and `\` escaped as `\"` and `\\`. `[]` after a name means every element.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        // Every fault is reported with its position, so that the policy file's reader can mark it.
        let mut steps = Vec::new();
        let mut rest = text;
        let at = |rest: &str| text.len() - rest.len();
        let wrong = |what, offset| Err(PathError { what, offset });
        loop {
            let name = if let Some(mut quoted) = rest.strip_prefix('"') {
                let mut name = String::new();
                loop {
                    let mut chars = quoted.chars();
                    match chars.next() {
                        Some('"') => {
                            rest = chars.as_str();
                            break name;
                        }
                        Some('\\') => match chars.next() {
                            Some(escaped @ ('"' | '\\')) => name.push(escaped),
                            _ => {
                                return wrong(
                                    "in quotes, \\ stands only before \" and \\",
                                    at(quoted),
                                );
                            }
                        },
                        Some(other) => name.push(other),
                        None => return wrong("a quote is open", at(rest)),
                    }
                    quoted = chars.as_str();
                }
            } else {
                let end = rest.find(['.', '[', '"']).unwrap_or(rest.len());
                let (name, tail) = rest.split_at(end);
                if name.is_empty() {
                    return wrong("a name is missing", at(rest));
                }
                rest = tail;
                name.to_owned()
            };
            steps.push(PathStep::Member(crate::indexeddb::value::member_name(&name)));
            while let Some(tail) = rest.strip_prefix("[]") {
                steps.push(PathStep::Elements);
                rest = tail;
            }
            if rest.is_empty() {
                return Ok(Self { text: text.to_owned(), steps });
            }
            rest = match rest.strip_prefix('.') {
                Some(tail) => tail,
                None => return wrong("after a name come . or [] or the end", at(rest)),
            };
        }
    }

    /// Returns the steps.
    pub fn steps(&self) -> &[PathStep] {
        &self.steps
    }

    /// True if it names the elements of an array.
    pub fn has_elements(&self) -> bool {
        self.steps.contains(&PathStep::Elements)
    }

    /// True if `self` is `other`, or names something inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.steps.starts_with(&other.steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_quotes_and_elements() {
        let steps = |text: &str| FieldPath::parse(text).unwrap().steps().to_vec();
        let member = |name: &str| PathStep::Member(name.as_bytes().to_vec());
        assert_eq!(steps("a"), [member("a")]);
        assert_eq!(steps("a.b c.d"), [member("a"), member("b c"), member("d")]);
        assert_eq!(steps(r#""a.b".c"#), [member("a.b"), member("c")]);
        assert_eq!(steps(r#""".x"#), [member(""), member("x")]);
        assert_eq!(steps(r#""a\"b""#), [member("a\\\"b")]);
        assert_eq!(
            steps("a[][].b"),
            [member("a"), PathStep::Elements, PathStep::Elements, member("b")]
        );
        assert_eq!(steps("~x.ä"), [member("~~x"), member("\\u00e4")]);
        for (text, offset) in
            [("", 0), ("a.", 2), (".a", 0), ("a..b", 2), ("a[0]", 1), (r#""a"#, 0), (r#"a"b""#, 1)]
        {
            assert_eq!(FieldPath::parse(text).map_err(|error| error.offset), Err(offset), "{text}");
        }
    }
}
