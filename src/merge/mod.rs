//! Pure functions that decide what becomes of a record; any implementation has to decide the same.
//!
//! [changes.md#rejected-lines]: crate::decode#rejected-lines
//! [policy.md]: crate::policy
//!
#![doc = include_str!("../../doc/reference/rules.md")]

mod asked;
mod cases;
mod collections;
mod decide;
mod detect;
mod field;
mod number;
mod order;
mod resolve;
mod sides;
mod three_way;
mod trace;

#[cfg(test)]
mod tests;

pub use cases::{Mismatch, Ran, Unreached, run_case, shown, unreached};
pub use detect::{Detection, Judgement, Standing, conflict_type, detect, judge};
pub use resolve::{Resolution, Tried, resolve};
pub use sides::{Base, Incoming, Sides};
pub use three_way::{MAX_DECISIONS, MAX_PATH_BYTES};
pub use trace::{Found, Question, Trace, TraceOutcome, clock_of, trace};
