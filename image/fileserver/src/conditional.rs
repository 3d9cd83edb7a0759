//! Conditional requests (RFC 9110, 13).

use alloc::string::String;

use switchboard_http::{Method, Request, parse_date};

/// The headers of a request that make it conditional, or ask for a part.
#[derive(Debug, Default, Clone)]
pub(crate) struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since: Option<String>,
    if_unmodified_since: Option<String>,
    if_range: Option<String>,
    range: Option<String>,
}

/// What identifies the state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validators<'a> {
    /// A strong entity tag, with its quotes; `None` when it could not be made in time.
    pub(crate) tag: Option<&'a str>,
    /// Seconds since 1970.
    pub(crate) modified: Option<u64>,
}

/// What the conditions of a request lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The request is carried out.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

impl Conditions {
    pub(crate) fn new(request: &Request<'_>) -> Self {
        let header = |name| request.header(name).map(String::from);
        Self {
            if_match: header("if-match"),
            if_none_match: header("if-none-match"),
            if_modified_since: header("if-modified-since"),
            if_unmodified_since: header("if-unmodified-since"),
            if_range: header("if-range"),
            // For no other method (RFC 9110, 14.2).
            range: header("range").filter(|_| request.method == Method::Get),
        }
    }

    /// Evaluates the conditions for a file that exists, in the order of section 13.2.2.
    pub(crate) fn evaluate(&self, validators: Validators<'_>) -> Outcome {
        let is_later = |date: &Option<String>| {
            let date = date.as_deref().and_then(parse_date);
            date.zip(validators.modified).map(|(date, modified)| modified > date)
        };
        let failed = match &self.if_match {
            Some(list) => !matches(list, validators.tag, Comparison::Strong),
            None => is_later(&self.if_unmodified_since) == Some(true),
        };
        if failed {
            return Outcome::PreconditionFailed;
        }
        let is_unchanged = match &self.if_none_match {
            Some(list) => matches(list, validators.tag, Comparison::Weak),
            None => is_later(&self.if_modified_since) == Some(false),
        };
        if is_unchanged { Outcome::NotModified } else { Outcome::Proceed }
    }

    /// Returns the Range header, unless If-Range has a tag or date of another state (13.1.5).
    pub(crate) fn range(&self, validators: Validators<'_>) -> Option<&str> {
        let range = self.range.as_deref()?;
        let is_current = match self.if_range.as_deref().map(str::trim) {
            None => true,
            Some(tag) if tag.starts_with('"') => validators.tag == Some(tag),
            // A weak tag never is the same in a strong comparison.
            Some(tag) if tag.starts_with("W/") => false,
            Some(date) => validators.modified.is_some() && parse_date(date) == validators.modified,
        };
        is_current.then_some(range)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Returns whether a list of tags, or `*`, has `tag`, which is a strong one (8.8.3.2).
fn matches(list: &str, tag: Option<&str>, comparison: Comparison) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let Some(tag) = tag else { return false };
    let mut rest = list;
    // A tag may contain commas.
    while let Some(start) = rest.find('"') {
        let is_weak = rest[..start].trim_end().ends_with("W/");
        let Some(length) = rest[start + 1..].find('"') else { return false };
        let end = start + 1 + length + 1;
        if &rest[start..end] == tag && (!is_weak || comparison == Comparison::Weak) {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Validators<'_> = Validators { tag: Some("\"now\""), modified: Some(784_111_777) };
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn text(value: &str) -> Option<String> {
        Some(value.into())
    }

    #[test]
    fn tags_are_compared() {
        for (list, strong, weak) in [
            ("*", true, true),
            ("\"now\"", true, true),
            ("W/\"now\"", false, true),
            ("\"a,b\", \"now\"", true, true),
            ("\"a\",W/\"now\" , \"c\"", false, true),
            ("now", false, false),
            ("\"now", false, false),
            ("\"no\", \"w\"", false, false),
            ("", false, false),
        ] {
            assert_eq!(matches(list, NOW.tag, Comparison::Strong), strong, "{list}");
            assert_eq!(matches(list, NOW.tag, Comparison::Weak), weak, "{list}");
        }
        assert!(!matches("\"now\"", None, Comparison::Weak));
    }

    #[test]
    fn conditions_have_an_order() {
        let none = Conditions::default();
        assert_eq!(none.evaluate(NOW), Outcome::Proceed);
        let other = Conditions { if_match: text("\"other\""), if_none_match: text("\"now\""), ..none.clone() };
        assert_eq!(other.evaluate(NOW), Outcome::PreconditionFailed);
        let same = Conditions { if_match: text("\"now\""), if_unmodified_since: text(BEFORE), ..none.clone() };
        assert_eq!(same.evaluate(NOW), Outcome::Proceed, "If-Match replaces If-Unmodified-Since");
        let changed = Conditions { if_none_match: text("\"old\""), if_modified_since: text(SAME), ..none.clone() };
        assert_eq!(changed.evaluate(NOW), Outcome::Proceed, "If-None-Match replaces If-Modified-Since");
    }

    #[test]
    fn dates_are_compared() {
        let since = |date: &str| Conditions { if_modified_since: text(date), ..Conditions::default() };
        assert_eq!(since(SAME).evaluate(NOW), Outcome::NotModified);
        assert_eq!(since(BEFORE).evaluate(NOW), Outcome::Proceed);
        assert_eq!(since("yesterday").evaluate(NOW), Outcome::Proceed);
        let unmodified = |date: &str| Conditions { if_unmodified_since: text(date), ..Conditions::default() };
        assert_eq!(unmodified(SAME).evaluate(NOW), Outcome::Proceed);
        assert_eq!(unmodified(BEFORE).evaluate(NOW), Outcome::PreconditionFailed);
    }

    #[test]
    fn a_range_is_of_the_same_state() {
        let range = |if_range: Option<&str>| {
            let if_range = if_range.map(String::from);
            let conditions = Conditions { range: text("bytes=0-1"), if_range, ..Conditions::default() };
            conditions.range(NOW).is_some()
        };
        assert!(range(None) && range(Some("\"now\"")) && range(Some(SAME)));
        assert!(!range(Some("\"old\"")) && !range(Some("W/\"now\"")) && !range(Some(BEFORE)) && !range(Some("x")));
    }
}
