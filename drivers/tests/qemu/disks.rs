//! Disks: virtio block and NVMe, on a raw file.

use std::fs;
use std::path::PathBuf;

use switchboard::driver::Driver;
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
use switchboard_drivers::nvme::Nvme;
use switchboard_drivers::virtio::VirtioBlk;
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

    fn bench(&self, device: &str) -> BenchBuilder {
        let drive = format!("if=none,id=disk0,format=raw,file={}", self.0.display());
        Bench::qemu().arguments(&["-drive", &drive]).device(device)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
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
    let mut large = vec![0; 256 * 1024];
    disk.read(100, &mut large).await?;
    assert!(large.chunks(512).zip(100..).all(|(part, at)| part == content(at)));
    disk.write(1000, &[0xa5; 4096]).await?;
    disk.flush().await?;
    let (mut left, mut right) = ([0; 4096], [0; 512]);
    let (a, b) = embassy_futures::join::join(disk.read(1000, &mut left), disk.read(9, &mut right)).await;
    a.and(b)?;
    assert_eq!((left, right), ([0xa5; 4096], [9; 512]));
    let back: Vec<u8> = (1000..1008).flat_map(content).collect();
    disk.write(1000, &back).await
}

fn check<D: Driver + BlockDevice>(bench: &Bench) {
    let disk: D = bench.attach();
    assert_eq!(disk.capacity(), SECTORS);
    assert_eq!(bench.run(exercise(&disk)), Ok(()));
    let beyond = bench.run(disk.read(SECTORS, &mut [0; 512]));
    assert!(beyond.is_err());
}

#[test]
fn virtio_blk_reads_and_writes() {
    let image = Image::new("virtio");
    image.bench("virtio-blk-pci,drive=disk0").in_each_mode(check::<VirtioBlk>);
}

#[test]
fn nvme_reads_and_writes() {
    let image = Image::new("nvme");
    image.bench("nvme,drive=disk0,serial=1").in_each_mode(check::<Nvme>);
}

fn inject<D: Driver + BlockDevice>(builder: BenchBuilder) {
    let report = builder.inject::<D, BlockError>(40, |bench, disk| {
        bench.try_run(async {
            let mut sector = [0; 512];
            disk.read(7, &mut sector).await?;
            assert_eq!(sector, [7; 512]);
            disk.write(7, &sector).await
        })
    });
    assert!(report.is_none_or(|report| report.faults > 50 && report.errors > 10), "{report:?}");
}

#[test]
fn virtio_blk_with_faults() {
    let image = Image::new("virtio-faults");
    inject::<VirtioBlk>(image.bench("virtio-blk-pci,drive=disk0"));
}

#[test]
fn nvme_with_faults() {
    let image = Image::new("nvme-faults");
    inject::<Nvme>(image.bench("nvme,drive=disk0,serial=1"));
}
