//! The positions of the nodes of a parsed expression in its text, in bytes.

use std::ops::Range;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};

/// The text, with the positions of its nodes.
pub(super) struct Spans<'s> {
    source: &'s str,
    info: SourceInfo,
    /// The byte position of each character, because the parser counts characters.
    bytes: Vec<usize>,
}

impl<'s> Spans<'s> {
    pub(super) fn new(source: &'s str, info: SourceInfo) -> Self {
        let bytes = source.char_indices().map(|(byte, _)| byte).chain([source.len()]).collect();
        Self { source, info, bytes }
    }

    /// Returns the mark that the parser recorded for a node: the bracket of a call, the sign of an
    /// operator, the point of a member.
    fn mark(&self, id: u64) -> Option<Range<usize>> {
        let (start, last) = self.info.offset_for(id)?;
        let byte = |char: u32| self.bytes.get(char as usize).copied().unwrap_or(self.source.len());
        let range = byte(start)..byte(last.saturating_add(1));
        (range.start <= range.end).then_some(range)
    }

    /// Returns the span of a whole node, without the brackets around it.
    pub(super) fn of(&self, node: &IdedExpr) -> Range<usize> {
        let mut span = self.mark(node.id).unwrap_or(0..self.source.len());
        // The parser marks only one sign per node, so the span is extended over all parts.
        let mut cover =
            |other: Range<usize>| span = span.start.min(other.start)..span.end.max(other.end);
        match &node.expr {
            Expr::Call(call) => {
                let named =
                    call.func_name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                        && call.func_name.bytes().any(|byte| byte.is_ascii_alphabetic());
                let parts: Vec<_> =
                    call.target.iter().map(|target| &**target).chain(&call.args).collect();
                parts.iter().for_each(|part| cover(self.of(part)));
                if named {
                    cover(self.name(node));
                    span.end = self.behind(span.end, b')');
                } else if call.func_name == "_[_]" {
                    span.end = self.behind(span.end, b']');
                }
            }
            Expr::Select(select) => {
                cover(self.of(&select.operand));
                cover(self.field(node));
            }
            Expr::List(list) => {
                list.elements.iter().for_each(|element| cover(self.of(element)));
                span.end = self.behind(span.end, b']');
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        cover(self.of(&entry.key));
                        cover(self.of(&entry.value));
                    }
                }
                span.end = self.behind(span.end, b'}');
            }
            // The parser does not mark the sign of a negative number.
            Expr::Literal(LiteralValue::Int(_) | LiteralValue::Double(_)) => {
                let before = self.source[..span.start].trim_end();
                let negative = match &node.expr {
                    Expr::Literal(LiteralValue::Int(int)) => *int.inner() < 0,
                    Expr::Literal(LiteralValue::Double(double)) => {
                        double.inner().is_sign_negative()
                    }
                    _ => false,
                };
                if negative && before.ends_with('-') {
                    span.start = before.len() - 1;
                }
            }
            _ => {}
        }
        span
    }

    /// Returns the name of a call, which comes before its bracket.
    pub(super) fn name(&self, call: &IdedExpr) -> Range<usize> {
        let mark = self.mark(call.id).unwrap_or(0..0);
        let before = self.source[..mark.start].trim_end();
        let name = before
            .bytes()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        before.len() - name..before.len()
    }

    /// Returns the sign of an operator.
    pub(super) fn sign(&self, call: &IdedExpr) -> Range<usize> {
        self.mark(call.id).unwrap_or(0..self.source.len())
    }

    /// Returns the name of a member, which comes after its point.
    pub(super) fn field(&self, select: &IdedExpr) -> Range<usize> {
        let mark = self.mark(select.id).unwrap_or(0..0);
        let after = &self.source[mark.end..];
        let start = mark.end + after.len() - after.trim_start().len();
        let name = self.source[start..]
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        start..start + name
    }

    /// Returns the position after the closing bracket that follows `end`, if only white space, a
    /// comma and closing round brackets are in between.
    fn behind(&self, end: usize, bracket: u8) -> usize {
        for (at, byte) in self.source.bytes().enumerate().skip(end) {
            match byte {
                _ if byte == bracket => return at + 1,
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b')' => {}
                _ => break,
            }
        }
        end
    }
}
