//! Batches of many sources for many flows, and what has to be stored when all of them have arrived once.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use reqwest::blocking::Client;
use serde_json::{Value, json};

use super::super::batches::changes;

/// So many that every node has the batches of some.
pub(crate) const FLOWS: usize = 12;
/// Two sources of each flow number their changes, the third names its deliveries.
const SOURCES: usize = 3;
/// `put` lines of a batch.
const LINES: u64 = 3;
/// Attempts to send a batch before the test gives up, and the time between.
const TRIES: usize = 10_000;
const PAUSE: Duration = Duration::from_millis(20);

/// The policy of the flows: member `count` of a record counts the batches, for every batch adds one to it.
pub(crate) const POLICY: &str = "version = 1\n[stores.data.fields]\ncount = \"delta\"\n";

/// The record that counts.
pub(crate) const COUNTER: &str = "count";

/// The records of each flow, by their keys.
pub(crate) type Flows = BTreeMap<String, BTreeMap<String, Value>>;

/// One batch.
#[derive(Debug)]
pub(crate) struct Batch {
    flow: String,
    source: String,
    /// The place among the batches of the source, from 1.
    number: u64,
    is_numbered: bool,
    /// Whether its HTTP request says which database it is of: by that NiFi chooses the node.
    has_header: bool,
    /// Which client sends it.
    pub(crate) sender: usize,
    /// Which node it is sent to first: another one than the batch before it of the same source.
    node: usize,
}

/// All batches of a round, in the order of each source.
pub(crate) fn batches(round: usize, count: usize, senders: usize) -> Vec<Batch> {
    let batch = |n: usize| {
        let (flow, source, turn) = (n % FLOWS, n / FLOWS % SOURCES, n / (FLOWS * SOURCES));
        let flow_name = format!("round-{round}-{flow}");
        Batch {
            source: format!("{flow_name}-source-{source}"),
            flow: flow_name,
            number: turn as u64 + 1,
            is_numbered: source != 2,
            has_header: flow % 4 != 3,
            sender: flow % senders,
            node: flow + turn,
        }
    };
    (0..count).map(batch).collect()
}

impl Batch {
    /// The records that it leaves, except for the counter; the last one is changed by the source's next batch.
    fn records(&self) -> [Value; 2] {
        let Self { source, number, .. } = self;
        let own = json!({"id": format!("{source}/{number}"), "text": "x".repeat(200)});
        if self.is_numbered {
            [own, json!({"id": source, "last": number})]
        } else {
            [own, json!({"id": format!("{source}/{number}/more"), "last": number})]
        }
    }

    fn body(&self) -> String {
        // The source's own count is far from that of the others, and only the difference is added.
        let before = self.number * 1_000_000;
        let counter = |count| json!({"id": COUNTER, "count": count});
        let [own, last] = self.records();
        let line = |value: &Value, base: &str| {
            format!(r#"{{"op":"put","store":"data","value":{value}{base}}}"#)
        };
        let base = format!(r#","base":{{"value":{}}}"#, counter(before));
        let lines = [line(&counter(before + 1), &base), line(&own, ""), line(&last, "")];
        let sequence = if self.is_numbered {
            let (first, last) = ((self.number - 1) * LINES + 1, self.number * LINES);
            format!(r#","epoch":"a","first":{first},"last":{last}"#)
        } else {
            String::new()
        };
        let header = format!(r#","source":"{}"{sequence}"#, self.source);
        changes(&header, &lines).replacen("\"shop\"", &format!("\"{}\"", self.flow), 1)
    }

    /// Sends it to one address after the other until one has taken it; gives how many had not.
    pub(crate) fn send(&self, client: &Client, urls: &[String]) -> usize {
        let body = self.body();
        let key = format!("{}/{}", self.source, self.number);
        for tries in 0..TRIES {
            let url = &urls[(self.node + tries) % urls.len()];
            let mut request = client.post(url.replace("SOURCE", &self.source));
            if self.has_header {
                request = request.header("indexeddb.database", &self.flow);
            }
            let request = request
                .header("Content-Type", "application/x-ndjson")
                .header("idempotency-key", &key)
                .body(body.clone());
            match request.send().map(|answer| answer.status().as_u16()) {
                Ok(200) => return tries,
                // What a node that dies says, or one that has no room.
                Ok(503) | Err(_) => thread::sleep(PAUSE),
                Ok(status) => panic!("{url} says {status} to {key}"),
            }
        }
        panic!("no node takes {key}");
    }
}

/// The records of each flow when all batches have been stored once.
pub(crate) fn expected(batches: &[Batch]) -> Flows {
    let mut flows = Flows::new();
    for batch in batches {
        let flow = flows.entry(batch.flow.clone()).or_default();
        for record in batch.records() {
            flow.insert(record["id"].as_str().unwrap().to_owned(), record);
        }
        let counter =
            flow.entry(COUNTER.to_owned()).or_insert_with(|| json!({"id": COUNTER, "count": 0}));
        counter["count"] = (counter["count"].as_u64().unwrap() + 1).into();
    }
    flows
}

/// The first batch of a flow, with the counter at nothing.
pub(crate) fn beginning(flow: &str) -> String {
    let counter =
        format!(r#"{{"op":"put","store":"data","value":{{"id":"{COUNTER}","count":0}}}}"#);
    changes("", &[counter]).replacen("\"shop\"", &format!("\"{flow}\""), 1)
}
