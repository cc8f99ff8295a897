//! The flags of `nifi-idb sync`.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::builder::{NonEmptyStringValueParser, PossibleValue};
use clap::{Args, ValueEnum};

use crate::cli::hash_key::HashKeyArgs;
use crate::cli::store_url::StoreArgs;
use crate::cli::units::duration;
use crate::config::DEFAULT_BUCKET;
use crate::decode::{DEFAULT_MAX_LINE_BYTES, Decimals, DecodeOptions, Dialect, Mode};
use crate::failure::Failure;
use crate::indexeddb::dom_string::DomString;
use crate::indexeddb::iso_date::MAX_DATE_MS;
use crate::indexeddb::schema::KeyPath;
use crate::indexeddb::value;
use crate::normalize::{DEFAULT_SKEW_MS, NormalizeOptions};
use crate::pipeline::{IntakeOptions, NewEpoch, Review, SyncOptions};
use crate::policy::Policy;
use crate::snapshot::SourceId;

const EXAMPLE: &str = "Example:\n  nifi-idb sync --store git:snapshots.git --database myDatabase --object-store data \
    --key-path id < records.ndjson\n\nIn NiFi (ExecuteStreamCommand) add --expect-bytes ${fileSize} --batch-id ${uuid}.";

/// The flags of `sync`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Sync {
    #[command(flatten)]
    pub(super) store: StoreArgs,

    /// Format of standard input
    #[arg(long, value_enum, default_value_t = InputArg::Auto, env = "NIFI_IDB_INPUT", hide_env_values = true)]
    pub(super) input: InputArg,

    /// Records and events: object store that they belong to
    #[arg(long, value_name = "NAME", env = "NIFI_IDB_OBJECT_STORE", hide_env_values = true)]
    object_store: Option<String>,

    /// Key path of the records; repeat for a compound key, or write STORE=PATH for one object
    /// store's key path
    #[arg(long, value_name = "[STORE=]PATH")]
    key_path: Vec<String>,

    /// Member that contains the key and is not part of the record
    #[arg(long, value_name = "MEMBER")]
    key_field: Option<String>,

    /// Plain JSON and dumps: skip this object store; may be repeated
    #[arg(long, value_name = "STORE")]
    skip_store: Vec<String>,

    /// Playwright: origin of the database, if there are several
    #[arg(long, value_name = "URL", env = "NIFI_IDB_ORIGIN", hide_env_values = true)]
    origin: Option<String>,

    /// Name of the database if the input does not contain one [default: default]; selects one if
    /// the input contains several
    #[arg(long, value_name = "NAME", env = "NIFI_IDB_DATABASE", hide_env_values = true)]
    database: Option<String>,

    /// IndexedDB version of the database if the input does not contain one [default: 1]
    #[arg(long, value_name = "N")]
    database_version: Option<u64>,

    /// Name of the writer: 1 to 64 of A-Z a-z 0-9 . _ : -
    #[arg(long, value_name = "ID", env = "NIFI_IDB_SOURCE", hide_env_values = true)]
    source: Option<SourceId>,

    /// delta: the input contains the changes; full: it contains all records of the source (needs a
    /// source) [default: delta]
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,

    /// Treat the input as plain JSON without tagged values: member names starting with ~ are data
    #[arg(long)]
    plain_json: bool,

    /// Store integers that a double cannot represent as BigInt instead of rejecting their lines; in
    /// an event's key, as text
    #[arg(long)]
    big_integers: bool,

    /// Events and extended JSON: store decimals as numbers, or as text that keeps every digit
    #[arg(long, value_enum, default_value_t = DecimalsArg::Number)]
    decimals: DecimalsArg,

    /// Number of bytes in the input; the batch fails if it differs
    #[arg(long, value_name = "N")]
    pub(super) expect_bytes: Option<u64>,

    /// Fail if standard input is silent for this long; 0: never
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = IDLE_TEXT)]
    #[arg(env = "NIFI_IDB_IDLE", hide_env_values = true)]
    pub(super) idle: Duration,

    /// Maximum length of a line in bytes; longer lines are rejected
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_LINE_BYTES)]
    max_line_bytes: usize,

    /// Id of this delivery: repeating it with the same content changes nothing, with other content
    /// it is refused
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) batch_id: Option<String>,

    /// Time of receipt, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..=MAX_DATE_MS))]
    received_at: Option<i64>,

    /// Time by which a record's clock may be ahead of the time of receipt; a later one is set back
    /// [default: the policy's value, or 5m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    skew: Option<Duration>,

    /// TOML file with the conflict rules; see nifi-idb policy --help
    #[arg(long, value_name = "FILE", env = "NIFI_IDB_POLICY", hide_env_values = true)]
    pub(super) policy: Option<PathBuf>,

    /// The policy loaded from that file.
    #[arg(skip)]
    pub(super) loaded: Option<Arc<Policy>>,

    #[command(flatten)]
    pub(super) hash_key: HashKeyArgs,

    /// Write each rejected line, with its place and reason, to this file (mode 0600); see nifi-idb
    /// rejects
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,

    /// Include the text of rejected lines in the report, as in the file of --rejects
    #[arg(long)]
    rejected_text: bool,

    /// Folder for sorting large inputs [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER", env = "NIFI_IDB_TEMP_DIR", hide_env_values = true)]
    pub(super) temp_dir: Option<PathBuf>,

    /// lines: one object per line for each reject, conflict, change and acknowledgement, then the
    /// summary; flowfile-v3: FlowFiles with attributes [default: lines; flowfile-v3 for packages]
    #[arg(long, value_enum)]
    pub(super) report: Option<ReportArg>,

    /// Also report, as change lines, everything that changed since the batch's base, except the
    /// source's own changes
    #[arg(long)]
    pull: bool,

    /// Exit with 3 if lines were rejected, or if no rule decided a conflict
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,

    /// Confirm the plan that the guard refused, by the digest from its message
    #[arg(long, value_name = "PLAN", value_parser = NonEmptyStringValueParser::new())]
    confirm: Option<String>,

    /// Accept that the source started over: keep deletes nothing, mirror deletes the records that
    /// it no longer has
    #[arg(long, value_enum)]
    new_epoch: Option<NewEpochArg>,

    /// Show what would be done, without writing anything
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// [`super::stdin::DEFAULT_IDLE`] as a flag's value.
const IDLE_TEXT: &str = "60s";

