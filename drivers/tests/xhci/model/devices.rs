//! The devices: a keyboard by the boot protocol, a stick by bulk-only transport.

use std::collections::VecDeque;

use switchboard_testing::FakeMachine;

use super::Behaviour;

pub(crate) const BLOCKS: u64 = 256;

const KEYBOARD: [u8; 34] = [
    9, 2, 34, 0, 1, 1, 0, 0xa0, 50, 9, 4, 0, 0, 1, 3, 1, 1, 0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0, 7, 5, 0x81, 3, 8,
    0, 4,
];
const STICK: [u8; 32] =
    [9, 2, 32, 0, 1, 1, 0, 0xa0, 50, 9, 4, 0, 0, 2, 8, 6, 0x50, 0, 7, 5, 0x81, 2, 0, 2, 0, 7, 5, 0x02, 2, 0, 2, 0];

/// What a command waits for.
#[derive(Debug, Default)]
enum Phase {
    #[default]
    Command,
    In(Vec<u8>),
    /// The block that is written next, and the bytes that follow.
    Out(u64, usize),
    Status,
}

/// A device.
#[derive(Debug, Default)]
pub(super) struct Device {
    configuration: &'static [u8],
    /// `bMaxPacketSize0`.
    packet: u8,
    /// Of a keyboard.
    pub(super) reports: VecDeque<[u8; 8]>,
    /// Of a stick.
    pub(super) bytes: Vec<u8>,
    phase: Phase,
    tag: [u8; 4],
    has_failed: bool,
    /// The sense data of the last command.
    sense: [u8; 3],
}

impl Device {
    pub(super) fn keyboard(packet: u8) -> Self {
        Self { configuration: &KEYBOARD, packet, ..Self::default() }
    }

    pub(super) fn stick(packet: u8) -> Self {
        let bytes = (0..BLOCKS * 512).map(|at| (at / 512).to_le_bytes()[0]).collect();
        // It was reset: that is what it reports first.
        Self { configuration: &STICK, packet, bytes, sense: [6, 0x29, 0], ..Self::default() }
    }

    /// Resets the device.
    pub(super) fn reset(&mut self) {
        self.phase = Phase::Command;
    }

    /// Carries out a request. Returns the data that it sends.
    pub(super) fn control(&mut self, request: u64) -> Option<Vec<u8>> {
        let [kind, request, _, descriptor, ..] = request.to_le_bytes();
        match (kind, request, descriptor) {
            (0x80, 6, 1) => Some(vec![18, 1, 0, 2, 0, 0, 0, self.packet, 0x34, 0x12, 0x78, 0x56, 0, 1, 0, 0, 0, 1]),
            (0x80, 6, 2) => Some(self.configuration.to_vec()),
            (0xa1, 0xfe, _) => Some(vec![0]),
            // Bulk-only reset.
            (0x21, 0xff, _) => {
                self.phase = Phase::Command;
                None
            }
            _ => None,
        }
    }

    /// Carries out a transfer. Returns the bytes that were transferred, or an error for a halt; `None` while there is nothing.
    pub(super) fn transfer(
        &mut self,
        fake: &FakeMachine,
        behaviour: &Behaviour,
        endpoint: u8,
        address: u64,
        length: usize,
    ) -> Option<Result<usize, ()>> {
        if self.bytes.is_empty() {
            let report = self.reports.pop_front()?;
            fake.dma_write(address, &report[..length.min(8)]).expect("memory in use");
            return Some(Ok(length.min(8)));
        }
        match (core::mem::take(&mut self.phase), endpoint) {
            (Phase::Command, 4) => {
                let wrapper = fake.dma_read(address, length).expect("memory in use");
                assert_eq!((length, &wrapper[..4]), (31, &b"USBC"[..]));
                self.tag = wrapper[4..8].try_into().unwrap();
                self.phase = self.command(behaviour, &wrapper[15..31]);
                Some(Ok(31))
            }
            // An endpoint is halted where there are no data to be sent.
            (Phase::In(mut data), 3) => {
                self.phase = Phase::Status;
                if data.is_empty() {
                    return Some(Err(()));
                }
                let count = data.len().min(length);
                fake.dma_write(address, &data[..count]).expect("memory in use");
                data.drain(..count);
                if !data.is_empty() {
                    self.phase = Phase::In(data);
                }
                Some(Ok(count))
            }
            (Phase::Out(block, rest), 4) => {
                let data = fake.dma_read(address, length).expect("memory in use");
                let at = usize::try_from(block * 512).unwrap();
                self.bytes[at..at + length].copy_from_slice(&data);
                let is_last = length == rest;
                let next = block + length as u64 / 512;
                self.phase = if is_last { Phase::Status } else { Phase::Out(next, rest - length) };
                Some(Ok(length))
            }
            (Phase::Status, 3) => {
                let signature = if behaviour.has_invalid_status { *b"USBX" } else { *b"USBS" };
                let mut status = [signature, self.tag, [0; 4]].concat();
                status.push(u8::from(self.has_failed));
                fake.dma_write(address, &status).expect("memory in use");
                Some(Ok(13))
            }
            (phase, _) => {
                self.phase = phase;
                None
            }
        }
    }

    fn command(&mut self, behaviour: &Behaviour, cdb: &[u8]) -> Phase {
        let block = u64::from(u32::from_be_bytes(cdb[2..6].try_into().unwrap()));
        let count = u64::from(u16::from_be_bytes([cdb[7], cdb[8]]));
        let range = || usize::try_from(block * 512).unwrap()..usize::try_from((block + count) * 512).unwrap();
        self.has_failed = false;
        let is_bad = behaviour.bad_block.is_some_and(|bad| (block..block + count).contains(&bad));
        match cdb[0] {
            0x03 => {
                let [key, code, qualifier] = core::mem::take(&mut self.sense);
                let mut data = vec![0; 18];
                (data[0], data[2], data[12], data[13]) = (0x70, key, code, qualifier);
                Phase::In(data)
            }
            0x12 => {
                let mut data = vec![0; 36];
                data[8..13].copy_from_slice(b"MODEL");
                Phase::In(data)
            }
            0x00 if self.sense[0] != 0 => {
                self.has_failed = true;
                Phase::Status
            }
            0x00 | 0x35 => Phase::Status,
            0x25 => Phase::In([(u32::try_from(BLOCKS).unwrap() - 1).to_be_bytes(), 512_u32.to_be_bytes()].concat()),
            0x1a => Phase::In(vec![3, 0, 0, 0]),
            0x28 | 0x2a if is_bad => {
                (self.has_failed, self.sense) = (true, [3, 0x11, 0]);
                Phase::In(Vec::new())
            }
            0x28 => Phase::In(self.bytes[range()].to_vec()),
            0x2a => Phase::Out(block, range().len()),
            other => panic!("command {other:#x}"),
        }
    }
}
