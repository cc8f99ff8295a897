//! Links between the pages: every relative link leads to a file that exists, and every fragment to a
//! heading of it. Pages that modules include have links that rustdoc can follow too. The rendered
//! pages are checked by `tests/rendered_links.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::program::files;

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

/// Returns the pages that Rust files include as documentation: file, its text, and the page.
fn included_pages() -> Vec<(PathBuf, String, PathBuf)> {
    let mut found = Vec::new();
    let sources = files(&root().join("src"));
    for file in sources.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let file = Path::new("src").join(file);
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let pages = text
            .lines()
            .filter_map(|line| line.strip_prefix("#![doc = include_str!(\"")?.split('"').next())
            .map(|page| plain(&file.parent().unwrap().join(page)));
        found.extend(pages.map(|page| (file.clone(), text.clone(), page)).collect::<Vec<_>>());
    }
    found
}

/// Rustdoc has no page of that name: the module defines what each reference means there, and the
/// page what it means elsewhere.
#[test]
fn rustdoc_can_follow_the_links_of_included_pages() {
    let included = included_pages();
    assert!(included.len() > 15, "{included:?}");
    let mut wrong = Vec::new();
    for (file, module, page) in included {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        if module.starts_with("//! [") {
            // A definition cannot follow the text of `mod` without an empty line.
            wrong.push(format!("{}: begin with a sentence", file.display()));
        }
        let page = page.display();
        let (inline, defined) = dead_in_rustdoc(&text, &module);
        wrong.extend(inline.iter().map(|to| format!("{page}: ({to}) has to be a reference")));
        wrong.extend(defined.iter().map(|label| format!("{}: define [{label}]", file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns what rustdoc cannot follow: targets of links in the text, and references that the module
/// does not define.
fn dead_in_rustdoc(page: &str, module: &str) -> (Vec<String>, Vec<String>) {
    let prose = prose(page);
    let inline = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.contains("://") && !target.starts_with('#'));
    let defined = prose
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
        .filter(|(_, target)| !target.contains("://") && !target.starts_with('#'))
        .map(|(label, _)| label.to_owned())
        .filter(|label| !module.contains(&format!("//! [{label}]: ")));
    (inline.collect(), defined.collect())
}

/// Returns the files that a page names in code: `a/{b,c}.rs` is two.
fn named_files(text: &str) -> Vec<String> {
    const FOLDERS: [&str; 9] = [
        "src/",
        "tests/",
        "doc/",
        "client/",
        "examples/",
        "fuzz/",
        "nifi-templates/",
        "proto/",
        "benches/",
    ];
    let code = text.split('`').skip(1).step_by(2);
    let named = code.filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder)));
    let mut found = Vec::new();
    // A name in angle brackets stands for one that is still to be chosen, a star for many.
    for code in named.filter(|code| !code.contains(['<', '*', ' ', '…'])) {
        match code.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            Some((before, (names, after))) => {
                found.extend(names.split(',').map(|name| format!("{before}{}{after}", name.trim())))
            }
            None => found.push(code.to_owned()),
        }
    }
    found
}

#[test]
fn files_that_pages_for_contributors_name_exist() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let internals = files(&root().join("doc/internals"));
    let internals = internals.iter().map(|page| format!("doc/internals/{}", page.display()));
    for page in internals.chain(["CONTRIBUTING.md".to_owned()]) {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for named in named_files(&text) {
            count += 1;
            if !root().join(&named).exists() {
                wrong.push(format!("{page}: there is no {named}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 20, "{count}");
}

#[test]
fn the_check_finds_what_is_wrong() {
    let page = "[a](b.md) [c][d.md] [e][f.md] [g](#h)\n\n[d.md]: d.md\n[f.md]: f.md\n";
    assert_eq!(
        dead_in_rustdoc(page, "//! [d.md]: crate::d\n"),
        (vec!["b.md".to_owned()], vec!["f.md".to_owned()])
    );
    assert_eq!(
        named_files("`src/a.rs`, `src/<name>.rs`, `tests/{b,c}.rs`, `cargo test`"),
        ["src/a.rs", "tests/b.rs", "tests/c.rs"]
    );
    assert_eq!(
        targets("[a](b.md#c) `[x](y)` [d][e]\n\n[e]: f.md\n```\n[g](h)\n```\n"),
        ["b.md#c", "f.md"]
    );
    assert!(fragments("# The `git gc` case, today\n").contains("the-git-gc-case-today"));
    assert_eq!(plain(Path::new("a/b/../c.md")), Path::new("a/c.md"));
}
