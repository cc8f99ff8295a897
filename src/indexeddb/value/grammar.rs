//! The grammar of the input: reads values, checks tags, and copies what is canonical.

use super::error::{ValueError, ValueErrorReason as Reason};
use super::pass::Pass;
use super::scan::Flags;
use super::tag::ValueTag;
use super::write::write_tagged_string;
use super::written_member::{self, WrittenMember};
use super::{references, tags};
use crate::indexeddb::number::{self, NumberError};
use crate::indexeddb::text;

impl Pass<'_> {
    /// Reads the whole input and appends its canonical form.
    pub(super) fn document(mut self) -> Result<(), ValueError> {
        let start = self.out.len();
        match self.read_document() {
            Ok(()) => {}
            Err(reason) => {
                return Err(ValueError { reason, offset: self.pos.min(self.input.len()) });
            }
        }
        if self.scratch.has_references {
            self.scratch.members.clear();
            let text = references::renumber(&self.out[start..])
                .map_err(|reason| ValueError { reason, offset: 0 })?;
            self.out.truncate(start);
            self.out.extend_from_slice(&text);
        }
        // A tagged value may have turned into a plain object.
        if self.scratch.members.is_empty() {
            self.scratch.find_top_members(self.out, start);
        }
        Ok(())
    }

    fn read_document(&mut self) -> Result<(), Reason> {
        self.space();
        self.value(0)?;
        self.flush();
        self.space();
        if self.pos == self.input.len() { Ok(()) } else { Err(Reason::Syntax) }
    }

    /// Reads one value inside `depth` brackets.
    pub(super) fn value(&mut self, depth: usize) -> Result<(), Reason> {
        match self.peek() {
            Some(b'"') => self.string_value(depth),
            Some(b'-' | b'0'..=b'9') => self.number(depth),
            Some(b'{') => {
                let outer = std::mem::replace(&mut self.deepest, depth);
                self.object(depth + 1)?;
                self.deepest = self.deepest.max(outer);
                Ok(())
            }
            Some(b'[') => self.array(depth + 1),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(Reason::Syntax),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Reason> {
        if !self.input[self.pos..].starts_with(word) {
            return Err(Reason::Syntax);
        }
        self.pos += word.len();
        Ok(())
    }

    #[inline]
    fn string_value(&mut self, depth: usize) -> Result<(), Reason> {
        let start = self.place();
        let flags = self.string()?;
        if flags.lone { self.lone_string(start, depth) } else { Ok(()) }
    }

    /// Rewrites the string at `start` as `{"~utf16":…}`.
    #[cold]
    fn lone_string(&mut self, start: usize, depth: usize) -> Result<(), Reason> {
        self.enter(depth + 1)?;
        self.flush();
        let units: Vec<u16> = text::units(&self.out[start + 1..self.out.len() - 1]).collect();
        self.out.truncate(start);
        text::write_units(&units, self.out);
        Ok(())
    }

    #[inline]
    fn number(&mut self, depth: usize) -> Result<(), Reason> {
        let literal = number::scan(&self.input[self.pos..]).ok_or(Reason::Syntax)?;
        if literal.canonical {
            self.pos += literal.length;
            return Ok(());
        }
        self.other_number(literal, depth)
    }

    #[inline(never)]
    fn other_number(&mut self, literal: number::Literal, depth: usize) -> Result<(), Reason> {
        let text = &self.input[self.pos..self.pos + literal.length];
        self.flush();
        match number::parse(text, literal.integer) {
            Ok(value) => {
                if value == 0.0 && value.is_sign_negative() {
                    self.enter(depth + 1)?;
                }
                number::write_canonical(value, self.out);
            }
            Err(_) if literal.integer && self.options.big_integers => {
                self.enter(depth + 1)?;
                write_tagged_string(ValueTag::BigInt, text, self.out);
            }
            Err(NumberError::Precision) => return Err(Reason::NumberPrecision),
            Err(NumberError::Range) => return Err(Reason::NumberRange),
        }
        self.pos += literal.length;
        self.copied = self.pos;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Reason> {
        self.enter(depth)?;
        self.expect(b'[')?;
        if self.peek() == Some(b']') {
            self.pos += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.space();
            match self.peek() {
                Some(b',') => self.expect(b',')?,
                Some(b']') => {
                    self.pos += 1;
                    return Ok(());
                }
                _ => return Err(Reason::Syntax),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Reason> {
        self.enter(depth)?;
        let start = self.place();
        let base = self.scratch.members.len();
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.pos += 1;
            return Ok(());
        }
        let (mut sorted, mut lone) = (true, false);
        loop {
            let member = self.name()?;
            lone |= member.lone;
            if let Some(previous) =
                self.scratch.members.get(base..).and_then(<[WrittenMember]>::last)
            {
                let simple = !previous.escaped && !member.escaped;
                if !(simple && previous.head < member.head) {
                    let order = previous.compare(
                        self.written(previous.start, previous.name_end),
                        &member,
                        self.written(member.start, member.name_end),
                    );
                    if order.is_eq() {
                        return self.fail_at(member.offset, Reason::DuplicateMember);
                    }
                    sorted &= order.is_lt();
                }
            }
            if is_tag(&member) {
                let first = self.scratch.members.len() == base;
                return self.tag(start, depth, member, first);
            }
            self.space();
            self.expect(b':')?;
            // The borrow ends here, because the value's members are pushed and popped above this
            // one.
            let index = self.scratch.members.len();
            self.scratch.members.push(member);
            self.value(depth)?;
            self.scratch.members[index].end = self.place();
            self.space();
            match self.peek() {
                Some(b',') => self.expect(b',')?,
                Some(b'}') => break,
                _ => return Err(Reason::Syntax),
            }
        }
        self.pos += 1;
        if !sorted || lone {
            self.flush();
            self.reorder(start, base, depth, lone)?;
        }
        // The members of the top-level object are kept for `Canonicalizer::top_member`.
        if depth > 1 || lone {
            self.scratch.members.truncate(base);
        }
        Ok(())
    }

    #[inline]
    fn name(&mut self) -> Result<WrittenMember, Reason> {
        if self.peek() != Some(b'"') {
            return Err(Reason::Syntax);
        }
        let offset = self.pos;
        let start = self.place() + 1;
        let Flags { escaped, lone, .. } = self.string()?;
        let mut member = WrittenMember {
            start,
            name_end: self.place() - 1,
            end: 0,
            offset,
            head: 0,
            escaped,
            lone,
        };
        if self.options.plain && self.written(start, member.name_end).first() == Some(&b'~') {
            self.flush();
            self.out.insert(start, b'~');
            member.name_end += 1;
        }
        member.head = written_member::head(self.text_from(start), member.name_end - start);
        Ok(member)
    }

    /// Reads the rest of an object whose member `name` is a tag; `start` is the position of its
    /// brace.
    fn tag(
        &mut self,
        start: usize,
        depth: usize,
        name: WrittenMember,
        first: bool,
    ) -> Result<(), Reason> {
        if !first {
            return self.fail_at(name.offset, Reason::ReservedName);
        }
        let tag = ValueTag::from_name(self.written(name.start, name.name_end));
        self.space();
        self.expect(b':')?;
        let payload = self.place();
        // A wrong opening bracket is refused before the content is read, so that the error names
        // the tag.
        match tag {
            Some(tag) if tag.opens_with().is_some_and(|bracket| self.peek() != Some(bracket)) => {
                return self.fail_at(name.offset, Reason::InvalidTag(tag.expects()));
            }
            Some(ValueTag::Id) => self.id(depth)?,
            Some(ValueTag::Ref) => self.reference(name.offset)?,
            _ => self.value(depth)?,
        }
        self.space();
        match self.peek() {
            Some(b'}') => self.pos += 1,
            Some(b',') => return self.fail_at(name.offset, Reason::ReservedName),
            _ => return Err(Reason::Syntax),
        }
        let Some(tag) = tag else {
            return self.fail_at(name.offset, Reason::UnknownTag);
        };
        self.flush();
        if tag == ValueTag::Binary && !self.key {
            return self.fail_at(
                name.offset,
                Reason::InvalidTag("`~binary` is a key; a value has `~buffer`"),
            );
        }
        match tags::check(tag, &self.out[payload..self.out.len() - 1]) {
            Ok(tags::NormalForm::Same) => {}
            Ok(tags::NormalForm::Content(text)) => {
                self.out.truncate(payload);
                self.out.extend_from_slice(&text);
                self.out.push(b'}');
            }
            Ok(tags::NormalForm::Whole(text)) => {
                self.out.truncate(start);
                self.out.extend_from_slice(&text);
            }
            Err(reason) => return self.fail_at(name.offset, reason),
        }
        Ok(())
    }

    /// Reads `[n, value]`. The number counts from here on, so that the value can refer to itself.
    fn id(&mut self, depth: usize) -> Result<(), Reason> {
        self.enter(depth + 1)?;
        self.expect(b'[')?;
        let offset = self.pos;
        let id = self.id_number()?;
        if !self.scratch.ids.insert(id) {
            return self.fail_at(offset, Reason::DuplicateId);
        }
        self.scratch.has_references = true;
        self.space();
        self.expect(b',')?;
        self.value(depth + 1)?;
        self.space();
        if self.peek() != Some(b']') {
            return Err(Reason::Syntax);
        }
        self.pos += 1;
        Ok(())
    }

    fn reference(&mut self, offset: usize) -> Result<(), Reason> {
        let id = self.id_number()?;
        if self.scratch.ids.contains(&id) {
            Ok(())
        } else {
            self.fail_at(offset, Reason::DanglingReference)
        }
    }

    fn id_number(&mut self) -> Result<u64, Reason> {
        let start = self.pos;
        let literal = number::scan(&self.input[start..])
            .ok_or(Reason::InvalidTag("the number is a JSON number"))?;
        let text = &self.input[start..start + literal.length];
        let id = number::whole(text).filter(|&id| id > 0);
        self.pos += literal.length;
        id.ok_or(Reason::InvalidTag("the number of `~id` and `~ref` is a whole number from 1"))
    }
}

/// True if a name begins with a single `~`.
#[inline]
fn is_tag(member: &WrittenMember) -> bool {
    let [first, second, ..] = member.head.to_be_bytes();
    first == b'~' && second != b'~'
}
