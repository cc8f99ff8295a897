//! Any bytes as a stream of packages: never a panic, no more memory than the limits allow; what is read is written back to
//! bytes that read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nifi_idb::flowfile::{Attributes, MAX_ATTRIBUTES, PackageReader, write_head};

fn read(bytes: &[u8]) -> (Vec<(Attributes, Vec<u8>)>, bool) {
    let mut reader = PackageReader::new(bytes);
    let mut all = Vec::new();
    loop {
        let head = match reader.next_head() {
            Ok(Some(head)) => head,
            Ok(None) => return (all, true),
            Err(_) => return (all, false),
        };
        let mut content = Vec::new();
        if reader.content(&head, &mut content).is_err() {
            return (all, false);
        }
        assert_eq!(content.len() as u64, head.content_bytes);
        assert!(!head.attributes.is_empty() && head.attributes.len() <= MAX_ATTRIBUTES as usize);
        all.push((head.attributes, content));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (all, whole) = read(bytes);
    let mut written = Vec::new();
    for (attributes, content) in &all {
        write_head(attributes, content.len() as u64, &mut written).unwrap();
        written.extend_from_slice(content);
    }
    assert!(!whole || !all.is_empty(), "a clean end comes after a FlowFile");
    if !all.is_empty() {
        assert_eq!(read(&written), (all, true));
    }
});
