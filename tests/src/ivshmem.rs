//! An ivshmem server with the guest as its one client: shared memory, and an eventfd for each vector.
//!
//! Protocol version 0 (QEMU, `docs/specs/ivshmem-spec`): numbers of eight bytes, some with a file descriptor attached.
//! The server sends the version, the client's id, -1 with the memory, and then the client's id once for each of its
//! vectors, with the eventfd that signals it.

#![expect(unsafe_code, reason = "memory that the guest writes at any time is mapped, and read by atomic accesses")]

use core::num::NonZeroUsize;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::ftruncate;
use switchboard_instruments::ivshmem::layout;

use crate::Qemu;
use crate::scratch::ScratchPath;

/// Size in bytes of the shared memory: a page.
const LENGTH: usize = 0x1000;
/// The guest's client id. This side has none, as the guest signals no other client.
const GUEST: i64 = 1;
const TIMEOUT: Duration = Duration::from_secs(30);

/// The server, and the host's side of the shared memory and eventfds.
#[derive(Debug)]
pub struct IvshmemServer {
    socket: ScratchPath,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    memory: OwnedFd,
    vectors: Vec<EventFd>,
    pages: Pages,
}

impl IvshmemServer {
    /// Starts a server with `vectors` vectors, for a guest that is started later.
    ///
    /// # Panics
    /// Panics when the host is out of descriptors or memory.
    #[must_use]
    pub fn start(vectors: usize) -> Self {
        let memory = memfd_create(c"ivshmem", MFdFlags::MFD_CLOEXEC).expect("a file in memory");
        ftruncate(&memory, LENGTH as i64).expect("a page for it");
        let pages = Pages::map(memory.as_fd()).expect("its mapping");
        // Non-blocking, because QEMU reads until the eventfd is empty.
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let eventfd = |_| EventFd::from_value_and_flags(0, flags).expect("an eventfd");
        let shared = Arc::new(Shared { memory, vectors: (0..vectors).map(eventfd).collect(), pages });

        let socket = ScratchPath::new("sock");
        let listener = UnixListener::bind(socket.path()).expect("a socket");
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            let (mut client, _) = listener.accept()?;
            serving.send_setup(&client)?;
            // Keeps the connection open until the client closes it; a client sends nothing.
            io::copy(&mut client, &mut io::sink())
        });
        Self { socket, shared }
    }

    /// Adds the device to the guest.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        let vectors = self.shared.vectors.len();
        qemu.argument("-chardev", &format!("socket,id=ivshmem,path={}", self.socket.path().display()))
            .device(&format!("ivshmem-doorbell,chardev=ivshmem,vectors={vectors}"))
    }

    /// Waits until the guest's driver has set up its vectors, and returns their number.
    ///
    /// # Panics
    /// Panics when that does not happen in time.
    #[must_use]
    #[track_caller]
    pub fn wait_served(&self) -> usize {
        let served = || self.word(layout::SERVED, 0).load(Ordering::SeqCst);
        let start = Instant::now();
        while served() == 0 {
            assert!(start.elapsed() < TIMEOUT, "the guest's ivshmem driver never came up");
            thread::sleep(Duration::from_millis(5));
        }
        usize::try_from(served()).expect("a number of vectors")
    }

    /// Increments the vector's number in shared memory and signals the vector.
    ///
    /// # Panics
    /// Panics when there is no such vector.
    pub fn raise(&self, vector: usize) {
        self.word(layout::RAISED, vector).fetch_add(1, Ordering::SeqCst);
        // A write to an eventfd fails only when its 64-bit counter would overflow.
        self.shared.vectors[vector].write(1).expect("the eventfd is signalled");
    }

    /// Waits until the guest has answered every interrupt raised on the vector.
    ///
    /// # Panics
    /// Panics when that does not happen in time: an interrupt is lost.
    #[track_caller]
    pub fn wait_answered(&self, vector: usize) {
        let start = Instant::now();
        while self.answered(vector) < self.raised(vector) {
            let (answered, raised) = (self.answered(vector), self.raised(vector));
            assert!(start.elapsed() < TIMEOUT, "vector {vector}: {raised} raised, {answered} answered");
            thread::yield_now();
        }
    }

    /// Marks in shared memory that no more interrupts follow.
    pub fn finish(&self) {
        self.word(layout::FINISHED, 0).store(1, Ordering::SeqCst);
    }

    /// Returns the number of the last interrupt raised.
    #[must_use]
    pub fn raised(&self, vector: usize) -> u64 {
        self.word(layout::RAISED, vector).load(Ordering::SeqCst)
    }

    /// Returns the last number that the guest's handler has answered.
    #[must_use]
    pub fn answered(&self, vector: usize) -> u64 {
        self.word(layout::ANSWERED, vector).load(Ordering::SeqCst)
    }

    /// Returns the number of calls of the guest's handler that found a new number.
    #[must_use]
    pub fn handled(&self, vector: usize) -> u64 {
        self.word(layout::HANDLED, vector).load(Ordering::SeqCst)
    }

    fn word(&self, value: u64, vector: usize) -> &AtomicU64 {
        let offset = usize::try_from(value + layout::STRIDE * vector as u64).expect("an offset in a page");
        self.shared.pages.word(offset)
    }
}

impl Shared {
    fn send_setup(&self, client: &UnixStream) -> io::Result<()> {
        send(client, 0, None)?;
        send(client, GUEST, None)?;
        send(client, -1, Some(self.memory.as_fd()))?;
        self.vectors.iter().try_for_each(|vector| send(client, GUEST, Some(vector.as_fd())))
    }
}

/// Sends a number with an optional descriptor.
fn send(client: &UnixStream, number: i64, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let bytes = number.to_le_bytes();
    let descriptors: Vec<RawFd> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
    let beside = [ControlMessage::ScmRights(&descriptors)];
    let beside = if descriptors.is_empty() { &[] } else { &beside[..] };
    let sent = sendmsg::<()>(client.as_raw_fd(), &[IoSlice::new(&bytes)], beside, MsgFlags::MSG_NOSIGNAL, None)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// The mapping of the shared memory.
///
/// # Invariants
/// `start` is the start of a mapping of [`LENGTH`] bytes, which is unmapped when this is dropped.
#[derive(Debug)]
struct Pages {
    start: NonNull<u8>,
}

// SAFETY: the mapping belongs to no thread, and is accessed only atomically.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    fn map(memory: BorrowedFd<'_>) -> io::Result<Self> {
        let length = NonZeroUsize::new(LENGTH).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address chosen by the kernel overlaps no other memory of this process.
        let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, memory, 0) }?;
        Ok(Self { start: start.cast() })
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= LENGTH, "a word at {offset:#x}");
        // SAFETY: the word is within the mapping (invariant).
        let word = unsafe { self.start.add(offset) };
        // SAFETY: aligned, mapped while `self` is borrowed, and accessed only atomically, by the guest too.
        unsafe { AtomicU64::from_ptr(word.cast().as_ptr()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to `self` (invariant), and no borrow of it exists.
        let result = unsafe { munmap(self.start.cast(), LENGTH) };
        debug_assert!(result.is_ok(), "the mapping was there");
    }
}
