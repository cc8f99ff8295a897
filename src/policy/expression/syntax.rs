//! Parses text to a syntax tree, and reports a mistake if that fails.

use std::ops::Range;

use cel::common::ast::IdedExpr;
use cel::parser::ParseError;

use super::Mistake;
use super::limits::{MAX_DEPTH, MAX_SOURCE};
use super::spans::Spans;

/// Parses a text.
pub(super) fn parse(source: &str) -> Result<(IdedExpr, Spans<'_>), Mistake> {
    if source.len() > MAX_SOURCE {
        let message = format!("the expression is longer than {MAX_SOURCE} bytes");
        return Err(Mistake::new(0..source.len(), message).help("split it into several rules"));
    }
    if source.trim().is_empty() {
        return Err(Mistake::new(0..source.len(), "the expression is empty")
            .help("write one, such as `head.a == 1`"));
    }
    // Without the parser's macros, those calls are parsed like any other and keep their positions.
    let parser = cel::Env::default()
        .with_optional_support(false)
        .parser()
        .max_recursion_depth(MAX_DEPTH as u16);
    match parser.parse_with_source_info(source) {
        Ok((tree, info)) => Ok((tree, Spans::new(source, info))),
        Err(errors) => Err(mistake(source, &errors.errors)),
    }
}

/// Returns the only mistake to report: the first in the text, and at that position the lexer's.
fn mistake(source: &str, errors: &[ParseError]) -> Mistake {
    let told = errors.iter().filter(|error| !error.msg.starts_with("Incomplete"));
    let rank = |error: &&ParseError| (error.pos, !error.msg.contains("token recognition"));
    let Some(error) = told.min_by_key(rank).or(errors.first()) else {
        return Mistake::new(0..source.len(), "this is no expression");
    };
    let start = place(source, error.pos);
    // The parser's errors have no codes, so they are told apart by their texts.
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    if message.starts_with("token recognition error at: ") {
        return unknown_sign(source, start);
    }
    if message.contains("ecursion limit") {
        return too_deep(start..source.len());
    }
    if message.starts_with("missing ") {
        let bracket = message.split('\'').nth(1).unwrap_or(")");
        return Mistake::new(word(source, start), format!("`{bracket}` is missing here"));
    }
    if let Some(name) = message.strip_prefix("reserved identifier: ") {
        return Mistake::new(
            word(source, start),
            format!("`{name}` is reserved and names nothing"),
        )
        .help("a choice is written `condition ? a : b`; a member of that name `head.if`");
    }
    match message {
        "invalid int literal" => {
            Mistake::new(word(source, start), "the integer does not fit 64 bits")
                .help("write it with a point: `1e20`")
        }
        "invalid double literal" => Mistake::new(
            word(source, start),
            "the number does not fit a \
         double",
        ),
        "invalid uint literal" => Mistake::new(
            word(source, start),
            "the integer does not fit 64 \
         bits",
        ),
        _ if message.starts_with("unsupported syntax") => {
            Mistake::new(word(source, start), "CEL's optional syntax is not known here").help(
                "write `has(head.a) ? head.a : null`, or `head[\"a b\"]` for a name that is \
                    no identifier",
            )
        }
        _ => unexpected(source, start),
    }
}

/// Returns the mistake for a tree that is too deep.
pub(super) fn too_deep(span: Range<usize>) -> Mistake {
    Mistake::new(span, format!("the expression nests deeper than {MAX_DEPTH}"))
        .help("use fewer brackets, or split it into several rules")
}

/// Returns the mistake for a character that the lexer does not accept.
fn unknown_sign(source: &str, start: usize) -> Mistake {
    let rest = &source[start..];
    let first = rest.chars().next().unwrap_or(' ');
    let one = start..start + first.len_utf8();
    let raw = rest.trim_start_matches(['r', 'R', 'b', 'B']);
    match first {
        _ if raw.starts_with(['"', '\'']) && !raw.is_empty() => {
            let quote = if raw.starts_with('"') { '"' } else { '\'' };
            if raw[1..].contains(quote) {
                let end = start + rest.len() - raw.len() + 2 + raw[1..].find(quote).unwrap_or(0);
                return Mistake::new(
                    start..end,
                    "the string holds an escape that CEL does not know",
                )
                .help("`\\\\` is a backslash; `r\"…\"` takes backslashes as they are");
            }
            Mistake::new(start..source.len(), "the string is not closed")
                .help("end it with the quote that opens it")
        }
        '=' => {
            let help =
                if source[..start].ends_with('=') { "`==` has two" } else { "equal is `==`" };
            Mistake::new(one, "`=` is no operator").help(help)
        }
        '&' => Mistake::new(one, "`&` is no operator").help("and is `&&`"),
        '|' => Mistake::new(one, "`|` is no operator").help("or is `||`"),
        _ => {
            let shown: String = first.escape_debug().collect();
            let help =
                "names are letters, digits and `_`; other member names are written `head[\"a b\"]`";
            Mistake::new(one, format!("`{shown}` means nothing here")).help(help)
        }
    }
}

/// Returns the mistake for a token that the grammar does not allow.
fn unexpected(source: &str, start: usize) -> Mistake {
    let start = start + (source[start..].len() - source[start..].trim_start().len());
    if start >= source.len() {
        let before = source.trim_end();
        let help = if before.ends_with('.') {
            "a name must follow the point"
        } else {
            "something must follow what stands last"
        };
        return Mistake::new(before.len()..source.len(), "the expression ends too early")
            .help(help);
    }
    let span = word(source, start);
    let found = &source[span.clone()];
    let before = source[..start].trim_end();
    let mistake = Mistake::new(span, format!("`{found}` cannot stand here"));
    match found {
        "and" | "AND" => mistake.help("and is `&&`"),
        "or" | "OR" => mistake.help("or is `||`"),
        "null" | "true" | "false" | "in" if before.ends_with('.') => {
            mistake.help(format!("write `[\"{found}\"]` instead of `.{found}`"))
        }
        "." => mistake
            .help("a name must follow the point; other member names are written `head[\"a b\"]`"),
        ">" if before.ends_with('<') => mistake.help("not equal is `!=`"),
        _ if before.ends_with("not") || before.ends_with("NOT") => mistake.help("not is `!`"),
        _ => mistake,
    }
}

/// Converts line and column in characters, from 1, to a byte position.
fn place(source: &str, (line, column): (isize, isize)) -> usize {
    let before: usize = source
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or(0))
        .map(str::len)
        .sum();
    let column = usize::try_from(column - 1).unwrap_or(0);
    source[before..].char_indices().nth(column).map_or(source.len(), |(byte, _)| before + byte)
}

/// Returns the name or number at a position, or one character.
fn word(source: &str, start: usize) -> Range<usize> {
    let rest = &source[start..];
    let length =
        rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    start..start + if length > 0 { length } else { rest.chars().next().map_or(0, char::len_utf8) }
}
