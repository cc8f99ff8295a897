//! What a FlowFile costs, by each way, and whose share it is. Prints a table; build with `--release`.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde_json::json;

use super::batches::records;
use super::canvas::SOON;
use super::definition::{Definition, command};
use super::group::Group;
use super::lab::{Lab, PROGRAM, on_every_nifi};
use super::nifi::{free_port, wait_for};
use super::rest::client;
use super::serve::Serve;

const LIMIT: Duration = Duration::from_secs(300);

/// Processor time of a process, and of its children that have ended, in seconds.
fn cpu(pid: Pid) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let seconds = |n: usize| fields[n].parse::<f64>().unwrap() / 100.0;
    (seconds(11) + seconds(12), seconds(13) + seconds(14))
}

/// One row of the table.
struct Measured {
    what: String,
    flow_files: u64,
    wall: Duration,
    nifi: f64,
    ours: f64,
}

impl Measured {
    fn print(&self) {
        let count = self.flow_files as f64;
        eprintln!(
            "| {:<44} | {:>6} | {:>8.1} /s | {:>8.2} ms | {:>8.2} ms | {:>8.2} ms |",
            self.what,
            self.flow_files,
            count / self.wall.as_secs_f64(),
            self.wall.as_secs_f64() * 1e3 / count,
            self.nifi * 1e3 / count,
            self.ours * 1e3 / count,
        );
    }
}

fn heading(lab: &Lab) {
    let build = if cfg!(debug_assertions) {
        "a DEBUG build: these figures mean nothing"
    } else {
        "release build"
    };
    eprintln!("NiFi {}, {build}, git store", lab.canvas.nifi.distribution.release);
    eprintln!("| way | FlowFiles | rate | wall each | NiFi's processor time each | ours |");
}

/// Lets so many FlowFiles of a kilobyte wait before `Work`, then starts all and waits until nothing is left.
fn measure(
    lab: &Lab,
    what: &str,
    definition: &Definition,
    count: u64,
    server: Option<Pid>,
) -> Measured {
    let group = lab.canvas.upload("figures", &definition.to_bytes());
    assert!(group.invalid().is_empty(), "{:?}", group.invalid());
    group.run_status("Make", "RUNNING");
    lab.canvas.wait_for("the FlowFiles", LIMIT, || (group.queued() >= count).then_some(()));
    group.run_status("Make", "STOPPED");
    lab.canvas.wait_for("a stop", SOON, || (group.threads("Make") == 0).then_some(()));
    let measured = drain(lab, what, &group, group.queued(), server);
    group.delete();
    measured
}

fn drain(lab: &Lab, what: &str, group: &Group<'_>, count: u64, server: Option<Pid>) -> Measured {
    let before = (cpu(lab.canvas.nifi.pid()), server.map(cpu));
    let names: Vec<_> = group
        .processors()
        .iter()
        .map(|each| each["component"]["name"].as_str().unwrap().to_owned())
        .collect();
    let begun = Instant::now();
    for name in names.iter().filter(|name| *name != "Make") {
        group.run_status(name, "RUNNING");
    }
    wait_for("an empty flow", LIMIT, || (group.queued() == 0).then_some(()));
    let wall = begun.elapsed();
    let after = (cpu(lab.canvas.nifi.pid()), server.map(cpu));
    let children = after.0.1 - before.0.1;
    let own = after.1.zip(before.1).map_or(0.0, |(after, before)| after.0 - before.0);
    Measured {
        what: what.to_owned(),
        flow_files: count,
        wall,
        nifi: after.0.0 - before.0.0,
        ours: children + own,
    }
}

/// A source of records of a kilobyte, each with a key of its own, and the rest of the flow. Attributes say where they go.
fn from_make(first: &str, count: u64, rest: impl FnOnce(Definition) -> Definition) -> Definition {
    let text = format!("{{\"id\":\"${{UUID()}}\",\"text\":\"{}\"}}\n", "x".repeat(950));
    let properties = json!({"File Size": "0B", "Batch Size": "1", "Data Format": "Text", "Unique FlowFiles": "false",
        "generate-ff-custom-text": text, "character-set": "UTF-8", "indexeddb.object.store": "data", "indexeddb.key.path": "id"});
    let definition = rest(Definition::new().processor("Make", "GenerateFlowFile", properties, &[]));
    definition.connect("Make", &["success"], first, usize::try_from(count).unwrap())
}

const ENDS: [&str; 3] = ["original", "output stream", "nonzero status"];

