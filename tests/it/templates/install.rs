//! `template install` against a NiFi that is a double.

use serde_json::json;

use super::double::NifiDouble;
use super::template;
use crate::logging::secrets::{SECRET, TRACE, assert_keeps_secrets};
use crate::program::{Ran, program, run};

fn install(nifi: &NifiDouble, name: &str, words: &[&str]) -> Ran {
    let url = nifi.url();
    let mut all = [&["install", name, "--nifi", &url], words].concat();
    if words.contains(&"--start") && !words.contains(&"--watch") {
        all.extend(["--watch", "1ms"]);
    }
    template(&all)
}

fn lines(ran: Ran) -> Vec<String> {
    String::from_utf8(ran.done()).unwrap().lines().map(str::to_owned).collect()
}

/// A parameter that names a program which is there.
const COMMAND: &str = concat!("command=", env!("CARGO_BIN_EXE_nifi-idb"));

#[test]
fn nothing_is_started_whose_program_store_or_server_is_missing() {
    let nifi = NifiDouble::start("2.9.0");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let no_repository = format!("store=git:{}", folder.path().join("file").display());
    let missing = "store=http://127.0.0.1:9";
    for (name, set, code, expected) in [
        (
            "live-sync",
            vec!["store=memory:", "command=/no/such/nifi-idb"],
            2,
            "command /no/such/nifi-idb: there is no",
        ),
        ("live-sync", vec![missing, COMMAND], 4, "store http://127.0.0.1:9 cannot be reached"),
        ("live-sync", vec![no_repository.as_str(), COMMAND], 2, "--set store=STORE"),
        (
            "http-sync",
            vec!["serve.url=http://127.0.0.1:9/v1/sync"],
            4,
            "serve.url http://127.0.0.1:9/v1/sync cannot",
        ),
    ] {
        let set: Vec<_> =
            set.into_iter().flat_map(|value| ["--set", value]).chain(["--start"]).collect();
        let ran = install(&nifi, name, &set);
        assert_eq!(ran.code(), Some(code), "{}", ran.err);
        assert!(
            ran.err.contains(expected) && ran.err.contains("not started"),
            "{expected}: {}",
            ran.err
        );
    }
    nifi.with(|nifi| assert!(nifi.groups.iter().all(|group| group["running"] == false)));
}

#[test]
fn errors_after_the_start_fail_the_installation() {
    let nifi = NifiDouble::start("1.28.1");
    nifi.with(|nifi| {
        nifi.bulletins = vec![(
            "Take batches".to_owned(),
            "Failed: java.net.BindException: Address already in use".to_owned(),
        )];
    });
    let ran = install(&nifi, "live-sync", &["--set", "store=memory:", "--set", COMMAND, "--start"]);
    assert_eq!(ran.code(), Some(2), "{}", ran.err);
    for expected in ["NiFi reports errors", "Take batches: Failed", "a port is taken"] {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }
    assert!(!ran.err.contains("long ago"), "an old bulletin is nobody's fault: {}", ran.err);
}

#[test]
fn uploads_sets_enables_starts_and_says_so() {
    let nifi = NifiDouble::start("1.28.1");
    let told = lines(install(
        &nifi,
        "scheduled-sync",
        &["--set", "store=git:/x y/a=b.git", "--set", "key.path=id", "--set", COMMAND, "--start"],
    ));
    assert_eq!(told[0], format!("NiFi 1.28.1 at {}", nifi.url()));
    assert_eq!(
        told[1..],
        [
            "group \"nifi-idb scheduled-sync\" is uploaded (g0)",
            "parameters: command, key.path, store set",
            "controller services: Requests that wait for an answer enabled",
            "all processors are valid",
            &format!(
                "started: {} processors",
                nifi.with(|nifi| nifi.groups[0]["processors"].as_array().unwrap().len())
            ),
            "no errors in the first 0.001 s",
        ]
    );
    nifi.with(|nifi| {
        let context = &nifi.contexts["nifi-idb scheduled-sync"];
        assert_eq!(
            (&context["store"], &context["key.path"]),
            (&json!("git:/x y/a=b.git"), &json!("id"))
        );
        assert_eq!(nifi.groups[0]["running"], true);
    });
}

