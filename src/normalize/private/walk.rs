//! A walk through a canonical value, along private paths, to the places to cut or replace.

use std::collections::HashSet;
use std::ops::Range;

use memchr::memmem;

use super::{Hidden, MARK, PathNode, Unhideable};
use crate::indexeddb::value::{
    Canonicalizer, ValueTag, string_end, tag_at, value_end, without_stacks,
};
use crate::policy::{HashKey, Hide};

/// The prefix of a digest.
const DIGEST: &[u8] = b"\"blake3:";

/// A place in the value and its replacement. Edits are in the order of the text and do not overlap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) with: With,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum With {
    Nothing,
    Mark,
    Digest(blake3::Hash),
}

/// Appends a digest as canonical text.
pub(super) fn write_digest(digest: &blake3::Hash, out: &mut Vec<u8>) {
    out.extend_from_slice(DIGEST);
    out.extend_from_slice(digest.to_hex().as_bytes());
    out.push(b'"');
}

/// Returns the digest if the value already is one, because the source sent back a value that it got
/// from us.
fn read_digest(text: &[u8]) -> Option<blake3::Hash> {
    let digest = blake3::Hash::from_hex(text.strip_prefix(DIGEST)?.strip_suffix(b"\"")?).ok()?;
    let mut written = Vec::new();
    write_digest(&digest, &mut written);
    (written == text).then_some(digest)
}

/// The fields to look for in a value.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// The private fields inside the value.
    Fields(&'a PathNode),
    /// The value itself, or everything this many arrays below it.
    Hide(usize, Hide),
}

impl<'a> From<&'a PathNode> for Target<'a> {
    fn from(node: &'a PathNode) -> Self {
        node.hide.map_or(Self::Fields(node), |(levels, hide)| Self::Hide(levels, hide))
    }
}

