//! Preconditions (RFC 9110, 13).

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use switchboard_runtime::wall_clock::UnixTime;

use crate::request::{Method, Request};
use crate::response::{Response, StatusCode, parse_date};

/// The validators of a representation (RFC 9110, 8.8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validators {
    /// The entity tag, with its quotes, and `W/` if it is weak. A strong one changes whenever a byte does.
    pub etag: Option<Cow<'static, str>>,
    /// When the representation was modified last, in seconds since 1970; `None` if that is not known.
    pub modified_seconds: Option<u64>,
}

/// The headers of a request that make it conditional or ask for a part. They are copied, so that they can be evaluated when
/// the representation is found.
///
/// ```
/// use switchboard_http::{Conditions, Precondition, Request, Validators};
///
/// let validators = Validators { etag: Some("\"v2\"".into()), modified_seconds: Some(784_111_777) };
/// let check = |header: &str| {
///     let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n");
///     Request::parse(head.as_bytes(), |request| Conditions::new(request).check(&validators)).unwrap()
/// };
/// assert_eq!(check("If-None-Match: \"v1\", W/\"v2\""), Precondition::NotModified);
/// assert_eq!(check("If-Match: \"v1\""), Precondition::Failed);
/// assert_eq!(check("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"), Precondition::NotModified);
/// assert_eq!(check("Accept: */*"), Precondition::Holds);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// The method is GET or HEAD.
    is_read: bool,
    /// Lists of entity tags: all lines of the header, each on its own line.
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since: Option<String>,
    if_unmodified_since: Option<String>,
    if_range: Option<String>,
    /// Of a GET alone: no other method has ranges (RFC 9110, 14.2).
    pub(super) range: Option<String>,
}

/// The result of the preconditions of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The request is to be answered as if it had none.
    Holds,
    /// The client has the representation: [`Validators::not_modified`].
    NotModified,
    /// The representation is not the one that the client expects: 412.
    Failed,
}

impl Conditions {
    /// Copies the headers of a request.
    #[must_use]
    pub fn new(request: &Request<'_>) -> Self {
        let header = |name| request.header(name).map(String::from);
        Self {
            is_read: matches!(request.method, Method::Get | Method::Head),
            if_match: lines(request, "if-match"),
            if_none_match: lines(request, "if-none-match"),
            if_modified_since: header("if-modified-since"),
            if_unmodified_since: header("if-unmodified-since"),
            if_range: header("if-range"),
            range: header("range").filter(|_| request.method == Method::Get),
        }
    }

    /// Evaluates the preconditions for a representation, in the order of RFC 9110, 13.2.2.
    #[must_use]
    pub fn check(&self, validators: &Validators) -> Precondition {
        let date = |header: &Option<String>| header.as_deref().and_then(parse_date);
        let modified = validators.modified_seconds;
        let has_failed = match &self.if_match {
            Some(list) => !validators.matches(list, true),
            None => date(&self.if_unmodified_since).zip(modified).is_some_and(|(date, modified)| modified > date),
        };
        if has_failed {
            return Precondition::Failed;
        }
        if let Some(list) = &self.if_none_match {
            return match validators.matches(list, false) {
                false => Precondition::Holds,
                true if self.is_read => Precondition::NotModified,
                true => Precondition::Failed,
            };
        }
        match date(&self.if_modified_since).zip(modified) {
            Some((date, modified)) if self.is_read && modified <= date => Precondition::NotModified,
            _ => Precondition::Holds,
        }
    }

    /// Evaluates the preconditions where there is no representation, as for a PUT that creates one: `If-Match` fails, and
    /// `If-None-Match` holds.
    #[must_use]
    pub const fn check_absent(&self) -> Precondition {
        if self.if_match.is_some() { Precondition::Failed } else { Precondition::Holds }
    }

    /// Returns whether the Range header counts: always without If-Range, else if that has the strong tag or the exact date
    /// of the representation (RFC 9110, 13.1.5).
    pub(super) fn permits_range(&self, validators: &Validators) -> bool {
        let Some(value) = self.if_range.as_deref().map(str::trim) else { return true };
        if value.starts_with(['"', 'W']) && !value.starts_with("We") {
            return validators.etag.as_deref().is_some_and(|etag| are_equal(value, etag, true));
        }
        // A date is a strong validator only if the representation cannot have changed twice in its second.
        validators.modified_seconds.is_some() && parse_date(value) == validators.modified_seconds
    }
}

impl Validators {
    /// Returns whether a list of entity tags has that of the representation. The strong comparison takes no weak tags (RFC
    /// 9110, 8.8.3.2).
    fn matches(&self, list: &str, is_strong: bool) -> bool {
        list.lines().any(|line| {
            let has_tag = |etag: &str| tags(line).any(|tag| are_equal(tag, etag, is_strong));
            line.trim() == "*" || self.etag.as_deref().is_some_and(has_tag)
        })
    }

    /// Adds the validators to a response, as ETag and Last-Modified.
    #[must_use]
    pub fn apply(&self, response: Response) -> Response {
        let response = match &self.etag {
            Some(etag) => response.with_header("ETag", etag.clone()),
            None => response,
        };
        match self.modified_seconds {
            Some(seconds) => {
                let date = UnixTime::from_seconds(seconds).http_date();
                response.with_header("Last-Modified", date.as_str().to_string())
            }
            None => response,
        }
    }

