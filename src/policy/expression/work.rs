//! The remaining budget of one evaluation.

use super::error::{Evaluated, EvaluationError};
use super::limits::{BYTES_PER_STEP, BYTES_PER_VALUE, MAX_LIST, MAX_MADE, MAX_STEPS};

/// The steps and bytes that are left.
#[derive(Debug)]
pub(super) struct Work {
    steps: u64,
    made: usize,
    /// The error for the limit that ended the steps.
    limit: EvaluationError,
}

impl Work {
    /// Returns the budget of an expression with `nodes` nodes over sides of `bytes` bytes: outside
    /// loops, each node may read each side once.
    pub(super) fn new(nodes: usize, bytes: usize) -> Self {
        let reading = (nodes as u64).saturating_mul((bytes / BYTES_PER_STEP) as u64);
        Self {
            steps: MAX_STEPS.saturating_add(reading),
            made: MAX_MADE,
            limit: EvaluationError::STEPS,
        }
    }

    /// Takes one step.
    #[inline]
    pub(super) fn step(&mut self) -> Evaluated<()> {
        self.read(0)
    }

    /// Takes one step, and the steps for reading these bytes.
    #[inline]
    pub(super) fn read(&mut self, bytes: usize) -> Evaluated<()> {
        let steps = 1 + (bytes / BYTES_PER_STEP) as u64;
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => self.end(self.limit),
        }
    }

    /// Ends the evaluation. Nothing is left of the budget, so that operators that tolerate errors
    /// do not continue.
    pub(super) fn end<T>(&mut self, error: EvaluationError) -> Evaluated<T> {
        self.steps = 0;
        self.limit = error;
        Err(error)
    }

    /// Takes the bytes for a value that is about to be made.
    pub(super) fn make(&mut self, bytes: usize) -> Evaluated<()> {
        self.read(bytes)?;
        match self.made.checked_sub(bytes) {
            Some(left) => {
                self.made = left;
                Ok(())
            }
            None => self.end(EvaluationError::MADE),
        }
    }

    /// Takes the bytes for a list or map of this many values that is about to be made.
    pub(super) fn make_values(&mut self, count: usize) -> Evaluated<()> {
        if count > MAX_LIST {
            return self.end(EvaluationError::LIST);
        }
        self.make(count * BYTES_PER_VALUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_gone() {
        let mut work = Work::new(0, 0);
        assert_eq!(work.read((MAX_STEPS as usize - 2) * BYTES_PER_STEP), Ok(()));
        assert_eq!(work.step(), Ok(()));
        assert_eq!(
            (work.step(), work.step()),
            (Err(EvaluationError::STEPS), Err(EvaluationError::STEPS))
        );
        let mut work = Work::new(2, MAX_STEPS as usize * BYTES_PER_STEP);
        assert_eq!(work.read((3 * MAX_STEPS as usize - 1) * BYTES_PER_STEP), Ok(()));
        assert_eq!(work.step(), Err(EvaluationError::STEPS));
        let mut work = Work::new(0, 0);
        assert_eq!(
            (work.make(MAX_MADE / 2), work.make(MAX_MADE)),
            (Ok(()), Err(EvaluationError::MADE))
        );
        assert_eq!(work.step(), Err(EvaluationError::MADE), "it is what ended it");
        let mut work = Work::new(0, 0);
        assert_eq!(work.make_values(MAX_LIST + 1), Err(EvaluationError::LIST));
    }
}
