//! The suite that every snapshot store passes, and the same digests as in memory, on real servers.

use std::time::Instant;

use nifi_idb::store::memory::MemoryStore;
use nifi_idb::store::registry::{RegistryOptions, RegistryStore};
use serde_json::Value;

use super::replay::{Sent, send};
use super::server::{Distribution, Provider, RealRegistry, needed, turn};
use super::{batches, suite};

pub(crate) fn open(registry: &RealRegistry) -> RegistryStore {
    RegistryStore::open(RegistryOptions::new(&registry.url())).expect("the URL is one")
}

fn call(url: &str, method: &str, path: &str) -> Value {
    let request = Sent { method: method.to_owned(), path: path.to_owned(), ..Sent::default() };
    let reply = send(url, &request).expect("the Registry answers");
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 200, "{method} {path}: {text}");
    text.parse().expect("the answer is JSON")
}

/// Deletes all buckets, with all that is in them.
pub(crate) fn wipe(url: &str) {
    for bucket in call(url, "GET", "/buckets").as_array().expect("buckets are a list") {
        let id = bucket["identifier"].as_str().expect("a bucket has an identifier");
        call(url, "DELETE", &format!("/buckets/{id}"));
    }
}

fn conforms(distribution: &Distribution, provider: Provider) {
    let _turn = turn();
    let registry = RealRegistry::start(distribution, provider);
    let start = Instant::now();
    suite::run(&|| {
        wipe(&registry.url());
        Box::new(open(&registry))
    });
    eprintln!("{} cases, {provider:?}: {:.1?}", suite::CASES.len(), start.elapsed());
    for more in [0, 1500] {
        wipe(&registry.url());
        let start = Instant::now();
        let (found, expected) = (
            batches::history(&open(&registry), more),
            batches::history(&MemoryStore::default(), more),
        );
        for (version, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(
                (&found.0, &found.1),
                (&expected.0, &expected.1),
                "root and state of version {}",
                version + 1
            );
            assert!(found.2 == expected.2, "version {} is not byte-exact", version + 1);
        }
        eprintln!("every kind of value and {more} records, {provider:?}: {:.1?}", start.elapsed());
    }
}

#[test]
fn assembled_0_8_0_file() {
    conforms(&needed(Distribution::assembled()), Provider::File);
}

#[test]
fn assembled_0_8_0_database() {
    conforms(&needed(Distribution::assembled()), Provider::Database);
}

#[test]
#[ignore = "needs NIFI_REGISTRY_HOME; run with --include-ignored"]
fn distribution_at_hand() {
    let distribution = needed(Distribution::from_environment());
    conforms(&distribution, Provider::File);
    conforms(&distribution, Provider::Database);
}
