//! `scheduled-sync`: what comes in, on the schedule, and where everything ends.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nifi_idb::flowfile::PackageReader;
use reqwest::blocking::Client;
use serde_json::Value;

use super::batches::{changes, cut_changes, put, records};
use super::canvas::{Bulletin, SOON};
use super::group::Group;
use super::lab::{Lab, PROGRAM, on_every_nifi};
use super::nifi::{free_port, wait_for};
use super::rest::client;

/// A firing every five seconds.
pub(crate) const OFTEN: &str = "0/5 * * ? * *";
/// A release and a run, on a busy machine.
const RELEASE: Duration = Duration::from_secs(60);

/// The processor that routes each FlowFile by its outcome.
pub(crate) const OUTCOME: &str = "What became of it";

/// The flow, installed.
pub(crate) struct Scheduled {
    pub(crate) id: String,
    client: Client,
    pub(crate) intake: u16,
    pub(crate) checkpoint: u16,
    pub(crate) folder: PathBuf,
    pub(crate) out: PathBuf,
}

impl Scheduled {
    /// Uploads `scheduled-sync.json`, sets its parameters, enables and starts it.
    pub(crate) fn install(lab: &Lab, more: &[(&str, &str)]) -> Self {
        let (intake, checkpoint) = (free_port(), free_port());
        let (folder, out) = (lab.path().join("in"), lab.path().join("out"));
        fs::create_dir(&folder).unwrap();
        let group = lab.canvas.upload_shipped("scheduled-sync");
        let (intake_text, checkpoint_text) = (intake.to_string(), checkpoint.to_string());
        let mut parameters = vec![
            ("store", lab.registry.url()),
            ("command", PROGRAM.to_owned()),
            ("schedule", OFTEN.to_owned()),
            ("intake.port", intake_text),
            ("checkpoint.port", checkpoint_text),
            ("intake.folder", folder.display().to_string()),
            ("output.folder", out.display().to_string()),
            ("database", "shop".to_owned()),
            ("object.store", "data".to_owned()),
            ("key.path", "id".to_owned()),
            ("flow", "shop".to_owned()),
            ("idle", "5s".to_owned()),
            ("deadline", "20s".to_owned()),
        ];
        for (name, value) in more {
            parameters.retain(|(known, _)| known != name);
            parameters.push((name, (*value).to_owned()));
        }
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        group.set_parameters(&parameters);
        group.enable_services();
        assert_eq!(group.invalid(), BTreeMap::new());
        group.schedule("RUNNING");
        let scheduled =
            Self { id: group.id.clone(), client: client(), intake, checkpoint, folder, out };
        scheduled.wait_for_port();
        scheduled
    }

    /// Waits until the intake answers.
    pub(crate) fn wait_for_port(&self) {
        let url = format!("http://127.0.0.1:{}/batches", self.intake);
        wait_for("the intake", SOON, || {
            self.client.head(&url).send().ok().filter(|answer| answer.status() == 200)
        });
    }

