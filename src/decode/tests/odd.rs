//! Odd input: each row of the page's table.

use super::*;

fn error_of(text: impl AsRef<[u8]>) -> String {
    decode(text.as_ref(), DecodeOptions::default()).error().to_owned()
}

fn changes(lines: &str) -> String {
    format!("{HEADER}\n{lines}")
}

const END: &str = "{\"op\":\"end\",\"count\":0}\n";

#[test]
fn byte_order_marks() {
    let text = format!("\u{feff}{}", changes(END));
    assert_eq!(
        decode(text.as_bytes(), DecodeOptions::default()).end.unwrap().bytes,
        text.len() as u64
    );
    assert_eq!(
        decode("\u{feff}{\"id\":1}".as_bytes(), records()).items,
        [r#"0:0 put - {"id":1} - -"#]
    );
    assert_eq!(
        decode("\u{feff}\u{feff}{}".as_bytes(), key_field("id")).items,
        [code::SYNTAX],
        "only once"
    );
    for bytes in [b"\xff\xfe{\0", b"\xfe\xff\0{"] {
        assert_eq!(error_of(bytes), "line 1 (byte 0): this is UTF-16; convert it to UTF-8");
    }
    assert!(error_of(b"\x1f\x8b\x08\0").contains("gzip"));
    assert!(error_of(b"\x28\xb5\x2f\xfd\0").contains("zstd"));
}

#[test]
fn white_space_and_line_ends() {
    let text = changes(
        "\r\n \t\n{\"op\":\"clear\",\"store\":\"b\"} \r\n\n{\"op\":\"end\",\"count\":1}\r\n\n \r\n  ",
    );
    let decoded = decode(text.as_bytes(), DecodeOptions::default());
    assert_eq!(decoded.items, ["0:0 clear -"]);
    assert_eq!(decoded.places, [(4, HEADER.len() as u64 + 6)]);
    assert_eq!(decoded.end.unwrap().lines, 9);

    let decoded = decode(b"\n\r\n {\"id\":1}\t\r\n\n2".as_slice(), records());
    assert_eq!(decoded.items, [r#"0:0 put - {"id":1} - -"#, "1:0 put - 2 - -"]);
    assert_eq!(decoded.places, [(3, 3), (5, 16)]);
}

#[test]
fn a_last_line_without_end() {
    let open = |lines: &str| decode(changes(lines).as_bytes(), DecodeOptions::default());
    assert!(open(END.trim_end()).end.is_ok());
    let cut = "the input ends after line 2: there is no end line; send it again, whole";
    for line in [
        "{\"op\":\"cl",
        "{\"op\":\"clear\",\"store\":\"b\"}",
        "{\"op\":\"clear\",\"store\":\"b\"}\n",
        "x",
    ] {
        let decoded = open(line);
        assert_eq!(
            (decoded.error(), decoded.items.len()),
            (cut, usize::from(line.ends_with('\n'))),
            "{line}"
        );
    }
    assert!(open("").error().contains("there is no end line"));
    // Input that is cut inside the header is reported as truncated, not misunderstood.
    assert!(error_of(&HEADER[..60]).contains("there is no end line"));
    assert_eq!(error_of(""), "the input ends after line 0: it is empty; send it again, whole");
    assert!(decode(b"".as_slice(), records()).end.is_ok());
}

#[test]
fn the_end_line() {
    for (lines, what) in [
        (
            "{\"op\":\"end\"}\n",
            "line 2 (byte 149): the end line needs a count of the lines before it, and nothing else",
        ),
        ("{\"op\":\"end\",\"count\":-1}\n", "needs a count"),
        ("{\"op\":\"end\",\"count\":0,\"store\":\"b\"}\n", "needs a count"),
        ("{\"op\":\"end\",\"count\":1}\n", "the end line counts 1 lines, but there are 0"),
        ("x\n{\"op\":\"end\",\"count\":0}\n", "the end line counts 0 lines, but there are 1"),
        ("{\"op\":\"end\",\"count\":0}\nx", "line 3 (byte 172): a line after the end line"),
    ] {
        let decoded = decode(changes(lines).as_bytes(), DecodeOptions::default());
        assert!(decoded.error().contains(what), "{lines}: {:?} {}", decoded.end, HEADER.len());
    }
}

#[test]
fn a_sequence_counts_its_lines_rejected_ones_too() {
    let header = HEADER.replace(
        "\"database\"",
        "\"source\":\"s\",\"epoch\":\"e\",\"first\":7,\"last\":8,\"database\"",
    );
    let text = |header: &str, lines: &str, count| {
        format!("{header}\n{lines}{{\"op\":\"end\",\"count\":{count}}}\n")
    };
    let right = text(&header, "x\n\n{\"op\":\"clear\",\"store\":\"b\"}\n", 2);
    assert_eq!(
        decode(right.as_bytes(), DecodeOptions::default()).items,
        [code::SYNTAX, "1:0 clear -"]
    );
    let wrong = "first and last of the header make 2 lines, but there are 1";
    assert!(error_of(text(&header, "x\n", 1)).contains(wrong));
    let full = header.replace("\"epoch\"", "\"mode\":\"full\",\"epoch\"");
    assert_eq!(error_of(text(&full, "x\n", 1)), "");
}

#[test]
fn object_stores_may_change_from_line_to_line() {
    let header = HEADER.replace("keyless", "c");
    let lines = ["b", "c", "c", "b", "x", "b"]
        .map(|name| format!("{{\"op\":\"clear\",\"store\":\"{name}\"}}\n"))
        .concat();
    let decoded = decode(
        format!("{header}\n{lines}{{\"op\":\"end\",\"count\":6}}").as_bytes(),
        DecodeOptions::default(),
    );
    let expected = [
        "0:0 clear -",
        "1:1 clear -",
        "2:1 clear -",
        "3:0 clear -",
        code::UNKNOWN_STORE,
        "5:0 clear -",
    ];
    assert_eq!(decoded.items, expected);
}

#[test]
fn a_full_batch_has_puts_only() {
    let header = HEADER.replace("\"database\"", "\"source\":\"s\",\"mode\":\"full\",\"database\"");
    let lines = "{\"op\":\"put\",\"store\":\"data\",\"value\":{}}\n{\"op\":\"clear\",\"store\":\"b\"}\n\
                 {\"op\":\"delete\",\"store\":\"b\",\"key\":1}\n{\"op\":\"delete-range\",\"store\":\"b\",\"lower\":1}\n";
    let text = format!("{header}\n{lines}{{\"op\":\"end\",\"count\":4}}\n");
    let decoded = decode(text.as_bytes(), DecodeOptions::default());
    assert_eq!(
        decoded.items,
        ["0:1 put - {} - -", code::NOT_IN_FULL, code::NOT_IN_FULL, code::NOT_IN_FULL]
    );
}

#[test]
fn envelopes_are_json_whatever_their_spelling() {
    let lines = [
        r#"{"o\u0070":"cle\u0061r","store":"\u0062"}"#,
        r#"{"op":"clear","store":{"~utf16":"ANg="}}"#,
        r#"{"op":"clear","store":"\ud800"}"#,
        "{\"op\":\"clear\",\"store\":\"b\0\"}",
        "{\"op\":\"clear\",\0\"store\":\"b\"}",
        r#"{"op":"clear","store":"b","\u006fp":"clear"}"#,
        r#"{"op":"clear","store":"b","\x":1}"#,
        r#"{"op":"clear","store":{"~utf16":"AA"}}"#,
    ];
    let expected = [
        "0:0 clear -",
        "1:3 clear -",
        code::INVALID_MEMBER,
        code::INVALID_MEMBER,
        code::SYNTAX,
        code::DUPLICATE_MEMBER,
        code::SYNTAX,
        code::INVALID_MEMBER,
    ];
    assert_eq!(batch(&lines).items, expected);
    let text = [
        changes("").as_bytes(),
        b"{\"op\":\"clear\",\"store\":\"b\xff\"}\n{\"op\":\"end\",\"count\":1}",
    ]
    .concat();
    assert_eq!(decode(text.as_slice(), DecodeOptions::default()).items, [code::INVALID_MEMBER]);
}

#[test]
fn what_is_inside_keys_and_values_is_left_to_the_next_stage() {
    let value = b"{\"a\":1,\"a\":\"\\ud800\xff\",\"n\":9007199254740993,\"t\":\0}";
    let begin = changes("{\"op\":\"put\",\"store\":\"data\",\"value\":");
    let text = [begin.as_bytes(), value, b"}\n{\"op\":\"end\",\"count\":1}"];
    let text = text.concat();
    let mut decoder = Decoder::open(text.as_slice(), DecodeOptions::default()).unwrap();
    let Some(Item::Change(Change { op: Op::Put { value: found, .. }, .. })) =
        decoder.next().unwrap()
    else {
        panic!()
    };
    assert_eq!(found, value);
}

#[test]
fn a_rejection_names_line_byte_and_store_and_holds_no_data() {
    let secret = r#"{"op":"put","store":"b","value":"hunter2","hunter3":1}"#;
    let text = changes(&format!("{secret}\n{{\"op\":\"end\",\"count\":1}}"));
    let mut decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    let Some(Item::Rejected(rejection)) = decoder.next().unwrap() else { panic!() };
    assert!(!rejection.message.contains("hunter"));
    let expected = Rejection { message: String::new(), ..rejection.clone() };
    let (line, offset) = (2, HEADER.len() as u64 + 1);
    let store = Some(DomString::from("b"));
    assert_eq!(
        expected,
        Rejection {
            line,
            offset,
            code: code::UNKNOWN_MEMBER,
            store,
            message: String::new(),
            keys: Vec::new()
        }
    );
}

#[test]
fn limits() {
    let options =
        || DecodeOptions { max_line_bytes: 200, max_changes: 3, ..DecodeOptions::default() };
    let long = format!("{{\"op\":\"clear\",\"store\":\"b\"{}}}\n", " ".repeat(200));
    let clear = "{\"op\":\"clear\",\"store\":\"b\"}\n";
    let decoded = decode(
        changes(&format!("{clear}{long}{clear}{{\"op\":\"end\",\"count\":3}}")).as_bytes(),
        options(),
    );
    assert_eq!(decoded.items, ["0:0 clear -", code::LINE_TOO_LONG, "2:0 clear -"]);
    let decoded = decode(changes(&clear.repeat(4)).as_bytes(), options());
    assert_eq!(
        (decoded.items.len(), decoded.error()),
        (3, "more than 3 lines; send it in parts, or raise the limit")
    );
    let decoded =
        decode(format!("1\n{long}2").as_bytes(), DecodeOptions { max_line_bytes: 20, ..records() });
    assert_eq!(decoded.items, ["0:0 put - 1 - -", code::LINE_TOO_LONG, "2:0 put - 2 - -"]);

    let deep = format!(
        "{{\"op\":\"put\",\"store\":\"b\",\"key\":1,\"value\":{}}}",
        "[".repeat(MAX_DEPTH + 1)
    );
    assert_eq!(batch(&[&deep]).items, [code::DEPTH]);
    let header = HEADER.replace(
        "\"database\"",
        &format!("\"x-a\":\"{}\",\"database\"", "x".repeat(MAX_HEADER_BYTES)),
    );
    assert!(error_of(format!("{header}\n{END}")).contains("the header is longer than 1 MiB"));
}

#[test]
fn headers_that_are_not_json_or_say_things_twice() {
    let twice = "has a member twice";
    for header in [
        HEADER.replace("\"d\"", "\"d\",\"database\":\"d\""),
        HEADER.replace("\"name\":\"b\"", "\"name\":\"b\",\"name\":\"b\""),
    ] {
        assert!(error_of(format!("{header}\n{END}")).contains(twice));
    }
    assert!(
        error_of(format!("{}\n{END}", HEADER.replace("\"d\"", "\"\\ud800\"")))
            .contains("is not JSON")
    );
    assert!(
        error_of(format!("{}\n{END}", HEADER.replace("keyless", "b")))
            .contains("must have different names")
    );
    let name = HEADER.replace("\"database\"", "\"ba\\nse\":1,\"database\"");
    assert!(
        error_of(format!("{name}\n{END}"))
            .starts_with("the header (line 1): ba\\u000ase: is not a member")
    );
}

#[test]
fn the_dialect_is_found_out() {
    let auto = |text: &str, options| {
        Decoder::open(text.as_bytes(), options).map(|decoder| decoder.header().dialect)
    };
    let input = |input, options: DecodeOptions| DecodeOptions { input, ..options };
    let reordered = HEADER.replace(
        "{\"format\":\"indexeddb-changes/1\",",
        " { \"x-a\" : [{}] , \"format\" : \"indexeddb-changes/1\",",
    );
    assert_eq!(auto(&format!("\n{reordered}\n"), records()).unwrap(), Dialect::Changes);
    assert_eq!(auto("{\"id\":1,\"format\":\"pdf\"}", records()).unwrap(), Dialect::Records);
    assert_eq!(auto("{\"id\":1", records()).unwrap(), Dialect::Records);
    assert_eq!(auto(HEADER, input(Some(Dialect::Records), records())).unwrap(), Dialect::Records);
    let says = |result: Result<Dialect, DecodeError>, status, what: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.exit_status(), status, "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    use crate::exit_status::ExitStatus::{Input as Status, Usage};
    says(auto("{\"id\":1}\n", DecodeOptions::default()), Usage, "give --object-store");
    says(auto("{\"id\":1}\n", input(Some(Dialect::Changes), records())), Status, "is no header");
    says(auto("", input(Some(Dialect::Changes), records())), Status, "it is empty");
    says(
        auto("", input(Some(Dialect::Records), DecodeOptions::default())),
        Usage,
        "records need an object store",
    );
    says(
        auto("", DecodeOptions { key_field: Some("k".into()), ..records() }),
        Usage,
        "either --key-path",
    );
    says(auto("", DecodeOptions { key_path: None, ..records() }), Usage, "either --key-path");
    says(
        auto("", DecodeOptions { mode: Some(Mode::Full), ..records() }),
        Usage,
        "a full batch needs a source",
    );
    says(auto(&HEADER.replace("/1", "/2"), records()), Status, "there is no end line");
}

#[test]
fn options_fill_in_the_header_and_must_agree_with_it() {
    let header = format!(
        "{}\n",
        HEADER.replace(
            "\"database\":\"d\"",
            "\"database\":\"d\",\"source\":\"s\",\"mode\":\"delta\""
        )
    );
    let open = |text: &str, options| {
        Decoder::open(text.as_bytes(), options).map(|decoder| decoder.header().clone())
    };
    let source = |id: &str| DecodeOptions { source: id.parse().ok(), ..DecodeOptions::default() };
    assert!(open(&header, source("s")).is_ok());
    for options in [
        source("t"),
        DecodeOptions { mode: Some(Mode::Full), ..DecodeOptions::default() },
        DecodeOptions { database: Some("e".into()), ..DecodeOptions::default() },
    ] {
        assert!(matches!(
            open(&header, options),
            Err(DecodeError::Usage(_) | DecodeError::OtherSource)
        ));
    }
    let filled = DecodeOptions { mode: Some(Mode::Full), database_version: Some(4), ..source("t") };
    let found = open(&format!("{HEADER}\n"), filled).unwrap();
    assert_eq!((found.mode, found.schema.version), (Mode::Full, 4));
    assert_eq!(found.source.unwrap().as_str(), "t");
}

#[test]
fn a_header_is_read_whole() {
    let text = include_str!("../../../tests/fixtures/changes/all-lines.ndjson");
    let decoder = Decoder::open(text.as_bytes(), DecodeOptions::default()).unwrap();
    let header = decoder.header();
    let names: Vec<_> =
        header.schema.stores.iter().map(|store| store.name.to_canonical()).collect();
    assert_eq!(names, ["\"a\"", "\"data\"", r#"{"~utf16":"ANg="}"#]);
    assert_eq!(header.key_generators, [None, Some(5), None]);
    assert_eq!(header.base, FlowVersion::new(3));
    let sequence = header.sequence.clone().unwrap();
    assert_eq!(
        (sequence.epoch.as_str(), sequence.first, sequence.last, sequence.count()),
        ("a1", 10, 20, 11)
    );
    assert_eq!((header.schema.version, header.mode), (2, Mode::Delta));
}

#[test]
fn key_fields() {
    let decoded = decode(
        b"{\"k\":\"a\",\"v\":1}\n{\"v\":1}\n{\"k\":1,\"k\":2}\n[1]\n{\"v\":{\"k\":1},\"k\":[1]}"
            .as_slice(),
        key_field("k"),
    );
    let expected = [
        r#"0:0 put "a" {"v":1} - -"#,
        code::NO_KEY,
        code::DUPLICATE_MEMBER,
        code::SYNTAX,
        r#"4:0 put [1] {"v":{"k":1}} - -"#,
    ];
    assert_eq!(decoded.items, expected);
}

#[test]
fn what_the_reader_says_at_its_end_fails_the_batch() {
    struct Short<'a>(&'a [u8]);
    impl Read for Short<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "3 bytes are missing")),
                count => Ok(count),
            }
        }
    }
    for (text, options) in
        [(changes(END), DecodeOptions::default()), ("{\"id\":1}\n".to_owned(), records())]
    {
        let mut decoder = Decoder::open(Short(text.as_bytes()), options).unwrap();
        let error = loop {
            match decoder.next() {
                Ok(item) => {
                    assert!(item.is_some(), "a batch must not end well before the reader does")
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "cannot read the input: 3 bytes are missing");
        assert_eq!(error.exit_status(), crate::exit_status::ExitStatus::Input);
    }
}
