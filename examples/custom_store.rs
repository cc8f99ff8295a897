//! A snapshot store of one's own: a folder of files, with the traits of the library alone.
//!
//! `cargo run --example custom_store -- target/files`
//!
//! A version is the file `<bucket>/<flow>/<number>`: time and comment, then the manifest. Chunks and
//! parts of large values are files named by their digests. The whole conformance suite of the
//! project runs on this store (`tests/it/examples.rs`).

use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use nifi_idb::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List, Manifest, StateId};
use nifi_idb::store::{
    AppendError, CommittedVersion, SnapshotReader, SnapshotStore, StoreCoordinates, StoreError,
    StoreErrorKind, StoredVersion, VersionDraft, VersionInfo, VersionWriter,
};
use tempfile::NamedTempFile;

#[path = "sync_into_memory.rs"]
#[expect(dead_code, reason = "the program around the function that is used")]
pub(crate) mod sync_into_memory;

/// Keeps versions as files.
#[derive(Debug)]
pub(crate) struct FolderStore(PathBuf);

impl FolderStore {
    /// Makes the folder.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join("objects"))?;
        Ok(Self(folder.to_owned()))
    }

    fn object(&self, name: &str) -> PathBuf {
        self.0.join("objects").join(name)
    }

    /// Writes an object. If it exists, it has the same bytes.
    fn write_object(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let written = written(&self.0.join("objects"), bytes)
            .and_then(|file| file.persist(self.object(name)).map_err(|refused| refused.error));
        written.map(drop).map_err(|error| broken(name, error))
    }

    fn flow(&self, flow: &FlowName) -> PathBuf {
        self.0.join("flows").join(flow.bucket()).join(flow.flow())
    }

    /// The numbers of a flow's versions, newest first.
    fn numbers(&self, flow: &FlowName) -> Result<Vec<FlowVersion>, StoreError> {
        let names = names_in(&self.flow(flow))?;
        let mut numbers: Vec<_> =
            names.iter().filter_map(|name| FlowVersion::new(name.parse().ok()?)).collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        Ok(numbers)
    }

    /// Reads an object, and checks that its bytes are still those of its name.
    fn checked(&self, digest: &Digest, name: &str) -> Result<Vec<u8>, StoreError> {
        let bytes = fs::read(self.object(name)).map_err(|error| broken(name, error))?;
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::new(StoreErrorKind::Damaged, format!("{name} has changed")));
        }
        Ok(bytes)
    }
}

impl SnapshotReader for FolderStore {
    fn describe(&self) -> String {
        format!("the folder {}", self.0.display())
    }

    fn head(&self, flow: &FlowName) -> Result<Option<StoredVersion>, StoreError> {
        let newest = self.numbers(flow)?.first().copied();
        newest.map_or(Ok(None), |newest| self.version(flow, newest))
    }

