//! Faults in a policy file, and their rendering: the line, with a caret below the place.
//!
//! Drawn by hand, because it is two lines of plain ASCII, also in NiFi's bulletins and attributes;
//! crates for this draw frames around it.

use std::ops::Range;

/// A place in the file, in bytes.
pub type ByteSpan = Range<usize>;

/// The most characters shown of a longer line.
const SHOWN_CHARS: usize = 160;

/// The number of these characters that come before the place.
const SHOWN_BEFORE: usize = 60;

/// A fault of the file, or a note on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The place in the file.
    pub span: ByteSpan,
    /// The fault, in one line.
    pub message: String,
    /// The correction.
    pub help: Option<String>,
}

/// A position as line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePosition {
    /// The line.
    pub line: usize,
    /// The column in the line.
    pub column: usize,
}

impl FilePosition {
    /// Returns the position of byte `offset` in `text`.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..floor(text, offset)).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = 1 + before.bytes().filter(|&byte| byte == b'\n').count();
        Self { line, column: 1 + before.get(start..).unwrap_or_default().chars().count() }
    }
}

/// Returns the start of the character that contains byte `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

impl Fault {
    /// Returns a fault without help.
    pub fn new(span: ByteSpan, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    /// Adds the correction.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns `file:line:column: message`.
    pub fn headline(&self, name: &str, text: &str) -> String {
        let FilePosition { line, column } = FilePosition::of(text, self.span.start);
        format!("{name}:{line}:{column}: {}", self.message)
    }

    /// Returns the lines below the headline: the line of the file, the caret, the help.
    pub fn details(&self, text: &str) -> Vec<String> {
        let place = FilePosition::of(text, self.span.start);
        let line = text.split('\n').nth(place.line - 1).unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut lines = Vec::new();
        if !line.is_empty() {
            let chars: Vec<char> =
                line.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
            let at = place.column - 1;
            let from = if chars.len() > SHOWN_CHARS { at.saturating_sub(SHOWN_BEFORE) } else { 0 };
            let to = chars.len().min(from + SHOWN_CHARS);
            let marked = text
                .get(floor(text, self.span.start)..floor(text, self.span.end))
                .unwrap_or_default();
            // If the place spans several lines, the first is marked.
            let marked = marked.lines().next().unwrap_or_default().chars().count();
            let marked = marked.min(to.saturating_sub(at)).max(1);
            let (cut, cut_end) =
                (if from > 0 { "..." } else { "" }, if to < chars.len() { "..." } else { "" });
            let shown: String = chars.get(from..to).unwrap_or_default().iter().collect();
            let number = place.line.to_string();
            lines.push(format!("{number} | {cut}{}{cut_end}", shown.trim_end()));
            let before = number.len() + " | ".len() + cut.len() + at - from;
            lines.push(format!("{}{}", " ".repeat(before), "^".repeat(marked)));
        }
        lines.extend(self.help.iter().map(|help| format!("help: {help}")));
        lines
    }

    /// Returns headline and details, each line with its line end.
    pub fn render(&self, name: &str, text: &str) -> String {
        let mut out = self.headline(name, text) + "\n";
        for line in self.details(text) {
            out += &line;
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_is_below_the_place() {
        let text = "version = 1\r\n\t[defaults]\nresolve = \"ä\"  \n";
        let at = text.find("\"ä\"").unwrap();
        let fault = Fault::new(at..at + 4, "no").help("write yes");
        assert_eq!(
            fault.render("p.toml", text),
            "p.toml:3:11: no\n3 | resolve = \"ä\"\n              ^^^\nhelp: write yes\n"
        );
        let at = text.find("[d").unwrap();
        assert_eq!(
            Fault::new(at..at + 1, "no").render("p", text),
            "p:2:2: no\n2 |  [defaults]\n     ^\n"
        );
    }

    #[test]
    fn any_place_can_be_rendered() {
        let text = format!("a = \"{}\"\n\nüü", "é".repeat(500));
        for start in 0..=text.len() + 3 {
            for length in [0, 1, 7, 2_000] {
                let shown = Fault::new(start..start + length, "x").render("p", &text);
                assert!(
                    shown.lines().all(|line| line.chars().count() < 2 * SHOWN_CHARS),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let text = format!("{}X{}", "a".repeat(400), "b".repeat(400));
        let shown = Fault::new(400..401, "x").render("p", &text);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[1].find('X'), lines[2].find('^'));
    }
}
