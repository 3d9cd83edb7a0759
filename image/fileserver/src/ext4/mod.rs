//! ext2, ext3 and ext4, read-only: extents and block maps, directories of any size, symbolic links, holes.
//!
//! Numbers on the disk are checked where they are used: a corrupt file system gives errors, and never an endless loop. A
//! file system whose journal has to be replayed is refused. Checksums of metadata are not verified.

mod blocks;
mod directory;
mod inode;
mod superblock;

use alloc::string::String;
use alloc::vec::Vec;

use switchboard_runtime::system::LocalBoxFuture;

use self::inode::{Inode, InodeKind};
use self::superblock::Superblock;
use crate::filesystem::{File, FileSystem, FileSystemError, ListPage, MAX_LINKS, MAX_PATH_BYTES, Node, Run};
use crate::volume::Volume;

/// The inode of the root directory.
const ROOT: u32 = 2;

/// An ext2, ext3 or ext4 file system.
#[derive(Debug)]
pub struct Ext4 {
    volume: Volume,
    superblock: Superblock,
}

impl Ext4 {
    /// Opens the file system on `volume`; `None` when there is none.
    ///
    /// # Errors
    /// [`FileSystemError`] when there is one that is corrupt or has features that are not supported.
    pub async fn open_volume(volume: &Volume) -> Result<Option<Self>, FileSystemError> {
        let Some(superblock) = Superblock::read(volume).await? else { return Ok(None) };
        let ext4 = Self { volume: volume.clone(), superblock };
        match ext4.inode(ROOT).await? {
            Inode { kind: InodeKind::Directory, .. } => Ok(Some(ext4)),
            _ => Err(FileSystemError::Corrupt { what: "the root is not a directory", position: 0 }),
        }
    }

    /// Returns the inode that a path leads to, with its number; `None` for nothing.
    async fn resolve(&self, path: &str) -> Result<Option<(u32, Inode)>, FileSystemError> {
        let mut links = 0;
        // The components that are still to be resolved, the next one last; and the directories on the way.
        let mut rest: Vec<String> = path.split('/').rev().map(String::from).collect();
        let mut parents: Vec<(u32, Inode)> = Vec::new();
        let (mut number, mut inode) = (ROOT, self.inode(ROOT).await?);
        while let Some(component) = rest.pop() {
            match component.as_str() {
                "" | "." => continue,
                ".." => {
                    if let Some(parent) = parents.pop() {
                        (number, inode) = parent;
                    }
                    continue;
                }
                _ => {}
            }
            if inode.kind != InodeKind::Directory {
                return Ok(None);
            }
            let Some(child) = self.find(&inode, component.as_bytes()).await? else { return Ok(None) };
            let child_inode = self.inode(child).await?;
            if child_inode.kind == InodeKind::Link {
                let target = self.link_target(&child_inode).await?;
                links += 1;
                if links > MAX_LINKS || target.len() + rest.iter().map(String::len).sum::<usize>() > MAX_PATH_BYTES {
                    return Ok(None);
                }
                if target.starts_with('/') {
                    parents.clear();
                    (number, inode) = (ROOT, self.inode(ROOT).await?);
                }
                rest.extend(target.split('/').rev().map(String::from));
                continue;
            }
            parents.push((number, inode));
            (number, inode) = (child, child_inode);
        }
        Ok(Some((number, inode)))
    }

    /// Returns what an inode is to a client; `None` for devices, pipes and sockets.
    fn node(number: u32, inode: &Inode) -> Option<Node> {
        match inode.kind {
            InodeKind::File => {
                Some(Node::File(File { id: number.into(), size: inode.size, modified: inode.modified() }))
            }
            InodeKind::Directory => Some(Node::Directory),
            InodeKind::Link | InodeKind::Other => None,
        }
    }
}

impl FileSystem for Ext4 {
    fn kind(&self) -> &'static str {
        "ext4"
    }

    fn label(&self) -> &str {
        &self.superblock.label
    }

    fn open<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, Result<Option<Node>, FileSystemError>> {
        alloc::boxed::Box::pin(async move {
            let found = self.resolve(path).await?;
            Ok(found.and_then(|(number, inode)| Self::node(number, &inode)))
        })
    }

    fn list<'a>(&'a self, path: &'a str, position: u64) -> LocalBoxFuture<'a, Result<ListPage, FileSystemError>> {
        alloc::boxed::Box::pin(async move {
            match self.resolve(path).await? {
                Some((_, inode)) if inode.kind == InodeKind::Directory => self.page(&inode, path, position).await,
                _ => Ok(ListPage::default()),
            }
        })
    }

    fn locate(&self, file: File, offset: u64) -> LocalBoxFuture<'_, Result<Run, FileSystemError>> {
        alloc::boxed::Box::pin(async move {
            let inode = self.inode(u32::try_from(file.id).unwrap_or(0)).await?;
            let run = self.run(&inode, offset).await?;
            let length = run.length;
            Ok(run.position.map_or(Run::Zeros { length }, |position| Run::Stored { position, length }))
        })
    }
}
