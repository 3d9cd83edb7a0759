//! virtio-gpu: what is written is what QEMU's screen shows.

use core::future::poll_fn;
use core::sync::atomic::{AtomicU32, Ordering};
use std::fs;

use switchboard_drivers::interfaces::display::{DisplayDevice, DisplayError};
use switchboard_drivers::virtio::VirtioGpu;
use switchboard_testing::qemu::Bench;

/// Returns the size of the screen and its pixels, from a dump by QEMU.
fn screen(bench: &Bench) -> ((u32, u32), Vec<u32>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("switchboard-screen-{}-{number}", std::process::id()));
    bench.run_monitor_command(&format!("screendump {}", path.display()));
    let bytes = fs::read(&path).expect("a dump");
    fs::remove_file(&path).expect("the dump is removed");
    // A head of three lines: P6, the size, the maximum; then three bytes for each pixel.
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(parts.next().expect("a line")).into_owned();
    let (kind, size, maximum) = (line(), line(), line());
    assert_eq!((kind.as_str(), maximum.as_str()), ("P6", "255"));
    let (width, height) = size.split_once(' ').expect("two numbers");
    let pixels = parts.next().expect("pixels").chunks_exact(3);
    let pixels = pixels.map(|pixel| u32::from_be_bytes([0, pixel[0], pixel[1], pixel[2]])).collect();
    ((width.parse().expect("a number"), height.parse().expect("a number")), pixels)
}

fn show(display: &mut VirtioGpu) -> impl Future<Output = Result<(), DisplayError>> {
    poll_fn(|context| display.poll_show(context))
}

#[test]
fn virtio_gpu_shows_what_is_written() {
    Bench::qemu().device("virtio-gpu-pci,xres=320,yres=200").in_each_mode(|bench| {
        let mut display: VirtioGpu = bench.attach();
        assert_eq!(display.size(), (320, 200));
        let color = |x: u32, y: u32| x << 16 | y << 8 | (x ^ y) & 0xff;
        for y in 0..200 {
            let row: Vec<u32> = (0..256).map(|x| color(x, y)).collect();
            display.write(0, y, &row);
        }
        assert_eq!(bench.run(show(&mut display)), Ok(()));
        display.write(300, 199, &[0xff_ffff; 40]);
        assert_eq!(bench.run(show(&mut display)), Ok(()));
        let (size, pixels) = screen(bench);
        assert_eq!(size, (320, 200));
        for (pixel, place) in pixels.iter().zip(0..) {
            let (x, y) = (place % 320, place / 320);
            let wanted = match (x, y) {
                (300.., 199) => 0xff_ffff,
                (256.., _) => 0,
                _ => color(x, y),
            };
            assert_eq!(*pixel, wanted, "{x}, {y}");
        }
    });
}

#[test]
fn virtio_gpu_with_faults() {
    let report = Bench::qemu().device("virtio-gpu-pci,xres=320,yres=200").inject::<VirtioGpu, DisplayError>(
        25,
        |bench, display| {
            display.write(0, 0, &[1]);
            bench.try_run(show(display))
        },
    );
    assert!(report.is_none_or(|report| report.faults > 30 && report.errors > 10), "{report:?}");
}
