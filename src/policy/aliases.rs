//! Names that other systems have for our resolvers.

use super::resolver::ResolverKind;
use crate::snapshot::ConflictType;

/// Names that are accepted in addition to the canonical ones. Names are case-sensitive: `IGNORE` is
/// from GoldenGate and SymmetricDS and leaves the change out, while `ignore` is from EDB Postgres
/// Distributed and continues without a missing column.
pub const ALIASES: [(&str, ResolverKind); 49] = {
    use ResolverKind as K;
    [
        ("update_if_newer", K::LastWriteWins),
        ("newer-wins", K::LastWriteWins),
        ("newer", K::LastWriteWins),
        ("NEWER_WINS", K::LastWriteWins),
        ("datetime-later-wins", K::LastWriteWins),
        ("lww", K::LastWriteWins),
        ("datetime-earlier-wins", K::FirstWriteWins),
        ("older-wins", K::FirstWriteWins),
        ("client-wins", K::IncomingWins),
        ("theirs", K::IncomingWins),
        ("source-wins", K::IncomingWins),
        ("remoteWins", K::IncomingWins),
        ("subscriber-always-wins", K::IncomingWins),
        ("OVERWRITE", K::IncomingWins),
        ("update", K::IncomingWins),
        // Those systems would skip, or stop at, an incomplete row. A change here is always
        // complete.
        ("insert_or_skip", K::IncomingWins),
        ("insert_or_error", K::IncomingWins),
        // SymmetricDS applies the change anyway.
        ("fallback", K::IncomingWins),
        ("FALLBACK", K::IncomingWins),
        ("server-wins", K::HeadWins),
        ("ours", K::HeadWins),
        ("dest-wins", K::HeadWins),
        ("localWins", K::HeadWins),
        ("publisher-wins", K::HeadWins),
        ("IGNORE", K::HeadWins),
        ("merge", K::ThreeWay),
        ("auto-merge", K::ThreeWay),
        ("USEDELTA", K::Delta),
        ("additive", K::Delta),
        ("USEMAX", K::Max),
        ("USEMAXEQ", K::Max),
        ("maximum", K::Max),
        (PRIORITY_COLUMN, K::Max),
        ("USEMIN", K::Min),
        ("USEMINEQ", K::Min),
        ("minimum", K::Min),
        ("union", K::SetUnion),
        ("first", K::Immutable),
        // The target stays, and the change is kept: in a discard file there, in the list of
        // conflicts here.
        ("DISCARD", K::Skip),
        ("error", K::Fail),
        ("manual", K::Park),
        ("MANUAL", K::Park),
        ("ignore", K::Accept),
        // The same names with the other separator.
        ("newer_wins", K::LastWriteWins),
        ("older_wins", K::FirstWriteWins),
        ("client_wins", K::IncomingWins),
        ("source_wins", K::IncomingWins),
        ("server_wins", K::HeadWins),
        ("dest_wins", K::HeadWins),
    ]
};

/// SQL Server's name for `max`, which then requires `by`.
pub(super) const PRIORITY_COLUMN: &str = "priority-column";

/// The alias for the side that updates, accepted in the types of deletes.
pub(super) const UPDATE_WINS: &str = "update-wins";

/// The alias for the side that deletes, accepted in the types of deletes.
pub(super) const DELETE_WINS: &str = "delete-wins";

/// Returns the resolver with this name, which may be canonical or an alias.
pub fn resolver_kind(name: &str) -> Option<ResolverKind> {
    let alias = || ALIASES.into_iter().find(|(alias, _)| *alias == name).map(|(_, kind)| kind);
    ResolverKind::from_name(name).or_else(alias)
}

/// Returns the resolver for `update-wins` or `delete-wins` in a type; `None` for any other name or
/// type.
pub(super) fn delete_alias(name: &str, conflict: ConflictType) -> Option<ResolverKind> {
    use ConflictType as T;
    let updates_win = match name {
        UPDATE_WINS => true,
        DELETE_WINS => false,
        _ => return None,
    };
    let head_updates = match conflict {
        T::UpdateDelete => true,
        T::DeleteUpdate | T::UpdateRecentlyDeleted => false,
        _ => return None,
    };
    Some(if updates_win == head_updates {
        ResolverKind::HeadWins
    } else {
        ResolverKind::IncomingWins
    })
}

