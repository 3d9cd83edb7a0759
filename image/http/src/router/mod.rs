//! A router: a site made of handlers for methods and patterns of paths.

mod extract;
mod form;
mod handler;
mod json;
mod pattern;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use extract::{Form, FromBody, FromRequest, Path, Query, RoutedRequest, State};
pub use handler::{AnswersLater, AnswersNow, Handler, TakesBody};
pub use json::Json;
use pattern::{Parameters, Pattern};

use crate::request::{Method, Methods, Request};
use crate::response::{Response, StatusCode};
use crate::site::{Answer, Site};

/// The maximum length of a body that a handler takes whole, unless it is set.
const BODY_LIMIT_BYTES: usize = 64 * 1024;

type BoxedHandler<S> = Box<dyn Fn(RoutedRequest<'_, S>, usize) -> Answer>;
type Fallback<S> = Box<dyn Fn(&'static S, &Request<'_>) -> Option<Answer>>;

/// A site made of handlers, each for a method and a pattern of paths, which share a state.
///
/// A pattern is a path with parameters: `/items/{id}`, or `/files/{*path}` for any number of segments. Of several patterns
/// that match, the most specific one counts: from left to right a literal segment before a parameter. A path without a
/// pattern is answered by 404, a method without a handler by 405, HEAD by the handler of GET, OPTIONS by the methods.
///
/// ```
/// use core::cell::Cell;
/// use switchboard_http::{HttpCounters, Path, Router, State, StatusCode};
/// use switchboard_net_testing::TestNetwork;
///
/// struct Lamps([Cell<bool>; 4]);
///
/// fn show(State(lamps): State<Lamps>, Path(number): Path<usize>) -> Option<&'static str> {
///     lamps.0.get(number).map(|lamp| if lamp.get() { "on" } else { "off" })
/// }
///
/// async fn switch(State(lamps): State<Lamps>, Path(number): Path<usize>, body: String) -> StatusCode {
///     match lamps.0.get(number) {
///         Some(lamp) => lamp.set(body == "on"),
///         None => return StatusCode::NOT_FOUND,
///     }
///     StatusCode::NO_CONTENT
/// }
///
/// let router = Router::new(Lamps(Default::default())).get("/lamps/{number}", show).put("/lamps/{number}", switch);
/// let router: &'static Router<Lamps> = Box::leak(Box::new(router));
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), router, HttpCounters::leak());
/// let mut request = |text: &str| String::from_utf8(network.exchange(80, text.as_bytes())).unwrap();
/// assert!(request("PUT /lamps/2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\non").starts_with("HTTP/1.1 204 "));
/// assert!(request("GET /lamps/2 HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("\r\n\r\non"));
/// assert!(request("GET /lamps/7 HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404 "));
/// assert!(request("DELETE /lamps/2 HTTP/1.1\r\nHost: x\r\n\r\n").contains("Allow: GET, HEAD, PUT, OPTIONS\r\n"));
/// ```
pub struct Router<S: 'static> {
    state: S,
    /// By precedence.
    routes: Vec<Route<S>>,
    fallback: Option<Fallback<S>>,
    body_limit: usize,
    /// The prefix of the patterns that are added now.
    prefix: String,
}

struct Route<S: 'static> {
    pattern: Pattern,
    handlers: Vec<(Method, BoxedHandler<S>)>,
}

impl<S: 'static> Route<S> {
    fn methods(&self) -> Methods {
        self.handlers.iter().fold(Methods::NONE, |methods, (method, _)| match method {
            Method::Get => methods.with(Method::Get).with(Method::Head),
            method => methods.with(*method),
        })
    }

    fn handler(&self, method: Method) -> Option<&BoxedHandler<S>> {
        let find = |method| self.handlers.iter().find(|(other, _)| *other == method).map(|(_, handler)| handler);
        find(method).or_else(|| if method == Method::Head { find(Method::Get) } else { None })
    }
}

