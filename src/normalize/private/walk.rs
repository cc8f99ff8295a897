//! One walk through a canonical value, along private paths, to the places that are cut or replaced.

use std::collections::HashSet;
use std::ops::Range;

use memchr::memmem;

use super::{Hidden, MARK, Node, Unhideable};
use crate::indexeddb::value::{Canonicalizer, string_end, value_end, without_stacks};
use crate::policy::{HashKey, Hide};

/// What a digest begins with.
const DIGEST: &[u8] = b"\"blake3:";

const ID: &[u8] = b"{\"~id\":[";
const REF: &[u8] = b"{\"~ref\":";

/// A place of the value, and what comes there instead. In the order of the text, none within another.
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

/// The digest that a value is already: a source sends back what it got from us.
fn read_digest(text: &[u8]) -> Option<blake3::Hash> {
    let digest = blake3::Hash::from_hex(text.strip_prefix(DIGEST)?.strip_suffix(b"\"")?).ok()?;
    let mut written = Vec::new();
    write_digest(&digest, &mut written);
    (written == text).then_some(digest)
}

/// What is looked for in a value.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// Private fields inside it.
    Fields(&'a Node),
    /// It, or what is so many arrays below it.
    Hide(usize, Hide),
}

impl<'a> From<&'a Node> for Target<'a> {
    fn from(node: &'a Node) -> Self {
        node.hide.map_or(Self::Fields(node), |(levels, hide)| Self::Hide(levels, hide))
    }
}

impl Target<'_> {
    /// A path that names one element of an array by its number is not followed, and must not be passed over either.
    fn check_index(self) -> Result<()> {
        match self {
            Self::Fields(node) if node.has_index => {
                Err(Unhideable("it is one element of an array; a path has only []"))
            }
            _ => Ok(()),
        }
    }

    /// What is looked for in an element of an array.
    fn element(self) -> Self {
        match self {
            Self::Fields(_) => self,
            Self::Hide(levels, hide) => Self::Hide(levels.saturating_sub(1), hide),
        }
    }
}

/// What became of a value, and where it ends.
#[derive(Clone, Copy)]
enum Fate {
    Kept(usize),
    Gone(usize),
}

type Result<T> = std::result::Result<T, Unhideable>;

/// What is looked for in the value of a pair; `None`: nothing.
type Choice<'t> = Result<Option<Target<'t>>>;

pub(super) struct Walk<'a> {
    text: &'a [u8],
    key: Option<&'a HashKey>,
    edits: &'a mut Vec<Edit>,
    canonicalizer: &'a mut Canonicalizer,
    /// Numbers of the `~id` around the place.
    around: Vec<&'a [u8]>,
    pub(super) hidden: Hidden,
    /// What is left has another canonical form, maybe.
    pub(super) renew: bool,
}

