//! Checks of the program, the store and the server that a group's parameters name, before it is
//! started.
//!
//! NiFi starts the program and opens the store as its own user and on its own machine. So only a
//! problem that must also occur there is a fault; anything else is a note.

use std::collections::BTreeMap;
use std::env;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::super::built_in_stores::open_git;
use crate::config::StoreUrl;
use crate::exit_status::ExitStatus;
use crate::failure::Failure;

/// Time limit for one connection attempt.
const CONNECT: Duration = Duration::from_secs(5);

/// The parameters of a running NiFi, and its location.
pub(super) struct Preflight<'a> {
    pub(super) parameters: &'a BTreeMap<String, String>,
    /// True if NiFi's address is on this machine.
    pub(super) is_local: bool,
}

impl Preflight<'_> {
    /// Checks everything, and returns notes.
    ///
    /// # Errors
    ///
    /// The first parameter that cannot work, with a step that fixes it.
    pub(super) fn run(&self) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        if let Some(command) = self.value("command") {
            notes.extend(self.command(command)?);
        }
        if let Some(store) = self.value("store") {
            notes.extend(self.store(store)?);
        }
        if let Some(url) = self.value("serve.url") {
            notes.extend(self.connects("serve.url", url)?);
        }
        if let (Some(host), Some(port)) = (self.value("serve.host"), self.value("serve.port")) {
            notes.extend(self.connects("serve.host", &format!("http://{host}:{port}"))?);
        }
        Ok(notes)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn command(&self, command: &str) -> Result<Option<String>, Failure> {
        if !self.is_local {
            return Ok(Some(format!(
                "command {command} is not checked: NiFi is on another machine"
            )));
        }
        let path = Path::new(command);
        if !path.is_absolute() {
            let folders = env::var_os("PATH").unwrap_or_default();
            let found = !command.contains('/')
                && env::split_paths(&folders).any(|folder| is_program(&folder.join(path)));
            let note = format!(
                "command {command} is not on this PATH: is it on NiFi's? An absolute path is safer"
            );
            return Ok((!found).then_some(note));
        }
        if is_program(path) {
            return Ok(None);
        }
        Err(Failure::usage(format!(
            "command {command}: there is no such program, or it may not be executed"
        ))
        .hint("not started; give the program's absolute path: --set command=PATH"))
    }

    fn store(&self, store: &str) -> Result<Option<String>, Failure> {
        match StoreUrl::parse(store.as_ref())? {
            StoreUrl::Registry(url) => self.connects("store", &url),
            StoreUrl::Memory => {
                Ok(Some("store memory: is gone with each process: nothing is kept".to_owned()))
            }
            StoreUrl::Git(path) if path.is_relative() => Ok(Some(format!(
                "store {store}: the path counts from NiFi's home; an absolute one is safer"
            ))),
            StoreUrl::Git(_) if !self.is_local => {
                Ok(Some(format!("store {store} is not checked: NiFi is on another machine")))
            }
            // The program that NiFi runs may have it.
            StoreUrl::Git(_) if !cfg!(feature = "git") => Ok(Some(format!(
                "store {store} is not checked: this program was built without the feature git"
            ))),
            StoreUrl::Git(path) => {
                match open_git(&path).and_then(|opened| Ok(opened.check_reachable()?)) {
                    Ok(()) => Ok(None),
                    Err(failure) if failure.status == ExitStatus::Denied => {
                        Ok(Some(format!("store {store} is not checked: {}", failure.message)))
                    }
                    Err(failure) => {
                        Err(failure.hint("not started; set another store: --set store=STORE"))
                    }
                }
            }
        }
    }

    /// Connects to the host and port of a URL, as NiFi will.
    fn connects(&self, parameter: &str, url: &str) -> Result<Option<String>, Failure> {
        let wrong =
            || Failure::usage(format!("{parameter} {url}: not a URL such as http://HOST:PORT"));
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let has_port =
            authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let default = if scheme == "https" { 443 } else { 80 };
        let address =
            if has_port { authority.to_owned() } else { format!("{authority}:{default}") };
        let here = ["localhost:", "127.", "[::1]:"].iter().any(|start| address.starts_with(start));
        if here && !self.is_local {
            return Ok(Some(format!("{parameter} {url} is not checked: it is on NiFi's machine")));
        }
        let reached = address.to_socket_addrs().and_then(|mut addresses| {
            let missing = || std::io::Error::other("the name has no address");
            addresses
                .next()
                .ok_or_else(missing)
                .and_then(|first| TcpStream::connect_timeout(&first, CONNECT))
        });
        match reached {
            Ok(_) => Ok(None),
            Err(error) if self.is_local => {
                let message = format!("{parameter} {url} cannot be reached: {error}");
                Err(Failure::new(ExitStatus::Transient, message)
                    .hint(format!("not started; start it, or set another: --set {parameter}=…")))
            }
            Err(error) => {
                Ok(Some(format!("{parameter} {url} cannot be reached from here: {error}")))
            }
        }
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
