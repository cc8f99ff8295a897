//! Stage 2: changes to canonical entries, sorted and folded; memory stays flat for any input size.

mod fold;
mod record;
mod runs;

pub use fold::{Bound, Changes, Claim, Folded, Folds, RangeChange, push_folded};
pub use runs::{DEFAULT_MEMORY_BYTES, Runs};