    pub(crate) fn group<'a>(&self, lab: &'a Lab) -> Group<'a> {
        lab.canvas.group(&self.id)
    }

    /// Posts a batch; NiFi says 200 when it has it.
    #[track_caller]
    pub(crate) fn post(&self, body: impl Into<Vec<u8>>) {
        let url = format!("http://127.0.0.1:{}/batches", self.intake);
        let request =
            self.client.post(url).header("Content-Type", "application/x-ndjson").body(body.into());
        assert_eq!(request.send().unwrap().status(), 200);
    }

    /// What the flow answers about a source.
    pub(crate) fn checkpoint(&self, source: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/sources/{source}", self.checkpoint);
        let answer = self.client.get(url).send().unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_str(&answer.text().unwrap()).unwrap()
    }

    /// How many FlowFiles have had each outcome.
    pub(crate) fn outcomes(&self, lab: &Lab) -> BTreeMap<String, u64> {
        self.group(lab).routed(OUTCOME)
    }

    /// Waits until as many FlowFiles had an outcome.
    #[track_caller]
    pub(crate) fn wait_for_outcome(&self, lab: &Lab, outcome: &str, count: u64) {
        let what = format!("{count} FlowFiles that are {outcome}");
        let found = lab.canvas.wait_for(&what, RELEASE * 4, || {
            let found = self.outcomes(lab).get(outcome).copied().unwrap_or(0);
            (found >= count).then_some(found)
        });
        assert_eq!(found, count, "{:?}", self.outcomes(lab));
    }

    /// The only file below a folder of the output.
    #[track_caller]
    fn file(&self, lab: &Lab, folder: &str) -> (String, Vec<u8>) {
        let folder = self.out.join(folder);
        let path = lab.canvas.wait_for(&format!("a file in {}", folder.display()), RELEASE, || {
            let mut all = fs::read_dir(&folder).ok()?.map(|entry| entry.unwrap().path());
            all.find(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        });
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), content)
    }
}

/// The FlowFile of a package that NiFi wrote.
fn unpack(package: &[u8]) -> (BTreeMap<String, String>, String) {
    let mut reader = PackageReader::new(package);
    let head = reader.next_head().unwrap().unwrap();
    let mut content = Vec::new();
    reader.content(&head, &mut content).unwrap().unwrap();
    assert!(reader.next_head().unwrap().is_none());
    (head.attributes.into_iter().collect(), String::from_utf8(content).unwrap())
}

/// Milliseconds since 1970.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// A firing every ten seconds.
pub(crate) const EVERY_TEN_SECONDS: &str = "0/10 * * ? * *";

/// Waits until one of those firings has just passed, so that all that is posted now comes before the next.
pub(crate) fn wait_for_firing() {
    wait_for("a firing to pass", RELEASE, || {
        (1_000..3_000).contains(&(now() % 10_000)).then_some(())
    });
}

/// Fails on a bulletin of a component that has no reason to write one.
#[track_caller]
pub(crate) fn only_bulletins_of(lab: &Lab, sources: &[&str]) -> Vec<Bulletin> {
    let all = lab.canvas.bulletins();
    let others: Vec<_> =
        all.iter().filter(|bulletin| !sources.contains(&bulletin.source.as_str())).collect();
    assert!(others.is_empty(), "{others:#?}");
    all
}

#[test]
fn three_batches_three_versions_and_every_failure_in_its_place() {
    on_every_nifi(|lab| {
        let flow = Scheduled::install(lab, &[]);
        three_batches(lab, &flow);
        only_bulletins_of(lab, &[]);
        conflict(lab, &flow);
        reject(lab, &flow);
        folder(lab, &flow);
        only_bulletins_of(lab, &[]);
        truncated(lab, &flow);
        only_bulletins_of(lab, &["Report the dead letter"]);
        let gap = Gap::open(lab, &flow);
        guard(lab, &flow);
        registry_down(lab, &flow);
        gap.close(lab, &flow);
        only_bulletins_of(lab, &["Report the dead letter", "Sync"]);
        assert_eq!(flow.group(lab).queued(), 0, "nothing is left lying");
        lab.verify("shop");
    });
}

fn three_batches(lab: &Lab, flow: &Scheduled) {
    for number in 1..=3_u64 {
        flow.post(records([number, 10], &format!("batch {number}")));
        flow.wait_for_outcome(lab, "committed", number);
        assert_eq!(lab.versions("shop") as u64, number);
        let found = lab.records("shop", "latest");
        let expected: Vec<_> = (1..=number).map(|id| (id, format!("batch {id}"))).collect();
        let expected = [expected, vec![(10, format!("batch {number}"))]].concat();
        let pair = |record: &Value| {
            (record["id"].as_u64().unwrap(), record["text"].as_str().unwrap().to_owned())
        };
        assert_eq!(found.iter().map(pair).collect::<Vec<_>>(), expected);
    }
    eprintln!("three batches, three versions");
}

