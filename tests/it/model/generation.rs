//! Random histories. The oracle plays along, so that bases, numbers and values are mostly those of a real client.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::dice::Dice;
use super::flow::Flow;
use super::rules::Rules;
use super::words::{Answered, Batch, Bound, Claim, DATA, ITEMS, Key, Line, Op, STORES, Sequence, Step};

/// What histories may have in them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    pub(super) full: bool,
    pub(super) deliveries: bool,
    pub(super) packages: bool,
    pub(super) rejected: bool,
    pub(super) pull: bool,
    /// Values that are no plain objects.
    pub(super) scalars: bool,
}

/// A source as it is in its browser.
#[derive(Clone, Default)]
struct Client {
    numbered: bool,
    epoch: u32,
    /// The last number that it gave.
    sent: u64,
    /// The version up to which it has applied everything.
    seen: u32,
}

struct Generator {
    dice: Dice,
    features: Features,
    flow: Flow,
    clients: Vec<Client>,
    clock: i64,
    steps: Vec<Step>,
    /// Batches that may come again.
    sent: Vec<Batch>,
    ids: u32,
}

/// Returns the history of a seed.
pub(super) fn generate(seed: u64, rules: &'static Rules, features: Features) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let clients = 2 + dice.roll(5) as usize;
    let clients = (0..clients).map(|_| Client { numbered: dice.one_in(2), ..Client::default() }).collect();
    let steps = 4 + dice.roll(9);
    let mut generator = Generator {
        dice,
        features,
        flow: Flow::new(rules),
        clients,
        clock: 1_000_000,
        steps: Vec::new(),
        sent: Vec::new(),
        ids: 0,
    };
    for _ in 0..steps {
        generator.step();
    }
    generator.steps
}

impl Generator {
    fn step(&mut self) {
        self.clock += self.dice.between(1, 20);
        let step = match self.dice.roll(12) {
            0 | 1 if !self.sent.is_empty() => Step::Send(self.again()),
            2 if self.features.packages => self.package(),
            3 | 4 if self.features.full => Step::Send(self.full()),
            _ => Step::Send(self.batch()),
        };
        match &step {
            Step::Send(batch) => {
                let answer = self.flow.send(batch, false);
                if answer.status == 6 && batch.confirms {
                    self.flow.send(batch, true);
                }
                self.sent.push(batch.clone());
            }
            Step::Package(batches) => {
                self.flow.send_package(batches);
                self.sent.extend(batches.iter().cloned());
            }
        }
        self.steps.push(step);
    }

    /// Returns a batch that was sent before, perhaps with more lines behind it.
    fn again(&mut self) -> Batch {
        let mut batch = self.dice.pick(&self.sent);
        if self.dice.one_in(2) {
            batch.received_at = self.clock;
        }
        if batch.sequence.is_some() && !batch.full && self.dice.one_in(3) {
            for _ in 0..=self.dice.roll(2) {
                let line = self.line();
                batch.lines.push(line);
            }
            let last = batch.lines.len() as u64;
            if let Some(sequence) = &mut batch.sequence {
                sequence.last = sequence.first + last - 1;
            }
        }
        batch
    }

    fn package(&mut self) -> Step {
        if self.dice.one_in(3)
            && let Some(Step::Package(batches)) =
                self.steps.iter().rev().find(|step| matches!(step, Step::Package(_))).cloned()
        {
            return Step::Package(batches);
        }
        let count = 1 + self.dice.roll(4);
        let batches = (0..count).map(|_| {
            let mut batch = match self.dice.roll(6) {
                0 if !self.sent.is_empty() => self.again(),
                1 if self.features.full => self.full(),
                _ => self.batch(),
            };
            batch.received_at = self.clock;
            (batch.pull, batch.new_epoch, batch.confirms) = (false, None, false);
            batch
        });
        Step::Package(batches.collect())
    }

    /// Returns a new batch of some source.
    fn batch(&mut self) -> Batch {
        let mut batch = Batch { received_at: self.clock, ..Batch::default() };
        let who = self.dice.roll(self.clients.len() as u64) as usize;
        let nameless = self.dice.one_in(10);
        if !nameless {
            batch.source = Some(format!("s{who}"));
        }
        if self.dice.one_in(2) {
            self.clients[who].seen = self.flow.version();
        }
        batch.base = match self.dice.roll(8) {
            0 | 1 => None,
            2 => Some(self.dice.roll(u64::from(self.flow.version()) + 1) as u32),
            3 if self.dice.one_in(4) => Some(self.flow.version() + 1 + self.dice.roll(2) as u32),
            _ => Some(self.clients[who].seen),
        }
        .filter(|&base| base > 0);
        batch.pull = self.features.pull && self.dice.one_in(3);
        batch.confirms = self.dice.roll(4) > 0;
        let count = if self.dice.one_in(15) { 0 } else { 1 + self.dice.roll(4) };
        for _ in 0..count {
            let line = self.line();
            batch.lines.push(line);
        }
        if !nameless && self.clients[who].numbered && !batch.lines.is_empty() {
            self.number(who, &mut batch);
        } else if self.features.deliveries && self.dice.one_in(2) {
            self.ids += 1;
            batch.delivery = Some(format!("id-{}", self.ids));
        }
        batch
    }

