//! Disks: virtio block, NVMe and AHCI, on a raw file.

use std::fs;
use std::path::PathBuf;

use switchboard::driver::Driver;
use switchboard_drivers::ahci::{Ahci, AhciDisk};
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
use switchboard_drivers::nvme::{Nvme, VirtualControllersError};
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

/// Returns the content of some sectors.
async fn sectors(disk: &impl BlockDevice, first: u64, count: usize) -> Result<Vec<u8>, BlockError> {
    let mut data = vec![0; count * 512];
    disk.read(first, &mut data).await.map(|()| data)
}

#[test]
fn virtio_blk_discards_and_writes_zeroes() {
    let image = Image::new("virtio-ranges");
    let drive = format!("if=none,id=disk0,format=raw,discard=unmap,file={}", image.0.display());
    let bench = Bench::qemu().arguments(&["-drive", &drive]);
    bench.device("virtio-blk-pci,drive=disk0,max-discard-sectors=64,max-write-zeroes-sectors=100").in_each_mode(
        |bench| {
            let disk: VirtioBlk = bench.attach();
            let geometry = disk.geometry().expect("it is present");
            assert_eq!((geometry.max_discard_bytes, geometry.max_write_zeroes_bytes), (64 * 512, 100 * 512));
            let outcome = bench.run(async {
                // More than one request takes.
                disk.write_zeroes(300, 250).await?;
                let data = sectors(&disk, 299, 252).await?;
                assert!(data[512..251 * 512].iter().all(|byte| *byte == 0));
                assert_eq!((&data[..512], &data[251 * 512..]), (&content(299)[..], &content(550)[..]));
                disk.discard(600, 200).await?;
                assert_eq!(sectors(&disk, 599, 1).await?, content(599));
                assert_eq!(sectors(&disk, 800, 1).await?, content(800));
                let back: Vec<u8> = (300..800).flat_map(content).collect();
                disk.write(300, &back).await
            });
            assert_eq!(outcome, Ok(()));
            assert!(matches!(bench.run(disk.discard(SECTORS, 1)), Err(BlockError::PastEnd { .. })));
        },
    );
}

#[test]
fn virtio_blk_has_blocks_of_4096_bytes() {
    let image = Image::new("virtio-4096");
    let device = "virtio-blk-pci,drive=disk0,logical_block_size=4096,physical_block_size=4096";
    image.bench(device).in_each_mode(|bench| {
        let disk: VirtioBlk = bench.attach();
        assert_eq!(disk.geometry().map(|it| (it.capacity, it.block_bytes)), Some((SECTORS, 4096)));
        // From the first sector on, in requests as long as the device takes.
        let data = bench.run(sectors(&disk, 0, 256)).expect("whole blocks");
        assert!(data.chunks(512).zip(0..).all(|(part, at)| part == content(at)));
        assert_eq!(bench.run(disk.write(8, &data[4096..8192])), Ok(()));
        assert_eq!(bench.run(disk.write_zeroes(16, 8)), Ok(()));
        assert_eq!(bench.run(sectors(&disk, 16, 8)), Ok(vec![0; 4096]));
        assert_eq!(bench.run(disk.write(16, &data[8192..12288])), Ok(()));
        let part = bench.run(sectors(&disk, 1, 1));
        assert_eq!(part, Err(BlockError::NotBlocks { sector: 1, length: 512, block_bytes: 4096 }));
    });
}

#[test]
fn nvme_reads_and_writes() {
    let image = Image::new("nvme");
    // With a controller memory buffer, which stays unused.
    for device in ["nvme,drive=disk0,serial=1", "nvme,drive=disk0,serial=1,cmb_size_mb=4"] {
        image.bench(device).in_each_mode(check::<Nvme>);
    }
}

#[test]
fn nvme_with_blocks_of_4096_bytes() {
    let image = Image::new("nvme-4096");
    let device = "nvme,drive=disk0,serial=1,logical_block_size=4096,physical_block_size=4096";
    image.bench(device).in_each_mode(|bench| {
        let disk: Nvme = bench.attach();
        assert_eq!(disk.geometry().map(|geometry| (geometry.capacity, geometry.block_bytes)), Some((SECTORS, 4096)));
        let mut block = [0; 4096];
        for at in (0..SECTORS).step_by(8 * 17) {
            assert_eq!(bench.run(disk.read(at, &mut block)), Ok(()));
            assert!(block.chunks(512).zip(at..).all(|(part, sector)| part == content(sector)));
        }
        assert!(matches!(bench.run(disk.read(1, &mut block)), Err(BlockError::NotBlocks { .. })));
    });
}

