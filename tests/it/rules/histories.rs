//! Random histories of many sources, and a checker that knows nothing of the rules: what a source has sent is never gone
//! without a trace, what it had not seen is never written over without one, and what comes again changes nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use nifi_idb::history::{At, open_version, verify};
use nifi_idb::policy::{Arrays, Detect, FieldPath, FieldRule, ThreeWay, Unresolved};
use nifi_idb::report::Outcome;
use nifi_idb::snapshot::Digest;

use super::*;

/// Histories in a test run; `NIFI_IDB_HISTORIES` asks for another number.
const HISTORIES: u64 = 2_100;
const SOURCES: usize = 6;
const KEYS: u32 = 4;
const STEPS: usize = 14;

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn of(&mut self, odds: u64) -> bool {
        self.roll(odds) == 0
    }
}

fn field(name: &str, resolver: Resolver) -> FieldRule {
    FieldRule { name: name.into(), paths: vec![FieldPath::parse(name).unwrap()], resolver }
}

fn scope(resolver: Resolver) -> StorePolicy {
    let mut scope = StorePolicy { scope: "data".into(), ..StorePolicy::unsaid() };
    for kind in [ConflictType::InsertInsert, ConflictType::UpdateUpdate] {
        scope.types[kind as usize] = Some(resolver.clone());
    }
    scope
}

/// Policies of all kinds; `None` is the built-in default.
fn policies() -> Vec<Option<StorePolicy>> {
    let three_way = || scope(Resolver::ThreeWay(ThreeWay::default()));
    let fields = vec![
        field("n", Resolver::Delta),
        field("most", Resolver::Max { by: None }),
        field("tags", Resolver::SetUnion),
        field("born", Resolver::Immutable),
    ];
    let group = FieldRule {
        name: "group".into(),
        paths: vec![FieldPath::parse("n").unwrap(), FieldPath::parse("most").unwrap()],
        resolver: Resolver::HeadWins,
    };
    let everything = |resolver: Resolver| {
        let mut policy = three_way();
        for &kind in ConflictType::ALL {
            if resolver.kind().serves(kind) {
                policy.types[kind as usize] = Some(resolver.clone());
            }
        }
        policy
    };
    let sets = ThreeWay { arrays: Arrays::Set, contested: Box::new(Resolver::Park) };
    vec![
        None,
        Some(three_way()),
        Some(scope(Resolver::LastWriteWins)),
        Some(scope(Resolver::FirstWriteWins)),
        Some(everything(Resolver::HeadWins)),
        Some(everything(Resolver::IncomingWins)),
        Some(everything(Resolver::Park)),
        Some(everything(Resolver::Skip)),
        Some(StorePolicy { fields: fields.clone(), ..three_way() }),
        Some(StorePolicy {
            fields: fields.clone(),
            unresolved: Unresolved::LastWriteWins,
            ..scope(Resolver::HeadWins)
        }),
        Some(StorePolicy { fields: vec![group], ..three_way() }),
        Some(scope(Resolver::ThreeWay(sets))),
        Some(StorePolicy { detect: Detect::ChangedFields, ..three_way() }),
        Some(StorePolicy { detect: Detect::Clock, ..three_way() }),
        Some(StorePolicy { commutative: true, ..scope(Resolver::LastWriteWins) }),
    ]
}

/// A source as it is in its browser.
#[derive(Clone, Default)]
struct Source {
    /// The version up to which it has applied everything.
    seen: u32,
    /// The last change that it was acknowledged for.
    sequence: u64,
    /// What it sent last, to send it again.
    last: Option<(String, Vec<String>)>,
}

struct History {
    lab: Lab,
    dice: Dice,
    sources: Vec<Source>,
    /// Of each key: the version that changed it last, and the sources that said themselves what stands.
    known: BTreeMap<u32, (u32, BTreeSet<usize>)>,
    ever: BTreeSet<u32>,
    /// What each version holds, from 0, which holds nothing.
    versions: Vec<BTreeMap<String, String>>,
    clock: i64,
    log: Vec<String>,
}

/// One change that a source sends: a canonical value, or `None` for a deletion.
type Sent = BTreeMap<u32, Option<String>>;

