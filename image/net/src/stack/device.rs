//! A card for smoltcp, in two halves: one frame that arrived with room for its reply, and the way out.

use alloc::vec;
use core::task::Context;

use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::checksum;
use crate::Traffic;
use crate::nic::{Nic, Reply};

/// What a card can do, in smoltcp's words.
pub(super) fn capabilities(nic: &dyn Nic) -> DeviceCapabilities {
    let theirs = Nic::capabilities(nic);
    let has_ours = checksum::are_ours(&theirs.checksum);
    let checksum = |theirs| match theirs {
        embassy_net_driver::Checksum::Both => Checksum::Both,
        embassy_net_driver::Checksum::Tx => Checksum::Tx,
        embassy_net_driver::Checksum::Rx => Checksum::Rx,
        embassy_net_driver::Checksum::None => Checksum::None,
    };
    let mut checksums = ChecksumCapabilities::default();
    checksums.ipv4 = checksum(theirs.checksum.ipv4);
    if has_ours {
        (checksums.udp, checksums.tcp) = (Checksum::None, Checksum::None);
    } else {
        (checksums.udp, checksums.tcp) = (checksum(theirs.checksum.udp), checksum(theirs.checksum.tcp));
    }
    checksums.icmpv4 = checksum(theirs.checksum.icmpv4);
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = theirs.max_transmission_unit;
    capabilities.max_burst_size = theirs.max_burst_size;
    capabilities.checksum = checksums;
    capabilities
}

/// Tells a stack what there is before any frame moves.
pub(super) struct Still(pub(super) DeviceCapabilities);

/// A frame that arrived.
pub(super) struct Arriving<'a> {
    pub(super) frame: Option<&'a mut [u8]>,
    /// Checksums are [ours](checksum).
    pub(super) has_checksums: bool,
    pub(super) reply: &'a mut dyn Reply,
    pub(super) traffic: &'a Traffic,
}

/// The way out of a card.
pub(super) struct Leaving<'a, 'c> {
    pub(super) nic: &'a mut dyn Nic,
    pub(super) context: &'a mut Context<'c>,
    pub(super) traffic: &'a Traffic,
    /// Checksums are [ours](checksum).
    pub(super) has_checksums: bool,
    /// The card had no room; the task is woken when it has.
    pub(super) is_full: bool,
}

/// A frame for smoltcp to read.
pub(super) struct FrameToken<'a>(&'a mut [u8]);

impl RxToken for FrameToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// The right to answer.
pub(super) struct ReplyToken<'a> {
    reply: &'a mut dyn Reply,
    traffic: &'a Traffic,
    has_checksums: bool,
}

impl TxToken for ReplyToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        self.traffic.count_sent(length);
        written(length, self.has_checksums, write, |fill| self.reply.send(length, fill))
    }
}

/// The right to send.
pub(super) struct LeavingToken<'t, 'a, 'c>(&'t mut Leaving<'a, 'c>);

impl TxToken for LeavingToken<'_, '_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let Leaving { nic, context, traffic, has_checksums, .. } = self.0;
        traffic.count_sent(length);
        written(length, *has_checksums, write, |fill| nic.send(context, length, fill))
    }
}

/// Has `send` send what `write` writes, with checksums of ours if so. A card that broke down since it had room sends nothing: what smoltcp wrote then
/// is lost, as on a wire.
fn written<R>(
    length: usize,
    has_checksums: bool,
    write: impl FnOnce(&mut [u8]) -> R,
    send: impl FnOnce(&mut dyn FnMut(&mut [u8])),
) -> R {
    let mut write = Written::Not(write);
    send(&mut |buffer| {
        write.fill(buffer);
        if has_checksums {
            checksum::fill(buffer);
        }
    });
    if matches!(write, Written::Not(_)) {
        write.fill(&mut vec![0; length]);
    }
    match write {
        Written::With(result) => result,
        Written::Not(_) | Written::Now => unreachable!("it was just filled"),
    }
}

enum Written<R, F> {
    Not(F),
    Now,
    With(R),
}

impl<R, F: FnOnce(&mut [u8]) -> R> Written<R, F> {
    fn fill(&mut self, buffer: &mut [u8]) {
        *self = match core::mem::replace(self, Self::Now) {
            Self::Not(write) => Self::With(write(buffer)),
            done => done,
        };
    }
}

impl Device for Still {
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

impl Device for Arriving<'_> {
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
        let reply = ReplyToken { reply: self.reply, traffic: self.traffic, has_checksums: self.has_checksums };
        Some((FrameToken(frame), reply))
    }

    fn transmit(&mut self, _now: Instant) -> Option<ReplyToken<'_>> {
        None
    }

    /// Asked for when an interface is made, of [`Still`].
    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}

impl<'a, 'c> Device for Leaving<'a, 'c> {
    type RxToken<'t>
        = FrameToken<'t>
    where
        Self: 't;
    type TxToken<'t>
        = LeavingToken<'t, 'a, 'c>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(FrameToken<'_>, LeavingToken<'_, 'a, 'c>)> {
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<LeavingToken<'_, 'a, 'c>> {
        self.is_full = !self.nic.can_send(self.context);
        (!self.is_full).then_some(LeavingToken(self))
    }

    /// Asked for when an interface is made, of [`Still`].
    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}
