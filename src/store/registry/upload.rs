//! Stores chunks and parts of spilled values: each in a separate flow that has one version and
//! never changes.
//!
//! Writing one is idempotent: an existing flow is read and compared, and used if it is the same. If
//! version number 1 of a flow is orphaned (a Registry with the file provider was killed while it
//! wrote), the next salted id is used.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::RegistryStore;
use super::failure::CallFailure;
use super::http::Answer;
use super::place::{chunk_id, part_id};
use super::types::segment;
use crate::snapshot::{ChunkRef, Digest, List};
use crate::store::envelope::{
    Coordinates, EnvelopeContents, chunk_contents, part_contents, snapshot,
};
use crate::store::{StoreError, StoreErrorKind};

/// Limit on concurrent uploads.
pub const PARALLEL_UPLOADS: usize = 4;

/// The number of ids that are tried for one chunk or part; the first has no salt.
pub const MAX_SALTS: u32 = 4;

/// The number of times that the one version of a flow is posted before its number counts as
/// orphaned. More than one, because the loser of a race gets the same 500 while the winner's
/// version is not visible yet.
const MAX_POSTS: u32 = 4;

/// A text that gets a separate flow.
#[derive(Clone, Debug)]
pub(super) enum Upload {
    /// A chunk.
    Chunk(List, ChunkRef, Arc<Vec<u8>>),
    /// A part of a spilled value.
    Part(Digest, u32, Arc<Vec<u8>>),
}

/// The outcome of an attempt to store one text under one id.
enum UploadAttempt {
    Done,
    /// The id cannot be used; contains the reason.
    Blocked(String),
}

impl Upload {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Chunk(_, _, text) | Self::Part(_, _, text) => text.len(),
        }
    }

    pub(super) fn digest(&self) -> &Digest {
        match self {
            Self::Chunk(_, chunk, _) => &chunk.full,
            Self::Part(digest, _, _) => digest,
        }
    }

    fn id(&self, bucket: &str, salt: u32) -> String {
        match self {
            Self::Chunk(_, chunk, _) => chunk_id(bucket, &chunk.full, salt),
            Self::Part(digest, part, _) => part_id(bucket, digest, *part, salt),
        }
    }

    /// Name of the flow. Names are unique in a bucket, so the salt is part of it.
    fn name(&self, salt: u32) -> String {
        let salt = if salt == 0 { String::new() } else { format!("-{salt}") };
        match self {
            Self::Chunk(_, chunk, _) => format!("{}{salt}", chunk.full),
            Self::Part(digest, part, _) => format!("{digest}.part{part}{salt}"),
        }
    }

    fn contents(&self) -> Result<Value, StoreError> {
        match self {
            Self::Chunk(list, chunk, text) => chunk_contents(list, chunk, text),
            Self::Part(digest, part, bytes) => part_contents(digest, *part, bytes),
        }
    }

    /// True if a flow contains exactly this text.
    fn is_in(&self, found: &EnvelopeContents) -> bool {
        let (Self::Chunk(_, _, text) | Self::Part(_, _, text)) = self;
        matches!(found.texts.as_slice(), [only] if only.as_bytes() == text.as_slice())
    }

    fn check_echo(&self, body: &[u8]) -> Result<(), StoreError> {
        if self.is_in(&EnvelopeContents::from_snapshot(body)?) {
            return Ok(());
        }
        Err(StoreError::new(
            StoreErrorKind::Damaged,
            "the Registry stored another text than was sent",
        ))
    }

    fn name_in(&self, error: StoreError) -> StoreError {
        if error.message.contains(&self.digest().to_string()) {
            return error;
        }
        let message = match self {
            Self::Chunk(_, chunk, _) => format!("{}; chunk {}", error.message, chunk.full),
            Self::Part(digest, part, _) => {
                format!("{}; part {part} of spilled value {digest}", error.message)
            }
        };
        StoreError { message, ..error }
    }

    /// The request body that creates the one version.
    fn version(&self, bucket: &str, flow: &str) -> Result<Vec<u8>, StoreError> {
        let mut body = snapshot(self.contents()?);
        body["snapshotMetadata"] = json!({
            "bucketIdentifier": bucket, "comments": self.description(), "flowIdentifier": flow, "version": 1,
        });
        Ok(serde_json::to_vec(&body).unwrap_or_default())
    }

    fn description(&self) -> &'static str {
        match self {
            Self::Chunk(..) => {
                "A chunk of IndexedDB snapshots, written by nifi-idb; versions of flows need it"
            }
            Self::Part(..) => {
                "A part of a large IndexedDB value, written by nifi-idb; versions of flows need it"
            }
        }
    }
}

