//! Work and time that a batch may take: many ranges, a deadline, a folder for temporary files.

use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::program::{Running, program, run, store_of};

/// A delta of `data` with these lines.
fn batch(header: &str, lines: &[String]) -> Vec<u8> {
    let mut text = format!(
        "{{\"format\":\"indexeddb-changes/1\",\"database\":\"d\",\"stores\":[{{\"name\":\"data\",\"keyPath\":\"id\"}}]{header}}}\n"
    );
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    writeln!(text, "{{\"op\":\"end\",\"count\":{}}}", lines.len()).unwrap();
    text.into_bytes()
}

fn put(id: usize) -> String {
    format!("{{\"op\":\"put\",\"store\":\"data\",\"value\":{{\"id\":{id}}}}}")
}

fn range(lower: usize, upper: usize) -> String {
    format!("{{\"op\":\"delete-range\",\"store\":\"data\",\"lower\":{lower},\"upper\":{upper}}}")
}

#[test]
fn ten_thousand_ranges_and_as_many_puts_are_merged_in_one_pass() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path());
    let lines: Vec<_> =
        (0..10_000).map(put).chain((0..10_000).map(|at| range(at, at + 5_000))).collect();
    let all: Vec<_> = lines.iter().cloned().chain([put(7)]).collect();
    let started = Instant::now();
    // One comparison of each range with each put would be a hundred million, several times over.
    let ran = run(program(["sync", "--store", &store, "--deadline", "60s"]), &batch("", &all));
    ran.done();
    assert!(started.elapsed() < Duration::from_secs(60));
    let left = run(program(["restore", "--store", &store, "--format", "records"]), b"").done();
    assert_eq!(String::from_utf8(left).unwrap(), "{\"id\":7}\n");
}

#[test]
fn more_than_ten_thousand_ranges_are_taken_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path());
    let records: Vec<_> = (0..12_001).map(put).collect();
    run(program(["sync", "--store", &store]), &batch("", &records)).done();
    let ranges: Vec<_> = (0..12_001).map(|at| range(at, at)).collect();
    let header = ",\"source\":\"a\",\"epoch\":\"e\",\"first\":1,\"last\":12001";
    let ran = run(program(["sync", "--store", &store]), &batch(header, &ranges));
    if ran.code() == Some(6) {
        // The guard asks about so many deletions; the plan it names lets them through.
        let plan = ran
            .err
            .split("--confirm ")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned();
        run(program(["sync", "--store", &store, "--confirm", &plan]), &batch(header, &ranges))
            .done();
    }
    let left = run(program(["restore", "--store", &store, "--format", "records"]), b"").done();
    assert!(left.is_empty(), "{} bytes are left", left.len());
}

#[test]
fn a_batch_of_too_many_ranges_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path());
    let clear = "{\"op\":\"clear\",\"store\":\"data\"}".to_owned();
    let lines = vec![clear; 1_000_001];
    let ran = run(program(["sync", "--store", &store]), &batch("", &lines));
    assert_eq!(ran.code(), Some(5), "{}", ran.err);
    assert!(ran.err.contains("more than 1000000 clear and delete-range lines"), "{}", ran.err);
}

