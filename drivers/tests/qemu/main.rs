//! Tests of each driver on QEMU's own model of its device, in each interrupt mode that the device offers. Nothing is booted.

mod console;
mod disks;
mod display;
mod hotplug;
mod input;
mod network;
mod recordings;
mod share;
mod usb;
mod vhost_user;
mod vsock;

use switchboard::interrupt::{Mode, ModePolicy};
use switchboard_drivers::edu::{Edu, EduError};
use switchboard_drivers::virtio::VirtioRng;
use switchboard_drivers::virtio::rng::RngError;
use switchboard_testing::qemu::Bench;

fn permitted(bench: &Bench, mode: Mode) -> bool {
    bench.policy().permits(mode)
}

#[test]
fn edu_computes_and_copies() {
    Bench::qemu().device("edu").in_each_mode(|bench| {
        let mut edu: Edu = bench.attach();
        assert!(permitted(bench, edu.mode()));
        assert_eq!(bench.run(edu.factorial(5)), Ok(120));
        assert_eq!(bench.run(edu.factorial(12)), Ok(479_001_600));
        assert_eq!(bench.run(edu.factorial(13)), Err(EduError::TooLarge { n: 13 }));
        let (sent, mut received) = ([0x5a; 100], [0; 100]);
        assert_eq!(bench.run(edu.write_buffer(7, &sent)), Ok(()));
        assert_eq!(bench.run(edu.read_buffer(7, &mut received)), Ok(()));
        assert_eq!(received, sent);
    });
}

#[test]
fn edu_and_rng_whose_registers_are_written_late() {
    Bench::qemu().device("edu").posted_writes().in_each_mode(|bench| {
        let mut edu: Edu = bench.attach();
        (0..20).for_each(|_| assert_eq!(bench.run(edu.factorial(5)), Ok(120)));
        assert_eq!(bench.run(edu.write_buffer(7, &[0x5a; 100])), Ok(()));
    });
    Bench::qemu().device("virtio-rng-pci").posted_writes().in_each_mode(|bench| {
        let mut rng: VirtioRng = bench.attach();
        assert!(bench.run(rng.fill(&mut [0; 4096])).is_ok());
    });
}

#[test]
fn a_qemu_ends_with_its_bench() {
    let Some(bench) = Bench::qemu().device("edu").policy(ModePolicy::INTX).start() else { return };
    let pid = bench.pid().expect("a process");
    let is_alive = || std::path::Path::new(&format!("/proc/{pid}")).exists();
    assert!(is_alive());
    drop(bench);
    assert!(!is_alive());
}

#[test]
fn edu_with_faults() {
    let report = Bench::qemu().device("edu").inject::<Edu, EduError>(60, |bench, edu| {
        bench.try_run(async {
            assert_eq!(edu.factorial(5).await?, 120);
            edu.write_buffer(0, &[1; 8]).await
        })
    });
    assert!(report.is_none_or(|report| report.stuck == 0 && report.faults > 20 && report.errors > 10), "{report:?}");
}

#[test]
fn virtio_rng_fills() {
    Bench::qemu().device("virtio-rng-pci").in_each_mode(|bench| {
        let mut rng: VirtioRng = bench.attach();
        let mut bytes = [0; 4096];
        assert!(bench.run(rng.fill(&mut bytes)).is_ok());
        assert!(bytes.chunks(64).all(|part| part.iter().any(|byte| *byte != 0)));
    });
}

#[test]
fn virtio_rng_with_faults() {
    let report = Bench::qemu()
        .device("virtio-rng-pci")
        .inject::<VirtioRng, RngError>(40, |bench, rng| bench.try_run(rng.fill(&mut [0; 64])));
    assert!(report.is_none_or(|report| report.stuck == 0 && report.faults > 50 && report.errors > 10), "{report:?}");
}
