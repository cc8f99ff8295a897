//! The client of web pages through `live-sync` and `scheduled-sync`: the tests that run against `nifi-idb serve` elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::canvas::SOON;
use super::group::Group;
use super::lab::{Lab, PROGRAM, on_every_nifi};
use super::nifi::{free_port, wait_for};
use super::node;
use super::rest::client;
use super::schedule::{Scheduled, only_bulletins_of};

/// How often NiFi dies, and how often the Registry is away, under the browsers.
const OUTAGES: usize = 2;

/// The flow, installed.
pub(crate) struct Live {
    id: String,
    /// Of `/sync/SOURCE` and `/sources/SOURCE`, without a slash at the end.
    pub(crate) url: String,
}

impl Live {
    /// Uploads `live-sync.json`, sets its parameters, enables and starts it.
    pub(crate) fn install(lab: &Lab, more: &[(&str, &str)]) -> Self {
        let port = free_port();
        let group = lab.canvas.upload_shipped("live-sync");
        let (store, port_text) = (lab.registry.url(), port.to_string());
        let parameters = [("port", port_text.as_str()), ("store", &store), ("command", PROGRAM)];
        group.set_parameters(&[parameters.as_slice(), more].concat());
        group.enable_services();
        assert_eq!(group.invalid(), BTreeMap::new());
        group.schedule("RUNNING");
        let live = Self { id: group.id.clone(), url: format!("http://127.0.0.1:{port}") };
        live.wait_for_port();
        live
    }

    /// Waits until the flow answers, whatever it answers.
    pub(crate) fn wait_for_port(&self) {
        let (client, url) = (client(), format!("{}/sources/nobody?flow=none", self.url));
        wait_for("the port", SOON, || client.get(&url).send().ok());
    }

    pub(crate) fn group<'a>(&self, lab: &'a Lab) -> Group<'a> {
        lab.canvas.group(&self.id)
    }
}

/// What the client's tests have to know.
struct Ends {
    site: String,
    sync: String,
    store: String,
    control: String,
}

impl Ends {
    fn new(site: u16, live: &Live, lab: &Lab) -> Self {
        let control = lab.path().display().to_string();
        Self { site: site.to_string(), sync: live.url.clone(), store: lab.registry.url(), control }
    }

    fn variables(&self) -> [(&str, &str); 4] {
        let Self { site, sync, store, control } = self;
        [("SITE_PORT", site), ("LIVE_SYNC", sync), ("LIVE_STORE", store), ("LIVE_CONTROL", control)]
    }
}

/// Installs the flow for pages of a site, and gives where everything is.
fn installed(lab: &Lab) -> (Live, Ends) {
    let site = free_port();
    let live = Live::install(lab, &[("cors.origins", &format!("http://localhost:{site}"))]);
    let ends = Ends::new(site, &live, lab);
    (live, ends)
}

/// Nothing waits in the flow, no component complained that has no reason to, and every flow in the Registry is whole.
#[track_caller]
fn settled(lab: &Lab, live: &Live, flows: impl IntoIterator<Item = String>) {
    let group = live.group(lab);
    lab.canvas.wait_for("an empty flow", SOON, || (group.queued() == 0).then_some(()));
    let mut versions = 0;
    for flow in flows {
        lab.verify(&flow);
        versions += lab.versions(&flow);
    }
    // Tabs that die while their request is at NiFi, and batches that are refused because the one before them was lost.
    let known = ["Sync", "Request: answer", "Request: nobody waits any more", "Take requests"];
    let bulletins = only_bulletins_of(lab, &known);
    eprintln!("{versions} versions, {} bulletins", bulletins.len());
}

#[test]
fn every_kind_of_value_in_both_browsers() {
    on_every_nifi(|lab| {
        let (live, ends) = installed(lab);
        let begun = Instant::now();
        node::test_in_browsers(&["tests/browser/values.test.mjs"], &ends.variables());
        eprintln!("every kind of value through live-sync: {:.1?}", begun.elapsed());
        let names = ["chromium", "firefox"];
        let flows = names
            .iter()
            .flat_map(|name| ["oplog", "scan", "full"].map(|mode| format!("zoo-{name}-{mode}")));
        settled(lab, &live, flows);
    });
}

#[test]
fn two_browsers_with_two_tabs_each() {
    on_every_nifi(|lab| {
        let (live, ends) = installed(lab);
        let begun = Instant::now();
        node::test_in_browsers(&["tests/browser/histories.test.mjs"], &ends.variables());
        eprintln!("histories in browsers through live-sync: {:.1?}", begun.elapsed());
        settled(lab, &live, (1..=24).map(|seed| format!("history-{seed}")));
    });
}

#[test]
fn a_hundred_histories() {
    on_every_nifi(|lab| {
        let (live, ends) = installed(lab);
        let begun = Instant::now();
        let variables = [ends.variables().as_slice(), &[("HISTORIES", "100")]].concat();
        node::test(&["client/test/histories.test.js"], &variables);
        eprintln!("100 histories through live-sync: {:.1?}", begun.elapsed());
        settled(lab, &live, (1..=100).map(|seed| format!("history-{seed}")));
    });
}

#[test]
fn nifi_dies_and_the_registry_is_away_under_browsers_that_write() {
    on_every_nifi(|lab| {
        let (live, ends) = installed(lab);
        let control = lab.path().to_owned();
        let variables = ends.variables();
        thread::scope(|scope| {
            let pages = scope
                .spawn(|| node::test_in_browsers(&["tests/browser/outage.test.mjs"], &variables));
            wait_for("two browsers that write", SOON, || {
                (control.join("begun").exists() || pages.is_finished()).then_some(())
            });
            if !pages.is_finished() {
                outages(lab, &live);
                over(&control);
            }
            pages.join().unwrap();
        });
        settled(lab, &live, ["outage".to_owned()]);
    });
}

fn outages(lab: &mut Lab, live: &Live) {
    let pause = |seconds| thread::sleep(Duration::from_secs(seconds));
    for _ in 0..OUTAGES {
        pause(4);
        lab.canvas.kill_and_restart();
        live.wait_for_port();
        pause(4);
        // Not killed: 0.8.0 leaves a number behind that it never gives again, if it dies while it writes a version, and then
        // somebody has to look (`tests/real_registry` shows that).
        lab.registry.stop();
        pause(3);
        lab.registry.start_again().unwrap();
    }
    pause(4);
}

/// The pages may end.
fn over(control: &Path) {
    fs::write(control.join("over"), "").unwrap();
}

#[test]
fn browsers_through_a_schedule() {
    on_every_nifi(|lab| {
        let flow = Scheduled::install(lab, &[]);
        let intake = format!("http://127.0.0.1:{}/batches", flow.intake);
        let sources = format!("http://127.0.0.1:{}/sources", flow.checkpoint);
        let store = lab.registry.url();
        let begun = Instant::now();
        let variables =
            [("LIVE_INTAKE", intake.as_str()), ("LIVE_SOURCES", &sources), ("LIVE_STORE", &store)];
        node::test(&["client/test/custody.test.js"], &variables);
        eprintln!(
            "{} versions through scheduled-sync: {:.1?}",
            lab.versions("shop"),
            begun.elapsed()
        );
        lab.verify("shop");
        let bulletins = only_bulletins_of(lab, &["Sync"]);
        eprintln!("{} bulletins", bulletins.len());
    });
}
