//! A real NiFi Registry on loopback, in a temporary folder of its own.
//!
//! Nothing that others use is touched: a distribution gives its `lib` folder and nothing else, and only processes
//! started here are stopped.

use super::replay::{Sent, send};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The release whose server Maven has.
const ASSEMBLED: &str = "0.8.0";
/// JDKs that 0.8.0 runs on.
const ASSEMBLED_JAVA: std::ops::RangeInclusive<u32> = 11..=17;
/// The Java heap; `REGISTRY_HEAP` sets another.
const HEAP: &str = "512m";
/// How long a start may take; a cold machine needs half a minute.
const START_LIMIT: Duration = Duration::from_secs(180);
/// How long a stop may take before the process is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How often a waiting loop looks.
const POLL: Duration = Duration::from_millis(100);
/// Starts to try when the port is taken between its choice and its use.
const START_TRIES: usize = 3;
/// Lines of each log that a failed start shows.
const LOG_LINES: usize = 20;

/// Why a test could not run at all.
#[derive(Debug)]
pub(crate) struct NotRun(String);

impl NotRun {
    /// `needs` says what is missing, and what was found in its place.
    pub(crate) fn new(needs: String) -> Self {
        Self(needs)
    }
}

impl std::fmt::Display for NotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NOT RUN: needs {}", self.0)
    }
}

/// Unwraps what a test needs; without it the test fails and says so, for it must never look green.
pub(crate) fn needed<T>(outcome: Result<T, NotRun>) -> T {
    outcome.unwrap_or_else(|missing| panic!("{missing}"))
}

/// Where flow contents are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    File,
    Database,
}

/// The programs of one release.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    lib: PathBuf,
    java: PathBuf,
    /// As the runtime's file name gives it.
    pub(crate) release: String,
}

/// Waits for the machine: tests that run a server take turns.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder for what is fetched once: `target/real-registry`.
pub(crate) fn cache() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
    target.join("real-registry")
}

impl Distribution {
    /// 0.8.0 from Maven, assembled once.
    pub(crate) fn assembled() -> Result<Self, NotRun> {
        let java = java(ASSEMBLED, ASSEMBLED_JAVA)?;
        let home = cache().join(ASSEMBLED);
        let complete = fs::read_to_string(home.join("version"))
            .is_ok_and(|version| version.trim() == ASSEMBLED);
        if !complete {
            Command::new("mvn").arg("-version").output().map_err(|error| {
                NotRun(format!("Maven to fetch Registry {ASSEMBLED}; `mvn -version`: {error}"))
            })?;
            let script =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_registry/assemble.sh");
            let output = Command::new("bash")
                .arg(script)
                .arg(ASSEMBLED)
                .arg(&home)
                .output()
                .map_err(|error| NotRun(format!("bash: {error}")))?;
            if !output.status.success() {
                let text = [output.stdout, output.stderr].concat();
                let text = String::from_utf8_lossy(&text).into_owned();
                return Err(NotRun(format!(
                    "the Maven artifacts of Registry {ASSEMBLED}:\n{text}"
                )));
            }
        }
        Self::at(&home, java)
    }

    /// The unpacked official distribution that `NIFI_REGISTRY_HOME` names.
    pub(crate) fn from_environment() -> Result<Self, NotRun> {
        let home = std::env::var_os("NIFI_REGISTRY_HOME").filter(|home| !home.is_empty());
        let home = home.map(PathBuf::from).ok_or_else(|| {
            NotRun(
                "NIFI_REGISTRY_HOME, the folder of an unpacked NiFi Registry distribution"
                    .to_owned(),
            )
        })?;
        let release = release_in(&home.join("lib"))?;
        let needed = match release.split('.').next() {
            Some("0") => ASSEMBLED_JAVA,
            Some("1") => 11..=21,
            _ => 21..=u32::MAX,
        };
        Self::at(&home, java(&release, needed)?)
    }

    fn at(home: &Path, java: PathBuf) -> Result<Self, NotRun> {
        let lib = home.join("lib");
        let lib = lib
            .canonicalize()
            .map_err(|error| NotRun(format!("a Registry in {}: {error}", home.display())))?;
        Ok(Self { release: release_in(&lib)?, lib, java })
    }
}

