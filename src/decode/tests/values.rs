//! Records, in all the ways in which programs join JSON.

use super::*;
use crate::exit_status::ExitStatus;

/// Returns the accepted values and the rejections, or the error that ended the stream.
fn values(text: impl AsRef<[u8]>) -> Result<Vec<String>, String> {
    let text = text.as_ref();
    let whole = decode(text, records());
    for piece in [1, 7, 64] {
        assert_eq!(
            decode(Slow(text, piece), records()),
            whole,
            "{}",
            String::from_utf8_lossy(text)
        );
    }
    let shown = |item: &String| match item.split_once(" put - ") {
        Some((_, value)) => value.trim_end_matches(" - -").to_owned(),
        None => item.clone(),
    };
    let items = whole.items.iter().map(shown).collect();
    whole.end.map(|_| items)
}

/// The same two records, as different programs write them.
const JOINED: [&str; 16] = [
    "{\"id\":1}\n{\"id\":2}\n",
    "{\"id\":1}\r\n\r\n{\"id\":2}",
    "[{\"id\":1},{\"id\":2}]",
    "[{\"id\":1},{\"id\":2},]\n",
    "[\n{\"id\":1}\n,{\"id\":2}\n]",
    "[\n  {\"id\":1},\n  {\"id\":2}\n]\n",
    "{\"id\":1}{\"id\":2}",
    "{\"id\":1} {\"id\":2}\n",
    "{\"id\":1},\n{\"id\":2}\n",
    "{\"id\":1},{\"id\":2},",
    "[{\"id\":1}][{\"id\":2}]",
    "[{\"id\":1}]\n[]\n[{\"id\":2}]\n",
    "[{\"id\":1}]{\"id\":2}",
    "\u{1e}{\"id\":1}\n\u{1e}{\"id\":2}\n",
    "\u{1e}{\"id\":1}\u{1e}{\"id\":2}",
    "\u{feff}[{\"id\":1}\n{\"id\":2}]",
];

#[test]
fn two_records_however_they_are_joined() {
    for text in JOINED {
        assert_eq!(
            values(text),
            Ok(vec!["{\"id\":1}".to_owned(), "{\"id\":2}".to_owned()]),
            "{text:?}"
        );
    }
}

#[test]
fn pretty_printed_values_keep_their_text() {
    let one = "{\n  \"id\" : 1,\n  \"a\" : [ {\n    \"}\" : \"]\\\"\"\n  } ]\n}";
    for text in [
        format!("[ {one}, {one} ]"),
        format!("{one}\n{one}\n"),
        format!("{one}{one}"),
        format!("[{one},\n{one}\n]"),
    ] {
        assert_eq!(values(&text), Ok(vec![one.to_owned(), one.to_owned()]), "{text}");
    }
    // As JsonRecordSetWriter prints them, and as Python prints them without indentation.
    for text in
        ["[ {\n  \"id\" : 1\n}, {\n  \"id\" : 2\n} ]", "[\n{\n\"id\": 1\n},\n{\n\"id\": 2\n}\n]"]
    {
        assert_eq!(decode(text.as_bytes(), records()).end.unwrap().changes, 2, "{text}");
    }
}

#[test]
fn every_record_knows_its_line_and_its_first_byte() {
    let text =
        "[{\"id\":1},\n  {\"id\":2},\n{\n\"id\":3}]\n  {\"id\":4}{\"id\":5}\n\u{1e}{\"id\":6}";
    let decoded = decode(text.as_bytes(), records());
    let place = |value: &str| text.find(value).unwrap() as u64;
    let expected = [
        (1, 1),
        (2, place("{\"id\":2}")),
        (3, place("{\n\"id\":3")),
        // For the first value of a line, the position is the line's first byte.
        (5, place("  {\"id\":4}")),
        (5, place("{\"id\":5}")),
        (6, place("{\"id\":6}")),
    ];
    assert_eq!(decoded.places, expected);
    assert_eq!(
        decoded.end.unwrap(),
        StreamCounts { lines: 6, bytes: text.len() as u64, changes: 6, rejected: 0 }
    );
}

