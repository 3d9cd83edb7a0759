//! smoltcp's view of a card, as three devices: one received frame with its reply, the send side, and the capabilities.

use alloc::vec;
use core::task::Context;

use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::checksum;
use crate::nic::{Nic, Reply};
use crate::traffic::Traffic;

/// Translates a card's capabilities to smoltcp's.
pub(super) fn capabilities(nic: &dyn Nic) -> DeviceCapabilities {
    let card = Nic::capabilities(nic);
    let checksum = |direction| match direction {
        embassy_net_driver::Checksum::Both => Checksum::Both,
        embassy_net_driver::Checksum::Tx => Checksum::Tx,
        embassy_net_driver::Checksum::Rx => Checksum::Rx,
        embassy_net_driver::Checksum::None => Checksum::None,
    };
    let mut checksums = ChecksumCapabilities::default();
    checksums.ipv4 = checksum(card.checksum.ipv4);
    if checksum::are_in_software(&card.checksum) {
        (checksums.udp, checksums.tcp) = (Checksum::None, Checksum::None);
    } else {
        (checksums.udp, checksums.tcp) = (checksum(card.checksum.udp), checksum(card.checksum.tcp));
    }
    checksums.icmpv4 = checksum(card.checksum.icmpv4);
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = card.max_transmission_unit;
    capabilities.max_burst_size = card.max_burst_size;
    capabilities.checksum = checksums;
    capabilities
}

/// A device that only has capabilities, from which smoltcp's interface is created.
pub(super) struct CapabilitiesDevice(pub(super) DeviceCapabilities);

/// A device that has received one frame, and can send one in reply.
pub(super) struct IngressDevice<'a> {
    pub(super) frame: Option<&'a mut [u8]>,
    /// Checksums are computed [in software](checksum).
    pub(super) software_checksums: bool,
    pub(super) reply: &'a mut dyn Reply,
    pub(super) traffic: &'a Traffic,
}

/// The send side of a card.
pub(super) struct EgressDevice<'a, 'c> {
    pub(super) nic: &'a mut dyn Nic,
    pub(super) context: &'a mut Context<'c>,
    pub(super) traffic: &'a Traffic,
    /// Checksums are computed [in software](checksum).
    pub(super) software_checksums: bool,
    /// The card had no room for another frame; the task is woken when it has.
    pub(super) is_full: bool,
}

/// A received frame.
pub(super) struct FrameToken<'a>(&'a mut [u8]);

impl RxToken for FrameToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for one frame in reply.
pub(super) struct ReplyToken<'a> {
    reply: &'a mut dyn Reply,
    traffic: &'a Traffic,
    software_checksums: bool,
}

impl TxToken for ReplyToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        self.traffic.count_sent(length);
        send_frame(length, self.software_checksums, write, |fill| self.reply.send(length, fill))
    }
}

/// Room for one frame.
pub(super) struct EgressToken<'t, 'a, 'c>(&'t mut EgressDevice<'a, 'c>);

impl TxToken for EgressToken<'_, '_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let EgressDevice { nic, context, traffic, software_checksums, .. } = self.0;
        traffic.count_sent(length);
        send_frame(length, *software_checksums, write, |fill| nic.send(context, length, fill))
    }
}

/// Has `send` send the frame that `write` writes, with checksums in software if those are used. A card that has failed since
/// it had room does not call back: what smoltcp writes then is lost, as a frame on a wire may be.
fn send_frame<R>(
    length: usize,
    software_checksums: bool,
    write: impl FnOnce(&mut [u8]) -> R,
    send: impl FnOnce(&mut dyn FnMut(&mut [u8])),
) -> R {
    let mut write = FillOnce::Pending(write);
    send(&mut |buffer| {
        write.fill(buffer);
        if software_checksums {
            checksum::fill(buffer);
        }
    });
    if matches!(write, FillOnce::Pending(_)) {
        write.fill(&mut vec![0; length]);
    }
    match write {
        FillOnce::Done(result) => result,
        FillOnce::Pending(_) | FillOnce::Running => unreachable!("the frame was just written"),
    }
}

/// A function that is called once, and then its result.
enum FillOnce<R, F> {
    Pending(F),
    Running,
    Done(R),
}

impl<R, F: FnOnce(&mut [u8]) -> R> FillOnce<R, F> {
    fn fill(&mut self, buffer: &mut [u8]) {
        *self = match core::mem::replace(self, Self::Running) {
            Self::Pending(write) => Self::Done(write(buffer)),
            done => done,
        };
    }
}

impl Device for CapabilitiesDevice {
    type RxToken<'a> = FrameToken<'a>;
    type TxToken<'a> = ReplyToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(FrameToken<'_>, ReplyToken<'_>)> {
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<ReplyToken<'_>> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.0.clone()
    }
}

impl Device for IngressDevice<'_> {
    type RxToken<'t>
        = FrameToken<'t>
    where
        Self: 't;
    type TxToken<'t>
        = ReplyToken<'t>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(FrameToken<'_>, ReplyToken<'_>)> {
        let frame = self.frame.take()?;
        self.traffic.count_received(frame.len());
        let reply =
            ReplyToken { reply: self.reply, traffic: self.traffic, software_checksums: self.software_checksums };
        Some((FrameToken(frame), reply))
    }

    fn transmit(&mut self, _now: Instant) -> Option<ReplyToken<'_>> {
        None
    }

    /// Unused: an interface has those of [`CapabilitiesDevice`].
    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}

impl<'a, 'c> Device for EgressDevice<'a, 'c> {
    type RxToken<'t>
        = FrameToken<'t>
    where
        Self: 't;
    type TxToken<'t>
        = EgressToken<'t, 'a, 'c>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(FrameToken<'_>, EgressToken<'_, 'a, 'c>)> {
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<EgressToken<'_, 'a, 'c>> {
        self.is_full = !self.nic.can_send(self.context);
        (!self.is_full).then_some(EgressToken(self))
    }

    /// Unused: an interface has those of [`CapabilitiesDevice`].
    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}
