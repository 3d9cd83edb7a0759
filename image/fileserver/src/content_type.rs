//! Content types by file extension.

const TYPES: [(&str, &str); 17] = [
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
];

/// Returns the content type of the file at `path`; `application/octet-stream` for an unknown extension.
///
/// ```
/// use switchboard_fileserver::content_type;
///
/// assert_eq!(content_type("images/logo.SVG"), "image/svg+xml");
/// assert_eq!(content_type("README"), "application/octet-stream");
/// ```
#[must_use]
pub fn content_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = TYPES.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_decides() {
        assert_eq!(content_type("a/b.c/logo.SVG"), "image/svg+xml");
        assert_eq!(content_type("notes.tar.txt"), "text/plain; charset=utf-8");
        for plain in ["random.bin", "README", "a.html/README", ""] {
            assert_eq!(content_type(plain), "application/octet-stream");
        }
    }
}
