//! A script around the program, which a flow's parameter `command` names: it can be slow, and leaves word of each run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use super::lab::PROGRAM;
use super::nifi::wait_for;

/// The script and the folder that it writes to.
pub(crate) struct Wrapper {
    folder: PathBuf,
}

/// How the next run, and only that one, is slow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slow {
    /// It has not read anything yet.
    Before,
    /// It has done everything, and only has not ended.
    After,
}

/// How long a slow run is slow.
pub(crate) const SLOW: Duration = Duration::from_secs(8);

impl Wrapper {
    pub(crate) fn new(folder: &Path) -> Self {
        let folder = folder.join("wrapper");
        fs::create_dir(&folder).unwrap();
        let script = format!(
            "#!/bin/sh
cd '{folder}' || exit 2
echo $$ > pid.$$ && mv pid.$$ run-$(date +%s%N)
if rm Before 2>/dev/null; then sleep {seconds}; fi
if rm After 2>/dev/null; then '{PROGRAM}' \"$@\"; code=$?; echo $code > code.new && mv code.new done; sleep {seconds}; exit $code; fi
exec '{PROGRAM}' \"$@\"
",
            folder = folder.display(),
            seconds = SLOW.as_secs()
        );
        let path = folder.join("nifi-idb");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// For the parameter `command`.
    pub(crate) fn command(&self) -> String {
        self.folder.join("nifi-idb").display().to_string()
    }

    /// Makes the next run slow.
    pub(crate) fn slow(&self, how: Slow) {
        fs::write(self.folder.join(format!("{how:?}")), "").unwrap();
    }

    /// The processes of all runs so far.
    pub(crate) fn runs(&self) -> Vec<Pid> {
        let mut names: Vec<_> =
            fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("run-"));
        names.sort();
        let pid = |path: &PathBuf| {
            Pid::from_raw(fs::read_to_string(path).unwrap().trim().parse().unwrap()).unwrap()
        };
        names.iter().map(pid).collect()
    }

    /// Waits for a run more than `known`; gives its process.
    #[track_caller]
    pub(crate) fn next_run(&self, known: usize) -> Pid {
        wait_for("a run of the program", Duration::from_secs(120), || {
            self.runs().get(known).copied()
        })
    }

    /// Waits until a run that is slow after its work has done it; gives the exit status.
    pub(crate) fn done(&self) -> String {
        let path = self.folder.join("done");
        let code = wait_for("the end of the program", Duration::from_secs(120), || {
            fs::read_to_string(&path).ok()
        });
        fs::remove_file(path).unwrap();
        code.trim().to_owned()
    }
}

/// Whether a process is still there.
pub(crate) fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}
