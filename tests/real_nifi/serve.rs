//! A running `nifi-idb serve` beside NiFi: `http-sync`, `grpc-sync`; and `live-sync`, which answers a browser.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::batches::{changes, cut_changes, put, records};
use super::canvas::SOON;
use super::group::Group;
use super::lab::{Lab, PROGRAM, on_every_nifi};
use super::live::Live;
use super::nifi::{free_port, wait_for};
use super::rest::client;
use super::schedule::only_bulletins_of;

const LIMIT: Duration = Duration::from_secs(180);

/// The server; ended when this is dropped.
pub(crate) struct Serve {
    process: Child,
    pub(crate) port: u16,
}

impl Serve {
    /// Starts it on a store, and waits until it listens.
    pub(crate) fn start(store: &str, port: u16) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--store", store, "--listen", &format!("127.0.0.1:{port}")]);
        let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let first = lines.next().expect("it says where it listens").unwrap();
        assert!(first.contains("listening on"), "{first}");
        // What it says later is read away.
        thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub(crate) fn stop(&mut self) {
        let asked = kill_process(self.pid(), Signal::TERM);
        let begun = Instant::now();
        while asked.is_ok()
            && begun.elapsed() < Duration::from_secs(40)
            && matches!(self.process.try_wait(), Ok(None))
        {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One of the flows that call the server, installed.
struct Calling<'a> {
    group: Group<'a>,
    client: Client,
    intake: u16,
    out: PathBuf,
    /// The processor that calls.
    caller: &'static str,
}

impl<'a> Calling<'a> {
    fn install(
        lab: &'a Lab,
        name: &str,
        caller: &'static str,
        parameters: &[(&str, &str)],
    ) -> Self {
        let intake = free_port();
        let out = lab.path().join(name);
        let group = lab.canvas.upload_shipped(name);
        let (port, folder) = (intake.to_string(), out.display().to_string());
        group.set_parameters(
            &[&[("intake.port", port.as_str()), ("output.folder", &folder)], parameters].concat(),
        );
        assert_eq!(group.invalid(), BTreeMap::new());
        group.schedule("RUNNING");
        let calling = Self { group, client: client(), intake, out, caller };
        let url = format!("http://127.0.0.1:{intake}/batches");
        wait_for("the intake", SOON, || {
            calling.client.head(&url).send().ok().filter(|answer| answer.status() == 200)
        });
        calling
    }

    fn post(&self, body: impl Into<Vec<u8>>) {
        let url = format!("http://127.0.0.1:{}/batches", self.intake);
        let request =
            self.client.post(url).header("Content-Type", "application/x-ndjson").body(body.into());
        assert_eq!(request.send().unwrap().status(), 200);
    }

    /// Waits until the caller's relationship has had as many FlowFiles.
    #[track_caller]
    fn wait_for(&self, relationship: &str, count: u64) {
        self.group.canvas.wait_for(&format!("{count} FlowFiles in {relationship}"), LIMIT, || {
            (self.group.went(self.caller).get(relationship).copied().unwrap_or(0) >= count)
                .then_some(())
        });
    }

    /// Waits until nothing is under way.
    #[track_caller]
    fn wait_for_rest(&self) {
        self.group
            .canvas
            .wait_for("an empty flow", LIMIT, || (self.group.queued() == 0).then_some(()));
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.out.join(folder)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

fn numbered(n: u64) -> String {
    changes(
        &format!(r#","source":"kiosk","epoch":"a","first":{n},"last":{n}"#),
        &[put(n, "called", "")],
    )
}

/// What both ways have to show: three batches, a reject, a cut batch, a server that is away, a large one.
fn calls(lab: &Lab, flow: &Calling<'_>, mut serve: Serve, large: usize) {
    for n in 1..=3 {
        flow.post(numbered(n));
        flow.wait_for("Response", n);
    }
    assert_eq!((lab.versions("shop"), lab.ids("shop")), (3, vec![1, 2, 3]));
    only_bulletins_of(lab, &[]);

    flow.post(changes("", &[put(4, "good", ""), "{\"op\":\"none\"}".to_owned()]));
    flow.wait_for("Response", 4);
    flow.wait_for_rest();
    let routed = flow.group.went("What became of it");
    assert_eq!(routed.get("partly rejected"), Some(&1), "{routed:?}");

    flow.post(cut_changes("", &[put(5, "never", "")]));
    flow.wait_for("No Retry", 1);
    lab.canvas
        .wait_for("a dead letter", SOON, || (flow.files("dead-letter").len() == 1).then_some(()));
    only_bulletins_of(lab, &["Report the dead letter"]);

    // The server is away, and comes back on its port: NiFi's own retry brings the batch to it.
    let (store, port) = (lab.registry.url(), serve.port);
    serve.stop();
    flow.post(numbered(4));
    thread::sleep(Duration::from_secs(12));
    let serve = Serve::start(&store, port);
    flow.wait_for("Response", 5);
    assert_eq!(lab.versions("shop"), 5);

    let begun = Instant::now();
    let text = "x".repeat(10_000);
    let lines: Vec<_> = (0..large as u64 / 10_000).map(|id| put(100 + id, &text, "")).collect();
    flow.post(changes("", &lines));
    flow.wait_for("Response", 6);
    eprintln!("{large} bytes: {:.1?}", begun.elapsed());
    flow.wait_for_rest();
    assert_eq!(lab.versions("shop"), 6);
    assert_eq!(lab.ids("shop").len(), 4 + lines.len());
    lab.verify("shop");
    only_bulletins_of(lab, &["Report the dead letter", flow.caller]);
    drop(serve);
}

#[test]
fn invoke_http() {
    on_every_nifi(|lab| {
        let serve = Serve::start(&lab.registry.url(), free_port());
        let url = format!("http://127.0.0.1:{}/v1/sync", serve.port);
        let flow =
            Calling::install(lab, "http-sync", "Post to nifi-idb serve", &[("serve.url", &url)]);
        calls(lab, &flow, serve, 30_000_000);
    });
}

#[test]
fn invoke_grpc() {
    on_every_nifi(|lab| {
        if !lab.is_1x() {
            eprintln!(
                "NiFi {} has no InvokeGRPC: nothing to show here",
                lab.canvas.nifi.distribution.release
            );
            return;
        }
        let serve = Serve::start(&lab.registry.url(), free_port());
        let port = serve.port.to_string();
        let parameters = [("serve.host", "127.0.0.1"), ("serve.port", port.as_str())];
        let flow = Calling::install(lab, "grpc-sync", "Send to nifi-idb serve", &parameters);
        calls(lab, &flow, serve, 9_000_000);
    });
}

#[test]
fn a_request_and_its_answer() {
    on_every_nifi(|lab| {
        let bare =
            [("flow", "shop"), ("database", "shop"), ("object.store", "data"), ("key.path", "id")];
        let (base, client) = (Live::install(lab, &bare).url, client());
        let post = |source: &str, body: String| {
            let begun = Instant::now();
            let bytes = body.len();
            let request = client
                .post(format!("{base}/sync/{source}"))
                .header("Content-Type", "application/x-ndjson");
            let answer = request.body(body).send().unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().unwrap());
            eprintln!("{bytes} bytes from {source}: {status} after {:.2?}", begun.elapsed());
            let lines: Vec<Value> =
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (status, lines)
        };
        let of =
            |lines: &[Value], kind: &str| lines.iter().filter(|line| line["type"] == kind).count();

        let (status, lines) = post("kiosk-7", records(0..4, &"k".repeat(1_000)));
        assert_eq!(
            (status, &lines.last().unwrap()["outcome"]),
            (200, &"committed".into()),
            "{lines:?}"
        );
        // Another source gets what it lacks: all, for its batch names no base.
        let header = r#","source":"kiosk-8","epoch":"a","first":1,"last":1"#;
        let (status, lines) = post("kiosk-8", changes(header, &[put(9, "other", "")]));
        assert_eq!((status, of(&lines, "ack")), (200, 1), "{lines:?}");
        assert_eq!(of(&lines, "change"), 5);
        // And with one, what others have changed since: nothing.
        let header = r#","source":"kiosk-8","epoch":"a","first":2,"last":2,"base":1"#;
        let (status, lines) = post("kiosk-8", changes(header, &[put(9, "again", "")]));
        assert_eq!((status, of(&lines, "ack"), of(&lines, "change")), (200, 1, 0), "{lines:?}");
        // For another source in the body the path does not speak.
        let (status, _) = post("kiosk-7", changes(header, &[put(9, "other", "")]));
        assert!((400..500).contains(&status), "{status}");
        let (status, _) = post("kiosk-8", cut_changes("", &[put(9, "cut", "")]));
        assert_eq!(status, 422);

        let (status, lines) = post("kiosk-7", records(1_000..4_000, &"m".repeat(9_970)));
        assert_eq!((status, &lines.last().unwrap()["outcome"]), (200, &"committed".into()));
        assert_eq!((lab.versions("shop"), lab.ids("shop").len()), (4, 3_005));
        let answer = client.get(format!("{base}/sources/kiosk-8")).send().unwrap().text().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["checkpoint"], 2, "{answer}");
        let bulletins = only_bulletins_of(lab, &["Sync"]);
        eprintln!("{} bulletins of refused batches", bulletins.len());
    });
}
