//! Any bytes as a key: the quick way from JSON to sortable bytes and the slow one agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nifi_idb::indexeddb::key::{Key, SortableKey};
use nifi_idb::indexeddb::value::{Canonicalizer, sortable_key_of};

fuzz_target!(|data: &[u8]| {
    if let Ok(key) = SortableKey::from_bytes(data) {
        let mut again = Vec::new();
        sortable_key_of(key.to_canonical().as_bytes(), &mut again).expect("the canonical form of a key is a key");
        assert_eq!(again, key.as_bytes());
    }
    let mut text = Vec::new();
    if Canonicalizer::default().key(data, &mut text).is_err() {
        return;
    }
    let mut quick = Vec::new();
    if sortable_key_of(&text, &mut quick).is_err() {
        return;
    }
    let key = Key::from_sortable(&quick).expect("sortable bytes are a key");
    let mut again = Vec::new();
    key.write_sortable(&mut again);
    assert_eq!(again, quick);
    // A key's own canonical form is a key with the same bytes.
    let canonical = key.to_canonical();
    quick.clear();
    sortable_key_of(canonical.as_bytes(), &mut quick).expect("the canonical form of a key is a key");
    assert_eq!(again, quick);
    let mut reread = Vec::new();
    Canonicalizer::default().key(canonical.as_bytes(), &mut reread).expect("it reads as a key");
    assert_eq!(reread, canonical.as_bytes());
});