    /// Returns a full batch: mostly what the source sent last in full or what is stored, with some changes.
    fn full(&mut self) -> Batch {
        let who = self.dice.roll(self.clients.len() as u64) as usize;
        let mut batch = Batch { received_at: self.clock, full: true, ..Batch::default() };
        batch.source = Some(format!("s{who}"));
        batch.base = match self.dice.roll(6) {
            0 => Some(self.clients[who].seen),
            1 => Some(self.dice.roll(u64::from(self.flow.version()) + 1) as u32),
            _ => None,
        }
        .filter(|&base| base > 0);
        batch.pull = self.features.pull && self.dice.one_in(3);
        batch.confirms = self.dice.roll(4) > 0;
        if self.dice.one_in(12) {
            batch.without = Some(self.dice.pick(&[DATA, ITEMS]));
        }
        let view = self.flow.head.sources.get(&format!("s{who}")).and_then(|known| known.view.clone());
        let head = self.flow.head.records.iter();
        let mut records: BTreeMap<_, _> =
            head.filter_map(|(place, entry)| Some((place.clone(), entry.value.clone()?))).collect();
        if let Some(view) = view.filter(|_| self.dice.roll(4) > 0) {
            records = view.records;
        }
        if self.dice.one_in(12) {
            records.clear();
        }
        for _ in 0..self.dice.roll(3) {
            let (store, key) = (self.dice.pick(&STORES).to_owned(), self.key());
            let value = self.value(&store, &key);
            records.insert((store, key), value);
        }
        records.retain(|(store, _), _| batch.has(store));
        for ((store, key), mut value) in records {
            if self.dice.one_in(8) {
                continue;
            }
            let mut line = self.line();
            if self.dice.one_in(6) {
                value = self.value(&store, &key);
            }
            line.op = match self.dice.roll(25) {
                0 if self.features.rejected => self.bad(&store, &key),
                _ => Op::Put { key: key.clone(), value },
            };
            line.base = (matches!(line.op, Op::Put { .. }) && self.dice.one_in(8)).then(|| self.claim(&store, &key));
            line.store = said(&line.op, &store);
            batch.lines.push(line);
        }
        if self.clients[who].numbered {
            self.number(who, &mut batch);
        } else if self.features.deliveries && self.dice.one_in(2) {
            self.ids += 1;
            batch.delivery = Some(format!("id-{}", self.ids));
        }
        batch
    }

    fn number(&mut self, who: usize, batch: &mut Batch) {
        if self.dice.one_in(25) {
            self.clients[who].epoch += 1;
            self.clients[who].sent = 0;
            batch.new_epoch = self.dice.pick(&[None, Some(Answered::Keep), Some(Answered::Keep)]);
        }
        let client = &mut self.clients[who];
        let mut first = client.sent + 1;
        if self.dice.one_in(20) {
            first += 1 + self.dice.roll(2);
        }
        let length = if batch.full { 1 + self.dice.roll(3) } else { batch.lines.len() as u64 };
        let client = &mut self.clients[who];
        let last = first + length - 1;
        batch.sequence = Some(Sequence { epoch: format!("e{}", client.epoch), first, last });
        if first == client.sent + 1 || batch.full {
            client.sent = last;
        }
    }

    fn line(&mut self) -> Line {
        let store = self.dice.pick(&[DATA, DATA, ITEMS]);
        let key = self.key();
        let at = (!self.dice.one_in(3)).then(|| match self.dice.roll(12) {
            0 => self.clock + self.dice.between(299_000, 500_000),
            1 => self.dice.between(-5, 5),
            _ => self.clock + self.dice.between(-30, 30),
        });
        let op = match self.dice.roll(20) {
            0 => Op::Clear,
            1 | 2 => {
                let (lower, upper) = self.range();
                Op::Range { lower, upper }
            }
            3..=6 => Op::Delete { key: key.clone() },
            7 if self.features.rejected => self.bad(store, &key),
            _ => Op::Put { value: self.value(store, &key), key: key.clone() },
        };
        let base = match &op {
            Op::Put { .. } | Op::Delete { .. } if self.dice.one_in(3) => Some(self.claim(store, &key)),
            _ => None,
        };
        Line { store: said(&op, store), op, at, base }
    }

