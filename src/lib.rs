//! `nifi-idb` stores batches of changes from IndexedDB databases in browsers as versions in a
//! snapshot store, and restores any version.
//!
//! It is mostly used as a program. A program that calls the library starts with [`pipeline`] and
//! [`history`]; `examples/sync_into_memory.rs` and `examples/read_a_version.rs` show both. The
//! guides for users are in `doc/guide`.
//!
//! [../guide/erasure.md]: crate::history
//! [../guide/git-store.md]: crate::store::git
//! [../guide/privacy.md]: crate::normalize
//! [../reference/changes.md]: crate::decode
//! [../reference/clients.md]: crate::server
//! [../reference/exit-status.md]: crate::exit_status
//! [../reference/exports.md]: crate::history
//! [../reference/expressions.md]: crate::policy::expression
//! [../reference/flowfiles.md]: crate::flowfile
//! [../reference/grpc.md]: crate::server
//! [../reference/http.md]: crate::server
//! [../reference/imports.md]: crate::decode#files-of-other-programs
//! [../reference/limits.md]: crate::limits
//! [../reference/logging.md]: crate::cli
//! [../reference/policy.md]: crate::policy
//! [../reference/report.md]: crate::report
//! [../reference/rules.md]: crate::merge
//! [../reference/rules.md#the-guard]: crate::merge#the-guard
//! [format.md]: crate::snapshot
//!
#![doc = include_str!("../doc/internals/architecture.md")]
#![doc = include_str!("../doc/internals/decisions.md")]

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
#[cfg(feature = "tls")]
pub mod certificate_trust;

/// Search for the known word most similar to an unknown one, for messages.
pub mod similar;

/// The HTTP client for all calls to servers.
#[cfg(feature = "http-client")]
pub mod http_client;

/// Traces that another program began.
pub mod trace_context;

/// The lines of a report: all types and their members.
pub mod report_line;

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
#[cfg(feature = "registry")]
pub mod nifi;

/// Flow definitions for NiFi: the shipped ones, and a check for any definition.
pub mod template;