impl History {
    fn value(&mut self) -> String {
        let [born, most, n, note, tag] = [3, 4, 5, 6, 3].map(|sides| self.dice.roll(sides));
        format!(r#"{{"born":{born},"most":{most},"n":{n},"note":{note},"tags":[{tag}]}}"#)
    }

    fn step(&mut self) {
        let who = self.dice.roll(SOURCES as u64) as usize;
        self.clock += 1 + self.dice.roll(5) as i64;
        match self.dice.roll(10) {
            0 | 1 => self.sources[who].seen = self.head(),
            2 => self.again(who),
            _ => self.change(who),
        }
    }

    fn head(&self) -> u32 {
        self.lab.store.head(&flow()).unwrap().map_or(0, |head| head.manifest.version.get())
    }

    /// What was sent comes once more: nothing may change.
    fn again(&mut self, who: usize) {
        let Some((more, lines)) = self.sources[who].last.clone() else { return };
        let before = self.lab.store.head(&flow()).unwrap().unwrap().state;
        let name = format!("s{who}");
        let summary = self
            .lab
            .ok(&From { source: &name, more: &more, received_at: self.clock, schema: 1 }, &lines);
        assert_eq!(summary.outcome, Outcome::Unchanged, "a replay");
        assert_eq!(self.lab.store.head(&flow()).unwrap().unwrap().state, before, "a replay");
    }

    fn change(&mut self, who: usize) {
        let source = self.sources[who].clone();
        let mut sent = Sent::new();
        let mut lines = Vec::new();
        for _ in 0..=self.dice.roll(3) {
            let key = self.dice.roll(KEYS.into()) as u32;
            if sent.contains_key(&key) {
                continue;
            }
            let mut more = String::new();
            if !self.dice.of(3) || self.commutative() {
                // Some clocks are slow, some are fast.
                more = format!(r#","at":{}"#, self.clock + self.dice.roll(20) as i64 - 10);
            }
            let deletes = self.dice.of(5);
            let value = if deletes { None } else { Some(self.value()) };
            lines.push(match &value {
                None => delete(key, &more),
                Some(value) => {
                    format!(r#"{{"op":"put","store":"data","key":{key},"value":{value}{more}}}"#)
                }
            });
            sent.insert(key, value);
        }
        let (first, last) = (source.sequence + 1, source.sequence + lines.len() as u64);
        let mut more = format!(r#","epoch":"e","first":{first},"last":{last}"#);
        // Without a base a source claims to have seen nothing.
        let base = if source.seen > 0 && !self.dice.of(4) { source.seen } else { 0 };
        if base > 0 {
            more.push_str(&format!(r#","base":{base}"#));
        }
        self.log.push(format!("s{who} {more} {lines:?}"));
        let before = self.lab.data();
        let conflicts_before = self.lab.conflicts();
        let name = format!("s{who}");
        let summary = self
            .lab
            .ok(&From { source: &name, more: &more, received_at: self.clock, schema: 1 }, &lines);
        let version = summary.version.unwrap().get();
        self.sources[who].sequence = last;
        self.sources[who].last = Some((more, lines));
        self.check(who, base, &sent, version, &before, &conflicts_before);
    }

    fn commutative(&self) -> bool {
        self.lab.policy.as_ref().is_some_and(|policy| policy.default.commutative)
    }

    fn check(
        &mut self,
        who: usize,
        base: u32,
        sent: &Sent,
        version: u32,
        before: &BTreeMap<String, String>,
        conflicts_before: &BTreeMap<String, Value>,
    ) {
        let (after, conflicts) = (self.lab.data(), self.lab.conflicts());
        self.versions.resize(version as usize + 1, after.clone());
        for (key, line) in conflicts_before {
            assert_eq!(conflicts.get(key), Some(line), "a line of the log changed or went");
        }
        for key in (0..KEYS).filter(|key| !sent.contains_key(key)) {
            assert_eq!(
                before.get(&key.to_string()),
                after.get(&key.to_string()),
                "{key} was not sent"
            );
        }
        for (key, value) in sent {
            let name = key.to_string();
            let (was, is) = (before.get(&name), after.get(&name));
            let wanted = value.clone().unwrap_or_else(|| "-".to_owned());
            // The same conflict again, with head as it was, is not logged anew.
            let again = || {
                let of_key = |id: &str| id.ends_with(&format!(r#","data",{key}]"#));
                let digest = |value: &str| Digest::of(value.as_bytes()).to_string();
                let side = |side: &Value, state: Option<&String>| match state
                    .filter(|state| *state != "-")
                {
                    Some(value) => side["digest"] == digest(value).as_str(),
                    None => side["digest"].is_null(),
                };
                let is_same = |line: &Value| {
                    side(&line["incoming"], Some(&wanted)) && side(&line["head"], was)
                };
                conflicts
                    .iter()
                    .find(|(id, line)| of_key(id) && was == is && is_same(line))
                    .map(|(_, line)| line)
            };
            let conflict = conflicts.get(&format!(r#"[{version},"data",{key}]"#)).or_else(again);
            if is != Some(&wanted) {
                let kept = conflict.map(|line| &line["incoming"]);
                self.traced(kept, &wanted, is, (base, *key), &format!("what s{who} sent of {key}"));
            }
            // What it had not seen may not go without a trace.
            let (changed, authors) = self.known.entry(*key).or_default();
            let had_seen = *changed <= base || authors.contains(&who);
            if was != is {
                *changed = version;
                authors.clear();
            }
            if is == Some(&wanted) {
                authors.insert(who);
            }
            if let Some(was) = was.filter(|was| Some(*was) != is && !had_seen) {
                let by_clock = self
                    .lab
                    .policy
                    .as_ref()
                    .is_some_and(|policy| policy.default.detect == Detect::Clock);
                // There a later clock says that it was seen.
                if !by_clock || conflict.is_some() {
                    let kept = conflict.map(|line| &line["head"]);
                    self.traced(kept, was, is, (base, *key), &format!("what was stored of {key}"));
                }
            }
            if was.is_some() || is.is_some() {
                self.ever.insert(*key);
            }
        }
        for key in &self.ever {
            assert!(after.contains_key(&key.to_string()), "{key} has neither record nor tombstone");
        }
        self.sources[who].seen = self.sources[who].seen.max(base);
    }

    /// A state that does not stand is whole in the log, or everything that it changed is in what stands.
    fn traced(
        &self,
        side: Option<&Value>,
        state: &str,
        is: Option<&String>,
        base: (u32, u32),
        what: &str,
    ) {
        let merged = || {
            let value =
                |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
            let before = self.versions[base.0 as usize]
                .get(&base.1.to_string())
                .and_then(|before| value(before));
            let (Some(state), Some(is)) = (value(state), is.and_then(|is| value(is))) else {
                return false;
            };
            let known = before.filter(|_| base.0 > 0).unwrap_or_default();
            let sums = |name: &str| {
                let fields = self.lab.policy.iter().flat_map(|policy| &policy.default.fields);
                fields
                    .filter(|rule| matches!(rule.resolver, Resolver::Delta | Resolver::SetUnion))
                    .any(|rule| *rule.name == *name)
            };
            let members = state.as_object().unwrap().iter();
            members
                .filter(|(name, value)| known[*name] != **value)
                .all(|(name, value)| is[name] == *value || sums(name))
        };
        let silent = self
            .lab
            .policy
            .as_ref()
            .is_some_and(|policy| policy.default.detect == Detect::ChangedFields);
        let Some(side) = side else {
            assert!(silent && merged(), "{what} is gone without a line: {state}, now {is:?}");
            return;
        };
        let digest = if state == "-" {
            Value::Null
        } else {
            Digest::of(state.as_bytes()).to_string().into()
        };
        assert_eq!(side["digest"], digest, "{what}: another digest");
        let whole = state == "-" || side["value"] == serde_json::from_str::<Value>(state).unwrap();
        assert!(
            whole || merged(),
            "{what} is neither kept nor merged: {state}, now {is:?}, kept {side}"
        );
    }
}

fn play(seed: u64, policies: &[Option<StorePolicy>]) {
    let policy = policies[seed as usize % policies.len()].clone();
    let policy = policy.map(|default| Arc::new(Policy { default, ..Policy::default() }));
    let mut history = History {
        lab: Lab { store: MemoryStore::default(), policy },
        dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        sources: vec![Source::default(); SOURCES],
        known: BTreeMap::new(),
        ever: BTreeSet::new(),
        versions: vec![BTreeMap::new()],
        clock: 1_000,
        log: Vec::new(),
    };
    let run = std::panic::AssertUnwindSafe(|| {
        (0..STEPS).for_each(|_| history.step());
        if history.head() > 0 {
            let version = open_version(&history.lab.store, &flow(), At::Latest).unwrap();
            verify(&history.lab.store, &flow(), &version, true).unwrap();
        }
    });
    if let Err(cause) = std::panic::catch_unwind(run) {
        eprintln!(
            "history {seed}, policy {}:\n{}",
            seed as usize % policies.len(),
            history.log.join("\n")
        );
        std::panic::resume_unwind(cause);
    }
}

#[test]
fn nothing_that_a_source_sent_is_ever_gone() {
    let histories = std::env::var("NIFI_IDB_HISTORIES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(HISTORIES);
    let (next, policies) = (AtomicU64::new(0), policies());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= histories {
                break;
            }
            play(seed, &policies);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().for_each(|thread| {
            thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        });
    });
}
