//! Disks: virtio block, NVMe, AHCI, virtio SCSI and USB, on a raw file.

mod ahci;
mod nvme;
mod scsi;
mod usb;
mod virtio_blk;

use core::ops::Range;
use std::fs;
use std::path::PathBuf;

use switchboard::driver::Driver;
use switchboard_drivers::ahci::Ahci;
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
use switchboard_drivers::nvme::Nvme;
use switchboard_drivers::virtio::{VirtioBlk, VirtioScsi};
use switchboard_testing::qemu::{Bench, BenchBuilder};

/// The sectors of the disk.
const SECTORS: u64 = 2048;

/// Returns the first content of a sector.
fn content(sector: u64) -> [u8; 512] {
    [u8::try_from(sector % 251).expect("below 251"); 512]
}

/// A raw file of sectors with their first content; removed when this is dropped.
struct Image(PathBuf);

impl Image {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("switchboard-{}-{name}.img", std::process::id()));
        let this = Self(path);
        fs::write(&this.0, (0..SECTORS).flat_map(content).collect::<Vec<_>>()).expect("a file");
        this
    }

    /// Returns the words of QEMU's `-drive` for this file, by an id and further options, as `,readonly=on`.
    fn drive(&self, id: &str, options: &str) -> String {
        format!("if=none,id={id},format=raw,file={}{options}", self.0.display())
    }

    /// Returns the words of a drive `disk0` on this file, where reads of one sector fail.
    fn drive_with_bad_sector(&self, sector: u64) -> String {
        let file = format!("file.driver=blkdebug,file.image.driver=file,file.image.filename={}", self.0.display());
        let rule = ["event=none", "iotype=read", "errno=5", &format!("sector={sector}")]
            .map(|rule| format!(",file.inject-error.0.{rule}"));
        format!("if=none,id=disk0,format=raw,{file}{}", rule.concat())
    }

    /// Returns a bench with a device on this file, which is the drive `disk0`.
    fn bench(&self, device: &str) -> BenchBuilder {
        bench(&[&self.drive("disk0", "")]).device(device)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Returns a bench with these drives, by the words of QEMU's `-drive`.
fn bench(drives: &[&str]) -> BenchBuilder {
    drives.iter().fold(Bench::qemu(), |bench, drive| bench.arguments(&["-drive", drive]))
}

/// Returns the content of some sectors.
async fn sectors(disk: &impl BlockDevice, first: u64, count: usize) -> Result<Vec<u8>, BlockError> {
    let mut data = vec![0; count * 512];
    disk.read(first, &mut data).await.map(|()| data)
}

/// Reads sectors of the first content, and checks them.
async fn check_content(disk: &impl BlockDevice, first: u64, count: usize) -> Result<(), BlockError> {
    let data = sectors(disk, first, count).await?;
    assert!(data.chunks(512).zip(first..).all(|(part, at)| part == content(at)));
    Ok(())
}

/// Writes the first content into sectors.
async fn restore(disk: &impl BlockDevice, sectors: Range<u64>) -> Result<(), BlockError> {
    let content: Vec<u8> = sectors.clone().flat_map(content).collect();
    disk.write(sectors.start, &content).await
}

/// Reads and writes: small and large, out of range, several at once.
async fn exercise(disk: &impl BlockDevice) -> Result<(), BlockError> {
    let mut sector = [0; 512];
    disk.read(7, &mut sector).await?;
    assert_eq!(sector, [7; 512]);
    // As many requests as wrap a ring.
    for at in 0..40 {
        let mut three = [0; 1536];
        disk.read(at, &mut three).await?;
        assert_eq!(three[..], [content(at), content(at + 1), content(at + 2)].concat());
    }
    check_content(disk, 100, 512).await?;
    disk.write(1000, &[0xa5; 4096]).await?;
    disk.flush().await?;
    let (mut left, mut right) = ([0; 4096], [0; 512]);
    let (a, b) = embassy_futures::join::join(disk.read(1000, &mut left), disk.read(9, &mut right)).await;
    a.and(b)?;
    assert_eq!((left, right), ([0xa5; 4096], [9; 512]));
    restore(disk, 1000..1008).await
}

/// Discards sectors; those beside them stay as they are.
async fn discard(disk: &impl BlockDevice) -> Result<(), BlockError> {
    disk.discard(600, 200).await?;
    check_content(disk, 599, 1).await?;
    check_content(disk, 800, 1).await?;
    restore(disk, 600..800).await
}

fn check<D: Driver + BlockDevice>(bench: &Bench) {
    let disk: D = bench.attach();
    assert_eq!(disk.capacity(), SECTORS);
    assert_eq!(bench.run(exercise(&disk)), Ok(()));
    let beyond = bench.run(disk.read(SECTORS, &mut [0; 512]));
    assert!(beyond.is_err());
}

/// Exercises a disk of a controller.
fn check_controller<D: Driver + DiskController>(bench: &Bench) {
    let mut controller: D = bench.attach();
    let disks = disks(&mut controller);
    assert_eq!(bench.run(exercise(&disks[0])), Ok(()));
}

#[test]
fn disks_whose_registers_are_written_late() {
    let image = Image::new("posted");
    let with_disk = |device, disk| image.bench(device).device(disk).posted_writes();
    image.bench("virtio-blk-pci,drive=disk0").posted_writes().in_each_mode(check::<VirtioBlk>);
    image.bench("nvme,drive=disk0,serial=1").posted_writes().in_each_mode(check::<Nvme>);
    with_disk("ich9-ahci,id=ahci0", "ide-hd,drive=disk0,bus=ahci0.0").in_each_mode(check_controller::<Ahci>);
    with_disk("virtio-scsi-pci", "scsi-hd,drive=disk0").in_each_mode(check_controller::<VirtioScsi>);
}

/// Returns the disks of a controller.
fn disks<D: DiskController>(controller: &mut D) -> Vec<D::Disk> {
    core::iter::from_fn(|| controller.next_disk()).collect()
}

/// Returns the sectors, the bytes of a block and whether it is read-only, of each disk.
fn facts<D: BlockDevice>(disks: &[D]) -> Vec<(u64, usize, bool)> {
    let geometries = disks.iter().map(|disk| disk.geometry().expect("present"));
    geometries.map(|it| (it.capacity, it.block_bytes, it.is_read_only)).collect()
}

/// Awaits all futures, side by side.
async fn futures(all: impl Iterator<Item = impl Future<Output = Result<(), BlockError>>>) -> Result<(), BlockError> {
    let mut all: Vec<_> = all.map(Box::pin).map(Some).collect();
    core::future::poll_fn(|context| {
        let mut outcome = Ok(());
        for slot in &mut all {
            if let Some(future) = slot
                && let core::task::Poll::Ready(result) = future.as_mut().poll(context)
            {
                outcome = outcome.and(result);
                *slot = None;
            }
        }
        let is_done = outcome.is_err() || all.iter().all(Option::is_none);
        if is_done { core::task::Poll::Ready(outcome) } else { core::task::Poll::Pending }
    })
    .await
}

/// Reads a sector and writes it back.
async fn rewrite(disk: &impl BlockDevice) -> Result<(), BlockError> {
    assert_eq!(sectors(disk, 7, 1).await?, [7; 512]);
    disk.write(7, &[7; 512]).await
}

/// Injects faults into a use of a driver.
fn inject<D: Driver>(
    builder: BenchBuilder,
    limit: u64,
    use_device: impl Fn(&Bench, &mut D) -> Option<Result<(), BlockError>>,
) {
    let report = builder.inject::<D, BlockError>(limit, use_device);
    assert!(report.is_none_or(|report| report.stuck == 0 && report.faults > 50 && report.errors > 10), "{report:?}");
}

/// Injects faults into a use of the first disk of a controller.
fn inject_controller<D: DiskController + Driver>(
    builder: BenchBuilder,
    limit: u64,
    use_disk: impl AsyncFn(&D::Disk) -> Result<(), BlockError>,
) {
    inject::<D>(builder, limit, |bench, controller| {
        let Some(disk) = controller.next_disk() else { return Some(Err(BlockError::Gone { sector: 0 })) };
        bench.try_run(use_disk(&disk))
    });
}
