//! Bridges in the tree: the windows that they forward, and the limits of those.

use core::ops::Range;

use super::AddressSpace;

/// One window of a bridge: its limit, and the range that it was assigned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowRequest {
    /// The first address above what the window can reach; 0 for a window that the bridge does not implement.
    pub ceiling: u64,
    /// The range that it forwards; `None` while it is closed.
    pub range: Option<Range<u64>>,
}

impl WindowRequest {
    /// The end of the I/O ports of a PC.
    pub const IO_CEILING: u64 = 0x1_0000;
    /// The end of the 32-bit addresses.
    pub const LOW_CEILING: u64 = 1 << 32;

    /// Returns a closed window that reaches up to `ceiling`.
    #[must_use]
    pub const fn closed(ceiling: u64) -> Self {
        Self { ceiling, range: None }
    }
}

/// The windows of a bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bridge {
    /// I/O ports, in steps of 4 KiB.
    pub io: WindowRequest,
    /// Memory below 4 GiB, in steps of 1 MiB.
    pub memory: WindowRequest,
    /// Prefetchable memory, in steps of 1 MiB.
    pub prefetchable: WindowRequest,
    /// Whether cards may be inserted later: new windows get spare memory for them.
    pub takes_hotplug: bool,
}

impl Bridge {
    /// Returns the window of that kind.
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

    /// Returns the window that forwards addresses of `kind` below `ceiling`. A prefetchable window that may be above 4 GiB is not used for a
    /// BAR that is limited to 32 bits. Prefetchable memory may also be in the memory window, whose reads have no side effects then.
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
