//! A virtio device's vendor capability: where it keeps one of its structures (virtio 1.2, 4.1.4).

use super::{BarOffset, Space};

/// What a virtio vendor capability says: what is there, not whether it is sensible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtioCapability {
    /// Where it is in configuration space.
    pub at: u16,
    /// Bytes that it says it has.
    pub length: u8,
    /// Which structure: 1 common, 2 notifications, 3 ISR status, 4 the device's own, 5 access through configuration space,
    /// 8 shared memory.
    pub kind: u8,
    /// Which of several of its kind.
    pub id: u8,
    /// Where the structure begins. BARs above 5 are reserved.
    pub place: BarOffset,
    /// Bytes of the structure.
    pub structure_length: u32,
}

impl VirtioCapability {
    /// Bytes of the capability.
    pub const LENGTH: u16 = 16;

    /// Reads the capability at `at`; `None` when it does not fit the first 256 bytes.
    pub(crate) fn read(space: Space, at: u16) -> Option<Self> {
        if at > 256 - Self::LENGTH || !space.reaches(at, Self::LENGTH) {
            return None;
        }
        let [_, _, length, kind] = space.read_u32(at).to_le_bytes();
        let [bar, id, _, _] = space.read_u32(at + 4).to_le_bytes();
        let place = BarOffset { bar, offset: space.read_u32(at + 8) };
        Some(Self { at, length, kind, id, place, structure_length: space.read_u32(at + 12) })
    }
}
