//! Routing, on a whole stack.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use switchboard_net_testing::TestNetwork;

use super::*;
use crate::{BodyError, Conditions, HttpCounters, IntoResponse, Precondition, RequestBody, RequestHead, Validators};

#[derive(Debug, Serialize, Deserialize)]
struct Search {
    text: String,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    tag: Vec<String>,
}

fn router() -> Router<&'static str> {
    async fn raw(State(state): State<&'static str>, mut body: RequestBody) -> Result<String, BodyError> {
        Ok(format!("{state} {}", body.collect(10).await?.len()))
    }
    Router::new("state")
        .get("/", || "root")
        .get("/items/{id}", |Path(id): Path<u32>| format!("item {id}"))
        .delete("/items/{id}", async |Path(id): Path<u32>| if id == 0 { Err("none") } else { Ok(()) })
        .get("/items/new", || "new")
        .get("/{a}/{b}/c", |Path(a): Path<String>, Path(b): Path<u8>| format!("{a} {b}"))
        .get("/search", |Query(search): Query<Search>| Json(search))
        .post("/search", async |Form(search): Form<Search>| Json(search))
        .post("/json", async |Json(numbers): Json<Vec<u32>>| Json(numbers.iter().sum::<u32>()))
        .post("/raw", raw)
        .get("/tagged", |conditions: Conditions| {
            let validators = Validators { etag: Some("\"v1\"".into()), modified_seconds: None };
            match conditions.check(&validators) {
                Precondition::Holds => "new",
                Precondition::NotModified => "not modified",
                Precondition::Failed => "failed",
            }
        })
        .post("/text", async |head: RequestHead, text: String| format!("{} {text}", head.path))
        .nest("/api", |api| api.nest("/v1", |v1| v1.get("/ping", || "pong")).get("/pong", || "ping"))
        .fallback(|state, request| (request.path == "/fallback").then(|| Answer::Now((*state).into_response())))
}

fn request(head: &str, headers: &str, body: &str) -> (u16, String) {
    let router: &'static Router<_> = Box::leak(Box::new(router()));
    let mut network = TestNetwork::new();
    crate::serve(network.group(), network.stack(), router, HttpCounters::leak());
    let length = body.len();
    let text = format!("{head} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    let response = String::from_utf8(network.exchange(80, text.as_bytes())).expect("text");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let status = head[9..12].parse().expect("a status");
    (status, if status == 204 || status == 405 { head.into() } else { body.into() })
}

fn get(target: &str) -> (u16, String) {
    request(&format!("GET {target}"), "", "")
}

#[test]
fn the_most_specific_route_answers() {
    assert_eq!(get("/"), (200, "root".into()));
    assert_eq!(get("/items/7"), (200, "item 7".into()));
    assert_eq!(get("/%69tems/%37"), (200, "item 7".into()));
    assert_eq!(get("/items/new"), (200, "new".into()));
    assert_eq!(get("/items/9/c"), (200, "items 9".into()));
    assert_eq!(get("/a%2Fb/9/c"), (200, "a/b 9".into()));
    assert_eq!(get("/api/v1/ping"), (200, "pong".into()));
    assert_eq!(get("/api/pong"), (200, "ping".into()));
    assert_eq!(get("/fallback"), (200, "state".into()));
    for target in ["/items/x", "/items/", "/items/4294967296", "/a/256/c", "/api/ping", "/nothing", "/items/7/"] {
        assert_eq!(get(target).0, 404, "{target}");
    }
}

#[test]
fn methods_are_listed() {
    let (status, head) = request("POST /items/7", "", "");
    assert!(status == 405 && head.contains("\r\nAllow: GET, HEAD, DELETE, OPTIONS"), "{head}");
    let (status, head) = request("OPTIONS /json", "", "");
    assert!(status == 204 && head.contains("\r\nAllow: POST, OPTIONS"), "{head}");
    let (status, head) = request("GET /json", "", "");
    assert!(status == 405 && head.contains("\r\nAllow: POST, OPTIONS"), "{head}");
    assert_eq!(request("DELETE /items/7", "", "").0, 204);
    assert_eq!(request("DELETE /items/0", "", ""), (200, "none".into()));
    assert_eq!(request("HEAD /items/7", "", ""), (200, String::new()));
    assert_eq!(request("DELETE /fallback", "", "").0, 405);
}

#[test]
fn queries_and_forms_are_deserialized() {
    let all = r#"{"text":"a b","limit":3,"tag":["x","y"]}"#;
    assert_eq!(get("/search?text=a+b&limit=3&tag=x&tag=y"), (200, all.into()));
    assert_eq!(get("/search?text=%C3%A9"), (200, r#"{"text":"é","limit":null,"tag":[]}"#.into()));
    assert_eq!(get("/search?limit=3").0, 400);
    assert_eq!(get("/search?text=a&limit=b").0, 400);
    let form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
    assert_eq!(request("POST /search", form, "text=a+b&limit=3&tag=x&tag=y"), (200, all.into()));
    assert_eq!(request("POST /search", form, "").0, 400);
    assert_eq!(request("POST /search", "", "text=a").0, 415);
}

#[test]
fn bodies_are_converted() {
    let json = "Content-Type: application/json\r\n";
    assert_eq!(request("POST /json", json, "[1, 2, 3]"), (200, "6".into()));
    assert_eq!(request("POST /json", "Content-Type: application/x+json\r\n", "[]"), (200, "0".into()));
    for (headers, body, status) in [
        (json, "[1, 2", 400),
        (json, "", 400),
        (json, "[1, \"a\"]", 422),
        (json, "{}", 422),
        ("", "[1]", 415),
        ("Content-Type: text/plain\r\n", "[1]", 415),
    ] {
        assert_eq!(request("POST /json", headers, body).0, status, "{body}");
    }
    assert_eq!(request("POST /json", json, &" ".repeat(70_000)).0, 413);
    assert_eq!(request("POST /raw", "", "abc"), (200, "state 3".into()));
    assert_eq!(request("POST /raw", "", "01234567890").0, 413);
    assert_eq!(request("POST /text", "", "é"), (200, "/text é".into()));
}

#[test]
fn handlers_take_the_conditions() {
    let tagged = |headers: &str| request("GET /tagged", headers, "").1;
    assert_eq!(tagged(""), "new");
    assert_eq!(tagged("If-None-Match: \"v1\"\r\n"), "not modified");
    assert_eq!(tagged("If-Match: \"v2\"\r\n"), "failed");
}
