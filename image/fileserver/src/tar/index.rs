//! The index while it is made: bounded by the memory budget.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use switchboard_runtime::memory_budget;

use super::{Archive, FileData, Skipped};

/// The most members that are indexed.
const MAX_MEMBERS: usize = 1 << 20;
/// The memory of a member beside its name, with what the tree and its copy to a sorted list take.
const MEMBER_BYTES: usize = 160;
/// The budget is asked for so many bytes at a time.
const RESERVED_AT_ONCE: usize = 16 * 1024;

/// What a path of the archive is.
#[derive(Debug, Clone)]
pub(super) enum Member {
    /// A file, by its index.
    File(u32),
    Directory,
    /// A symbolic link with its target.
    Link(Box<str>),
}

/// The index that a scan adds to.
#[derive(Debug, Default)]
pub(super) struct Index {
    members: BTreeMap<String, Member>,
    archive: Archive,
    /// The bytes that the index takes.
    used: usize,
}

/// There is no room for another member.
#[derive(Debug)]
pub(super) struct Full;

impl Index {
    /// Takes `bytes` of the memory budget.
    fn take(&mut self, bytes: usize) -> Result<(), Full> {
        let needed = self.used + bytes;
        let reserved = self.archive.index_bytes();
        if needed > reserved {
            let wanted = needed.next_multiple_of(RESERVED_AT_ONCE);
            match &mut self.archive.reservation {
                Some(reservation) => reservation.resize(wanted).map_err(|_| Full)?,
                none => *none = Some(memory_budget::reserve(wanted).map_err(|_| Full)?),
            }
        }
        self.used = needed;
        Ok(())
    }

    /// Adds a file, and returns its index.
    pub(super) fn add_file(&mut self, path: String, data: FileData) -> Result<(), Full> {
        let sparse = data.sparse.as_ref().map_or(0, |map| map.memory_bytes());
        self.take(size_of::<FileData>() + sparse)?;
        let index = u32::try_from(self.archive.files.len()).map_err(|_| Full)?;
        self.archive.files.try_reserve(1).map_err(|_| Full)?;
        self.archive.files.push(data);
        self.add(path, Member::File(index))
    }

    /// Adds a member; it replaces an earlier one of the same path.
    pub(super) fn add(&mut self, path: String, member: Member) -> Result<(), Full> {
        let target = if let Member::Link(target) = &member { target.len() } else { 0 };
        self.take(path.capacity() + target + MEMBER_BYTES)?;
        if self.members.len() >= MAX_MEMBERS {
            return Err(Full);
        }
        // The root is not a member.
        if !path.is_empty() {
            self.members.insert(path, member);
        }
        Ok(())
    }

    /// Adds a hard link: what its target is now.
    pub(super) fn add_hard_link(&mut self, path: String, target: &str) -> Result<(), Full> {
        match self.members.get(target).cloned() {
            Some(member @ (Member::File(_) | Member::Link(_))) => self.add(path, member),
            _ => {
                self.skip("a hard link has no target");
                Ok(())
            }
        }
    }

    /// Counts a member that is left out.
    pub(super) fn skip(&mut self, reason: &'static str) {
        let skipped = &mut self.archive.skipped;
        let first = if skipped.count == 0 { reason } else { skipped.reason };
        *skipped = Skipped { count: skipped.count + 1, reason: first };
    }

    /// Returns the archive with the members so far.
    pub(super) fn finish(self) -> Archive {
        let Self { members, mut archive, .. } = self;
        let mut sorted = Vec::new();
        if sorted.try_reserve_exact(members.len()).is_ok() {
            sorted.extend(members);
        }
        archive.members = sorted;
        archive
    }
}
