//! NiFi and the program die in the middle of a scheduled run: everything is there afterwards, once.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use super::batches::records;
use super::lab::{Lab, on_every_nifi};
use super::nifi::wait_for;
use super::schedule::{EVERY_TEN_SECONDS, OUTCOME, Scheduled, only_bulletins_of, wait_for_firing};
use super::wrapper::{SLOW, Slow, Wrapper, is_alive};

/// A retry by NiFi after its penalty, on a busy machine.
const RETRY: Duration = Duration::from_secs(180);

/// Waits until a flow is empty, and checks that the store has these records and as many versions.
#[track_caller]
fn settled(lab: &Lab, flow: &Scheduled, versions: usize, ids: &[u64]) {
    lab.canvas.wait_for("an empty flow with all in the store", RETRY, || {
        let found = lab.versions("shop");
        assert!(found <= versions, "something was written twice: {:#?}", lab.log("shop"));
        (found == versions && flow.group(lab).queued() == 0).then_some(())
    });
    assert_eq!(lab.ids("shop"), ids);
    lab.verify("shop");
}

#[test]
fn nifi_or_the_program_dies_in_the_middle() {
    on_every_nifi(|lab| {
        let wrapper = Wrapper::new(lab.path());
        let flow = Scheduled::install(
            lab,
            &[("command", &wrapper.command()), ("schedule", EVERY_TEN_SECONDS)],
        );
        // All in one release.
        let post = |ids: std::ops::Range<u64>| {
            wait_for_firing();
            ids.for_each(|id| flow.post(records([id], "once")));
        };

        // NiFi is killed while the run has not begun to read.
        wrapper.slow(Slow::Before);
        post(0..20);
        wrapper.next_run(0);
        lab.canvas.kill_and_restart();
        flow.wait_for_port();
        settled(lab, &flow, 1, &(0..20).collect::<Vec<_>>());
        // The run that NiFi forgot has all of its input, so it may have committed: then the second one was a replay.
        let outcomes = lab.canvas.wait_for("the outcomes of all", RETRY, || {
            Some(flow.outcomes(lab)).filter(|outcomes| outcomes.values().sum::<u64>() >= 20)
        });
        let replays = outcomes.get("unchanged").copied().unwrap_or(0);
        eprintln!(
            "killed before the run: {} runs, 1 version, {replays} replays",
            wrapper.runs().len()
        );

        // NiFi is killed when the version is written and nobody has heard of it.
        let known = wrapper.runs().len();
        let seen = flow.group(lab).newest_route(OUTCOME);
        wrapper.slow(Slow::After);
        post(20..40);
        wrapper.next_run(known);
        assert_eq!(wrapper.done(), "0");
        lab.canvas.kill_and_restart();
        flow.wait_for_port();
        wrapper.next_run(known + 1);
        settled(lab, &flow, 2, &(0..40).collect::<Vec<_>>());
        lab.canvas.wait_for("20 replays", RETRY, || {
            let replays = flow.group(lab).routed_after(OUTCOME, seen);
            (replays == [("unchanged".to_owned(), 20)].into()).then_some(())
        });
        eprintln!("killed after the commit: 1 version more, 20 replays");
        only_bulletins_of(lab, &[]);

        // The program is killed while it works: 12 MB take it a while.
        let known = wrapper.runs().len();
        flow.post(records(100..1_100, &"x".repeat(12_000)));
        let pid = wrapper.next_run(known);
        std::thread::sleep(Duration::from_millis(300));
        let struck = kill_process(pid, Signal::KILL).is_ok();
        let ids: Vec<_> = (0..40).chain(100..1_100).collect();
        settled(lab, &flow, 3, &ids);
        let runs = wrapper.runs().len() - known;
        assert_eq!(runs, if struck { 2 } else { 1 });
        let bulletins = only_bulletins_of(lab, &["Sync"]);
        eprintln!("the program was killed: {struck}, {runs} runs, {} bulletins", bulletins.len());

        terminate(lab, &flow, &wrapper, ids);
    });
}

fn terminate(lab: &Lab, flow: &Scheduled, wrapper: &Wrapper, mut ids: Vec<u64>) {
    let known = wrapper.runs().len();
    wrapper.slow(Slow::Before);
    // More than a pipe holds, so that NiFi is in the middle of writing when it is terminated.
    flow.post(records(2_000..3_000, &"y".repeat(1_000)));
    let hung = wrapper.next_run(known);
    let group = flow.group(lab);
    lab.canvas.wait_for("a thread", RETRY, || (group.threads("Sync") == 1).then_some(()));
    group.terminate("Sync");
    assert!(is_alive(hung), "NiFi does not end its child");
    group.run_status("Sync", "RUNNING");
    let again = wrapper.next_run(known + 1);
    assert!(is_alive(hung), "both run beside each other");
    ids.extend(2_000..3_000);
    settled(lab, flow, 4, &ids);
    // The idle limit of the flow is five seconds, and the wrapper's sleep comes before.
    wait_for("the end of the hung run", SLOW + Duration::from_secs(30), || {
        (!is_alive(hung)).then_some(())
    });
    assert!(!is_alive(again));
    settled(lab, flow, 4, &ids);
    eprintln!("terminated: the hung run ended by itself, 1 version");
}
