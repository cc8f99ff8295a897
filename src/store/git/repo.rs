//! A bare repository: creating, recognizing, opening and reading it.
//!
//! The environment (`GIT_DIR` and the like) is ignored, and so is every configuration except the
//! repository's own.

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use gix::object::Kind;
use gix::prelude::{Find as _, HeaderExt as _};

use super::error::{damaged, io_error};
use super::message::Commit;
use super::object::id_of;
use super::small_file::{
    MAX_CONFIG_BYTES, MAX_PACKED_REFERENCES_BYTES, MAX_REFERENCE_BYTES, read_small,
};
use super::temp::{TempFile, ToSync, sync};
use super::tree::{GitTree, TreeEntry};
use crate::store::fault::step;
use crate::store::{StoreError, StoreErrorKind};
use crate::temporary::private_file;

/// The branch of all versions.
pub(super) const BRANCH: &str = "refs/heads/main";

/// The directories that [`make`] creates.
const DIRS: [&str; 9] = [
    "objects",
    "objects/info",
    "objects/pack",
    "refs",
    "refs/heads",
    "refs/tags",
    "info",
    "hooks",
    "branches",
];

/// The configuration that `git init --bare` writes.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

const DESCRIPTION: &str =
    "Unnamed repository; edit this file 'description' to name the repository.\n";

/// Limit on the trees that are kept in memory: a batch needs a few, and every version has new ones.
const KEPT_TREES: usize = 512;

/// Limit on the entries of trees that are kept in memory, about 8 MiB.
const KEPT_TREE_ENTRIES: usize = 64 * 1024;

/// Limit on the bytes of an object that is read. Chunks have about 1 MiB, parts of values 4 MiB; a
/// manifest or a tree of this length names some hundred million records.
const MAX_OBJECT_BYTES: usize = 128 * 1024 * 1024;

/// The number of times that packs are listed again for an object that is not found.
const READ_TRIES: u32 = 3;

/// The mode of a new repository's folder: it contains personal data. People may change it, or set
/// `core.sharedRepository`.
const PRIVATE_MODE: u32 = 0o700;

/// The space that a small version takes on the disk.
static ROOM: [u8; 64 * 1024] = [1; 64 * 1024];

/// Extensions of the repository format that need no support here.
const HARMLESS_EXTENSIONS: [&str; 5] =
    ["noop", "noop-v1", "preciousobjects", "partialclone", "worktreeconfig"];

/// The kind of thing found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathEntry {
    /// Nothing, an empty directory, or a repository whose creation was not finished.
    Nothing,
    /// A repository.
    Repository,
}

fn configuration(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Configuration, message)
}

fn is_repository(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir()
}

/// Looks at a path; refuses it unless it is empty or a repository.
pub(super) fn look(path: &Path) -> Result<PathEntry, StoreError> {
    let shown = path.display();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PathEntry::Nothing),
        Err(error) => return Err(io_error("read the directory", path, error)),
    };
    if is_repository(path) {
        return Ok(PathEntry::Repository);
    }
    if path.join(".git").exists() {
        return Err(configuration(format!(
            "{shown} is a git working copy: give the path of a bare repository, or one that does not exist yet"
        )));
    }
    for entry in entries {
        let name = entry.map_err(|error| io_error("read the directory", path, error))?.file_name();
        let name = name.to_string_lossy();
        let ours = DIRS.contains(&&*name)
            || ["config", "description"].contains(&&*name)
            || name.starts_with("tmp_init_");
        if !ours {
            // Another process may have finished making it since the first look: our own files come
            // after `HEAD`.
            if is_repository(path) {
                return Ok(PathEntry::Repository);
            }
            return Err(configuration(format!(
                "{shown} is neither empty nor a git repository (it holds {name:?}): give the path of a bare repository, \
                 or one that does not exist yet"
            )));
        }
    }
    Ok(PathEntry::Nothing)
}