impl Target<'_> {
    /// Refuses a path that names one element of an array by its index. Such a path is not followed,
    /// but ignoring it would leave a private field in the clear.
    fn check_index(self) -> Result<()> {
        match self {
            Self::Fields(node) if node.has_index => {
                Err(Unhideable("it is one element of an array; a path has only []"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the target for an element of an array.
    fn element(self) -> Self {
        match self {
            Self::Fields(_) => self,
            Self::Hide(levels, hide) => Self::Hide(levels.saturating_sub(1), hide),
        }
    }
}

/// The result for a value, with the position where the value ends.
#[derive(Clone, Copy)]
enum Fate {
    Kept(usize),
    Gone(usize),
}

type Result<T> = std::result::Result<T, Unhideable>;

/// The target in the value of a pair; `None` means nothing is private.
type PairTarget<'t> = Result<Option<Target<'t>>>;

pub(super) struct PrivateWalk<'a> {
    text: &'a [u8],
    key: Option<&'a HashKey>,
    edits: &'a mut Vec<Edit>,
    canonicalizer: &'a mut Canonicalizer,
    /// Numbers of the `~id` objects around the current position.
    around: Vec<&'a [u8]>,
    pub(super) hidden: Hidden,
    /// True if the rest may have a different canonical form.
    pub(super) renew: bool,
}

/// Returns the error for text that is not canonical, which cannot happen.
fn damaged() -> Unhideable {
    Unhideable("the value is not in canonical form")
}

impl<'a> PrivateWalk<'a> {
    pub(super) fn new(
        text: &'a [u8],
        key: Option<&'a HashKey>,
        edits: &'a mut Vec<Edit>,
        canonicalizer: &'a mut Canonicalizer,
    ) -> Self {
        let hidden = Hidden::default();
        Self { text, key, edits, canonicalizer, around: Vec::new(), hidden, renew: false }
    }

    pub(super) fn root(&mut self, node: &PathNode) -> Result<()> {
        self.value(0, Target::Fields(node)).map(drop)
    }

    fn end(&self, at: usize) -> Result<usize> {
        value_end(self.text, at).ok_or_else(damaged)
    }

    /// Walks the value at `at`.
    fn value(&mut self, at: usize, target: Target<'_>) -> Result<Fate> {
        if let Target::Hide(0, hide) = target {
            return self.whole(at, hide);
        }
        match self.text.get(at) {
            Some(b'[') => {
                target.check_index()?;
                self.list(at, &mut |walk, at| walk.value(at, target.element())).map(Fate::Kept)
            }
            Some(b'{') => match tag_at(self.text, at) {
                Some((tag, content)) => self.tagged(at, tag, content, target),
                None => match target {
                    Target::Hide(_, hide) => self.whole(at, hide),
                    Target::Fields(node) => {
                        self.list(at, &mut |walk, at| walk.member(at, node)).map(Fate::Kept)
                    }
                },
            },
            _ => self.other(at, target),
        }
    }

    /// Walks a value that has no members and is not an array. If only its elements are marked as
    /// private, the value itself is hidden.
    fn other(&mut self, at: usize, target: Target<'_>) -> Result<Fate> {
        match target {
            Target::Hide(_, hide) => self.whole(at, hide),
            Target::Fields(_) => self.end(at).map(Fate::Kept),
        }
    }

    fn tagged(
        &mut self,
        at: usize,
        tag: ValueTag,
        content: usize,
        target: Target<'_>,
    ) -> Result<Fate> {
        let has = |names: &[&str]| match target {
            Target::Fields(node) => {
                names.iter().any(|name| node.members.contains_key(name.as_bytes()))
            }
            Target::Hide(..) => false,
        };
        let end = match tag {
            ValueTag::Ref => {
                return Err(Unhideable(
                    "it lies behind a reference to an object elsewhere in the value",
                ));
            }
            ValueTag::Id => return self.shared(at, content, target),
            ValueTag::Set => self.set(content, target)?,
            ValueTag::Array => self.array_with_holes(content, target)?,
            ValueTag::Map => self.list(content, &mut |walk, at| walk.map_entry(at, target))?,
            ValueTag::Entries => match target {
                Target::Fields(node) => {
                    // Without the names that plain JSON cannot represent, it may be written as an
                    // ordinary object.
                    self.renew = true;
                    self.list(content, &mut |walk, at| walk.entry(at, node))?
                }
                Target::Hide(..) => return self.other(at, target),
            },
            ValueTag::Error if has(&["cause", "message", "name", "stack"]) => {
                return Err(Unhideable("it is part of an Error, which can only be hidden whole"));
            }
            ValueTag::Blob if has(&["lastModified", "name", "size", "type"]) => {
                return Err(Unhideable(
                    "it is part of a Blob or File, which can only be hidden whole",
                ));
            }
            ValueTag::Dom | ValueTag::Opaque => match target {
                Target::Fields(_) => {
                    return Err(Unhideable("it lies in an object whose inside is not known"));
                }
                Target::Hide(..) => return self.other(at, target),
            },
            ValueTag::Undefined
            | ValueTag::Number
            | ValueTag::BigInt
            | ValueTag::Date
            | ValueTag::Utf16
            | ValueTag::RegExp
            | ValueTag::Boxed
            | ValueTag::Buffer
            | ValueTag::View
            | ValueTag::Binary
            | ValueTag::Error
            | ValueTag::Blob => return self.other(at, target),
        };
        // The brace after the content.
        Ok(Fate::Kept(end + 1))
    }

    /// Walks `[n,value]`, the content of an `~id` that begins at `at`.
    fn shared(&mut self, at: usize, content: usize, target: Target<'_>) -> Result<Fate> {
        let comma = self.end(content + 1)?;
        let inner = comma + 1;
        if let Target::Hide(_, hide) = target {
            let has_elements = match tag_at(self.text, inner) {
                Some((tag, _)) => tag.has_elements(),
                None => self.text.get(inner) == Some(&b'['),
            };
            if !has_elements {
                return self.whole(at, hide);
            }
        }
        self.around.push(&self.text[content + 1..comma]);
        let fate = self.value(inner, target)?;
        self.around.pop();
        match fate {
            Fate::Kept(end) => Ok(Fate::Kept(end + 2)),
            Fate::Gone(_) => Err(damaged()),
        }
    }

    /// Walks a Set. Elements that are equal once hidden are merged, as in any Set.
    fn set(&mut self, content: usize, target: Target<'_>) -> Result<usize> {
        target.check_index()?;
        let mut seen = HashSet::new();
        self.list(content, &mut |walk, at| {
            let before = walk.edits.len();
            let fate = walk.value(at, target.element())?;
            match (fate, walk.edits.get(before)) {
                (Fate::Kept(end), Some(edit)) if edit.start == at && edit.end == end => {
                    let replaced = match edit.with {
                        With::Digest(digest) => Some(digest),
                        _ => None,
                    };
                    Ok(if seen.insert(replaced) { fate } else { Fate::Gone(end) })
                }
                _ => Ok(fate),
            }
        })
    }

    /// Walks `{"items":[[index,value],…],"length":n,"members":[[name,value],…]}`. A removed item
    /// leaves a hole.
    fn array_with_holes(&mut self, content: usize, target: Target<'_>) -> Result<usize> {
        target.check_index()?;
        self.renew = true;
        self.list(content, &mut |walk, at| {
            let name_end = string_end(walk.text, at).ok_or_else(damaged)?;
            let end = match (&walk.text[at..name_end], target) {
                (b"\"items\"", _) => walk.list(name_end + 1, &mut |walk, at| {
                    walk.pair(at, &mut |_, _| Ok(Some(target.element())))
                })?,
                (b"\"members\"", Target::Fields(node)) => {
                    walk.list(name_end + 1, &mut |walk, at| walk.entry(at, node))?
                }
                _ => walk.end(name_end + 1)?,
            };
            Ok(Fate::Kept(end))
        })
    }

    /// Walks `[name,value]` of an object; the name is a string without the `~` escape.
    fn entry(&mut self, at: usize, node: &PathNode) -> Result<Fate> {
        self.pair(at, &mut |walk, name| Ok(node.named(&walk.text[name]).map(Target::from)))
    }

    /// Walks `[key,value]` of a Map.
    fn map_entry(&mut self, at: usize, target: Target<'_>) -> Result<Fate> {
        self.pair(at, &mut |walk, key| {
            if let Target::Fields(node) = target {
                if let Some(child) = node.named(&walk.text[key.clone()]) {
                    return Ok(Some(child.into()));
                }
                if !node.has_elements {
                    return Ok(None);
                }
            }
            let is_primitive = match walk.text[key.start] {
                b'[' => false,
                b'{' => tag_at(walk.text, key.start).is_some_and(|(tag, _)| tag.is_primitive()),
                _ => true,
            };
            if !is_primitive {
                return Err(Unhideable("it is in a Map whose keys are objects"));
            }
            Ok(Some(target.element()))
        })
    }

    /// Walks `[name,value]`; `choose` takes the name and returns the target for the value.
    fn pair<'t>(
        &mut self,
        at: usize,
        choose: &mut dyn FnMut(&Self, Range<usize>) -> PairTarget<'t>,
    ) -> Result<Fate> {
        let name_end = self.end(at + 1)?;
        match choose(self, at + 1..name_end)? {
            None => self.end(at).map(Fate::Kept),
            Some(target) => Ok(match self.value(name_end + 1, target)? {
                Fate::Kept(end) => Fate::Kept(end + 1),
                Fate::Gone(end) => Fate::Gone(end + 1),
            }),
        }
    }

    /// Walks `"name":value` of a plain object.
    fn member(&mut self, at: usize, node: &PathNode) -> Result<Fate> {
        let name_end = string_end(self.text, at).ok_or_else(damaged)?;
        match node.members.get(&self.text[at + 1..name_end - 1]) {
            Some(child) => self.value(name_end + 1, child.into()),
            None => self.end(name_end + 1).map(Fate::Kept),
        }
    }

    /// Walks the items of the list that opens at `at`. A removed item takes one comma with it.
    /// Returns the position after the list.
    fn list(
        &mut self,
        at: usize,
        item: &mut dyn FnMut(&mut Self, usize) -> Result<Fate>,
    ) -> Result<usize> {
        // The end of the previous item and the start of this one; there is a comma between them.
        let (mut before, mut start) = (at + 1, at + 1);
        if matches!(self.text.get(start), Some(b']' | b'}')) {
            return Ok(start + 1);
        }
        let mut any_kept = false;
        loop {
            let edits = self.edits.len();
            if start > before && !any_kept {
                self.edits.push(Edit { start: before, end: start, with: With::Nothing });
            }
            before = match item(self, start)? {
                Fate::Kept(end) => {
                    any_kept = true;
                    end
                }
                Fate::Gone(end) => {
                    self.edits.truncate(edits);
                    self.edits.push(Edit { start: before, end, with: With::Nothing });
                    end
                }
            };
            start = before + 1;
            match self.text.get(before) {
                Some(b',') => {}
                Some(b']' | b'}') => return Ok(start),
                _ => return Err(damaged()),
            }
        }
    }

    /// Hides the value at `at`. A value that is already hidden is not counted, but it is written
    /// again, so that a Set recognizes it as a duplicate.
    fn whole(&mut self, at: usize, hide: Hide) -> Result<Fate> {
        let end = self.end(at)?;
        let value = &self.text[at..end];
        let with = match hide {
            Hide::Exclude => {
                self.check_references(value)?;
                self.hidden.excluded += 1;
                return Ok(Fate::Gone(end));
            }
            Hide::Redact => {
                self.check_references(value)?;
                self.hidden.redacted += u64::from(value != MARK);
                With::Mark
            }
            Hide::Hash => match read_digest(value) {
                Some(digest) => With::Digest(digest),
                None => {
                    self.hidden.hashed += 1;
                    With::Digest(self.digest(value)?)
                }
            },
        };
        self.edits.push(Edit { start: at, end, with });
        Ok(Fate::Kept(end))
    }

    /// Returns the digest of a value. Equal values have equal digests, wherever they are.
    fn digest(&mut self, value: &[u8]) -> Result<blake3::Hash> {
        let key = self.key.ok_or(Unhideable("it is to be hashed, and there is no key"))?;
        let mut alone = Vec::new();
        let mut value = value;
        if ValueTag::Id.occurs_in(value) || ValueTag::Ref.occurs_in(value) {
            // References are numbered from the beginning of the value, and may lead outside it.
            let outside = |_| {
                Unhideable("it is to be hashed, and shares an object with the rest of the value")
            };
            self.canonicalizer.value(value, &mut alone).map_err(outside)?;
            value = &alone;
        }
        Ok(without_stacks(value).map_or_else(|| key.digest(value), |text| key.digest(&text)))
    }

    /// Checks that a hidden value is not also elsewhere in the clear: it may refer only to objects
    /// inside it or around it. References from outside to the hidden value are found when the rest
    /// is made canonical.
    fn check_references(&self, value: &[u8]) -> Result<()> {
        // Inside a string the quotes would be escaped, so these can only be tags.
        let mut references = numbers(value, ValueTag::Ref).peekable();
        if references.peek().is_none() {
            return Ok(());
        }
        let inside: HashSet<_> = numbers(value, ValueTag::Id).collect();
        match references.any(|number| !inside.contains(number) && !self.around.contains(&number)) {
            true => Err(Unhideable("it shares an object with the rest of the value")),
            false => Ok(()),
        }
    }
}

/// Returns the numbers after each `~id` or `~ref`.
fn numbers(text: &[u8], tag: ValueTag) -> impl Iterator<Item = &[u8]> {
    memmem::find_iter(text, tag.opening()).map(move |at| {
        let rest = &text[at + tag.opening().len()..];
        // The content of an `~id` is `[n,value]`.
        let rest = rest.strip_prefix(b"[").unwrap_or(rest);
        &rest[..rest.iter().take_while(|byte| byte.is_ascii_digit()).count()]
    })
}
