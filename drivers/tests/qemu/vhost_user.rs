//! The host's side of a virtio socket device: a small back end of QEMU's `vhost-user-vsock-pci`, which leaves the protocol of
//! sockets to the test.
//!
//! It reads and writes the guest's memory as a file, and polls the rings: kicks are not needed.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// The context ID of the guest.
pub(crate) const CID: u64 = 3;
/// The operations of packets (virtio 1.2, 5.10.6).
pub(crate) const REQUEST: u16 = 1;
pub(crate) const RESPONSE: u16 = 2;
pub(crate) const RESET: u16 = 3;
pub(crate) const SHUTDOWN: u16 = 4;
pub(crate) const DATA: u16 = 5;

const HEADER_BYTES: usize = 44;
/// `VIRTIO_F_VERSION_1`, and that there are protocol features: of them, the configuration.
const FEATURES: u64 = 1 << 32 | 1 << 30;
const PROTOCOL_FEATURES: u64 = 1 << 9;
/// The time between two looks at the rings.
const POLL: Duration = Duration::from_micros(500);

/// A packet between the host's port and the guest's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) host_port: u32,
    pub(crate) guest_port: u32,
    pub(crate) operation: u16,
    /// Of a shutdown.
    pub(crate) flags: u32,
    /// The bytes that were taken so far, of those that the other side sent.
    pub(crate) taken: u32,
    pub(crate) data: Vec<u8>,
}

impl Packet {
    /// Returns an answer to it.
    pub(crate) fn answer(&self, operation: u16, taken: u32, data: &[u8]) -> Self {
        Self { operation, flags: 0, taken, data: data.to_vec(), ..*self }
    }

    fn parse(bytes: &[u8]) -> Self {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let operation = u16::from_le_bytes([bytes[30], bytes[31]]);
        let (host_port, guest_port) = (word(20), word(16));
        Self {
            host_port,
            guest_port,
            operation,
            flags: word(32),
            taken: word(40),
            data: bytes[HEADER_BYTES..].to_vec(),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.data.len()).expect("a short packet");
        let mut bytes = [2_u64.to_le_bytes(), CID.to_le_bytes()].concat();
        for word in [self.host_port, self.guest_port, length, 1 | u32::from(self.operation) << 16, self.flags] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend((1_u32 << 18).to_le_bytes());
        bytes.extend(self.taken.to_le_bytes());
        bytes.extend(&self.data);
        bytes
    }
}

/// A part of the guest's memory: its place in the guest, in QEMU, and in its file.
struct Region {
    guest: u64,
    qemu: u64,
    size: u64,
    offset: u64,
    file: File,
}

#[derive(Default)]
struct Ring {
    size: u16,
    descriptors: u64,
    available: u64,
    used: u64,
    next: u16,
    is_started: bool,
    call: Option<File>,
}

struct Device {
    regions: Vec<Region>,
    rings: [Ring; 2],
}

impl Device {
    fn place(&self, address: u64, of: fn(&Region) -> u64) -> (&File, u64) {
        let region = self.regions.iter().find(|region| (of(region)..of(region) + region.size).contains(&address));
        let region = region.unwrap_or_else(|| panic!("{address:#x} is no memory"));
        (&region.file, address - of(region) + region.offset)
    }

    fn read<const N: usize>(&self, address: u64, of: fn(&Region) -> u64) -> [u8; N] {
        let ((file, at), mut bytes) = (self.place(address, of), [0; N]);
        file.read_exact_at(&mut bytes, at).expect("memory is read");
        bytes
    }

    fn write(&self, address: u64, of: fn(&Region) -> u64, bytes: &[u8]) {
        let (file, at) = self.place(address, of);
        file.write_all_at(bytes, at).expect("memory is written");
    }

