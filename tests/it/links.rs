//! Links between the pages: every relative link leads to a file that exists, and every fragment to a heading of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Folders whose pages are checked, and pages outside of them.
const FOLDERS: [&str; 5] = ["doc", "nifi-templates", "client", "examples", "tests"];
const PAGES: [&str; 4] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_dir() && !["node_modules", "fixtures", "target"].contains(&name.as_str()) {
            pages_below(&entry, found);
        } else if name.ends_with(".md") {
            found.push(entry);
        }
    }
}

/// Returns all pages, as paths from the package.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    FOLDERS.iter().for_each(|folder| pages_below(&root().join(folder), &mut found));
    found.extend(PAGES.iter().map(|page| root().join(page)));
    found.iter().map(|page| page.strip_prefix(root()).unwrap().to_owned()).collect()
}

/// Returns a page without its code blocks and code spans.
fn prose(text: &str) -> String {
    let (mut prose, mut in_block) = (String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let outside = line.split('`').enumerate().filter(|(place, _)| place % 2 == 0);
            outside.for_each(|(_, part)| prose.push_str(part));
            prose.push('\n');
        }
    }
    prose
}

/// Returns the fragments of a page: its headings as forges and mdBook name them, and anchors in HTML.
fn fragments(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_block = false;
    for line in text.lines() {
        in_block ^= line.trim_start().starts_with("```");
        if let Some(heading) = line.strip_prefix('#').filter(|_| !in_block) {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            found.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
        found.extend(
            line.split("<a id=\"")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())),
        );
    }
    found
}

/// Returns the targets of a page's links, inline and by reference.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    let inline = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned());
    let defined = prose
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
        .map(|(_, target)| target.trim().to_owned());
    inline.chain(defined).filter(|target| !target.contains("://")).collect()
}

/// Returns a path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                assert!(out.pop(), "{} leads out of the package", path.display())
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let texts: BTreeMap<PathBuf, String> = pages()
        .into_iter()
        .map(|page| (page.clone(), fs::read_to_string(root().join(page)).unwrap()))
        .collect();
    let (mut wrong, mut links) = (Vec::new(), 0);
    for (page, text) in &texts {
        for target in targets(text) {
            links += 1;
            let (path, fragment) = target.split_once('#').unwrap_or((&target, ""));
            let to = if path.is_empty() {
                page.clone()
            } else {
                plain(&page.parent().unwrap().join(path))
            };
            if !root().join(&to).exists() {
                wrong.push(format!("{}: {target}: there is no such file", page.display()));
            } else if !fragment.is_empty()
                && !texts.get(&to).is_some_and(|text| fragments(text).contains(fragment))
            {
                wrong.push(format!("{}: {target}: there is no such heading", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(links > 100, "{links}");
}

#[test]
fn every_reference_has_its_definition() {
    let mut wrong = Vec::new();
    for page in pages() {
        let prose = prose(&fs::read_to_string(root().join(&page)).unwrap());
        for label in prose
            .split("][")
            .skip(1)
            .filter_map(|rest| rest.split_once(']'))
            .map(|(label, _)| label)
        {
            if !prose.lines().any(|line| line.starts_with(&format!("[{label}]: "))) {
                wrong.push(format!("{}: [{label}] is not defined", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_book_lists_every_page() {
    let summary = fs::read_to_string(root().join("doc/SUMMARY.md")).unwrap();
    let mut found = Vec::new();
    pages_below(&root().join("doc"), &mut found);
    for page in found.iter().map(|page| page.strip_prefix(root().join("doc")).unwrap()) {
        let listed = summary.contains(&format!("({})", page.display()));
        assert!(
            listed || page == Path::new("SUMMARY.md"),
            "SUMMARY.md does not list {}",
            page.display()
        );
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    assert_eq!(
        targets("[a](b.md#c) `[x](y)` [d][e]\n\n[e]: f.md\n```\n[g](h)\n```\n"),
        ["b.md#c", "f.md"]
    );
    assert!(fragments("# The `git gc` case, today\n").contains("the-git-gc-case-today"));
    assert_eq!(plain(Path::new("a/b/../c.md")), Path::new("a/c.md"));
}
