//! What can go wrong between us and a Registry: every fault ends in a version that is exactly ours, or in an error that
//! says what happened, after a bounded number of calls.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nifi_idb::exit_status::ExitStatus;
use nifi_idb::report::{Outcome, Summary};
use nifi_idb::secret::Secret;
use nifi_idb::snapshot::{ChunkRef, Digest, FlowName, FlowVersion, List};
use nifi_idb::store::registry::{Credentials, RegistryOptions, RegistryStore};
use nifi_idb::store::{
    AppendError, CommittedVersion, SnapshotReader, SnapshotStore, StoreError, StoredVersion,
    VersionDraft, VersionWriter, WrappedStore,
};

use crate::batches::{flow, many, put, restored, sync_ok, try_sync, versions};
use crate::registry_double::{Fault, On, Provider, RegistryDouble, Release};
use nifi_idb::apply::SyncError;

/// Time limit for one call, in tests where it is reached.
const CALL: Duration = Duration::from_millis(400);

/// No fault may make a sync call the Registry more often than this.
const MAX_CALLS: usize = 40;

const RELEASES: [(Release, Provider); 4] = [
    (Release::V0_8_0, Provider::File),
    (Release::V1_28_1, Provider::File),
    (Release::V1_28_1, Provider::Database),
    (Release::V2_11_0, Provider::Database),
];

fn options(double: &RegistryDouble) -> RegistryOptions {
    let defaults = RegistryOptions::new(&double.url());
    RegistryOptions { call_timeout: CALL, connect_timeout: CALL, retries: 2, ..defaults }
}

fn open(double: &RegistryDouble) -> RegistryStore {
    RegistryStore::open(options(double)).unwrap()
}

/// A Registry with one version of one record, whose calls are forgotten.
fn seeded(release: Release, provider: Provider) -> RegistryDouble {
    let double = RegistryDouble::start(release, provider);
    sync_ok(&unhurried(&double), "", &[put(1, 1)]);
    double.forget_requests();
    double
}

/// A store without short time limits.
fn unhurried(double: &RegistryDouble) -> RegistryStore {
    RegistryStore::open(RegistryOptions::new(&double.url())).unwrap()
}

fn second(double: &RegistryDouble) -> Result<Summary, SyncError> {
    try_sync(&open(double), "", &[put(2, 2)])
}

fn parent_posts(double: &RegistryDouble) -> usize {
    double
        .requests()
        .iter()
        .filter(|seen| seen.method == "POST" && seen.path.ends_with("/versions"))
        .count()
}

fn parent() -> On {
    On::next("POST", "versions")
}

/// The second version is there once, holds both records, and nobody else's version is.
fn assert_second_is_ours(double: &RegistryDouble, summary: &Summary) {
    let store = unhurried(double);
    assert_eq!((summary.outcome, summary.version.unwrap().get()), (Outcome::Committed, 2));
    assert_eq!(versions(&store), [2, 1]);
    assert_eq!(store.head(&flow()).unwrap().unwrap().state, summary.state.unwrap());
    assert_eq!(restored(&store, &flow(), None).matches("\"op\":\"put\"").count(), 2);
    assert!(double.all_faults_struck(), "a fault did not strike");
}

#[test]
fn one_failed_append_is_looked_at_and_repaired() {
    for (release, provider) in RELEASES {
        // The fault, and how often the parent may be posted.
        let faults = [
            (Fault::conflict(2), 2),
            (Fault::internal_error(), 2),
            (Fault::Answer(503, "<html>proxy</html>".to_owned()), 2),
            (Fault::Answer(200, "<html>a proxy's page</html>".to_owned()), 2),
            (Fault::LostRequest, 2),
            (Fault::LostUpload, 2),
            (Fault::OutOfHeap, 2),
            (Fault::Silence, 2),
            (Fault::CutAnswer, 1),
            (Fault::LostAnswer, 1),
            (Fault::Delay(CALL * 2), 1),
        ];
        for (fault, posts) in faults {
            let double = seeded(release, provider);
            double.inject(parent(), fault.clone());
            let summary =
                second(&double).unwrap_or_else(|error| panic!("{release:?}, {fault:?}: {error}"));
            assert_eq!(parent_posts(&double), posts, "{release:?}, {fault:?}");
            assert_second_is_ours(&double, &summary);
        }
    }
}

