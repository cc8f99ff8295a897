//! A NiFi and a Registry beside it, a folder, and what is in the Registry.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::canvas::Canvas;
use super::distribution::Distribution;
use super::nifi::Nifi;
use super::registry::{self, Provider, RealRegistry, needed};

/// The program that NiFi starts.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_nifi-idb");

/// All that a test on one NiFi has.
pub(crate) struct Lab {
    pub(crate) canvas: Canvas,
    pub(crate) registry: RealRegistry,
    folder: TempDir,
}

/// Runs a test on each NiFi that `NIFI_HOME` names, one after the other; without one it fails.
pub(crate) fn on_every_nifi(test: impl Fn(&mut Lab)) {
    let distributions = needed(Distribution::all());
    let _turn = registry::turn();
    let beside = registry_beside();
    for distribution in distributions {
        eprintln!("== NiFi {} with Registry {}", distribution.release, beside.release);
        let registry = RealRegistry::start(&beside, Provider::File);
        let canvas = Canvas::new(Nifi::start(&distribution));
        let folder = tempfile::Builder::new().prefix("nifi-idb-").tempdir().unwrap();
        test(&mut Lab { canvas, registry, folder });
    }
}

/// The Registry that `NIFI_REGISTRY_HOME` names, else the assembled one.
pub(crate) fn registry_beside() -> registry::Distribution {
    match std::env::var_os("NIFI_REGISTRY_HOME").filter(|home| !home.is_empty()) {
        Some(_) => needed(registry::Distribution::from_environment()),
        None => needed(registry::Distribution::assembled()),
    }
}

/// Runs the program on a store; gives its status and output.
pub(crate) fn ask(store: &str, command: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(PROGRAM).args([command, "--store", store]).args(arguments).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.code(), String::from_utf8(text).unwrap())
}

impl Lab {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn is_1x(&self) -> bool {
        self.canvas.nifi.distribution.is_1x()
    }

    /// Runs the program on the Registry; gives its status and output.
    pub(crate) fn ask(&self, command: &str, arguments: &[&str]) -> (Option<i32>, String) {
        ask(&self.registry.url(), command, arguments)
    }

    /// All versions of a flow, newest first, as `log` gives them.
    pub(crate) fn log(&self, flow: &str) -> Vec<Value> {
        match self.ask("log", &["--flow", flow, "--format", "json"]) {
            (Some(0), text) => {
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
            }
            // Not there yet, or the Registry is down.
            _ => Vec::new(),
        }
    }

    pub(crate) fn versions(&self, flow: &str) -> usize {
        self.log(flow).len()
    }

    /// The records of a flow's newest version, or of another, in the order of their keys.
    pub(crate) fn records(&self, flow: &str, at: &str) -> Vec<Value> {
        let (status, text) =
            self.ask("restore", &["--flow", flow, "--format", "records", "--at", at]);
        assert_eq!(status, Some(0), "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn ids(&self, flow: &str) -> Vec<u64> {
        self.records(flow, "latest").iter().map(|record| record["id"].as_u64().unwrap()).collect()
    }

    /// Nothing that is stored is damaged.
    pub(crate) fn verify(&self, flow: &str) {
        let (status, text) = self.ask("verify", &["--flow", flow, "--chain"]);
        assert_eq!(status, Some(0), "{text}");
    }
}