    /// Returns a line that is rejected.
    fn bad(&mut self, store: &str, key: &Key) -> Op {
        let key_text = key.to_json();
        let (reason, text) = match self.dice.roll(5) {
            0 => ("unknown-op", json!({"op": "add", "store": store, "key": key_text, "value": 1}).to_string()),
            1 => ("unknown-store", json!({"op": "delete", "store": "nowhere", "key": key_text}).to_string()),
            2 => ("missing-member", json!({"op": "put", "store": store, "key": key_text}).to_string()),
            3 => ("syntax", r#"{"op":"put","#.to_owned()),
            _ => {
                let value = if store == ITEMS {
                    format!(r#"{{"id":{key_text},"n":12345678901234567891}}"#)
                } else {
                    "12345678901234567891".to_owned()
                };
                let text = format!(r#"{{"op":"put","store":"{store}","key":{key_text},"value":{value}}}"#);
                ("number-precision", text)
            }
        };
        let is_known = !matches!(reason, "unknown-store" | "syntax");
        Op::Bad { reason, text, key: is_known.then(|| key.clone()) }
    }

    fn claim(&mut self, store: &str, key: &Key) -> Claim {
        let head = self.flow.version();
        match self.dice.roll(8) {
            0 => Claim::Absent,
            1 if self.dice.one_in(2) => Claim::Version(head + 1 + self.dice.roll(2) as u32),
            2..=4 => {
                let version = self.dice.roll(u64::from(head) + 1) as u32;
                let known = self.flow.record_at(version, &(store.to_owned(), key.clone())).cloned();
                Claim::Value(known.unwrap_or_else(|| self.value(store, key)))
            }
            _ if head == 0 => Claim::Absent,
            _ => Claim::Version(1 + self.dice.roll(u64::from(head)) as u32),
        }
    }

    fn key(&mut self) -> Key {
        match self.dice.roll(10) {
            0..=5 => Key::Number(self.dice.between(1, 4)),
            6 => Key::Date(self.dice.between(0, 1)),
            7 | 8 => Key::Text(self.dice.pick(&["a", "b", "2"]).to_owned()),
            _ => Key::Array(vec![Key::Number(1), Key::Text("x".to_owned())]),
        }
    }

    fn range(&mut self) -> (Bound, Bound) {
        loop {
            let mut bound = |odds| (!self.dice.one_in(odds)).then(|| (self.key(), self.dice.one_in(2)));
            let (lower, upper) = (bound(3), bound(3));
            let holds = match (&lower, &upper) {
                (None, None) => false,
                (Some((lower, open)), Some((upper, also))) => lower < upper || (lower == upper && !open && !also),
                _ => true,
            };
            if holds {
                return (lower, upper);
            }
        }
    }

    /// Returns a value; often the stored one with one member changed.
    fn value(&mut self, store: &str, key: &Key) -> Value {
        let place = (store.to_owned(), key.clone());
        let version = self.dice.between(0, i64::from(self.flow.version())) as u32;
        let mut value = match self.flow.record_at(version, &place) {
            Some(known) if known.is_object() && known.get("~date").is_none() && !self.dice.one_in(4) => known.clone(),
            _ if self.features.scalars && store == DATA && self.dice.one_in(6) => {
                return self.dice.pick(&[json!(1), json!("text"), json!([1, 2]), json!(null), json!({"~date": 5})]);
            }
            _ => json!({}),
        };
        for _ in 0..=self.dice.roll(2) {
            let name = self.dice.pick(&["a", "b", "n", "tags", "deep"]);
            let small = self.dice.between(0, 5);
            value[name] = match name {
                "tags" => json!([small, self.dice.roll(3)]),
                "deep" => {
                    let mut deep = value[name].as_object().cloned().unwrap_or_default();
                    deep.insert(self.dice.pick(&["x", "y"]).to_owned(), json!(small));
                    json!(deep)
                }
                _ => json!(small),
            };
        }
        if self.dice.one_in(6) {
            let name = self.dice.pick(&["a", "b", "tags", "deep"]);
            value.as_object_mut().unwrap().remove(name);
        }
        if store == ITEMS {
            value["id"] = key.to_json();
        }
        value
    }
}

/// Returns the object store that a line names, as far as there is one.
fn said(op: &Op, store: &str) -> String {
    match op {
        Op::Bad { key: None, .. } => String::new(),
        _ => store.to_owned(),
    }
}