    /// Takes the next chain of a ring: its head and its segments.
    fn take(&mut self, index: usize) -> Option<(u16, Vec<(u64, u32)>)> {
        let qemu = |region: &Region| region.qemu;
        let ring = &self.rings[index];
        if !ring.is_started || u16::from_le_bytes(self.read(ring.available + 2, qemu)) == ring.next {
            return None;
        }
        let head = u16::from_le_bytes(self.read(ring.available + 4 + 2 * u64::from(ring.next % ring.size), qemu));
        let (mut at, mut segments) = (head, Vec::new());
        loop {
            let bytes: [u8; 16] = self.read(ring.descriptors + 16 * u64::from(at), qemu);
            let address = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
            segments.push((address, u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"))));
            if bytes[12] & 1 == 0 {
                break;
            }
            at = u16::from_le_bytes([bytes[14], bytes[15]]);
        }
        self.rings[index].next = self.rings[index].next.wrapping_add(1);
        Some((head, segments))
    }

    fn complete(&mut self, index: usize, head: u16, length: usize) {
        let qemu = |region: &Region| region.qemu;
        let ring = &self.rings[index];
        let used = u16::from_le_bytes(self.read(ring.used + 2, qemu));
        let length = u32::try_from(length).expect("a short packet");
        let element = [u32::from(head).to_le_bytes(), length.to_le_bytes()].concat();
        self.write(ring.used + 4 + 8 * u64::from(used % ring.size), qemu, &element);
        self.write(ring.used + 2, qemu, &used.wrapping_add(1).to_le_bytes());
        if let Some(mut call) = ring.call.as_ref() {
            call.write_all(&1_u64.to_ne_bytes()).expect("an event");
        }
    }

    /// Moves packets; returns whether there were any.
    fn work(&mut self, to_guest: &Mutex<VecDeque<Packet>>, on_packet: &mut dyn FnMut(Packet) -> Vec<Packet>) -> bool {
        let guest = |region: &Region| region.guest;
        let mut is_busy = false;
        if let Some((head, segments)) = self.take(1) {
            let mut bytes = Vec::new();
            for (address, length) in segments {
                let (file, at) = self.place(address, guest);
                let mut part = vec![0; length as usize];
                file.read_exact_at(&mut part, at).expect("memory is read");
                bytes.extend(part);
            }
            self.complete(1, head, 0);
            let answers = on_packet(Packet::parse(&bytes));
            to_guest.lock().expect("no panic").extend(answers);
            is_busy = true;
        }
        if self.rings[0].is_started
            && let Some(packet) = to_guest.lock().expect("no panic").pop_front()
        {
            match self.take(0) {
                Some((head, segments)) => {
                    let bytes = packet.to_bytes();
                    let mut rest = bytes.as_slice();
                    for (address, length) in segments {
                        let (now, later) = rest.split_at(rest.len().min(length as usize));
                        if !now.is_empty() {
                            self.write(address, guest, now);
                        }
                        rest = later;
                    }
                    assert!(rest.is_empty(), "a packet is too long");
                    self.complete(0, head, bytes.len());
                    is_busy = true;
                }
                None => to_guest.lock().expect("no panic").push_front(packet),
            }
        }
        is_busy
    }

    /// Carries out a request of QEMU; returns the payload of a reply.
    fn carry_out(&mut self, request: u32, payload: &[u8], mut files: VecDeque<File>) -> Option<Vec<u8>> {
        let word = |at: usize| u32::from_ne_bytes(payload[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_ne_bytes(payload[at..at + 8].try_into().expect("eight bytes"));
        let ring = payload.first().map_or(0, |index| usize::from(*index)).min(1);
        match request {
            1 => return Some(FEATURES.to_ne_bytes().to_vec()),
            15 => return Some(PROTOCOL_FEATURES.to_ne_bytes().to_vec()),
            5 => {
                let regions = (0..word(0) as usize).map(|index| {
                    let at = 8 + 32 * index;
                    let file = files.pop_front().expect("a file for each region");
                    Region { guest: long(at), size: long(at + 8), qemu: long(at + 16), offset: long(at + 24), file }
                });
                self.regions = regions.collect();
            }
            8 => self.rings[ring].size = u16::try_from(word(4)).expect("a ring's size"),
            9 => {
                let this = &mut self.rings[ring];
                (this.descriptors, this.used, this.available) = (long(8), long(16), long(24));
            }
            10 => self.rings[ring].next = u16::try_from(word(4)).expect("a ring's index"),
            11 => {
                self.rings[ring].is_started = false;
                return Some([word(0).to_ne_bytes(), u32::from(self.rings[ring].next).to_ne_bytes()].concat());
            }
            12 => self.rings[ring].is_started = true,
            13 => self.rings[ring].call = files.pop_front(),
            24 => {
                let mut reply = payload.to_vec();
                reply[12..20].copy_from_slice(&CID.to_le_bytes());
                return Some(reply);
            }
            _ => {}
        }
        None
    }
}

/// The back end. It ends when this is dropped.
pub(crate) struct Backend {
    path: PathBuf,
    to_guest: Arc<Mutex<VecDeque<Packet>>>,
    is_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    /// Listens for QEMU on a socket. `on_packet` is called for each packet of the guest, and returns the answers.
    pub(crate) fn start(path: &Path, mut on_packet: impl FnMut(Packet) -> Vec<Packet> + Send + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let (to_guest, is_ended) = (Arc::<Mutex<VecDeque<Packet>>>::default(), Arc::new(AtomicBool::new(false)));
        let (queue, end) = (to_guest.clone(), is_ended.clone());
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("QEMU");
            let mut device = Device { regions: Vec::new(), rings: Default::default() };
            while !end.load(Ordering::Relaxed) {
                match receive(&stream) {
                    Ok(Some((request, payload, files))) => {
                        if let Some(reply) = device.carry_out(request, &payload, files) {
                            let length = u32::try_from(reply.len()).expect("a short reply");
                            let header = [request.to_ne_bytes(), 5_u32.to_ne_bytes(), length.to_ne_bytes()].concat();
                            (&stream).write_all(&[header, reply].concat()).expect("QEMU reads");
                        }
                    }
                    Ok(None) if device.work(&queue, &mut on_packet) => {}
                    Ok(None) => thread::sleep(POLL),
                    Err(_) => return,
                }
            }
        });
        Self { path: path.to_owned(), to_guest, is_ended, thread: Some(thread) }
    }

    /// Returns the options of QEMU: those of `-chardev`, and of `-device`.
    pub(crate) fn options(&self) -> (String, &'static str) {
        (format!("socket,id=vsock,path={}", self.path.display()), "vhost-user-vsock-pci,chardev=vsock")
    }

    /// Sends a packet to the guest, when it has a buffer for it.
    pub(crate) fn send(&self, packet: Packet) {
        self.to_guest.lock().expect("no panic").push_back(packet);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Relaxed);
        // A QEMU that never connected.
        drop(UnixStream::connect(&self.path));
        drop(self.thread.take().map(JoinHandle::join));
        drop(fs::remove_file(&self.path));
    }
}

type Message = (u32, Vec<u8>, VecDeque<File>);

/// Reads a message if there is one: a request, its payload, and files.
fn receive(stream: &UnixStream) -> io::Result<Option<Message>> {
    let (mut header, mut files) = ([0; 12], VecDeque::new());
    let length = {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [io::IoSliceMut::new(&mut header)];
        let message = match recvmsg(stream, &mut parts, &mut control, RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::AGAIN) => return Ok(None),
            message => message?,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                files.extend(descriptors.map(File::from));
            }
        }
        message.bytes
    };
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let mut payload = vec![0; word(8) as usize];
    io::Read::read_exact(&mut &*stream, &mut payload)?;
    Ok(Some((word(0), payload, files)))
}
