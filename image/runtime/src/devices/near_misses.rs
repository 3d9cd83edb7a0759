//! Functions without a driver that look like ones with a driver: relatives of known cards, and kinds of devices that
//! people expect to work. What is left without a driver is logged with the reason.

use core::slice;

use switchboard::driver::{Id, best_match};
use switchboard::function::Function;

/// A family of devices that no driver of this repository serves.
struct Family {
    id: Id,
    what: &'static str,
}

const INTEL: u16 = 0x8086;
const VIRTIO: u16 = 0x1af4;

const E1000: &str = "an Intel PRO/1000 card (e1000), whose id the driver `e1000` does not list";
const E1000E: &str = "an Intel PRO/1000 card for PCI Express (e1000e), whose id the driver `e1000e` does not list";
const IGB: &str = "an Intel gigabit card of the igb family, whose id the driver `igb` does not list";

/// A network card of Intel's.
const fn intel(device: u16, what: &'static str) -> Family {
    Family { id: Id::new(INTEL, device), what }
}

/// A virtio device of that type: with the id since virtio 1.0 (virtio 1.2, 4.1.2).
const fn virtio(kind: u16, what: &'static str) -> Family {
    Family { id: Id::new(VIRTIO, 0x1040 + kind), what }
}

const fn class(base: u8, sub: u8, what: &'static str) -> Family {
    Family { id: Id::class(base, sub), what }
}

const FAMILIES: &[Family] = &[
    // 82542 to 82547 (pci.ids).
    intel(0x1000, E1000),
    intel(0x1001, E1000),
    intel(0x1004, E1000),
    intel(0x1008, E1000),
    intel(0x1009, E1000),
    intel(0x100c, E1000),
    intel(0x100d, E1000),
    intel(0x100e, E1000),
    intel(0x100f, E1000),
    intel(0x1010, E1000),
    intel(0x1011, E1000),
    intel(0x1012, E1000),
    intel(0x1013, E1000),
    intel(0x1014, E1000),
    intel(0x1015, E1000),
    intel(0x1016, E1000),
    intel(0x1017, E1000),
    intel(0x1018, E1000),
    intel(0x1019, E1000),
    intel(0x101a, E1000),
    intel(0x101d, E1000),
    intel(0x101e, E1000),
    intel(0x1026, E1000),
    intel(0x1027, E1000),
    intel(0x1028, E1000),
    intel(0x1075, E1000),
    intel(0x1076, E1000),
    intel(0x1077, E1000),
    intel(0x1078, E1000),
    intel(0x1079, E1000),
    intel(0x107a, E1000),
    intel(0x107b, E1000),
    intel(0x107c, E1000),
    intel(0x108a, E1000),
    intel(0x1099, E1000),
    intel(0x10b5, E1000),
    // 82571 to 82574, and the ports of chipsets that virtual machines and boards often have.
    intel(0x105e, E1000E),
    intel(0x107d, E1000E),
    intel(0x10d3, E1000E),
    intel(0x10ea, E1000E),
    intel(0x1502, E1000E),
    intel(0x153a, E1000E),
    intel(0x15b8, E1000E),
    // 82576 (QEMU's igb), its virtual functions, I210, I350.
    intel(0x10c9, IGB),
    intel(0x10ca, IGB),
    intel(0x1533, IGB),
    intel(0x1521, IGB),
    virtio(1, "a virtio network device, whose driver this image does not have"),
    virtio(2, "a virtio disk, whose driver this image does not have"),
    virtio(3, "a virtio console, without a driver here"),
    virtio(4, "a virtio source of random numbers, whose driver this image does not have"),
    virtio(5, "a virtio memory balloon, without a driver here"),
    virtio(8, "a virtio SCSI adapter, whose driver this image does not have"),
    virtio(16, "a virtio graphics adapter, without a driver here"),
    virtio(18, "a virtio input device, without a driver here"),
    virtio(19, "a virtio socket device, without a driver here"),
    virtio(20, "a virtio cryptography device, without a driver here"),
    virtio(23, "a virtio IOMMU, without a driver here: with boot-bypass=off no device reaches memory"),
    virtio(24, "a virtio memory device, without a driver here"),
    virtio(25, "a virtio sound device, without a driver here"),
    virtio(26, "a virtio file system, without a driver here"),
    virtio(27, "a virtio persistent memory device, without a driver here"),
    virtio(34, "a virtio I2C adapter, without a driver here"),
    virtio(41, "a virtio GPIO device, without a driver here"),
    // Kinds of devices that hold what an image may need.
    class(0x01, 0x00, "a SCSI adapter, without a driver here"),
    class(0x01, 0x04, "a RAID adapter, without a driver here"),
    class(0x01, 0x07, "a SAS adapter, without a driver here"),
    class(0x01, 0x08, "an NVMe controller, whose driver this image does not have"),
    class(0x01, 0x09, "a UFS controller, without a driver here"),
    class(0x02, 0x00, "a network card, without a driver here"),
    class(0x06, 0x07, "a CardBus bridge, which is left alone with the cards behind it"),
];

/// Returns what is known about a function that no driver matches.
pub(super) fn family(function: &Function) -> Option<&'static str> {
    best_match(function, FAMILIES.iter().map(|family| (family.what, slice::from_ref(&family.id))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_testing::{FakeFunction, FakeMachine};

    fn family_of(function: FakeFunction) -> Option<&'static str> {
        let fake = FakeMachine::new([function.at("00:03.0")]);
        family(&fake.machine().take_all().remove(0))
    }

    #[test]
    fn relatives_of_known_cards_have_a_reason() {
        // An 82544EI, with the class of a network card.
        let card = FakeFunction::new(INTEL, 0x1008).byte(11, 0x02);
        assert_eq!(family_of(card), Some(E1000));
        assert_eq!(family_of(FakeFunction::new(INTEL, 0x10c9).byte(11, 0x02)), Some(IGB));
        // By its class alone.
        assert_eq!(
            family_of(FakeFunction::new(0x1022, 0x2000).byte(11, 0x02)),
            Some("a network card, without a driver here")
        );
        assert_eq!(family_of(FakeFunction::new(VIRTIO, 0x1059)), Some("a virtio sound device, without a driver here"));
        assert_eq!(family_of(FakeFunction::new(INTEL, 0x29c0).byte(11, 0x06)), None, "a host bridge");
    }
}
