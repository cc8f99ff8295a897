//! The flag for the key of hashed fields, shared by the commands that take batches.

use std::path::PathBuf;

use clap::Args;

use crate::config;
use crate::failure::Failure;
use crate::policy::HashKey;

/// The location of the key.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct HashKeyArgs {
    /// File with the secret (at least 16 bytes) for the fields that the policy hashes; or set
    /// NIFI_IDB_HASH_KEY to the secret itself
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_HASH_KEY_FILE", hide_env_values = true)]
    hash_key_file: Option<PathBuf>,
}

impl HashKeyArgs {
    /// Reads the key; `None` if none is configured.
    pub(super) fn read(&self) -> Result<Option<HashKey>, Failure> {
        Ok(config::hash_key(self.hash_key_file.as_deref())?)
    }
}
