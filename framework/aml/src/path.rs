//! Names of objects.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A name of four characters, as in `_PRT`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment([u8; 4]);

impl Segment {
    /// Creates a name. Returns `None` for characters that names do not have (ACPI 6.5, 20.2.2).
    pub(crate) fn new(bytes: [u8; 4]) -> Option<Self> {
        let is_first = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        let is_valid = is_first(bytes[0]) && bytes[1..].iter().all(|byte| is_first(*byte) || byte.is_ascii_digit());
        is_valid.then_some(Self(bytes))
    }

    /// Creates a name of this crate's own.
    pub(crate) const fn own(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A name as it stands in the code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path {
    /// From the root on, with a backslash before it.
    pub(crate) is_absolute: bool,
    /// The number of `^` before it, each for the parent of the scope.
    pub(crate) parents: usize,
    pub(crate) segments: Vec<Segment>,
}

impl Path {
    /// Parses a name in text, such as `\_SB.LNKA`. Short segments are filled up with `_`, as compilers do.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_absolute, text) = text.strip_prefix('\\').map_or((false, text), |rest| (true, rest));
        let names = text.trim_start_matches('^');
        let parents = text.len() - names.len();
        let segment = |name: &str| {
            let mut bytes = [b'_'; 4];
            bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
            Segment::new(bytes)
        };
        let segments = names.split('.').filter(|name| !name.is_empty()).map(segment).collect::<Option<_>>()?;
        Some(Self { is_absolute, parents, segments })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix: String = core::iter::repeat_n('^', self.parents).collect();
        write!(f, "{}{prefix}", if self.is_absolute { "\\" } else { "" })?;
        for (index, segment) in self.segments.iter().enumerate() {
            write!(f, "{}{segment:?}", if index == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}