/// Reads the release off the name of the server's main jar.
fn release_in(lib: &Path) -> Result<String, NotRun> {
    let missing = || {
        NotRun(format!(
            "an unpacked NiFi Registry: no nifi-registry-runtime-*.jar in {}",
            lib.display()
        ))
    };
    let entries = fs::read_dir(lib).map_err(|_| missing())?;
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find_map(|name| {
            Some(name.strip_prefix("nifi-registry-runtime-")?.strip_suffix(".jar")?.to_owned())
        })
        .ok_or_else(missing)
}

/// Finds a JDK by `JAVA_HOME`, else on the path, and looks at its version.
fn java(release: &str, wanted: std::ops::RangeInclusive<u32>) -> Result<PathBuf, NotRun> {
    let range = match *wanted.end() {
        u32::MAX => format!("{} or later", wanted.start()),
        end => format!("{} to {end}", wanted.start()),
    };
    let what =
        format!("a JDK {range} for Registry {release}, by JAVA_HOME or as `java` on the path");
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let java =
        home.map_or_else(|| PathBuf::from("java"), |home| PathBuf::from(home).join("bin/java"));
    let output = Command::new(&java).arg("-version").output();
    let output = output.map_err(|error| NotRun(format!("{what}; {}: {error}", java.display())))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.split('"').nth(1).unwrap_or_default();
    let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse().unwrap_or(0));
    let major = match numbers.next() {
        Some(1) => numbers.next().unwrap_or(0),
        first => first.unwrap_or(0),
    };
    if wanted.contains(&major) {
        Ok(java)
    } else {
        Err(NotRun(format!("{what}; {} is {version:?}", java.display())))
    }
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub(crate) struct RealRegistry {
    distribution: Distribution,
    folder: Option<TempDir>,
    port: u16,
    process: Option<Child>,
}

