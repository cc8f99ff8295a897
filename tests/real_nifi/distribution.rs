//! The distributions that `NIFI_HOME` names, and a JDK for each.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::registry::NotRun;

/// An unpacked NiFi; it is read, never written.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    pub(crate) home: PathBuf,
    pub(crate) release: String,
    pub(crate) java: PathBuf,
}

impl Distribution {
    /// All that `NIFI_HOME` names; at least one.
    pub(crate) fn all() -> Result<Vec<Self>, NotRun> {
        let homes = paths("NIFI_HOME");
        if homes.is_empty() {
            let what = "NIFI_HOME, the folder of an unpacked NiFi 1.28 or 2.x, or several with colons between them; and a \
                        JDK for each (11 or 17 for 1.28, 21 or later for 2.x), by NIFI_JAVA_HOME";
            return Err(NotRun::new(what.to_owned()));
        }
        homes.iter().map(|home| Self::at(home)).collect()
    }

    fn at(home: &Path) -> Result<Self, NotRun> {
        let missing =
            |what: &str| NotRun::new(format!("an unpacked NiFi: {} {what}", home.display()));
        let home = home.canonicalize().map_err(|_| missing("is not there"))?;
        if !home.join("conf/nifi.properties").is_file() {
            return Err(missing("has no conf/nifi.properties"));
        }
        let entries = home.join("lib").read_dir().map_err(|_| missing("has no folder lib"))?;
        let release = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find_map(|name| {
                Some(name.strip_prefix("nifi-runtime-")?.strip_suffix(".jar")?.to_owned())
            })
            .ok_or_else(|| missing("has no lib/nifi-runtime-*.jar"))?;
        let java = java(&release)?;
        Ok(Self { home, release, java })
    }

    /// Whether it is of the line that has InvokeGRPC, and no renamed properties.
    pub(crate) fn is_1x(&self) -> bool {
        self.release.starts_with("1.")
    }
}

/// The folders that a variable names.
fn paths(name: &str) -> Vec<PathBuf> {
    let value = std::env::var_os(name).unwrap_or_default();
    std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// The first JDK that fits.
fn java(release: &str) -> Result<PathBuf, NotRun> {
    let (wanted, words): (RangeInclusive<u32>, _) = if release.starts_with("1.") {
        (11..=17, "11 or 17")
    } else {
        (21..=u32::MAX, "21 or later")
    };
    let mut homes = [paths("NIFI_JAVA_HOME"), paths("JAVA_HOME")].concat();
    // Where packages of Linux distributions put them.
    let installed = Path::new("/usr/lib/jvm").read_dir().into_iter().flatten();
    homes.extend(installed.filter_map(|entry| Some(entry.ok()?.path())));
    let mut candidates: Vec<_> = homes.iter().map(|home| home.join("bin/java")).collect();
    candidates.push("java".into());
    let mut found = Vec::new();
    for java in candidates {
        match major(&java) {
            Some(number) if wanted.contains(&number) => return Ok(java),
            Some(number) => found.push(format!("{} is {number}", java.display())),
            None => {}
        }
    }
    Err(NotRun::new(format!(
        "a JDK {words} for NiFi {release}, by NIFI_JAVA_HOME; found: {}",
        found.join(", ")
    )))
}

/// A JDK's number; `None` if there is none.
fn major(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.split('"').nth(1)?.to_owned();
    let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse().unwrap_or(0));
    match numbers.next()? {
        1 => numbers.next(),
        first => Some(first),
    }
}
