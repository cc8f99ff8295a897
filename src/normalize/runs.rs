//! Sorted runs of changes in key order, in memory up to a budget and in unlinked files above it.
//!
//! Changes are ordered by object store position, sortable key and number of the change, so changes
//! of one key are returned in line order.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::record::{Record, encoded_key};
use crate::temporary::private_file;

/// The default budget of memory, in bytes. Above it, changes are written to a file as one sorted
/// run.
pub const DEFAULT_MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// The number of runs above which runs are merged, smallest first.
const MAX_RUNS: usize = 64;
const READ_BYTES: usize = 64 * 1024;

/// Takes changes in any order and returns them in order, any number of times.
#[derive(Debug)]
pub struct Runs {
    memory_bytes: usize,
    folder: Option<PathBuf>,
    arena: Arena,
    files: Vec<FileRun>,
}

/// Encoded changes and their offsets.
#[derive(Clone, Debug, Default)]
struct Arena {
    bytes: Vec<u8>,
    places: Vec<RunPlace>,
    sorted: bool,
}

#[derive(Clone, Copy, Debug)]
struct RunPlace {
    store: u32,
    /// The first eight bytes of the key, so that most comparisons do not read the key.
    prefix: u64,
    offset: usize,
}

#[derive(Clone, Debug)]
struct FileRun {
    file: Arc<File>,
    bytes: u64,
    last: (u32, Vec<u8>),
}

fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = key.len().min(8);
    first[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(first)
}

impl Arena {
    fn push(&mut self, record: &Record<'_>) {
        let place =
            RunPlace { store: record.store, prefix: prefix(record.key), offset: self.bytes.len() };
        record.encode(&mut self.bytes);
        self.sorted = match self.places.last() {
            None => true,
            Some(last) => self.sorted && self.compare(last, &place) != Ordering::Greater,
        };
        self.places.push(place);
    }

    fn compare(&self, a: &RunPlace, b: &RunPlace) -> Ordering {
        let key = |place: &RunPlace| encoded_key(&self.bytes[place.offset..]);
        (a.store, a.prefix).cmp(&(b.store, b.prefix)).then_with(|| key(a).cmp(key(b)))
    }

    /// Sorts the changes. Changes of one key stay in the order in which they were added.
    fn sort(&mut self) {
        if !self.sorted {
            let mut places = std::mem::take(&mut self.places);
            places.sort_by(|a, b| self.compare(a, b));
            self.places = places;
            self.sorted = true;
        }
    }

    fn key_at(&self, place: usize) -> Option<(u32, &[u8])> {
        self.places.get(place).map(|place| (place.store, encoded_key(&self.bytes[place.offset..])))
    }
}

impl Runs {
    /// Returns empty runs that keep `memory_bytes` in memory. Files are created in `folder`, or in
    /// the system's folder for temporary files.
    pub fn new(memory_bytes: usize, folder: Option<PathBuf>) -> Self {
        Self { memory_bytes, folder, arena: Arena::default(), files: Vec::new() }
    }

    /// Adds a change.
    pub fn push(&mut self, record: &Record<'_>) -> io::Result<()> {
        let needed = record.encoded_bytes();
        if !self.arena.places.is_empty() && self.arena.bytes.len() + needed > self.memory_bytes {
            self.spill()?;
        }
        self.arena.push(record);
        Ok(())
    }

    /// Returns the number of runs in files.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Sorts the changes in memory; call it after the last change.
    pub fn seal(&mut self) {
        self.arena.sort();
    }

    fn spill(&mut self) -> io::Result<()> {
        self.arena.sort();
        let Some(last) = self.arena.key_at(self.arena.places.len() - 1) else { return Ok(()) };
        let last = (last.0, last.1.to_vec());
        let follows = |run: &FileRun| {
            self.arena
                .key_at(0)
                .is_some_and(|(store, key)| (run.last.0, &*run.last.1) < (store, key))
        };
        // Input in key order, such as a dump, makes one long run.
        let mut run = match self.files.pop_if(|run| follows(run)) {
            Some(run) => run,
            None => FileRun { file: Arc::new(self.file()?), bytes: 0, last: Default::default() },
        };
        let mut writer = BufWriter::with_capacity(
            READ_BYTES * 4,
            AtFile { file: Arc::clone(&run.file), offset: run.bytes },
        );
        for place in &self.arena.places {
            let (length, _) = Record::decode(&self.arena.bytes[place.offset..])?;
            writer.write_all(&self.arena.bytes[place.offset..place.offset + length])?;
            run.bytes += length as u64;
        }
        writer.flush()?;
        run.last = last;
        self.files.push(run);
        self.arena.bytes.clear();
        self.arena.places.clear();
        if self.files.len() > MAX_RUNS { self.merge_smallest() } else { Ok(()) }
    }

    fn file(&self) -> io::Result<File> {
        private_file(self.folder.as_deref())
    }

    fn merge_smallest(&mut self) -> io::Result<()> {
        self.files.sort_by_key(|run| std::cmp::Reverse(run.bytes));
        let small = self.files.split_off(MAX_RUNS / 2);
        let file = Arc::new(self.file()?);
        let mut writer =
            BufWriter::with_capacity(READ_BYTES * 4, AtFile { file: Arc::clone(&file), offset: 0 });
        let mut merged = MergedRuns::new(small.iter().map(Cursor::file).collect())?;
        let mut run = FileRun { file, bytes: 0, last: Default::default() };
        while let Some(bytes) = merged.next()? {
            writer.write_all(bytes)?;
            run.bytes += bytes.len() as u64;
            let (_, record) = Record::decode(bytes)?;
            run.last.0 = record.store;
            run.last.1.clear();
            run.last.1.extend_from_slice(record.key);
        }
        writer.flush()?;
        self.files.push(run);
        Ok(())
    }

