//! A memory budget shared by many jobs. Each job claims memory as it grows. A claim over the budget
//! is refused, so that the system does not kill the process.
//!
//! Claims are upper estimates of the size of a text while it is parsed, made canonical and merged.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The time for which the oldest job waits for memory held by others. Younger jobs are refused at
/// once, so that they make room.
const PATIENCE: Duration = Duration::from_secs(10);

/// The memory that all jobs may claim together.
#[derive(Debug)]
pub struct MemoryBudget {
    total: u64,
    held: Mutex<Held>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    claimed: u64,
    /// The sizes of the claims, oldest job first; jobs without memory are not listed.
    claims: BTreeMap<u64, [u64; USES]>,
}

/// A purpose of claimed memory. For each purpose a job holds the largest claim so far, until the
/// job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryUse {
    /// Sorting and writing, which need a constant amount.
    Content,
    /// A message that is in memory as a whole.
    Message,
    /// A line or other text that is parsed in one piece.
    Text,
    /// Large values from the store that are merged or shown.
    Stored,
}

const USES: usize = 4;

/// The reason why a claim was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Other jobs hold the memory; it will be free again.
    #[error("no memory is left for this work: other work has claimed it")]
    Busy,
    /// The claim exceeds the whole budget.
    #[error("this work needs about {needed} bytes of memory, more than the limit of {total}")]
    TooLarge {
        /// The size of the claim.
        needed: u64,
        /// The budget.
        total: u64,
    },
}

impl From<MemoryError> for io::Error {
    fn from(error: MemoryError) -> Self {
        Self::new(io::ErrorKind::OutOfMemory, error)
    }
}

/// One job's share of a budget, released when the last clone is dropped. The default has no limit.
#[derive(Clone, Default)]
pub struct MemoryClaim(Option<Arc<Claim>>);

struct Claim {
    budget: Arc<MemoryBudget>,
    number: u64,
    refused: OnceLock<MemoryError>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = self.budget.held();
        if let Some(uses) = held.claims.remove(&self.number) {
            held.claimed -= uses.iter().sum::<u64>();
        }
        self.budget.freed.notify_all();
    }
}

impl fmt::Debug for MemoryClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryClaim")
    }
}

impl MemoryBudget {
    /// Creates a budget of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self { total, held: Mutex::default(), freed: Condvar::new() }
    }

    /// Creates an empty claim for a new job.
    pub fn claim(self: &Arc<Self>) -> MemoryClaim {
        let mut held = self.held();
        held.next += 1;
        let number = held.next;
        MemoryClaim(Some(Arc::new(Claim {
            budget: Arc::clone(self),
            number,
            refused: OnceLock::new(),
        })))
    }

    /// Returns the number of claimed bytes.
    pub fn claimed(&self) -> u64 {
        self.held().claimed
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryClaim {
    /// Raises the claim for a use to at least `bytes`. If other jobs hold too much, the oldest job
    /// waits for a while, and any other is refused.
    ///
    /// # Errors
    ///
    /// The memory is not available, now or ever. The claim is unchanged then.
    pub fn need(&self, what: MemoryUse, bytes: u64) -> Result<(), MemoryError> {
        self.need_within(what, bytes, PATIENCE)
    }

    /// As [`Self::need`], without waiting.
    ///
    /// # Errors
    ///
    /// As [`Self::need`].
    pub fn need_now(&self, what: MemoryUse, bytes: u64) -> Result<(), MemoryError> {
        self.need_within(what, bytes, Duration::ZERO)
    }

    fn need_within(
        &self,
        what: MemoryUse,
        bytes: u64,
        patience: Duration,
    ) -> Result<(), MemoryError> {
        let Some(claim) = &self.0 else { return Ok(()) };
        let Claim { budget, number, refused } = &**claim;
        let (total, place) = (budget.total, what as usize);
        let held = budget.held();
        let own = held.claims.get(number).copied().unwrap_or_default();
        let more = bytes.saturating_sub(own[place]);
        if more == 0 {
            return Ok(());
        }
        let needed = own.iter().sum::<u64>().saturating_add(more);
        if needed > total {
            return Err(*refused.get_or_init(|| MemoryError::TooLarge { needed, total }));
        }
        let is_full = |held: &Held| held.claimed + more > total;
        let may_wait = |held: &mut Held| {
            is_full(held) && held.claims.keys().next().is_none_or(|first| first >= number)
        };
        let waited = budget.freed.wait_timeout_while(held, patience, may_wait);
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if is_full(&held) {
            return Err(*refused.get_or_init(|| MemoryError::Busy));
        }
        held.claims.entry(*number).or_default()[place] += more;
        held.claimed += more;
        Ok(())
    }

    /// Returns the reason why this job was refused memory, if it was.
    pub fn refused(&self) -> Option<MemoryError> {
        self.0.as_ref()?.refused.get().copied()
    }
}

/// Estimates the memory for a JSON text while it is parsed and made canonical: the text, twice its
/// canonical form, in which `$` and non-ASCII characters are escaped, and the overhead of each
/// element.
pub fn text_cost(text: &[u8]) -> u64 {
    const ELEMENT_BYTES: u64 = 64;
    let cost = |byte: &u8| match byte {
        b',' => 3 + ELEMENT_BYTES,
        b'$' => 1 + 2 * 6,
        0x80.. => 1 + 2 * 3,
        _ => 3,
    };
    text.iter().map(cost).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_share_a_budget_and_give_it_back() {
        let budget = Arc::new(MemoryBudget::new(100));
        let (first, second) = (budget.claim(), budget.claim());
        assert_eq!(first.need(MemoryUse::Text, 60), Ok(()));
        // A use counts at its largest claim, not the sum; the uses are added up.
        assert_eq!(first.need(MemoryUse::Text, 30), Ok(()));
        assert_eq!((first.need(MemoryUse::Message, 10), budget.claimed()), (Ok(()), 70));
        assert_eq!(second.need(MemoryUse::Text, 31), Err(MemoryError::Busy));
        assert_eq!((second.need(MemoryUse::Text, 30), budget.claimed()), (Ok(()), 100));
        let copy = first.clone();
        drop(first);
        assert_eq!(budget.claimed(), 100);
        drop(copy);
        assert_eq!(budget.claimed(), 30);
        assert_eq!((second.refused(), budget.claim().refused()), (Some(MemoryError::Busy), None));
        let third = budget.claim();
        let never = MemoryError::TooLarge { needed: 101, total: 100 };
        assert_eq!((third.need(MemoryUse::Text, 101), third.refused()), (Err(never), Some(never)));
        // The oldest job waits for memory that others hold; younger jobs do not wait for it.
        assert_eq!(third.need(MemoryUse::Message, 40), Ok(()));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| second.need(MemoryUse::Text, 100));
            assert!(third.need(MemoryUse::Stored, 40).is_err());
            drop(third);
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
        drop(second);
        assert_eq!(budget.claimed(), 0);
        assert_eq!(MemoryClaim::default().need(MemoryUse::Text, u64::MAX), Ok(()));
    }

    #[test]
    fn dollars_and_elements_cost_more() {
        assert_eq!(text_cost(b"xx"), 6);
        assert_eq!(text_cost(b"$"), 13);
        assert_eq!(text_cost("\u{e9}".as_bytes()), 14);
        assert_eq!(text_cost(b"1,1"), 73);
    }
}