#[test]
fn a_second_time_changes_what_differs_and_nothing_else() {
    let nifi = NifiDouble::start("2.9.0");
    let set = ["--set", "store=git:/a.git", "--set", COMMAND, "--start"];
    lines(install(&nifi, "live-sync", &set));
    nifi.changes();

    let told = lines(install(&nifi, "live-sync", &set));
    assert_eq!(
        told[1..],
        [
            "group \"nifi-idb live-sync\" is there already (g0): not uploaded again",
            "parameters: nothing to change",
            "controller services: enabled already",
            "all processors are valid",
            "started already",
            "no errors in the first 0.001 s",
        ]
    );
    assert_eq!(nifi.changes(), Vec::<String>::new());

    let told = lines(install(&nifi, "live-sync", &["--set", "store=git:/b.git"]));
    assert_eq!(told[2], "parameters: store set");
    assert!(told.last().unwrap().starts_with("it is running: "), "{told:?}");
    let changes = nifi.changes();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(
        changes[0].starts_with("POST /parameter-contexts/") && changes[1].starts_with("DELETE "),
        "{changes:?}"
    );

    // Another name is another group with values of its own.
    lines(install(&nifi, "live-sync", &["--name", "kiosks", "--set", "store=git:/k.git"]));
    nifi.with(|nifi| {
        assert_eq!(nifi.groups.len(), 2);
        assert_eq!(nifi.contexts["kiosks"]["store"], "git:/k.git");
        assert_eq!(nifi.contexts["nifi-idb live-sync"]["store"], "git:/b.git");
        assert_eq!(nifi.groups[1]["running"], false);
    });
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let nifi = NifiDouble::start("2.9.0");
    let fails = |ran: Ran, code: i32, expected: &[&str]| {
        assert_eq!(ran.code(), Some(code), "{}", ran.err);
        for text in expected {
            assert!(ran.err.contains(text), "{text}: {}", ran.err);
        }
    };
    fails(install(&nifi, "nope", &[]), 2, &["no definition is named"]);
    fails(
        install(&nifi, "live-sync", &["--set", "stoer=x"]),
        2,
        &["no parameter \"stoer\"", "it has ", "store"],
    );
    fails(install(&nifi, "live-sync", &["--set", "x"]), 2, &["expected NAME=VALUE"]);
    fails(
        install(&nifi, "grpc-sync", &[]),
        2,
        &["NiFi 2.9.0 has no InvokeGRPC", "http-sync does the same"],
    );
    assert_eq!(nifi.changes(), Vec::<String>::new());

    // The upload is kept; the next run goes on from there.
    nifi.with(|nifi| "/there".clone_into(&mut nifi.folder));
    fails(
        install(&nifi, "scheduled-sync", &["--start", "--timeout", "3s"]),
        2,
        &[
            "not valid: Take files from the watched folder",
            "Directory does not exist",
            "--set NAME=VALUE",
        ],
    );
    let told = lines(install(
        &nifi,
        "scheduled-sync",
        &["--start", "--set", "intake.folder=/there", "--set", "store=memory:", "--set", COMMAND],
    ));
    assert!(
        told[1].contains("is there already") && told[2].starts_with("parameters: "),
        "{told:?}"
    );

    nifi.with(|nifi| nifi.groups.push(json!({"id": "g9", "name": "nifi-idb scheduled-sync"})));
    fails(install(&nifi, "scheduled-sync", &[]), 2, &["several groups are named", "--name"]);

    let url = nifi.url();
    drop(nifi);
    let ran = template(&["install", "live-sync", "--nifi", &url]);
    fails(ran, 4, &["GET http://127.0.0.1:", "is NiFi running"]);
    fails(
        template(&["install", "live-sync", "--nifi", "n:8080"]),
        2,
        &["is not the address of a NiFi"],
    );
}

#[test]
fn tokens_and_passwords_come_from_files_or_the_environment() {
    let nifi = NifiDouble::start("1.28.1");
    nifi.with(|nifi| {
        nifi.token = Some("t0k.en".to_owned());
        nifi.login = Some(("ann".to_owned(), "p+w+%261".to_owned()));
    });
    let ran = install(&nifi, "live-sync", &[]);
    assert_eq!(ran.code(), Some(8), "{}", ran.err);
    assert!(
        ran.err.contains("credentials are missing") && ran.err.contains("--token-file"),
        "{}",
        ran.err
    );

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    lines(install(&nifi, "live-sync", &["--token-file", &write("token", "t0k.en\n")]));
    lines(install(
        &nifi,
        "live-sync",
        &["--user", "ann", "--password-file", &write("password", "p w &1\n")],
    ));
    let wrong = install(
        &nifi,
        "live-sync",
        &["--user", "ann", "--password-file", &write("wrong", "hunter2")],
    );
    assert_eq!(wrong.code(), Some(8), "{}", wrong.err);
    assert!(!wrong.err.contains("hunter2") && wrong.err.contains("not valid"), "{}", wrong.err);

    let url = nifi.url();
    let mut command = program(["template", "install", "live-sync", "--nifi", &url]);
    command.env("NIFI_IDB_NIFI_TOKEN", "t0k.en");
    run(command, b"").done();
    let mut command =
        program(["template", "install", "live-sync", "--nifi", &url, "--user", "ann"]);
    command.env("NIFI_IDB_NIFI_PASSWORD", "p w &1");
    run(command, b"").done();
}

#[test]
fn neither_parameters_nor_credentials_are_in_the_log() {
    for log in TRACE {
        let nifi = NifiDouble::start("1.28.1");
        nifi.with(|nifi| nifi.login = Some(("ann".to_owned(), SECRET.to_owned())));
        nifi.with(|nifi| nifi.token = Some(format!("{SECRET}.token")));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, SECRET).unwrap();
        let store = format!("store=git:/{SECRET}.git");
        let password = file.display().to_string();
        let words = ["--user", "ann", "--password-file", &password, "--set", &store];
        let ran = install(&nifi, "live-sync", &[&words[..], &log].concat());
        assert_eq!(ran.code(), Some(0), "{}", ran.err);
        let events = ["group uploaded", "parameters set", "processors valid", "/access/token"];
        assert_keeps_secrets(&ran.err, &events);
    }
}