#[test]
fn a_line_that_broke_off_takes_no_other_with_it() {
    for (broken, after) in [
        ("{\"id\":1", "{\"id\":2}\n{\"id\":3}\n"),
        ("{\"id\":1,", "{\"id\":2}\n{\"id\":3}\n"),
        ("{\"id\":1,\"a\":", "{\"id\":2}\n{\"id\":3}\n"),
        ("{\"id\":1,\"a\":[", "{\"id\":2}\n{\"id\":3}\n"),
        ("{\"id\":\"1", "{\"id\":2}\n{\"id\":3}\n"),
        ("{\"id\":1,\"a\":", "{\"id\":2}\n{\"id\":3}"),
        ("no JSON", "{\"id\":2}\n{\"id\":3}\n"),
        ("{\"id\":1}}", "{\"id\":2}\n{\"id\":3}\n"),
        ("{\"id\":1} x", "{\"id\":2}\n{\"id\":3}\n"),
        ("{\"id\":1}]", "{\"id\":2}\n{\"id\":3}\n"),
        ("\u{1e}{\"id\":1,\"a\":[", "\u{1e}{\"id\":2}\n\u{1e}{\"id\":3}\n"),
    ] {
        let found = values(format!("{broken}\n{after}")).unwrap();
        assert_eq!(
            (found.len(), &found[1..]),
            (3, &["{\"id\":2}".to_owned(), "{\"id\":3}".to_owned()][..]),
            "{broken}"
        );
    }
    // In a text sequence, this also holds without line ends.
    let cut = values("\u{1e}{\"id\":1,\u{1e}{\"id\":2}");
    assert_eq!(cut, Ok(vec!["{\"id\":1,".to_owned(), "{\"id\":2}".to_owned()]));
    let cut = values("\u{1e}{\"id\":1,\n\u{1e}{\"id\":2}");
    assert_eq!(cut, Ok(vec![code::SYNTAX.to_owned(), "{\"id\":2}".to_owned()]));
}

#[test]
fn nothing_inside_a_broken_value_is_taken_for_a_record() {
    let broken = "{\n  \"id\": 1,\n  \"items\": [\n    {\"id\": 5},\n    {\"id\": 6}\n  ],\n  \"y\" 5\n}\n{\"id\":2}\n";
    let found = values(broken).unwrap();
    assert_eq!(found.last().map(String::as_str), Some("{\"id\":2}"));
    assert_eq!(found[..8], [code::SYNTAX; 8]);
    let early = "{\n  \"y\" 5,\n  \"items\": [\n    {\"id\": 5},\n    [\n    ]\n  ]\n}\n{\n  \"id\": 2\n}\n";
    let found = values(early).unwrap();
    assert_eq!(found.last().map(String::as_str), Some("{\n  \"id\": 2\n}"));
    assert_eq!(
        (found.len(), found.iter().filter(|value| value.starts_with("{\"")).count()),
        (9, 0),
        "{found:?}"
    );
    assert_eq!(found[..8], [code::SYNTAX; 8]);
}

#[test]
fn a_bad_element_is_rejected_and_the_array_goes_on() {
    for bad in [
        "{\"id\":nope}",
        "{\"id\":1,}",
        "{\"a\" 1}",
        "{\"id\":1]",
        "12",
        "\"x\"",
        "null",
        "[{}]",
        "'x'",
        "NaN",
    ] {
        let found = values(format!("[{{\"id\":1}}, {bad} ,{{\"id\":3}}]"));
        assert_eq!(
            found,
            Ok(vec!["{\"id\":1}".into(), bad.to_owned(), "{\"id\":3}".into()]),
            "{bad}"
        );
    }
}

#[test]
fn an_array_that_is_cut_or_broken_between_records_ends_the_batch() {
    let whole = "[{\"id\":1},{\"id\":\"]}\"},\n{\"id\":3}]";
    for end in 1..whole.len() {
        let error = values(&whole[..end]).unwrap_err();
        assert_eq!(
            error, "the input ends inside a JSON array that begins in line 1; send it again, whole",
            "{end}"
        );
    }
    for (text, offset) in [
        ("[{\"id\":1}}]", 9),
        ("[{\"id\":1} x]", 9),
        ("[{\"id\":1},:{}]", 10),
        ("[{\"id\":1}\u{1e}{}]", 9),
    ] {
        let error = values(text).unwrap_err();
        assert!(
            error.starts_with(&format!("line 1 (byte {offset}): the JSON array is broken")),
            "{text}: {error}"
        );
    }
    let cut = values("{\"id\":1}\n{\n  \"id\": 2,\n  \"a\": [\n").unwrap_err();
    assert_eq!(cut, "the input ends inside a value that begins in line 2; send it again, whole");
    let error = Decoder::open(&b"[{\"id\":1}"[..], records()).and_then(|mut decoder| {
        decoder.next()?;
        decoder.next().map(|_| ())
    });
    assert_eq!(error.unwrap_err().exit_status(), ExitStatus::Input);
}

