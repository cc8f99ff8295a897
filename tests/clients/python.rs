//! Python with packages, in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

/// One environment is made at a time.
static MAKING: Mutex<()> = Mutex::new(());

/// Where environments and what they make are kept from run to run.
pub(crate) fn cache() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target")).join("clients")
}

/// A script of this folder.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Installs `packages` into the environment `name`, once; gives its Python.
pub(crate) fn python(name: &str, packages: &[&str]) -> PathBuf {
    let _turn = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let home = cache().join(name);
    let python = home.join("bin/python");
    let (marker, wanted) = (home.join("installed"), packages.join("\n"));
    if !std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&home),
            "Python 3 with its venv module (`python3`)",
        );
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(
            Command::new(&python).args(install).args(packages),
            &format!("{wanted:?} from a package index"),
        );
        std::fs::write(&marker, wanted).unwrap();
    }
    python
}

/// Runs a command that has to succeed; `what` is needed for it.
#[track_caller]
pub(crate) fn run(command: &mut Command, what: &str) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("NOT RUN, needs {what}: {error}"));
    if output.status.success() {
        return output;
    }
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    panic!("{what} ended with {}:\n{}", output.status, String::from_utf8_lossy(&text))
}
