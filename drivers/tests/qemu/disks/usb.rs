//! USB sticks at xHCI controllers.

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
use switchboard_drivers::xhci::Xhci;

use super::{Image, bench, check_content, disks, exercise, facts, futures, inject_controller, sectors};
use crate::usb::CONTROLLERS;

#[test]
fn a_stick_reads_and_writes() {
    let image = Image::new("usb");
    for controller in CONTROLLERS {
        let bench = bench(&[&image.drive("disk0", "")]).device(controller).device("usb-storage,bus=x.0,drive=disk0");
        bench.in_each_mode(|bench| {
            let mut xhci: Xhci = bench.attach();
            let sticks = disks(&mut xhci);
            assert_eq!(facts(&sticks), [(2048, 512, false)]);
            assert_eq!(bench.run(exercise(&sticks[0])), Ok(()));
        });
    }
}

#[test]
fn a_stick_has_blocks_of_4096_bytes() {
    let image = Image::new("usb-4096");
    let disk = "scsi-hd,bus=bot.0,drive=disk0,logical_block_size=4096,physical_block_size=4096";
    let bench = bench(&[&image.drive("disk0", ",readonly=on")]).device(CONTROLLERS[0]);
    let Some(bench) = bench.device("usb-bot,id=bot,bus=x.0").device(disk).start() else { return };
    let sticks = disks(&mut bench.attach::<Xhci>());
    assert_eq!(facts(&sticks), [(2048, 4096, true)]);
    assert_eq!(bench.run(check_content(&sticks[0], 0, 256)), Ok(()));
    assert_eq!(bench.run(sticks[0].write(0, &[0; 4096])), Err(BlockError::ReadOnly { sector: 0 }));
}

#[test]
fn errors_of_a_stick_name_the_sector() {
    let image = Image::new("usb-errors");
    let bench = bench(&[&image.drive_with_bad_sector(100)]);
    let bench = bench.device(CONTROLLERS[0]).device("usb-storage,bus=x.0,drive=disk0,rerror=report");
    bench.in_each_mode(|bench| {
        let stick = &disks(&mut bench.attach::<Xhci>())[0];
        assert_eq!(bench.run(sectors(stick, 100, 1)), Err(BlockError::Io { sector: 100 }));
        assert_eq!(bench.run(check_content(stick, 101, 8)), Ok(()), "the transport works again");
        assert_eq!(bench.run(futures((0..12).map(|at| check_content(stick, at * 3, 2)))), Ok(()));
    });
}

#[test]
fn a_stick_with_faults() {
    let image = Image::new("usb-faults");
    let bench = image.bench(CONTROLLERS[0]).device("usb-storage,bus=x.0,drive=disk0");
    inject_controller::<Xhci>(bench, 20, async |disk| {
        check_content(disk, 7, 1).await?;
        disk.write(7, &[7; 512]).await
    });
}
