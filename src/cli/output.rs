//! The output of the process: data on stdout, one clear line first on stderr, an exit status.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use crate::failure::Failure;
use crate::history::HistoryError;

/// Limit on the bytes written to standard error: NiFi keeps the first 4,000 in `execution.error`.
pub const MAX_ERROR_BYTES: usize = 3_900;

/// Limit on the bytes of one line on standard error.
const MAX_LINE_BYTES: usize = 1_000;

/// Size of the buffer for standard output, in bytes.
const OUT_BYTES: usize = 64 * 1024;

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::new(error.exit_status(), error.to_string())
    }
}

/// Returns standard output with a buffer, bypassing the standard library's line buffer.
///
/// # Errors
///
/// Fails if the process has no file descriptor left.
pub fn stdout() -> Result<BufWriter<File>, Failure> {
    let descriptor =
        io::stdout().as_fd().try_clone_to_owned().map_err(|error| Failure::output(&error))?;
    Ok(BufWriter::with_capacity(OUT_BYTES, File::from(descriptor)))
}

/// Writes all of `text` to standard output.
///
/// # Errors
///
/// Fails if standard output is closed or full.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout()?;
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::output(&error))
}

/// Writes a failure to standard error: one line, then hints. A write error is ignored, because
/// there is no other place to report it.
pub fn write_failure(failure: &Failure) {
    let _ = io::stderr().lock().write_all(failure_text(failure).as_bytes());
}

/// Writes lines for people to standard error, next to complete output. They have the same limits as
/// a failure.
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

/// Returns the text of a failure: printable, at most [`MAX_ERROR_BYTES`] long.
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

/// Appends one line of at most `limit` bytes; control characters become spaces.
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
