//! Accesses of a session: registers, ports and configuration space.

use core::sync::atomic::Ordering;

use switchboard::config::{Address, ConfigAccess, Width};

use super::posted::PostedWrite;
use super::recording::{Access, Action, Place};
use super::session::{Conduct, ECAM, IS_CPU, Session, lock};

/// Returns the letter of the qtest command for an access of so many bytes.
fn letter(bytes: u8) -> char {
    match bytes {
        1 => 'b',
        2 => 'w',
        4 => 'l',
        _ => 'q',
    }
}

/// Returns the function that has a place in a BAR.
fn function_of(place: Place) -> Option<Address> {
    if let Place::Bar(function, ..) = place { Some(function) } else { None }
}

fn ones(bytes: u8) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (8 * u32::from(bytes))) - 1 }
}

impl Session {
    /// Does an access as the conduct of this session wants it: `act` reaches QEMU.
    fn access(&self, access: Access, act: impl FnOnce() -> Option<u64>) -> u64 {
        let ones = ones(access.bytes);
        if access.action != Action::Read {
            self.time.note_progress();
        }
        let act = || act().map_or(ones, |value| value & ones);
        match &self.conduct {
            Conduct::Live => {
                let value = act();
                self.settle();
                value
            }
            Conduct::Recorded(recorder) => {
                let value = recorder.access(&self.dma_blocks(), access, act);
                if IS_CPU.get() {
                    self.turns.note_handler();
                }
                self.step();
                value
            }
            Conduct::Replayed(player) => player.access(&self.dma_blocks(), access) & ones,
        }
    }

    /// Returns the BAR that has a physical address, with its own address.
    pub(super) fn find_bar(&self, physical: u64) -> Option<(Address, u8, u64)> {
        let bars = lock(&self.bars);
        let mut found: Option<(Address, u8, u64)> = None;
        for (function, values) in &*bars {
            for (index, value) in (0..).zip(values) {
                let (low, high) = (u64::from(value & !0xf), values.get(usize::from(index) + 1).copied().unwrap_or(0));
                for start in [low, u64::from(high) << 32 | low] {
                    if start != 0 && start <= physical && found.is_none_or(|(_, _, nearest)| start > nearest) {
                        found = Some((*function, index, start));
                    }
                }
            }
        }
        found
    }

    /// Reads a register of a BAR.
    pub(super) fn read_register(&self, place: Place, physical: u64, bytes: u8) -> u64 {
        self.access(Access { place, bytes, action: Action::Read }, || {
            self.send_posted(function_of(place));
            if self.faults.reads_ones() {
                return None;
            }
            let value = self.command(format_args!("read{} {physical:#x}", letter(bytes)));
            // QEMU reads zeros where nothing is, and a root complex ones.
            value.filter(|value| *value != 0 || !self.is_unplugged(place))
        })
    }

    /// Returns whether the function of a BAR was unplugged.
    fn is_unplugged(&self, place: Place) -> bool {
        let Place::Bar(function, ..) = place else { return false };
        let is_gone =
            |config| self.command(format_args!("readw {config:#x}")).is_none_or(|vendor| vendor & 0xffff == 0xffff);
        self.has_hot_plug.load(Ordering::Relaxed) && self.config(function, 0).is_none_or(is_gone)
    }

    /// Writes a register of a BAR.
    pub(super) fn write_register(&self, place: Place, physical: u64, bytes: u8, value: u64) {
        let value = value & ones(bytes);
        self.access(Access { place, bytes, action: Action::Write(value) }, || {
            if self.faults.is_removed() {
                return None;
            }
            match function_of(place) {
                Some(function) if self.posted.is_enabled() => {
                    self.posted.push(PostedWrite::new(function, physical, bytes, value, IS_CPU.get()));
                    None
                }
                _ => self.command(format_args!("write{} {physical:#x} {value:#x}", letter(bytes))),
            }
        });
    }

    /// Lets the posted writes to a function arrive, or all. Returns whether a handler had made one of them.
    pub(super) fn send_posted(&self, function: Option<Address>) -> bool {
        self.posted.send(function, |PostedWrite { physical, bytes, value, .. }| {
            if !self.faults.is_removed() {
                self.command(format_args!("write{} {physical:#x} {value:#x}", letter(bytes)));
            }
        })
    }

    /// Lets all posted writes arrive before the handlers of a line are called. When one that a handler had made ends the
    /// interrupt, they are called for nothing: it was not read back.
    pub(super) fn send_posted_before_line(&self, gsi: u32) {
        let is_asserted = |session: &Self| {
            let link = lock(&session.link);
            link.as_ref().is_some_and(|connection| connection.levels >> gsi & 1 != 0)
        };
        let was_asserted = is_asserted(self);
        if self.send_posted(None) && was_asserted && !is_asserted(self) {
            self.posted.count_spurious();
        }
    }

    /// Reads an I/O port.
    pub(super) fn read_port(&self, port: u16) -> u8 {
        let access = Access { place: Place::Port(port), bytes: 1, action: Action::Read };
        self.access(access, || self.command(format_args!("inb {port:#x}"))).to_le_bytes()[0]
    }

    /// Writes an I/O port.
    pub(super) fn write_port(&self, port: u16, value: u8) {
        let access = Access { place: Place::Port(port), bytes: 1, action: Action::Write(value.into()) };
        self.access(access, || self.command(format_args!("outb {port:#x} {value:#x}")));
    }

    fn config(&self, address: Address, offset: u16) -> Option<u64> {
        let is_reached = address.segment() == 0 && offset < 4096;
        let is_removed = self.faults.is_removed() && *lock(&self.subject) == Some(address);
        let function = u64::from(address.bus()) << 20 | u64::from(address.device()) << 15;
        let place = ECAM + (function | u64::from(address.function()) << 12 | u64::from(offset));
        (is_reached && !is_removed).then_some(place)
    }
}

impl ConfigAccess for Session {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        let bytes = width.bytes().to_le_bytes()[0];
        let access = Access { place: Place::Config(address, offset), bytes, action: Action::Read };
        let value = self.access(access, || {
            self.send_posted(Some(address));
            self.config(address, offset)
                .and_then(|place| self.command(format_args!("read{} {place:#x}", letter(bytes))))
        });
        u32::try_from(value).unwrap_or(width.ones())
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        if let 0x10..0x28 = offset
            && width == Width::Dword
            && value != u32::MAX
        {
            lock(&self.bars).entry(address).or_default()[usize::from(offset - 0x10) / 4] = value;
        }
        if offset < 0x40 {
            self.is_time_held.store(true, Ordering::Relaxed);
        }
        let bytes = width.bytes().to_le_bytes()[0];
        let value = u64::from(value) & ones(bytes);
        let access = Access { place: Place::Config(address, offset), bytes, action: Action::Write(value) };
        self.access(access, || {
            self.send_posted(Some(address));
            let place = self.config(address, offset)?;
            self.command(format_args!("write{} {place:#x} {value:#x}", letter(bytes)))
        });
    }

    fn size(&self, _: Address) -> u16 {
        4096
    }
}