/// Returns our conflict type for a name from another system, to suggest it in a message.
pub(super) fn foreign_type(name: &str) -> Option<ConflictType> {
    use ConflictType as T;
    Some(match name.to_ascii_lowercase().replace('-', "_").as_str() {
        "insert_exists" | "insertrowexists" | "insert_conflict" => T::InsertInsert,
        "update_differing" | "update_origin_change" | "updaterowexists" | "update_conflict" => {
            T::UpdateUpdate
        }
        "delete_recently_updated" | "deleterowexists" | "update_vs_delete" => T::UpdateDelete,
        "delete_vs_update" => T::DeleteUpdate,
        "updaterowmissing" => T::UpdateMissing,
        "deleterowmissing" => T::DeleteMissing,
        "multiple_unique_conflicts" | "update_pkey_exists" => T::UniqueIndex,
        "schema_newer_than_us" | "target_column_missing" => T::SchemaNewer,
        "source_column_missing" => T::SchemaOlder,
        _ => return None,
    })
}

/// Returns our spelling for another system's name of a way to detect conflicts.
pub(super) fn foreign_detect(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().replace('_', "-").as_str() {
        "hlc" => "\"clock\"",
        "use-changed-data" | "changed-data" | "column" => "\"changed-fields\"",
        "row" | "use-old-data" | "old-data" => "\"base-revision\"",
        "use-version" | "version" => r#"{ use = "version-field", field = "version" }"#,
        "use-timestamp" | "timestamp" => r#"{ use = "timestamp-field", field = "updatedAt" }"#,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page and the code list the same names.
    #[test]
    fn the_page_names_every_alias() {
        let page = include_str!("../../doc/reference/policy.md");
        for &kind in ResolverKind::ALL {
            let line = page.lines().find(|line| {
                let first = line.split('|').nth(1).unwrap_or_default();
                first.contains(&format!("`{}`", kind.name())) && line.matches('|').count() == 4
            });
            let line = line.unwrap_or_else(|| panic!("the page does not name {}", kind.name()));
            for (alias, _) in ALIASES.iter().filter(|(_, of)| *of == kind) {
                let hyphens = alias.replace('_', "-");
                assert!(
                    line.contains(&format!("`{alias}`")) || line.contains(&format!("`{hyphens}`")),
                    "{alias} is not on the page"
                );
            }
            let named = line.split('|').nth(3).unwrap_or_default().split('`').skip(1).step_by(2);
            for name in named.filter(|name| !["max", "min", "by"].contains(name)) {
                assert_eq!(
                    resolver_kind(name).map(|it| it.kind_or(kind)),
                    Some(kind),
                    "{name} is on the page"
                );
            }
        }
    }

    impl ResolverKind {
        /// Treats `max` and `min` alike, because they share a line of the page.
        fn kind_or(self, line: Self) -> Self {
            if matches!(self, Self::Max | Self::Min) && matches!(line, Self::Max | Self::Min) {
                line
            } else {
                self
            }
        }
    }

    #[test]
    fn no_alias_hides_a_name_or_another_alias() {
        for (place, (alias, _)) in ALIASES.iter().enumerate() {
            assert!(ResolverKind::from_name(alias).is_none(), "{alias}");
            assert!(ALIASES[..place].iter().all(|(other, _)| other != alias), "{alias}");
        }
    }

    #[test]
    fn the_side_that_updates_or_deletes() {
        use ConflictType as T;
        let kind = |name, conflict| delete_alias(name, conflict);
        assert_eq!(kind(UPDATE_WINS, T::UpdateDelete), Some(ResolverKind::HeadWins));
        assert_eq!(kind(DELETE_WINS, T::UpdateDelete), Some(ResolverKind::IncomingWins));
        assert_eq!(kind(UPDATE_WINS, T::DeleteUpdate), Some(ResolverKind::IncomingWins));
        assert_eq!(kind(DELETE_WINS, T::UpdateRecentlyDeleted), Some(ResolverKind::HeadWins));
        assert_eq!(kind(DELETE_WINS, T::UpdateMissing), None);
        assert_eq!(kind("max", T::UpdateDelete), None);
    }
}
