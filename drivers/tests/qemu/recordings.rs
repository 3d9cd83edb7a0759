//! Drivers on recordings of their devices: no QEMU is needed. A change of what a driver does to its device is a failure here: when it is
//! as wanted, `UPDATE=1 cargo test -p switchboard-drivers --test qemu recordings` records anew.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::PathBuf;

use switchboard::platform::ModePolicy;
use switchboard_drivers::edu::Edu;
use switchboard_drivers::virtio::VirtioRng;
use switchboard_testing::qemu::Bench;

/// Returns the path of a recording that is checked in.
fn stored(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/qemu/recordings").join(name)
}

fn edu(bench: &Bench) {
    let mut edu: Edu = bench.attach();
    assert_eq!(bench.run(edu.factorial(5)), Ok(120));
    assert_eq!(bench.run(edu.write_buffer(7, &[0x5a; 100])), Ok(()));
    let mut received = [0; 100];
    assert_eq!(bench.run(edu.read_buffer(7, &mut received)), Ok(()));
    assert_eq!(received, [0x5a; 100]);
}

fn rng(bench: &Bench) -> [u8; 64] {
    let mut rng: VirtioRng = bench.attach();
    let mut bytes = [0; 64];
    assert!(bench.run(rng.fill(&mut bytes)).is_ok());
    bytes
}

/// Records anew, if the file is to be replaced, and plays it.
fn play(name: &str, device: &str, policy: ModePolicy, test: impl Fn(&Bench)) {
    if std::env::var_os("UPDATE").is_some() {
        let bench = Bench::qemu().device(device).policy(policy).record(stored(name)).start();
        bench.inspect(&test);
    }
    let bench = Bench::replay(stored(name));
    test(&bench);
    bench.check_nothing_left();
}

#[test]
fn edu_is_played() {
    play("edu.intx.recording", "edu", ModePolicy::INTX, edu);
    play("edu.msi.recording", "edu", ModePolicy::MSI, edu);
}

#[test]
fn virtio_rng_is_played() {
    play("virtio-rng.msix.recording", "virtio-rng-pci", ModePolicy::MSIX, |bench| {
        rng(bench);
    });
    // Each replay has the recorded data.
    let first = rng(&Bench::replay(stored("virtio-rng.msix.recording")));
    assert!(first.iter().any(|byte| *byte != 0));
    assert_eq!(rng(&Bench::replay(stored("virtio-rng.msix.recording"))), first);
}

/// Returns the message of the panic of a changed use of edu.
fn difference(changed: impl Fn(&Bench)) -> String {
    let bench = Bench::replay(stored("edu.msi.recording"));
    let result = catch_unwind(AssertUnwindSafe(|| {
        changed(&bench);
        bench.check_nothing_left();
    }));
    let panic = result.expect_err("the change is found");
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn a_difference_names_the_access() {
    // Another value.
    let message = difference(|bench| {
        let mut edu: Edu = bench.attach();
        assert_eq!(bench.run(edu.factorial(6)), Ok(720));
    });
    assert!(message.starts_with("the run differs from edu.msi.recording at access "), "{message}");
    let lines = "\n  recorded: write 00:01.0 bar0+0x8 4 0x00000005\n  done:     write 00:01.0 bar0+0x8 4 0x00000006\n  before:   ";
    assert!(message.contains(lines), "{message}");
    // A run that ends early: the drop of the driver is compared with what was recorded.
    let message = difference(|bench| {
        let mut edu: Edu = bench.attach();
        assert_eq!(bench.run(edu.factorial(5)), Ok(120));
    });
    let lines =
        "\n  recorded: read 00:01.0 bar0+0x98 8 0x0000000000000000\n  done:     write 00:01.0 bar0+0x20 4 0x00000000\n";
    assert!(message.contains(lines), "{message}");
    // Other content of a buffer.
    let message = difference(|bench| {
        let mut edu: Edu = bench.attach();
        assert_eq!(bench.run(edu.factorial(5)), Ok(120));
        assert_eq!(bench.run(edu.write_buffer(7, &[0x5b; 100])), Ok(()));
    });
    let line = "\n  done:     write 00:01.0 bar0+0x80 8 0x0000000000200000, with 5b in DMA memory at 0x200000, where 5a was recorded\n";
    assert!(message.contains(line), "{message}");
    // A use that goes on where the recording ends.
    let message = difference(|bench| {
        edu(bench);
        edu(bench);
    });
    assert!(message.contains("its end\n  recorded: nothing more\n  done:     "), "{message}");
    // A task that waits where the recorded driver did something.
    let message = difference(|bench| {
        let _edu: Edu = bench.attach();
        bench.run(core::future::pending::<()>());
    });
    assert!(message.contains("  done:     a task waits, and is woken by nothing\n"), "{message}");
}