/// Creates a bare repository as `git init --bare` does. Any number of processes may do so at once:
/// all write the same, and `HEAD`, which makes it a repository, comes last.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let mut dirs: Vec<_> =
        path.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
    dirs.extend(dirs.last().and_then(|dir| dir.parent()).map(Path::to_owned));
    dirs.push(path.to_owned());
    dirs.extend(DIRS.iter().map(|dir| path.join(dir)));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .map_err(|error| io_error("make the directory", parent, error))?;
    }
    match fs::DirBuilder::new().mode(PRIVATE_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error("make the directory", path, error));
        }
        _ => {}
    }
    for dir in &dirs {
        fs::create_dir_all(dir).map_err(|error| io_error("make the directory", dir, error))?;
    }
    let head = format!("ref: {BRANCH}\n");
    for (name, text) in [("description", DESCRIPTION), ("config", CONFIG), ("HEAD", &head)] {
        let file = path.join(name);
        let temp = TempFile::init(path)?;
        temp.write_at(text.as_bytes(), 0)?;
        sync(&[ToSync::File(&temp)])?;
        temp.link(&file).map_err(|error| io_error("write", &file, error))?;
        step("git:init");
    }
    let dirs: Vec<_> = dirs.iter().map(|dir| ToSync::Dir(dir)).collect();
    sync(&dirs)?;
    tracing::info!(path = %path.display(), "repository made");
    Ok(())
}

/// Opens a repository if its format can be read and written here.
pub(super) fn open(path: &Path) -> Result<Repo, StoreError> {
    check_config(path)?;
    let odb = open_objects(path)?;
    let never_had_main = AtomicBool::new(false);
    Ok(Repo {
        path: path.to_owned(),
        odb: Mutex::new(odb),
        trees: Mutex::default(),
        never_had_main,
        not_older: Mutex::new(None),
    })
}

fn check_config(path: &Path) -> Result<(), StoreError> {
    let shown = path.display();
    let file = path.join("config");
    let missing = || configuration(format!("{shown} has no file config: is it a git repository?"));
    let bytes = read_small(&file, MAX_CONFIG_BYTES)?.ok_or_else(missing)?;
    let config = gix::config::File::from_bytes_no_includes(
        &bytes,
        gix::config::file::Metadata::from(gix::config::Source::Local),
        Default::default(),
    );
    let config = config.map_err(|error| {
        configuration(format!("cannot read {}", file.display())).because(error.to_string())
    })?;
    let unreadable =
        |name: &str| configuration(format!("cannot read {name} in {}", file.display()));
    // Without `core.bare`, the name of the directory decides, as in git.
    let bare = config.boolean("core.bare").map_err(|_| unreadable("core.bare"))?;
    if !bare.unwrap_or_else(|| path.file_name().is_none_or(|name| name != ".git")) {
        return Err(configuration(format!(
            "{shown} belongs to a git working copy: only bare repositories are written to"
        )));
    }
    let format = config.integer("core.repositoryformatversion");
    let format = format.map_err(|_| unreadable("core.repositoryformatversion"))?.unwrap_or(0);
    if format > 1 {
        return Err(configuration(format!(
            "{shown} has git repository format {format}: 0 and 1 are supported"
        )));
    }
    // An unknown extension may change how objects or references are stored.
    for section in config.sections_by_name("extensions").into_iter().flatten() {
        for name in section.value_names() {
            let name = name.to_string().to_ascii_lowercase();
            let value = section
                .value(&*name)
                .map(|value| value.to_string().to_ascii_lowercase())
                .unwrap_or_default();
            let harmless = HARMLESS_EXTENSIONS.contains(&&*name)
                || (name == "objectformat" && value == "sha1")
                || (name == "refstorage" && value == "files");
            if !harmless {
                return Err(configuration(format!(
                    "{shown} uses git's extension {name}={value}: only sha1 objects and plain reference files are supported"
                )));
            }
        }
    }
    Ok(())
}

fn open_objects(path: &Path) -> Result<Arc<gix::odb::Store>, StoreError> {
    let dir = path.join("objects");
    // Without this, gix asks for the current directory, which may be gone; all our paths are
    // absolute.
    let options = gix::odb::store::init::Options {
        current_dir: Some(PathBuf::from("/")),
        alloc_limit_bytes: Some(MAX_OBJECT_BYTES),
        ..Default::default()
    };
    let odb = gix::odb::Store::at_opts(
        dir.clone(),
        gix::hash::Kind::Sha1,
        &mut std::iter::empty(),
        options,
    );
    odb.map(Arc::new).map_err(|error| match error.raw_os_error() {
        Some(_) => io_error("open the git objects in", &dir, error),
        // Not an error of the operating system: alternates that lead nowhere, or in a circle.
        None => damaged(format!("cannot open the git objects in {}", dir.display())).because(error),
    })
}

