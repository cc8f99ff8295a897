//! The embedded default: a bare git repository, `git:PATH`, that stock git reads, packs, pushes and
//! clones.
//!
//! One branch contains all flows, one commit per version; `layout.rs` defines the paths. gix reads
//! objects; we write them: compressed in parallel with the merge, on disk before `main` moves, and
//! guarded by a lock that ends with its process.
//!
//! Small versions leave loose objects, which accumulate until somebody runs `git gc`, which may be
//! done at any time.
//!
//! [../reference/limits.md]: crate::limits
//!
#![doc = include_str!("../../../doc/guide/git-store.md")]

mod branch;
mod error;
mod flow_files;
mod flow_trees;
mod gc;
mod history;
mod layout;
mod lineage;
mod lock;
mod lost;
mod message;
mod move_main;
mod object;
mod pack;
mod pending;
mod pipe;
mod places;
mod placing;
mod reader;
mod repo;
mod sink;
mod small_file;
mod temp;
mod top;
mod tree;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use lock::LOCK_WAIT;
pub use move_main::REF_LOCK_WAIT;

use self::error::io_error;
use self::repo::{PathEntry, Repo};
use super::{
    SnapshotReader, SnapshotStore, StoreError, StoreErrorKind, StoredPlaces, StoredVersion,
    VersionInfo, VersionWriter,
};
use crate::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List};
use crate::temporary::private_file;

/// Author and committer of versions by default.
pub const AUTHOR: &str = "nifi-idb <nifi-idb@localhost>";

/// Keeps versions in a bare git repository.
#[derive(Debug)]
pub struct GitStore {
    /// The absolute path.
    path: PathBuf,
    author: String,
    repo: Mutex<Option<Arc<Repo>>>,
}

impl GitStore {
    /// A store in the bare repository at `path`. The first writer creates the repository if the
    /// path does not exist or is an empty directory.
    ///
    /// # Errors
    ///
    /// *Configuration*: `path` is something else, such as a working copy, or a repository of a
    /// format that is not supported.
    pub fn new(path: &Path) -> Result<Self, StoreError> {
        let path =
            std::path::absolute(path).map_err(|error| io_error("use the path", path, error))?;
        let store = Self { path, author: AUTHOR.to_owned(), repo: Mutex::new(None) };
        store.opened()?;
        Ok(store)
    }

    /// Sets author and committer of the versions to come, as `Name <address>`.
    ///
    /// # Errors
    ///
    /// *Configuration*: `author` does not have that form.
    pub fn with_author(mut self, author: &str) -> Result<Self, StoreError> {
        let parts = author.strip_suffix('>').and_then(|text| text.split_once(" <"));
        let plain = |text: &str| !text.trim().is_empty() && !text.contains(['<', '>', '\n', '\0']);
        if !parts.is_some_and(|(name, address)| plain(name) && plain(address)) {
            let message = format!("the author {author:?} is not of the form \"Name <address>\"");
            return Err(StoreError::new(StoreErrorKind::Configuration, message));
        }
        self.author = author.to_owned();
        Ok(self)
    }

    /// The repository, if there is one.
    fn opened(&self) -> Result<Option<Arc<Repo>>, StoreError> {
        let mut repo = self.repo.lock().unwrap_or_else(PoisonError::into_inner);
        if repo.is_none() && repo::look(&self.path)? == PathEntry::Repository {
            *repo = Some(Arc::new(repo::open(&self.path)?));
        }
        Ok(repo.clone())
    }

    /// The repository, created if there is none.
    fn made(&self) -> Result<Arc<Repo>, StoreError> {
        if let Some(repo) = self.opened()? {
            return Ok(repo);
        }
        repo::make(&self.path)?;
        let message =
            || format!("{} was made as a git repository, but is none", self.path.display());
        self.opened()?.ok_or_else(|| StoreError::new(StoreErrorKind::Transient, message()))
    }

    /// The repository that `version` was read from.
    fn holding(&self, version: &StoredVersion) -> Result<Arc<Repo>, StoreError> {
        self.opened()?.ok_or_else(|| {
            error::damaged(format!(
                "version {}: {} is gone",
                version.manifest.version,
                self.path.display()
            ))
        })
    }
}

impl SnapshotReader for GitStore {
    fn describe(&self) -> String {
        format!("git:{}", self.path.display())
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        self.opened()?.map_or(Ok(None), |repo| reader::head(&repo, flow))
    }

    fn is_head(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<bool>, StoreError> {
        self.opened()?
            .map_or(Ok(Some(false)), |repo| reader::is_head(&repo, flow, version).map(Some))
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        self.opened()?.map_or(Ok(None), |repo| reader::version(&repo, flow, version))
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        self.log_newest(flow, usize::MAX)
    }

    fn log_newest(&self, flow: &FlowName, limit: usize) -> Result<Vec<VersionInfo>, StoreError> {
        self.opened()?.map_or(Ok(Vec::new()), |repo| reader::log(&repo, flow, limit))
    }

    fn previous(
        &self,
        flow: &FlowName,
        newer: &StoredVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        reader::previous(&*self.holding(newer)?, flow, newer)
    }

    fn places(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
    ) -> Result<Option<StoredPlaces>, StoreError> {
        places::places(&*self.holding(version)?, flow, version).map(Some)
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        self.opened()?.map_or(Ok(Vec::new()), |repo| reader::flows(&repo))
    }

    fn read_chunk(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        let repo = self.holding(version)?;
        reader::chunk(&repo, flow, &*reader::tree_of(&repo, flow, version)?, list, chunk)
    }

    fn read_part(
        &self,
        flow: &FlowName,
        version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        let repo = self.holding(version)?;
        reader::part(&repo, flow, &*reader::tree_of(&repo, flow, version)?, digest, part)
    }
}

impl SnapshotStore for GitStore {
    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        Ok(Box::new(writer::GitWriter::new(self.made()?, &self.author, flow, head)?))
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        match self.opened()? {
            Some(repo) => {
                repo.check_exists()?;
                branch::main(&repo)?;
                repo.check_room()
            }
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        let Some(repo) = self.opened()? else {
            let parent = self.path.ancestors().find(|dir| dir.is_dir()).unwrap_or(&self.path);
            private_file(Some(parent))
                .map_err(|error| io_error("make a file in", parent, error))?;
            return Ok(vec![format!(
                "{} does not exist yet; the first version makes it",
                self.path.display()
            )]);
        };
        for dir in ["", "objects", "objects/pack", "refs/heads"] {
            let dir = self.path.join(dir);
            private_file(Some(&dir)).map_err(|error| io_error("make a file in", &dir, error))?;
        }
        let mut lines = vec![format!("bare git repository {}, writable", self.path.display())];
        lines.extend(repo.head_elsewhere()?);
        for (flow, version) in reader::newest(&repo)? {
            lines.push(format!("{flow}: {version} versions"));
        }
        Ok(lines)
    }
}