fn conflict(lab: &Lab, flow: &Scheduled) {
    // A source that has seen version 1 only changes what others have changed since.
    let before = lab.versions("shop");
    let header = r#","source":"late","epoch":"a","first":1,"last":1,"base":1"#;
    flow.post(changes(header, &[put(10, "from the past", "")]));
    flow.wait_for_outcome(lab, "committed", 4);
    assert_eq!(lab.versions("shop"), before + 1);
    let checkpoint = flow.checkpoint("late");
    assert_eq!(
        (checkpoint["checkpoint"].as_u64(), checkpoint["epoch"].as_str()),
        (Some(1), Some("a")),
        "{checkpoint}"
    );
    eprintln!("conflict: {}", lab.log("shop")[0]["summary"]);
}

fn reject(lab: &Lab, flow: &Scheduled) {
    flow.post(records([20], "good") + "{\"no id\":1}\n");
    flow.wait_for_outcome(lab, "partly rejected", 1);
    let (name, report) = flow.file(lab, "rejects");
    let report = String::from_utf8(report).unwrap();
    let first: Value = serde_json::from_str(report.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["type"], &first["line"]),
        (&"rejected".into(), &2.into()),
        "{name}: {report}"
    );
    assert_eq!(first["text"], "{\"no id\":1}", "{name}: {report}");
    assert!(lab.ids("shop").contains(&20));
}

fn folder(lab: &Lab, flow: &Scheduled) {
    // Written under a hidden name, then renamed, as the parameter's description asks.
    fs::write(flow.folder.join(".batch"), records([21], "by file")).unwrap();
    fs::rename(flow.folder.join(".batch"), flow.folder.join("batch.ndjson")).unwrap();
    flow.wait_for_outcome(lab, "committed", 5);
    assert!(lab.ids("shop").contains(&21));
}

fn truncated(lab: &Lab, flow: &Scheduled) {
    let before = lab.versions("shop");
    let batch = cut_changes("", &[put(30, "never", "")]);
    flow.post(batch.clone());
    let (name, package) = flow.file(lab, "dead-letter");
    let (attributes, content) = unpack(&package);
    assert!(name.contains("-status-5-") && name.ends_with(".ff3"), "{name}");
    assert_eq!(
        (attributes["sync.status"].as_str(), attributes["sync.outcome"].as_str()),
        ("5", "failed")
    );
    assert_eq!(content, batch, "the FlowFile is whole");
    assert_eq!(lab.versions("shop"), before);
    eprintln!("truncated: {}", attributes["dead.letter.reason"]);
}

/// The second batch of a source, whose first is missing: it waits, over NiFi's own retries and the releases after them.
struct Gap;