#[test]
fn a_value_beyond_the_limit_is_passed_over_wherever_it_is() {
    let limited = || DecodeOptions { max_line_bytes: 20, ..records() };
    let long = format!("{{\"id\":9,\"t\":\"{}\"}}", "]}{[".repeat(600));
    let pretty = long.replace(",", ",\n");
    let deep = format!("{{\"id\":9,\"a\":{}{}}}", "[".repeat(3000), "]".repeat(3000));
    for text in [
        format!("[{{\"id\":1}},{long},{{\"id\":2}}]"),
        format!("[{{\"id\":1}},{pretty},{deep},{{\"id\":2}}]"),
        format!("{{\"id\":1}}\n{long}\n{{\"id\":2}}"),
        format!("{{\"id\":1}}{long}{{\"id\":2}}"),
        format!("{{\"id\":1}}\n{pretty}\n{{\"id\":2}}"),
        format!("{{\"id\":1}}\n{}\n{{\"id\":2}}", "x".repeat(9000)),
    ] {
        let whole = decode(text.as_bytes(), limited());
        for piece in [1, 13, 4096] {
            assert_eq!(decode(Slow(text.as_bytes(), piece), limited()), whole);
        }
        let items: Vec<_> =
            whole.items.iter().map(|item| item.split(' ').nth(3).unwrap_or(item)).collect();
        assert_eq!((items[0], items[items.len() - 1]), ("{\"id\":1}", "{\"id\":2}"), "{text}");
        assert!(
            items[1..items.len() - 1].iter().all(|item| *item == code::LINE_TOO_LONG),
            "{text}"
        );
        assert_eq!(whole.end.unwrap().bytes, text.len() as u64);
    }
    // One line may be longer than any value in it.
    let one_line = "{\"id\":1}".repeat(10_000);
    assert_eq!(decode(one_line.as_bytes(), limited()).end.unwrap().changes, 10_000);
}

#[test]
fn key_fields_are_taken_out_of_records_in_an_array() {
    let decoded = decode("[{\"k\":1,\n\"v\":2},{\"v\":3}]".as_bytes(), key_field("k"));
    assert_eq!(decoded.items, ["0:0 put 1 {\"v\":2} - -", code::NO_KEY]);
}

fn joined() -> impl Strategy<Value = (Vec<String>, String)> {
    let value = prop::sample::select(
        ["{\"id\":1}", "{}", "{\n \"id\": 2,\n \"a\": [\n {}\n ]\n}", "{\"s\":\"}{][\\\\\\\",\"}"]
            .map(str::to_owned)
            .to_vec(),
    );
    let group = (prop::collection::vec(value, 0..5), 0..6);
    prop::collection::vec(group, 0..4).prop_map(|groups| {
        let mut all = Vec::new();
        let mut text = String::new();
        for (values, form) in groups {
            text += &match form {
                0 => format!("[{}]", values.join(",")),
                1 => format!("[ {} ]\n", values.join(" ,\n ")),
                2 => values.iter().map(|value| format!("{value}\n")).collect(),
                3 => values.concat(),
                4 => values.iter().map(|value| format!("\u{1e}{value}\n")).collect(),
                _ => values.iter().map(|value| format!("{value},\n")).collect(),
            };
            all.extend(values);
        }
        (all, text)
    })
}

proptest! {
    #[test]
    fn any_mixture_gives_its_values((expected, text) in joined()) {
        prop_assert_eq!(values(&text), Ok(expected));
    }

    #[test]
    fn any_bytes_give_an_answer_that_pieces_do_not_change(
        text in prop::collection::vec(prop::sample::select(b"{}[]\",:\\a1 \n\x1e\xff".to_vec()), 0..64),
        limit in 4usize..40,
    ) {
        let limited = || DecodeOptions { max_line_bytes: limit, ..records() };
        let whole = decode(text.as_slice(), limited());
        for piece in [1, 3] {
            prop_assert_eq!(&decode(Slow(&text, piece), limited()), &whole);
        }
        if let Ok(counts) = whole.end {
            prop_assert_eq!(counts.bytes, text.len() as u64);
        }
    }
}
