//! The printed matrix of the conflict types that each resolver may decide.

use super::resolver::ResolverKind;
use crate::snapshot::ConflictType;

/// Returns the matrix as a Markdown table, with one line for each resolver, one column for each
/// type, and one column for single fields.
pub fn matrix() -> String {
    let types = ConflictType::names().collect::<Vec<_>>();
    let mut out = format!("| | {} | one field |\n", types.join(" | "));
    out += &format!("| --- |{}\n", " --- |".repeat(types.len() + 1));
    for &kind in ResolverKind::ALL {
        let cell = |serves: bool| if serves { " yes |" } else { " |" };
        let cells: String =
            ConflictType::ALL.iter().map(|conflict| cell(kind.serves(*conflict))).collect();
        out += &format!("| `{}` |{cells}{}\n", kind.name(), cell(kind.serves_fields()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "<!-- matrix -->\n\n";
    const END: &str = "\n<!-- end of matrix -->";

    /// With `UPDATE_MATRIX=1` in the environment, this rewrites the page.
    #[test]
    fn the_page_has_the_matrix() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/doc/reference/policy.md");
        let page = std::fs::read_to_string(path).unwrap();
        let from = page.find(START).unwrap() + START.len();
        let to = page.find(END).unwrap();
        if std::env::var_os("UPDATE_MATRIX").is_some() {
            std::fs::write(path, format!("{}{}{}", &page[..from], matrix(), &page[to..])).unwrap();
            return;
        }
        assert!(
            page[from..to] == matrix(),
            "the matrix in policy.md is not the code's: UPDATE_MATRIX=1 cargo test --lib policy::matrix writes it"
        );
    }

    #[test]
    fn every_type_can_be_decided_or_parked() {
        for &conflict in ConflictType::ALL {
            assert!(
                ResolverKind::Park.serves(conflict) && ResolverKind::Fail.serves(conflict),
                "{conflict:?}"
            );
        }
        assert_eq!(matrix().lines().count(), 2 + ResolverKind::ALL.len());
    }
}
