//! The session with a server: numbers for its files, and the operations on them.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use switchboard_drivers::interfaces::share::ShareError;
use switchboard_runtime::share::Share;

use super::message::{Fields, HEAD_BYTES, MAX_WALK, Message, NO_FID, Operation, QID_BYTES, Qid};
use crate::filesystem::FileSystemError;

/// The version of the protocol.
const VERSION: &str = "9P2000.L";
/// The fields of `Rgetattr` that are wanted: mode, size and the time of the last change.
const WANTED_ATTRIBUTES: u64 = 0x7ff;
/// The most bytes of directory entries that are read at a time.
const DIRECTORY_BYTES: usize = 4096;
/// The errors of paths that lead to nothing: ENOENT, ENOTDIR, ELOOP.
const NOTHING: [u32; 3] = [2, 20, 40];

/// A session. Files have numbers (`fid`) that the client chooses; none is used twice.
#[derive(Debug)]
pub(super) struct Session {
    share: Share,
    root: u32,
    next: Cell<u32>,
    /// Numbers that are not used any more. They are returned to the server before the next operation.
    unused: RefCell<Vec<u32>>,
    max_read_bytes: usize,
    /// The largest request, by the device and the server.
    max_request_bytes: usize,
}

/// A number that the server may know; returned to it after this is dropped.
#[derive(Debug)]
pub(super) struct Fid {
    session: Rc<Session>,
    pub(super) number: u32,
}

impl Drop for Fid {
    fn drop(&mut self) {
        self.session.unused.borrow_mut().push(self.number);
    }
}

/// The attributes of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub(super) path: u64,
    mode: u32,
    pub(super) size: u64,
    pub(super) modified_seconds: u64,
    pub(super) modified_ns: u64,
}

impl Attributes {
    const KIND: u32 = 0o170_000;

    pub(super) const fn is_directory(&self) -> bool {
        self.mode & Self::KIND == 0o040_000
    }

    pub(super) const fn is_file(&self) -> bool {
        self.mode & Self::KIND == 0o100_000
    }
}

/// Where a walk ended.
#[derive(Debug)]
pub(super) enum Walked {
    /// At the file, with its number.
    There(Fid),
    /// At a symbolic link: the names up to it are so many, and its target.
    Link { names: usize, target: String },
    /// Nothing is there.
    Nothing,
}

/// One entry of a directory.
#[derive(Debug)]
pub(super) struct DirectoryEntry {
    pub(super) name: String,
    /// The position after it.
    pub(super) next: u64,
}

impl Session {
    /// Agrees on the version and the size of messages, and attaches the root of the share.
    pub(super) async fn open(share: Share) -> Result<Rc<Self>, FileSystemError> {
        let limits = share.limits().ok_or(ShareError::Gone)?;
        let wanted = u32::try_from(limits.reply_bytes).unwrap_or(u32::MAX);
        let mut this = Self {
            share,
            root: 0,
            next: Cell::new(1),
            unused: RefCell::default(),
            max_read_bytes: 0,
            max_request_bytes: 0,
        };
        let message = Message::new(Operation::Version).u32(wanted).string(VERSION);
        let (size, version) = this.ask(message, |mut fields| Ok((fields.u32()?, fields.string()?))).await?;
        if version.as_deref() != Some(VERSION) {
            return Err(FileSystemError::Unsupported("a server of another protocol than 9P2000.L"));
        }
        // The head of a reply with data, and its count.
        let max_read_bytes = (size.min(wanted) as usize).saturating_sub(HEAD_BYTES + 4);
        if max_read_bytes < 1024 {
            return Err(FileSystemError::Protocol("a 9P server whose messages are too small"));
        }
        this.max_read_bytes = max_read_bytes;
        this.max_request_bytes = limits.request_bytes.min(size as usize);
        let message = Message::new(Operation::Attach).u32(this.root).u32(NO_FID).string("").string("").u32(0);
        this.ask(message, |_| Ok(())).await?;
        Ok(Rc::new(this))
    }

