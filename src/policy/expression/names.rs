//! The names that an expression can use, and suggestions for unknown names.

use super::data::Value;
use super::types::{Kind, Type};
use super::variables::Variables;

/// A variable, or a member of `meta`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Base,
    Head,
    Incoming,
    HeadAt,
    HeadBy,
    HeadRev,
    IncomingAt,
    IncomingBy,
    IncomingRev,
    Store,
    Key,
    ConflictType,
    Field,
    Now,
}

/// The names that can be used alone, except the aliases.
pub(super) const VARIABLES: [&str; 9] =
    ["base", "head", "incoming", "meta", "store", "key", "type", "field", "now"];

/// The members of `meta`.
pub(super) const META: [&str; 2] = ["head", "incoming"];

/// The members of `meta.head` and `meta.incoming`.
pub(super) const META_MEMBERS: [&str; 3] = ["at", "by", "rev"];

/// Returns the name that an alias refers to.
pub(super) fn canonical(name: &str) -> &str {
    match name {
        "ours" => "head",
        "theirs" => "incoming",
        other => other,
    }
}

impl Variable {
    /// Returns the variable with this name. `meta` is not a variable, but its members are.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match canonical(name) {
            "base" => Self::Base,
            "head" => Self::Head,
            "incoming" => Self::Incoming,
            "store" => Self::Store,
            "key" => Self::Key,
            "type" => Self::ConflictType,
            "field" => Self::Field,
            "now" => Self::Now,
            _ => return None,
        })
    }

    /// Returns the variable for `meta.SIDE.MEMBER`.
    pub(super) fn of_meta(side: &str, member: &str) -> Option<Self> {
        Some(match (canonical(side), member) {
            ("head", "at") => Self::HeadAt,
            ("head", "by") => Self::HeadBy,
            ("head", "rev") => Self::HeadRev,
            ("incoming", "at") => Self::IncomingAt,
            ("incoming", "by") => Self::IncomingBy,
            ("incoming", "rev") => Self::IncomingRev,
            _ => return None,
        })
    }

    /// Returns the kinds of its possible values.
    pub(super) fn kinds(self) -> Type {
        match self {
            Self::Base | Self::Head | Self::Incoming => Type::DATA,
            Self::HeadAt | Self::HeadRev | Self::IncomingAt | Self::IncomingRev => {
                Type::INT | Type::NULL
            }
            Self::HeadBy | Self::IncomingBy => Type::TEXT | Type::NULL,
            Self::Store | Self::ConflictType | Self::Field => Type::TEXT,
            Self::Key => {
                Type::DOUBLE
                    | Type::DATE
                    | Type::TEXT
                    | Type::BYTES
                    | Type::LIST
                    | Type::of(Kind::Stored)
            }
            Self::Now => Type::INT,
        }
    }

    /// Returns its value.
    pub(super) fn value<'a>(self, variables: &Variables<'a>) -> Value<'a> {
        let text = |text: &'a str| Value::Text(text.into());
        let int = |int: Option<i64>| int.map_or(Value::Null, Value::Int);
        match self {
            Self::Base => Value::of(variables.base),
            Self::Head => Value::of(variables.head),
            Self::Incoming => Value::of(variables.incoming),
            Self::HeadAt => int(variables.head_meta.at),
            Self::HeadBy => variables.head_meta.by.map_or(Value::Null, text),
            Self::HeadRev => int(variables.head_meta.rev.map(i64::from)),
            Self::IncomingAt => int(variables.incoming_meta.at),
            Self::IncomingBy => variables.incoming_meta.by.map_or(Value::Null, text),
            Self::IncomingRev => int(variables.incoming_meta.rev.map(i64::from)),
            Self::Store => text(variables.store),
            Self::Key => Value::Raw(variables.key),
            Self::ConflictType => text(variables.conflict),
            Self::Field => text(variables.field),
            Self::Now => Value::Int(variables.now),
        }
    }
}

/// Returns the one of `known` that `name` was probably meant to be.
pub(super) fn meant<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let most = (name.chars().count() / 3).max(1);
    let close = known
        .into_iter()
        .map(|known| (distance(name, known), known))
        .filter(|(far, _)| *far <= most);
    close.min().map(|(_, known)| known)
}

/// Returns the number of letters to change, insert, delete or swap with their neighbour, ignoring
/// case.
fn distance(a: &str, b: &str) -> usize {
    let letters =
        |text: &str| text.chars().take(64).map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut rows = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let least = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swapped { least.min(rows[i - 2][j - 2] + 1) } else { least }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        for (name, expected) in [
            ("haed", Some("head")),
            ("Head", Some("head")),
            ("incomming", Some("incoming")),
            ("nwo", Some("now")),
            ("bsae", Some("base")),
            ("record", None),
            ("", None),
        ] {
            assert_eq!(meant(name, VARIABLES), expected, "{name}");
        }
    }

    #[test]
    fn every_name_is_known() {
        for name in VARIABLES.into_iter().filter(|&name| name != "meta").chain(["ours", "theirs"]) {
            assert!(Variable::from_name(name).is_some(), "{name}");
        }
        for side in META.into_iter().chain(["ours", "theirs"]) {
            assert!(
                META_MEMBERS.into_iter().all(|member| Variable::of_meta(side, member).is_some()),
                "{side}"
            );
        }
    }
}
