//! Handlers: functions whose arguments are parts of requests.

use super::extract::{FromBody, FromRequest, RoutedRequest};
use crate::response::{IntoResponse, Response};
use crate::site::Answer;

/// A function that answers requests, of any number of arguments up to six:
///
/// - `fn(A, B, ..) -> R` answers at once, without an allocation of its own.
/// - `async fn(A, B, ..) -> R` answers later.
/// - `async fn(A, B, .., Body) -> R` takes the body, too, as its last argument.
///
/// `A` and `B` are [`FromRequest`], `Body` is [`FromBody`], and `R` is [`IntoResponse`]. `Kind` is what distinguishes the three.
pub trait Handler<S: 'static, Kind>: 'static {
    /// Answers a request whose body has at most so many bytes.
    fn answer(&self, request: RoutedRequest<'_, S>, body_limit: usize) -> Answer;
}

/// The kind of handlers that answer at once.
#[derive(Debug)]
pub struct AnswersNow;

/// The kind of handlers that answer later.
#[derive(Debug)]
pub struct AnswersLater;

/// The kind of handlers that take the body.
#[derive(Debug)]
pub struct TakesBody;

/// Converts an argument, or returns the response that its error is.
macro_rules! convert {
    ($kind:ty, $request:ident) => {
        match <$kind>::from_request($request) {
            Ok(value) => value,
            Err(response) => return Answer::Now(response),
        }
    };
}

macro_rules! handlers {
    ($($argument:ident $name:ident)*) => {
        impl<S: 'static, F, R: IntoResponse, $($argument,)*> Handler<S, (AnswersNow, R, $($argument,)*)> for F
        where
            F: Fn($($argument,)*) -> R + 'static,
            $($argument: FromRequest<S>,)*
        {
            fn answer(&self, mut request: RoutedRequest<'_, S>, _body_limit: usize) -> Answer {
                let request = &mut request;
                let _ = &request;
                Answer::Now(self($(convert!($argument, request),)*).into_response())
            }
        }

        impl<S: 'static, F, R, $($argument,)*> Handler<S, (AnswersLater, R, $($argument,)*)> for F
        where
            F: Fn($($argument,)*) -> R + 'static,
            R: Future<Output: IntoResponse> + 'static,
            $($argument: FromRequest<S>,)*
        {
            fn answer(&self, mut request: RoutedRequest<'_, S>, _body_limit: usize) -> Answer {
                let request = &mut request;
                let _ = &request;
                let response = self($(convert!($argument, request),)*);
                Answer::later(async { response.await.into_response() })
            }
        }

        impl<S: 'static, F, R, B: FromBody + 'static, $($argument,)*> Handler<S, (TakesBody, R, B, $($argument,)*)> for F
        where
            F: Fn($($argument,)* B) -> R + Clone + 'static,
            R: Future<Output: IntoResponse> + 'static,
            $($argument: FromRequest<S> + 'static,)*
        {
            fn answer(&self, mut request: RoutedRequest<'_, S>, body_limit: usize) -> Answer {
                let request = &mut request;
                $(let $name = convert!($argument, request);)*
                if let Err(response) = B::check(request.request) {
                    return Answer::Now(response);
                }
                let (handler, body) = (self.clone(), request.request.body());
                Answer::later(async move {
                    match B::from_body(body, body_limit).await {
                        Ok(body) => handler($($name,)* body).await.into_response(),
                        Err(response) => Response::into_response(response),
                    }
                })
            }
        }
    };
}

handlers! {}
handlers! { A1 a1 }
handlers! { A1 a1 A2 a2 }
handlers! { A1 a1 A2 a2 A3 a3 }
handlers! { A1 a1 A2 a2 A3 a3 A4 a4 }
handlers! { A1 a1 A2 a2 A3 a3 A4 a4 A5 a5 }
