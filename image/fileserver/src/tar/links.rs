//! Looking paths up, with symbolic links followed within the archive.

use alloc::string::String;
use alloc::vec::Vec;

use super::Archive;
use super::index::Member;
use crate::filesystem::{MAX_LINKS, MAX_PATH_BYTES, Node};

impl Archive {
    /// Returns what a path leads to.
    pub(super) fn find(&self, path: &str) -> Option<Node> {
        let resolved = self.resolve(path)?;
        match self.member(&resolved) {
            Some(Member::File(index)) => self.file(*index).map(Node::File),
            _ => self.is_directory(&resolved).then_some(Node::Directory),
        }
    }

    fn member(&self, path: &str) -> Option<&Member> {
        let place = self.members.binary_search_by(|(member, _)| member.as_str().cmp(path)).ok()?;
        Some(&self.members[place].1)
    }

    /// Returns whether the path is a directory: a member, or what a member is in, or the root.
    fn is_directory(&self, path: &str) -> bool {
        if path.is_empty() || matches!(self.member(path), Some(Member::Directory)) {
            return true;
        }
        let mut prefix = String::from(path);
        prefix.push('/');
        self.members.get(self.place(&prefix)).is_some_and(|(member, _)| member.starts_with(&prefix))
    }

    /// Returns the path without symbolic links; `None` if it leads out of the archive or follows too many of them.
    pub(super) fn resolve(&self, path: &str) -> Option<String> {
        let mut links = 0;
        let mut resolved = String::new();
        // The components that are still to be resolved, the next one last.
        let mut rest: Vec<String> = path.split('/').rev().map(String::from).collect();
        while let Some(component) = rest.pop() {
            match component.as_str() {
                "" | "." => continue,
                ".." => {
                    if resolved.is_empty() {
                        return None;
                    }
                    resolved.truncate(resolved.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let parent = resolved.len();
            if parent > 0 {
                resolved.push('/');
            }
            resolved.push_str(&component);
            if let Some(Member::Link(target)) = self.member(&resolved) {
                links += 1;
                if links > MAX_LINKS || target.len() + rest.iter().map(String::len).sum::<usize>() > MAX_PATH_BYTES {
                    return None;
                }
                // An absolute target is one from the root of the archive.
                resolved.truncate(if target.starts_with('/') { 0 } else { parent });
                rest.extend(target.split('/').rev().map(String::from));
            }
        }
        Some(resolved)
    }
}
