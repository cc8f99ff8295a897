//! Any bytes as a value: never a panic, and what is canonical once stays so.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nifi_idb::indexeddb::value::{
    Canonicalizer, MAX_DEPTH, Options, at_path, has_references, kind, members, sortable_key_of, without_stacks,
};

fn depth(text: &[u8]) -> usize {
    let (mut open, mut deepest, mut string, mut escape) = (0_usize, 0, false, false);
    for &byte in text {
        match byte {
            _ if escape => escape = false,
            b'\\' => escape = true,
            b'"' => string = !string,
            b'{' | b'[' if !string => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !string => open -= 1,
            _ => {}
        }
    }
    deepest
}

fuzz_target!(|data: &[u8]| {
    let Some((&flags, input)) = data.split_first() else { return };
    // Readers of canonical text bear anything.
    let _ = (kind(input), members(input), without_stacks(input), at_path(input, "a.length"), has_references(input));
    let mut key = Vec::new();
    let _ = sortable_key_of(input, &mut key);

    let options = Options { plain: flags & 1 != 0, big_integers: flags & 2 != 0 };
    let mut canonicalizer = Canonicalizer::new(options);
    let mut text = Vec::new();
    if let Err(error) = canonicalizer.value(input, &mut text) {
        assert!(text.is_empty() && error.offset <= input.len());
        return;
    }
    assert!(text.iter().all(|byte| (0x20..0x7f).contains(byte) && !b"$#".contains(byte)));
    assert!(depth(&text) <= MAX_DEPTH);
    if let Some(members) = members(&text) {
        for (name, value) in members {
            let place = canonicalizer.top_member(&text, name).expect("a member of the top-level object");
            assert_eq!(&text[place], value);
        }
    }
    let mut reader = Canonicalizer::default();
    let mut again = Vec::new();
    reader.value(&text, &mut again).expect("canonical text is a value");
    assert_eq!(again, text);
    if let Some(stripped) = without_stacks(&text) {
        again.clear();
        reader.value(&stripped, &mut again).expect("it is a value without stacks too");
        assert_eq!(again, stripped);
    }
    key.clear();
    if let Ok(()) = sortable_key_of(&text, &mut key) {
        let read = nifi_idb::indexeddb::key::Key::from_sortable(&key).expect("sortable bytes are a key");
        let mut sortable = Vec::new();
        read.write_sortable(&mut sortable);
        assert_eq!(sortable, key);
    }
});
