//! The names of members.

use alloc::string::String;

/// The most bytes of a path.
pub(super) const MAX_NAME_BYTES: usize = 4096;

/// Returns the path of a member without a slash at begin and end and without empty and `.` components; an error for one
/// that leads out of the archive.
pub(super) fn normalize(name: &[u8]) -> Result<String, &'static str> {
    if name.contains(&0) {
        return Err("a name has a zero byte");
    }
    if name.len() > MAX_NAME_BYTES {
        return Err("a name is too long");
    }
    let name = String::from_utf8_lossy(name);
    let mut path = String::new();
    for component in name.split('/') {
        match component {
            "" | "." => {}
            ".." => return Err("a name contains `..`"),
            component => {
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(component);
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_archive() {
        assert_eq!(normalize(b"./a//b/./c/").as_deref(), Ok("a/b/c"));
        assert_eq!(normalize(b"/etc/passwd").as_deref(), Ok("etc/passwd"), "as tar extracts it");
        assert_eq!(normalize(b"./").as_deref(), Ok(""));
        for hostile in [&b"../x"[..], b"a/../../x", b"a/..", b"a\0b", &[b'a'; MAX_NAME_BYTES + 1]] {
            assert!(normalize(hostile).is_err());
        }
        assert_eq!(normalize(b"a..b/...").as_deref(), Ok("a..b/..."));
    }
}