impl Gap {
    fn batch(n: u64) -> String {
        changes(
            &format!(r#","source":"kiosk-7","epoch":"a","first":{n},"last":{n}"#),
            &[put(40 + n, "in order", "")],
        )
    }

    fn open(lab: &Lab, flow: &Scheduled) -> Self {
        let before = lab.versions("shop");
        flow.post(Self::batch(2));
        lab.canvas.wait_for("a run that is to be repeated", RELEASE, || {
            lab.canvas.bulletins().iter().any(|bulletin| bulletin.source == "Sync").then_some(())
        });
        assert_eq!(
            (lab.versions("shop"), &flow.checkpoint("kiosk-7")["checkpoint"]),
            (before, &0.into())
        );
        Self
    }

    fn close(self, lab: &Lab, flow: &Scheduled) {
        flow.wait_for_outcome(lab, "try again", 1);
        assert_eq!(flow.checkpoint("kiosk-7")["checkpoint"], 0);
        flow.post(Self::batch(1));
        lab.canvas.wait_for("the gap to be closed", RELEASE * 3, || {
            (flow.checkpoint("kiosk-7")["checkpoint"] == 2).then_some(())
        });
        let ids = lab.ids("shop");
        assert!(ids.contains(&41) && ids.contains(&42));
        lab.canvas
            .wait_for("an empty flow", RELEASE, || (flow.group(lab).queued() == 0).then_some(()));
    }
}

fn guard(lab: &Lab, flow: &Scheduled) {
    let full = |ids: std::ops::Range<u64>| {
        let lines: Vec<_> = ids.map(|id| put(id, "full", "")).collect();
        changes(r#","source":"full","mode":"full""#, &lines)
    };
    let committed = flow.outcomes(lab)["committed"];
    flow.post(full(1000..1100));
    flow.wait_for_outcome(lab, "committed", committed + 1);
    let before = lab.versions("shop");
    flow.post(full(1000..1010));
    let (name, package) = flow.file(lab, "confirm");
    let (attributes, content) = unpack(&package);
    assert!(name.contains("-status-6-"), "{name}");
    assert_eq!(content, full(1000..1010));
    assert_eq!((lab.versions("shop"), attributes["sync.outcome"].as_str()), (before, "refused"));
    // A person has looked at the plan, says so, and puts the package back.
    flow.group(lab).set_parameters(&[("confirm", &attributes["sync.plan"])]);
    fs::write(flow.folder.join(".package"), package).unwrap();
    fs::rename(flow.folder.join(".package"), flow.folder.join("confirmed.ff3")).unwrap();
    flow.wait_for_outcome(lab, "committed", committed + 2);
    assert_eq!(lab.versions("shop"), before + 1);
    assert_eq!(lab.ids("shop").iter().filter(|id| **id >= 1000).count(), 10);
    flow.group(lab).set_parameters(&[("confirm", "")]);
    eprintln!("guard: {}", attributes["dead.letter.reason"]);
}

fn registry_down(lab: &mut Lab, flow: &Scheduled) {
    let (before, ids) = (lab.versions("shop"), lab.ids("shop"));
    let committed = flow.outcomes(lab)["committed"];
    let tries =
        || lab.canvas.bulletins().iter().filter(|bulletin| bulletin.source == "Sync").count();
    let known = tries();
    lab.registry.stop();
    let begun = Instant::now();
    for id in 50..53 {
        flow.post(records([id], "while it was down"));
    }
    std::thread::sleep(Duration::from_secs(60));
    assert!(tries() > known, "a run has failed meanwhile");
    lab.registry.start_again().unwrap();
    eprintln!("the Registry was down for {:.0?}", begun.elapsed());
    flow.wait_for_outcome(lab, "committed", committed + 3);
    assert_eq!(lab.versions("shop"), before + 1);
    assert_eq!(lab.ids("shop").len(), ids.len() + 3);
    eprintln!("and everything was there after {:.0?}", begun.elapsed());
}

#[test]
fn a_cron_expression_fires_and_takes_everything_each_time() {
    const WAITING: u64 = 40;
    on_every_nifi(|lab| {
        let flow = Scheduled::install(lab, &[("schedule", EVERY_TEN_SECONDS)]);
        for firing in 1..=3_u64 {
            wait_for_firing();
            let first = firing * 1_000;
            (first..first + WAITING).for_each(|id| flow.post(records([id], "waits")));
            // Nothing is released before the schedule says so. NiFi counts twice what moves meanwhile.
            lab.canvas.wait_for("all of them to wait", RELEASE, || {
                (flow.group(lab).queued() == WAITING).then_some(())
            });
            assert!(now() % 10_000 < 9_500, "the posts took too long for this test");
            flow.wait_for_outcome(lab, "committed", firing * WAITING);
            assert_eq!((lab.versions("shop") as u64, flow.group(lab).queued()), (firing, 0));
        }
        let times: Vec<_> =
            lab.log("shop").iter().map(|version| version["timestamp"].clone()).collect();
        eprintln!("three firings of 40 FlowFiles each: {times:?}");
        assert_eq!(lab.ids("shop").len() as u64, 3 * WAITING);
        only_bulletins_of(lab, &[]);
    });
}
