//! Random histories. The oracle plays along, so that bases, numbers and values are mostly those of a real client.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::flow::Flow;
use super::lines::said;
use super::rules::Rules;
use super::schema::{Schema, World};
use super::words::{Answered, Batch, Op, Sequence, Step};

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
    /// Bases with states, right and wrong.
    pub(super) states: bool,
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

pub(super) struct Generator {
    pub(super) dice: Dice,
    pub(super) features: Features,
    world: World,
    /// The schema of the batch at hand.
    pub(super) schema: Schema,
    pub(super) flow: Flow,
    clients: Vec<Client>,
    pub(super) clock: i64,
    steps: Vec<Step>,
    /// Batches that may come again.
    sent: Vec<Batch>,
    ids: u32,
}

/// Returns the history of a seed.
pub(super) fn generate(
    mut dice: Dice,
    rules: &'static Rules,
    world: World,
    features: Features,
) -> Vec<Step> {
    let clients = 2 + dice.roll(5) as usize;
    let clients =
        (0..clients).map(|_| Client { numbered: dice.one_in(2), ..Client::default() }).collect();
    let steps = 4 + dice.roll(9);
    let mut generator = Generator {
        dice,
        features,
        world,
        schema: world[0],
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
        // Longer than the guard remembers.
        self.clock += if self.dice.one_in(25) { 3_700_000 } else { self.dice.between(1, 20) };
        self.schema = self.pick_schema();
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

    /// Returns the flow's schema, mostly; at times the next one, or any.
    fn pick_schema(&mut self) -> Schema {
        let known = self.flow.head.database_version.unwrap_or(1);
        let place = self.world.iter().position(|schema| schema.version == known).unwrap_or(0);
        match self.dice.roll(10) {
            0 | 1 => self.world[(place + 1).min(self.world.len() - 1)],
            2 => self.dice.pick(self.world),
            _ => self.world[place],
        }
    }

    /// Returns when a batch is received: the clocks of two servers may differ.
    fn receipt(&mut self) -> i64 {
        // Where deletions are forgotten, a 32nd of the time more or less would matter.
        let goes_back = self.flow.rules.keep.is_none() && self.dice.one_in(12);
        if goes_back { self.clock - self.dice.between(1, 60) } else { self.clock }
    }

    /// Returns a batch that was sent before, perhaps with more lines behind it.
    fn again(&mut self) -> Batch {
        let mut batch = self.dice.pick(&self.sent);
        if self.dice.one_in(2) || self.flow.rules.keep.is_some() {
            batch.received_at = self.clock;
        }
        self.schema = batch.schema;
        if batch.sequence.is_none() && batch.delivery.is_some() && self.dice.one_in(8) {
            // The same delivery, it says, but it is not.
            batch.lines.pop();
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
        let mut batch =
            Batch { received_at: self.receipt(), schema: self.schema, ..Batch::default() };
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
        self.name_state(&mut batch);
        batch.pull = self.features.pull && self.dice.one_in(3);
        batch.confirms = self.dice.roll(4) > 0;
        if self.has_indexes() && self.dice.one_in(4) {
            batch.lines = self.moves();
        }
        let most = if self.has_indexes() { 6 } else { 4 };
        let count = if self.dice.one_in(15) { 0 } else { 1 + self.dice.roll(most) };
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
        let mut batch = Batch {
            received_at: self.receipt(),
            schema: self.schema,
            full: true,
            ..Batch::default()
        };
        batch.source = Some(format!("s{who}"));
        batch.base = match self.dice.roll(6) {
            0 => Some(self.clients[who].seen),
            1 => Some(self.dice.roll(u64::from(self.flow.version()) + 1) as u32),
            _ => None,
        }
        .filter(|&base| base > 0);
        self.name_state(&mut batch);
        batch.pull = self.features.pull && self.dice.one_in(3);
        batch.confirms = self.dice.roll(4) > 0;
        if self.dice.one_in(12) {
            batch.without = Some(self.dice.pick(self.schema.stores).name);
        }
        let view =
            self.flow.head.sources.get(&format!("s{who}")).and_then(|known| known.view.clone());
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
            let (store, key) = (self.dice.pick(self.schema.stores).name.to_owned(), self.key());
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
                _ => Op::Put { value: self.keyed(&store, &key, value), key: key.clone() },
            };
            line.base = (matches!(line.op, Op::Put { .. }) && self.dice.one_in(8))
                .then(|| self.claim(&store, &key));
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
            let answers =
                [None, Some(Answered::Keep), Some(Answered::Keep), Some(Answered::Mirror)];
            batch.new_epoch = self.dice.pick(&answers);
        }
        // A client goes on where its last batch was acknowledged.
        let known = self.flow.head.sources.get(&format!("s{who}"));
        let is_known =
            |epoch: u32| known.is_some_and(|known| known.epoch == Some(format!("e{epoch}")));
        if is_known(self.clients[who].epoch) && self.dice.roll(8) > 0 {
            self.clients[who].sent = known.map_or(0, |known| known.checkpoint);
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
}
