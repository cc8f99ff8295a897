//! The key of hashed fields, for the commands that take batches.

use std::path::PathBuf;

use clap::Args;

use crate::config;
use crate::failure::Failure;
use crate::policy::HashKey;

/// Where the key is.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct HashKeyArgs {
    /// File with the secret that fields under `hash` of the policy are hashed with, at least 16 bytes; or set
    /// NIFI_IDB_HASH_KEY to the secret
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_HASH_KEY_FILE", hide_env_values = true)]
    hash_key_file: Option<PathBuf>,
}

impl HashKeyArgs {
    /// Reads it; `None`: nobody gave one.
    pub(super) fn read(&self) -> Result<Option<HashKey>, Failure> {
        Ok(config::hash_key(self.hash_key_file.as_deref())?)
    }
}
