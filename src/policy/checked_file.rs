//! Reads a policy file and checks it.

use super::check;
use super::file::{Fault, PolicyFile, top};

impl PolicyFile {
    /// Reads and checks a file's text.
    ///
    /// # Errors
    ///
    /// Returns all faults, at least one, in the file's order.
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        let mut file = top::read(text)?;
        let mut faults = check::scopes(&file);
        if faults.is_empty() {
            // The order of arrival is only checked for scopes that are otherwise correct.
            faults = check::order_of_arrival(&mut file);
        }
        if faults.is_empty() {
            file.notes.extend(check::notes(&file));
            file.notes.sort_by_key(|note| note.span.start);
            return Ok(file);
        }
        faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        Err(faults)
    }
}
