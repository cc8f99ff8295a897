//! `nifi-idb`: the step between IndexedDB in people's browsers and a versioned snapshot store.
//!
//! One batch of changes goes in, one version comes out, and every version can be given back; a package of many batches makes
//! one version per flow. This page is the map; modules are listed in the order in which data passes through them.
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
//!  stdout, exit status, answers
//! ```
//!
//! # Words
//!
//! *Database, object store, record, key, key path, index* are IndexedDB's (W3C IndexedDB 3.0). *Bucket, flow, flow
//! version* are NiFi Registry's: one flow holds one database, one flow version one snapshot of it. A *source* is one
//! writer. A *batch* is what one source sends at once, *full* or *delta*. *Head* is the newest stored version, *incoming*
//! what arrived, *base* what a change started from. A *view* is what one source itself last sent in full, with its own
//! changes since. A *chunk* is a
//! run of records as text, named by its digest; the *manifest* lists all chunks of a version. *Root* says same data,
//! *state* says this version is mine. A *snapshot store* is where versions are kept.
//!
//! # Pages
//!
//! | page | fixes |
//! | --- | --- |
//! | [`indexeddb::value`] | the one canonical form of every value and key |
//! | [`decode`] (`CHANGES.md`) | what comes in: `indexeddb-changes/1`, bare records, limits, every odd input's answer |
//! | [`decode`] (`IMPORTS.md`), [`history`] (`EXPORTS.md`) | files of other programs, in and out, and what each cannot say |
//! | [`flowfile`] (`FLOWFILE.md`) | packages of FlowFiles, the attributes that are read and written, many batches in one call |
//! | [`normalize`] (`PRIVACY.md`) | private fields: what is left out, redacted or hashed, and what that does not do |
//! | [`history`] (`ERASURE.md`) | erasing one person's data from versions that never change |
//! | [`policy`] (`POLICY.md`) | the file that users write: scopes, rules, cases, private fields |
//! | [`policy::expression`] (`EXPRESSIONS.md`) | conditions and computed values: what they see, what they cost at most |
//! | [`merge`] (`RULES.md`) | base, detection, types, resolvers, what is kept of a conflict |
//! | [`policy::adversaries`] (`ADVERSARIES.md`) | what others' users complain about, hostile documents and sources: the answer, and the test that proves it |
//! | [`policy::coming_from`] (`COMING_FROM.md`) | what the words of GoldenGate, PGD, SQL Server, SymmetricDS, CouchDB, RxDB, Dexie, WatermelonDB, Dolt are here |
//! | [`snapshot`] (`FORMAT.md`) | what a version holds, byte for byte; digests; chunk boundaries |
//! | [`store::git`] (`GIT.md`) | the git store beside git, people and damage: what is safe, what is refused, the way back |
//! | [`report`] | what goes out |
//! | [`exit_status`] | the public table of exit status |
//! | `server` (`HTTP.md`, `GRPC.md`, `CLIENTS.md`) | routes, services, who may do what |
//!
//! # Invariants
//!
//! 1. Only the edges (`cli`, `server`, `nifi`), `store`, and temporary files (`spool`, `decode`, `normalize`, `report`) do I/O. Every
//!    other stage is plain functions; no stage reads a clock or the environment: time is data. Only `server` is async: a batch
//!    is one thread's work, and the edge that waits for many clients runs it on threads of their own.
//! 2. A stage imports `indexeddb`, `snapshot` and earlier stages, never later ones. `tests/it/tidy.rs` holds it.
//! 3. Data goes one way. The one step back is `pipeline/commit.rs` after a failed append: bounded, with jitter.
//! 4. A bad line is a [`rejection::Rejection`] and the batch goes on. Only lost framing ends a stream.
//! 5. Same batch, base, head and time of receipt give the same bytes, in git, in Registry and in memory.
//! 6. A version never changes. A chunk's name is the digest of its text. What does not differ from head writes nothing.
//! 7. Any failed append is ambiguous until a version of that number was read: it is ours if and only if its state is.
//! 8. `store/envelope.rs` alone knows how our texts hide in a NiFi process group.
//! 9. stdout belongs to the report, stderr to people. Values of records and credentials are in neither logs nor errors.
//! 10. Nothing is left behind by a kill: temporary files are unlinked when they are opened, mode 0600.
//!
//! # Replay, guard, acknowledgement
//!
//! A *sequenced* delta (source, epoch, first to last) against that epoch's checkpoint `c`: last ≤ c is a replay and changes
//! nothing; first ≤ c < last is applied from c + 1 on; first = c + 1 is applied; first > c + 1 is a gap and refused as
//! transient. A full batch may jump.
//!
//! An *unsequenced* batch is a replay if its delivery is remembered. A delivery is a client, a
//! source and a delivery id of at most [`pipeline::sources::MAX_DELIVERY_BYTES`] bytes; of `serve`
//! the client is the entry of its clients file, everywhere else there is none, and none is a client
//! of its own, as no source is a source of its own. With it a digest is kept: of the content's
//! bytes, the database, the mode, and the object store where there is only one. The same delivery
//! with another digest is an error (exit 2) and changes nothing. An unsequenced batch with a new
//! delivery id that is done is always remembered, by the version that it makes; if nothing differs,
//! it makes a version that holds only the id (outcome `committed`). The newest
//! [`pipeline::sources::DELIVERIES`] of a flow are remembered, and all of the oldest version among
//! them. Without a delivery id content is never a replay key: on, off, on again are three versions.
//! A sequenced batch has no use for its delivery id: it is neither looked up nor kept.
//!
//! A replay changes nothing and makes no version. That the base is one of this flow's versions is
//! asked before.
//!
//! A full batch deletes only what it proves to be gone: what is in its source's view and not in the batch. What was rejected,
//! left out or filtered is kept, stays in the view, and is told in lines `kept`.
//!
//! The guard judges the plan before anything is written (`RULES.md`, "The guard"): more than [`pipeline::MAX_BULK_DELETES`]
//! records that go in bulk, or more than [`pipeline::MAX_DELETES`] by single deletions, if they are more than
//! [`pipeline::MAX_DELETES_PERCENT`] per cent of what the object store or the source itself has, over a run of batches
//! within [`pipeline::RUN_MS`]; all records of an object store; an empty full batch; an object store that vanishes or is
//! recreated. [`pipeline::MAX_DELETES_BY_HAND`] single deletions in a batch are never counted. The refusal names the plan by a
//! digest; confirming lets exactly that plan through. A new epoch of a known source is refused until someone says *keep*
//! or *mirror*: a wiped browser must not wipe its backup.
//!
//! A numbered batch is acknowledged once it is durable, by an `ack` line and by the checkpoint in `~sources`; a client keeps
//! its operations until then.
//!
//! # Decisions beside the plan
//!
//! - A source that wrote head's entry itself follows it, whatever base its change names: its own queue of changes, sent
//!   before the first answer came back, must not be in conflict with itself. Merged entries therefore name no source.
//! - Deleting what is not there leaves a tombstone, so that a put that comes late meets it.
//! - A version is one that a page can make: a schema that no browser takes is refused, and of two records with one key in a
//!   unique index the second is parked. Only where a flow has such a thing already does it stay, is named, and blocks nobody.
//! - A sequenced full batch that changes nothing still commits its checkpoint, else a `resync` could never be acknowledged.
//!   An unsequenced one advances nothing.
//! - A delivery that changes nothing is remembered too, else it would put its old values back when
//!   it comes again after somebody has changed them.
//! - Batches of one package are merged one after the other into what the ones before made of head, and the version number,
//!   `rev`, is the same for all. A view may be the version itself only for the last of them, else it is a list of chunks.
//! - Delivery ids of one version are kept or dropped together, and all FlowFiles of a package that
//!   are done have theirs in its version, so of a package that comes again all FlowFiles are
//!   replays or none is: a part of it applied again could undo what came later in it.
//! - Bucket and flow never come from attributes, which may come from outside; a database's name gives the flow where no option
//!   does.
//! - With `--pull` a source without a base gets all records, and all tombstones too unless it was
//!   never heard of; with one, what changed after it except its own changes, and of a replay what
//!   became of its changes.
//! - Key generators count as schema for "does anything differ", and are left out of the root.
//! - An entry's weight in the chunk boundaries has a constant for the line's other members, so that a chunk of tiny records
//!   stays near its cap.

