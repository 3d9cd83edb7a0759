//! Files of a directory that the host shares by 9P2000.L.

mod changes;
mod client;
mod message;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use switchboard_runtime::share::Share;
use switchboard_runtime::system::LocalBoxFuture;

use self::changes::Unsynced;
use self::client::{Attributes, Fid, Session, Walked};
use crate::filesystem::{
    File, FileSystem, FileSystemError, ListEntry, ListPage, MAX_LINKS, MAX_PATH_BYTES, Node, Run, ready,
};
use crate::writer::FileSystemWriter;

/// The most files that are kept open: more than the connections that read files at the same time.
const MAX_OPEN: usize = 512;

/// The files of a share.
///
/// A path leads to what the host has at the time. The number of a [`File`] is that of one version of it: when its size or the time of
/// its last change differs, it has another one. Symbolic links are followed within the share.
#[derive(Debug)]
pub struct P9 {
    session: Rc<Session>,
    tag: String,
    /// The files that were opened, in the order of their last use.
    open: RefCell<VecDeque<Rc<OpenFile>>>,
    next_id: Cell<u64>,
    unsynced: RefCell<Unsynced>,
}

/// One version of a file that was opened.
#[derive(Debug)]
struct OpenFile {
    id: u64,
    version: Version,
    fid: Fid,
}

/// The identity of one version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    path: u64,
    size: u64,
    modified: (u64, u64),
}

impl Version {
    const fn new(attributes: &Attributes) -> Self {
        let modified = (attributes.modified_seconds, attributes.modified_ns);
        Self { path: attributes.path, size: attributes.size, modified }
    }
}

impl P9 {
    /// Begins a session with the server of a share.
    ///
    /// # Errors
    /// [`FileSystemError`] when the device or the server fails, or the server has another protocol than 9P2000.L.
    pub async fn open_share(share: &Share) -> Result<Self, FileSystemError> {
        let session = Session::open(share.clone()).await?;
        Ok(Self {
            session,
            tag: share.tag(),
            open: RefCell::default(),
            next_id: Cell::new(1),
            unsynced: RefCell::default(),
        })
    }

    /// Returns the number and the attributes of what a path leads to.
    async fn find(&self, path: &str) -> Result<Option<(Fid, Attributes)>, FileSystemError> {
        self.session.return_unused().await?;
        let mut names = resolve(Vec::new(), path);
        for _ in 0..=MAX_LINKS {
            match self.session.walk(&names).await? {
                Walked::There(fid) => {
                    let attributes = self.session.attributes(&fid).await?;
                    return Ok(Some((fid, attributes)));
                }
                Walked::Link { names: count, target } => {
                    let rest = names.split_off(count);
                    names.pop();
                    names = resolve(names, &target);
                    names.extend(rest);
                    if names.iter().map(|name| name.len() + 1).sum::<usize>() > MAX_PATH_BYTES {
                        return Ok(None);
                    }
                }
                Walked::Nothing => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Returns the open file of a version, as the one that was used last.
    fn known(&self, is_it: impl Fn(&OpenFile) -> bool) -> Option<Rc<OpenFile>> {
        let open = &mut *self.open.borrow_mut();
        let place = open.iter().rposition(|file| is_it(file))?;
        let file = open.remove(place)?;
        open.push_back(file.clone());
        Some(file)
    }

    async fn open_path(&self, path: &str) -> Result<Option<Node>, FileSystemError> {
        let Some((fid, attributes)) = self.find(path).await? else { return Ok(None) };
        if attributes.is_directory() {
            return Ok(Some(Node::Directory));
        }
        if !attributes.is_file() {
            return Ok(None);
        }
        let version = Version::new(&attributes);
        if let Some(known) = self.known(|file| file.version == version) {
            return Ok(Some(Node::File(file(known.id, &attributes))));
        }
        self.session.open_to_read(&fid).await?;
        let id = self.next_id.replace(self.next_id.get() + 1);
        let open = &mut *self.open.borrow_mut();
        // A file that is being read is kept by its reader.
        if open.len() >= MAX_OPEN {
            open.pop_front();
        }
        open.push_back(Rc::new(OpenFile { id, version, fid }));
        Ok(Some(Node::File(file(id, &attributes))))
    }

    async fn list_path(&self, path: &str, position: u64) -> Result<ListPage, FileSystemError> {
        let Some((fid, attributes)) = self.find(path).await? else { return Ok(ListPage::default()) };
        if !attributes.is_directory() {
            return Ok(ListPage::default());
        }
        self.session.open_to_read(&fid).await?;
        let found = self.session.read_directory(&fid, position).await?;
        let next = found.last().map(|entry| entry.next);
        let mut entries = Vec::new();
        for entry in found {
            if matches!(entry.name.as_str(), "" | "." | "..") {
                continue;
            }
            let path = if path.is_empty() { entry.name.clone() } else { alloc::format!("{path}/{}", entry.name) };
            let node = match self.find(&path).await {
                Ok(Some((_, attributes))) if attributes.is_directory() => Node::Directory,
                Ok(Some((_, attributes))) if attributes.is_file() => Node::File(file(0, &attributes)),
                // A link to nothing, a device, or one that the server may not look at.
                Ok(_) | Err(FileSystemError::Server { .. }) => continue,
                Err(error) => return Err(error),
            };
            entries.push(ListEntry { name: entry.name, node });
        }
        Ok(ListPage { entries, next })
    }
}

const fn file(id: u64, attributes: &Attributes) -> File {
    File { id, size: attributes.size, modified: Some(attributes.modified_seconds) }
}

/// Returns the names of `path` as seen from the directory `from`. No path leads above the root of the share.
fn resolve(from: Vec<String>, path: &str) -> Vec<String> {
    let mut names = if path.starts_with('/') { Vec::new() } else { from };
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name.into()),
        }
    }
    names
}

impl FileSystem for P9 {
    fn kind(&self) -> &'static str {
        "9P"
    }

    fn label(&self) -> &str {
        &self.tag
    }

    fn open<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<Option<Node>, FileSystemError>> {
        Box::pin(self.open_path(path))
    }

    fn list<'a>(&'a self, path: &'a str, position: u64) -> LocalBoxFuture<'a, Result<ListPage, FileSystemError>> {
        Box::pin(self.list_path(path, position))
    }

    fn locate(&self, file: File, offset: u64) -> LocalBoxFuture<'_, Result<Run, FileSystemError>> {
        ready(Ok(Run::Served { length: file.size.saturating_sub(offset) }))
    }

    fn read<'a>(
        &'a self,
        file: File,
        offset: u64,
        max_bytes: usize,
        take: &'a mut dyn FnMut(&[u8]),
    ) -> LocalBoxFuture<'a, Result<u64, FileSystemError>> {
        Box::pin(async move {
            let closed = FileSystemError::Protocol("too many files are open in the share");
            let open = self.known(|open| open.id == file.id).ok_or(closed)?;
            self.session.read(&open.fid, offset, max_bytes, take).await
        })
    }

    fn writer(&self) -> Option<&dyn FileSystemWriter> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_share() {
        let from = |names: &[&str], path: &str| resolve(names.iter().map(|name| (*name).into()).collect(), path);
        assert_eq!(from(&["a", "b"], "../c/./d"), ["a", "c", "d"]);
        assert_eq!(from(&["a"], "../../../etc"), ["etc"]);
        assert_eq!(from(&["a"], "/x//y/"), ["x", "y"]);
    }
}
