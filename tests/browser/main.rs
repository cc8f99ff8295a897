//! The client of web pages, in Node and in real browsers: `cargo test --test browser`.
//!
//! It needs Node.js 20 with npm, a package index, Chromium and Firefox (Debian: `nodejs npm chromium firefox-esr`; or `CHROMIUM`
//! and `FIREFOX` name them). What it needs and does not find fails it, loudly. The tests themselves are `client/test` and the
//! `*.test.mjs` of this folder; they also run by `node --test`, after `cargo build` and `npm ci` in `client`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

#[path = "../shared/node.rs"]
mod node;

use std::sync::{Mutex, MutexGuard};

/// Browsers and a thousand histories want the machine for themselves.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[track_caller]
fn in_browsers(name: &str) {
    node::test_in_browsers(&[&format!("tests/browser/{name}")], &[]);
}

#[test]
fn in_node() {
    let _turn = turn();
    let names = [
        "client",
        "history",
        "report",
        "turns",
        "unique",
        "custody",
        "taken",
        "room",
        "custody-histories",
        "restore",
        "rehearse",
        "joining",
        "scan",
        "beside",
        "rxdb",
        "rxdb-replicate",
        "package",
    ]
    .map(|name| format!("client/test/{name}.test.js"));
    node::test(&names.each_ref().map(String::as_str), &[]);
}

#[test]
fn a_thousand_histories() {
    let _turn = turn();
    node::test(&["client/test/histories.test.js"], &[("HISTORIES", "1000")]);
}

#[test]
fn every_kind_of_value_goes_out_and_comes_back() {
    let _turn = turn();
    in_browsers("values.test.mjs");
}

#[test]
fn two_browsers_with_two_tabs_each() {
    let _turn = turn();
    in_browsers("histories.test.mjs");
}

#[test]
fn the_other_end_dies_again_and_again() {
    let _turn = turn();
    in_browsers("outage.test.mjs");
}

#[test]
fn rxdb_is_backed_up_restored_and_kept_in_step() {
    let _turn = turn();
    in_browsers("rxdb.test.mjs");
}

#[test]
fn the_demo_in_a_minute() {
    let _turn = turn();
    in_browsers("demo.test.mjs");
}

#[test]
fn what_it_costs() {
    let _turn = turn();
    in_browsers("costs.test.mjs");
}
