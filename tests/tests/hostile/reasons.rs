//! Cases whose class is not that of the catalogue, and why.

use switchboard_tests::proxy::Expect;

/// What becomes of a case here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judgement {
    pub(crate) case: &'static str,
    pub(crate) ours: Expect,
    /// Why that is right.
    #[expect(dead_code, reason = "for those who read it")]
    why: &'static str,
}

/// What becomes of `case`, if that is not what the catalogue says.
pub(crate) fn judgement(case: &str) -> Option<Judgement> {
    JUDGEMENTS.iter().find(|judgement| judgement.case == case).copied()
}

pub(crate) const JUDGEMENTS: &[Judgement] = &[
    Judgement {
        case: "ghost-at-every-device",
        ours: Expect::Ok,
        why: "only device 0 is looked for behind a port, so the copies are never seen and nothing is to be refused",
    },
    Judgement {
        case: "cap-ptr-ff",
        ours: Expect::Ok,
        why: "what is at 0xfc is a Null capability that ends the list; both are as they should be",
    },
    Judgement {
        case: "msi-overlaps-pm",
        ours: Expect::Ok,
        why: "as it is written, the MSI capability overwrites the link that leads to it: the list has a Null capability, and no MSI",
    },
    Judgement {
        case: "msix-count-changes",
        ours: Expect::Ok,
        why: "what changes is the word with the id and the link, which is read once; a table whose size changes is refused by the grant",
    },
    Judgement {
        case: "bar-on-ram",
        ours: Expect::Ok,
        why: "firmware's address is no reason to refuse the function: its BAR is put where nothing else is, and mapped there",
    },
    Judgement {
        case: "bar-on-lapic",
        ours: Expect::Ok,
        why: "firmware's address is no reason to refuse the function: its BAR is put where nothing else is, and mapped there",
    },
    Judgement {
        case: "bar-on-ioapic",
        ours: Expect::Ok,
        why: "firmware's address is no reason to refuse the function: its BAR is put where nothing else is, and mapped there",
    },
    Judgement {
        case: "bar-on-ecam",
        ours: Expect::Ok,
        why: "firmware's address is no reason to refuse the function: its BAR is put where nothing else is, and mapped there",
    },
    Judgement {
        case: "bar-on-null",
        ours: Expect::Ok,
        why: "firmware's address is no reason to refuse the function: its BAR is put where nothing else is, and mapped there",
    },
    Judgement {
        case: "bars-overlap-self",
        ours: Expect::Ok,
        why: "firmware's address is no reason to refuse the function: its BAR is put where nothing else is, and mapped there",
    },
    Judgement {
        case: "bars-overlap-other",
        ours: Expect::Ok,
        why: "firmware's address is no reason to refuse the function: its BAR is put where nothing else is, and mapped there",
    },
    Judgement {
        case: "virtio-notify-mult-huge",
        ours: Expect::Ok,
        why: "where a queue's doorbell is follows from the offset that the queue names, and is refused then; queue 0 at offset 0 is inside",
    },
    Judgement {
        case: "virtio-msix-on-common",
        ours: Expect::Reject,
        why: "a table entry is an address that the device will write: no window over one is given to a driver, and without the common configuration there is no driver",
    },
    Judgement {
        case: "virtio-structs-overlap",
        ours: Expect::Ok,
        why: "the ISR status is read and the common configuration is used as ever: that one lies in the other harms the device alone",
    },
];