    fn version(
        &self,
        flow: &FlowName,
        version: FlowVersion,
    ) -> Result<Option<StoredVersion>, StoreError> {
        let path = self.flow(flow).join(version.to_string());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(broken(&path.display().to_string(), error)),
        };
        let damaged = |what: String| {
            StoreError::new(StoreErrorKind::Damaged, format!("version {version}: {what}"))
        };
        // Time and comment are the first line, as JSON; the manifest is the rest.
        let (first, manifest) =
            text.split_once('\n').ok_or_else(|| damaged("it is empty".to_owned()))?;
        let (timestamp_ms, comment): (i64, String) =
            serde_json::from_str(first).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(StoredVersion {
            manifest: Manifest::parse(manifest).map_err(|error| damaged(error.to_string()))?,
            state: StateId(Digest::of(manifest.as_bytes())),
            comment,
            author: "folder".to_owned(),
            timestamp_ms,
            // Objects are found by their digests alone.
            coordinates: StoreCoordinates::default(),
        }))
    }

    fn log(&self, flow: &FlowName) -> Result<Vec<VersionInfo>, StoreError> {
        let mut versions = Vec::new();
        for number in self.numbers(flow)? {
            if let Some(stored) = self.version(flow, number)? {
                let StoredVersion { comment, author, timestamp_ms, .. } = stored;
                versions.push(VersionInfo { version: number, comment, author, timestamp_ms });
            }
        }
        Ok(versions)
    }

    fn flows(&self) -> Result<Vec<FlowName>, StoreError> {
        let mut flows = Vec::new();
        for bucket in names_in(&self.0.join("flows"))? {
            for flow in names_in(&self.0.join("flows").join(&bucket))? {
                flows.extend(FlowName::new(&bucket, &flow).ok());
            }
        }
        flows.sort();
        Ok(flows)
    }

    fn read_chunk(
        &self,
        _flow: &FlowName,
        _version: &StoredVersion,
        _list: &List,
        chunk: &ChunkRef,
    ) -> Result<Vec<u8>, StoreError> {
        self.checked(&chunk.full, &chunk.full.to_string())
    }

    fn read_part(
        &self,
        _flow: &FlowName,
        _version: &StoredVersion,
        digest: &Digest,
        part: u32,
    ) -> Result<Vec<u8>, StoreError> {
        // The digest is that of the whole value; the caller checks it.
        let name = format!("{digest}-{part}");
        fs::read(self.object(&name)).map_err(|error| broken(&name, error))
    }
}

impl SnapshotStore for FolderStore {
    fn writer<'a>(
        &'a self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'a>, StoreError> {
        let next = FlowVersion::after(head.map(|head| head.manifest.version));
        Ok(Box::new(FolderWriter { store: self, flow: flow.clone(), next }))
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        names_in(&self.0.join("objects"))?;
        Ok(vec![self.describe()])
    }
}

/// Writes one version. Objects that no version names are garbage, but do no harm.
struct FolderWriter<'a> {
    store: &'a FolderStore,
    flow: FlowName,
    next: FlowVersion,
}

impl VersionWriter for FolderWriter<'_> {
    fn write_chunk(
        &mut self,
        _list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.store.write_object(&chunk.full.to_string(), &text)
    }

    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.write_object(&format!("{digest}-{part}"), bytes)
    }

    fn commit(self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError> {
        let head = serde_json::json!([draft.timestamp_ms, draft.comment]);
        let folder = self.store.flow(&self.flow);
        fs::create_dir_all(&folder).map_err(|error| broken("the folder of a flow", error))?;
        let text = format!("{head}\n{}", draft.manifest.text());
        let file = written(&folder, text.as_bytes()).map_err(|error| broken("a version", error))?;
        // The commit: only one writer gets the name.
        if let Err(refused) = file.persist_noclobber(folder.join(self.next.to_string())) {
            return Err(match refused.error.kind() {
                ErrorKind::AlreadyExists => AppendError::Lost,
                _ => AppendError::Ambiguous(broken("the version", refused.error)),
            });
        }
        Ok(draft.committed())
    }
}

/// Writes bytes to a file without a lasting name, so that nobody sees a part of them.
fn written(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
    let found = match fs::read_dir(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(broken(&folder.display().to_string(), error)),
    };
    Ok(found.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// Returns an error of the file system as one of a store. A full disk may have room later.
fn broken(what: &str, error: io::Error) -> StoreError {
    let kind = match error.kind() {
        ErrorKind::NotFound => StoreErrorKind::Damaged,
        ErrorKind::StorageFull => StoreErrorKind::NoRoom,
        ErrorKind::PermissionDenied => StoreErrorKind::Denied,
        _ => StoreErrorKind::Transient,
    };
    StoreError::new(kind, what).because(error)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give the path of a folder")?;
    let store = FolderStore::open(Path::new(&folder))?;
    // The pipeline takes any store.
    let summary = sync_into_memory::sync_records(&store, "{\"id\":1,\"name\":\"apple\"}\n", 1_000)?;
    writeln!(io::stdout(), "{}", summary.to_json())?;
    Ok(())
}
