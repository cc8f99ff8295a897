//! The parts of a test on a cluster: the nodes, a Registry beside them, and its content.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::super::distribution::Distribution;
use super::super::lab::{PROGRAM, ask, registry_beside};
use super::super::nifi::wait_for;
use super::super::registry::{self, Provider, RealRegistry, needed};
use super::super::rest::client;
use super::nodes::{CHECKPOINT_PORT, Cluster, INTAKE_PORT, NODES, Node};
use super::traffic::{COUNTER, Flows, POLICY, beginning};

/// Time for the others after the last batch, before the dead node comes back: several firings.
pub(crate) const DEAD: Duration = Duration::from_secs(15);
/// All that waits for repetitions by NiFi, which take two and a half minutes.
pub(crate) const SETTLE: Duration = Duration::from_secs(900);

/// A cluster, a Registry beside it, and a folder.
pub(crate) struct Beside<'a> {
    pub(crate) cluster: Cluster,
    registry: &'a RealRegistry,
    folder: &'a Path,
}

/// Runs a test on a cluster of each NiFi that `NIFI_HOME` names; without one it fails.
pub(crate) fn on_every_cluster(test: impl Fn(&mut Beside<'_>)) {
    let distributions = needed(Distribution::all());
    let _turn = registry::turn();
    let beside = registry_beside();
    for distribution in distributions {
        eprintln!("== {NODES} nodes of NiFi {}, Registry {}", distribution.release, beside.release);
        let registry = RealRegistry::start(&beside, Provider::File);
        let folder = tempfile::Builder::new().prefix("nifi-idb-").tempdir().unwrap();
        let cluster = Cluster::start(&distribution);
        test(&mut Beside { cluster, registry: &registry, folder: folder.path() });
    }
}

impl Beside<'_> {
    /// Installs a shipped flow by the program's own command, once for the cluster, and starts it.
    pub(crate) fn install(&self, name: &str, parameters: &[(&str, &str)]) {
        let policy = self.folder.join("policy.toml");
        fs::write(&policy, POLICY).unwrap();
        let (store, policy) = (self.registry.url(), policy.display().to_string());
        let common = [("command", PROGRAM), ("store", &store), ("policy", &policy)];
        let all: Vec<_> = common.iter().chain(parameters).copied().collect();
        self.run_install(name, "10s", &all);
    }

    /// Runs `template install`, which reads bulletins for a time that is to show none.
    fn run_install(&self, name: &str, watch: &str, parameters: &[(&str, &str)]) {
        let mut command = Command::new(PROGRAM);
        let nifi = self.cluster.nodes[0].nifi.rest.base().trim_end_matches("/nifi-api").to_owned();
        command.args(["template", "install", name, "--nifi", &nifi, "--start", "--watch", watch]);
        for (name, value) in parameters {
            command.args(["--set", &format!("{name}={value}")]);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        eprintln!("{text}");
        assert!(output.status.success(), "{name} is not installed");
    }

    /// Installs `scheduled-sync`; gives the address of each node's intake.
    pub(crate) fn install_scheduled(&self, schedule: &str) -> Vec<String> {
        let (folder, out) = (self.folder.join("in"), self.folder.join("out"));
        fs::create_dir_all(&folder).unwrap();
        self.install(
            "scheduled-sync",
            &[
                ("schedule", schedule),
                ("intake.port", &format!("${{{INTAKE_PORT}}}")),
                ("checkpoint.port", &format!("${{{CHECKPOINT_PORT}}}")),
                ("intake.folder", &folder.display().to_string()),
                ("output.folder", &out.display().to_string()),
            ],
        );
        self.intakes()
    }

    /// The address of each node's intake, once all of them answer.
    pub(crate) fn intakes(&self) -> Vec<String> {
        self.urls(|node| format!("http://127.0.0.1:{}/batches", node.intake))
    }

    /// Changes the schedule while everything runs. A batch whose predecessor waits elsewhere may then make a bulletin.
    pub(crate) fn change_schedule(&self, schedule: &str) {
        self.run_install("scheduled-sync", "0s", &[("schedule", schedule)]);
    }

    /// One address for each node, once something answers there.
    pub(crate) fn urls(&self, of: impl Fn(&Node) -> String) -> Vec<String> {
        let client = client();
        let urls: Vec<_> = self.cluster.nodes.iter().map(of).collect();
        for url in &urls {
            wait_for(url, SETTLE, || client.head(url).send().ok());
        }
        urls
    }

    /// Makes the first version of a flow.
    pub(crate) fn begin(&self, flow: &str) {
        let mut command = Command::new(PROGRAM);
        command.args(["sync", "--store", &self.registry.url()]).stdin(Stdio::piped());
        let mut process = command.stdout(Stdio::null()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(beginning(flow).as_bytes()).unwrap();
        assert!(process.wait().unwrap().success());
    }

    /// The records of a flow, by their keys.
    fn records(&self, flow: &str) -> BTreeMap<String, Value> {
        let arguments = ["--flow", flow, "--format", "records"];
        let (status, text) = ask(&self.registry.url(), "restore", &arguments);
        assert_eq!(status, Some(0), "{text}");
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        records.map(|record: Value| (record["id"].as_str().unwrap().to_owned(), record)).collect()
    }

    /// Number of stored batches.
    pub(crate) fn stored(&self, expected: &Flows) -> u64 {
        let count = |flow: &String| self.records(flow)[COUNTER]["count"].as_u64().unwrap();
        expected.keys().map(count).sum()
    }

    /// Waits until so many batches are stored.
    #[track_caller]
    pub(crate) fn wait_until_stored(&self, expected: &Flows, count: usize) {
        let what = format!("{count} batches in the store");
        wait_for(&what, SETTLE, || (self.stored(expected) == count as u64).then_some(()));
    }

    /// Waits until no more batches are stored for a while; gives how many are not.
    pub(crate) fn wait_until_still(&self, expected: &Flows) -> u64 {
        let all: u64 = expected.values().map(|flow| flow[COUNTER]["count"].as_u64().unwrap()).sum();
        let mut before = 0;
        wait_for("the cluster to have no more to store", SETTLE, || {
            thread::sleep(DEAD);
            let stored = self.stored(expected);
            (std::mem::replace(&mut before, stored) == stored).then_some(())
        });
        all - before
    }

    /// Every record is stored as it was sent, once, and nothing else is.
    #[track_caller]
    pub(crate) fn compare(&self, expected: &Flows) {
        let found: Flows = expected.keys().map(|flow| (flow.clone(), self.records(flow))).collect();
        let versions: usize =
            found.iter().map(|(flow, records)| self.versions(flow, records.len())).sum();
        let records: usize = found.values().map(BTreeMap::len).sum();
        let differences = differences(expected, &found);
        let flows = expected.len();
        eprintln!(
            "{records} records in {versions} versions of {flows} flows, {} differences",
            differences.len()
        );
        assert!(differences.is_empty(), "{differences:#?}");
    }

    /// Nothing was rejected, nothing is a dead letter.
    #[track_caller]
    pub(crate) fn no_files_for_a_person(&self) {
        let folders = fs::read_dir(self.folder.join("out")).into_iter().flatten().flatten();
        let files: Vec<_> =
            folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap()).collect();
        assert!(files.is_empty(), "{files:?}");
    }

    /// Checks that a flow is whole and that each record was added once; gives the number of its versions.
    fn versions(&self, flow: &str, records: usize) -> usize {
        let url = self.registry.url();
        let (status, text) = ask(&url, "verify", &["--flow", flow, "--chain"]);
        assert_eq!(status, Some(0), "{text}");
        let (status, text) = ask(&url, "log", &["--flow", flow]);
        assert_eq!(status, Some(0), "{text}");
        let added =
            |word: &str| word.strip_prefix('+').and_then(|number| number.parse::<usize>().ok());
        let added: usize = text.split_whitespace().filter_map(added).sum();
        assert_eq!(added, records, "{text}");
        text.lines().count()
    }
}

/// Records that are not stored as they were sent, and records that were not sent.
fn differences(expected: &Flows, found: &Flows) -> Vec<String> {
    let mut differences = Vec::new();
    for (flow, records) in expected {
        let found = &found[flow];
        let keys = records.keys().chain(found.keys().filter(|key| !records.contains_key(*key)));
        for key in keys.filter(|key| records.get(*key) != found.get(*key)) {
            let (sent, is) = (records.get(key), found.get(key));
            differences.push(format!("{flow}, {key}: sent {sent:?}, stored {is:?}"));
        }
    }
    differences
}