impl<S: 'static> Router<S> {
    /// Creates a router without handlers.
    #[must_use]
    pub fn new(state: S) -> Self {
        Self { state, routes: Vec::new(), fallback: None, body_limit: BODY_LIMIT_BYTES, prefix: String::new() }
    }

    /// Returns the state.
    pub const fn state(&self) -> &S {
        &self.state
    }

    /// Adds a handler for a method of the paths of a pattern. It replaces an earlier one.
    ///
    /// # Panics
    /// When the pattern is invalid: it begins with a slash, has at most eight parameters, and ends with `{*name}` if that
    /// occurs.
    #[must_use]
    pub fn route<Kind>(mut self, method: Method, pattern: &str, handler: impl Handler<S, Kind>) -> Self {
        let pattern = Pattern::parse(&format!("{}{pattern}", self.prefix));
        let handler: BoxedHandler<S> = Box::new(move |request, limit| handler.answer(request, limit));
        self.add(pattern, method, handler);
        self
    }

    fn add(&mut self, pattern: Pattern, method: Method, handler: BoxedHandler<S>) {
        let place = match self.routes.binary_search_by(|route| route.pattern.cmp(&pattern)) {
            Ok(place) => place,
            Err(place) => {
                self.routes.insert(place, Route { pattern, handlers: Vec::new() });
                place
            }
        };
        let handlers = &mut self.routes[place].handlers;
        handlers.retain(|(other, _)| *other != method);
        handlers.push((method, handler));
    }

    /// As [`route`](Self::route), for GET and HEAD.
    #[must_use]
    pub fn get<Kind>(self, pattern: &str, handler: impl Handler<S, Kind>) -> Self {
        self.route(Method::Get, pattern, handler)
    }

    /// As [`route`](Self::route), for POST.
    #[must_use]
    pub fn post<Kind>(self, pattern: &str, handler: impl Handler<S, Kind>) -> Self {
        self.route(Method::Post, pattern, handler)
    }

    /// As [`route`](Self::route), for PUT.
    #[must_use]
    pub fn put<Kind>(self, pattern: &str, handler: impl Handler<S, Kind>) -> Self {
        self.route(Method::Put, pattern, handler)
    }

    /// As [`route`](Self::route), for PATCH.
    #[must_use]
    pub fn patch<Kind>(self, pattern: &str, handler: impl Handler<S, Kind>) -> Self {
        self.route(Method::Patch, pattern, handler)
    }

    /// As [`route`](Self::route), for DELETE.
    #[must_use]
    pub fn delete<Kind>(self, pattern: &str, handler: impl Handler<S, Kind>) -> Self {
        self.route(Method::Delete, pattern, handler)
    }

    /// Adds routes whose patterns all begin with `prefix`, which may have parameters.
    ///
    /// ```
    /// use switchboard_http::{HttpCounters, Path, Router};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// fn name(Path(name): Path<String>) -> String {
    ///     name
    /// }
    ///
    /// let router = Router::new(()).nest("/api/v1", |api| api.get("/ping", || "pong").get("/names/{name}", name));
    /// let router = Box::leak(Box::new(router));
    /// let mut network = TestNetwork::new();
    /// switchboard_http::serve(network.group(), network.stack(), router, HttpCounters::leak());
    /// let response = network.exchange(80, b"GET /api/v1/names/Ada HTTP/1.1\r\nHost: x\r\n\r\n");
    /// assert!(response.ends_with(b"\r\n\r\nAda"));
    /// ```
    #[must_use]
    pub fn nest(mut self, prefix: &str, add: impl FnOnce(Self) -> Self) -> Self {
        let length = self.prefix.len();
        self.prefix.push_str(prefix);
        let mut router = add(self);
        router.prefix.truncate(length);
        router
    }

    /// Sets what answers GET and HEAD requests for paths without a pattern: for example, a file server. It may return
    /// `None` for 404.
    #[must_use]
    pub fn fallback(mut self, answer: impl Fn(&'static S, &Request<'_>) -> Option<Answer> + 'static) -> Self {
        self.fallback = Some(Box::new(answer));
        self
    }

    /// Sets the maximum length of a body that a handler takes whole; 64 KiB unless it is set.
    #[must_use]
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    fn matches<'a>(&self, path: &'a str) -> impl Iterator<Item = (&Route<S>, Parameters<'a>)> {
        self.routes.iter().filter_map(move |route| Some((route, route.pattern.matches(path)?)))
    }
}

impl<S: 'static> Site for Router<S> {
    fn answer(&'static self, request: &Request<'_>) -> Answer {
        let mut methods = None;
        for (route, parameters) in self.matches(request.path) {
            if let Some(handler) = route.handler(request.method) {
                return handler(RoutedRequest::new(&self.state, request, &parameters), self.body_limit);
            }
            methods = Some(methods.unwrap_or(Methods::NONE).union(route.methods()));
        }
        match (methods, &self.fallback) {
            (Some(methods), _) if request.method == Method::Options => Answer::Now(Response::options(methods)),
            (Some(methods), _) => Answer::Now(Response::method_not_allowed(methods)),
            (None, Some(fallback)) if matches!(request.method, Method::Get | Method::Head) => {
                fallback(&self.state, request).unwrap_or(Answer::Now(NOT_FOUND))
            }
            (None, Some(_)) => Answer::Now(Response::method_not_allowed(Methods::READ)),
            (None, None) => Answer::Now(NOT_FOUND),
        }
    }

    fn methods(&self, path: &str) -> Methods {
        let methods = self.matches(path).map(|(route, _)| route.methods()).reduce(Methods::union);
        // A path without a pattern is answered by 404, whatever the method.
        methods.unwrap_or(Methods::ALL)
    }

    fn answers_options(&self) -> bool {
        true
    }
}

const NOT_FOUND: Response = Response::text(StatusCode::NOT_FOUND, "Not found\n");

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes.iter().map(|route| &route.pattern)).finish()
    }
}
