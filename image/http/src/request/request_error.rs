//! Reasons to refuse a request.

use crate::response::{Response, StatusCode};

/// The reason to refuse a request, as it is sent to the client. The connection is closed after it, as it is unknown where
/// the next request begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestError {
    pub(crate) status: StatusCode,
    pub(crate) text: &'static str,
}

pub(super) const fn bad_request(text: &'static str) -> RequestError {
    RequestError { status: StatusCode::BAD_REQUEST, text }
}

impl RequestError {
    pub(crate) const CUT_OFF: Self = bad_request("The head is cut off\n");
    pub(crate) const TIMEOUT: Self =
        Self { status: StatusCode::REQUEST_TIMEOUT, text: "The head was not sent in time\n" };
    pub(crate) const TOO_LARGE: Self =
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text: "The head is too long\n" };
    pub(super) const TOO_MANY_HEADERS: Self =
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text: "More than 128 headers\n" };
    pub(crate) const TARGET_TOO_LONG: Self =
        Self { status: StatusCode::URI_TOO_LONG, text: "The target is longer than 8000 bytes\n" };
    pub(crate) const NO_MEMORY: Self =
        Self { status: StatusCode::SERVICE_UNAVAILABLE, text: "The server is out of memory\n" };
    pub(super) const VERSION: Self =
        Self { status: StatusCode::HTTP_VERSION_NOT_SUPPORTED, text: "Only versions 1.0 and 1.1 of HTTP are served\n" };
    pub(super) const CODING: Self =
        Self { status: StatusCode::NOT_IMPLEMENTED, text: "Of transfer codings, only chunked is implemented\n" };
    pub(super) const EXPECTATION: Self =
        Self { status: StatusCode::EXPECTATION_FAILED, text: "Only 100-continue can be expected\n" };
}

impl From<RequestError> for Response {
    fn from(RequestError { status, text }: RequestError) -> Self {
        let response = Self::text(status, text);
        if status == StatusCode::SERVICE_UNAVAILABLE { response.with_header("Retry-After", "1") } else { response }
    }
}
