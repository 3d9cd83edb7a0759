//! Requests and the right responses, by RFC 9110 and RFC 9112.

use super::*;

#[test]
fn pipelined_requests_are_answered_in_order() {
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n\
                    \r\nGET /no HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab\
                    POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n\
                    GET / HTTP/1.0\r\n\r\n";
    assert_eq!(statuses(requests), [200, 404, 405, 200]);
}

#[test]
fn a_response_has_its_headers_and_its_body() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n";
    assert_eq!(get("/?query"), format!("{head}\r\nroot"));
    assert_eq!(responses("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), format!("{head}\r\n"));
    let closed = format!("{head}Connection: close\r\n\r\nroot");
    for connection in ["Connection: x, Close", "Connection: keep-alive\r\nConnection: close", "Connection: close,,"] {
        assert_eq!(responses(&format!("GET / HTTP/1.1\r\nHost: x\r\n{connection}\r\n\r\nGET /")), closed);
    }
    let kept = responses("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert_eq!(kept, format!("{head}Connection: keep-alive\r\n\r\nroot"));
    assert_eq!(responses("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"), closed);
    assert!(responses("GET /later HTTP/1.1\r\nHost: x\r\nX-Name: Ada\r\n\r\n").ends_with("\r\n\r\nAda"));
}

#[test]
fn responses_without_content_have_none() {
    assert_eq!(get("/none"), "HTTP/1.1 204 No Content\r\nX-Split: a  B: c\r\n\r\n");
    assert_eq!(get("/unmodified"), "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert!(get("/299").starts_with("HTTP/1.1 299 \r\nContent-Type: text/plain"));
}

#[test]
fn methods_that_are_not_served_are_refused() {
    for method in ["DELETE", "POST", "PUT", "PATCH", "TRACE"] {
        let response = responses(&format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(
            response.starts_with("HTTP/1.1 405") && response.contains("Allow: GET, HEAD, OPTIONS\r\n"),
            "{response}"
        );
    }
    let chunked = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    assert_eq!(statuses(&format!("{chunked}GET / HTTP/1.1\r\nHost: x\r\n\r\n")), [405, 200]);
    // What follows CONNECT may not be a request.
    assert_eq!(statuses("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), [405]);
    for method in ["BREW", "get", "PROPFIND"] {
        assert_eq!(statuses(&format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n")), [501], "{method}");
    }
}

#[test]
fn options_are_answered_by_the_server() {
    let options = |target| responses(&format!("OPTIONS {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(options("/"), "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS\r\n\r\n");
    assert_eq!(options("/echo"), "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, POST, PUT, OPTIONS\r\n\r\n");
    assert!(options("*").contains("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
}

#[test]
fn targets_have_four_forms() {
    let host = |target| responses(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(host("/host").ends_with("\r\n\r\nx"));
    assert!(host("http://y:80/host").ends_with("\r\n\r\ny:80"), "the target's host replaces the header's");
    assert!(host("HTTP://y").ends_with("\r\n\r\nroot"));
    assert!(host("http://y?a").ends_with("\r\n\r\nroot"));
    assert!(host("/query?a=b%20c&d+e=%C3%A9").ends_with("\r\n\r\na=b c;d e=é;"));
    for target in ["*", "x", "ftp://x/", "http://", "http:///", "http://a@b/", "/%", "/%4", "/%zz", "/%00"] {
        assert_eq!(statuses(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")), [400], "{target}");
    }
}

#[test]
fn paths_are_normalized() {
    for path in ["/%68ello", "/hell%6f", "/%68%65%6C%6c%6F"] {
        assert!(get(path).ends_with("\r\n\r\nroot"), "{path}");
    }
    let path = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        Request::parse(head.as_bytes(), |request| String::from(request.path)).expect("valid")
    };
    assert_eq!(path("/a%2fb%20%c3%A9%2E?%41"), "/a%2Fb%20%C3%A9.");
}

#[test]
fn a_host_is_needed() {
    for (head, status) in [
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x y\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x/y\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n", 200),
        ("GET / HTTP/1.0\r\n", 200),
        ("GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n", 400),
    ] {
        assert_eq!(statuses(&format!("{head}\r\n")), [status], "{head:?}");
    }
}

#[test]
fn ambiguous_framing_is_refused_and_closed() {
    for (headers, status) in [
        ("Content-Length: many", 400),
        ("Content-Length: +3", 400),
        ("Content-Length: 0x3", 400),
        ("Content-Length:", 400),
        ("Content-Length: 3, 3", 400),
        ("Content-Length: 9999999999999999999", 400),
        ("Content-Length: 3\r\nContent-Length: 4", 400),
        ("Content-Length: 3\r\nContent-Length: 3", 400),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", 400),
        ("Transfer-Encoding: chunked, gzip", 400),
        ("Transfer-Encoding: chunked, chunked", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
        ("Transfer-Encoding:", 400),
        ("Transfer-Encoding: gzip", 501),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: xchunked", 501),
        ("Transfer-Encoding : chunked", 400),
        ("Content-Length : 3", 400),
        ("X: y\r\n z", 400),
        (" X: y", 400),
        ("Bad name: x", 400),
        (": x", 400),
        ("X: a\rb", 400),
        ("X: a\0b", 400),
        ("Expect: 200-ok", 417),
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let responses = responses(&request);
        assert!(responses.starts_with(&format!("HTTP/1.1 {status} ")), "{headers:?}: {responses}");
        assert!(responses.contains("Connection: close\r\n"), "{headers:?}: {responses}");
        assert_eq!(responses.matches("HTTP/1.1").count(), 1, "{headers:?}: {responses}");
    }
    assert_eq!(statuses("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), [400]);
}

#[test]
fn malformed_requests_are_refused() {
    for (text, status) in [
        ("\x01\r\n\r\n", 400),
        ("junk\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        (" / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHo", 400),
        ("GET / SMTP/9.9\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/1.9\r\nHost: x\r\n\r\n", 505),
    ] {
        assert_eq!(statuses(text), [status], "{text:?}");
    }
    let (_, _, counters) = exchange("junk\r\n\r\n", usize::MAX, 4096);
    assert_eq!((counters.malformed(), counters.requests()), (1, 0));
    assert_eq!(responses(""), "");
}

#[test]
fn long_heads_are_refused() {
    let get = |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    assert_eq!(statuses(&get("/", &format!("X: {}\r\n", "x".repeat(20_000)))), [431]);
    assert_eq!(statuses(&get("/", &format!("X: {}\r\n", "x".repeat(15_000)))), [200]);
    assert_eq!(statuses(&get("/", &"X: y\r\n".repeat(127))), [200]);
    assert_eq!(statuses(&get("/", &"X: y\r\n".repeat(128))), [431]);
    assert_eq!(statuses(&get(&format!("/?{}", "x".repeat(7998)), "")), [200]);
    assert_eq!(statuses(&get(&format!("/?{}", "x".repeat(7999)), "")), [414]);
    assert_eq!(statuses(&get(&format!("/{}", "x".repeat(60_000)), "")), [414]);
}
