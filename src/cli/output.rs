//! What leaves the process: data on stdout, one clear line first on stderr, an exit status.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use crate::failure::Failure;
use crate::history::HistoryError;

/// Standard error is kept below this many bytes: NiFi keeps the first 4,000 in `execution.error`.
pub const MAX_ERROR_BYTES: usize = 3_900;

/// The first line of standard error is cut after this many bytes.
const MAX_LINE_BYTES: usize = 1_000;

/// Standard output is written in pieces of this many bytes.
const OUT_BYTES: usize = 64 * 1024;

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::new(error.exit_status(), error.to_string())
    }
}

/// Standard output, buffered, past the standard library's line buffer.
///
/// # Errors
///
/// Fails if there is no descriptor left.
pub fn stdout() -> Result<BufWriter<File>, Failure> {
    let descriptor = io::stdout().as_fd().try_clone_to_owned().map_err(|error| Failure::output(&error))?;
    Ok(BufWriter::with_capacity(OUT_BYTES, File::from(descriptor)))
}

/// Writes all of `text` to standard output.
///
/// # Errors
///
/// Fails if standard output is closed or full.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout()?;
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// Writes a failure to standard error: one line, then hints. If that fails there is nobody left to tell.
pub fn write_failure(failure: &Failure) {
    let _ = io::stderr().lock().write_all(failure_text(failure).as_bytes());
}

/// Writes lines for people to standard error, beside an output that is whole. They are bounded as a failure is.
pub fn write_notes(notes: impl Iterator<Item = String>) {
    let mut text = String::new();
    for note in notes {
        let left = MAX_ERROR_BYTES.saturating_sub(text.len());
        if left < 2 * MAX_LINE_BYTES {
            text += "nifi-idb: and more; see verify\n";
            break;
        }
        push_line(&mut text, &format!("nifi-idb: {note}"), MAX_LINE_BYTES);
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The text of a failure: printable, bounded by [`MAX_ERROR_BYTES`].
fn failure_text(failure: &Failure) -> String {
    let mut text = "nifi-idb: ".to_owned();
    push_line(&mut text, &failure.message, MAX_LINE_BYTES);
    for hint in &failure.hints {
        let left = MAX_ERROR_BYTES.saturating_sub(text.len() + 1);
        if left < MAX_LINE_BYTES / 10 {
            break;
        }
        push_line(&mut text, hint, left.min(MAX_LINE_BYTES));
    }
    text
}

/// Appends one line of at most `limit` bytes; what a terminal would act upon becomes a space.
fn push_line(text: &mut String, line: &str, limit: usize) {
    const CUT: &str = " ...";
    let end = text.len() + limit - CUT.len();
    for character in line.chars() {
        if text.len() + character.len_utf8() > end {
            text.push_str(CUT);
            break;
        }
        text.push(if character.is_control() { ' ' } else { character });
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_and_hints_without_terminal_codes() {
        let failure = Failure::usage("no such\nfile \x1b[31mred").hint("look\ragain");
        assert_eq!(failure_text(&failure), "nifi-idb: no such file  [31mred\nlook again\n");
    }

    #[test]
    fn what_a_failure_says_is_bounded() {
        let mut failure = Failure::usage("€".repeat(5_000));
        for _ in 0..50 {
            failure = failure.hint("y".repeat(700));
        }
        let text = failure_text(&failure);
        assert!(text.len() < MAX_ERROR_BYTES && text.lines().count() > 3, "{}", text.len());
        assert!(text.lines().next().is_some_and(|line| line.ends_with(" ...")));
    }
}
