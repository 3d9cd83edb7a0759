//! Disks and a CD at an AHCI controller.

use switchboard_drivers::ahci::{Ahci, AhciDisk};
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
use switchboard_testing::qemu::BenchBuilder;

use super::{
    Image, SECTORS, bench, check_content, content, disks, exercise, facts, futures, inject_controller, rewrite,
};

const AHCI: &str = "ich9-ahci,id=ahci0";

/// Returns a bench with disks at the ports of an AHCI controller.
fn ahci(image: &Image, disk: &str) -> BenchBuilder {
    image.bench(AHCI).device(&format!("{disk},drive=disk0,bus=ahci0.0"))
}

/// Returns the only disk of the controller.
fn only_disk(controller: &mut Ahci) -> AhciDisk {
    let mut disks = disks(controller);
    assert_eq!(disks.len(), 1);
    disks.remove(0)
}

#[test]
fn ahci_reads_and_writes() {
    let image = Image::new("ahci");
    ahci(&image, "ide-hd").in_each_mode(|bench| {
        let mut controller: Ahci = bench.attach();
        let disk = only_disk(&mut controller);
        assert!(bench.policy().permits(controller.mode()) && disk.has_command_queue());
        assert_eq!(disk.capacity(), SECTORS);
        assert_eq!(bench.run(exercise(&disk)), Ok(()));
        let reads = (0..64).map(|at| {
            let disk = &disk;
            async move {
                let mut sector = [0; 512];
                disk.read(at, &mut sector).await.map(|()| assert_eq!(sector, content(at)))
            }
        });
        // More than the device queues, with writes, flushes and TRIM between them, which are not queued.
        let others = async {
            for at in 1500..1520 {
                disk.write(at, &[1; 512]).await?;
                disk.flush().await?;
                disk.discard(at, 1).await?;
            }
            Ok::<(), BlockError>(())
        };
        let reads = async { futures(reads).await };
        let (left, right) = bench.run(embassy_futures::join::join(reads, others));
        assert_eq!((left, right), (Ok(()), Ok(())));
        drop(controller);
        // A disk outlives the value of its controller.
        assert_eq!(bench.run(disk.read(0, &mut [0; 512])), Ok(()));
    });
}

#[test]
fn ahci_serves_two_disks_and_a_cd() {
    let (image, other) = (Image::new("ahci-two"), Image::new("ahci-other"));
    let cd = other.drive("cd0", ",media=cdrom,readonly=on");
    let bench = bench(&[&image.drive("disk0", ""), &cd, &other.drive("disk1", ",file.locking=off")]).device(AHCI);
    let bench = bench.device("ide-hd,drive=disk0,bus=ahci0.0").device("ide-hd,drive=disk1,bus=ahci0.1");
    bench.device("ide-cd,drive=cd0,bus=ahci0.3").device("ide-cd,bus=ahci0.5").in_each_mode(|bench| {
        let mut controller: Ahci = bench.attach();
        let disks = disks(&mut controller);
        // The drive without a medium is left out.
        assert_eq!(facts(&disks), [(SECTORS, 512, false), (SECTORS, 512, false), (SECTORS, 2048, true)]);
        assert_eq!(bench.run(exercise(&disks[0])), Ok(()));
        assert_eq!(bench.run(check_content(&disks[2], 400, 256)), Ok(()));
        assert_eq!(bench.run(disks[2].write(0, &[0; 2048])), Err(BlockError::ReadOnly { sector: 0 }));
    });
}

#[test]
fn ahci_errors_of_the_medium_end_the_right_request() {
    let image = Image::new("ahci-errors");
    let bench = bench(&[&image.drive_with_bad_sector(40)]).device(AHCI);
    bench.device("ide-hd,drive=disk0,bus=ahci0.0").in_each_mode(|bench| {
        let mut controller: Ahci = bench.attach();
        let disk = only_disk(&mut controller);
        for _ in 0..3 {
            let reads = (30..50).map(|at| {
                let disk = &disk;
                async move {
                    let mut sector = [0; 512];
                    let outcome = disk.read(at, &mut sector).await;
                    match at {
                        40 => assert_eq!(outcome, Err(BlockError::Io { sector: 40 })),
                        _ => assert_eq!((outcome, sector), (Ok(()), content(at)), "sector {at}"),
                    }
                    Ok(())
                }
            });
            assert_eq!(bench.run(futures(reads)), Ok(()));
        }
    });
}

#[test]
fn ahci_with_faults() {
    let image = Image::new("ahci-faults");
    inject_controller::<Ahci>(ahci(&image, "ide-hd"), 40, async |disk| {
        rewrite(disk).await?;
        disk.flush().await
    });
}
