//! Client for the parts of NiFi's REST API (1.28 and 2.x) that are needed to install a flow
//! definition.
//!
//! No call is retried, because the installation as a whole is idempotent: a person or script runs
//! it again. The state of NiFi is read before anything is changed, and only differences are
//! changed.

mod bulletins;
mod error;
mod install;
mod multipart;
mod rest;

pub use bulletins::BulletinMark;
pub use error::{NifiError, NifiErrorKind};
pub use install::{Installation, Installed, install, start, tell_state};
pub use rest::{Identity, Nifi, NifiOptions};
