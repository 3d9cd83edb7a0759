//! The virtio disk.

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
use switchboard_drivers::virtio::VirtioBlk;

use super::{Image, SECTORS, bench, check, check_content, content, discard, inject, restore, rewrite, sectors};

#[test]
fn virtio_blk_reads_and_writes() {
    let image = Image::new("virtio");
    image.bench("virtio-blk-pci,drive=disk0").in_each_mode(check::<VirtioBlk>);
}

#[test]
fn virtio_blk_discards_and_writes_zeroes() {
    let image = Image::new("virtio-ranges");
    let bench = bench(&[&image.drive("disk0", ",discard=unmap")]);
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
                restore(&disk, 300..550).await?;
                discard(&disk).await
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
        assert_eq!(bench.run(check_content(&disk, 0, 256)), Ok(()));
        assert_eq!(bench.run(restore(&disk, 8..16)), Ok(()));
        assert_eq!(bench.run(disk.write_zeroes(16, 8)), Ok(()));
        assert_eq!(bench.run(sectors(&disk, 16, 8)), Ok(vec![0; 4096]));
        assert_eq!(bench.run(restore(&disk, 16..24)), Ok(()));
        let part = bench.run(sectors(&disk, 1, 1));
        assert_eq!(part, Err(BlockError::NotBlocks { sector: 1, length: 512, block_bytes: 4096 }));
    });
}

#[test]
fn virtio_blk_with_faults() {
    let image = Image::new("virtio-faults");
    inject::<VirtioBlk>(image.bench("virtio-blk-pci,drive=disk0"), 40, |bench, disk| bench.try_run(rewrite(disk)));
}
