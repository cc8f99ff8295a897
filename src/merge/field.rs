//! A field of a record: its value, and the record without it.

use std::borrow::Cow;

use crate::indexeddb::value;
use crate::policy::{FieldPath, PathStep};

/// Returns the value at a path of plain objects.
pub(super) fn at<'a>(canonical: &'a [u8], path: &FieldPath) -> Option<&'a [u8]> {
    path.steps().iter().try_fold(canonical, |value, step| {
        let PathStep::Member(wanted) = step else { return None };
        let members = value::members(value)?;
        members.into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    })
}

/// Returns a canonical value without the member at a path of plain objects. Objects on the path
/// that contain nothing else are removed too, because they come and go with the member. Returns
/// `None` if there is no such member.
pub(super) fn without(canonical: &[u8], steps: &[PathStep]) -> Option<Vec<u8>> {
    let (PathStep::Member(wanted), inner) = steps.split_first()? else { return None };
    let members = value::members(canonical)?;
    members.iter().find(|(name, _)| name == wanted)?;
    let mut out = vec![b'{'];
    for (name, value) in members {
        let mut kept = Cow::Borrowed(value);
        if name == wanted {
            if inner.is_empty() {
                continue;
            }
            let rest = if value == b"{}" { value.to_vec() } else { without(value, inner)? };
            if rest == b"{}" {
                continue;
            }
            kept = rest.into();
        }
        out.extend_from_slice(if out.len() > 1 { b",\"" } else { b"\"" });
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(&kept);
    }
    out.push(b'}');
    Some(out)
}
