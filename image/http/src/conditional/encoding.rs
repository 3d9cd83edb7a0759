//! Content codings (RFC 9110, 12.5.3).

/// Returns whether an Accept-Encoding header accepts a coding. Without a header only the plain content is sent, since what
/// some clients do with another is not known. A response that depends on it needs `Vary: Accept-Encoding`. `x-` in front of
/// a coding is an older name of it (RFC 9110, 8.4.1).
///
/// ```
/// use switchboard_http::accepts_encoding;
///
/// assert!(accepts_encoding(Some("br, gzip;q=0.5"), "gzip"));
/// assert!(accepts_encoding(Some("*"), "gzip"));
/// assert!(!accepts_encoding(Some("gzip;q=0, *"), "gzip"));
/// assert!(!accepts_encoding(None, "gzip"));
/// ```
#[must_use]
pub fn accepts_encoding(header: Option<&str>, coding: &str) -> bool {
    let mut accepts_any = false;
    for element in header.unwrap_or_default().split(',') {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        // A weight of 0, written with up to three decimals, is a refusal.
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let is_accepted = quality.is_none_or(|quality| quality.bytes().any(|digit| (b'1'..=b'9').contains(&digit)));
        let is_it = |name: &str| name.eq_ignore_ascii_case(coding);
        if is_it(name) || name.strip_prefix("x-").is_some_and(is_it) {
            return is_accepted;
        }
        if name == "*" {
            accepts_any = is_accepted;
        }
    }
    accepts_any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_count() {
        for (header, expected) in [
            ("gzip", true),
            ("GZIP ; q=0.001", true),
            ("gzip;q=0.000", false),
            ("gzip;q=1", true),
            ("identity", false),
            ("*;q=0", false),
            ("*;q=0.1", true),
            ("*;q=0, gzip", true),
            ("xgzip", false),
            ("", false),
            ("deflate, GZIP;q=0.5", true),
            ("br, *", true),
            ("x-gzip;q=1.000", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("gzipped", false),
        ] {
            assert_eq!(accepts_encoding(Some(header), "gzip"), expected, "{header}");
        }
    }
}
