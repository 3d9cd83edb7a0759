//! Configuration spaces of modern virtio functions (virtio 1.2, 4.1.4).

use super::config_builder::ConfigBuilder;

/// The BAR of all structures, and their offsets in it.
pub(super) const BAR: usize = 4;
pub(super) const ISR: u64 = 0x1000;
pub(super) const CONFIG: u64 = 0x2000;
pub(super) const NOTIFY: u64 = 0x3000;

/// Type of a virtio device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtioKind {
    /// A network card.
    Net,
    /// A disk of 1 MiB.
    Blk,
    /// An entropy source.
    Rng,
}

impl VirtioKind {
    const fn id(self) -> u16 {
        match self {
            Self::Net => 0x1041,
            Self::Blk => 0x1042,
            Self::Rng => 0x1044,
        }
    }

    const fn class(self) -> u32 {
        match self {
            Self::Net => 0x02_00_00,
            Self::Blk => 0x01_00_00,
            Self::Rng => 0xff_00_00,
        }
    }

    /// Returns a function with all structures in one BAR, and without MSI or MSI-X.
    #[must_use]
    pub fn config(self) -> ConfigBuilder {
        let capability = |kind: u8, at: u64, length: u32| {
            let mut body = vec![if kind == 2 { 20 } else { 16 }, kind, 4, 0, 0, 0];
            body.extend(u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes());
            body.extend(length.to_le_bytes());
            body
        };
        let mut notify = capability(2, NOTIFY, 0x1000);
        notify.extend(4_u32.to_le_bytes());
        ConfigBuilder::new(0x1af4, self.id(), self.class())
            .memory(BAR, 0x4000)
            .capability(0x09, &capability(1, 0, 56))
            .capability(0x09, &capability(3, ISR, 1))
            .capability(0x09, &capability(4, CONFIG, 0x100))
            .capability(0x09, &notify)
    }
}
