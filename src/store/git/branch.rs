//! The commit of the branch `main`, or the error for a repository that has lost it.

use gix::ObjectId;

use super::lock::without_writers;
use super::lost::{is_lost, later_main, lost, went_back};
use super::repo::{BRANCH, ReferencePlace, Repo};
use crate::store::StoreError;

/// The commit of `main`; `None` before the first one.
///
/// # Errors
///
/// *Damaged*: there is no `main`, but there was one.
pub(super) fn main(repo: &Repo) -> Result<Option<ObjectId>, StoreError> {
    if let Some(id) = branch(repo)? {
        return Ok(Some(id));
    }
    if !is_lost(repo)? {
        return Ok(None);
    }
    // A writer that makes the first version right now has linked its commit and not moved `main`
    // yet.
    let _quiet = without_writers(repo.path())?;
    main_without_writers(repo)
}

/// Does the same as [`main`] for a caller that holds the lock, or has waited until nobody held it.
pub(super) fn main_without_writers(repo: &Repo) -> Result<Option<ObjectId>, StoreError> {
    if let Some(id) = branch(repo)? {
        return Ok(Some(id));
    }
    if is_lost(repo)? {
        // Somebody who does not take our lock, such as git, may have made it since the first look.
        return repo.reference(BRANCH)?.map(Some).ok_or_else(|| lost(repo));
    }
    Ok(None)
}

/// The commit of `main`; `None` if no reference names one.
///
/// # Errors
///
/// *Damaged*: only `packed-refs` names a commit, and `main` has been at a later one.
fn branch(repo: &Repo) -> Result<Option<ObjectId>, StoreError> {
    let Some((id, place)) = repo.located(BRANCH)? else { return Ok(None) };
    if place == ReferencePlace::OwnFile {
        return Ok(Some(id));
    }
    let Some(later) = later_main(repo, id)? else { return Ok(Some(id)) };
    // A writer may have moved `main` between the two looks.
    match repo.located(BRANCH)? {
        Some(again) if again == (id, place) => Err(went_back(repo, id, later)),
        found => Ok(found.map(|(id, _)| id)),
    }
}
