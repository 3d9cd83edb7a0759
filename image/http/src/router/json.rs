//! JSON in and out.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::extract::{FromBody, check_type, explain};
use crate::body::RequestBody;
use crate::request::Request;
use crate::response::{IntoResponse, Response, StatusCode};

/// A value as JSON: as an argument of a handler the body of the request, as its result that of the response.
///
/// A body of another type is answered by 415, one that is no JSON by 400, and JSON of another shape by 422, with the reason.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use switchboard_http::{HttpCounters, Json, Router};
/// use switchboard_net_testing::TestNetwork;
///
/// #[derive(Serialize, Deserialize)]
/// struct Point {
///     x: i32,
///     y: i32,
/// }
///
/// async fn mirror(Json(point): Json<Point>) -> Json<Point> {
///     Json(Point { x: point.y, y: point.x })
/// }
///
/// let router = Box::leak(Box::new(Router::new(()).post("/mirror", mirror)));
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), router, HttpCounters::leak());
/// let mut post = |body: &str| {
///     let head = "POST /mirror HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length";
///     let response = network.exchange(80, format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes());
///     String::from_utf8(response).unwrap()
/// };
/// assert!(post(r#"{"x":1,"y":2}"#).ends_with(r#"{"x":2,"y":1}"#));
/// assert!(post(r#"{"x":1"#).starts_with("HTTP/1.1 400 "));
/// assert!(post(r#"{"x":1}"#).starts_with("HTTP/1.1 422 "));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromBody for Json<T> {
    fn check(request: &Request<'_>) -> Result<(), Response> {
        check_type(request, |kind| {
            let subtype = kind.split_once('/').map(|(_, subtype)| subtype.to_ascii_lowercase());
            kind.eq_ignore_ascii_case("application/json") || subtype.is_some_and(|subtype| subtype.ends_with("+json"))
        })
    }

    async fn from_body(mut body: RequestBody, limit: usize) -> Result<Self, Response> {
        serde_json::from_slice(&body.collect(limit).await?).map(Self).map_err(|error| {
            let status = match error.classify() {
                Category::Data => StatusCode::UNPROCESSABLE_CONTENT,
                Category::Io | Category::Syntax | Category::Eof => StatusCode::BAD_REQUEST,
            };
            explain(status, "The JSON", &error)
        })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        Response::json(&self.0)
    }
}
