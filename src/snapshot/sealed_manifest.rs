//! A manifest on its way into a store, with everything that is computed from it.

use std::ops::Deref;

use super::id::{RootId, StateId};
use super::manifest::Manifest;

/// A finished manifest, with its text, its root and its state. They are computed once, and the
/// manifest cannot change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedManifest {
    manifest: Manifest,
    text: String,
    root: RootId,
    state: StateId,
}

impl SealedManifest {
    /// Returns the text, which stores keep.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the root: equal roots mean the same data.
    pub fn root(&self) -> RootId {
        self.root
    }

    /// Returns the state, which is the digest of the text.
    pub fn state(&self) -> StateId {
        self.state
    }
}

impl From<Manifest> for SealedManifest {
    fn from(manifest: Manifest) -> Self {
        let root = manifest.root();
        let (text, state) = manifest.text_with(root);
        Self { manifest, text, root, state }
    }
}

impl Deref for SealedManifest {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.manifest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexeddb::schema::{Database, ObjectStore};
    use crate::snapshot::FlowVersion;

    #[test]
    fn it_has_what_its_manifest_computes() {
        let stores = vec![ObjectStore::new("data".into(), None)];
        let mut manifest = Manifest::empty(&Database::new("db".into(), 1, stores).unwrap());
        manifest.version = FlowVersion::new(2).unwrap();
        let sealed = SealedManifest::from(manifest.clone());
        assert_eq!(*sealed, manifest);
        assert_eq!(sealed.root(), manifest.root());
        assert_eq!((sealed.text().to_owned(), sealed.state()), manifest.to_text());
        assert_eq!(Manifest::parse(sealed.text()).unwrap(), manifest);
    }
}
