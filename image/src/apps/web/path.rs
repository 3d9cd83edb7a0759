//! A route that takes whatever follows its prefix.

use alloc::string::String;

use picoserve::request::Path;
use picoserve::routing::PathDescription;
use picoserve::url_encoded::UrlEncodedString;

/// The longest path that is served, in bytes after decoding.
const MAX_PATH: usize = 1024;

/// The rest of the path, decoded, as a parameter of the handler: empty, or with a leading `/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest;

/// What [`Rest`] found; `None` when it is no path: badly encoded, or too long.
pub(super) type RestOfPath = Option<String>;

impl PathDescription<()> for Rest {
    type NewPathParameters = (RestOfPath,);

    fn parse_and_validate<'r, T, F: FnOnce((RestOfPath,), Path<'r>) -> Result<T, (RestOfPath,)>>(
        &self,
        (): (),
        path: Path<'r>,
        validate: F,
    ) -> Result<T, ()> {
        let decoded = UrlEncodedString(path.encoded()).try_into_string::<MAX_PATH>();
        let rest = decoded.ok().map(|decoded| decoded.as_str().into());
        let mut segments = path.segments();
        while segments.next().is_some() {}
        validate((rest,), segments.as_path()).map_err(drop)
    }
}