impl RealRegistry {
    /// Starts an empty Registry, and waits until it answers.
    pub(crate) fn start(distribution: &Distribution, provider: Provider) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("registry-")
            .tempdir()
            .expect("a temporary folder can be made");
        let mut registry = Self {
            distribution: distribution.clone(),
            folder: Some(folder),
            port: 0,
            process: None,
        };
        registry.configure(provider).expect("the temporary folder can be written");
        let start = Instant::now();
        let mut failure = String::new();
        for _ in 0..START_TRIES {
            match registry.start_again() {
                Ok(()) => {
                    eprintln!(
                        "Registry {}, {provider:?}: up after {:.1?}",
                        distribution.release,
                        start.elapsed()
                    );
                    return registry;
                }
                Err(text) => {
                    registry.port = 0;
                    failure = text;
                }
            }
        }
        panic!("Registry {} does not start: {failure}", distribution.release);
    }

    /// The API's base, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/nifi-registry-api", self.port)
    }

    /// Starts the server on what it had stored, on the port it had if that is still free. The error shows the ends of its logs.
    pub(crate) fn start_again(&mut self) -> Result<(), String> {
        self.stop();
        self.port =
            free_port(self.port).map_err(|error| format!("no free port on loopback: {error}"))?;
        self.process = Some(
            self.launch()
                .map_err(|error| format!("{}: {error}", self.distribution.java.display()))?,
        );
        let (url, start) = (self.url(), Instant::now());
        let probe =
            Sent { method: "GET".to_owned(), path: "/buckets".to_owned(), ..Sent::default() };
        while !send(&url, &probe).is_ok_and(|reply| reply.status == 200) {
            let ended =
                self.process.as_mut().is_none_or(|process| !matches!(process.try_wait(), Ok(None)));
            if ended || start.elapsed() > START_LIMIT {
                let what = if ended { "it ended" } else { "it gives no answer in time" };
                let text = format!("{what}\n{}", self.log_ends());
                self.kill();
                return Err(text);
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Asks the server to stop, and waits for its end; kills it if that takes too long.
    pub(crate) fn stop(&mut self) {
        let Some(process) = &mut self.process else { return };
        let asked = kill_process(Pid::from_child(process), Signal::TERM);
        let start = Instant::now();
        while asked.is_ok()
            && start.elapsed() < STOP_LIMIT
            && matches!(process.try_wait(), Ok(None))
        {
            thread::sleep(POLL);
        }
        self.kill();
    }

    /// Ends the server as a power failure does (`kill -9`).
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Fails if it has ended by itself, and then it is only waited for.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("."), TempDir::path)
    }

    /// Writes all configuration; the distribution's own is not read, for it may name the user's data.
    fn configure(&self, provider: Provider) -> io::Result<()> {
        for name in ["conf", "logs", "database", "docs"] {
            fs::create_dir(self.folder().join(name))?;
        }
        let conf = self.folder().join("conf");
        fs::write(conf.join("providers.xml"), providers(provider))?;
        fs::write(conf.join("logback.xml"), LOGBACK)
    }

    fn launch(&self) -> io::Result<Child> {
        let lib = self.distribution.lib.display().to_string();
        let conf = self.folder().join("conf/nifi-registry.properties");
        fs::write(conf, properties(&lib, self.port))?;
        let console = File::create(self.folder().join("logs/console.log"))?;
        let heap = std::env::var("REGISTRY_HEAP").unwrap_or_else(|_| HEAP.to_owned());
        // Official distributions have some of the jars in folders of their own.
        let class_path = format!("conf:{lib}/*:{lib}/shared/*:{lib}/java11/*:{lib}/spp/*");
        let mut command = Command::new(&self.distribution.java);
        command.arg(format!("-Xmx{heap}")).arg("-cp").arg(class_path);
        // 0.8 reaches into the JDK.
        command.args(["--add-opens", "java.base/java.lang=ALL-UNNAMED"]);
        command.args(["--add-exports", "java.naming/com.sun.jndi.ldap=ALL-UNNAMED"]);
        command.args([
            "-Djava.awt.headless=true",
            "-Dnifi.registry.properties.file.path=conf/nifi-registry.properties",
            "-Dnifi.registry.bootstrap.config.docs.dir=docs",
            "-Dorg.apache.nifi.registry.bootstrap.config.log.dir=logs",
            "org.apache.nifi.registry.NiFiRegistry",
        ]);
        command.current_dir(self.folder()).stdin(Stdio::null());
        command.stdout(console.try_clone()?).stderr(console).spawn()
    }

    fn log_ends(&self) -> String {
        let end = |name: &str| {
            let text = fs::read(self.folder().join("logs").join(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<_> = text.lines().collect();
            format!("{name}:\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
        };
        format!("{}\n{}", end("console.log"), end("nifi-registry-app.log"))
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `wanted` if it is free, else any port that is.
fn free_port(wanted: u16) -> io::Result<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    Ok(bind(wanted).or_else(|_| bind(0))?.local_addr()?.port())
}

fn providers(provider: Provider) -> String {
    let package = "org.apache.nifi.registry.provider";
    let flows = match provider {
        Provider::File => format!(
            "<class>{package}.flow.FileSystemFlowPersistenceProvider</class>\
             <property name=\"Flow Storage Directory\">./flow_storage</property>"
        ),
        Provider::Database => {
            format!("<class>{package}.flow.DatabaseFlowPersistenceProvider</class>")
        }
    };
    format!(
        "<providers><flowPersistenceProvider>{flows}</flowPersistenceProvider><extensionBundlePersistenceProvider>\
         <class>{package}.extension.FileSystemBundlePersistenceProvider</class>\
         <property name=\"Extension Bundle Storage Directory\">./extension_bundles</property>\
         </extensionBundlePersistenceProvider></providers>"
    )
}

/// Plain HTTP on loopback, H2 below the working folder, no revisions.
fn properties(lib: &str, port: u16) -> String {
    format!(
        "nifi.registry.web.war.directory={lib}
nifi.registry.web.http.host=127.0.0.1
nifi.registry.web.http.port={port}
nifi.registry.web.jetty.working.directory=./work/jetty
nifi.registry.web.jetty.threads=200
nifi.registry.providers.configuration.file=./conf/providers.xml
nifi.registry.extensions.working.directory=./work/extensions
nifi.registry.db.url=jdbc:h2:./database/nifi-registry-primary;AUTOCOMMIT=OFF;DB_CLOSE_ON_EXIT=FALSE;LOCK_MODE=3;LOCK_TIMEOUT=25000;WRITE_DELAY=0;AUTO_SERVER=FALSE
nifi.registry.db.driver.class=org.h2.Driver
nifi.registry.db.username=nifireg
nifi.registry.db.password=nifireg
nifi.registry.db.maxConnections=5
nifi.registry.revisions.enabled=false
"
    )
}

const LOGBACK: &str = "<configuration><appender name=\"LOG\" class=\"ch.qos.logback.core.FileAppender\">\
<file>logs/nifi-registry-app.log</file><encoder><pattern>%date %level [%thread] %logger{40} %msg%n</pattern></encoder>\
</appender><root level=\"INFO\"><appender-ref ref=\"LOG\"/></root></configuration>
";
