//! The volume that an app may write.

use core::fmt;

/// The place of a volume: a disk or one of its partitions, a share of the host, or the volume of a name.
///
/// ```
/// use switchboard_runtime::command_line::{RootName, parse};
///
/// let options = parse("root=disk0p2", |warning| panic!("{warning}"));
/// assert_eq!(options.root, Some(RootName::Disk { disk: 0, partition: Some(2) }));
/// assert_eq!(options.root.unwrap().to_string(), "disk0p2");
///
/// let options = parse("root=@DATA", |warning| panic!("{warning}"));
/// assert_eq!(options.root, Some(RootName::Volume("DATA")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootName<'a> {
    /// `diskN` or `diskNpM`.
    Disk {
        /// The number of the disk, in the order of the PCI addresses, from 0 on.
        disk: usize,
        /// The number of the partition; `None` for a disk without partitions.
        partition: Option<u32>,
    },
    /// `shareN`: the number of the share, in the order of the PCI addresses, from 0 on.
    Share(usize),
    /// `@NAME`: the label of a file system, the name of a GPT's partition, or the tag of a share.
    Volume(&'a str),
}

impl<'a> RootName<'a> {
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        if let Some(name) = value.strip_prefix('@') {
            return Some(Self::Volume(name)).filter(|_| !name.is_empty());
        }
        if let Some(share) = value.strip_prefix("share") {
            return Some(Self::Share(number(share)?));
        }
        let disk = value.strip_prefix("disk")?;
        Some(match disk.split_once('p') {
            Some((disk, partition)) => {
                let partition = u32::try_from(number(partition)?).ok().filter(|number| *number > 0)?;
                Self::Disk { disk: number(disk)?, partition: Some(partition) }
            }
            None => Self::Disk { disk: number(disk)?, partition: None },
        })
    }
}

/// Returns a number of digits alone.
fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for RootName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { disk, partition: Some(partition) } => write!(f, "disk{disk}p{partition}"),
            Self::Disk { disk, partition: None } => write!(f, "disk{disk}"),
            Self::Share(share) => write!(f, "share{share}"),
            Self::Volume(name) => write!(f, "@{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_volume_is_refused() {
        for bad in ["", "disk", "diskp1", "disk0p", "disk0p0", "disk+1", "disk-1", "sda1", "share", "@", "disk0p1p1"] {
            assert_eq!(RootName::parse(bad), None, "{bad}");
        }
        assert_eq!(RootName::parse("share12"), Some(RootName::Share(12)));
        assert_eq!(RootName::parse("disk3"), Some(RootName::Disk { disk: 3, partition: None }));
    }
}
