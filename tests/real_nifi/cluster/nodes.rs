//! Three nodes of one NiFi on loopback, each with a ZooKeeper of its own inside.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::super::canvas::number;
use super::super::distribution::Distribution;
use super::super::nifi::{Nifi, free_port, wait_for};

/// So many are a majority without one of them, for ZooKeeper too.
pub(crate) const NODES: usize = 3;

/// Longest time for a cluster to form, or to take a node back, on a busy machine.
const FORM_LIMIT: Duration = Duration::from_secs(420);

/// Ports that the nodes of one machine cannot share. A parameter has one value in the whole cluster, so flows name these
/// variables, which each node's process has with a value of its own.
pub(crate) const INTAKE_PORT: &str = "NIFI_IDB_TEST_INTAKE_PORT";
pub(crate) const CHECKPOINT_PORT: &str = "NIFI_IDB_TEST_CHECKPOINT_PORT";
pub(crate) const LIVE_PORT: &str = "NIFI_IDB_TEST_LIVE_PORT";

/// One node, and the ports of its flow.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) nifi: Nifi,
    pub(crate) intake: u16,
    pub(crate) live: u16,
}

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
}

/// Where one node's ZooKeeper listens.
struct ZooKeeper {
    client: u16,
    peers: u16,
    election: u16,
}

impl Cluster {
    /// Starts an empty one, and waits until every node sees all of them.
    pub(crate) fn start(distribution: &Distribution) -> Self {
        let ensemble: Vec<_> = (0..NODES)
            .map(|_| ZooKeeper { client: free_port(), peers: free_port(), election: free_port() })
            .collect();
        let begun = Instant::now();
        let mut nodes: Vec<_> =
            (1..=NODES).map(|number| node(distribution, &ensemble, number)).collect();
        nodes.iter_mut().for_each(|node| node.nifi.launch());
        let mut cluster = Self { nodes };
        cluster.nodes.iter_mut().for_each(|node| node.nifi.wait_for_answer());
        cluster.wait_until_whole();
        eprintln!("{NODES} nodes: one cluster after {:.1?}", begun.elapsed());
        cluster
    }

    /// Waits until every node sees all of them as connected.
    #[track_caller]
    pub(crate) fn wait_until_whole(&self) {
        wait_for("a whole cluster", FORM_LIMIT, || {
            self.nodes.iter().all(|node| connected(&node.nifi) == NODES as u64).then_some(())
        });
    }

    /// Ends one node as a power failure does.
    pub(crate) fn kill(&mut self, victim: usize) {
        self.nodes[victim].nifi.kill();
    }

    /// Starts a killed node on what it has, and waits until it has joined.
    pub(crate) fn bring_back(&mut self, victim: usize) {
        self.nodes[victim].nifi.start_again();
        self.wait_until_whole();
    }

    /// Asks the cluster to bring a node into a state, as a person does on NiFi's page of the cluster, and waits for it.
    #[track_caller]
    pub(crate) fn bring(&self, node: usize, asked: &str, state: &str) {
        let rest = &self.nodes[0].nifi.rest;
        let id = self.member(node).expect("the node is known")["nodeId"].clone();
        let body = json!({"node": {"nodeId": id, "status": asked}});
        rest.put(&format!("/controller/cluster/nodes/{}", id.as_str().unwrap()), &body);
        self.wait_for_state(node, state);
    }

    /// Waits until the cluster says that a node is in a state.
    #[track_caller]
    pub(crate) fn wait_for_state(&self, node: usize, state: &str) {
        wait_for(state, FORM_LIMIT, || (self.member(node)?["status"] == state).then_some(()));
    }

    /// Removes a node that is not connected from the cluster.
    #[track_caller]
    pub(crate) fn remove(&self, node: usize) {
        let id = self.member(node).expect("the node is known")["nodeId"].clone();
        let path = format!("/controller/cluster/nodes/{}", id.as_str().unwrap());
        self.nodes[0].nifi.rest.delete(&path);
    }

    /// The state of a node, as the cluster knows it.
    fn member(&self, node: usize) -> Option<Value> {
        let port = u64::from(self.nodes[node].nifi.port());
        let path = "/controller/cluster";
        let cluster = self.nodes[0].nifi.rest.call(Method::GET, path, None).ok()?;
        let nodes = cluster["cluster"]["nodes"].as_array()?;
        nodes.iter().find(|member| member["apiPort"] == port).cloned()
    }