pub mod exit_status;

/// Why something ended without success.
pub mod failure;

/// Bytes in memory while they are few, then in an unlinked file.
pub mod spool;

/// A budget of memory that requests share.
pub mod memory;

/// A password or token, which is never shown.
pub mod secret;

/// Trust in certificates: those that an authority signed, and those that a file names exactly.
pub mod certificate_trust;

/// The known word nearest to an unknown one, for messages.
pub mod similar;

/// The HTTP client of everything that speaks to a server.
pub mod http_client;

/// One refused line and why.
pub mod rejection;

/// What a format cannot say: where, what, how often.
pub mod loss;

/// The command line: flags to library calls, and what only the process's edge does.
pub mod cli;

/// The edge that waits for many clients: HTTP and gRPC over the same pipeline; its pages are `HTTP.md`, `GRPC.md` and
/// `CLIENTS.md`.
#[cfg(feature = "serve")]
pub mod server;

/// What flags and environment say about the snapshot store: checked once, then read-only.
pub mod config;

/// FlowFiles: content and attributes, one or many; its page is `FLOWFILE.md`.
pub mod flowfile;

/// The words: keys, values and schema of IndexedDB, in one canonical form.
pub mod indexeddb;

/// The rules that users write: what decides a conflict; its page is `POLICY.md`.
pub mod policy;

/// Stage 1: turns bytes into changes; its pages are `CHANGES.md` and `IMPORTS.md`.
pub mod decode;

/// Stage 2: gives each change its key and one canonical value, sorted and folded.
pub mod normalize;

/// Stage 3: base, head and incoming to one outcome, and its page: `RULES.md`.
pub mod merge;

/// Stage 4: sorted entries to chunks, and back.
pub mod chunk;

/// What one version contains, and its page: `FORMAT.md`.
pub mod snapshot;

/// Stage 5: where versions are kept.
pub mod store;

/// Stage 6: what happened to every record and to the batch.
pub mod report;

/// Joins stages 1 to 6: one batch in, one version out.
pub mod pipeline;

/// All that reads versions: restore, export, show, log, verify.
pub mod history;

/// NiFi's REST API: what installs a flow definition.
pub mod nifi;

/// Flow definitions for NiFi: shipped ones, and the check for any.
pub mod template;
