//! Sources that pull and do what `rules.md` says of them have the same records as head in the end: with answers that are lost,
//! batches that come again, and others that write meanwhile.

use std::collections::BTreeSet;

use nifi_idb::policy::{Detect, FieldPath, FieldRule, ThreeWay, Tombstones};

use super::*;

/// Histories in a test run; `NIFI_IDB_HISTORIES` asks for another number.
const HISTORIES: u64 = 700;
const KEYS: u64 = 4;
const STEPS: usize = 40;

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn scope(resolver: Resolver) -> StorePolicy {
    let mut scope = StorePolicy { scope: "data".into(), ..StorePolicy::unsaid() };
    for kind in [ConflictType::InsertInsert, ConflictType::UpdateUpdate] {
        scope.types[kind as usize] = Some(resolver.clone());
    }
    scope
}

fn everything(resolver: Resolver) -> StorePolicy {
    let mut policy = scope(resolver.clone());
    for &kind in ConflictType::ALL {
        if resolver.kind().serves(kind)
            && !matches!(kind, ConflictType::SchemaNewer | ConflictType::SchemaOlder)
        {
            policy.types[kind as usize] = Some(resolver.clone());
        }
    }
    policy
}

/// Policies of all kinds; `None` is the built-in default.
fn policies() -> Vec<Option<Policy>> {
    let field = |name: &str, resolver: Resolver| FieldRule {
        name: name.into(),
        paths: vec![FieldPath::parse(name).unwrap()],
        resolver,
    };
    let three_way = || scope(Resolver::ThreeWay(ThreeWay::default()));
    let fields = vec![field("n", Resolver::Delta), field("most", Resolver::Max { by: None })];
    let deletes_win = || {
        let mut policy = scope(Resolver::LastWriteWins);
        policy.types[ConflictType::UpdateDelete as usize] = Some(Resolver::IncomingWins);
        for kind in [ConflictType::DeleteUpdate, ConflictType::UpdateRecentlyDeleted] {
            policy.types[kind as usize] = Some(Resolver::HeadWins);
        }
        policy
    };
    let scopes = [
        three_way(),
        StorePolicy { fields: fields.clone(), ..three_way() },
        StorePolicy { detect: Detect::ChangedFields, ..three_way() },
        StorePolicy { detect: Detect::Clock, ..scope(Resolver::LastWriteWins) },
        StorePolicy { detect: Detect::Clock, ..everything(Resolver::HeadWins) },
        everything(Resolver::HeadWins),
        everything(Resolver::IncomingWins),
        everything(Resolver::Park),
        scope(Resolver::FirstWriteWins),
        StorePolicy { commutative: true, ..everything(Resolver::LastWriteWins) },
        StorePolicy { commutative: true, fields, ..deletes_win() },
    ];
    let forgetting = Policy {
        default: StorePolicy { detect: Detect::Clock, ..everything(Resolver::Park) },
        tombstones: Some(Tombstones { keep_ms: 64, longest_offline_ms: 32 }),
        ..Policy::default()
    };
    let with = |default| Some(Policy { default, ..Policy::default() });
    [None, Some(forgetting)].into_iter().chain(scopes.into_iter().map(with)).collect()
}

#[derive(Clone, Debug)]
struct Change {
    key: u64,
    /// `None`: it deletes.
    value: Option<String>,
    at: Option<i64>,
    /// What it was made on, for those that say it.
    before: Option<String>,
}

/// A batch as it was sent: the members of its header, and how many of the queue's changes it has.
#[derive(Clone, Debug)]
struct Sent {
    more: String,
    delivery: Option<String>,
    count: usize,
}

/// A source as it is in its browser.
#[derive(Debug)]
struct Client {
    name: String,
    is_numbered: bool,
    local: BTreeMap<u64, String>,
    base: Option<u32>,
    /// Changes that were not answered.
    queue: Vec<Change>,
    /// Number of the first of them.
    first: u64,
    /// What was sent and not answered, where it is sent again as it was.
    open: Option<Sent>,
    deliveries: u64,
}

struct History {
    lab: Lab,
    dice: Dice,
    clients: Vec<Client>,
    clock: i64,
    log: Vec<String>,
}

impl History {
    fn says_what_was(&self) -> bool {
        self.lab.policy.as_ref().is_some_and(|policy| policy.default.commutative)
    }

