//! `nifi-idb` stores batches of changes from IndexedDB databases in browsers as versions in a
//! snapshot store, and restores any version.
//!
//! One batch of changes makes one version; a package of many batches makes one version per flow.
//! This page is the map of the code. The stages are numbered in the order in which data passes
//! through them. All terms are in `doc/internals/glossary.md`; the guides for users are in
//! `doc/guide`.
//!
//! ```text
//!  stdin, HTTP, gRPC
//!     |  FlowFiles: attributes and bytes, one or many
//!     v
//!  decode ---> normalize ---> merge ---> chunk ---> store: append head + 1
//!     |            |            ^                      |      |
//!     | Rejection  | Rejection  | base, head   failed: |      | the commit
//!     |            |            +-- pipeline/commit.rs-+      |
//!     v            v                                          v
//!  report <----------------------------------------------------
//!     |  lines, the summary last; attributes
//!     v
//!  stdout, exit status, responses
//! ```
//!
//! # Terms
//!
//! *Database, object store, record, key, key path, index* are terms of IndexedDB (W3C IndexedDB
//! 3.0). *Bucket, flow, flow version* are terms of NiFi Registry: a flow contains one database, and
//! a flow version contains one snapshot of it.
//!
//! - A *snapshot store* is where versions are kept.
//! - A *source* is one writer. A *batch* is what a source sends at once, *full* or *delta*.
//! - *Head* is the newest stored version, *incoming* the change that is being merged, *base* the
//!   state that a change started from.
//! - A *view* is what a source last sent in full, with its own changes since.
//! - A *chunk* is a run of records as text, named by its digest. The *manifest* lists all chunks of
//!   a version.
//! - The *root* is a digest of the data: equal roots mean equal data. The *state* is a digest of
//!   the manifest: it identifies one version.
//!
//! # Pages
//!
//! The pages are in `doc`; rustdoc shows each with its module.
//!
//! | module | page in `doc` | content |
//! | --- | --- | --- |
//! | [`indexeddb::value`] | | the canonical form of every value and key |
//! | [`decode`] | `reference/changes.md` | `indexeddb-changes/1`, bare records, limits |
//! | [`decode`] | `reference/imports.md` | input from other programs, and its losses |
//! | [`history`] | `reference/exports.md` | output for other programs, and its losses |
//! | [`history`] | `guide/erasure.md` | erasing a person's data from immutable versions |
//! | [`flowfile`] | `reference/flowfiles.md` | packages of FlowFiles, and their attributes |
//! | [`normalize`] | `guide/privacy.md` | private fields: excluded, redacted or hashed |
//! | [`policy`] | `reference/policy.md` | the file that users write: scopes, rules, cases |
//! | [`policy::expression`] | `reference/expressions.md` | conditions, and computed values |
//! | [`policy::adversaries`] | `internals/adversaries.md` | complaints and attacks, with tests |
//! | [`policy::coming_from`] | `guide/coming-from.md` | terms of other systems |
//! | [`merge`] | `reference/rules.md` | base, detection, types, resolvers, the conflict log |
//! | [`snapshot`] | `internals/format.md` | a version byte for byte; digests; chunks |
//! | [`store::git`] | `guide/git-store.md` | what is safe, what is refused, repair |
//! | [`report`] | `reference/report.md` | the lines of a report |
//! | [`exit_status`] | `reference/exit-status.md` | the public table of exit statuses |
//! | [`limits`] | `reference/limits.md` | all limits, and what happens beyond them |
//! | [`cli`] | `reference/logging.md` | levels, formats, and every event of the log |
//! | `server` | `reference/http.md` | routes, headers, statuses |
//! | `server` | `reference/grpc.md` | both services |
//! | `server` | `reference/clients.md` | the rights of clients |
//!
//! # Invariants
//!
//! 1. I/O is done only by `cli`, `server`, `nifi`, `http_client`, `config` and `store`, and for
//!    temporary files by `spool`, `decode`, `normalize` and `report`. All other modules are plain
//!    functions. Time is data: the result of a stage never depends on a clock or on the
//!    environment. `pipeline` reads a clock for the deadline and for the times in the log, and
//!    pauses between attempts. Log events are side effects: only `cli`, `server`, `pipeline`,
//!    `store`, `http_client` and `nifi` emit them, never a stage before the store.
//! 2. A stage imports modules without a number and earlier stages. `tests/it/tidy.rs` lists the
//!    allowed imports.
//! 3. Data moves in one direction. The only step back is `pipeline/commit.rs` after a failed
//!    append: bounded, with jitter.
//! 4. A bad line becomes a [`rejection::Rejection`], and the batch continues. Only lost framing
//!    ends a stream.
//! 5. The same batch, base, head and time of receipt produce the same bytes, in git, in Registry
//!    and in memory.
//! 6. A version never changes. A chunk's name is the digest of its text. Data that equals head's is
//!    not written again.
//! 7. Any failed append is ambiguous until a version with that number has been read: it is ours if
//!    and only if its state is.
//! 8. Only `store/envelope.rs` knows how our texts are stored in a NiFi process group.
//! 9. stdout carries the report, stderr carries messages for people and the log. Logs and errors
//!    contain no values of records and no credentials.
//! 10. A killed process leaves no temporary files: they are unlinked when they are opened, with
//!     mode 0600.
//! 11. Only `server` is async. A batch is processed by one blocking thread; the server limits the
//!     number of such threads.
//!
//! # Replays
//!
//! A *sequenced* delta has an epoch, a first and a last number. It is compared with the checkpoint
//! `c` of that epoch:
//!
//! - last ≤ c: a replay, which changes nothing;
//! - first ≤ c < last: applied from c + 1 on;
//! - first = c + 1: applied;
//! - first > c + 1: a gap, refused as transient. Only a full batch may skip numbers.
//!
//! An *unsequenced* batch is a replay if its delivery is remembered. A delivery is identified by a
//! client, a source and a delivery id of at most [`snapshot::sources::MAX_DELIVERY_BYTES`] bytes.
//! In `serve` the client is the entry of the clients file; elsewhere there is no client. A missing
//! client counts as one more client, and a missing source as one more source.
//!
//! - With the delivery a digest is stored. It covers the content's bytes, the database, the mode,
//!   and the object store if there is only one. The same delivery with another digest is an error
//!   (exit 2) and changes nothing.
//! - A new delivery of an unsequenced batch that is done is always remembered, by the version that
//!   it makes. If no data differs, it makes a version that contains only the id (outcome
//!   `committed`). Otherwise a repetition could restore old values after somebody has changed them.
//! - At least [`snapshot::sources::DELIVERIES`] of a flow are remembered. Beyond that, the client
//!   with the most forgets first, its oldest version's deliveries together.
//! - Without a delivery id, equal content is not a replay: on, off, on again are three versions.
//! - The delivery id of a sequenced batch is neither looked up nor stored.
//!
//! A replay changes nothing and makes no version. The check that the base is a version of this flow
//! comes first.
//!
//! # Deletions and the guard
//!
//! A full batch deletes only the records that it proves to be gone: those in its source's view that
//! the batch does not contain. Records whose lines were rejected, excluded or filtered are kept,
//! stay in the view, and are reported in `kept` lines.
//!
//! The guard checks the plan before anything is written (`rules.md`, "The guard"). For an object
//! store it refuses:
//!
//! - more than [`apply::MAX_BULK_DELETES`] bulk deletions or [`apply::MAX_DELETES`] single
//!   deletions, if they are more than [`apply::MAX_DELETES_PERCENT`] per cent of the records of
//!   the object store or of the source, counted over a run of batches within [`apply::RUN_MS`];
//! - bulk deletions of all records of the object store, or of all that the source has there;
//! - deletions by an empty full batch;
//! - deletions in an object store that disappears or is recreated.
//!
//! Up to [`apply::MAX_BULK_DELETES`] bulk and [`apply::MAX_DELETES_BY_HAND`] single
//! deletions of a batch are not counted. The refusal names the plan by a digest; confirming it
//! permits exactly that plan. A new epoch of a known source is refused until a person chooses
//! *keep* or *mirror*, because a wiped browser must not wipe its backup.
//!
//! # Acknowledgements
//!
//! A sequenced batch is acknowledged once it is durable, by an `ack` line and by the checkpoint in
//! `~sources`. A client keeps its changes until then.
//!
//! # Decisions
//!
//! - A change follows head's entry if its source wrote that entry itself, whatever base the change
//!   names: the changes that a source queued before the first response must not be in conflict with
//!   each other. For this reason merged entries name no source.
//! - Deleting a record that does not exist leaves a tombstone, so that a late put meets it.
//! - A web page must be able to create any version. A schema that no browser accepts is refused,
//!   and of two records with the same key in a unique index the second is parked. If a flow already
//!   contains such data, the data stays, is reported, and blocks nobody.
//! - A sequenced full batch that changes nothing still commits its checkpoint; otherwise a `resync`
//!   could never be acknowledged. An unsequenced one advances nothing.
//! - The batches of a package are merged one after the other, each into the result of the previous
//!   ones; version number and `rev` are the same for all. Only the last one's view may be the
//!   version itself; any other view is a list of chunks.
//! - The delivery ids of one version are kept or dropped together, and those of all FlowFiles of a
//!   package that are done are in the package's version. So if a package is sent again, either all
//!   of its FlowFiles are replays or none is. Applying a part of it again could undo later parts.
//! - Bucket and flow never come from attributes, which may come from outside. Without an option,
//!   the flow is named after the database.
//! - With `--pull` a source without a base gets all records, and all tombstones too unless it is
//!   unknown. With a base it gets everything that changed since, except its own changes; for a
//!   replay, the current state of its changes.
//! - Key generators are compared as part of the schema, but are not part of the root.
//! - The weight of an entry includes a constant for the line's other members, so that a chunk of
//!   tiny records stays near its size limit.

