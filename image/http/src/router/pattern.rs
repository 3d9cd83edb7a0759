//! Patterns of paths.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::request::percent_decode;

/// The maximum number of parameters of a pattern.
pub(super) const MAX_PARAMETERS: usize = 8;

/// A segment of a pattern. The order is that of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// A segment that must be equal.
    Literal(String),
    /// One segment that is not empty: `{name}`.
    Parameter,
    /// All further segments, also none: `{*name}`.
    Rest,
}

/// A pattern such as `/items/{id}`. Patterns are ordered by precedence: the first one that matches is the most specific.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern(Vec<Segment>);

/// The parameters of a path, as they were sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parameters<'a> {
    values: [&'a str; MAX_PARAMETERS],
    count: usize,
}

impl<'a> Parameters<'a> {
    fn push(&mut self, value: &'a str) {
        if let Some(place) = self.values.get_mut(self.count) {
            *place = value;
            self.count += 1;
        }
    }

    /// Returns a parameter, decoded.
    pub(super) fn get(&self, index: usize) -> Option<Cow<'a, str>> {
        self.values[..self.count].get(index).map(|value| percent_decode(value))
    }
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Panics
    /// When the pattern does not begin with a slash, has more than eight parameters, or goes on after `{*name}`.
    pub(super) fn parse(pattern: &str) -> Self {
        let Some(rest) = pattern.strip_prefix('/') else {
            panic!("the pattern `{pattern}` does not begin with a slash")
        };
        let segments: Vec<Segment> = rest
            .split('/')
            .map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if name.starts_with('*') => Segment::Rest,
                Some(_) => Segment::Parameter,
                None => Segment::Literal(segment.into()),
            })
            .collect();
        let parameters = segments.iter().filter(|segment| !matches!(segment, Segment::Literal(_))).count();
        assert!(parameters <= MAX_PARAMETERS, "the pattern `{pattern}` has more than {MAX_PARAMETERS} parameters");
        let rest = segments.iter().position(|segment| *segment == Segment::Rest);
        assert!(rest.is_none_or(|place| place + 1 == segments.len()), "the pattern `{pattern}` goes on after its rest");
        Self(segments)
    }

    /// Matches a path in its normal form.
    pub(super) fn matches<'a>(&self, path: &'a str) -> Option<Parameters<'a>> {
        let (mut parameters, mut rest) = (Parameters::default(), Some(path.strip_prefix('/')?));
        for segment in &self.0 {
            if *segment == Segment::Rest {
                parameters.push(rest.unwrap_or_default());
                return Some(parameters);
            }
            let (part, after) = match rest?.split_once('/') {
                Some((part, after)) => (part, Some(after)),
                None => (rest?, None),
            };
            rest = after;
            match segment {
                Segment::Literal(literal) => {
                    if part != literal && !(part.contains('%') && percent_decode(part) == *literal) {
                        return None;
                    }
                }
                _ if part.is_empty() => return None,
                _ => parameters.push(part),
            }
        }
        rest.is_none().then_some(parameters)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn parameters(pattern: &str, path: &str) -> Option<Vec<String>> {
        let parameters = Pattern::parse(pattern).matches(path)?;
        Some((0..).map_while(|index| parameters.get(index)).map(|value| value.to_string()).collect())
    }

    fn strings(values: &[&str]) -> Option<Vec<String>> {
        Some(values.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn paths_are_matched() {
        assert_eq!(parameters("/", "/"), strings(&[]));
        assert_eq!(parameters("/a", "/a/"), None);
        assert_eq!(parameters("/a/", "/a"), None);
        assert_eq!(parameters("/a b", "/a%20b"), strings(&[]));
        assert_eq!(parameters("/items/{id}", "/items/7"), strings(&["7"]));
        assert_eq!(parameters("/items/{id}", "/items/"), None);
        assert_eq!(parameters("/items/{id}", "/items/a%2Fb"), strings(&["a/b"]));
        assert_eq!(parameters("/{a}/{b}", "/x/y"), strings(&["x", "y"]));
        assert_eq!(parameters("/{a}/{b}", "/x/y/z"), None);
        assert_eq!(parameters("/files/{*path}", "/files/a/b"), strings(&["a/b"]));
        assert_eq!(parameters("/files/{*path}", "/files"), strings(&[""]));
        assert_eq!(parameters("/", ""), None);
        assert_eq!(parameters("/", "*"), None);
    }

    #[test]
    fn the_most_specific_pattern_comes_first() {
        let mut patterns = ["/{*rest}", "/items/{id}", "/{a}/new", "/items/new", "/items/{id}/x"].map(Pattern::parse);
        patterns.sort();
        assert_eq!(patterns[0], Pattern::parse("/items/new"));
        assert_eq!(patterns[4], Pattern::parse("/{*rest}"));
        let first = |path: &str| patterns.iter().find(|pattern| pattern.matches(path).is_some()).cloned();
        assert_eq!(first("/items/new"), Some(Pattern::parse("/items/new")));
        assert_eq!(first("/items/old"), Some(Pattern::parse("/items/{id}")));
        assert_eq!(first("/others/new"), Some(Pattern::parse("/{a}/new")));
        assert_eq!(first("/others/old"), Some(Pattern::parse("/{*rest}")));
    }

    proptest! {
        #[test]
        fn parameters_come_back(values in vec("[a-z0-9.]{1,8}", 1..8)) {
            let pattern: String = (0..values.len()).map(|index| format!("/x/{{p{index}}}")).collect();
            let path: String = values.iter().map(|value| format!("/x/{value}")).collect();
            prop_assert_eq!(parameters(&pattern, &path), Some(values));
        }

        #[test]
        fn any_path_is_matched_or_not(path in ".{0,30}") {
            drop(parameters("/a/{b}/{*c}", &path));
        }
    }
}
