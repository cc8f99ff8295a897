//! The policies that histories are played with: the file, and what the oracle makes of it.

use std::sync::Arc;

use nifi_idb::policy::{Policy, PolicyFile};

use super::detection::Kind;

/// How a conflict is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detect {
    BaseRevision,
    ChangedFields,
    Clock,
}

/// What decides a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolver {
    LastWriteWins,
    FirstWriteWins,
    IncomingWins,
    HeadWins,
    ThreeWay,
    Park,
    Skip,
    Delta,
    SetUnion,
    Max,
}

impl Resolver {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LastWriteWins => "last-write-wins",
            Self::FirstWriteWins => "first-write-wins",
            Self::IncomingWins => "incoming-wins",
            Self::HeadWins => "head-wins",
            Self::ThreeWay => "three-way",
            Self::Park => "park",
            Self::Skip => "skip",
            Self::Delta => "delta",
            Self::SetUnion => "set-union",
            Self::Max => "max",
        }
    }
}

/// A policy.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Its file; `None`: the built-in default.
    file: Option<&'static str>,
    pub(super) detect: Detect,
    resolve: Resolver,
    /// Types with an own entry.
    types: &'static [(Kind, Resolver)],
    pub(super) fields: &'static [(&'static str, Resolver)],
}

const BUILT_IN: Rules =
    Rules { file: None, detect: Detect::BaseRevision, resolve: Resolver::ThreeWay, types: &[], fields: &[] };

/// All policies that are played.
pub(super) static POLICIES: [Rules; 8] = [
    BUILT_IN,
    Rules { file: Some("version = 1\n"), ..BUILT_IN },
    Rules {
        file: Some(
            "version = 1\n[defaults]\nresolve = \"last-write-wins\"\n[defaults.types]\nupdate-delete = \"head-wins\"\ndelete-update = \"incoming-wins\"\n",
        ),
        resolve: Resolver::LastWriteWins,
        types: &[(Kind::UpdateDelete, Resolver::HeadWins), (Kind::DeleteUpdate, Resolver::IncomingWins)],
        ..BUILT_IN
    },
    Rules {
        file: Some(
            "version = 1\n[defaults]\nresolve = \"first-write-wins\"\n[defaults.types]\nupdate-delete = \"skip\"\nout-of-order = \"incoming-wins\"\n",
        ),
        resolve: Resolver::FirstWriteWins,
        types: &[(Kind::UpdateDelete, Resolver::Skip), (Kind::OutOfOrder, Resolver::IncomingWins)],
        ..BUILT_IN
    },
    Rules {
        file: Some(
            "version = 1\n[defaults]\nresolve = \"park\"\n[defaults.types]\nupdate-delete = \"park\"\ndelete-update = \"park\"\nupdate-recently-deleted = \"park\"\nout-of-order = \"park\"\n",
        ),
        resolve: Resolver::Park,
        types: &[
            (Kind::UpdateDelete, Resolver::Park),
            (Kind::DeleteUpdate, Resolver::Park),
            (Kind::UpdateRecentlyDeleted, Resolver::Park),
            (Kind::OutOfOrder, Resolver::Park),
        ],
        ..BUILT_IN
    },
    Rules {
        file: Some("version = 1\n[defaults]\ndetect = \"clock\"\nresolve = \"last-write-wins\"\n"),
        detect: Detect::Clock,
        resolve: Resolver::LastWriteWins,
        ..BUILT_IN
    },
    Rules {
        file: Some("version = 1\n[defaults]\ndetect = \"changed-fields\"\n"),
        detect: Detect::ChangedFields,
        ..BUILT_IN
    },
    Rules {
        file: Some("version = 1\n[defaults.fields]\nn = \"delta\"\ntags = \"set-union\"\na = \"max\"\n"),
        fields: &[("a", Resolver::Max), ("n", Resolver::Delta), ("tags", Resolver::SetUnion)],
        ..BUILT_IN
    },
];

impl Rules {
    /// Returns the policy as the product reads it.
    pub(super) fn policy(&self) -> Option<Arc<Policy>> {
        Some(Arc::new(PolicyFile::read(self.file?).unwrap().policy))
    }

    pub(super) fn is_builtin(&self) -> bool {
        self.file.is_none()
    }

    /// Returns what decides conflicts of a type; `None`: they are not looked for.
    pub(super) fn resolver(&self, kind: Kind) -> Option<Resolver> {
        if let Some((_, resolver)) = self.types.iter().find(|(of, _)| *of == kind) {
            return Some(*resolver);
        }
        match kind {
            Kind::InsertInsert if self.is_builtin() => Some(Resolver::LastWriteWins),
            Kind::InsertInsert | Kind::UpdateUpdate => Some(self.resolve),
            Kind::OutOfOrder if self.is_builtin() => None,
            _ => Some(Resolver::LastWriteWins),
        }
    }
}
