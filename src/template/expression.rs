//! The references in a property's text: parameters `#{…}`, and the attributes in expressions
//! `${…}`.

/// A reference found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Parameter(String),
    Attribute(String),
}

/// Functions that may start an expression; their arguments are not attributes.
const STANDALONE: [&str; 18] = [
    "allAttributes",
    "allDelineatedValues",
    "allMatchingAttributes",
    "anyAttribute",
    "anyDelineatedValue",
    "anyMatchingAttribute",
    "getStateValue",
    "getUri",
    "hostname",
    "ip",
    "literal",
    "math",
    "nextInt",
    "now",
    "random",
    "thread",
    "UUID",
    "uuid",
];

/// Functions that follow a colon, in NiFi 1.x and 2.x.
const FUNCTIONS: [&str; 66] = [
    "and",
    "append",
    "base64Decode",
    "base64Encode",
    "contains",
    "count",
    "divide",
    "endsWith",
    "equals",
    "equalsIgnoreCase",
    "escapeCsv",
    "escapeHtml3",
    "escapeHtml4",
    "escapeJson",
    "escapeXml",
    "evaluateELString",
    "find",
    "format",
    "formatInstant",
    "fromRadix",
    "ge",
    "getDelimitedField",
    "gt",
    "hash",
    "ifElse",
    "in",
    "indexOf",
    "isEmpty",
    "isJson",
    "isNull",
    "join",
    "jsonPath",
    "lastIndexOf",
    "le",
    "length",
    "lt",
    "matches",
    "math",
    "minus",
    "mod",
    "multiply",
    "not",
    "notNull",
    "or",
    "padLeft",
    "padRight",
    "plus",
    "prepend",
    "repeat",
    "replace",
    "replaceAll",
    "replaceEmpty",
    "replaceFirst",
    "replaceNull",
    "startsWith",
    "substring",
    "substringAfter",
    "substringAfterLast",
    "substringBefore",
    "substringBeforeLast",
    "toDate",
    "toDecimal",
    "toLower",
    "toNumber",
    "toString",
    "toUpper",
];

/// The remaining functions, in a second array to keep the first one short.
const MORE_FUNCTIONS: [&str; 6] =
    ["toRadix", "trim", "unescapeJson", "unescapeXml", "urlDecode", "urlEncode"];

/// Finds the references in a text, in order.
///
/// # Errors
///
/// An expression does not end, or contains a function that NiFi does not have.
pub(super) fn references(text: &str) -> Result<Vec<Reference>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.find(['$', '#']) {
        let sign = &rest[place..=place];
        let run = rest[place..].len() - rest[place..].trim_start_matches(sign).len();
        let after = &rest[place + run..];
        // A doubled sign is an escaped sign.
        if !after.starts_with('{') || run.is_multiple_of(2) {
            rest = after;
            continue;
        }
        let mut cursor = ExpressionCursor { rest: after, whole: text };
        if sign == "#" {
            cursor.parameter(&mut found)?
        } else {
            cursor.expression(&mut found)?
        }
        rest = cursor.rest;
    }
    Ok(found)
}

struct ExpressionCursor<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl<'a> ExpressionCursor<'a> {
    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("expression {:?}: {what}", self.whole))
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, text: &str) -> bool {
        self.blanks();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn parameter(&mut self, found: &mut Vec<Reference>) -> Result<(), String> {
        let Some((name, rest)) = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
        else {
            return self.wrong("a parameter's name does not end");
        };
        self.rest = rest;
        found.push(Reference::Parameter(name.trim().trim_matches(['\'', '"']).to_owned()));
        Ok(())
    }

    fn expression(&mut self, found: &mut Vec<Reference>) -> Result<(), String> {
        self.take("{");
        self.blanks();
        if self.take("#") {
            self.parameter(found)?;
        } else if self.take("$") {
            self.expression(found)?;
        } else if self.rest.starts_with(['\'', '"']) {
            let name = self.literal()?;
            found.push(Reference::Attribute(name.to_owned()));
        } else {
            let name = self.word();
            if name.is_empty() {
                return self.wrong("it names no attribute");
            }
            if self.rest.starts_with('(') {
                if !STANDALONE.contains(&name) {
                    return self.wrong(&format!("no function {name} begins an expression"));
                }
                self.arguments(found)?;
            } else {
                found.push(Reference::Attribute(name.to_owned()));
            }
        }
        while self.take(":") {
            self.blanks();
            self.function(found)?;
        }
        if self.take("}") { Ok(()) } else { self.wrong("it does not end with }") }
    }

    fn function(&mut self, found: &mut Vec<Reference>) -> Result<(), String> {
        let name = self.word();
        if !FUNCTIONS.contains(&name) && !MORE_FUNCTIONS.contains(&name) {
            return self.wrong(&format!("there is no function {name:?}"));
        }
        self.arguments(found)
    }

    fn arguments(&mut self, found: &mut Vec<Reference>) -> Result<(), String> {
        if !self.take("(") {
            return self.wrong("a function has no brackets");
        }
        loop {
            self.blanks();
            if self.take(")") {
                return Ok(());
            }
            if self.take("#") {
                self.parameter(found)?;
            } else if self.take("$") {
                self.expression(found)?;
            } else if self.rest.starts_with(['\'', '"']) {
                self.literal()?;
            } else if self.word().is_empty() {
                return self.wrong("an argument is missing, or a bracket");
            }
            self.take(",");
        }
    }

    /// Reads a name, a number or a constant.
    fn word(&mut self) -> &'a str {
        let end = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        let (word, rest) = self.rest.split_at(self.rest.find(end).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn literal(&mut self) -> Result<&'a str, String> {
        let quote = self.rest.chars().next().unwrap_or('\'');
        let inside = &self.rest[1..];
        let mut escaped = false;
        for (place, c) in inside.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.rest = &inside[place + 1..];
                    return Ok(&inside[..place]);
                }
                _ => {}
            }
        }
        self.wrong("a text in quotes does not end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<String, String> {
        let shown = |reference: Reference| match reference {
            Reference::Parameter(name) => format!("#{name}"),
            Reference::Attribute(name) => name,
        };
        references(text).map(|found| found.into_iter().map(shown).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn parameters_and_attributes_are_found() {
        for (text, expected) in [
            ("plain", ""),
            ("#{a.b}/x ${c}", "#a.b c"),
            ("$${uuid} ##{p} $5 #", ""),
            ("$$${uuid}", "uuid"),
            (
                "${execution.status:in('0','3'):ifElse('200',${a:equals(\"}\"):ifElse('x','y')})}",
                "execution.status a",
            ),
            ("${'http.headers.X-Y'}", "http.headers.X-Y"),
            (
                "${now():toNumber():minus(${w:replaceNull('0')}):gt(${#{k}:toNumber():multiply(3600000)})}",
                "w #k",
            ),
            ("${allMatchingAttributes('(?i)x'):join('')}", ""),
            ("${a:plus(1):gt(#{b})}", "a #b"),
        ] {
            assert_eq!(names(text), Ok(expected.to_owned()), "{text}");
        }
        for text in [
            "${a",
            "${}",
            "${a:nope()}",
            "${a:equals('x)}",
            "${a:equals}",
            "#{a",
            "${nope()}",
            "${a:equals('x'}",
        ] {
            assert!(names(text).is_err(), "{text}");
        }
    }
}
