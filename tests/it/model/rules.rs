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
    Fail,
    Delta,
    SetUnion,
    Max,
    Min,
    Immutable,
    /// The states, from first to last.
    Order(&'static [i64]),
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
            Self::Fail => "fail",
            Self::Delta => "delta",
            Self::SetUnion => "set-union",
            Self::Max => "max",
            Self::Min => "min",
            Self::Immutable => "immutable",
            Self::Order(_) => "order",
        }
    }
}

/// A policy.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Its file; `None`: the built-in default.
    pub(super) file: Option<&'static str>,
    pub(super) detect: Detect,
    pub(super) resolve: Resolver,
    /// Types with an own entry.
    pub(super) types: &'static [(Kind, Resolver)],
    pub(super) fields: &'static [(&'static str, Resolver)],
    /// After so many milliseconds deletions are forgotten.
    pub(super) keep: Option<i64>,
    /// The most that a clock may be ahead of the time of receipt.
    pub(super) skew: i64,
}

const BUILT_IN: Rules = Rules {
    file: None,
    detect: Detect::BaseRevision,
    resolve: Resolver::ThreeWay,
    types: &[],
    fields: &[],
    keep: None,
    skew: 300_000,
};

/// All policies that are played.
pub(super) static POLICIES: [Rules; 12] = [
    BUILT_IN,
    Rules { file: Some("version = 1\n"), ..BUILT_IN },
    Rules {
        file: Some(
            "version = 1\n[defaults]\nresolve = \"last-write-wins\"\n[defaults.types]\nupdate-delete = \"head-wins\"\ndelete-update = \"incoming-wins\"\nunique-index = \"last-write-wins\"\n",
        ),
        resolve: Resolver::LastWriteWins,
        types: &[
            (Kind::UpdateDelete, Resolver::HeadWins),
            (Kind::DeleteUpdate, Resolver::IncomingWins),
            (Kind::UniqueIndex, Resolver::LastWriteWins),
        ],
        ..BUILT_IN
    },
    Rules {
        file: Some(
            "version = 1\n[defaults]\nresolve = \"first-write-wins\"\n[defaults.types]\nupdate-delete = \"skip\"\nout-of-order = \"incoming-wins\"\nunique-index = \"first-write-wins\"\n",
        ),
        resolve: Resolver::FirstWriteWins,
        types: &[
            (Kind::UpdateDelete, Resolver::Skip),
            (Kind::OutOfOrder, Resolver::IncomingWins),
            (Kind::UniqueIndex, Resolver::FirstWriteWins),
        ],
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
        file: Some(
            "version = 1\n[defaults]\ndetect = \"clock\"\nresolve = \"last-write-wins\"\n[defaults.types]\nunique-index = \"incoming-wins\"\n",
        ),
        detect: Detect::Clock,
        resolve: Resolver::LastWriteWins,
        types: &[(Kind::UniqueIndex, Resolver::IncomingWins)],
        ..BUILT_IN
    },
    Rules {
        file: Some(
            "version = 1\n[defaults]\ndetect = \"changed-fields\"\n[defaults.types]\nunique-index = \"incoming-wins\"\n",
        ),
        detect: Detect::ChangedFields,
        types: &[(Kind::UniqueIndex, Resolver::IncomingWins)],
        ..BUILT_IN
    },
    Rules {
        file: Some(
            "version = 1\n[defaults.fields]\nn = \"delta\"\ntags = \"set-union\"\na = \"max\"\n[defaults.types]\nunique-index = \"head-wins\"\n",
        ),
        types: &[(Kind::UniqueIndex, Resolver::HeadWins)],
        fields: &[("a", Resolver::Max), ("n", Resolver::Delta), ("tags", Resolver::SetUnion)],
        ..BUILT_IN
    },
    Rules {
        file: Some(
            "version = 1\n[defaults]\nresolve = \"incoming-wins\"\n[defaults.types]\nunique-index = \"fail\"\nupdate-delete = \"fail\"\n[defaults.fields]\na = \"min\"\nb = { use = \"order\", states = [3, 1, 0, 2] }\nn = \"incoming-wins\"\n",
        ),
        resolve: Resolver::IncomingWins,
        types: &[(Kind::UniqueIndex, Resolver::Fail), (Kind::UpdateDelete, Resolver::Fail)],
        fields: &[
            ("a", Resolver::Min),
            ("b", Resolver::Order(&[3, 1, 0, 2])),
            ("n", Resolver::IncomingWins),
        ],
        ..BUILT_IN
    },
    Rules {
        file: Some(
            "version = 1\n[defaults.fields]\na = \"immutable\"\nb = \"head-wins\"\nn = \"first-write-wins\"\ntags = \"last-write-wins\"\n",
        ),
        fields: &[
            ("a", Resolver::Immutable),
            ("b", Resolver::HeadWins),
            ("n", Resolver::FirstWriteWins),
            ("tags", Resolver::LastWriteWins),
        ],
        ..BUILT_IN
    },
    Rules {
        file: Some(
            "version = 1\n[defaults]\ndetect = \"changed-fields\"\nresolve = \"head-wins\"\n[clock]\nmax-skew = \"25ms\"\n[defaults.fields]\nn = \"delta\"\ntags = \"last-write-wins\"\n",
        ),
        detect: Detect::ChangedFields,
        resolve: Resolver::HeadWins,
        fields: &[("n", Resolver::Delta), ("tags", Resolver::LastWriteWins)],
        skew: 25,
        ..BUILT_IN
    },
    Rules {
        file: Some("version = 1\n[tombstones]\nkeep = \"31ms\"\nlongest-offline = \"10ms\"\n"),
        keep: Some(31),
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

    /// Returns what the names of its rules begin with.
    pub(super) fn scope(&self) -> &'static str {
        if self.is_builtin() { "default" } else { "defaults" }
    }

    /// Returns the name of the rule that decides conflicts of a type by a side.
    pub(super) fn named(&self, kind: Kind) -> String {
        let resolver = self.resolver(kind).map_or("", Resolver::name);
        format!("{}/{resolver}", self.scope())
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
            Kind::UpdateMissing if self.keep.is_none() => None,
            Kind::UpdateMissing | Kind::UniqueIndex => Some(Resolver::Park),
            _ => Some(Resolver::LastWriteWins),
        }
    }
}