    /// Returns the response to a client that has the representation: 304.
    #[must_use]
    pub fn not_modified(&self) -> Response {
        self.apply(Response::empty(StatusCode::NOT_MODIFIED))
    }
}

/// Returns the values of a header, each on its own line; `None` when there is none. One that is not UTF-8 counts as empty.
fn lines(request: &Request<'_>, name: &str) -> Option<String> {
    let headers = request.headers().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let values: Vec<_> = headers.map(|(_, value)| core::str::from_utf8(value).unwrap_or_default()).collect();
    (!values.is_empty()).then(|| values.join("\n"))
}

/// Returns the entity tags of a list. A comma within quotes belongs to its tag.
fn tags(mut list: &str) -> impl Iterator<Item = &str> {
    core::iter::from_fn(move || {
        list = list.trim_start_matches([' ', '\t', ',']);
        let start = list.find('"')?;
        let end = list[start + 1..].find('"')? + start + 2;
        let (tag, rest) = list.split_at(end);
        list = rest;
        Some(tag)
    })
}

fn are_equal(one: &str, other: &str, is_strong: bool) -> bool {
    let split = |tag: &'_ str| tag.strip_prefix("W/").map_or((false, tag.len()), |rest| (true, rest.len()));
    let ((one_is_weak, one_length), (other_is_weak, other_length)) = (split(one), split(other));
    if is_strong && (one_is_weak || other_is_weak) {
        return false;
    }
    one[one.len() - one_length..] == other[other.len() - other_length..]
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn check(method: &str, headers: &str) -> Precondition {
        let validators = Validators { etag: Some("\"a,b\"".into()), modified_seconds: Some(784_111_777) };
        let head = format!("{method} / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n");
        Request::parse(head.as_bytes(), |request| Conditions::new(request).check(&validators)).expect("a valid head")
    }

    #[test]
    fn preconditions_are_evaluated_in_order() {
        use Precondition::{Failed, Holds, NotModified};
        let cases = [
            ("If-Match: \"a,b\"".to_string(), Holds),
            ("If-Match: \"x\", \"a,b\"".to_string(), Holds),
            ("If-Match: \"x\"\r\nIf-Match: \"a,b\"".to_string(), Holds),
            ("If-Match: *".to_string(), Holds),
            ("If-Match: W/\"a,b\"".to_string(), Failed),
            ("If-Match: \"a\", \"b\"".to_string(), Failed),
            ("If-Match: a,b".to_string(), Failed),
            ("If-Match:".to_string(), Failed),
            ("If-Match: \"a\",W/\"a,b\" , \"c\"".to_string(), Failed),
            ("If-Match: \"a,b".to_string(), Failed),
            ("If-None-Match: \"a\",W/\"a,b\" , \"c\"".to_string(), NotModified),
            ("If-None-Match: \"a,b".to_string(), Holds),
            ("If-None-Match: a,b".to_string(), Holds),
            ("If-Modified-Since: yesterday".to_string(), Holds),
            (format!("If-Match: \"a,b\"\r\nIf-Unmodified-Since: {BEFORE}"), Holds),
            (format!("If-Unmodified-Since: {DATE}"), Holds),
            (format!("If-Unmodified-Since: {BEFORE}"), Failed),
            ("If-Unmodified-Since: never".to_string(), Holds),
            ("If-None-Match: \"x\"".to_string(), Holds),
            ("If-None-Match: \"x\", W/\"a,b\"".to_string(), NotModified),
            ("If-None-Match: *".to_string(), NotModified),
            (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {DATE}"), Holds),
            (format!("If-Modified-Since: {DATE}"), NotModified),
            (format!("If-Modified-Since: {BEFORE}"), Holds),
            ("If-Match: \"a,b\"\r\nIf-None-Match: \"a,b\"".to_string(), NotModified),
            ("If-Match: \"x\"\r\nIf-None-Match: \"a,b\"".to_string(), Failed),
        ];
        for (headers, expected) in &cases {
            assert_eq!(check("GET", headers), *expected, "{headers}");
            assert_eq!(check("HEAD", headers), *expected, "{headers}");
        }
        assert_eq!(check("PUT", "If-None-Match: *"), Failed);
        let untagged = |headers: &str| {
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n");
            Request::parse(head.as_bytes(), |request| Conditions::new(request).check(&Validators::default())).unwrap()
        };
        assert_eq!((untagged("If-None-Match: \"a,b\""), untagged("If-None-Match: *")), (Holds, NotModified));
        assert_eq!(check("PUT", &format!("If-Modified-Since: {DATE}")), Holds);
    }

    #[test]
    fn an_if_range_permits_or_not() {
        let permits = |etag: &'static str, value: &str| {
            let validators = Validators { etag: Some(etag.into()), modified_seconds: Some(784_111_777) };
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\nIf-Range: {value}\r\n\r\n");
            Request::parse(head.as_bytes(), |request| Conditions::new(request).permits_range(&validators))
                .expect("a valid head")
        };
        assert!(permits("\"a\"", "\"a\"") && permits("\"a\"", DATE));
        assert!(!permits("\"a\"", "\"b\"") && !permits("\"a\"", "W/\"a\"") && !permits("W/\"a\"", "W/\"a\""));
        assert!(!permits("\"a\"", "x"));
        assert!(!permits("\"a\"", BEFORE) && !permits("\"a\"", "Wed, 09 Nov 1994 08:49:37 GMT"));
    }
}