#[test]
fn one_failed_read_is_repeated() {
    for fault in [
        Fault::internal_error(),
        Fault::CutAnswer,
        Fault::LostAnswer,
        Fault::Silence,
        Fault::Delay(CALL * 2),
    ] {
        let double = seeded(Release::V2_11_0, Provider::Database);
        double.inject(On::next("GET", "versions/latest"), fault);
        let summary = second(&double).unwrap();
        assert_second_is_ours(&double, &summary);
    }
}

#[test]
fn a_first_sync_survives_a_failure_of_each_call() {
    let lines = many(1500);
    let count = {
        let double = RegistryDouble::start(Release::V1_28_1, Provider::File);
        sync_ok(&unhurried(&double), "", &lines);
        double.requests().len()
    };
    assert!(count > 12, "{count}");
    let store_options = |double: &RegistryDouble| {
        let defaults = RegistryOptions::new(&double.url());
        RegistryStore::open(RegistryOptions { retries: 2, ..defaults }).unwrap()
    };
    let root =
        |double: &RegistryDouble| unhurried(double).head(&flow()).unwrap().unwrap().manifest.root();
    let expected = {
        let double = RegistryDouble::start(Release::V1_28_1, Provider::File);
        sync_ok(&unhurried(&double), "", &lines);
        root(&double)
    };
    for fault in [Fault::LostAnswer, Fault::LostRequest, Fault::CutAnswer, Fault::internal_error()]
    {
        for call in 0..count {
            let double = RegistryDouble::start(Release::V1_28_1, Provider::File);
            double.inject(On::next("", "").after(call), fault.clone());
            let store = store_options(&double);
            let what = format!("call {call} of {count}, {fault:?}");
            let summary =
                try_sync(&store, "", &lines).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(summary.outcome, Outcome::Committed, "{what}");
            assert!(double.all_faults_struck(), "{what}");
            assert_eq!(versions(&unhurried(&double)), [1], "{what}");
            assert_eq!(root(&double), expected, "{what}");
        }
    }
}

/// The sync fails like this, soon, after few calls, and nothing is visible.
fn assert_fails(double: &RegistryDouble, expected: ExitStatus, says: &str) {
    let start = Instant::now();
    let error = second(double).unwrap_err();
    assert_eq!(error.exit_status(), expected, "{error}");
    let message = error.to_string();
    assert!(message.contains(says) && message.len() < 4000 && !message.contains('\n'), "{message}");
    let calls = double.requests().len();
    assert!(calls <= MAX_CALLS, "{calls} calls: {message}");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}: {message}", start.elapsed());
}

#[test]
fn an_orphaned_number_of_the_parent_is_named_and_not_looped_on() {
    for release in [Release::V0_8_0, Release::V1_28_1, Release::V2_11_0] {
        let double = seeded(release, Provider::File);
        double.inject(parent(), Fault::Orphan);
        for _run in 0..2 {
            assert_fails(
                &double,
                ExitStatus::Refused,
                "version 2 of indexeddb/shop is refused though it is not there",
            );
            assert_eq!(parent_posts(&double), 2);
            double.forget_requests();
        }
        assert_eq!(versions(&unhurried(&double)), [1]);
        assert_eq!(
            restored(&unhurried(&double), &flow(), None).matches("\"op\":\"put\"").count(),
            1
        );
    }
}

#[test]
fn an_orphaned_number_of_a_chunk_flow_heals_by_itself() {
    for release in [Release::V0_8_0, Release::V1_28_1, Release::V2_11_0] {
        let double = RegistryDouble::start(release, Provider::File);
        let lines = many(3000);
        let healthy =
            sync_ok(&unhurried(&RegistryDouble::start(release, Provider::File)), "", &[put(0, 0)]);
        assert_eq!(healthy.version.unwrap(), FlowVersion::FIRST);
        double.inject(parent().times(2), Fault::Orphan);
        let summary = sync_ok(&unhurried(&double), "", &lines);
        assert!(double.all_faults_struck());
        assert_eq!(versions(&unhurried(&double)), [1]);
        let text = restored(&unhurried(&double), &flow(), None);
        assert_eq!(text.matches("\"op\":\"put\"").count(), 3000);
        let memory = nifi_idb::store::memory::MemoryStore::default();
        let same = sync_ok(&memory, "", &lines);
        assert_eq!(
            (same.root, same.state),
            (summary.root, summary.state),
            "where a chunk lies is in no digest"
        );
        assert_eq!(text, restored(&memory, &flow(), None));
        // Whoever comes later finds the chunk under its salted id, and keeps it.
        let changed = sync_ok(&unhurried(&double), "", &[put(3, "\"changed\"")]);
        assert_eq!(changed.version.unwrap().get(), 2);
        assert_eq!(
            restored(&unhurried(&double), &flow(), None).matches("\"op\":\"put\"").count(),
            3000
        );
        double.forget_requests();
        let again = sync_ok(&unhurried(&double), "", &[put(3, "\"changed\"")]);
        assert_eq!(again.outcome, Outcome::Unchanged);
    }
}