#[test]
fn a_deadline_ends_standard_input_that_drips() {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let words = [
        "sync",
        "--store",
        &store_of(dir.path()),
        "--deadline",
        "1s",
        "--object-store",
        "s",
        "--key-path",
        "id",
    ];
    let mut child = program(words).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // A line each tenth of a second is never silent.
    let dripping = std::thread::spawn(move || {
        for id in 0..600 {
            if writeln!(input, "{{\"id\":{id}}}").is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(4), "{said}");
    assert!(said.contains("the deadline passed while standard input was read"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    dripping.join().unwrap();
}

#[test]
fn reports_lie_in_the_folder_for_temporary_files() {
    let dir = tempfile::tempdir().unwrap();
    let (usual, named) = (dir.path().join("usual"), dir.path().join("named"));
    for folder in [&usual, &named] {
        std::fs::create_dir(folder).unwrap();
    }
    // Nobody can write into the usual one; root can, where there is no such folder it cannot either.
    std::fs::set_permissions(&usual, PermissionsExt::from_mode(0o500)).unwrap();
    let missing = usual.join("missing");
    let store = store_of(&dir.path().join("s.git"));
    let mut command = program([
        "sync",
        "--store",
        &store,
        "--object-store",
        "s",
        "--key-path",
        "id",
        "--temp-dir",
    ]);
    command.arg(&named).env("TMPDIR", &missing);
    // Some five megabytes of rejected lines, and one record that is good.
    let mut input = "{\"no\":1}\n".repeat(60_000);
    input.push_str("{\"id\":1}\n");
    let ran = Running::start(command, input.into_bytes()).wait();
    assert_eq!(ran.code(), Some(0), "{}", ran.err);
    assert_eq!(ran.summary()["rejected"], 60_000);
}

#[test]
fn a_full_batch_is_compared_in_the_folder_for_temporary_files() {
    let dir = tempfile::tempdir().unwrap();
    let named = dir.path().join("named");
    std::fs::create_dir(&named).unwrap();
    let store = store_of(&dir.path().join("s.git"));
    let sync = |mark: &str| {
        let mut command = program(["sync", "--store", &store, "--temp-dir"]);
        command.arg(&named).env("TMPDIR", dir.path().join("missing"));
        // Some forty megabytes, all of them changed the second time: more than is sorted in memory.
        let filler = mark.repeat(20_000);
        let put = |id: usize| {
            format!(
                "{{\"op\":\"put\",\"store\":\"data\",\"value\":{{\"id\":{id},\"t\":\"{filler}\"}}}}"
            )
        };
        let lines: Vec<_> = (0..2_000).map(put).collect();
        Running::start(command, batch(",\"source\":\"a\",\"mode\":\"full\"", &lines)).wait().done();
    };
    sync("x");
    sync("y");
}

/// Modes of the unnamed files that a process has open.
fn modes_of_unnamed(process: u32) -> Vec<u32> {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().filter_map(Result::ok);
    let unnamed = open.filter(|entry| {
        let shown = std::fs::read_link(entry.path()).unwrap_or_default();
        shown.to_string_lossy().ends_with(" (deleted)")
    });
    unnamed
        .filter_map(|entry| {
            Some(std::fs::metadata(entry.path()).ok()?.permissions().mode() & 0o777)
        })
        .collect()
}

#[test]
fn nobody_else_may_read_temporary_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(&dir.path().join("s.git"));
    let words =
        ["sync", "--store", &store, "--object-store", "s", "--key-path", "id", "--rejected-text"];
    let child = program(words);
    // With the umask that lets everybody read and write everything.
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "umask 0; exec \"$0\" \"$@\""])
        .arg(child.get_program())
        .args(child.get_args());
    shell
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .env("TMPDIR", dir.path());
    let mut child = shell.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than is sorted and reported in memory; it goes on until the files were seen.
    let filler = "x".repeat(1_000);
    let started = Instant::now();
    let mut id = 0;
    let modes = loop {
        for _ in 0..2_000 {
            id += 1;
            writeln!(input, "{{\"id\":{id},\"t\":\"{filler}\"}}\n{{\"no\":\"{filler}\"}}").unwrap();
        }
        let modes = modes_of_unnamed(child.id());
        if modes.len() >= 2 {
            break modes;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60) && id < 200_000,
            "no temporary files are seen"
        );
    };
    assert!(modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_report_of_rejects_has_a_largest_size() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(&dir.path().join("s.git"));
    let mut junk = b"{\"id\":1}\n".to_vec();
    junk.extend_from_slice(&b"x\n".repeat(1_200_000));
    let words = ["sync", "--store", &store, "--object-store", "s", "--key-path", "id"];
    let ran = run(program(words), &junk);
    assert_eq!(ran.code(), Some(5), "{}", ran.err);
    assert!(
        ran.err.contains("too many lines were rejected: a report says at most 64 MiB of them"),
        "{}",
        ran.err
    );
    // Only that nothing was done is left of the report; a batch with fewer is done as ever.
    assert_eq!(
        (ran.summary()["outcome"].as_str(), ran.out.iter().filter(|byte| **byte == b'\n').count()),
        (Some("failed"), 1)
    );
    let ran = run(program(words), &junk[..200_009]);
    assert_eq!(
        (ran.code(), ran.summary()["rejected"].as_u64()),
        (Some(0), Some(100_000)),
        "{}",
        ran.err
    );
}

/// All FlowFiles of a package share it.
#[test]
fn a_package_of_rejects_has_a_largest_size() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(&dir.path().join("s.git"));
    let mut package = Vec::new();
    for id in 1..=3 {
        let mut content = format!("{{\"id\":{id}}}\n").into_bytes();
        content.extend_from_slice(&b"x\n".repeat(if id == 3 { 1 } else { 350_000 }));
        let attributes = [("uuid".to_owned(), id.to_string())].into_iter().collect();
        nifi_idb::flowfile::write_head(&attributes, content.len() as u64, &mut package).unwrap();
        package.extend_from_slice(&content);
    }
    let words =
        ["sync", "--store", &store, "--object-store", "s", "--key-path", "id", "--report", "lines"];
    let ran = run(program(words), &package);
    assert_eq!(ran.code(), Some(0), "{}", ran.err);
    let text = String::from_utf8(ran.out).unwrap();
    let outcomes: Vec<_> = ["committed", "failed", "refused"]
        .map(|outcome| text.matches(&format!("\"outcome\":\"{outcome}\"")).count())
        .into();
    assert_eq!(outcomes, [2, 1, 0]);
    let left = run(
        program(["restore", "--store", &store, "--flow", "default", "--format", "records"]),
        b"",
    )
    .done();
    assert_eq!(String::from_utf8(left).unwrap(), "{\"id\":1}\n{\"id\":3}\n");
}
