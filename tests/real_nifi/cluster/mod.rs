//! Three nodes of one NiFi, of which one after the other is killed while it works: everything is stored, and once.

mod lab;
mod nodes;
mod traffic;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::nifi::wait_for;
use super::rest::client;
use super::schedule::OFTEN;
use lab::{Beside, DEAD, SETTLE, on_every_cluster};
use nodes::{LIVE_PORT, NODES};
use traffic::{Batch, batches, expected};

/// Batches of each round, unless `NIFI_CLUSTER_BATCHES` names another number.
const BATCHES: usize = 100;
/// Clients that send at the same time. Each source belongs to one of them, and so sends in its order.
const SENDERS: usize = 3;
/// Least time of sending: several firings.
const SENDING: Duration = Duration::from_secs(15);
/// A schedule that nobody will see fire.
const NEVER: &str = "0 0 0 29 FEB ?";

#[test]
fn scheduled_sync_stores_everything_once_whichever_node_dies() {
    on_every_cluster(|lab| {
        let urls = lab.install_scheduled(OFTEN);
        for victim in 0..NODES {
            lab.round(victim, &urls);
            lab.no_files_for_a_person();
        }
    });
}

#[test]
fn live_sync_stores_everything_once_whichever_node_dies() {
    on_every_cluster(|lab| {
        lab.install("live-sync", &[("port", &format!("${{{LIVE_PORT}}}"))]);
        let urls = lab.urls(|node| format!("http://127.0.0.1:{}/sync/SOURCE", node.live));
        for victim in 0..NODES {
            lab.round(victim, &urls);
        }
    });
}

#[test]
fn what_waits_on_a_node_is_moved_or_comes_back_with_it() {
    on_every_cluster(|lab| {
        let urls = lab.install_scheduled(NEVER);
        let batches = batches(0, batch_count(), SENDERS);
        let expected = expected(&batches);
        expected.keys().for_each(|flow| lab.begin(flow));
        let client = client();
        let (first, second) = batches.split_at(batches.len() / 2);
        first.iter().for_each(|batch| assert_eq!(batch.send(&client, &urls), 0));

        // A node that works is drained: the others have what waited there, and it may be stopped.
        let node = NODES - 1;
        lab.cluster.bring(node, "DISCONNECTING", "DISCONNECTED");
        lab.cluster.bring(node, "OFFLOADING", "OFFLOADED");
        lab.cluster.nodes[node].nifi.stop();
        lab.change_schedule(OFTEN);
        lab.wait_until_stored(&expected, first.len());
        eprintln!("a drained node: all {} batches are stored without it", first.len());
        lab.cluster.bring_back(node);

        // A dead node keeps what it has. What the others hold for it waits, until it is removed or comes back.
        lab.change_schedule(NEVER);
        lab.intakes();
        second.iter().for_each(|batch| assert_eq!(batch.send(&client, &urls), 0));
        lab.cluster.kill(node);
        lab.cluster.wait_for_state(node, "DISCONNECTED");
        lab.change_schedule(OFTEN);
        let waiting = lab.wait_until_still(&expected);
        lab.cluster.remove(node);
        let kept = lab.wait_until_still(&expected);
        lab.cluster.bring_back(node);
        lab.wait_until_stored(&expected, batches.len());
        eprintln!(
            "a dead node: {waiting} batches wait, {kept} once it is removed, 0 when it is back"
        );
        assert!(waiting >= kept);
        lab.compare(&expected);
        lab.no_files_for_a_person();
    });
}

impl Beside<'_> {
    /// Sends batches to all nodes, kills one while it works, brings it back, and compares what is stored.
    fn round(&mut self, victim: usize, urls: &[String]) {
        let batches = batches(victim, batch_count(), SENDERS);
        let expected = expected(&batches);
        expected.keys().for_each(|flow| self.begin(flow));
        let begun = Instant::now();
        let resent = self.send_and_kill(victim, &batches, urls);
        let (sent, count) = (begun.elapsed(), batches.len() as u64);
        thread::sleep(DEAD);
        let waiting = count - self.stored(&expected);
        eprintln!(
            "node {victim} dead: {count} batches sent in {sent:.1?}, {resent} posts repeated, {waiting} batches wait"
        );
        self.cluster.bring_back(victim);
        let back = begun.elapsed();
        // The whole cluster counts what waits.
        wait_for("an empty cluster", SETTLE, || (self.cluster.queued() == Some(0)).then_some(()));
        eprintln!("node {victim} back after {back:.1?}, all done after {:.1?}", begun.elapsed());
        self.compare(&expected);
        eprintln!("bulletins: {:#?}", self.cluster.bulletins());
    }

    /// Sends all batches, and kills a node when a third of them is sent and it works; gives how many posts were not taken.
    fn send_and_kill(&mut self, victim: usize, batches: &[Batch], urls: &[String]) -> usize {
        let (sent, resent) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let pause = SENDING * SENDERS as u32 / batches.len() as u32;
        thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (sent, resent) = (&sent, &resent);
                scope.spawn(move || {
                    let client = client();
                    for batch in batches.iter().filter(|batch| batch.sender == sender) {
                        resent.fetch_add(batch.send(&client, urls), Ordering::Relaxed);
                        sent.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(pause);
                    }
                });
            }
            let begun = Instant::now();
            while sent.load(Ordering::Relaxed) < batches.len() / 3
                || !self.cluster.nodes[victim].is_at_work()
            {
                assert!(begun.elapsed() < SETTLE, "node {victim} has nothing to do");
                thread::sleep(Duration::from_millis(5));
            }
            self.cluster.kill(victim);
            eprintln!("node {victim} killed after {} batches", sent.load(Ordering::Relaxed));
        });
        resent.into_inner()
    }
}

/// Number of batches of a round.
fn batch_count() -> usize {
    let count = std::env::var("NIFI_CLUSTER_BATCHES").ok();
    count.map_or(BATCHES, |count| count.parse().expect("a number of batches"))
}
