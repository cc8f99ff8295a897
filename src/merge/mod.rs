#![doc = include_str!("RULES.md")]

mod conflict;
mod plan;
mod three_way;

pub use conflict::{Conflict, FieldDecision, Side, Winner};
pub use plan::{Base, Detection, Incoming, Resolution, conflict_kind, detect, resolve};
pub use three_way::{ThreeWay, three_way};
