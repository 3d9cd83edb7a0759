//! What a bridge forwards, and what it could.

use core::ops::Range;

use super::AddressSpace;

/// One window of a bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowRequest {
    /// The first address that it cannot reach; 0 for a window that the bridge does not have.
    pub ceiling: u64,
    /// What it forwards.
    pub range: Option<Range<u64>>,
}

impl WindowRequest {
    /// Where the ports of a PC end.
    pub const IO_CEILING: u64 = 0x1_0000;
    /// Where 32-bit addresses end.
    pub const LOW_CEILING: u64 = 1 << 32;

    /// A closed window that reaches up to `ceiling`.
    #[must_use]
    pub const fn closed(ceiling: u64) -> Self {
        Self { ceiling, range: None }
    }
}

/// What a bridge forwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bridge {
    /// I/O ports, in steps of 4 KiB.
    pub io: WindowRequest,
    /// Memory below 4 GiB, in steps of 1 MiB.
    pub memory: WindowRequest,
    /// Prefetchable memory, in steps of 1 MiB.
    pub prefetchable: WindowRequest,
    /// Whether functions may come later: its new windows get some space to spare.
    pub takes_hotplug: bool,
}

impl Bridge {
    /// Its window of that kind.
    #[must_use]
    pub fn window(&self, kind: AddressSpace) -> &WindowRequest {
        match kind {
            AddressSpace::Io => &self.io,
            AddressSpace::Memory => &self.memory,
            AddressSpace::Prefetchable => &self.prefetchable,
        }
    }

    pub(super) fn window_mut(&mut self, kind: AddressSpace) -> &mut WindowRequest {
        match kind {
            AddressSpace::Io => &mut self.io,
            AddressSpace::Memory => &mut self.memory,
            AddressSpace::Prefetchable => &mut self.prefetchable,
        }
    }

    /// Which window forwards addresses of `kind` below `ceiling`. One that may lie above 4 GiB is not for what
    /// cannot follow it there; what may be read ahead need not be.
    pub(super) fn route(&self, kind: AddressSpace, ceiling: u64) -> Option<AddressSpace> {
        let reaches = |kind| self.window(kind).ceiling != 0;
        match kind {
            AddressSpace::Prefetchable if reaches(kind) && self.prefetchable.ceiling <= ceiling => Some(kind),
            AddressSpace::Prefetchable | AddressSpace::Memory => {
                reaches(AddressSpace::Memory).then_some(AddressSpace::Memory)
            }
            AddressSpace::Io => reaches(AddressSpace::Io).then_some(AddressSpace::Io),
        }
    }
}