/// No canonical text makes this happen.
fn damaged() -> Unhideable {
    Unhideable("the value is not in canonical form")
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        text: &'a [u8],
        key: Option<&'a HashKey>,
        edits: &'a mut Vec<Edit>,
        canonicalizer: &'a mut Canonicalizer,
    ) -> Self {
        let hidden = Hidden::default();
        Self { text, key, edits, canonicalizer, around: Vec::new(), hidden, renew: false }
    }

    pub(super) fn root(&mut self, node: &Node) -> Result<()> {
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
            Some(b'{') => match self.tag(at) {
                Some((tag, content)) => self.tagged(at, tag, content, target),
                None => match target {
                    Target::Hide(_, hide) => self.whole(at, hide),
                    Target::Fields(node) => self.list(at, &mut |walk, at| walk.member(at, node)).map(Fate::Kept),
                },
            },
            _ => self.other(at, target),
        }
    }

    /// A value that has no members of its own, and is no array: whoever marked its elements gets it hidden itself.
    fn other(&mut self, at: usize, target: Target<'_>) -> Result<Fate> {
        match target {
            Target::Hide(_, hide) => self.whole(at, hide),
            Target::Fields(_) => self.end(at).map(Fate::Kept),
        }
    }

    /// The tag at `at` and the place of its content.
    fn tag(&self, at: usize) -> Option<(&'a [u8], usize)> {
        let text = self.text;
        if !text.get(at..)?.starts_with(b"{\"~") || text.get(at + 3) == Some(&b'~') {
            return None;
        }
        let end = string_end(text, at + 1)?;
        Some((&text[at + 2..end - 1], end + 1))
    }

    fn tagged(&mut self, at: usize, tag: &[u8], content: usize, target: Target<'_>) -> Result<Fate> {
        let has = |names: &[&str]| match target {
            Target::Fields(node) => names.iter().any(|name| node.members.contains_key(name.as_bytes())),
            Target::Hide(..) => false,
        };
        let end = match (tag, target) {
            (b"~ref", _) => return Err(Unhideable("it lies behind a reference to an object elsewhere in the value")),
            (b"~id", _) => return self.shared(at, content, target),
            (b"~set", _) => self.set(content, target)?,
            (b"~array", _) => self.array_with_holes(content, target)?,
            (b"~map", _) => self.list(content, &mut |walk, at| walk.map_entry(at, target))?,
            (b"~entries", Target::Fields(node)) => {
                // Once the names that JSON has no words for are gone, it is written as any other object.
                self.renew = true;
                self.list(content, &mut |walk, at| walk.entry(at, node))?
            }
            (b"~error", _) if has(&["cause", "message", "name", "stack"]) => {
                return Err(Unhideable("it is part of an Error, which can only be hidden whole"));
            }
            (b"~blob", _) if has(&["lastModified", "name", "size", "type"]) => {
                return Err(Unhideable("it is part of a Blob or File, which can only be hidden whole"));
            }
            (b"~dom" | b"~opaque", Target::Fields(_)) => {
                return Err(Unhideable("it lies in an object whose inside is not known"));
            }
            _ => return self.other(at, target),
        };
        // The brace behind the content.
        Ok(Fate::Kept(end + 1))
    }

    /// `[n,value]` of an `~id` that begins at `at`.
    fn shared(&mut self, at: usize, content: usize, target: Target<'_>) -> Result<Fate> {
        let comma = self.end(content + 1)?;
        let inner = comma + 1;
        if let Target::Hide(_, hide) = target {
            let has_elements = match self.tag(inner) {
                Some((tag, _)) => matches!(tag, b"~set" | b"~array" | b"~map"),
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

    /// Elements that are alike after they were hidden are one, as in any Set.
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

    /// `{"items":[[index,value],…],"length":n,"members":[[name,value],…]}`. An item that goes leaves a hole.
    fn array_with_holes(&mut self, content: usize, target: Target<'_>) -> Result<usize> {
        target.check_index()?;
        self.renew = true;
        self.list(content, &mut |walk, at| {
            let name_end = string_end(walk.text, at).ok_or_else(damaged)?;
            let end = match (&walk.text[at..name_end], target) {
                (b"\"items\"", _) => {
                    walk.list(name_end + 1, &mut |walk, at| walk.pair(at, &mut |_, _| Ok(Some(target.element()))))?
                }
                (b"\"members\"", Target::Fields(node)) => {
                    walk.list(name_end + 1, &mut |walk, at| walk.entry(at, node))?
                }
                _ => walk.end(name_end + 1)?,
            };
            Ok(Fate::Kept(end))
        })
    }

    /// `[name,value]` of an object; the name is a string without the `~` escape.
    fn entry(&mut self, at: usize, node: &Node) -> Result<Fate> {
        self.pair(at, &mut |walk, name| Ok(node.named(&walk.text[name]).map(Target::from)))
    }

    /// `[key,value]` of a Map.
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
                b'{' => walk
                    .tag(key.start)
                    .is_some_and(|(tag, _)| matches!(tag, b"~undefined" | b"~number" | b"~bigint" | b"~utf16")),
                _ => true,
            };
            if !is_primitive {
                return Err(Unhideable("it is in a Map whose keys are objects"));
            }
            Ok(Some(target.element()))
        })
    }

    /// `[name,value]`; `choose` is given the name and says what is looked for in the value.
    fn pair<'t>(&mut self, at: usize, choose: &mut dyn FnMut(&Self, Range<usize>) -> Choice<'t>) -> Result<Fate> {
        let name_end = self.end(at + 1)?;
        match choose(self, at + 1..name_end)? {
            None => self.end(at).map(Fate::Kept),
            Some(target) => Ok(match self.value(name_end + 1, target)? {
                Fate::Kept(end) => Fate::Kept(end + 1),
                Fate::Gone(end) => Fate::Gone(end + 1),
            }),
        }
    }

    /// `"name":value` of a plain object.
    fn member(&mut self, at: usize, node: &Node) -> Result<Fate> {
        let name_end = string_end(self.text, at).ok_or_else(damaged)?;
        match node.members.get(&self.text[at + 1..name_end - 1]) {
            Some(child) => self.value(name_end + 1, child.into()),
            None => self.end(name_end + 1).map(Fate::Kept),
        }
    }

    /// The items between the brackets that open at `at`; those that go take a comma with them. Gives the place behind.
    fn list(&mut self, at: usize, item: &mut dyn FnMut(&mut Self, usize) -> Result<Fate>) -> Result<usize> {
        // Where the item before ended, and where this one begins: a comma is between them.
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

    /// Hides the value at `at`. What is hidden already is not counted, and written again all the same, so that a Set sees
    /// that it is there.
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

    /// Equal values have equal digests, wherever they are.
    fn digest(&mut self, value: &[u8]) -> Result<blake3::Hash> {
        let key = self.key.ok_or(Unhideable("it is to be hashed, and there is no key"))?;
        let mut alone = Vec::new();
        let mut value = value;
        if memmem::find(value, ID).is_some() || memmem::find(value, REF).is_some() {
            // Its numbers count from the value's beginning; and what they name may be outside.
            let outside = |_| Unhideable("it is to be hashed, and shares an object with the rest of the value");
            self.canonicalizer.value(value, &mut alone).map_err(outside)?;
            value = &alone;
        }
        Ok(without_stacks(value).map_or_else(|| key.digest(value), |text| key.digest(&text)))
    }

    /// What is hidden must not lie in the clear elsewhere: it refers to nothing outside but to what it is part of. That
    /// nothing outside refers to it is seen when the rest is brought in canonical form.
    fn check_references(&self, value: &[u8]) -> Result<()> {
        // In strings the quotes would be escaped, so these can only be the tags.
        let mut references = numbers(value, REF).peekable();
        if references.peek().is_none() {
            return Ok(());
        }
        let inside: HashSet<_> = numbers(value, ID).collect();
        match references.any(|number| !inside.contains(number) && !self.around.contains(&number)) {
            true => Err(Unhideable("it shares an object with the rest of the value")),
            false => Ok(()),
        }
    }
}

/// The numbers behind all `~id` or `~ref`.
fn numbers<'t>(text: &'t [u8], tag: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
    memmem::find_iter(text, tag).map(|at| {
        let rest = &text[at + tag.len()..];
        &rest[..rest.iter().take_while(|byte| byte.is_ascii_digit()).count()]
    })
}
