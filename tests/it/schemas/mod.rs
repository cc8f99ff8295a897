//! Keys and schemas as a browser has them: what it would refuse is refused here, and what it takes is taken.

mod key_paths;
mod makeable;
mod unique;
