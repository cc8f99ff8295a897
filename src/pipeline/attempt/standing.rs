//! The relation of a batch to its source's history.

use super::{Ack, Attempt, Delivery, Mode, Sources, SyncError};
use crate::decode::{BatchHeader, Sequence};
use crate::normalize::Batch;
use crate::pipeline::{NewEpoch, SyncOptions};
use crate::snapshot::Digest;
use crate::snapshot::sources::{Recognition, Replay, SourceState, add_text, replay};

/// The relation of a batch to its source's history.
pub(super) enum SourceStanding {
    /// Changes of it are not committed yet.
    Due {
        /// The number of the first such change.
        skip: u64,
        /// The source's state before this batch. In a new epoch its checkpoint is reset, and its
        /// view too unless the batch mirrors the source.
        state: SourceState,
    },
    /// All of it is committed already, with this acknowledgement.
    Committed(Option<Ack>),
}

impl Attempt<'_> {
    /// Returns the relation of the batch to its source.
    pub(super) fn standing(
        &self,
        sources: &Sources,
        delivery: Option<&Delivery>,
    ) -> Result<SourceStanding, SyncError> {
        let header = &self.batch.header;
        // Without a sequence, only a delivery id can identify a replay.
        let Some(sequence) = &header.sequence else {
            let state =
                header.source.as_ref().and_then(|id| sources.source(id)).unwrap_or_default();
            return match delivery.map(|delivery| (sources.recognize(delivery), delivery.id())) {
                Some((Recognition::Replay, _)) => Ok(SourceStanding::Committed(None)),
                Some((Recognition::OtherContent, id)) => {
                    Err(SyncError::OtherContent { id: id.to_owned() })
                }
                Some((Recognition::New, _)) | None => Ok(SourceStanding::Due { skip: 0, state }),
            };
        };
        let Some(id) = &header.source else {
            return Ok(SourceStanding::Due { skip: 0, state: SourceState::default() });
        };
        let mut state = sources.source(id).unwrap_or_default();
        let Sequence { epoch, first, last } = sequence;
        let full = header.mode == Mode::Full;
        let mut found = replay(Some(&state), epoch, *first, *last, full);
        if found == Replay::Epoch {
            let known = state.epoch.clone().unwrap_or_default();
            match self.options.new_epoch {
                None => {
                    return Err(SyncError::Epoch { id: id.clone(), known, epoch: epoch.clone() });
                }
                Some(NewEpoch::Mirror) if !full => {
                    let what =
                        "--new-epoch mirror needs a full batch: only that says what is missing";
                    return Err(SyncError::Mismatch(what.to_owned()));
                }
                Some(NewEpoch::Keep) => (state.view, state.full, state.own) = (None, None, None),
                Some(NewEpoch::Mirror) => {}
            }
            // Numbers start again in a new epoch, so the old checkpoint is not valid there.
            (state.epoch, state.checkpoint) = (Some(epoch.clone()), 0);
            found = replay(Some(&state), epoch, *first, *last, full);
        }
        match found {
            Replay::From(skip) => Ok(SourceStanding::Due { skip, state }),
            Replay::Gap(checkpoint) => {
                Err(SyncError::Gap { id: id.clone(), checkpoint, first: *first })
            }
            Replay::Whole | Replay::Epoch => Ok(SourceStanding::Committed(Some(Ack {
                source: id.clone(),
                epoch: epoch.clone(),
                checkpoint: state.checkpoint,
            }))),
        }
    }

    /// Returns the batch's delivery, if it has an id and no sequence.
    pub(super) fn delivery(&self) -> Option<Delivery> {
        let SyncOptions { client, delivery, .. } = self.options;
        let id = delivery.as_ref().filter(|_| self.batch.header.sequence.is_none())?;
        let source = self.batch.header.source.as_ref();
        Some(Delivery::new(client.as_deref(), source, id, content_digest(self.batch)))
    }

    /// Returns the acknowledgement of a numbered batch.
    pub(super) fn ack(&self) -> Option<Ack> {
        let header = &self.batch.header;
        let (source, Sequence { epoch, last, .. }) =
            header.source.clone().zip(header.sequence.as_ref())?;
        Some(Ack { source, epoch: epoch.clone(), checkpoint: *last })
    }
}

/// Returns what identifies a batch's content beside its delivery id; `None` if the batch was not read
/// from bytes. The content of bare records does not contain the object store, so the digest does.
fn content_digest(batch: &Batch) -> Option<Digest> {
    let BatchHeader { schema, mode, .. } = &batch.header;
    let bytes = batch.content?;
    let only = match schema.stores.as_slice() {
        [only] => Some(only.name.to_canonical()),
        _ => None,
    };
    let mut content = blake3::Hasher::new();
    content.update(bytes.as_bytes());
    add_text(&mut content, Some(&schema.name.to_canonical()));
    add_text(&mut content, Some(mode.name()));
    add_text(&mut content, only.as_deref());
    Some(content.finalize().into())
}
