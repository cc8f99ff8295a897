//! Random change lines: keys, values and bases, mostly those of a real client.

use serde_json::{Value, json};

use super::generation::Generator;
use super::words::{Batch, Bound, Claim, Key, Line, Op};

impl Generator {
    pub(super) fn line(&mut self) -> Line {
        let store = self.dice.pick(self.schema.stores).name;
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
            Op::Put { .. } | Op::Delete { .. } if self.dice.one_in(3) => {
                Some(self.claim(store, &key))
            }
            _ => None,
        };
        Line { store: said(&op, store), op, at, base }
    }

    /// Returns a line that is rejected.
    pub(super) fn bad(&mut self, store: &str, key: &Key) -> Op {
        let key_text = key.to_json();
        let (reason, text) = match self.dice.roll(5) {
            0 => (
                "unknown-op",
                json!({"op": "add", "store": store, "key": key_text, "value": 1}).to_string(),
            ),
            1 => (
                "unknown-store",
                json!({"op": "delete", "store": "nowhere", "key": key_text}).to_string(),
            ),
            2 => (
                "missing-member",
                json!({"op": "put", "store": store, "key": key_text}).to_string(),
            ),
            3 => ("syntax", r#"{"op":"put","#.to_owned()),
            _ => {
                let value = match self.key_path(store) {
                    Some(path) => format!(r#"{{"{path}":{key_text},"n":12345678901234567891}}"#),
                    None => "12345678901234567891".to_owned(),
                };
                let text =
                    format!(r#"{{"op":"put","store":"{store}","key":{key_text},"value":{value}}}"#);
                ("number-precision", text)
            }
        };
        let is_known = !matches!(reason, "unknown-store" | "syntax");
        Op::Bad { reason, text, key: is_known.then(|| key.clone()) }
    }

    pub(super) fn claim(&mut self, store: &str, key: &Key) -> Claim {
        let head = self.flow.version();
        if self.features.states && self.dice.one_in(12) {
            let version = 1 + self.dice.roll(u64::from(head) + 1) as u32;
            let of = if self.dice.one_in(6) { version + 1 } else { version };
            return Claim::State(version, of);
        }
        match self.dice.roll(8) {
            0 => Claim::Absent,
            1 if self.dice.one_in(2) => Claim::Version(head + 1 + self.dice.roll(2) as u32),
            2..=4 => {
                let version = self.dice.roll(u64::from(head) + 1) as u32;
                let known = self.flow.record_at(version, &(store.to_owned(), key.clone())).cloned();
                let value = known.unwrap_or_else(|| self.value(store, key));
                Claim::Value(self.keyed(store, key, value))
            }
            _ if head == 0 => Claim::Absent,
            _ => Claim::Version(1 + self.dice.roll(u64::from(head)) as u32),
        }
    }

    pub(super) fn key(&mut self) -> Key {
        match self.dice.roll(10) {
            0..=5 => Key::Number(self.dice.between(1, 4)),
            6 => Key::Date(self.dice.between(0, 1)),
            7 | 8 => Key::Text(self.dice.pick(&["a", "b", "2"]).to_owned()),
            _ => Key::Array(vec![Key::Number(1), Key::Text("x".to_owned())]),
        }
    }

    fn range(&mut self) -> (Bound, Bound) {
        loop {
            let mut bound =
                |odds| (!self.dice.one_in(odds)).then(|| (self.key(), self.dice.one_in(2)));
            let (lower, upper) = (bound(3), bound(3));
            let holds = match (&lower, &upper) {
                (None, None) => false,
                (Some((lower, open)), Some((upper, also))) => {
                    lower < upper || (lower == upper && !open && !also)
                }
                _ => true,
            };
            if holds {
                return (lower, upper);
            }
        }
    }

    fn key_path(&self, store: &str) -> Option<&'static str> {
        self.schema.store(store)?.key_path
    }

    /// Returns a value that has the record's key where its object store looks for it.
    pub(super) fn keyed(&self, store: &str, key: &Key, mut value: Value) -> Value {
        if let Some(path) = self.key_path(store) {
            if !is_plain(&value) {
                value = json!({});
            }
            value[path] = key.to_json();
        }
        value
    }

    /// Returns true if the object stores have unique indexes.
    pub(super) fn has_indexes(&self) -> bool {
        self.schema.stores.iter().any(|shape| !shape.unique.is_empty())
    }

    /// Returns lines that hand index keys on among some stored records of one object store.
    pub(super) fn moves(&mut self) -> Vec<Line> {
        let store = self.dice.pick(self.schema.stores).name;
        let there = self.flow.head.records.iter().filter(|((of, _), _)| of == store);
        let there = there.filter_map(|((_, key), entry)| Some((key.clone(), entry.value.clone()?)));
        let mut there: Vec<(Key, Value)> = there.filter(|(_, value)| is_plain(value)).collect();
        let first = self.dice.roll(there.len().max(1) as u64) as usize;
        there.rotate_left(first);
        there.truncate(2 + self.dice.roll(3) as usize);
        let base =
            Some(self.flow.version()).filter(|&version| version > 0 && self.dice.roll(4) > 0);
        let mut lines = Vec::new();
        for (place, (key, value)) in there.iter().enumerate() {
            let next = &there[(place + 1) % there.len()].1;
            let mut value = value.clone();
            for member in ["u", "m"] {
                match next.get(member) {
                    Some(given) => value[member] = given.clone(),
                    None => drop(value.as_object_mut().unwrap().remove(member)),
                }
            }
            let value = self.keyed(store, key, value);
            let op = match self.dice.roll(8) {
                0 => Op::Delete { key: key.clone() },
                1 => continue,
                _ => Op::Put { key: key.clone(), value },
            };
            let at = (!self.dice.one_in(3)).then(|| self.clock + self.dice.between(-30, 30));
            lines.push(Line { store: store.to_owned(), op, at, base: base.map(Claim::Version) });
        }
        lines
    }

    /// Names the state of a batch's base, at times that of another version.
    pub(super) fn name_state(&mut self, batch: &mut Batch) {
        if self.features.states && self.dice.one_in(3) {
            let wrong = self.dice.one_in(8);
            batch.base_state = batch.base.map(|base| if wrong { base + 1 } else { base });
        }
    }

    /// Returns a value; often the stored one with one member changed.
    pub(super) fn value(&mut self, store: &str, key: &Key) -> Value {
        let place = (store.to_owned(), key.clone());
        let version = self.dice.between(0, i64::from(self.flow.version())) as u32;
        let mut value = match self.flow.record_at(version, &place) {
            Some(known) if is_plain(known) && !self.dice.one_in(4) => known.clone(),
            _ if self.features.scalars && self.key_path(store).is_none() && self.dice.one_in(6) => {
                return self.dice.pick(&[
                    json!(1),
                    json!("text"),
                    json!([1, 2]),
                    json!(null),
                    json!({"~date": 5}),
                ]);
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
        if self.schema.store(store).is_some_and(|shape| !shape.unique.is_empty()) {
            self.indexed(&mut value);
        }
        self.keyed(store, key, value)
    }
}

impl Generator {
    /// Gives a value index keys, of which there are few.
    fn indexed(&mut self, value: &mut Value) {
        if self.dice.roll(3) > 0 {
            value["u"] = match self.dice.roll(12) {
                0 => json!(null),
                1 => json!({"no": "key"}),
                2 => json!("x"),
                3 => json!([1, "x"]),
                4 => json!({"~date": 1}),
                _ => json!(self.dice.between(0, 3)),
            };
        }
        if self.dice.one_in(2) {
            let mut element = || self.dice.between(0, 5);
            value["m"] = match element() {
                0 => json!(1),
                1 => json!([element(), null, element(), {}]),
                2 => json!([]),
                _ => json!([element(), element()]),
            };
        }
    }
}

/// Returns true for an object with members of its own.
fn is_plain(value: &Value) -> bool {
    value.is_object() && value.get("~date").is_none()
}

/// Returns the object store that a line names, as far as there is one.
pub(super) fn said(op: &Op, store: &str) -> String {
    match op {
        Op::Bad { key: None, .. } => String::new(),
        _ => store.to_owned(),
    }
}
