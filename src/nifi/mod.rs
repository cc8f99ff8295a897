//! NiFi's REST API (1.28 and 2.x), as far as installing a flow definition needs it.
//!
//! No call is repeated: an installation is idempotent as a whole, so a person or a script runs it again. What NiFi has is
//! read before anything is changed, and only what differs is changed.

mod bulletins;
mod error;
mod install;
mod multipart;
mod rest;

pub use bulletins::BulletinMark;
pub use error::{NifiError, NifiErrorKind};
pub use install::{Installation, Installed, install, start, tell_state};
pub use rest::{Identity, Nifi, NifiOptions};
