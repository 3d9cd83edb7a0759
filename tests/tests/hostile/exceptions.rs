//! Cases whose outcome differs from the class in the catalogue, and why.

use switchboard_tests::proxy::Expect;

/// A case with another outcome than the catalogue requires.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exception {
    pub(crate) case: &'static str,
    pub(crate) outcome: Expect,
    /// Why this outcome is right.
    #[expect(dead_code, reason = "documentation")]
    why: &'static str,
}

/// Returns the exception for `case`, if there is one.
pub(crate) fn exception(case: &str) -> Option<Exception> {
    EXCEPTIONS.iter().find(|exception| exception.case == case).copied()
}

pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        case: "ghost-at-every-device",
        outcome: Expect::Ok,
        why: "only device 0 is probed behind a port, so the copies are never found and nothing is refused",
    },
    Exception {
        case: "header-cardbus",
        outcome: Expect::Ok,
        why: "a CardBus bridge is found and reported, its bus is numbered, and no driver can claim it",
    },
    Exception {
        case: "cap-ptr-ff",
        outcome: Expect::Ok,
        why: "the entry at 0xfc is a Null capability, which ends the list; both are valid",
    },
    Exception {
        case: "msi-overlaps-pm",
        outcome: Expect::Ok,
        why: "in the dump, the MSI capability overwrites the pointer to itself: the list contains a Null capability and no MSI",
    },
    Exception {
        case: "msix-count-changes",
        outcome: Expect::Ok,
        why: "the dword that changes holds id and next pointer, and is read once; a table whose size changes is refused by the grant",
    },
    Exception {
        case: "bar-on-ram",
        outcome: Expect::Ok,
        why: "an address assigned by firmware is no reason to refuse the function: its BAR is moved to a free range and mapped there",
    },
    Exception {
        case: "bar-on-lapic",
        outcome: Expect::Ok,
        why: "an address assigned by firmware is no reason to refuse the function: its BAR is moved to a free range and mapped there",
    },
    Exception {
        case: "bar-on-ioapic",
        outcome: Expect::Ok,
        why: "an address assigned by firmware is no reason to refuse the function: its BAR is moved to a free range and mapped there",
    },
    Exception {
        case: "bar-on-ecam",
        outcome: Expect::Ok,
        why: "an address assigned by firmware is no reason to refuse the function: its BAR is moved to a free range and mapped there",
    },
    Exception {
        case: "bar-on-null",
        outcome: Expect::Ok,
        why: "an address assigned by firmware is no reason to refuse the function: its BAR is moved to a free range and mapped there",
    },
    Exception {
        case: "bars-overlap-self",
        outcome: Expect::Ok,
        why: "an address assigned by firmware is no reason to refuse the function: its BAR is moved to a free range and mapped there",
    },
    Exception {
        case: "bars-overlap-other",
        outcome: Expect::Ok,
        why: "an address assigned by firmware is no reason to refuse the function: its BAR is moved to a free range and mapped there",
    },
    Exception {
        case: "virtio-notify-mult-huge",
        outcome: Expect::Ok,
        why: "a queue's doorbell offset is checked when the queue is set up; that of queue 0 is 0, which is inside",
    },
    Exception {
        case: "virtio-msix-on-common",
        outcome: Expect::Reject,
        why: "MSI-X table entries hold addresses that the device writes to: a driver gets no window over them, and without the common configuration the probe fails",
    },
    Exception {
        case: "virtio-structs-overlap",
        outcome: Expect::Ok,
        why: "the ISR status is read and the common configuration is used as usual: their overlap affects the device alone",
    },
];
