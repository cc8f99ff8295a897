#![doc = include_str!("RULES.md")]

mod collections;
mod conflict;
mod decide;
mod detect;
mod number;
mod order;
mod resolve;
mod three_way;

#[cfg(test)]
mod tests;

pub use conflict::{Conflict, FieldDecision, Side, Winner};
pub use detect::{Base, Detection, Incoming, Judgement, Standing, conflict_type, detect, judge};
pub use resolve::{Resolution, Sides, Tried, resolve};
