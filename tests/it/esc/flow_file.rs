//! A FlowFile, and as much of the Expression Language as arguments use.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Content and attributes, and what NiFi itself knows of them.
#[derive(Clone, Debug)]
pub(crate) struct FlowFile {
    pub(crate) uuid: String,
    /// Milliseconds since 1970; the same in every run of a retry, and after a restart.
    pub(crate) entry_date: i64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) content: Vec<u8>,
    pub(crate) penalized: bool,
}

impl FlowFile {
    /// One that has just come in, with an identity of its own.
    pub(crate) fn new(content: impl Into<Vec<u8>>) -> Self {
        let entry_date = 1_700_000_000_000;
        Self {
            uuid: identity(),
            entry_date,
            attributes: BTreeMap::new(),
            content: content.into(),
            penalized: false,
        }
    }

    /// What `session.create(parent)` makes: a FlowFile of its own with the parent's attributes.
    pub(crate) fn child(&self, content: Vec<u8>) -> Self {
        // The entry date of a new FlowFile is the time of the step that made it.
        Self { uuid: identity(), entry_date: self.entry_date + 1, content, ..self.clone() }
    }

    /// A property's value: parameters are put in first, then expressions are evaluated.
    pub(crate) fn evaluate(&self, property: &str, parameters: &BTreeMap<String, String>) -> String {
        let text = with_parameters(property, parameters);
        replace(&text, "${", |expression| match expression {
            "fileSize" => self.content.len().to_string(),
            "uuid" => self.uuid.clone(),
            "entryDate:toNumber()" => self.entry_date.to_string(),
            name => {
                assert!(!name.contains([':', '$', '(']), "this stand-in does not know ${{{name}}}");
                self.attributes.get(name.trim_matches('\'')).cloned().unwrap_or_default()
            }
        })
    }
}

/// A value as the child finds it in its environment: parameters are put in, expressions stay as they are.
pub(crate) fn with_parameters(property: &str, parameters: &BTreeMap<String, String>) -> String {
    replace(property, "#{", |name| {
        parameters
            .get(name)
            .unwrap_or_else(|| panic!("no parameter {name}: NiFi would call this invalid"))
            .clone()
    })
}

fn replace(text: &str, open: &str, value: impl Fn(&str) -> String) -> String {
    let mut pieces = text.split(open);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (inner, rest) = piece.split_once('}').unwrap();
        out += &value(inner);
        out += rest;
    }
    out
}

/// A new UUID each time.
fn identity() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("5b1f8e00-6d1c-4c3a-9b3e-{:012x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn arguments_are_evaluated_as_nifi_does() {
    let mut flow_file = FlowFile::new("twelve bytes");
    flow_file.attributes.insert("a.b".to_owned(), "x;\"y\" z".to_owned());
    let parameters = BTreeMap::from([("store".to_owned(), "git:/x".to_owned())]);
    let evaluate = |text: &str| flow_file.evaluate(text, &parameters);
    assert_eq!(evaluate("${fileSize}"), "12");
    assert_eq!(evaluate("at ${entryDate:toNumber()}."), "at 1700000000000.");
    assert_eq!(evaluate("#{store}/${uuid}"), format!("git:/x/{}", flow_file.uuid));
    assert_eq!(evaluate("${a.b}${'a.b'}${none}"), "x;\"y\" zx;\"y\" z");
    assert_eq!(with_parameters("${uuid} #{store}", &parameters), "${uuid} git:/x");
}
