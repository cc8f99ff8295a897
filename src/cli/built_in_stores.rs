//! Opening of the stores that this program may have been built without.

use std::path::Path;
use std::time::Instant;

use crate::config::RegistrySettings;
use crate::failure::Failure;
use crate::store::SnapshotStore;

/// Opens the git repository at `path`.
#[cfg(feature = "git")]
pub(super) fn open_git(path: &Path) -> Result<Box<dyn SnapshotStore>, Failure> {
    Ok(Box::new(crate::store::git::GitStore::new(path)?))
}

#[cfg(not(feature = "git"))]
pub(super) fn open_git(_: &Path) -> Result<Box<dyn SnapshotStore>, Failure> {
    Err(crate::config::ConfigError::not_built_in("a git repository", "git").into())
}

/// Opens the Registry at `url`. It is not called until it is needed.
#[cfg(feature = "registry")]
pub(super) fn open_registry(
    settings: RegistrySettings,
    url: &str,
    deadline: Option<Instant>,
) -> Result<Box<dyn SnapshotStore>, Failure> {
    let options = settings.options(url, deadline)?;
    Ok(Box::new(crate::store::registry::RegistryStore::open(options)?))
}

#[cfg(not(feature = "registry"))]
pub(super) fn open_registry(
    _: RegistrySettings,
    _: &str,
    _: Option<Instant>,
) -> Result<Box<dyn SnapshotStore>, Failure> {
    Err(crate::config::ConfigError::not_built_in("a NiFi Registry", "registry").into())
}

#[cfg(all(test, not(feature = "git")))]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_not_built_in_is_named_with_its_feature() {
        let failure = open_git(Path::new("s.git")).unwrap_err();
        assert_eq!(failure.status, crate::exit_status::ExitStatus::Usage);
        assert_eq!(
            failure.message,
            "--store is a git repository, but this program was built without the feature git; \
             build it with cargo build --release --features git"
        );
        assert!(failure.hints.is_empty());
    }
}
