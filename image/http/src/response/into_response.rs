//! What a handler may return.

use alloc::string::String;

use super::{Response, StatusCode, TEXT};
use crate::body::BodyError;

/// What a handler of a [`Router`](crate::Router) may return.
///
/// ```
/// use switchboard_http::{IntoResponse, Json, StatusCode};
///
/// assert_eq!("text".into_response().status(), StatusCode::OK);
/// assert_eq!((StatusCode::CREATED, Json([1, 2])).into_response().content_type(), "application/json");
/// assert_eq!(None::<&str>.into_response().status(), StatusCode::NOT_FOUND);
/// assert_eq!(Err::<&str, _>(StatusCode::CONFLICT).into_response().status(), StatusCode::CONFLICT);
/// ```
pub trait IntoResponse {
    /// Returns the response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for StatusCode {
    /// Returns a response of the reason phrase.
    fn into_response(self) -> Response {
        if self.has_no_content() { Response::empty(self) } else { Response::text(self, self.reason()) }
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(StatusCode::OK, self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK, TEXT, self)
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::empty(StatusCode::NO_CONTENT)
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        self.into()
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        Response { status: self.0, ..self.1.into_response() }
    }
}

impl<T: IntoResponse> IntoResponse for Option<T> {
    /// Returns 404 for `None`.
    fn into_response(self) -> Response {
        self.map_or_else(|| StatusCode::NOT_FOUND.into_response(), T::into_response)
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}
