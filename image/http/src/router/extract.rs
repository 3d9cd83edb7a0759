//! What handlers take: parts of requests, converted.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use serde::de::DeserializeOwned;

use super::form;
use super::pattern::Parameters;
use crate::body::{BodyError, RequestBody};
use crate::conditional::Conditions;
use crate::request::{Request, RequestHead};
use crate::response::{Response, StatusCode, TEXT};

/// A request that a [`Router`](crate::Router) has found a handler for.
#[derive(Debug)]
pub struct RoutedRequest<'a, S: 'static> {
    /// The router's state.
    pub state: &'static S,
    /// The request.
    pub request: &'a Request<'a>,
    parameters: &'a Parameters<'a>,
    /// The parameter that the next [`Path`] takes.
    next: usize,
}

impl<'a, S> RoutedRequest<'a, S> {
    pub(super) const fn new(state: &'static S, request: &'a Request<'a>, parameters: &'a Parameters<'a>) -> Self {
        Self { state, request, parameters, next: 0 }
    }
}

/// What a handler may take from the head of a request.
pub trait FromRequest<S>: Sized {
    /// Converts it.
    ///
    /// # Errors
    /// The response, if it cannot be converted.
    fn from_request(request: &mut RoutedRequest<'_, S>) -> Result<Self, Response>;
}

/// What a handler may take from the body of a request, as its last argument.
pub trait FromBody: Sized {
    /// Checks the head, before the body is read.
    ///
    /// # Errors
    /// The response, if the body cannot be converted, as a rule 415.
    fn check(request: &Request<'_>) -> Result<(), Response> {
        let _ = request;
        Ok(())
    }

    /// Reads and converts the body, which has at most so many bytes.
    ///
    /// # Errors
    /// The response, if it cannot be converted.
    #[expect(async_fn_in_trait, reason = "tasks stay on their CPU, so the futures need not be `Send`")]
    async fn from_body(body: RequestBody, limit: usize) -> Result<Self, Response>;
}

/// The state of the router.
#[derive(Debug)]
pub struct State<S: 'static>(pub &'static S);

impl<S> FromRequest<S> for State<S> {
    fn from_request(request: &mut RoutedRequest<'_, S>) -> Result<Self, Response> {
        Ok(Self(request.state))
    }
}

/// A parameter of the path: the first `Path` of a handler takes the first parameter of the pattern, and so on. A value that
/// cannot be parsed is no resource: the response is 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<S, T: FromStr> FromRequest<S> for Path<T> {
    fn from_request(request: &mut RoutedRequest<'_, S>) -> Result<Self, Response> {
        let value = request.parameters.get(request.next);
        request.next += 1;
        let parsed = value.and_then(|value| value.parse().ok());
        parsed.map(Self).ok_or(Response::text(StatusCode::NOT_FOUND, "Not found\n"))
    }
}

/// The query of the target, deserialized. One that cannot be is answered by 400, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Query<T> {
    fn from_request(request: &mut RoutedRequest<'_, S>) -> Result<Self, Response> {
        let query = form::deserialize(request.request.query().unwrap_or_default());
        query.map(Self).map_err(|error| explain(StatusCode::BAD_REQUEST, "The query", &error))
    }
}

impl<S> FromRequest<S> for RequestHead {
    fn from_request(request: &mut RoutedRequest<'_, S>) -> Result<Self, Response> {
        Ok(request.request.to_head())
    }
}

impl<S> FromRequest<S> for Conditions {
    fn from_request(request: &mut RoutedRequest<'_, S>) -> Result<Self, Response> {
        Ok(Self::new(request.request))
    }
}

/// The body, deserialized from a form: `application/x-www-form-urlencoded`. Another type is answered by 415, an invalid
/// form by 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromBody for Form<T> {
    fn check(request: &Request<'_>) -> Result<(), Response> {
        check_type(request, |kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
    }

    async fn from_body(mut body: RequestBody, limit: usize) -> Result<Self, Response> {
        let form = body.text(limit).await?;
        form::deserialize(&form).map(Self).map_err(|error| explain(StatusCode::BAD_REQUEST, "The form", &error))
    }
}

impl FromBody for RequestBody {
    async fn from_body(body: RequestBody, _limit: usize) -> Result<Self, Response> {
        Ok(body)
    }
}

impl FromBody for Vec<u8> {
    async fn from_body(mut body: RequestBody, limit: usize) -> Result<Self, Response> {
        body.collect(limit).await.map_err(Response::from)
    }
}

impl FromBody for String {
    async fn from_body(mut body: RequestBody, limit: usize) -> Result<Self, Response> {
        body.text(limit).await.map_err(|error: BodyError| error.into())
    }
}

/// Checks the type of the body, without its parameters.
pub(super) fn check_type(request: &Request<'_>, is_right: impl Fn(&str) -> bool) -> Result<(), Response> {
    let kind = request.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if is_right(kind) {
        return Ok(());
    }
    Err(Response::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The type of the body is not supported here\n"))
}

pub(super) fn explain(status: StatusCode, subject: &str, error: &dyn core::fmt::Display) -> Response {
    Response::new(status, TEXT, format!("{subject} is invalid: {error}\n"))
}
