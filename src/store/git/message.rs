//! Commits: their text, and the messages of our commits.
//!
//! The text is read by hand, because the history also has commits of people and of other programs:
//! only these fields are needed, and nothing else in such a commit can be damage.
//!
//! ```text
//! +12 ~3 -1 in 2 object stores, from kiosk-7        the comment's summary
//!
//! flow=indexeddb/myDatabase version=7               which version of which flow this commit made
//! root=… state=…                                    the comment's last line
//! ```

use gix::ObjectId;

use crate::snapshot::{FlowName, FlowVersion, StateId};

/// The fields of a commit that the store uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    /// `Name <address>`
    pub(super) author: String,
    /// Time of the author, in seconds since 1970.
    pub(super) author_seconds: i64,
    /// Time of the committer, in seconds since 1970.
    pub(super) committer_seconds: i64,
    pub(super) message: String,
}

impl Commit {
    /// Parses git's format; `None` if the bytes are not a commit.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = memchr::memmem::find(bytes, b"\n\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.lines().peekable();
        let tree = lines.next()?.strip_prefix("tree ")?.parse().ok()?;
        let mut parents = Vec::new();
        while let Some(parent) = lines.peek().and_then(|line| line.strip_prefix("parent ")) {
            parents.push(parent.parse().ok()?);
            lines.next();
        }
        let (author, author_seconds) = person(lines.next()?.strip_prefix("author ")?)?;
        let (_, committer_seconds) = person(lines.next()?.strip_prefix("committer ")?)?;
        let message = String::from_utf8_lossy(&bytes[end + 2..]).into_owned();
        Some(Self { tree, parents, author, author_seconds, committer_seconds, message })
    }

    /// Writes one of our commits in git's format; author and committer are the same.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("tree {}\n", self.tree);
        self.parents.iter().for_each(|parent| out.push_str(&format!("parent {parent}\n")));
        out.push_str(&format!("author {} {} +0000\n", self.author, self.author_seconds));
        out.push_str(&format!("committer {} {} +0000\n\n", self.author, self.committer_seconds));
        out.push_str(&self.message);
        out.into_bytes()
    }
}

/// Splits `Name <address> seconds zone`.
fn person(line: &str) -> Option<(String, i64)> {
    let end = line.rfind('>')? + 1;
    let seconds = line[end..].split_whitespace().next()?.parse().ok()?;
    Some((line[..end].to_owned(), seconds))
}

/// The flow, version, root and state in the message of one of our commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// `bucket/flow`
    pub(super) flow: String,
    pub(super) version: FlowVersion,
    pub(super) state: StateId,
    pub(super) comment: String,
}

/// Ends the flow's line if the comment did not end with the `root=… state=…` line.
const ADDED: &str = " comment=above";

/// The message of the commit that has this comment.
pub(super) fn message(comment: &str, flow: &FlowName, version: FlowVersion, last: &str) -> String {
    match comment.strip_suffix(last).and_then(|summary| summary.strip_suffix("\n\n")) {
        Some(summary) => format!("{summary}\n\nflow={flow} version={version}\n{last}\n"),
        None => format!("{comment}\n\nflow={flow} version={version}{ADDED}\n{last}\n"),
    }
}

/// The last line of a message and of a comment.
pub(super) fn last_line(root: impl std::fmt::Display, state: StateId) -> String {
    format!("root={root} state={state}")
}

/// Parses a message; `None` if it is not one of ours, such as that of a person's edit, a merge or a
/// revert.
pub(super) fn trailer(message: &str) -> Option<Trailer> {
    let (above, last) = message.strip_suffix('\n').unwrap_or(message).rsplit_once('\n')?;
    let state = last.strip_prefix("root=")?.split_once(" state=")?.1.parse().ok()?;
    let (summary, line) = above.rsplit_once("\n\n")?;
    let (line, added) = line.strip_suffix(ADDED).map_or((line, false), |line| (line, true));
    let (flow, version) = line.strip_prefix("flow=")?.split_once(" version=")?;
    let comment = if added { summary.to_owned() } else { format!("{summary}\n\n{last}") };
    Some(Trailer { flow: flow.to_owned(), version: version.parse().ok()?, state, comment })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Digest;

    #[test]
    fn comments_come_back_as_they_were() {
        let state = StateId(Digest::of(b"state"));
        let last = last_line(Digest::of(b"root"), state);
        let flow = FlowName::new("b.c", "x%20y").unwrap();
        let usual = format!("+1 ~0 -0 in 1 object store, from a\n\n{last}");
        for comment in
            [usual.as_str(), "", "one line", "two\n\nparagraphs\n", last.as_str(), "\n\n"]
        {
            let text = message(comment, &flow, FlowVersion::FIRST, &last);
            let read = trailer(&text).unwrap();
            assert_eq!((read.comment.as_str(), read.flow.as_str()), (comment, "b.c/x%20y"));
            assert_eq!((read.version, read.state), (FlowVersion::FIRST, state));
            assert!(text.ends_with(&format!("\n{last}\n")));
        }
        assert_eq!(trailer(&format!("Revert \"x\"\n\nThis reverts commit 1.\n\n{last}\n")), None);
        assert_eq!(trailer("Merge branch 'x'\n"), None);
    }

    #[test]
    fn commits_are_read_as_written_and_with_headers_that_we_do_not_write() {
        let id = ObjectId::from_bytes_or_panic(&[5; 20]);
        let commit = Commit {
            tree: id,
            parents: vec![id, id],
            author: "A > B <a@b>".to_owned(),
            author_seconds: 5,
            committer_seconds: 5,
            message: "m\n\nn\n".to_owned(),
        };
        assert_eq!(Commit::parse(&commit.to_bytes()), Some(commit.clone()));
        let text = String::from_utf8(commit.to_bytes()).unwrap();
        let signed = text.replacen("\n\n", "\ngpgsig -----BEGIN\n  \n x\n\n", 1);
        assert_eq!(Commit::parse(signed.as_bytes()), Some(commit));
    }
}