fn sync_arguments(store: &str) -> Vec<&str> {
    let all = [
        "sync",
        "--object-store",
        "data",
        "--key-path",
        "id",
        "--expect-bytes",
        "${fileSize}",
        "--batch-id",
        "${uuid}",
    ];
    let more =
        ["--received-at", "${entryDate:toNumber()}", "--report", "summary", "--store", store];
    [&all[..], &more].concat()
}

#[test]
fn flow_files_per_second_and_whose_share() {
    on_every_nifi(|lab| {
        heading(lab);
        let mut number = 0;
        let mut store = || {
            number += 1;
            format!("git:{}/{number}.git", lab.path().display())
        };
        let alone = |program: &str, arguments: &[&str], count| {
            from_make("Work", count, |definition| {
                definition.processor(
                    "Work",
                    "ExecuteStreamCommand",
                    command(program, arguments),
                    &ENDS,
                )
            })
        };
        measure(lab, "cat alone (NiFi's share)", &alone("cat", &[], 300), 300, None).print();
        let version = alone(PROGRAM, &["--version"], 300);
        measure(lab, "the program's start and end", &version, 300, None).print();
        let into = store();
        measure(
            lab,
            "sync, one process and version each",
            &alone(PROGRAM, &sync_arguments(&into), 300),
            300,
            None,
        )
        .print();

        let into = store();
        let arguments = [
            "sync",
            "--input",
            "flowfile-v3",
            "--report",
            "flowfile-v3",
            "--expect-bytes",
            "${fileSize}",
            "--object-store",
            "data",
            "--key-path",
            "id",
            "--store",
            &into,
        ];
        let packaged = from_make("Package", 3_000, |definition| {
            let package = json!({"max-batch-size": "100"});
            let definition =
                definition.processor("Package", "PackageFlowFile", package, &["original"]);
            let definition = definition.processor(
                "Work",
                "ExecuteStreamCommand",
                command(PROGRAM, &arguments),
                &ENDS,
            );
            definition.connect("Package", &["success"], "Work", 10_000)
        });
        measure(lab, "sync, packaged by 100", &packaged, 3_000, None).print();

        let into = store();
        let serve = Serve::start(&into, free_port());
        let url = format!(
            "http://127.0.0.1:{}/v1/sync?indexeddb.object.store=data&indexeddb.key.path=id",
            serve.port
        );
        let http = json!({"HTTP Method": "POST", "Remote URL": url, "Content-Type": "application/x-ndjson"});
        let ends = ["Original", "Response", "Retry", "No Retry", "Failure"];
        let by_http = from_make("Work", 500, |definition| {
            definition.processor("Work", "InvokeHTTP", http, &ends)
        });
        measure(lab, "serve by InvokeHTTP", &by_http, 500, Some(serve.pid())).print();

        if lab.is_1x() {
            let grpc = json!({"Remote gRPC service hostname": "127.0.0.1", "Remote gRPC service port": serve.port.to_string()});
            let by_grpc = from_make("Work", 500, |definition| {
                definition.processor("Work", "InvokeGRPC", grpc, &ends)
            });
            measure(lab, "serve by InvokeGRPC", &by_grpc, 500, Some(serve.pid())).print();
        }
        large(lab, &store());
    });
}

/// One FlowFile of 100 MB, in by ListenHTTP.
fn large(lab: &Lab, store: &str) {
    let body = records(0..100_000, &"y".repeat(970));
    let bytes = body.len();
    for (what, program, arguments) in
        [("cat", "cat", Vec::new()), ("sync", PROGRAM, sync_arguments(store))]
    {
        let port = free_port();
        let listen =
            json!({"Base Path": "in", "Listening Port": port.to_string(), "Return Code": "200"});
        let definition = Definition::new()
            .processor("Make", "ListenHTTP", listen, &[])
            .processor("Work", "ExecuteStreamCommand", command(program, &arguments), &ENDS)
            .connect("Make", &["success"], "Work", 10);
        let group = lab.canvas.upload("large", &definition.to_bytes());
        group.run_status("Make", "RUNNING");
        let url = format!("http://127.0.0.1:{port}/in");
        let client = client();
        wait_for("the intake", SOON, || {
            client.head(&url).send().ok().filter(|answer| answer.status() == 200)
        });
        assert_eq!(client.post(&url).body(body.clone()).send().unwrap().status(), 200);
        group.run_status("Make", "STOPPED");
        let measured = drain(
            lab,
            &format!("{what}, one FlowFile of {} MB", bytes / 1_000_000),
            &group,
            1,
            None,
        );
        measured.print();
        eprintln!("  {:.0} MB/s", bytes as f64 / 1e6 / measured.wall.as_secs_f64());
        group.delete();
    }
    let versions = Command::new(PROGRAM).args(["log", "--store", store]).output().unwrap();
    assert!(versions.status.success(), "{versions:?}");
}
