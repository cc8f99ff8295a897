//! What the tests send.

use std::fmt::Write as _;

/// Bare records with these ids.
pub(crate) fn records(ids: impl IntoIterator<Item = u64>, text: &str) -> String {
    let mut all = String::new();
    for id in ids {
        writeln!(all, "{{\"id\":{id},\"text\":\"{text}\"}}").unwrap();
    }
    all
}

/// One `put` line of object store `data`, with more members.
pub(crate) fn put(id: u64, text: &str, more: &str) -> String {
    format!(r#"{{"op":"put","store":"data","value":{{"id":{id},"text":"{text}"}}{more}}}"#)
}

/// A batch of `indexeddb-changes/1` of database `shop`, without its end line; `header` are members of its first line.
pub(crate) fn cut_changes(header: &str, lines: &[String]) -> String {
    let stores = r#""stores":[{"name":"data","keyPath":"id"}]"#;
    let mut text =
        format!(r#"{{"format":"indexeddb-changes/1","database":"shop",{stores}{header}}}"#);
    for line in lines {
        write!(text, "\n{line}").unwrap();
    }
    text + "\n"
}

/// A whole one.
pub(crate) fn changes(header: &str, lines: &[String]) -> String {
    format!("{}{{\"op\":\"end\",\"count\":{}}}\n", cut_changes(header, lines), lines.len())
}
