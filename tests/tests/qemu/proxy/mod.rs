//! Functions that the test itself is: real ones from dumps, and all kinds of liars, beside a machine that works.

mod garbage;
mod hostile;
mod queues;
mod real;
mod removal;

use switchboard_tests::proxy::{GuestMemory, Ones, Proxy, Space};
use switchboard_tests::{Entry, Guest, Machine, Qemu, mebibyte_file, sha256};

/// The slots of q35's first bus that nobody else has.
const SLOTS: core::ops::RangeInclusive<u8> = 3..=0x1e;

/// MiB of the guest.
const MEMORY: u64 = 128;

/// A machine with a network card and a disk, and then proxied functions.
fn machine() -> Qemu {
    machine_with(&GuestMemory::mebibytes(MEMORY))
}

/// The same, with memory that the test reaches too.
fn machine_with(memory: &GuestMemory) -> Qemu {
    Qemu::new(Machine::Q35).shared_memory(memory).nic_device("virtio-net-pci,addr=1").files_on("virtio-blk-pci,addr=2")
}

/// Boots the machine with functions at these places, as `addr=5`, none of whose registers answers.
fn boot(mut qemu: Qemu, functions: impl IntoIterator<Item = (String, Space)>) -> (Guest, Vec<Proxy>) {
    let mut proxies = Vec::new();
    for (place, space) in functions {
        let (proxy, with) = Proxy::attach(qemu, &place, space, Box::new(Ones));
        proxies.push(proxy);
        qemu = with;
    }
    (start(qemu, &proxies), proxies)
}

/// Starts the guest, and counts from its entry on.
fn start<'a>(qemu: Qemu, proxies: impl IntoIterator<Item = &'a Proxy>) -> Guest {
    let entry = Entry::default();
    let guest = entry.attach(qemu).start();
    entry.reached(&guest, || proxies.into_iter().for_each(Proxy::hand_over));
    guest
}

/// The page and a file still come.
#[track_caller]
fn serves(guest: &Guest) {
    // The page is there before the disk has been looked at.
    guest.wait_for("files: 0000:00:02.0");
    let mut client = guest.client();
    let hello = client.get("/hello").expect("the page");
    assert_eq!((hello.status, hello.body.len()), (200, 13));
    let file = client.get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, sha256(&file.body)), (200, sha256(&mebibyte_file())));
}
