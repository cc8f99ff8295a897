//! Stage 2: changes to canonical entries, sorted and folded; memory stays flat for any input size.

mod batch;
mod fold;
mod record;
mod runs;

pub use batch::{Batch, DEFAULT_SKEW_MS, MAX_RANGES, MAX_TIME_MS, NormalizeError, NormalizeOptions, normalize};
pub use fold::{Bound, Changes, Claim, Folded, Folds, RangeChange, push_folded};
pub use runs::{DEFAULT_MEMORY_BYTES, Runs};