#[test]
fn a_heap_that_is_too_small_is_named() {
    let double = seeded(Release::V1_28_1, Provider::Database);
    double.inject(parent().times(1000), Fault::OutOfHeap);
    assert_fails(&double, ExitStatus::Refused, "heap is too small");
    assert_eq!(parent_posts(&double), 2, "a large body is not sent again and again");
    assert_eq!(versions(&unhurried(&double)), [1]);
}

#[test]
fn a_dead_database_is_transient_and_a_restart_cures_it() {
    let mut double = seeded(Release::V1_28_1, Provider::Database);
    double.inject(parent(), Fault::DeadDatabase);
    assert_fails(&double, ExitStatus::Transient, "the Registry failed");
    double.forget_requests();
    assert_fails(&double, ExitStatus::Transient, "the Registry failed");
    double.restart();
    let summary = second(&double).unwrap();
    assert_second_is_ours(&double, &summary);
}

#[test]
fn silence_ends_at_the_time_limit() {
    let double = seeded(Release::V2_11_0, Provider::Database);
    double.inject(On::next("", "").times(1000), Fault::Silence);
    assert_fails(&double, ExitStatus::Transient, "no answer in time");
    double.forget_requests();
    let deadline = Instant::now() + Duration::from_millis(700);
    let store =
        RegistryStore::open(RegistryOptions { deadline: Some(deadline), ..options(&double) })
            .unwrap();
    try_sync(&store, "", &[put(2, 2)]).unwrap_err();
    assert!(
        Instant::now() < deadline + CALL,
        "the deadline was passed by {:?}",
        deadline.elapsed()
    );
}

#[test]
fn who_may_not_is_told_so_and_does_not_try_again() {
    for (status, on) in [
        (401, On::next("GET", "latest")),
        (403, On::next("GET", "latest")),
        (401, parent()),
        (403, parent()),
    ] {
        let double = seeded(Release::V2_11_0, Provider::Database);
        double.inject(
            on.clone().times(1000),
            Fault::Answer(status, "Unable to view the resource.".to_owned()),
        );
        assert_fails(&double, ExitStatus::Denied, &status.to_string());
        let denied = double.requests().iter().filter(|seen| seen.status == Some(status)).count();
        assert_eq!(denied, 1, "{status}, {on:?}");
    }
}

#[test]
fn a_wrong_token_is_denied_and_not_shown() {
    let double = seeded(Release::V1_28_1, Provider::Database);
    double.require_authorization("Bearer right.token");
    let with = |token: &str| {
        let credentials = Credentials::Token(Secret::new(token));
        RegistryStore::open(RegistryOptions { credentials, ..options(&double) }).unwrap()
    };
    let error = try_sync(&with("wrong.token"), "", &[put(2, 2)]).unwrap_err();
    assert_eq!(error.exit_status(), ExitStatus::Denied, "{error}");
    assert!(!error.to_string().contains("wrong.token"), "{error}");
    assert_fails(&double, ExitStatus::Denied, "401");
    assert_eq!(try_sync(&with("right.token"), "", &[put(2, 2)]).unwrap().version.unwrap().get(), 2);
}

#[test]
fn a_registry_that_is_down_is_transient() {
    let mut double = seeded(Release::V1_28_1, Provider::Database);
    double.refuse_connections();
    assert_fails(&double, ExitStatus::Transient, "/nifi-registry-api/flows/");
    double.restart();
    let summary = second(&double).unwrap();
    assert_second_is_ours(&double, &summary);
}

/// A store in which something happens between the last chunk and the commit, once.
struct Meanwhile<'a> {
    store: &'a dyn SnapshotStore,
    act: std::sync::Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

struct MeanwhileWriter<'a> {
    writer: Box<dyn VersionWriter + 'a>,
    act: Option<Box<dyn FnOnce() + Send + 'a>>,
}

impl std::fmt::Debug for Meanwhile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}

impl<'a> WrappedStore for Meanwhile<'a> {
    type Inner = dyn SnapshotStore + 'a;

    fn inner(&self) -> &Self::Inner {
        self.store
    }

