//! The names to ask for: as written, and in the search domains (ndots 1).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// RFC 1035, 2.3.4.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Returns whether text is a name: labels of letters, digits, hyphens and underscores, perhaps with a dot at the end.
pub(super) fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= MAX_NAME_BYTES && name.split('.').all(is_label)
}

/// Returns the names to ask for in turn, in lower case and without a dot at the end.
///
/// A dot at the end makes a name absolute. A name with another dot is tried as written first, one without it last.
pub(super) fn candidates(name: &str, search_domains: &[String]) -> Vec<String> {
    let own = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name.ends_with('.') || is_local(&own) {
        return [own].into();
    }
    let searched = search_domains.iter().map(|domain| format!("{own}.{}", domain.to_ascii_lowercase()));
    let mut names: Vec<String> = searched.filter(|name| is_name(name)).collect();
    let place = if own.contains('.') { 0 } else { names.len() };
    names.insert(place, own);
    names
}

/// Returns whether a name is resolved by multicast (RFC 6762, 3).
pub(super) fn is_local(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len()
        .checked_sub(".local".len())
        .is_some_and(|at| at > 0 && name.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(".local")))
}

/// Returns whether a name is that of this host on any network (RFC 6761, 6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    let last = name.strip_suffix('.').unwrap_or(name).rsplit('.').next();
    last.is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_domains_are_tried_by_the_number_of_dots() {
        let search = ["lab.example".into(), "Example".into()];
        for (name, expected) in [
            ("Host", &["host.lab.example", "host.example", "host"][..]),
            ("a.b", &["a.b", "a.b.lab.example", "a.b.example"]),
            ("a.b.", &["a.b"]),
            ("host.", &["host"]),
            ("board.LOCAL", &["board.local"]),
        ] {
            assert_eq!(candidates(name, &search), expected, "{name}");
        }
        assert_eq!(candidates(&"a".repeat(60), &["b".repeat(60)])[0].len(), 121);
    }

    #[test]
    fn names_are_checked() {
        for name in ["a", "a.b.", "_x._tcp.example", "1.2.3.4.5", "xn--bcher-kva.example"] {
            assert!(is_name(name), "{name}");
        }
        let long = [&"a".repeat(64), &"a.".repeat(128)].map(String::clone);
        for name in ["", ".", "a..b", ".a", "a b", "a\\.b", "b\u{fc}cher", &long[0], &long[1]] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn local_names_are_recognised() {
        assert!(is_local("a.local") && is_local("a.b.local.") && is_local("A.Local"));
        assert!(!is_local("local") && !is_local(".local") && !is_local("a.locale") && !is_local("\u{fc}local"));
        assert!(is_localhost("localhost") && is_localhost("a.LocalHost.") && !is_localhost("localhost.example"));
    }
}
