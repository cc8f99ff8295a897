//! Stage 2: turns changes into canonical entries, sorted and folded, in bounded memory for any
//! input size.
//!
//! [../reference/policy.md]: crate::policy
//! [erasure.md]: crate::history
//!
#![doc = include_str!("../../doc/guide/privacy.md")]

mod batch;
mod fold;
mod folded;
mod private;
mod range;
mod range_sweep;
mod record;
mod runs;
#[cfg(test)]
mod tests;
mod unsent;
mod withheld;

pub use batch::{
    Batch, DEFAULT_SKEW_MS, MAX_BASE_STATES, MAX_RANGES, NormalizeError, NormalizeOptions,
    RejectionSink, clock_at, normalize, normalize_keeping,
};
pub use fold::{Changes, Folds, push_folded};
pub use folded::{Claim, Folded};
pub use private::{Hidden, hide};
pub use range::{Bound, RangeChange};
pub use range_sweep::RangeSweep;
pub use runs::{DEFAULT_MEMORY_BYTES, Runs};
pub use unsent::Unsent;
pub use withheld::{KeptReason, MAX_REJECTED_KEYS, Withheld, WithheldStore};
