//! Adoption: a smoltcp socket takes over a connection whose handshake it has not seen.
//!
//! The socket listens and receives a made-up SYN, which brings the peer's options and sequence numbers; its SYN and ACK
//! is not sent, and a made-up acknowledgement completes the handshake. Its own sequence numbers differ from those on the
//! wire by a constant, which is added to each segment that it sends and subtracted from each acknowledgement.

use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;

use super::wire::{ACK, Control, Endpoints, MAX_CONTROL_BYTES, SYN, SynOptions};

/// Bytes of the longest packet that is captured: a SYN of smoltcp, with all its options.
const CAPTURE_BYTES: usize = 128;

/// The data of a made-up segment.
const DATA_BYTES: usize = 512;

/// A connection as the wire knows it, with nothing in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    pub(super) endpoints: Endpoints,
    pub(super) send_next: u32,
    pub(super) receive_next: u32,
    /// The peer's window, as it is in the header.
    pub(super) window: u16,
    /// The options of the peer's SYN.
    pub(super) options: SynOptions,
}

impl Template {
    /// Completes the handshake of the listening socket in `set`. Returns the difference between sequence numbers on the
    /// wire and the socket's; `None` if the socket has not accepted it, for example because the interface has lost the
    /// address.
    pub(super) fn establish(
        &self,
        interface: &mut Interface,
        set: &mut SocketSet<'static>,
        now: Instant,
    ) -> Option<u32> {
        let syn = Control {
            endpoints: self.endpoints,
            sequence: self.receive_next.wrapping_sub(1),
            acknowledgement: 0,
            flags: SYN,
            window: self.window,
            options: self.options,
        };
        inject(&syn, interface, set, now);
        let [high, higher, low, lowest] = *capture(interface, set, now)?.tcp_header()?.get(4..8)? else { return None };
        let send_next = u32::from_be_bytes([high, higher, low, lowest]).wrapping_add(1);
        let ack = Control { sequence: self.receive_next, acknowledgement: send_next, flags: ACK, ..syn };
        inject(&ack, interface, set, now);
        Some(self.send_next.wrapping_sub(send_next))
    }
}

/// Has a socket receive a made-up segment.
pub(super) fn inject(control: &Control, interface: &mut Interface, set: &mut SocketSet<'static>, now: Instant) {
    let mut packet = [0; MAX_CONTROL_BYTES];
    let packet = &mut packet[..control.packet_bytes()];
    control.write_as_received(packet);
    inject_packet(packet, interface, set, now);
}

/// Has a socket receive a packet that it does not answer.
pub(super) fn inject_packet(packet: &[u8], interface: &mut Interface, set: &mut SocketSet<'static>, now: Instant) {
    let mut device = PacketDevice { incoming: Some(packet), ..PacketDevice::default() };
    interface.poll_ingress_single(now, &mut device, set);
}

/// Has a socket receive data in made-up segments, which begin as `control` does.
pub(super) fn inject_data(
    control: &Control,
    data: &[u8],
    interface: &mut Interface,
    set: &mut SocketSet<'static>,
    now: Instant,
) {
    let mut packet = [0; MAX_CONTROL_BYTES + DATA_BYTES];
    let (mut control, headers) = (*control, control.packet_bytes());
    for part in data.chunks(DATA_BYTES) {
        let packet = &mut packet[..headers + part.len()];
        packet[headers..].copy_from_slice(part);
        control.write_as_received(packet);
        inject_packet(packet, interface, set, now);
        control.sequence = control.sequence.wrapping_add((part.len() as u64 & 0xffff) as u32);
    }
}

/// Returns the packet that a socket sends now.
pub(super) fn capture(interface: &mut Interface, set: &mut SocketSet<'static>, now: Instant) -> Option<Captured> {
    let mut device = PacketDevice::default();
    interface.poll_egress(now, &mut device, set);
    device.captured
}

/// A packet that was not sent.
#[derive(Debug)]
pub(super) struct Captured {
    bytes: [u8; CAPTURE_BYTES],
    length: usize,
}

impl Captured {
    /// Returns the TCP header and what follows.
    pub(super) fn tcp_header(&self) -> Option<&[u8]> {
        let header = if self.bytes[0] >> 4 == 4 { 20 } else { 40 };
        self.bytes.get(header..self.length)
    }
}

/// A device that receives one packet, and keeps the packet that is sent.
#[derive(Default)]
struct PacketDevice<'a> {
    incoming: Option<&'a [u8]>,
    captured: Option<Captured>,
}

struct Packet<'a>(&'a [u8]);

impl RxToken for Packet<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

struct Capture<'t>(&'t mut Option<Captured>);

impl TxToken for Capture<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut captured = Captured { bytes: [0; CAPTURE_BYTES], length };
        let result = match captured.bytes.get_mut(..length) {
            Some(bytes) => write(bytes),
            // No socket sends data here, but it must not matter.
            None => return write(&mut alloc::vec![0; length]),
        };
        *self.0 = Some(captured);
        result
    }
}

impl<'a> Device for PacketDevice<'a> {
    type RxToken<'t>
        = Packet<'a>
    where
        Self: 't;
    type TxToken<'t>
        = Capture<'t>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(Packet<'a>, Capture<'_>)> {
        Some((Packet(self.incoming.take()?), Capture(&mut self.captured)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Capture<'_>> {
        // One packet is enough.
        self.captured.is_none().then_some(Capture(&mut self.captured))
    }

    /// Unused: an interface has those that it was created with.
    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}
