//! A snapshot store of its own, the processor as a flow would configure it, and what is in the store afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::flow_file::FlowFile;
use super::processor::{ExecuteStreamCommand, Relationship, Session};
use crate::program::on;

/// What every argument list of ours begins with; a flow's parameters stand where a person would set them.
const ARGUMENTS: [&str; 15] = [
    "sync",
    "--store",
    "#{store}",
    "--object-store",
    "#{object store}",
    "--key-path",
    "id",
    "--expect-bytes",
    "${fileSize}",
    "--batch-id",
    "${uuid}",
    "--received-at",
    "${entryDate:toNumber()}",
    "--idle",
    "#{idle}",
];

/// A folder with nothing in it but what is put there.
pub(crate) struct Lab {
    folder: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path().join("s.git")
    }

    /// The processor on this store, with no environment at all.
    pub(crate) fn processor(&self) -> ExecuteStreamCommand {
        let parameters = [
            ("store", format!("git:{}", self.repo().display())),
            ("object store", "data".to_owned()),
            ("idle", "30s".to_owned()),
        ];
        ExecuteStreamCommand {
            command_path: env!("CARGO_BIN_EXE_nifi-idb").into(),
            arguments: ARGUMENTS.map(str::to_owned).to_vec(),
            properties: BTreeMap::new(),
            working_directory: self.path().join("made by the processor"),
            environment: BTreeMap::new(),
            parameters: parameters.map(|(name, value)| (name.to_owned(), value)).into(),
            retry_count: 0,
            penalty: Duration::from_millis(10),
        }
    }

    /// As [`Self::processor`], with more arguments.
    pub(crate) fn processor_with(&self, arguments: &[&str]) -> ExecuteStreamCommand {
        let mut processor = self.processor();
        processor.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        processor
    }

    /// Runs a FlowFile to its end.
    #[track_caller]
    pub(crate) fn trigger(&self, flow_file: &FlowFile) -> Session {
        self.processor().trigger(flow_file).unwrap()
    }

    /// How many versions there are.
    pub(crate) fn versions(&self) -> usize {
        if !self.repo().exists() {
            return 0;
        }
        let log = on(&self.repo(), "log", &["--format", "json"], b"");
        if log.code() == Some(2) {
            assert!(log.err.contains("holds no flow yet"), "{log:?}");
            return 0;
        }
        log.done().split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count()
    }

    /// The ids of all records of the newest version.
    pub(crate) fn ids(&self) -> Vec<u64> {
        let records = on(&self.repo(), "restore", &["--format", "records"], b"").done();
        let records = String::from_utf8(records).unwrap();
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap();
        records.lines().map(id).collect()
    }
}

/// As many records as asked for, the first with this id.
pub(crate) fn records(first: u64, count: u64) -> String {
    (first..first + count).map(|id| format!("{{\"id\":{id},\"text\":\"record {id}\"}}\n")).collect()
}

/// Checks what every end of a run keeps to: on success no word on standard error and no bulletin, on failure one that
/// NiFi keeps whole, and never a pipe that the child closed too early.
#[track_caller]
pub(crate) fn ended(session: &Session, status: i32) -> &Session {
    assert_eq!(session.status(), status, "{}", session.err);
    let good = status == 0;
    let relationship = if good { Relationship::OutputStream } else { Relationship::NonzeroStatus };
    assert_eq!((session.relationship, session.child.penalized), (relationship, !good));
    assert_eq!(session.err.is_empty(), good, "{}", session.err);
    assert_eq!(session.child.attributes["execution.error"], session.err, "all of it is kept");
    assert!(session.err.is_empty() || session.err.starts_with("nifi-idb: "), "{}", session.err);
    assert!(
        session.bulletins.iter().all(|bulletin| bulletin.starts_with("nifi-idb: ")),
        "{:?}",
        session.bulletins
    );
    assert_eq!(session.bulletins.is_empty(), good && session.runs == 1);
    assert!(!session.original.penalized);
    session
}

/// The summary at the end of the output.
#[track_caller]
pub(crate) fn summary(session: &Session) -> Value {
    let text = String::from_utf8(session.child.content.clone()).unwrap();
    serde_json::from_str(text.lines().last().expect("a report")).unwrap()
}

/// Flags of a run that does not try for long itself.
pub(super) fn impatient(deadline: &str) -> [&str; 8] {
    ["--call-timeout", "500ms", "--connect-timeout", "1s", "--retries", "0", "--deadline", deadline]
}
