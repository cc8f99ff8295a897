//! Reads policy files from disk.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::rendered;
use crate::failure::Failure;
use crate::policy::{MAX_FILE_BYTES, PolicyFile};

/// The text of a policy file; one that is longer than allowed is cut off, and refused later for its length.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let wrong = |what: String| Failure::usage(format!("{}: {what}", path.display()));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(bytes)
        .map_err(|error| wrong(format!("it is not UTF-8, at byte {}", error.utf8_error().valid_up_to())))
}

/// Reads and checks a policy file.
///
/// # Errors
///
/// It cannot be read, or is faulty: then the failure shows the faults with their places.
pub(in crate::cli) fn load(path: &Path) -> Result<PolicyFile, Failure> {
    let text = text(path)?;
    PolicyFile::read(&text).map_err(|faults| rendered::failure(&path.display().to_string(), &text, &faults))
}