pub mod exit_status;

/// The reason why a command or request failed.
pub mod failure;

/// A buffer that moves from memory to an unlinked file when it grows.
pub mod spool;

/// Temporary files that nobody else can read.
pub mod temporary;

/// A memory budget shared by requests.
pub mod memory;

/// Passwords and tokens, which are never displayed.
pub mod secret;

/// Trust in certificates: signed by an authority, or listed exactly in a file.
pub mod certificate_trust;

/// Search for the known word most similar to an unknown one, for messages.
pub mod similar;

/// The HTTP client for all calls to servers.
pub mod http_client;

/// A rejected line and the reason.
pub mod rejection;

pub mod limits;

/// The data that a format cannot represent: place, kind and count.
pub mod loss;

/// The command line: turns flags into library calls, and handles stdin, stdout and signals.
pub mod cli;

/// The server: HTTP and gRPC over the same pipeline.
#[cfg(feature = "serve")]
pub mod server;

/// Settings of the snapshot store from flags and environment: checked once, then read-only.
pub mod config;

/// FlowFiles: content and attributes, one or many.
pub mod flowfile;

/// Keys, values and schema of IndexedDB, in one canonical form.
pub mod indexeddb;

/// Policies: the rules that users write for deciding conflicts.
pub mod policy;

/// Stage 1: turns bytes into changes.
pub mod decode;

/// Stage 2: sorts and folds the changes, each with its key and one canonical value.
pub mod normalize;

/// Stage 3: merges base, head and incoming into one outcome.
pub mod merge;

/// Stage 4: turns sorted entries into chunks, and back.
pub mod chunk;

/// The content of a version.
pub mod snapshot;

/// Errors of snapshot stores.
pub mod store_error;

/// Stage 5: snapshot stores, which keep versions.
pub mod store;

/// Stage 6: the report, with the result of every record and of the batch.
pub mod report;

/// Applies changes to head: the plan, the guard, and the new chunks.
pub mod apply;

/// The pipeline of stages 1 to 6: one batch makes one version.
pub mod pipeline;

/// Decides conflicts for a person.
pub mod decide;

/// Reading versions: restore, export, show, log, verify.
pub mod history;

/// Client for NiFi's REST API; installs flow definitions.
pub mod nifi;

/// Flow definitions for NiFi: the shipped ones, and a check for any definition.
pub mod template;