/// A value of `--input`: a dialect, or detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputArg {
    Auto,
    Dialect(Dialect),
    FlowFileV3,
}

/// All values of `--input`, in the order of `--help`.
static INPUT_ARGS: LazyLock<Vec<InputArg>> = LazyLock::new(|| {
    let dialects = Dialect::ALL.iter().copied().map(InputArg::Dialect);
    [InputArg::Auto].into_iter().chain(dialects).chain([InputArg::FlowFileV3]).collect()
});

impl ValueEnum for InputArg {
    fn value_variants<'a>() -> &'a [Self] {
        &INPUT_ARGS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => {
                PossibleValue::new("auto").help("Detected from the first bytes and the first line")
            }
            Self::Dialect(dialect) => {
                let spec = dialect.spec();
                PossibleValue::new(spec.name)
                    .aliases(spec.aliases.iter().copied())
                    .help(spec.summary)
            }
            Self::FlowFileV3 => PossibleValue::new("flowfile-v3")
                .help("FlowFiles with attributes, as PackageFlowFile and MergeContent write them"),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DecimalsArg {
    Number,
    Text,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    Delta,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportArg {
    Lines,
    Summary,
    #[value(name = "flowfile-v3")]
    FlowFileV3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Rejects,
    Conflicts,
    Any,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NewEpochArg {
    Keep,
    Mirror,
}

impl Sync {
    /// Returns the options that the flags set for every FlowFile.
    pub(super) fn options(&self, start: Instant) -> Result<IntakeOptions, Failure> {
        let (key_path, key_paths) = self.key_paths()?;
        let decode = DecodeOptions {
            input: match self.input {
                InputArg::Auto | InputArg::FlowFileV3 => None,
                InputArg::Dialect(dialect) => Some(dialect),
            },
            object_store: self.object_store.as_deref().map(Into::into),
            key_path,
            key_paths,
            key_field: self.key_field.clone(),
            database: self.database.as_deref().map(Into::into),
            database_version: self.database_version,
            source: self.source.clone(),
            mode: self.mode.map(|mode| match mode {
                ModeArg::Delta => Mode::Delta,
                ModeArg::Full => Mode::Full,
            }),
            origin: self.origin.clone(),
            skip_stores: self.skip_store.iter().map(|name| name.as_str().into()).collect(),
            decimals: match self.decimals {
                DecimalsArg::Number => Decimals::Number,
                DecimalsArg::Text => Decimals::Text,
            },
            big_integers: self.big_integers,
            temp_folder: self.temp_dir.clone(),
            max_line_bytes: self.max_line_bytes,
            ..DecodeOptions::default()
        };
        let normalize = NormalizeOptions {
            skew_ms: self.skew_ms(),
            temp_folder: self.temp_dir.clone(),
            hash_key: self.hash_key.read()?,
            values: value::Options { plain: self.plain_json, big_integers: self.big_integers },
            policy: self.loaded.clone(),
            ..NormalizeOptions::received_at(self.received_at.unwrap_or_else(now_ms))
        };
        let sync = SyncOptions {
            delivery: self.batch_id.clone(),
            client: None,
            confirm: self.confirm.clone(),
            new_epoch: self.new_epoch.map(|answer| match answer {
                NewEpochArg::Keep => NewEpoch::Keep,
                NewEpochArg::Mirror => NewEpoch::Mirror,
            }),
            dry_run: self.dry_run,
            pull: self.pull,
            withholds_values: false,
            deadline: self.store.deadline_at(start),
            temp_folder: self.temp_dir.clone(),
            policy: self.loaded.clone(),
        };
        let review = Review {
            rejects: matches!(self.fail_on, Some(FailOn::Rejects | FailOn::Any)),
            conflicts: matches!(self.fail_on, Some(FailOn::Conflicts | FailOn::Any)),
        };
        let bucket = self.store.bucket.clone().unwrap_or_else(|| DEFAULT_BUCKET.to_owned());
        Ok(IntakeOptions {
            bucket,
            flow: self.store.flow.clone(),
            decode,
            normalize,
            sync,
            review,
            // In a FlowFile the report replaces the content, so the text would be lost otherwise.
            rejected_text: self.rejected_text || self.report == Some(ReportArg::FlowFileV3),
            admission: None,
            trusts_received_at: true,
        })
    }
}

impl Sync {
    /// Returns the limit on clocks; the flag overrides the policy file.
    fn skew_ms(&self) -> i64 {
        match (self.skew, self.loaded.as_ref().and_then(|policy| policy.max_skew_ms)) {
            (Some(skew), _) => i64::try_from(skew.as_millis()).unwrap_or(MAX_DATE_MS),
            (None, Some(skew)) => skew.min(MAX_DATE_MS),
            (None, None) => DEFAULT_SKEW_MS,
        }
    }
}

/// One key path for all records, or one for each object store.
type KeyPaths = (Option<KeyPath>, Vec<(DomString, KeyPath)>);

impl Sync {
    /// Returns the key paths of `--key-path`, in both its forms.
    fn key_paths(&self) -> Result<KeyPaths, Failure> {
        let path = |paths: &[&str]| match paths {
            [] => None,
            [path] => Some(KeyPath::Path((*path).into())),
            paths => Some(KeyPath::Paths(paths.iter().map(|path| (*path).into()).collect())),
        };
        // A key path cannot contain `=`; the name of an object store can.
        let mut stores: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut alone = Vec::new();
        for text in &self.key_path {
            match text.rsplit_once('=') {
                None => alone.push(text.as_str()),
                Some((store, path)) => match stores.iter_mut().find(|(known, _)| *known == store) {
                    Some((_, paths)) => paths.push(path),
                    None => stores.push((store, vec![path])),
                },
            }
        }
        if !alone.is_empty() && (!stores.is_empty() || self.key_field.is_some()) {
            let what = "--key-path PATH stands alone: beside --key-field, or another object store's, it is STORE=PATH";
            return Err(Failure::usage(what));
        }
        let stores = stores
            .into_iter()
            .filter_map(|(store, paths)| Some((store.into(), path(&paths)?)))
            .collect();
        Ok((path(&alone), stores))
    }
}

/// Reads the clock, once per run: later stages get the time as an argument.
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub(in crate::cli) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(MAX_DATE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::stdin::DEFAULT_IDLE;

    #[test]
    fn shown_defaults_are_the_real_ones() {
        assert_eq!(duration(IDLE_TEXT), Ok(DEFAULT_IDLE));
        assert_eq!(duration("5m").map(|skew| skew.as_millis() as i64), Ok(DEFAULT_SKEW_MS));
    }
}
