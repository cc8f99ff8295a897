//! Applies the changes of a batch to head: plans with the policy and the guard, and passes new
//! chunks to a writer. Reads head and old versions through
//! [`HeadReader`](crate::apply::HeadReader).

pub(crate) mod conflict_log;
mod conflict_states;
pub(crate) mod counts;
pub(crate) mod error;
pub(crate) mod full_batch;
pub(crate) mod guard;
pub(crate) mod head_reader;
pub(crate) mod lookup;
pub(crate) mod merging;
pub(crate) mod own_changes;
pub(crate) mod recorder;
pub(crate) mod rules;
pub(crate) mod unique;
pub(crate) mod united_schema;
pub(crate) mod walk;

pub use crate::snapshot::deletion_run::{MAX_BULK_DELETES, MAX_DELETES_BY_HAND, RUN_MS};
pub use counts::Counts;
pub use error::SyncError;
pub use guard::{MAX_DELETES, MAX_DELETES_PERCENT};
pub use head_reader::{BaseValue, HeadReader, read_whole};
