//! An ivshmem server with one client, the guest: shared memory, and an eventfd for each vector.
//!
//! The protocol, version 0 (QEMU, `docs/specs/ivshmem-spec`): numbers of eight bytes, some with a file descriptor
//! beside them. The server sends the version, the client's number, -1 with the memory, and then the client's number
//! once for each of its vectors, with the eventfd that rings it.

#![expect(unsafe_code, reason = "memory that the guest writes at any time is mapped, and read by atomic accesses")]

use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use switchboard_drivers::ivshmem::place;

use crate::Qemu;
use crate::scratch::ScratchPath;

/// Bytes of the shared memory: a page.
const LENGTH: usize = 0x1000;
/// The guest's number. Ours would be another, but nobody rings us.
const GUEST: i64 = 1;
const PATIENCE: Duration = Duration::from_secs(30);

/// The server, and the host's side of what it shares.
#[derive(Debug)]
pub struct IvshmemServer {
    socket: ScratchPath,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    memory: OwnedFd,
    vectors: Vec<OwnedFd>,
    pages: Pages,
}

impl IvshmemServer {
    /// A server for a guest that is yet to start, with so many vectors.
    ///
    /// # Panics
    /// When the host has no descriptors or memory left.
    #[must_use]
    pub fn start(vectors: usize) -> Self {
        let memory = memfd_create("ivshmem", MemfdFlags::CLOEXEC).expect("a file in memory");
        ftruncate(&memory, LENGTH as u64).expect("a page for it");
        let pages = Pages::map(memory.as_fd()).expect("its mapping");
        // Not blocking: QEMU reads until there is nothing.
        let eventfd = |_| eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd");
        let shared = Arc::new(Shared { memory, vectors: (0..vectors).map(eventfd).collect(), pages });

        let socket = ScratchPath::new("sock");
        let listener = UnixListener::bind(socket.path()).expect("a socket");
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            let (mut client, _) = listener.accept()?;
            serving.greet(&client)?;
            // The connection stays open for as long as the client wants; it never says anything.
            io::copy(&mut client, &mut io::sink())
        });
        Self { socket, shared }
    }

    /// Gives the guest the device.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        let vectors = self.shared.vectors.len();
        qemu.argument("-chardev", &format!("socket,id=ivshmem,path={}", self.socket.path().display()))
            .device(&format!("ivshmem-doorbell,chardev=ivshmem,vectors={vectors}"))
    }

    /// Waits until the guest serves its vectors; how many.
    ///
    /// # Panics
    /// When it does not in time.
    #[must_use]
    #[track_caller]
    pub fn wait_served(&self) -> usize {
        let served = || self.word(place::SERVED, 0).load(Ordering::SeqCst);
        let start = Instant::now();
        while served() == 0 {
            assert!(start.elapsed() < PATIENCE, "the guest's ivshmem driver never came up");
            thread::sleep(Duration::from_millis(5));
        }
        usize::try_from(served()).expect("a number of vectors")
    }

    /// Writes the vector's next number, and rings it.
    ///
    /// # Panics
    /// When there is no such vector.
    pub fn raise(&self, vector: usize) {
        self.word(place::RAISED, vector).fetch_add(1, Ordering::SeqCst);
        // An eventfd only refuses when its 64 bits are full.
        rustix::io::write(&self.shared.vectors[vector], &1_u64.to_ne_bytes()).expect("a ring");
    }

    /// Waits until the guest has answered for everything raised on the vector.
    ///
    /// # Panics
    /// When it does not in time: an interrupt is lost.
    #[track_caller]
    pub fn wait_answered(&self, vector: usize) {
        let start = Instant::now();
        while self.answered(vector) < self.raised(vector) {
            let (answered, raised) = (self.answered(vector), self.raised(vector));
            assert!(start.elapsed() < PATIENCE, "vector {vector}: {raised} raised, {answered} answered");
            thread::yield_now();
        }
    }

    /// Tells the guest that nothing more is raised.
    pub fn finish(&self) {
        self.word(place::FINISHED, 0).store(1, Ordering::SeqCst);
    }

    /// The number of the last interrupt raised.
    #[must_use]
    pub fn raised(&self, vector: usize) -> u64 {
        self.word(place::RAISED, vector).load(Ordering::SeqCst)
    }

    /// The last number that the guest's handler answered for.
    #[must_use]
    pub fn answered(&self, vector: usize) -> u64 {
        self.word(place::ANSWERED, vector).load(Ordering::SeqCst)
    }

    /// Calls of the guest's handler that found a new number.
    #[must_use]
    pub fn handled(&self, vector: usize) -> u64 {
        self.word(place::HANDLED, vector).load(Ordering::SeqCst)
    }

    fn word(&self, place: u64, vector: usize) -> &AtomicU64 {
        let offset = usize::try_from(place + place::STRIDE * vector as u64).expect("a place in a page");
        self.shared.pages.word(offset)
    }
}

impl Shared {
    fn greet(&self, client: &UnixStream) -> io::Result<()> {
        send(client, 0, None)?;
        send(client, GUEST, None)?;
        send(client, -1, Some(self.memory.as_fd()))?;
        self.vectors.iter().try_for_each(|vector| send(client, GUEST, Some(vector.as_fd())))
    }
}

/// Sends a number, and a descriptor beside it.
fn send(client: &UnixStream, number: i64, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let bytes = number.to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if descriptor.is_some() {
        assert!(beside.push(SendAncillaryMessage::ScmRights(descriptors)), "there is space for one");
    }
    let sent = sendmsg(client, &[IoSlice::new(&bytes)], &mut beside, SendFlags::NOSIGNAL)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// The mapping of the shared memory.
///
/// # Invariants
/// `start` is the start of a mapping of [`LENGTH`] bytes, which ends with this.
#[derive(Debug)]
struct Pages {
    start: NonNull<u8>,
}

// SAFETY: the mapping belongs to no thread, and is reached by atomic accesses alone.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    fn map(memory: BorrowedFd<'_>) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at a place that the kernel chooses, touches no other memory of ours.
        let start = unsafe { mmap(ptr::null_mut(), LENGTH, protection, MapFlags::SHARED, memory, 0) }?;
        NonNull::new(start.cast()).map(|start| Self { start }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= LENGTH, "a word at {offset:#x}");
        // SAFETY: the word lies in the mapping (invariant).
        let word = unsafe { self.start.add(offset) };
        // SAFETY: aligned, mapped while `self` is borrowed, and reached only atomically, by the guest too.
        unsafe { AtomicU64::from_ptr(word.cast().as_ptr()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours (invariant), and nothing borrows it any more.
        let result = unsafe { munmap(self.start.cast().as_ptr(), LENGTH) };
        debug_assert!(result.is_ok(), "the mapping was there");
    }
}