    /// Sends a request, and returns what `parse` makes of the fields of the reply.
    pub(super) async fn ask<R>(
        &self,
        message: Message,
        parse: impl FnOnce(Fields<'_>) -> Result<R, FileSystemError>,
    ) -> Result<R, FileSystemError> {
        let (operation, request) = message.finish();
        let (mut parse, mut outcome) = (Some(parse), None);
        let take = |reply: &[u8]| {
            if let Some(parse) = parse.take() {
                outcome = Some(Fields::of_reply(reply, operation).and_then(parse));
            }
        };
        self.share.exchange(&request, take).await?;
        outcome.unwrap_or(Err(FileSystemError::Protocol("a 9P request without a reply")))
    }

    pub(super) const fn max_message_bytes(&self) -> usize {
        self.max_request_bytes
    }

    /// Returns a new number.
    fn fid(self: &Rc<Self>) -> Fid {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1).max(1));
        Fid { session: self.clone(), number }
    }

    /// Returns the numbers to the server that are not used any more.
    pub(super) async fn return_unused(&self) -> Result<(), FileSystemError> {
        loop {
            // Not in the condition: the list is not borrowed while the server is asked.
            let Some(number) = self.unused.borrow_mut().pop() else { return Ok(()) };
            match self.ask(Message::new(Operation::Clunk).u32(number), |_| Ok(())).await {
                // A number that the server does not know: its operation failed.
                Ok(()) | Err(FileSystemError::Server { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Walks from the root along `names`, as far as no symbolic link is on the way.
    pub(super) async fn walk(self: &Rc<Self>, names: &[String]) -> Result<Walked, FileSystemError> {
        let fid = self.fid();
        let (mut names, mut from, mut done) = (names, self.root, 0);
        loop {
            let part = &names[done..names.len().min(done + MAX_WALK)];
            let message = Message::new(Operation::Walk).u32(from).u32(fid.number);
            let message = message.u16(u16::try_from(part.len()).unwrap_or(0));
            let message = part.iter().fold(message, |message, name| message.string(name));
            let qids = self.ask(message, |mut fields| {
                let count = usize::from(fields.u16()?).min(part.len());
                (0..count).map(|_| fields.qid()).collect::<Result<Vec<Qid>, _>>()
            });
            let qids = match qids.await {
                Ok(qids) => qids,
                Err(FileSystemError::Server { code }) if NOTHING.contains(&code) => return Ok(Walked::Nothing),
                Err(error) => return Err(error),
            };
            match qids.iter().position(|qid| qid.is_symlink()) {
                // The whole part was walked, so that the number stands for the link.
                Some(link) if link + 1 == part.len() => {
                    let target = self.read_link(&fid).await?;
                    return Ok(target.map_or(Walked::Nothing, |target| Walked::Link { names: done + link + 1, target }));
                }
                // The walk ended behind the link, and the number stands for nothing: once more, up to the link.
                Some(link) => {
                    names = &names[..done + link + 1];
                    continue;
                }
                None if qids.len() < part.len() => return Ok(Walked::Nothing),
                None => {}
            }
            (from, done) = (fid.number, done + part.len());
            if done == names.len() {
                return Ok(Walked::There(fid));
            }
        }
    }

    /// Returns the target of a symbolic link, unless it is not UTF-8.
    async fn read_link(&self, link: &Fid) -> Result<Option<String>, FileSystemError> {
        self.ask(Message::new(Operation::ReadLink).u32(link.number), |mut fields| fields.string()).await
    }

    /// Returns the attributes of a file.
    pub(super) async fn attributes(&self, file: &Fid) -> Result<Attributes, FileSystemError> {
        let message = Message::new(Operation::GetAttributes).u32(file.number).u64(WANTED_ATTRIBUTES);
        self.ask(message, |mut fields| {
            let _valid = fields.u64()?;
            let path = fields.qid()?.path;
            let mode = fields.u32()?;
            // User, group, number of links, device.
            fields.bytes(4 + 4 + 8 + 8)?;
            let size = fields.u64()?;
            // Size of a block, number of blocks, time of the last access.
            fields.bytes(8 + 8 + 16)?;
            Ok(Attributes { path, mode, size, modified_seconds: fields.u64()?, modified_ns: fields.u64()? })
        })
        .await
    }

    /// Opens a file or directory to be read.
    pub(super) async fn open_to_read(&self, file: &Fid) -> Result<(), FileSystemError> {
        self.ask(Message::new(Operation::Open).u32(file.number).u32(0), |_| Ok(())).await
    }

    /// Reads at most `max_bytes` of an open file, passes them to `take`, and returns their number; 0 at the end.
    pub(super) async fn read(
        &self,
        file: &Fid,
        offset: u64,
        max_bytes: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, FileSystemError> {
        let count = max_bytes.min(self.max_read_bytes);
        let wanted = u32::try_from(count).unwrap_or(u32::MAX);
        self.ask(Message::new(Operation::Read).u32(file.number).u64(offset).u32(wanted), |mut fields| {
            let length = fields.u32()? as usize;
            if length > count {
                return Err(FileSystemError::Protocol("a 9P reply with more bytes than wanted"));
            }
            take(fields.bytes(length)?);
            Ok(length as u64)
        })
        .await
    }

    /// Reads entries of an open directory from `position` on: 0, or the one after another entry. None at the end.
    pub(super) async fn read_directory(
        &self,
        directory: &Fid,
        position: u64,
    ) -> Result<Vec<DirectoryEntry>, FileSystemError> {
        let wanted = u32::try_from(self.max_read_bytes.min(DIRECTORY_BYTES)).unwrap_or(u32::MAX);
        self.ask(
            Message::new(Operation::ReadDirectory).u32(directory.number).u64(position).u32(wanted),
            |mut fields| {
                let _count = fields.u32()?;
                let mut entries = Vec::new();
                while !fields.is_empty() {
                    fields.bytes(QID_BYTES)?;
                    let next = fields.u64()?;
                    let _kind = fields.u8()?;
                    // A name that is not UTF-8 has no path here.
                    let name = fields.string()?.unwrap_or_default();
                    entries.push(DirectoryEntry { name, next });
                }
                Ok(entries)
            },
        )
        .await
    }
}
