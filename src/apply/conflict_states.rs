//! Finds the states of a logged conflict: in its line, in the version in which the sides met, or in
//! the one before.

use super::head_reader::{BaseValue, HeadReader};
use crate::normalize::Claim;
use crate::snapshot::logged_conflict::{Choice, ConflictError, LoggedConflict};
use crate::snapshot::{ConflictType, FlowVersion, LineState, List};
use crate::store::{StoreError, StoreErrorKind};

impl From<ConflictError> for StoreError {
    fn from(error: ConflictError) -> Self {
        Self::new(StoreErrorKind::Damaged, format!("{} is damaged: {error}", List::CONFLICTS))
    }
}

impl LoggedConflict {
    /// Returns the state that a choice refers to, from the line, or from the conflict's version or
    /// the one before. Returns `None` if it is no longer kept. The caller provides a person's own
    /// value.
    ///
    /// # Errors
    ///
    /// A version cannot be read, or the value in the line does not match its digest.
    pub fn state_of(
        &self,
        choice: Choice,
        base: &HeadReader<'_>,
    ) -> Result<Option<LineState>, StoreError> {
        let before = FlowVersion::new(u64::from(self.version.get()) - 1);
        let (side, versions) = match choice {
            Choice::Value => return Ok(None),
            Choice::Base => return Ok(self.base_state()),
            Choice::Incoming => (Some(&self.incoming), [None, Some(self.version)]),
            Choice::Head => (self.head.as_ref(), [before, Some(self.version)]),
        };
        let Some((side, digest)) = side.and_then(|side| Some((side, side.digest?))) else {
            return Ok(Some(LineState::Delete));
        };
        if let Some(value) = &side.value {
            let state = LineState::Put(value.as_slice().into());
            if state.content_digest() != digest {
                let what = "a value that it keeps is not what its digest says";
                return Err(ConflictError::of(&self.id, what).into());
            }
            return Ok(Some(state));
        }
        for version in versions.into_iter().flatten() {
            let found = base.value(&self.store, &self.key, &Claim::Version(version))?;
            let BaseValue::Value(value) = found else { continue };
            let state = LineState::Put(value);
            if state.content_digest() == digest {
                return Ok(Some(state));
            }
        }
        Ok(None)
    }

    fn base_state(&self) -> Option<LineState> {
        match &self.base_value {
            Some(value) => Some(LineState::Put(value.as_slice().into())),
            // Both sides inserted the record, so the base had none.
            None => (self.kind == ConflictType::InsertInsert).then_some(LineState::Delete),
        }
    }
}
