//! What a bridge forwards, and what it could.

use core::ops::Range;

use super::Kind;

/// One window of a bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// The first address that it cannot reach; 0 for a window that the bridge does not have.
    pub ceiling: u64,
    /// What it forwards.
    pub range: Option<Range<u64>>,
}

impl Window {
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
    pub io: Window,
    /// Memory below 4 GiB, in steps of 1 MiB.
    pub memory: Window,
    /// Prefetchable memory, in steps of 1 MiB.
    pub prefetchable: Window,
    /// Whether functions may come later: its new windows get some space to spare.
    pub takes_hotplug: bool,
}

impl Bridge {
    /// Its window of that kind.
    #[must_use]
    pub fn window(&self, kind: Kind) -> &Window {
        match kind {
            Kind::Io => &self.io,
            Kind::Memory => &self.memory,
            Kind::Prefetchable => &self.prefetchable,
        }
    }

    pub(super) fn window_mut(&mut self, kind: Kind) -> &mut Window {
        match kind {
            Kind::Io => &mut self.io,
            Kind::Memory => &mut self.memory,
            Kind::Prefetchable => &mut self.prefetchable,
        }
    }

    /// Which window forwards addresses of `kind` below `ceiling`. One that may lie above 4 GiB is not for what
    /// cannot follow it there; what may be read ahead need not be.
    pub(super) fn route(&self, kind: Kind, ceiling: u64) -> Option<Kind> {
        let reaches = |kind| self.window(kind).ceiling != 0;
        match kind {
            Kind::Prefetchable if reaches(kind) && self.prefetchable.ceiling <= ceiling => Some(kind),
            Kind::Prefetchable | Kind::Memory => reaches(Kind::Memory).then_some(Kind::Memory),
            Kind::Io => reaches(Kind::Io).then_some(Kind::Io),
        }
    }
}
