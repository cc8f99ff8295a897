//! Shared and cyclic references, numbered in the order of the canonical text and defined where they
//! first appear.

use std::collections::HashMap;

use super::error::ValueErrorReason as Reason;
use super::tag::ValueTag;
use super::write::{close_shared, open_shared, write_reference};
use super::{MAX_DEPTH, read, tags};
use crate::indexeddb::number;

const ID: &[u8] = ValueTag::Id.opening();
const REF: &[u8] = ValueTag::Ref.opening();

/// One `~id` or `~ref` in the text.
struct ReferenceMark {
    number: u64,
    start: usize,
    end: usize,
    /// For an `~id`, the start and end of its value, and the index of the first mark after it.
    definition: Option<(usize, usize, usize)>,
}

/// Reads the number at `at`; returns it with the position after it.
fn number(text: &[u8], at: usize) -> (u64, usize) {
    let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (number::whole(&text[at..at + digits]).unwrap_or(0), at + digits)
}

/// Finds all marks, in order.
fn marks(text: &[u8]) -> Vec<ReferenceMark> {
    let mut found: Vec<ReferenceMark> = Vec::new();
    // For every open bracket, the mark that it belongs to.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                at = read::string_end(text, at).unwrap_or(text.len());
                continue;
            }
            b'{' if text[at..].starts_with(ID) => {
                // The content is `[n,value]`.
                let (number, comma) = number(text, at + ID.len() + 1);
                open.push(Some(found.len()));
                found.push(ReferenceMark {
                    number,
                    start: at,
                    end: 0,
                    definition: Some((comma + 1, 0, 0)),
                });
            }
            b'{' if text[at..].starts_with(REF) => {
                let (number, brace) = number(text, at + REF.len());
                open.push(None);
                found.push(ReferenceMark { number, start: at, end: brace + 1, definition: None });
            }
            b'{' | b'[' => open.push(None),
            b'}' | b']' => {
                if let Some(Some(index)) = open.pop() {
                    let next = found.len();
                    let mark = &mut found[index];
                    mark.end = at + 1;
                    mark.definition = mark.definition.map(|(start, ..)| (start, at - 1, next));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// A piece of text that is being copied.
struct CopiedPiece {
    at: usize,
    end: usize,
    /// The first mark at or after `at`.
    mark: usize,
    /// True if this is the value of an `~id`, which must be closed.
    defines: bool,
}

/// Rewrites canonical text whose ids are arbitrary. Ids without references are removed; the others
/// count from 1 in the order of their first appearance, and each definition moves to that place.
pub(super) fn renumber(text: &[u8]) -> Result<Vec<u8>, Reason> {
    let marks = marks(text);
    let mut definitions = HashMap::new();
    let mut used = std::collections::HashSet::new();
    for mark in &marks {
        match mark.definition {
            Some(definition) => drop(definitions.insert(mark.number, definition)),
            None => drop(used.insert(mark.number)),
        }
    }
    check_views(text, &definitions)?;
    let mut numbers: HashMap<u64, u64> = HashMap::new();
    let mut out = Vec::with_capacity(text.len());
    let mut pieces = vec![CopiedPiece { at: 0, end: text.len(), mark: 0, defines: false }];
    while let Some(piece) = pieces.last_mut() {
        let Some(mark) = marks.get(piece.mark).filter(|mark| mark.start < piece.end) else {
            out.extend_from_slice(&text[piece.at..piece.end]);
            if piece.defines {
                close_shared(&mut out);
            }
            pieces.pop();
            continue;
        };
        out.extend_from_slice(&text[piece.at..mark.start]);
        let (start, end, next) = *definitions.get(&mark.number).ok_or(Reason::DanglingReference)?;
        // The marks within a definition end at the first mark after it.
        let first = marks.partition_point(|other| other.start < start);
        piece.mark = mark.definition.map_or(piece.mark + 1, |_| next);
        piece.at = mark.end;
        if !used.contains(&mark.number) {
            pieces.push(CopiedPiece { at: start, end, mark: first, defines: false });
        } else if let Some(known) = numbers.get(&mark.number) {
            write_reference(*known, &mut out);
        } else {
            let fresh = numbers.len() as u64 + 1;
            numbers.insert(mark.number, fresh);
            open_shared(fresh, &mut out);
            pieces.push(CopiedPiece { at: start, end, mark: first, defines: true });
        }
    }
    // Moved definitions may be nested deeper now.
    if depth(&out) > MAX_DEPTH { Err(Reason::Depth) } else { Ok(out) }
}

/// Checks the views whose buffer is a reference.
fn check_views(
    text: &[u8],
    definitions: &HashMap<u64, (usize, usize, usize)>,
) -> Result<(), Reason> {
    let view = ValueTag::View.opening();
    let shared = [view, b"{\"buffer\":", REF].concat();
    for at in memchr::memmem::find_iter(text, &shared) {
        let (number, _) = number(text, at + shared.len());
        let view_start = at + view.len();
        let fits = definitions.get(&number).zip(read::value_end(text, view_start)).is_some_and(
            |(buffer, view_end)| {
                tags::view_fits(&text[view_start..view_end], &text[buffer.0..buffer.1])
            },
        );
        if !fits {
            return Err(Reason::InvalidTag(ValueTag::View.expects()));
        }
    }
    Ok(())
}

fn depth(text: &[u8]) -> usize {
    let (mut at, mut open, mut deepest) = (0, 0_usize, 0);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                at = read::string_end(text, at).unwrap_or(text.len());
                continue;
            }
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}