#[test]
fn nvme_serves_each_namespace_with_its_block_size() {
    let (first, second) = (Image::new("nvme-first"), Image::new("nvme-second"));
    let drive = format!("if=none,id=disk1,format=raw,file={}", second.0.display());
    let controller = Bench::qemu().device("nvme,id=nvme0,serial=1").arguments(&["-drive", &drive]);
    let drive = format!("if=none,id=disk0,format=raw,file={}", first.0.display());
    let bench = controller
        .arguments(&["-drive", &drive])
        .device("nvme-ns,drive=disk0,bus=nvme0,nsid=1")
        .device("nvme-ns,drive=disk1,bus=nvme0,nsid=7,logical_block_size=4096,physical_block_size=4096");
    bench.in_each_mode(|bench| {
        let mut controller: Nvme = bench.attach();
        let disks: Vec<_> = core::iter::from_fn(|| controller.next_disk()).collect();
        drop(controller);
        let [small, large] = &disks[..] else { panic!("two disks: {disks:?}") };
        assert_eq!(bench.run(exercise(small)), Ok(()));
        bench
            .run(async {
                large.write(1000, &[0x77; 8192]).await?;
                large.flush().await?;
                let mut back = [0; 8192];
                large.read(1000, &mut back).await?;
                assert_eq!(back, [0x77; 8192]);
                // Zeroes, and then the old content again for the next mode.
                large.write_zeroes(1000, 8).await?;
                large.read(1000, &mut back).await?;
                assert_eq!((back[..4096].iter().any(|byte| *byte != 0), back[4096]), (false, 0x77));
                large.discard(1008, 8).await?;
                Ok::<(), BlockError>(())
            })
            .expect("the namespace works");
        assert!(small.check_timeouts().is_some());
        assert_eq!(bench.run(exercise(small)), Ok(()));
        let details = bench.function_under_test().details;
        assert!(details.iter().any(|(name, _)| *name == "temperature"), "{details:?}");
        assert!(details.contains(&("model", "QEMU NVMe Ctrl".to_owned())), "{details:?}");
    });
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

const AHCI: &str = "ich9-ahci,id=ahci0";

/// Returns a bench with disks at the ports of an AHCI controller.
fn ahci(image: &Image, disk: &str) -> BenchBuilder {
    image.bench(AHCI).device(&format!("{disk},drive=disk0,bus=ahci0.0"))
}

/// Returns the only disk of the controller.
fn only_disk(controller: &mut Ahci) -> AhciDisk {
    let disk = controller.next_disk().expect("a disk");
    assert!(controller.next_disk().is_none(), "no other one");
    disk
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

#[test]
fn ahci_serves_two_disks_and_a_cd() {
    let (image, other) = (Image::new("ahci-two"), Image::new("ahci-other"));
    let cd = format!("if=none,id=cd0,format=raw,media=cdrom,readonly=on,file={}", other.0.display());
    let bench = ahci(&image, "ide-hd").device("ide-cd,drive=cd0,bus=ahci0.3").device("ide-cd,bus=ahci0.5");
    let more = format!("if=none,id=disk1,format=raw,file={},file.locking=off", other.0.display());
    let arguments = ["-drive", &cd, "-drive", &more, "-device", "ide-hd,drive=disk1,bus=ahci0.1"];
    bench.arguments(&arguments).in_each_mode(|bench| {
        let mut controller: Ahci = bench.attach();
        let disks: Vec<_> = core::iter::from_fn(|| controller.next_disk()).collect();
        let sizes: Vec<_> = disks.iter().map(|disk| disk.geometry().expect("present")).collect();
        let facts: Vec<_> = sizes.iter().map(|it| (it.capacity, it.block_bytes, it.is_read_only)).collect();
        // The drive without a medium is left out.
        assert_eq!(facts, [(SECTORS, 512, false), (SECTORS, 512, false), (SECTORS, 2048, true)]);
        assert_eq!(bench.run(exercise(&disks[0])), Ok(()));
        let mut blocks = vec![0; 128 * 1024];
        assert_eq!(bench.run(disks[2].read(400, &mut blocks)), Ok(()));
        assert!(blocks.chunks(512).zip(400..).all(|(part, at)| part == content(at)));
        assert_eq!(bench.run(disks[2].write(0, &[0; 2048])), Err(BlockError::ReadOnly { sector: 0 }));
    });
}

#[test]
fn ahci_errors_of_the_medium_end_the_right_request() {
    let image = Image::new("ahci-errors");
    let rule = |key: &str, value: &str| format!(",file.inject-error.0.{key}={value}");
    let drive = [
        format!(
            "if=none,id=disk0,format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={}",
            image.0.display()
        ),
        rule("event", "none") + &rule("iotype", "read") + &rule("errno", "5") + &rule("sector", "40"),
    ];
    let bench = Bench::qemu().arguments(&["-drive", &drive.concat()]).device(AHCI);
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
    let report = ahci(&image, "ide-hd").inject::<Ahci, BlockError>(40, |bench, controller| {
        let Some(disk) = controller.next_disk() else { return Some(Err(BlockError::Gone { sector: 0 })) };
        bench.try_run(async {
            let mut sector = [0; 512];
            disk.read(7, &mut sector).await?;
            assert_eq!(sector, [7; 512]);
            disk.write(7, &sector).await?;
            disk.flush().await
        })
    });
    assert!(report.is_none_or(|report| report.faults > 50 && report.errors > 10), "{report:?}");
}

/// A controller with virtual functions, and arguments of its own.
fn with_virtual_functions(image: &Image, arguments: &str) -> BenchBuilder {
    let drive = format!("if=none,id=disk0,format=raw,file={}", image.0.display());
    Bench::qemu()
        .arguments(&["-drive", &drive])
        .device("nvme-subsys,id=subsystem")
        .device(&format!("nvme,id=nvme0,serial=1,subsys=subsystem,sriov_max_vfs=4,{arguments}"))
        .device("nvme-ns,drive=disk0,bus=nvme0,nsid=1")
}

#[test]
fn nvme_virtual_functions_are_controllers_of_their_own() {
    let image = Image::new("nvme-virtual");
    let resources = "sriov_vq_flexible=12,sriov_vi_flexible=12,max_ioqpairs=16,msix_qsize=17";
    let Some(bench) = with_virtual_functions(&image, resources).start() else { return };
    let physical: Nvme = bench.attach();
    for _ in 0..2 {
        let functions = physical.virtual_controllers(4).expect("four virtual functions");
        assert_eq!(physical.virtual_controllers(1).err(), Some(VirtualControllersError::Unavailable));
        let drivers: Vec<_> = (0..4).map(|index| functions.attach(index).expect("a controller")).collect();
        assert!(functions.attach(0).is_err() && functions.attach(4).is_err());
        let reports = bench.machine().functions();
        assert_eq!(reports.iter().filter(|report| report.driver == Some("nvme")).count(), 5);
        for disk in &drivers {
            assert_eq!(bench.run(exercise(&**disk)), Ok(()));
        }
        assert_eq!(bench.run(exercise(&physical)), Ok(()));
        // Each has messages of its own.
        for disk in &drivers {
            let counts = disk.interrupt_counts();
            assert!(counts[1] > 0 && counts[2] > 0, "{counts:?}");
        }
        drop(drivers);
        drop(functions);
        assert_eq!(bench.machine().functions().iter().filter(|report| report.driver == Some("nvme")).count(), 1);
    }
    assert!(matches!(physical.virtual_controllers(5), Err(VirtualControllersError::Enable(_))));
    assert_eq!(bench.run(exercise(&physical)), Ok(()));
    drop(physical);
    bench.check_nothing_left();
}

#[test]
fn an_nvme_virtual_function_with_one_interrupt_works() {
    let image = Image::new("nvme-virtual-one");
    let resources = "sriov_vq_flexible=8,sriov_vi_flexible=4,max_ioqpairs=10,msix_qsize=5";
    let Some(bench) = with_virtual_functions(&image, resources).start() else { return };
    let physical: Nvme = bench.attach();
    let functions = physical.virtual_controllers(4).expect("four virtual functions");
    let disk = functions.attach(3).expect("a controller");
    assert_eq!(bench.run(exercise(&*disk)), Ok(()));
    assert_eq!(bench.machine().functions().iter().find_map(|it| it.route), None, "no line");
    drop(disk);
    drop(functions);
    drop(physical);
    bench.check_nothing_left();
}

const SCSI: &str = "virtio-scsi-pci,id=scsi0";

#[test]
fn virtio_scsi_reads_and_writes() {
    let (image, other) = (Image::new("scsi"), Image::new("scsi-cd"));
    let drive = format!("if=none,id=disk0,format=raw,discard=unmap,file={}", image.0.display());
    let cd = format!("if=none,id=cd0,format=raw,media=cdrom,readonly=on,file={}", other.0.display());
    let large = format!("if=none,id=disk1,format=raw,readonly=on,file={}", other.0.display());
    let bench = Bench::qemu().arguments(&["-drive", &drive, "-drive", &cd, "-drive", &large]).device(SCSI);
    let bench = bench.device("scsi-hd,drive=disk0,scsi-id=0,lun=0").device("scsi-cd,drive=cd0,scsi-id=3,lun=2");
    let bench = bench.device("scsi-hd,drive=disk1,scsi-id=7,lun=300,logical_block_size=4096,physical_block_size=4096");
    bench.in_each_mode(|bench| {
        let mut controller: VirtioScsi = bench.attach();
        let disks: Vec<_> = core::iter::from_fn(|| controller.next_disk()).collect();
        let facts: Vec<_> = disks.iter().map(|disk| disk.geometry().expect("present")).collect();
        let facts: Vec<_> = facts.iter().map(|it| (it.capacity, it.block_bytes, it.is_read_only)).collect();
        assert_eq!(facts, [(SECTORS, 512, false), (SECTORS, 2048, true), (SECTORS, 4096, true)]);
        assert_eq!(bench.run(exercise(&disks[0])), Ok(()));
        for disk in &disks[1..] {
            let data = bench.run(sectors(disk, 400, 256)).expect("whole blocks");
            assert!(data.chunks(512).zip(400..).all(|(part, at)| part == content(at)));
            let block = vec![0; 4096];
            assert_eq!(bench.run(disk.write(8, &block)), Err(BlockError::ReadOnly { sector: 8 }));
        }
        let outcome = bench.run(async {
            disks[0].discard(600, 200).await?;
            assert_eq!(sectors(&disks[0], 599, 1).await?, content(599));
            assert_eq!(sectors(&disks[0], 800, 1).await?, content(800));
            let back: Vec<u8> = (600..800).flat_map(content).collect();
            disks[0].write(600, &back).await
        });
        assert_eq!(outcome, Ok(()));
        let reads = (0..200).map(|at| {
            let disk = &disks[0];
            async move { sectors(disk, at, 1).await.map(|data| assert_eq!(data, content(at))) }
        });
        assert_eq!(bench.run(futures(reads)), Ok(()));
    });
}

#[test]
fn virtio_scsi_errors_name_the_sector() {
    let image = Image::new("scsi-errors");
    let rule = |key: &str, value: &str| format!(",file.inject-error.0.{key}={value}");
    let drive = [
        format!(
            "if=none,id=disk0,format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={}",
            image.0.display()
        ),
        rule("event", "none") + &rule("iotype", "read") + &rule("errno", "5") + &rule("sector", "40"),
    ];
    let bench = Bench::qemu().arguments(&["-drive", &drive.concat()]).device(SCSI).device("scsi-hd,drive=disk0");
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
    let bench = image.bench(SCSI).device("scsi-hd,drive=disk0");
    let report = bench.inject::<VirtioScsi, BlockError>(20, |bench, controller| {
        let Some(disk) = controller.next_disk() else { return Some(Err(BlockError::Gone { sector: 0 })) };
        bench.try_run(async {
            assert_eq!(sectors(&disk, 7, 1).await?, [7; 512]);
            disk.write(7, &[7; 512]).await
        })
    });
    assert!(report.is_none_or(|report| report.faults > 50 && report.errors > 10), "{report:?}");
}
