//! Distinguishes a repository that never had a version from one that has lost `main`.
//!
//! A reference is one small file, so a renamed branch, a deleted `packed-refs` or one flipped bit
//! in it is enough to hide a whole history. Starting again would use version numbers twice, and the
//! next `git gc` would delete the old versions. So the first version is only written if nothing
//! shows that there was one before.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::Path;

use gix::ObjectId;

use super::error::{damaged, io_error};
use super::lock;
use super::message::trailer;
use super::repo::{BRANCH, Repo};
use super::small_file::{MAX_PACKED_REFERENCES_BYTES, read_small};
use crate::store::StoreError;

/// The number of references that a message names.
const SHOWN_REFERENCES: usize = 5;

/// The depth to which folders below `refs` are searched; branch names with more slashes are not
/// found.
const MAX_DEPTH: u32 = 16;

/// True if something shows that there was a `main` before: the lock file's record, another
/// reference, or a commit that only a repository with a `main` can hold.
///
/// A writer that was killed just before its first version became visible leaves objects and a lock
/// file: its commit has no parent, and the lock file does not record a `main`.
pub(super) fn is_lost(repo: &Repo) -> Result<bool, StoreError> {
    let record = lock::record(repo.path())?;
    if record.as_ref().is_some_and(|record| record.main.is_some())
        || !references(repo.path())?.is_empty()
    {
        return Ok(true);
    }
    if repo.never_had_main() {
        return Ok(false);
    }
    // Without a lock file, no nifi-idb writer has ever linked an object here.
    let lost = repo.each_commit(&mut |_, commit| record.is_none() || !commit.parents.is_empty())?;
    if !lost {
        repo.set_never_had_main();
    }
    Ok(lost)
}

/// The error for a repository that [`is_lost`] found to be without its `main`, with the way back.
pub(super) fn lost(repo: &Repo) -> StoreError {
    let shown = repo.path().display();
    let back =
        |what: &dyn std::fmt::Display| format!("git -C {shown} update-ref refs/heads/main {what}");
    let recorded = lock::record(repo.path()).ok().flatten().and_then(|record| record.main);
    let recorded = recorded.filter(|id| repo.commit(*id).is_ok());
    let names = references(repo.path()).unwrap_or_default();
    let (why, way) = if let Some(main) = recorded {
        (format!("the last version was commit {main}"), back(&main))
    } else if let Some(name) = names.iter().find(|name| holds_versions(repo, name)) {
        (format!("{name} holds versions"), back(name))
    } else if let Some(newest) = newest(repo) {
        (format!("commit {newest} holds a version, and no other one follows it"), back(&newest))
    } else if names.is_empty() {
        (
            "it has commits of an earlier history".to_owned(),
            format!("git -C {shown} fsck --lost-found names them"),
        )
    } else {
        let named =
            names.iter().take(SHOWN_REFERENCES).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if names.len() > SHOWN_REFERENCES { ", …" } else { "" };
        let way = "create main by hand, as doc/guide/git-store.md shows".to_owned();
        (format!("it has other references ({named}{more}), but no version of ours"), way)
    };
    damaged(format!(
        "{shown} has no branch main, though {why}. Nothing was written. To go on with that history: {way}. Do not run \
         git gc before. To begin anew, use a path that does not exist yet"
    ))
}

/// The last commit that a writer of ours moved `main` to, if `packed`, which only `packed-refs`
/// names, is one that it was at before.
///
/// `git gc` moves `main` into that list and leaves its entry there when `main` moves on, so
/// that the branch seems to go back if its own file is lost.
pub(super) fn later_main(repo: &Repo, packed: ObjectId) -> Result<Option<ObjectId>, StoreError> {
    let recorded = lock::record(repo.path())?.and_then(|record| record.main);
    let Some(recorded) = recorded.filter(|recorded| *recorded != packed) else { return Ok(None) };
    if repo.is_known_not_older(packed, recorded) {
        return Ok(None);
    }
    let (mut seen, mut next) = (HashSet::new(), VecDeque::from([recorded]));
    while let Some(id) = next.pop_front() {
        if id == packed {
            return Ok(Some(recorded));
        }
        // A commit that is gone leads nowhere: history was rewritten on purpose, or is damaged and
        // found to be so by whoever reads it.
        if let (true, Ok(commit)) = (seen.insert(id), repo.commit(id)) {
            next.extend(commit.parents.iter().copied());
        }
    }
    repo.set_not_older(packed, recorded);
    Ok(None)
}

/// The error for a repository whose `main` is back at an older version, with both ways on.
pub(super) fn went_back(repo: &Repo, packed: ObjectId, later: ObjectId) -> StoreError {
    let shown = repo.path().display();
    damaged(format!(
        "{shown} has no file {BRANCH} any more, and packed-refs names an older version, commit {packed}; the last \
         version was commit {later}. Nothing was written. To go on with that history: git -C {shown} update-ref \
         {BRANCH} {later}. Do not run git gc before. To go back on purpose: write {packed} into {shown}/{BRANCH}"
    ))
}

/// The commit of ours that no other commit follows, if there is exactly one.
fn newest(repo: &Repo) -> Option<ObjectId> {
    let (mut ours, mut followed) = (HashSet::new(), HashSet::new());
    let collected = repo.each_commit(&mut |id, commit| {
        followed.extend(commit.parents.iter().copied());
        if trailer(&commit.message).is_some() {
            ours.insert(id);
        }
        false
    });
    collected.ok()?;
    let mut tips = ours.difference(&followed);
    match (tips.next(), tips.next()) {
        (Some(tip), None) => Some(*tip),
        _ => None,
    }
}

/// True if the tip of a reference leads to a commit of ours.
fn holds_versions(repo: &Repo, name: &str) -> bool {
    let Ok(Some(id)) = repo.reference(name) else { return false };
    let mut next = Some(id);
    // A person's commits may be on top.
    for _ in 0..100 {
        let Some(commit) = next.and_then(|id| repo.commit(id).ok()) else { return false };
        if trailer(&commit.message).is_some() {
            return true;
        }
        next = commit.parents.first().copied();
    }
    false
}

/// The full names of all references but `main`, sorted.
fn references(repository: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    loose_references(&repository.join("refs"), "refs", 0, &mut names)?;
    if let Some(bytes) = read_small(&repository.join("packed-refs"), MAX_PACKED_REFERENCES_BYTES)? {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let named = lines.filter(|line| !line.starts_with(b"#") && !line.starts_with(b"^"));
        names.extend(named.map(|line| {
            let name = line.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or(line);
            String::from_utf8_lossy(name)
                .chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect()
        }));
    }
    names.retain(|name| name != BRANCH);
    names.sort();
    names.dedup();
    Ok(names)
}

fn loose_references(
    dir: &Path,
    name: &str,
    depth: u32,
    names: &mut Vec<String>,
) -> Result<(), StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("read the directory", dir, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| io_error("read the directory", dir, error))?;
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => {
                loose_references(&entry.path(), &name, depth + 1, names)?;
            }
            Ok(kind) if kind.is_file() && !name.ends_with(".lock") => names.push(name),
            _ => {}
        }
    }
    Ok(())
}
