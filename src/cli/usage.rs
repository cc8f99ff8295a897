//! Usage errors, reported like any other failure: one line, cause first, then what to do.

use clap::error::ErrorKind;

use crate::failure::Failure;

/// Returns the failure for a parse error.
///
/// # Errors
///
/// The text that `--help` or `--version` asked for, if the error is such a request.
pub(super) fn failure(error: &clap::Error) -> Result<Failure, String> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Err(text),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            return Ok(Failure::usage("no command given")
                .hint("see nifi-idb --help; the main job is nifi-idb sync"));
        }
        _ => {}
    }
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let mut paragraphs = text.split("\n\n").map(str::trim_end);
    // clap prints the required arguments on separate lines; they belong to the first sentence.
    let first: Vec<_> = paragraphs.next().unwrap_or_default().lines().map(str::trim).collect();
    let lines = paragraphs.flat_map(str::lines).filter(|line| !line.trim().is_empty());
    Ok(lines.fold(Failure::usage(first.join(" ")), |failure, line| failure.hint(line.trim())))
}