    fn writer<'b>(
        &'b self,
        flow: &FlowName,
        head: Option<&StoredVersion>,
    ) -> Result<Box<dyn VersionWriter + 'b>, StoreError> {
        let act = self.act.lock().unwrap().take();
        Ok(Box::new(MeanwhileWriter { writer: self.store.writer(flow, head)?, act }))
    }
}

impl VersionWriter for MeanwhileWriter<'_> {
    fn write_chunk(
        &mut self,
        list: &List,
        chunk: &ChunkRef,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.writer.write_chunk(list, chunk, text)
    }

    fn write_part(&mut self, digest: &Digest, part: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.writer.write_part(digest, part, bytes)
    }

    fn commit(self: Box<Self>, draft: &VersionDraft) -> Result<CommittedVersion, AppendError> {
        if let Some(act) = self.act {
            act();
        }
        self.writer.commit(draft)
    }
}

/// The same two records, as one batch of one of two sources.
fn batch(source: &str) -> (String, Vec<String>) {
    (format!(r#""source":"{source}","epoch":"e","first":1,"last":2"#), vec![put(2, 2), put(3, 3)])
}

/// Both sequences are acknowledged, each by a version of its own: a replay changes nothing, what follows is no gap.
fn assert_both_are_in(double: &RegistryDouble, records: usize) {
    let store = unhurried(double);
    assert_eq!(restored(&store, &flow(), None).matches("\"op\":\"put\"").count(), records);
    let count = versions(&store).len();
    for source in ["a", "b"] {
        let (header, lines) = batch(source);
        assert_eq!(sync_ok(&store, &header, &lines).outcome, Outcome::Unchanged, "{source}");
        let next = header.replace(r#""first":1,"last":2"#, r#""first":3,"last":3"#);
        assert_eq!(sync_ok(&store, &next, &[put(2, 2)]).outcome, Outcome::Committed, "{source}");
    }
    assert_eq!(versions(&store).len(), count + 2);
}

#[test]
fn a_cut_answer_while_another_writer_wins_is_never_taken_for_ours() {
    for (release, provider) in RELEASES {
        for fault in [
            None,
            Some(Fault::CutAnswer),
            Some(Fault::LostAnswer),
            Some(Fault::LostRequest),
            Some(Fault::internal_error()),
            Some(Fault::Delay(CALL * 2)),
        ] {
            let what = format!("{release:?}, {provider:?}, {fault:?}");
            let double = seeded(release, provider);
            let theirs = std::sync::Mutex::new(None);
            let store = open(&double);
            let act = || {
                let (header, lines) = batch("b");
                *theirs.lock().unwrap() = Some(sync_ok(&unhurried(&double), &header, &lines));
                if let Some(fault) = fault {
                    double.inject(parent(), fault);
                }
            };
            let (header, lines) = batch("a");
            let meanwhile =
                Meanwhile { store: &store, act: std::sync::Mutex::new(Some(Box::new(act))) };
            let ours = try_sync(&meanwhile, &header, &lines)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            drop(meanwhile);
            let theirs = theirs.into_inner().unwrap().unwrap();
            assert!(double.all_faults_struck(), "{what}");
            assert_eq!(
                (theirs.version.unwrap().get(), ours.version.unwrap().get()),
                (2, 3),
                "{what}"
            );
            assert_eq!(theirs.root, ours.root, "{what}: the same records");
            assert_ne!(theirs.state, ours.state, "{what}");
            assert_both_are_in(&double, 3);
        }
    }
}

#[test]
fn a_cut_answer_is_ours_even_if_another_writer_has_gone_on() {
    for (release, provider) in RELEASES {
        let double = seeded(release, provider);
        double.inject(parent(), Fault::Delay(CALL * 3));
        let (ours, theirs) = thread::scope(|scope| {
            let ours = scope.spawn(|| {
                let (header, lines) = batch("a");
                try_sync(&open(&double), &header, &lines).unwrap()
            });
            // As soon as it is stored, and before anybody is told.
            while unhurried(&double).head(&flow()).unwrap().unwrap().manifest.version.get() < 2 {
                thread::sleep(Duration::from_millis(5));
            }
            let (header, lines) = batch("b");
            let theirs = sync_ok(&unhurried(&double), &header, &lines);
            (ours.join().unwrap(), theirs)
        });
        assert_eq!((ours.version.unwrap().get(), theirs.version.unwrap().get()), (2, 3));
        assert_both_are_in(&double, 3);
    }
}

/// What the program said: exit status, last line of stdout, first line of stderr.
struct Said {
    code: Option<i32>,
    summary: String,
    cause: String,
}

/// Runs `nifi-idb sync` with an input of half a mebibyte, all of which it has to read.
fn program(store: &str, flags: &[&str]) -> Said {
    let mut input = String::from("{\"id\":2}\n");
    while input.len() < 512 << 10 {
        input.push_str("          \n");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_nifi-idb"));
    command.args([
        "sync",
        "--store",
        store,
        "--database",
        "shop",
        "--object-store",
        "data",
        "--key-field",
        "id",
    ]);
    command
        .args([
            "--connect-timeout",
            "1s",
            "--call-timeout",
            "400ms",
            "--retries",
            "1",
            "--flow",
            "shop",
        ])
        .args(flags);
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NIFI_IDB_TOKEN",
    ] {
        command.env_remove(name);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A pipe holds 64 KiB: this fails if the program does not read to the end.
    let drained = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    drained.join().unwrap().expect("standard input is read to its end");
    assert!(output.stderr.len() < 4000);
    let line = |text: &str| text.to_owned();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    Said {
        code: output.status.code(),
        summary: out.lines().last().map(line).unwrap_or_default(),
        cause: err.lines().next().map(line).unwrap_or_default(),
    }
}

#[test]
fn the_program_ends_with_the_documented_status() {
    let every = || On::next("", "").times(1000);
    let cases = [
        ("500 on everything", every(), Fault::internal_error(), 4, "failed", "the Registry failed"),
        ("silence", every(), Fault::Silence, 4, "failed", "no answer in time"),
        ("cut answers", every(), Fault::CutAnswer, 4, "failed", "cut off"),
        ("401", every(), Fault::Answer(401, String::new()), 8, "failed", "credentials"),
        ("403", every(), Fault::Answer(403, String::new()), 8, "failed", "not allowed"),
        ("moved", every(), Fault::Answer(302, String::new()), 2, "failed", "redirected"),
        ("orphan", parent(), Fault::Orphan, 7, "refused", "orphaned"),
        ("heap", parent().times(1000), Fault::OutOfHeap, 7, "refused", "heap"),
        ("database", parent(), Fault::DeadDatabase, 4, "failed", "the Registry failed"),
        ("busy", parent().times(1000), Fault::Answer(503, String::new()), 4, "failed", "503"),
    ];
    for (what, on, fault, code, outcome, cause) in cases {
        let double = seeded(Release::V1_28_1, Provider::File);
        double.inject(on, fault);
        let said = program(&double.url(), &["--deadline", "5s"]);
        assert_eq!(said.code, Some(code), "{what}: {}", said.cause);
        assert!(said.cause.contains(cause), "{what}: {}", said.cause);
        assert!(
            said.summary.contains(&format!("\"outcome\":\"{outcome}\"")),
            "{what}: {}",
            said.summary
        );
    }
}

#[test]
fn the_program_without_a_registry() {
    let said = program("http://registry.invalid:18080", &[]);
    assert_eq!(said.code, Some(4), "{}", said.cause);
    assert!(said.cause.contains("registry.invalid"), "{}", said.cause);
    let mut double = seeded(Release::V1_28_1, Provider::File);
    double.refuse_connections();
    let said = program(&double.url(), &[]);
    assert_eq!(said.code, Some(4), "{}", said.cause);
    double.restart();
    double.require_authorization("Bearer right.token");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "wrong.token\n").unwrap();
    let token = ["--token-file", file.path().to_str().unwrap()];
    let said = program(&double.url(), &token);
    assert_eq!(said.code, Some(8), "{}", said.cause);
    assert!(!said.cause.contains("wrong.token"), "{}", said.cause);
    std::fs::write(file.path(), "right.token\n").unwrap();
    let said = program(&double.url(), &token);
    assert_eq!((said.code, said.cause.as_str()), (Some(0), ""));
    assert!(said.summary.contains(r#""outcome":"committed""#), "{}", said.summary);
}

#[test]
fn a_lost_answer_is_no_news_to_the_program() {
    for fault in [Fault::LostAnswer, Fault::CutAnswer, Fault::Delay(CALL * 2)] {
        let double = seeded(Release::V2_11_0, Provider::Database);
        double.inject(parent(), fault);
        let said = program(&double.url(), &[]);
        assert_eq!((said.code, said.cause.as_str()), (Some(0), ""));
        assert!(said.summary.contains(r#""outcome":"committed""#), "{}", said.summary);
        assert_eq!(versions(&unhurried(&double)), [2, 1]);
    }
}
