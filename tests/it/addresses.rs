//! Addresses in the messages of a Registry and of the installer.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::program::{program, run};

/// Answers each connection with `answer`, and returns the address.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_registry_is_named_by_the_whole_address_that_was_asked() {
    let address =
        answering("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nconnection: close\r\n\r\nnginx");
    let url = format!("http://{address}/my/prefix");
    let ran = run(program(["doctor", "--store", &url, "--retries", "0"]), b"");
    let expected = format!(
        "no NiFi Registry there: GET http://{address}/my/prefix/nifi-registry-api/buckets: 404"
    );
    assert!(ran.code() == Some(2) && ran.err.contains(&expected), "{}", ran.err);
}

#[test]
fn a_redirect_is_named_by_where_it_leads() {
    let address = answering(
        "HTTP/1.1 302 Found\r\nlocation: https://sso.example/login?next=hunter2\r\ncontent-length: 0\r\n\
         connection: close\r\n\r\n",
    );
    for words in [
        vec!["doctor", "--store", "URL", "--retries", "0"],
        vec!["template", "install", "live-sync", "--nifi", "URL"],
    ] {
        let url = format!("http://{address}/moved");
        let words = words.into_iter().map(|word| if word == "URL" { url.as_str() } else { word });
        let ran = run(program(words), b"");
        assert!(
            ran.code() == Some(2) && ran.err.contains("redirected to https://sso.example/login"),
            "{}",
            ran.err
        );
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
}