    /// Number of FlowFiles that wait on all connected nodes; `None` if the cluster does not say.
    pub(crate) fn queued(&self) -> Option<u64> {
        let path = "/flow/process-groups/root/status";
        let status = self.nodes[0].nifi.rest.call(Method::GET, path, None).ok()?;
        Some(number(&status["processGroupStatus"]["aggregateSnapshot"]["flowFilesQueued"]))
    }

    /// The sources of all bulletins that the cluster shows now, with the beginnings of their messages.
    pub(crate) fn bulletins(&self) -> Vec<String> {
        let path = "/flow/bulletin-board?limit=1000";
        let board = self.nodes[0].nifi.rest.call(Method::GET, path, None).unwrap_or_default();
        let bulletins = board["bulletinBoard"]["bulletins"].as_array();
        let text =
            |it: &Value, name: &str| it["bulletin"][name].as_str().unwrap_or_default().to_owned();
        let line = |it: &Value| format!("{}: {}", text(it, "sourceName"), text(it, "message"));
        bulletins.into_iter().flatten().map(line).collect()
    }
}

impl Node {
    /// Whether it runs the program now.
    pub(crate) fn is_at_work(&self) -> bool {
        let tasks = format!("/proc/{}/task", self.nifi.pid().as_raw_nonzero());
        let tasks = fs::read_dir(tasks).into_iter().flatten().flatten();
        // Each thread has its own children.
        let children = |task: &Path| fs::read_to_string(task.join("children")).unwrap_or_default();
        tasks.map(|task| children(&task.path())).any(|children| !children.trim().is_empty())
    }
}

/// Number of nodes that this one sees as connected.
fn connected(nifi: &Nifi) -> u64 {
    let summary = nifi.rest.call(Method::GET, "/flow/cluster/summary", None).unwrap_or_default();
    number(&summary["clusterSummary"]["connectedNodeCount"])
}

/// Lays out a node; they are numbered from 1.
fn node(distribution: &Distribution, ensemble: &[ZooKeeper], own: usize) -> Node {
    let (intake, live) = (free_port(), free_port());
    let environment = vec![
        (INTAKE_PORT, intake.to_string()),
        (LIVE_PORT, live.to_string()),
        (CHECKPOINT_PORT, free_port().to_string()),
    ];
    let nifi = Nifi::prepare(distribution, environment);
    let clients: Vec<_> =
        ensemble.iter().map(|each| format!("127.0.0.1:{}", each.client)).collect();
    let clients = clients.join(",");
    let text = |text: &str| text.to_owned();
    nifi.set_properties([
        ("nifi.cluster.is.node", text("true")),
        ("nifi.cluster.node.address", text("127.0.0.1")),
        ("nifi.cluster.node.protocol.port", free_port().to_string()),
        ("nifi.cluster.load.balance.host", text("127.0.0.1")),
        ("nifi.cluster.load.balance.port", free_port().to_string()),
        ("nifi.cluster.flow.election.max.candidates", NODES.to_string()),
        // Requests may take their time on a busy machine.
        ("nifi.cluster.node.connection.timeout", text("60 sec")),
        ("nifi.cluster.node.read.timeout", text("60 sec")),
        ("nifi.zookeeper.connect.timeout", text("30 sec")),
        ("nifi.zookeeper.session.timeout", text("30 sec")),
        // A node counts as gone after eight of them.
        ("nifi.cluster.protocol.heartbeat.interval", text("2 sec")),
        ("nifi.state.management.embedded.zookeeper.start", text("true")),
        ("nifi.zookeeper.connect.string", clients.clone()),
    ]);
    let home = nifi.home();
    let mut servers = text("initLimit=10\nsyncLimit=5\ntickTime=2000\ndataDir=./state/zookeeper\n");
    for (number, each) in (1..).zip(ensemble) {
        let ZooKeeper { client, peers, election } = each;
        servers += &format!("server.{number}=127.0.0.1:{peers}:{election};127.0.0.1:{client}\n");
    }
    fs::write(home.join("conf/zookeeper.properties"), servers).unwrap();
    fs::create_dir_all(home.join("state/zookeeper")).unwrap();
    fs::write(home.join("state/zookeeper/myid"), own.to_string()).unwrap();
    let path = home.join("conf/state-management.xml");
    let providers = fs::read_to_string(&path).unwrap();
    let blank = r#"<property name="Connect String"></property>"#;
    assert!(providers.contains(blank), "{} has no ZooKeeper", path.display());
    fs::write(&path, providers.replace(blank, &blank.replace("><", &format!(">{clients}<"))))
        .unwrap();
    Node { nifi, intake, live }
}