    fn change(&mut self, who: usize) {
        let key = self.dice.roll(KEYS);
        let [most, n, note] = [4, 5, 6].map(|sides| self.dice.roll(sides));
        let value = format!(r#"{{"most":{most},"n":{n},"note":{note}}}"#);
        let value = (self.dice.roll(5) > 0).then_some(value);
        // Some clocks are slow, some are fast, some are not there.
        let clock = self.clock + self.dice.roll(20) as i64 - 10;
        let at = (self.says_what_was() || self.dice.roll(3) > 0).then_some(clock);
        let client = &mut self.clients[who];
        let before = client.local.get(&key).cloned();
        match &value {
            Some(value) => drop(client.local.insert(key, value.clone())),
            None => drop(client.local.remove(&key)),
        }
        client.queue.push(Change { key, value, at, before });
    }

    /// The batch that the source sends next: all that is open, or what was not answered once more.
    fn batch(&mut self, who: usize) -> Sent {
        let client = &mut self.clients[who];
        if let Some(open) =
            client.open.clone().filter(|_| !client.is_numbered || self.dice.roll(3) == 0)
        {
            return open;
        }
        let mut more = client.base.map_or_else(String::new, |base| format!(r#","base":{base}"#));
        let count = client.queue.len();
        let mut delivery = None;
        if count > 0 && client.is_numbered {
            let (first, last) = (client.first, client.first + count as u64 - 1);
            more.push_str(&format!(r#","epoch":"e","first":{first},"last":{last}"#));
        } else if count > 0 {
            client.deliveries += 1;
            delivery = Some(client.deliveries.to_string());
        }
        Sent { more, delivery, count }
    }

    fn send(&mut self, who: usize, may_be_lost: bool) {
        let sent = self.batch(who);
        let says_what_was = self.says_what_was();
        let client = &self.clients[who];
        let line = |change: &Change| {
            let at = change.at.map_or_else(String::new, |at| format!(r#","at":{at}"#));
            let base = match &change.before {
                _ if !says_what_was => String::new(),
                Some(before) => format!(r#","base":{{"value":{before}}}"#),
                None => r#","base":{"absent":true}"#.to_owned(),
            };
            match &change.value {
                Some(value) => {
                    format!(
                        r#"{{"op":"put","store":"data","key":{},"value":{value}{at}{base}}}"#,
                        change.key
                    )
                }
                None => delete(change.key as u32, &format!("{at}{base}")),
            }
        };
        let lines: Vec<_> = client.queue[..sent.count].iter().map(line).collect();
        let options =
            SyncOptions { pull: true, delivery: sent.delivery.clone(), ..SyncOptions::default() };
        let name = client.name.clone();
        let from = From { source: &name, more: &sent.more, received_at: self.clock, schema: 1 };
        let (summary, report) = self.lab.send_with(&from, &lines, options).unwrap();
        let lost = may_be_lost && self.dice.roll(3) == 0;
        self.log.push(format!("{name} {} {lines:?} lost={lost}\n   {report:?}", sent.more));
        let client = &mut self.clients[who];
        if lost {
            client.open = (sent.count > 0).then_some(sent);
            return;
        }
        client.open = None;
        client.queue.drain(..sent.count);
        client.first += sent.count as u64;
        let changed: BTreeSet<u64> = client.queue.iter().map(|change| change.key).collect();
        for line in &report {
            match line["type"].as_str() {
                Some("reset") => client.local.retain(|key, _| changed.contains(key)),
                Some("change") => {
                    let line = &line["line"];
                    let key = line["key"].as_u64().unwrap();
                    match (changed.contains(&key), &line["op"]) {
                        (true, _) => {}
                        (false, op) if op == "delete" => drop(client.local.remove(&key)),
                        _ => drop(client.local.insert(key, line["value"].to_string())),
                    }
                }
                _ => {}
            }
        }
        client.base = summary.version.map(|version| version.get()).or(client.base);
    }

    fn head(&self) -> BTreeMap<u64, String> {
        let records = self.lab.list(&List::Records("data".into())).into_iter();
        let normal = |value: String| serde_json::from_str::<Value>(&value).unwrap().to_string();
        records.map(|(key, value)| (key.parse().unwrap(), normal(value))).collect()
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            self.clock += 1 + self.dice.roll(5) as i64;
            let who = self.dice.roll(self.clients.len() as u64) as usize;
            if self.dice.roll(2) == 0 {
                self.change(who);
            } else {
                self.send(who, true);
            }
        }
        // All are answered: once for what is left to send, once for what the others sent after it.
        for _ in 0..3 {
            for who in 0..self.clients.len() {
                self.clock += 1;
                self.send(who, false);
            }
        }
        let head = self.head();
        for client in &self.clients {
            assert_eq!(client.local, head, "{}", client.name);
        }
    }
}

#[test]
fn sources_that_pull_have_what_head_has_in_the_end() {
    let histories = std::env::var("NIFI_IDB_HISTORIES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(HISTORIES);
    let policies = policies();
    for seed in 0..histories {
        let place = seed as usize % policies.len();
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let client = |number: u64, dice: &mut Dice| Client {
            name: format!("s{number}"),
            is_numbered: dice.roll(2) == 0,
            local: BTreeMap::new(),
            base: None,
            queue: Vec::new(),
            first: 1,
            open: None,
            deliveries: 0,
        };
        let clients = (0..2 + dice.roll(3)).map(|number| client(number, &mut dice)).collect();
        let policy = policies[place].clone().map(Arc::new);
        let lab = Lab { store: MemoryStore::default(), policy };
        let mut history = History { lab, dice, clients, clock: 1_000, log: Vec::new() };
        let run = std::panic::AssertUnwindSafe(|| history.play());
        if let Err(cause) = std::panic::catch_unwind(run) {
            eprintln!("history {seed}, policy {place}:\n{}", history.log.join("\n"));
            std::panic::resume_unwind(cause);
        }
    }
}
