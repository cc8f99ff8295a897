//! `nifi-idb template install`: installs a shipped definition, or one from a file, in a running
//! NiFi.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::super::output::print;
use super::super::units::duration;
use super::preflight::Preflight;
use super::shipped;
use crate::config::{secret_in, secret_of};
use crate::exit_status::ExitStatus;
use crate::failure::Failure;
use crate::http_client::CertificateFiles;
use crate::nifi::{self, BulletinMark, Identity, Installation, Nifi, NifiError, NifiOptions};

/// Environment variable of the bearer token for NiFi.
const TOKEN_VARIABLE: &str = "NIFI_IDB_NIFI_TOKEN";

/// Environment variable of the password for NiFi.
const PASSWORD_VARIABLE: &str = "NIFI_IDB_NIFI_PASSWORD";

const EXAMPLE: &str = "Example:\n  nifi-idb template install scheduled-sync --nifi \
    http://localhost:8080 \
    --set store=http://localhost:18080 --set bucket=browsers --start\n\n\
    Run again, it changes what differs and nothing else.";

/// The flags of `template install`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct Install {
    /// Name of a shipped definition; with --file, only the name for the group
    name: String,

    /// URL of NiFi: http(s)://HOST:PORT
    #[arg(long, value_name = "URL", env = "NIFI_IDB_NIFI", hide_env_values = true)]
    nifi: String,

    /// Install the definition in this file instead of a shipped one
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Name of the group and of its parameter context [default: nifi-idb and the definition's name]
    #[arg(long = "name", value_name = "NAME")]
    group: Option<String>,

    /// Id of the group to install into [default: the root group]
    #[arg(long, value_name = "ID", default_value = "root", hide_default_value = true)]
    parent_group: String,

    /// Value of a parameter; for a secret, give a file that NiFi's user can read
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,

    /// Start the group, after checking the program and the store that its parameters name
    #[arg(long)]
    start: bool,

    /// After the start, read NiFi's bulletins for this long and fail if the group reports an error;
    /// 0s: skip this
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    watch: Duration,

    /// Give up after this time
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    timeout: Duration,

    /// PEM file with the certificate authorities to trust [default: the system's]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// PEM file with the client certificate chain
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,

    /// PEM file with the private key of the client certificate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,

    /// File with a bearer token for NiFi [default: NIFI_IDB_NIFI_TOKEN from the environment]
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    token_file: Option<PathBuf>,

    /// User name, with --password-file or NIFI_IDB_NIFI_PASSWORD in the environment
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// File with the user's password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

impl From<NifiError> for Failure {
    fn from(error: NifiError) -> Self {
        Self {
            status: error.exit_status(),
            message: error.message,
            hints: error.hints,
            is_no_room: false,
        }
    }
}

impl Install {
    pub(super) fn run(self) -> Result<ExitStatus, Failure> {
        let begun = Instant::now();
        let definition: Value = match &self.file {
            None => parsed(shipped(&self.name)?.text, &self.name)?,
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|error| {
                    Failure::usage(format!("--file {}: {error}", path.display()))
                })?;
                parsed(&text, &path.display().to_string())?
            }
        };
        let options = NifiOptions {
            url: self.nifi.clone(),
            files: CertificateFiles {
                ca: self.ca_file.clone(),
                client_cert: self.client_cert.clone(),
                client_key: self.client_key.clone(),
            },
            identity: self.identity()?,
            call_timeout: self.timeout,
        };
        let what = Installation {
            definition,
            name: self.group.unwrap_or_else(|| format!("nifi-idb {}", self.name)),
            parent: self.parent_group,
            parameters: self.set.into_iter().collect::<BTreeMap<_, _>>(),
            deadline: begun.checked_add(self.timeout).unwrap_or(begun),
        };
        // Each step is printed as soon as it is done: some are slow, and a failure leaves the
        // earlier steps in place.
        let mut unheard = None;
        let mut tell = |line: String| unheard = print(&(line + "\n")).err();
        let nifi = Nifi::open(&options)?;
        let installed = nifi::install(&nifi, &what, &mut tell)?;
        if self.start {
            let preflight =
                Preflight { parameters: &installed.parameters, is_local: nifi.is_local() };
            preflight.run()?.into_iter().for_each(|note| tell(format!("note: {note}")));
            let mark = BulletinMark::read(&nifi)?;
            nifi::start(&nifi, &what, &installed, &mut tell)?;
            mark.watch(&nifi, &installed.group, self.watch)?;
            if !self.watch.is_zero() {
                tell(format!("no errors in the first {} s", self.watch.as_secs_f32()));
            }
        } else {
            nifi::tell_state(&nifi, &installed, &mut tell)?;
        }
        unheard.map_or(Ok(ExitStatus::Done), Err)
    }

    fn identity(&self) -> Result<Identity, Failure> {
        if let Some(path) = &self.token_file {
            return Ok(Identity::Token(secret_in("--token-file", path)?));
        }
        let Some(user) = self.user.clone() else {
            return Ok(secret_of(TOKEN_VARIABLE)?.map_or(Identity::None, Identity::Token));
        };
        let password = match &self.password_file {
            Some(path) => secret_in("--password-file", path)?,
            None => secret_of(PASSWORD_VARIABLE)?.ok_or_else(|| {
                Failure::usage(format!("--user needs --password-file or {PASSWORD_VARIABLE}"))
            })?,
        };
        Ok(Identity::Login { user, password })
    }
}

fn parsed(text: &str, name: &str) -> Result<Value, Failure> {
    let definition: Value = serde_json::from_str(text)
        .map_err(|error| Failure::usage(format!("{name} is no flow definition: {error}")))?;
    if definition.get("flowContents").is_none_or(|contents| !contents.is_object()) {
        return Err(Failure::usage(format!(
            "{name} is no flow definition: it has no flowContents"
        )));
    }
    Ok(definition)
}