impl RegistryStore {
    /// Stores texts, [`PARALLEL_UPLOADS`] at once, and returns their places in order. All are
    /// tried; the first error is returned, with the number of others.
    pub(super) fn upload_all(
        &self,
        bucket: &str,
        uploads: &[Upload],
    ) -> Result<Vec<Coordinates>, StoreError> {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(uploads.len()));
        let span = tracing::Span::current();
        let work = || {
            let _entered = span.enter();
            while let Some((index, upload)) = {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                uploads.get(index).map(|upload| (index, upload))
            } {
                let result = self.upload(bucket, upload).map_err(|error| upload.name_in(error));
                results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
            }
        };
        std::thread::scope(|scope| {
            // The calling thread works too: a single upload needs no other.
            for _ in 1..PARALLEL_UPLOADS.min(uploads.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        let failed = results.iter().filter(|(_, result)| result.is_err()).count();
        let joined = |error: StoreError| match failed {
            0 | 1 => error,
            _ => StoreError {
                message: format!("{} (and {} more)", error.message, failed - 1),
                ..error
            },
        };
        results.into_iter().map(|(_, result)| result.map_err(joined)).collect()
    }

    fn upload(&self, bucket: &str, upload: &Upload) -> Result<Coordinates, StoreError> {
        let mut reasons = Vec::new();
        for salt in 0..MAX_SALTS {
            let flow = upload.id(bucket, salt);
            match self.attempt(bucket, &flow, &upload.name(salt), upload)? {
                UploadAttempt::Done => return Ok(Coordinates { bucket: bucket.to_owned(), flow }),
                UploadAttempt::Blocked(reason) => reasons.push(reason),
            }
        }
        let message = format!("none of {MAX_SALTS} flows can be used: {}", reasons.join("; "));
        Err(StoreError::new(StoreErrorKind::Refused, message))
    }

    fn attempt(
        &self,
        bucket: &str,
        flow: &str,
        name: &str,
        upload: &Upload,
    ) -> Result<UploadAttempt, StoreError> {
        let path = format!("/buckets/{}/flows", segment(bucket));
        let body = json!({"description": upload.description(), "identifier": flow, "name": name, "type": "Flow"});
        if open(self.http.post(&path, body.to_string().as_bytes()), &path)?.is_some() {
            // The text is already stored, or its id is already used.
            if let Some(found) = self.compare(bucket, flow, upload)? {
                return Ok(found);
            }
        }
        let path = format!("/buckets/{}/flows/{}/versions", segment(bucket), segment(flow));
        let version = upload.version(bucket, flow)?;
        let mut repetition = 0;
        loop {
            let answer = match self.http.post(&path, &version) {
                Ok(answer) if answer.is_success() => {
                    return upload.check_echo(&answer.body).map(|()| UploadAttempt::Done);
                }
                // The id belongs to another bucket, or the flow was deleted this moment.
                Ok(answer) if answer.status == 404 => {
                    return Ok(UploadAttempt::Blocked(format!("no such flow: {flow}")));
                }
                answer => answer,
            };
            let Some(error) = open(answer, &path)? else { continue };
            if let Some(found) = self.compare(bucket, flow, upload)? {
                return Ok(found);
            }
            repetition += 1;
            match error {
                OpenWrite::Numbered if repetition == MAX_POSTS => {
                    return Ok(UploadAttempt::Blocked(format!(
                        "version 1 is refused, as if orphaned: {flow}"
                    )));
                }
                OpenWrite::Numbered => {
                    let late = StoreError::new(
                        StoreErrorKind::Transient,
                        format!("no time left: POST {path}"),
                    );
                    self.http.pause(repetition, late)?;
                }
                OpenWrite::Other(error) if repetition == MAX_POSTS => return Err(error),
                OpenWrite::Other(error) => self.http.pause(repetition, error)?,
            }
        }
    }

    /// Compares a flow with its expected content; `None` if it has no version.
    fn compare(
        &self,
        bucket: &str,
        flow: &str,
        upload: &Upload,
    ) -> Result<Option<UploadAttempt>, StoreError> {
        let Some((metadata, found)) = self.flow_contents(flow)? else { return Ok(None) };
        if metadata.bucket_identifier != bucket {
            return Ok(Some(UploadAttempt::Blocked(format!("in another bucket: {flow}"))));
        }
        match upload.is_in(&found) {
            true => Ok(Some(UploadAttempt::Done)),
            false => Ok(Some(UploadAttempt::Blocked(format!("it holds something else: {flow}")))),
        }
    }
}

/// A write whose outcome is open.
enum OpenWrite {
    /// A 409 or 500: a race, an orphaned number, or a heap that was too small.
    Numbered,
    /// The connection was cut, or a proxy of the Registry failed.
    Other(StoreError),
}

/// The open outcome of a write, or `None` if it was done. Errors are those that another id would
/// not help against.
fn open(answer: Result<Answer, CallFailure>, path: &str) -> Result<Option<OpenWrite>, StoreError> {
    match answer {
        Ok(answer) if answer.is_success() => Ok(None),
        Ok(Answer { status: 409 | 500, .. }) => Ok(Some(OpenWrite::Numbered)),
        Ok(answer) if answer.is_open() => Ok(Some(OpenWrite::Other(answer.refusal()))),
        Ok(answer) if answer.status == 404 => {
            let message = format!("the bucket of chunks is gone: POST {path}: 404");
            Err(StoreError::new(StoreErrorKind::Transient, message))
        }
        Ok(answer) => Err(answer.refusal()),
        Err(CallFailure { sent: true, error }) if error.kind == StoreErrorKind::Transient => {
            Ok(Some(OpenWrite::Other(error)))
        }
        Err(failure) => Err(failure.error),
    }
}
