//! No line of a log contains a record's key or value, or a credential.

use crate::program::{Ran, program, run, store_of};
#[cfg(feature = "registry")]
use crate::registry_double::{Fault, On, Provider, RegistryDouble, Release};

/// Part of every planted key, value, token and password.
pub(crate) const SECRET: &str = "zqSecretqz";

/// `ann:zqSecretqz` in base64, as a header carries it.
const SECRET_IN_HEADER: &str = "YW5uOnpxU2VjcmV0cXo";

/// The arguments that log as much as possible.
pub(crate) const TRACE: [[&str; 4]; 2] = [
    ["--log-level", "trace", "--log-format", "text"],
    ["--log-level", "trace", "--log-format", "json"],
];

/// Checks a whole log; `expected` are events that it must have.
#[track_caller]
pub(crate) fn assert_keeps_secrets(log: &str, expected: &[&str]) {
    for secret in [SECRET, SECRET_IN_HEADER, "Bearer"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    for event in expected {
        assert!(log.contains(event), "no {event}: {log}");
    }
}

/// A batch with good, rejected and repeated lines, all with secrets.
fn batch(header: &str, value: &str) -> String {
    let put = |key: &str, value: &str| {
        format!(r#"{{"op":"put","store":"data","value":{{"id":"{SECRET}-{key}","x":{value}}}}}"#)
    };
    let lines = [
        format!(
            r#"{{"format":"indexeddb-changes/1","database":"shop",{header}"stores":[{{"name":"data","keyPath":"id"}}]}}"#
        ),
        put("1", value),
        put("2", &format!("\"{SECRET}\"")),
        put("3", &format!("{{\"{SECRET}\":1,\"{SECRET}\":2}}")),
        format!(r#"{{"op":"{SECRET}"}}"#),
        SECRET.to_owned(),
        r#"{"op":"end","count":5}"#.to_owned(),
    ];
    lines.join("\n") + "\n"
}

/// Runs a command that logs everything.
fn traced(log: [&str; 4], command: &str, store: &str, arguments: &[&str], input: &str) -> Ran {
    let all = [&[command, "--store", store], &log[..], arguments].concat();
    run(program(all), input.as_bytes())
}

#[test]
fn no_record_is_in_the_log_of_a_command() {
    for log in TRACE {
        let folder = tempfile::tempdir().unwrap();
        let store = store_of(&folder.path().join("s.git"));
        let rejects = folder.path().join("rejects").display().to_string();
        let run = |command: &str, arguments: &[&str], input: &str| {
            traced(log, command, &store, arguments, input)
        };
        let first = batch(r#""source":"kiosk-1","mode":"full","#, "1");
        let ran = run("sync", &["--rejects", &rejects, "--batch-id", "b-1"], &first);
        assert_eq!((ran.code(), &ran.summary()["rejected"]), (Some(0), &3.into()), "{ran:?}");
        let events = ["batch read", "plan made", "git commit made", "batch done", "b-1"];
        assert_keeps_secrets(&ran.err, &events);

        let second = batch(r#""source":"kiosk-2","base":0,"#, &format!("\"{SECRET}\""));
        for (input, code, event) in [
            (batch(r#""source":"kiosk-2","#, &format!("[\"{SECRET}\"]")), 0, "batch done"),
            (second, 5, "batch failed"),
            (
                first.replace(":1}}", ":2}}").split_once('\n').unwrap().0.to_owned(),
                5,
                "batch failed",
            ),
            (format!("{SECRET}\n"), 2, "batch failed"),
        ] {
            let ran = run("sync", &[], &input);
            assert_eq!(ran.code(), Some(code), "{ran:?}");
            assert_keeps_secrets(&ran.err, &[event]);
        }
        let key = format!("\"{SECRET}-1\"");
        for (command, arguments, code) in [
            ("restore", vec![], 0),
            ("show", vec!["--object-store", "data", "--key", &key], 0),
            ("show", vec!["--object-store", "data", "--key", SECRET], 2),
            ("log", vec![], 0),
            ("verify", vec!["--chain"], 0),
            ("sources", vec![], 0),
        ] {
            let ran = run(command, &arguments, "");
            assert_eq!(ran.code(), Some(code), "{ran:?}");
            let event = if code == 0 { "command ended" } else { "command failed" };
            assert_keeps_secrets(&ran.err, &[event]);
        }
    }
}

#[cfg(feature = "registry")]
#[test]
fn no_credential_is_in_the_log_of_calls() {
    for log in TRACE {
        let double = RegistryDouble::start(Release::V2_11_0, Provider::Database);
        let secret = format!("{SECRET}.right");
        double.require_authorization(&format!("Bearer {secret}"));
        let sync = |token: &str| {
            let url = double.url();
            let mut command = program([&["sync", "--store", &url], &log[..]].concat());
            command.env("NIFI_IDB_TOKEN", token);
            run(command, batch("", "1").as_bytes())
        };
        let ran = sync(&format!("{SECRET}.wrong"));
        assert_eq!(ran.code(), Some(8), "{ran:?}");
        assert_keeps_secrets(&ran.err, &["call answered", "401", "batch failed"]);
        double.inject(On::next("GET", "").times(2), Fault::internal_error());
        double.inject(On::next("POST", "versions"), Fault::LostAnswer);
        let ran = sync(&secret);
        assert_eq!(ran.code(), Some(0), "{ran:?}");
        let events = ["call answered", "call failed", "call repeated", "batch done"];
        assert_keeps_secrets(&ran.err, &events);
        let mut command =
            program([&["sync", "--store", &double.url(), "--user", "ann"], &log[..]].concat());
        command.env("NIFI_IDB_PASSWORD", SECRET);
        let ran = run(command, batch("", "1").as_bytes());
        assert_keeps_secrets(&ran.err, &["/access/token/login", "batch failed"]);
    }
}

#[cfg(feature = "serve")]
#[test]
fn neither_is_in_the_log_of_a_server() {
    for log in TRACE {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), format!("{SECRET}\n")).unwrap();
        let clients = "[[client]]\nname = \"kiosks\"\ntoken_file = \"token\"\nsources = [\"*\"]\n\
            flows = [\"*\"]\nallow = [\"sync\", \"read\"]\n";
        std::fs::write(folder.path().join("clients.toml"), clients).unwrap();
        let clients = folder.path().join("clients.toml").display().to_string();
        let store = store_of(&folder.path().join("s.git"));
        let all = ["serve", "--store", &store, "--listen", "127.0.0.1:0", "--clients", &clients];
        let said = server_log(program([&all, &log[..]].concat()), folder.path(), |send| {
            let read = format!("/v1/record?database=shop&store=data&key=%22{SECRET}-1%22");
            assert!(send("POST", "/v1/sync", SECRET, &batch("", "1")).starts_with("HTTP/1.1 200"));
            assert!(send("POST", "/v1/sync", "zqSecretqz2", "").starts_with("HTTP/1.1 401"));
            send("GET", &read, SECRET, "");
            send("GET", &format!("/{SECRET}?{SECRET}"), SECRET, "");
            send("POST", &format!("/v1/sync?token={SECRET}"), SECRET, &batch("", "2"));
        });
        assert_keeps_secrets(&said, &["batch done", "git commit made"]);
    }
}

/// Runs a server until `requests` are done, and returns all that it wrote to standard error.
/// `requests` gets a function that sends method, path, token and body, and returns the response.
#[cfg(feature = "serve")]
pub(super) fn server_log(
    mut command: std::process::Command,
    folder: &std::path::Path,
    requests: impl FnOnce(&dyn Fn(&str, &str, &str, &str) -> String),
) -> String {
    use rustix::process::{Pid, Signal, kill_process};
    use std::io::{Read, Write};
    use std::net::TcpStream;

    let path = folder.join("log");
    let mut child = command.stderr(std::fs::File::create(&path).unwrap()).spawn().unwrap();
    let started = std::time::Instant::now();
    let address = loop {
        let said = std::fs::read_to_string(&path).unwrap();
        let line = said.lines().find_map(|line| line.split_once("listening on http://"));
        match line.filter(|_| said.ends_with('\n')) {
            Some((_, address)) => break address.to_owned(),
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
        assert!(started.elapsed() < crate::program::HANG, "{said}");
    };
    requests(&|method, path, token, body| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             cookie: a={SECRET}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    std::fs::read_to_string(path).unwrap()
}
