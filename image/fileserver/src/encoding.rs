//! The Accept-Encoding header (RFC 9110, 12.5.3), for files that are compressed already.

/// Returns whether a client accepts gzip by the value of its header.
pub(crate) fn accepts_gzip(header: &str) -> bool {
    let (mut gzip, mut any) = (None, None);
    for item in header.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        // A weight of 0 means "not acceptable".
        let is_accepted = parts
            .filter_map(|part| part.strip_prefix("q="))
            .all(|weight| weight.bytes().any(|byte| matches!(byte, b'1'..=b'9')));
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            gzip = Some(is_accepted);
        } else if coding == "*" {
            any = Some(is_accepted);
        }
    }
    gzip.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide() {
        for header in ["gzip", "deflate, GZIP;q=0.5", "br, *", "x-gzip;q=1.000", "*;q=0, gzip"] {
            assert!(accepts_gzip(header), "{header}");
        }
        for header in ["", "identity", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzipped"] {
            assert!(!accepts_gzip(header), "{header}");
        }
    }
}
