//! Functions that are implemented by the test: real ones from dumps, and malformed ones, beside a machine that works.

mod garbage;
mod hostile;
mod queues;
mod real;
mod removal;

use switchboard_tests::proxy::{GuestMemory, Ones, Proxy, Space};
use switchboard_tests::{Entry, Guest, Machine, Qemu, mebibyte_file, sha256};

/// The slots of q35's first bus that have no other device.
const SLOTS: core::ops::RangeInclusive<u8> = 3..=0x1e;

/// Memory of the guest in MiB.
const MEMORY: u64 = 128;

/// Returns a machine with a network card and a disk; proxied functions are added to it.
fn machine() -> Qemu {
    machine_with(&GuestMemory::mebibytes(MEMORY))
}

/// Returns the same machine, with memory that the test can access.
fn machine_with(memory: &GuestMemory) -> Qemu {
    Qemu::new(Machine::Q35).shared_memory(memory).nic_device("virtio-net-pci,addr=1").files_on("virtio-blk-pci,addr=2")
}

/// Boots the machine with functions at these addresses, as `addr=5`, whose registers all read ones.
fn boot(mut qemu: Qemu, functions: impl IntoIterator<Item = (String, Space)>) -> (Guest, Vec<Proxy>) {
    let mut proxies = Vec::new();
    for (address, space) in functions {
        let (proxy, with) = Proxy::attach(qemu, &address, space, Box::new(Ones));
        proxies.push(proxy);
        qemu = with;
    }
    (start(qemu, &proxies), proxies)
}

/// Starts the guest, and begins logging at the image's entry.
fn start<'a>(qemu: Qemu, proxies: impl IntoIterator<Item = &'a Proxy>) -> Guest {
    let entry = Entry::default();
    let guest = entry.attach(qemu).start();
    entry.reached(&guest, || proxies.into_iter().for_each(Proxy::hand_over));
    guest
}

/// Checks that the page and a file are served.
#[track_caller]
fn serves(guest: &Guest) {
    // The page is available before the disk has been read.
    guest.wait_for("files: 0000:00:02.0");
    let mut client = guest.client();
    let hello = client.get("/hello").expect("the page");
    assert_eq!((hello.status, hello.body.len()), (200, 13));
    let file = client.get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, sha256(&file.body)), (200, sha256(&mebibyte_file())));
}