/// An open repository.
pub(super) struct Repo {
    path: PathBuf,
    odb: Mutex<Arc<gix::odb::Store>>,
    /// Trees that were read, newest first: all chunks of a list are found in the same ones.
    trees: Mutex<VecDeque<(ObjectId, Arc<GitTree>)>>,
    /// True if all commits were read once, and none shows that there was a `main`.
    never_had_main: AtomicBool,
    /// A packed `main` and a recorded one of which the packed one was found to be no older version.
    not_older: Mutex<Option<(ObjectId, ObjectId)>>,
}

/// The order of the places in which an object is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadOrder {
    /// The packs whose indexes happen to be loaded, then a loose file, then the other packs.
    AsLoaded,
    /// All packs, then a loose file.
    PacksFirst,
}

/// The place where a reference was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReferencePlace {
    /// A file of its name, which counts before the list.
    OwnFile,
    /// The list that `git pack-refs` writes.
    PackedReferences,
}

impl fmt::Debug for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repo").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Repo {
    /// The repository's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the repository still exists.
    pub(super) fn check_exists(&self) -> Result<(), StoreError> {
        if is_repository(&self.path) {
            return Ok(());
        }
        let message = format!(
            "{} is no git repository any more: was it moved or unmounted?",
            self.path.display()
        );
        Err(configuration(message))
    }

    /// Checks that the disk has room for a small version.
    pub(super) fn check_room(&self) -> Result<(), StoreError> {
        let objects = self.path.join("objects");
        let written = private_file(Some(&objects)).and_then(|mut file| file.write_all(&ROOM));
        written.map_err(|error| io_error("write to", &objects, error))
    }

    /// Reads an object; `None` if it is not there.
    pub(super) fn try_object(
        &self,
        id: ObjectId,
        kind: Kind,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let odb = Arc::clone(&*self.odb.lock().unwrap_or_else(PoisonError::into_inner));
        if let Ok(Some(bytes)) = read(&odb, id, kind, ReadOrder::AsLoaded) {
            return Ok(Some(bytes));
        }
        // `git gc` may have moved the object to another pack, or there are more packs than gix has
        // slots for. A second `git gc` may replace that pack, too, before it is opened. Or a file
        // of its own is damaged, and a pack holds it as well.
        let mut tries = 0;
        loop {
            tries += 1;
            let odb = open_objects(&self.path)?;
            *self.odb.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&odb);
            match read(&odb, id, kind, ReadOrder::PacksFirst) {
                Ok(Some(bytes)) => return Ok(Some(bytes)),
                result if tries >= READ_TRIES => return result,
                _ => {}
            }
        }
    }

    /// Reads an object that has to be there.
    pub(super) fn object(&self, id: ObjectId, kind: Kind) -> Result<Vec<u8>, StoreError> {
        let bytes = self.try_object(id, kind)?;
        bytes.ok_or_else(|| {
            damaged(format!("git {kind} {id} is missing in {}: see git fsck", self.path.display()))
        })
    }

    /// Reads a commit or a tree, which no digest of ours covers, and checks its id.
    fn checked(&self, id: ObjectId, kind: Kind) -> Result<Vec<u8>, StoreError> {
        let bytes = self.object(id, kind)?;
        if id_of(kind, &bytes) == id {
            Ok(bytes)
        } else {
            Err(damaged(format!(
                "git {kind} {id} is damaged, it holds something else: see git fsck"
            )))
        }
    }

    /// Reads a commit; `None` if it is not there.
    pub(super) fn try_commit(&self, id: ObjectId) -> Result<Option<Commit>, StoreError> {
        let Some(bytes) = self.try_object(id, Kind::Commit)? else { return Ok(None) };
        if id_of(Kind::Commit, &bytes) != id {
            return Err(damaged(format!(
                "git commit {id} is damaged, it holds something else: see git fsck"
            )));
        }
        let unreadable = || damaged(format!("git commit {id} cannot be read"));
        Commit::parse(&bytes).map(Some).ok_or_else(unreadable)
    }

    /// Reads a commit that has to be there.
    pub(super) fn commit(&self, id: ObjectId) -> Result<Commit, StoreError> {
        Commit::parse(&self.checked(id, Kind::Commit)?)
            .ok_or_else(|| damaged(format!("git commit {id} cannot be read")))
    }

    /// Reads a tree that has to be there.
    pub(super) fn tree(&self, id: ObjectId) -> Result<Arc<GitTree>, StoreError> {
        let trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = trees.iter().position(|(known, _)| *known == id) {
            return Ok(Arc::clone(&trees[place].1));
        }
        drop(trees);
        let tree = GitTree::parse(&self.checked(id, Kind::Tree)?);
        let tree = Arc::new(tree.ok_or_else(|| damaged(format!("git tree {id} cannot be read")))?);
        self.keep_tree(id, Arc::clone(&tree));
        Ok(tree)
    }

    /// Keeps a tree in memory, and drops the least recently used ones.
    pub(super) fn keep_tree(&self, id: ObjectId, tree: Arc<GitTree>) {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees.retain(|(known, _)| *known != id);
        trees.push_front((id, tree));
        trees.truncate(KEPT_TREES);
        let mut entries = 0;
        trees.retain(|(_, tree)| {
            // The newest one is kept, whatever its length.
            let keep = entries == 0 || entries + tree.entries().len() <= KEPT_TREE_ENTRIES;
            entries += tree.entries().len().max(1);
            keep
        });
    }

    /// Follows the names of directories, and last of an entry, from a tree.
    pub(super) fn entry(
        &self,
        tree: &GitTree,
        names: &[impl AsRef<str>],
    ) -> Result<Option<TreeEntry>, StoreError> {
        let Some((first, rest)) = names.split_first() else { return Ok(None) };
        let Some(entry) = tree.get(first.as_ref().as_bytes()) else { return Ok(None) };
        match rest {
            [] => Ok(Some(entry.clone())),
            _ if entry.is_directory() => self.entry(&*self.tree(entry.id)?, rest),
            _ => Ok(None),
        }
    }

    /// The tree below a tree; `None` if there is no directory of that name.
    pub(super) fn subtree(
        &self,
        tree: &GitTree,
        names: &[impl AsRef<str>],
    ) -> Result<Option<Arc<GitTree>>, StoreError> {
        match self.entry(tree, names)? {
            Some(entry) if entry.is_directory() => self.tree(entry.id).map(Some),
            _ => Ok(None),
        }
    }

    /// True if history may end before the first commit, as in a shallow clone.
    pub(super) fn is_shallow(&self) -> bool {
        self.path.join("shallow").exists()
    }

    /// A warning for people if `HEAD` leads to another branch than `main`: then a clone checks
    /// nothing out.
    pub(super) fn head_elsewhere(&self) -> Result<Option<String>, StoreError> {
        let text = read_small(&self.path.join("HEAD"), MAX_REFERENCE_BYTES)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let Some(branch) = text.trim_end().strip_prefix("ref: ").filter(|branch| *branch != BRANCH)
        else {
            return Ok(None);
        };
        let shown = self.path.display();
        let branch: String =
            branch.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        Ok(Some(format!(
            "HEAD points to {branch}, and versions are on main, so a clone checks nothing out: git -C {shown} symbolic-ref \
             HEAD {BRANCH} mends it"
        )))
    }

    /// The object id of a reference, by its full name; `None` if there is no such reference.
    ///
    /// Read here and not by gix, which keeps `packed-refs` while its time stays the same: another
    /// process may have packed references, and then moved `main`, within one tick of that clock.
    pub(super) fn reference(&self, name: &str) -> Result<Option<ObjectId>, StoreError> {
        Ok(self.located(name)?.map(|(id, _)| id))
    }

    /// The object id of a reference, and where it was found.
    pub(super) fn located(
        &self,
        name: &str,
    ) -> Result<Option<(ObjectId, ReferencePlace)>, StoreError> {
        let file = self.path.join(name);
        // `git pack-refs` may move it from one place to the other between the two reads.
        for _ in 0..2 {
            if let Some(text) = read_small(&file, MAX_REFERENCE_BYTES)? {
                return Ok(Some((parse_ref(&text, &file)?, ReferencePlace::OwnFile)));
            }
            if let Some(id) = self.packed_reference(name)? {
                return Ok(Some((id, ReferencePlace::PackedReferences)));
            }
        }
        Ok(None)
    }

    fn packed_reference(&self, name: &str) -> Result<Option<ObjectId>, StoreError> {
        let file = self.path.join("packed-refs");
        let Some(bytes) = read_small(&file, MAX_PACKED_REFERENCES_BYTES)? else { return Ok(None) };
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let line = lines.find_map(|line| line.strip_suffix(name.as_bytes())?.strip_suffix(b" "));
        line.map(|id| parse_ref(id, &file)).transpose()
    }

    /// True if all commits were read before, and none shows that there was a `main`.
    pub(super) fn never_had_main(&self) -> bool {
        self.never_had_main.load(Ordering::Relaxed)
    }

    /// Remembers that no commit shows that there was a `main`.
    pub(super) fn set_never_had_main(&self) {
        self.never_had_main.store(true, Ordering::Relaxed);
    }

    /// True if a packed `main` was found before to be no older version of a recorded one.
    pub(super) fn is_known_not_older(&self, packed: ObjectId, recorded: ObjectId) -> bool {
        *self.not_older.lock().unwrap_or_else(PoisonError::into_inner) == Some((packed, recorded))
    }

    /// Remembers that a packed `main` is no older version of a recorded one.
    pub(super) fn set_not_older(&self, packed: ObjectId, recorded: ObjectId) {
        *self.not_older.lock().unwrap_or_else(PoisonError::into_inner) = Some((packed, recorded));
    }

    /// Reads all commits, named by a reference or not, until `found` returns true; returns true if
    /// it did. Commits that cannot be read are skipped.
    pub(super) fn each_commit(
        &self,
        found: &mut dyn FnMut(ObjectId, &Commit) -> bool,
    ) -> Result<bool, StoreError> {
        let odb = open_objects(&self.path)?;
        let all = odb
            .iter()
            .map_err(|error| damaged("the objects cannot be listed").because(error.to_string()))?;
        let handle = odb.to_cache_arc();
        for id in all.filter_map(Result::ok) {
            let is_commit = handle.header(id).is_ok_and(|header| header.kind() == Kind::Commit);
            if !is_commit {
                continue;
            }
            if let Ok(commit) = self.commit(id)
                && found(id, &commit)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn parse_ref(text: &[u8], file: &Path) -> Result<ObjectId, StoreError> {
    let text = text.trim_ascii_end();
    if text.starts_with(b"ref:") {
        return Err(configuration(format!(
            "{} is a symbolic reference: main has to be a branch",
            file.display()
        )));
    }
    ObjectId::from_hex(text).map_err(|_| damaged(format!("{} holds no commit id", file.display())))
}

fn read(
    odb: &Arc<gix::odb::Store>,
    id: ObjectId,
    kind: Kind,
    order: ReadOrder,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut buffer = Vec::new();
    let mut handle = odb.to_cache_arc();
    handle.ignore_replacements = true;
    if order == ReadOrder::PacksFirst {
        // Counting loads every index, and gix looks into those that are loaded before it looks for
        // a file. One that cannot be loaded is met again below.
        let _ = handle.packed_object_count();
    }
    let found = handle.try_find(&id, &mut buffer).map(|found| found.map(|found| found.kind));
    match found {
        Ok(Some(found)) if found == kind => Ok(Some(buffer)),
        Ok(Some(found)) => {
            Err(damaged(format!("git object {id} is a {found} where a {kind} belongs")))
        }
        Ok(None) => Ok(None),
        Err(error) => Err(damaged(format!("git {kind} {id} cannot be read: see git fsck"))
            .because(error.to_string())),
    }
}
