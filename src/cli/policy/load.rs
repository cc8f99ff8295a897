//! Reads policy files from disk.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::rendered;
use crate::failure::Failure;
use crate::policy::{MAX_FILE_BYTES, PolicyFile};

/// The flag that names a policy file in commands whose main argument is something else.
const FLAG: &str = "--policy ";

/// Reads the text of a policy file. A file over the size limit is cut off here, and refused later
/// for its length.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    text_of("", path)
}

/// As [`text`]; a failure starts with `flag`, which includes a trailing space.
fn text_of(flag: &str, path: &Path) -> Result<String, Failure> {
    let wrong = |what: String| Failure::usage(format!("{flag}{}: {what}", path.display()));
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        wrong(format!("it is not UTF-8, at byte {}", error.utf8_error().valid_up_to()))
    })
}

/// Reads and checks a policy file.
///
/// # Errors
///
/// The file cannot be read or is faulty. In the second case the failure lists the faults with their
/// places.
pub(super) fn load(path: &Path) -> Result<PolicyFile, Failure> {
    read(path, text(path)?)
}

/// As [`load`], for a file given by `--policy`: if it cannot be read, the failure names the flag.
/// Faults are reported by their places in the file.
pub(in crate::cli) fn load_flag(path: &Path) -> Result<PolicyFile, Failure> {
    read(path, text_of(FLAG, path)?)
}

fn read(path: &Path, text: String) -> Result<PolicyFile, Failure> {
    PolicyFile::read(&text)
        .map_err(|faults| rendered::failure(&path.display().to_string(), &text, &faults))
}
