//! NVMe: block sizes, namespaces, virtual functions.

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
use switchboard_drivers::nvme::{Nvme, VirtualControllersError};
use switchboard_testing::qemu::BenchBuilder;

use super::{Image, SECTORS, bench, check, content, disks, exercise, inject, rewrite};

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
    let bench = bench(&[&first.drive("disk0", ""), &second.drive("disk1", "")])
        .device("nvme,id=nvme0,serial=1")
        .device("nvme-ns,drive=disk0,bus=nvme0,nsid=1")
        .device("nvme-ns,drive=disk1,bus=nvme0,nsid=7,logical_block_size=4096,physical_block_size=4096");
    bench.in_each_mode(|bench| {
        let mut controller: Nvme = bench.attach();
        let disks = disks(&mut controller);
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

#[test]
fn nvme_with_faults() {
    let image = Image::new("nvme-faults");
    inject::<Nvme>(image.bench("nvme,drive=disk0,serial=1"), 40, |bench, disk| bench.try_run(rewrite(&*disk)));
}

/// A controller with virtual functions, and arguments of its own.
fn with_virtual_functions(image: &Image, arguments: &str) -> BenchBuilder {
    bench(&[&image.drive("disk0", "")])
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
