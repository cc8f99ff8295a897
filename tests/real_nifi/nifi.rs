//! A private copy of a NiFi, on loopback, in a temporary folder of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::distribution::Distribution;
use super::rest::Rest;

/// The Java heap; `NIFI_HEAP` sets another.
const HEAP: &str = "512m";
/// Longest time of a start; a busy machine needs minutes for several nodes.
const START_LIMIT: Duration = Duration::from_secs(600);
/// How long a stop may take before the process is killed.
const STOP_LIMIT: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(200);

/// Plain HTTP, one user who may do all, and no login.
const PROPERTIES: [(&str, &str); 15] = [
    ("nifi.web.http.host", "127.0.0.1"),
    ("nifi.web.https.host", ""),
    ("nifi.web.https.port", ""),
    // 1.28 refuses to start while the store types are set and the stores are not.
    ("nifi.security.keystore", ""),
    ("nifi.security.keystoreType", ""),
    ("nifi.security.truststore", ""),
    ("nifi.security.truststoreType", ""),
    ("nifi.security.user.authorizer", ""),
    ("nifi.security.user.login.identity.provider", ""),
    ("nifi.remote.input.secure", "false"),
    ("nifi.remote.input.http.enabled", "false"),
    ("nifi.cluster.protocol.is.secure", "false"),
    ("nifi.sensitive.props.key", "local-test-only-key"),
    ("nifi.administrative.yield.duration", "100 millis"),
    ("nifi.content.repository.archive.enabled", "false"),
];

/// A running NiFi; it and nothing else is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Nifi {
    pub(crate) distribution: Distribution,
    folder: TempDir,
    port: u16,
    process: Option<Child>,
    environment: Vec<(&'static str, String)>,
    pub(crate) rest: Rest,
}

impl Nifi {
    /// Starts an empty one, and waits until it answers.
    pub(crate) fn start(distribution: &Distribution) -> Self {
        let mut nifi = Self::prepare(distribution, Vec::new());
        let begun = Instant::now();
        nifi.start_again();
        eprintln!("NiFi {}: up after {:.1?}", distribution.release, begun.elapsed());
        nifi
    }

    /// Lays out an empty one, and does not start it; `environment` is added to that of its process.
    pub(crate) fn prepare(
        distribution: &Distribution,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix("nifi-").tempdir().unwrap();
        let home = folder.path();
        for name in ["conf", "extensions", "logs"] {
            fs::create_dir(home.join(name)).unwrap();
        }
        for entry in
            fs::read_dir(distribution.home.join("conf")).unwrap().map(|entry| entry.unwrap().path())
        {
            if entry.is_file() {
                fs::copy(&entry, home.join("conf").join(entry.file_name().unwrap())).unwrap();
            }
        }
        symlink(distribution.home.join("lib"), home.join("lib")).unwrap();
        let port = free_port();
        let rest = Rest::new(format!("http://127.0.0.1:{port}/nifi-api"));
        let nifi = Self {
            distribution: distribution.clone(),
            folder,
            port,
            process: None,
            environment,
            rest,
        };
        let properties = PROPERTIES.map(|(name, value)| (name, value.to_owned()));
        let port = ("nifi.web.http.port", nifi.port.to_string());
        nifi.set_properties(properties.into_iter().chain([port]));
        nifi
    }

    pub(crate) fn home(&self) -> &Path {
        self.folder.path()
    }

    /// The port of its API.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(self.process.as_ref().unwrap())
    }

    pub(crate) fn set_properties(
        &self,
        properties: impl IntoIterator<Item = (&'static str, String)>,
    ) {
        let path = self.home().join("conf/nifi.properties");
        let mut text = fs::read_to_string(&path).unwrap();
        for (name, value) in properties {
            let others: String = text
                .lines()
                .filter(|line| !line.starts_with(&format!("{name}=")))
                .map(|line| format!("{line}\n"))
                .collect();
            text = format!("{others}{name}={value}\n");
        }
        fs::write(path, text).unwrap();
    }

    /// Starts it on what it has, on its port, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        self.launch();
        self.wait_for_answer();
    }

    /// Starts its process, and does not wait for it.
    pub(crate) fn launch(&mut self) {
        let heap = std::env::var("NIFI_HEAP").unwrap_or_else(|_| HEAP.to_owned());
        let console = File::options()
            .create(true)
            .append(true)
            .open(self.home().join("logs/console.log"))
            .unwrap();
        let mut command = Command::new(&self.distribution.java);
        command.args([format!("-Xms{heap}"), format!("-Xmx{heap}")]);
        command.args(["-cp", "lib/*:lib/java11/*:conf", "-Djava.awt.headless=true"]);
        command.args([
            "-Dsun.net.http.allowRestrictedHeaders=true",
            "-Dorg.apache.nifi.bootstrap.config.log.dir=logs",
        ]);
        let properties = self.home().join("conf/nifi.properties");
        command.arg(format!("-Dnifi.properties.file.path={}", properties.display()));
        command
            .arg(format!("-Dorg.apache.nifi.management.server.address=127.0.0.1:{}", free_port()));
        command.arg("org.apache.nifi.NiFi").current_dir(self.home());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(console.try_clone().unwrap()).stderr(console);
        self.process = Some(command.spawn().unwrap());
    }

    /// Waits until its API answers; a node of a cluster answers once it has joined.
    pub(crate) fn wait_for_answer(&mut self) {
        let begun = Instant::now();
        while self.rest.call(reqwest::Method::GET, "/flow/process-groups/root", None).is_err() {
            let ended = !matches!(self.process.as_mut().unwrap().try_wait(), Ok(None));
            if ended || begun.elapsed() > START_LIMIT {
                panic!("NiFi {} does not start:\n{}", self.distribution.release, self.log_end());
            }
            thread::sleep(POLL);
        }
    }

    /// Ends it as a power failure does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) fn stop(&mut self) {
        let Some(process) = &mut self.process else { return };
        let asked = kill_process(Pid::from_child(process), Signal::TERM);
        let begun = Instant::now();
        while asked.is_ok()
            && begun.elapsed() < STOP_LIMIT
            && matches!(process.try_wait(), Ok(None))
        {
            thread::sleep(POLL);
        }
        self.kill();
    }

    /// What went wrong, as its log has it.
    pub(crate) fn log_end(&self) -> String {
        let text = |name: &str| fs::read(self.home().join("logs").join(name)).unwrap_or_default();
        let all = [text("console.log"), text("nifi-app.log")].concat();
        let all = String::from_utf8_lossy(&all).into_owned();
        let lines: Vec<_> =
            all.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Nifi {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("NiFi {}:\n{}", self.distribution.release, self.log_end());
            if let Some(kept) = std::env::var_os("NIFI_KEEP_LOGS") {
                let _ = fs::create_dir_all(&kept);
                let _ = fs::copy(
                    self.home().join("logs/nifi-app.log"),
                    PathBuf::from(kept).join("nifi-app.log"),
                );
            }
            self.kill();
        }
        self.stop();
    }
}

/// A port that is free, and that no connection gets until a server takes it, minutes later on a busy machine: it is below
/// those that the kernel gives by itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 16_000 + (std::process::id() % 14_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

/// Waits until something is so, or fails saying what was waited for.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain for {what}");
        thread::sleep(POLL);
    }
}
