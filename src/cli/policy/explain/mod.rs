//! `nifi-idb policy explain`: for one record, the conflict found, the rules tried, and the result.

mod asked;
mod files;
mod stored;
mod told;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use self::asked::ExplainedChange;
use super::super::output::print;
use super::super::store_url::StoreArgs;
use super::{PolicyReportArg, load_flag};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::history::At;
use crate::merge::trace;
use crate::snapshot::SourceId;

const EXAMPLE: &str = "Examples:\n  nifi-idb policy explain --policy policy.toml --object-store \
    orders --base base.json \
    --head head.json \\\n    --incoming incoming.json\n  nifi-idb policy explain --policy \
    policy.toml --store git:snapshots.git \
    --flow shop --object-store orders \\\n    --key 7 --at 12 --base 9 --incoming incoming.json\n\n\
    Files hold one value each, as JSON. Private fields are not hidden: give values as they would \
    be stored.";

/// The flags of `policy explain`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE, mut_arg("store", |arg| arg.required(false)))]
pub(super) struct Explain {
    /// The policy file
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_POLICY", hide_env_values = true)]
    policy: PathBuf,

    /// Object store of the record
    #[arg(long, value_name = "NAME")]
    object_store: String,

    /// Key of the record, as JSON [default: 1; required with --store]
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    key: Option<String>,

    /// Base of the change: a file, or a version with --store [default: unknown]
    #[arg(long, value_name = "FILE or VERSION")]
    base: Option<PathBuf>,

    /// The base has no such record
    #[arg(long, conflicts_with = "base")]
    base_absent: bool,

    /// File with the stored record [default: nothing is stored]
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    head: Option<PathBuf>,

    /// The stored record is a tombstone
    #[arg(long, conflicts_with_all = ["head", "store"])]
    head_deleted: bool,

    /// File with the incoming record
    #[arg(long, value_name = "FILE", required_unless_present = "incoming_deleted")]
    incoming: Option<PathBuf>,

    /// The incoming change is a deletion
    #[arg(long, conflicts_with = "incoming")]
    incoming_deleted: bool,

    /// Head's clock, in milliseconds since 1970 [default: 0]
    #[arg(long, value_name = "MS", conflicts_with = "store")]
    head_at: Option<i64>,

    /// Source that wrote head
    #[arg(long, value_name = "ID", conflicts_with = "store")]
    head_by: Option<SourceId>,

    /// The change's own clock, in milliseconds since 1970 [default: none]
    #[arg(long, value_name = "MS")]
    incoming_at: Option<i64>,

    /// Source of the change
    #[arg(long, value_name = "ID")]
    incoming_by: Option<SourceId>,

    /// Time of receipt, in milliseconds since 1970 [default: the later clock]
    #[arg(long, value_name = "MS")]
    received_at: Option<i64>,

    /// Version to use as head: a number, or latest
    #[arg(long, value_name = "VERSION", default_value = "latest", requires = "store")]
    at: At,

    /// text: for people; json: one object
    #[arg(long, value_enum, default_value_t)]
    report: PolicyReportArg,

    #[command(flatten)]
    store: Option<StoreArgs>,
}

impl Explain {
    pub(super) fn run(self, start: Instant) -> Result<ExitStatus, Failure> {
        let policy = load_flag(&self.policy)?.policy;
        let asked = match &self.store {
            Some(store) => self.stored(&policy, store, start)?,
            None => self.filed(&policy)?,
        };
        let rules = policy.store(&asked.store);
        let traced = trace(rules, &asked.question());
        print(&match self.report {
            PolicyReportArg::Text => told::text(&asked, rules, &traced),
            PolicyReportArg::Json => told::json(&asked, rules, &traced),
        })?;
        Ok(ExitStatus::Done)
    }
}