    /// Returns all changes in order. Requires [`Self::seal`].
    pub fn iter(&self) -> io::Result<MergedRuns<'_>> {
        let mut cursors: Vec<_> = self.files.iter().map(Cursor::file).collect();
        cursors.push(Cursor::Memory { arena: &self.arena, place: 0, current: 0..0 });
        MergedRuns::new(cursors)
    }
}

/// A file that is read and written at explicit offsets, so several walks can share it.
#[derive(Debug)]
struct AtFile {
    file: Arc<File>,
    offset: u64,
}

impl Read for AtFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl Write for AtFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.file.write_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
enum Cursor<'a> {
    Memory { arena: &'a Arena, place: usize, current: std::ops::Range<usize> },
    File { reader: BufReader<AtFile>, left: u64, current: Vec<u8> },
}

impl Cursor<'_> {
    fn file(run: &FileRun) -> Self {
        let file = AtFile { file: Arc::clone(&run.file), offset: 0 };
        Self::File {
            reader: BufReader::with_capacity(READ_BYTES, file),
            left: run.bytes,
            current: Vec::new(),
        }
    }

    /// Moves to the next change; returns false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        match self {
            Self::Memory { arena, place, current } => {
                let Some(next) = arena.places.get(*place) else { return Ok(false) };
                let (length, _) = Record::decode(&arena.bytes[next.offset..])?;
                *current = next.offset..next.offset + length;
                *place += 1;
            }
            Self::File { reader, left, current } => {
                if *left == 0 {
                    return Ok(false);
                }
                let length = Record::read(reader, current)?;
                *left = left.checked_sub(length as u64).ok_or(io::ErrorKind::InvalidData)?;
            }
        }
        Ok(true)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Memory { arena, current, .. } => &arena.bytes[current.clone()],
            Self::File { current, .. } => current,
        }
    }

    fn order(&self) -> io::Result<(u32, &[u8], u64)> {
        let (_, record) = Record::decode(self.bytes())?;
        Ok((record.store, record.key, record.index))
    }
}

/// All runs merged into one, in order.
#[derive(Debug)]
pub struct MergedRuns<'a> {
    /// A binary heap by [`Cursor::order`], the smallest first.
    cursors: Vec<Cursor<'a>>,
    started: bool,
}

impl<'a> MergedRuns<'a> {
    fn new(cursors: Vec<Cursor<'a>>) -> io::Result<Self> {
        let mut live = Vec::with_capacity(cursors.len());
        for mut cursor in cursors {
            if cursor.advance()? {
                live.push(cursor);
            }
        }
        let mut merged = Self { cursors: live, started: false };
        for place in (0..merged.cursors.len() / 2).rev() {
            merged.sink(place)?;
        }
        Ok(merged)
    }

    fn sink(&mut self, mut place: usize) -> io::Result<()> {
        loop {
            let mut smallest = place;
            for child in [2 * place + 1, 2 * place + 2] {
                let Some(candidate) = self.cursors.get(child) else { break };
                if candidate.order()? < self.cursors[smallest].order()? {
                    smallest = child;
                }
            }
            if smallest == place {
                return Ok(());
            }
            self.cursors.swap(place, smallest);
            place = smallest;
        }
    }

    /// Returns the next change, encoded.
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if self.started && !self.cursors.is_empty() {
            if !self.cursors[0].advance()? {
                self.cursors.swap_remove(0);
            }
            self.sink(0)?;
        }
        self.started = true;
        Ok(self.cursors.first().map(Cursor::bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::normalize::record::{BaseBytes, OP_PUT};

    proptest! {
        #[test]
        fn any_budget_gives_the_same_order(keys in prop::collection::vec((0u32..3, prop::collection::vec(any::<u8>(), 0..12)), 0..400), budget in 1usize..6000) {
            let mut runs = Runs::new(budget, None);
            for (index, (store, key)) in keys.iter().enumerate() {
                let value = vec![b'x'; key.len() * 3];
                let record = Record { store: *store, key, index: index as u64, op: OP_PUT, at: None, base: BaseBytes::None, value: &value, unsent: b"" };
                runs.push(&record).unwrap();
            }
            runs.seal();
            let mut expected: Vec<_> = keys.into_iter().enumerate().map(|(index, (store, key))| (store, key, index as u64)).collect();
            expected.sort();
            for _ in 0..2 {
                let mut found = Vec::new();
                let mut merged = runs.iter().unwrap();
                while let Some(bytes) = merged.next().unwrap() {
                    let (_, record) = Record::decode(bytes).unwrap();
                    prop_assert_eq!(record.value.len(), record.key.len() * 3);
                    found.push((record.store, record.key.to_vec(), record.index));
                }
                prop_assert_eq!(&found, &expected);
            }
        }
    }

    #[test]
    fn sorted_input_makes_one_run_and_many_runs_are_merged() {
        let push = |runs: &mut Runs, number: u64, index: u64| {
            let key = number.to_be_bytes();
            let record = Record {
                store: 0,
                key: &key,
                index,
                op: OP_PUT,
                at: None,
                base: BaseBytes::None,
                value: b"v",
                unsent: b"",
            };
            runs.push(&record).unwrap();
        };
        let mut sorted = Runs::new(256, None);
        (0..2000).for_each(|number| push(&mut sorted, number, number));
        assert_eq!(sorted.file_count(), 1);
        let mut mixed = Runs::new(256, None);
        (0..2000).for_each(|number| push(&mut mixed, number * 7919 % 2000, number));
        assert!(mixed.file_count() <= MAX_RUNS, "{}", mixed.file_count());
    }
}
