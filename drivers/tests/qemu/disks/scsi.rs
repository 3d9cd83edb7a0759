//! Disks and CDs at a virtio SCSI adapter.

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
use switchboard_drivers::virtio::VirtioScsi;

use super::{
    Image, SECTORS, bench, check_content, content, discard, disks, exercise, facts, futures, inject_controller,
    rewrite, sectors,
};

const SCSI: &str = "virtio-scsi-pci,id=scsi0";

#[test]
fn virtio_scsi_reads_and_writes() {
    let (image, other) = (Image::new("scsi"), Image::new("scsi-cd"));
    let cd = other.drive("cd0", ",media=cdrom,readonly=on");
    let drives = [image.drive("disk0", ",discard=unmap"), cd, other.drive("disk1", ",readonly=on")];
    let bench = bench(&drives.each_ref().map(String::as_str)).device(SCSI);
    let bench = bench.device("scsi-hd,drive=disk0,scsi-id=0,lun=0").device("scsi-cd,drive=cd0,scsi-id=3,lun=2");
    let bench = bench.device("scsi-hd,drive=disk1,scsi-id=7,lun=300,logical_block_size=4096,physical_block_size=4096");
    bench.in_each_mode(|bench| {
        let mut controller: VirtioScsi = bench.attach();
        let disks = disks(&mut controller);
        assert_eq!(facts(&disks), [(SECTORS, 512, false), (SECTORS, 2048, true), (SECTORS, 4096, true)]);
        assert_eq!(bench.run(exercise(&disks[0])), Ok(()));
        for disk in &disks[1..] {
            assert_eq!(bench.run(check_content(disk, 400, 256)), Ok(()));
            let block = vec![0; 4096];
            assert_eq!(bench.run(disk.write(8, &block)), Err(BlockError::ReadOnly { sector: 8 }));
        }
        assert_eq!(bench.run(discard(&disks[0])), Ok(()));
        let reads = (0..200).map(|at| check_content(&disks[0], at, 1));
        assert_eq!(bench.run(futures(reads)), Ok(()));
    });
}

#[test]
fn virtio_scsi_errors_name_the_sector() {
    let image = Image::new("scsi-errors");
    let bench = bench(&[&image.drive_with_bad_sector(40)]).device(SCSI).device("scsi-hd,drive=disk0");
    bench.in_each_mode(|bench| {
        let mut controller: VirtioScsi = bench.attach();
        let disk = controller.next_disk().expect("a disk");
        assert_eq!(bench.run(sectors(&disk, 40, 1)), Err(BlockError::Io { sector: 40 }));
        assert_eq!(bench.run(sectors(&disk, 41, 1)), Ok(content(41).to_vec()));
    });
}

#[test]
fn virtio_scsi_with_faults() {
    let image = Image::new("scsi-faults");
    inject_controller::<VirtioScsi>(image.bench(SCSI).device("scsi-hd,drive=disk0"), 20, async |disk| {
        rewrite(disk).await
    });
}
