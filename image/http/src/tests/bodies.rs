//! Bodies of requests and responses.

use super::*;

fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}")
}

const NEXT: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn bodies_are_read_by_length_and_by_chunks() {
    let response = responses(&post("/echo", "Content-Length: 5", "hello"));
    assert!(response.ends_with("\r\nContent-Length: 5\r\n\r\nhello"), "{response}");
    let chunks = "2;a=b\r\nhe\r\n03\r\nllo\r\n0\r\nX-Sum: 5\r\n\r\n";
    let response = responses(&(post("/echo", "Transfer-Encoding: Chunked", chunks) + NEXT));
    assert!(response.contains("\r\nX-Sum: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n"), "{response}");
}

#[test]
fn bodies_have_limits() {
    let long = "x".repeat(101);
    assert_eq!(statuses(&(post("/echo", "Content-Length: 101", &long) + NEXT)), [413, 200]);
    let chunked = format!("65\r\n{long}\r\n0\r\n\r\n");
    assert_eq!(statuses(&(post("/echo", "Transfer-Encoding: chunked", &chunked) + NEXT)), [413, 200]);
    let longer = "x".repeat(70_000);
    assert_eq!(statuses(&(post("/echo", "Content-Length: 70000", &longer) + NEXT)), [413]);
    assert_eq!(statuses(&post("/echo", "Transfer-Encoding: chunked", "3\r\nab\r\n0\r\n\r\n")), [400]);
    assert_eq!(statuses(&post("/echo", "Content-Length: 9", "cut")), [400]);
}

#[test]
fn what_is_not_read_is_skipped() {
    assert_eq!(statuses(&(post("/ignore", "Content-Length: 5", "hello") + NEXT)), [200, 200]);
    assert_eq!(statuses(&(post("/first", "Content-Length: 5", "hello") + NEXT)), [200, 200]);
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    assert_eq!(statuses(&(post("/first", "Transfer-Encoding: chunked", chunks) + NEXT)), [200, 200]);
    let endless = String::from("1000\r\n") + &"x".repeat(4096) + "\r\n";
    let response = responses(&post("/ignore", "Transfer-Encoding: chunked", &endless.repeat(20)));
    assert!(response.ends_with("ignored"), "{response}");
    let response = responses(&post("/ignore", "Content-Length: 999999999", "x"));
    assert!(response.contains("Connection: close\r\n"), "{response}");
}

#[test]
fn an_expectation_is_answered_when_the_body_is_read() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let response = responses(&(post("/echo", "Content-Length: 2\r\nExpect: 100-Continue", "ab") + NEXT));
    assert!(response.starts_with(&format!("{interim}HTTP/1.1 200 OK\r\n")), "{response}");
    assert_eq!(response.matches("HTTP/1.1").count(), 3);
    // Ahead of the response, if the body is read while that is sent.
    let (response, ..) = exchange(&post("/copy", "Content-Length: 2\r\nExpect: 100-continue", "ab"), usize::MAX, 4096);
    assert!(response.starts_with(&format!("{interim}HTTP/1.1 200 OK\r\n")), "{response}");
    assert!(response.ends_with("\r\n\r\n2\r\nab\r\n0\r\n\r\n"), "{response}");
    // The body may follow or not, so the connection cannot be used again.
    let response = responses(&(post("/ignore", "Content-Length: 2\r\nExpect: 100-continue", "") + NEXT));
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("Connection: close\r\n"), "{response}");
    assert_eq!(response.matches("HTTP/1.1").count(), 1);
    let response = responses("POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
}

#[test]
fn bodies_of_unknown_length_are_sent_in_chunks() {
    let response = get("/chunked");
    let chunks = "2\r\nab\r\n2\r\nab\r\n2\r\nab\r\n0\r\n\r\n";
    assert!(response.ends_with(&format!("\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")), "{response}");
    let response = get("/written");
    assert!(response.ends_with("\r\n\r\n14\r\nxxxxxxxxxxxxxxxxxxxx\r\n0\r\nX-End: ab\r\n\r\n"), "{response}");
    let response = responses("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(response.ends_with("\r\nConnection: close\r\n\r\nababab"), "{response}");
    assert!(!response.contains("Transfer-Encoding"), "{response}");
    let response = responses("HEAD /chunked HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(response.ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n"), "{response}");
}

#[test]
fn an_error_within_a_streamed_body_resets_the_connection() {
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n{NEXT}");
    for room in [1, 3, 4096] {
        let (text, is_aborted, _) = exchange(&get("/stream"), usize::MAX, room);
        assert!(text.contains("\r\n\r\nabababHTTP/1.1 200") && !is_aborted, "{text}");
        for (path, body) in [("/broken", "abab"), ("/short", "ababab"), ("/long", "abab")] {
            let (text, is_aborted, _) = exchange(&get(path), usize::MAX, room);
            assert!(text.ends_with(&format!("\r\n\r\n{body}")) && is_aborted, "{path}: {text}");
        }
    }
}
