//! The driver on a device made of memory, which carries out its commands.

extern crate std;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::future::poll_fn;
use std::sync::Mutex;

use switchboard::config::Address;
use switchboard::driver::{Driver, ProbeError};
use switchboard_testing::FakeMachine;

use super::command::{OK, OK_DISPLAY_INFO};
use super::{VirtioGpu, sizes};
use crate::interfaces::display::{DisplayDevice, DisplayError};
use crate::virtio::testing::{self, COMMON, DeviceQueue, OFFERED};

const DRIVER_OK: u32 = 4;

/// The words behind the header of each command, by its kind.
type Commands = Vec<(u32, Vec<u32>)>;

/// The device: its display, and what it was asked for.
#[derive(Default)]
struct Device {
    queue: Option<DeviceQueue>,
    /// The size of each display; `None` for one that is not connected.
    displays: Vec<Option<(u32, u32)>>,
    commands: Commands,
    /// The response to the next command of this kind, instead of the right one, and its length.
    wrong: Option<(u32, u32, u32)>,
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
}

impl Device {
    /// Carries out the commands that the driver has submitted. Returns their number.
    fn act(&mut self, machine: &Arc<FakeMachine>, address: Address) -> usize {
        if self.queue.is_none() && machine.read_register(address, 0, COMMON + 20) & DRIVER_OK != 0 {
            self.queue = Some(DeviceQueue::from_registers(machine, address));
        }
        let mut count = 0;
        while let Some(queue) = &mut self.queue
            && let Some(chain) = queue.take()
        {
            count += 1;
            let command = words(&queue.read(chain.segments[0].address, chain.segments[0].length as usize));
            let (kind, body) = (command[0], command[6..].to_vec());
            let mut response = vec![OK, 0, 0, 0, 0, 0];
            if kind == 0x0100 {
                response[0] = OK_DISPLAY_INFO;
                for display in &self.displays {
                    let (width, height) = display.unwrap_or_default();
                    response.extend([0, 0, width, height, display.is_some().into(), 0]);
                }
                response.resize(6 + 16 * 6, 0);
            }
            let mut length = testing::size(4 * response.len());
            if let Some((_, wrong, wrong_length)) = self.wrong.take_if(|(of, ..)| *of == kind) {
                (response[0], length) = (wrong, wrong_length);
            }
            self.commands.push((kind, body));
            let bytes: Vec<u8> = response.into_iter().flat_map(u32::to_le_bytes).collect();
            queue.write(chain.segments[1].address, &bytes);
            queue.complete(chain.head.into(), length);
        }
        count
    }
}

struct Rig {
    machine: Arc<FakeMachine>,
    address: Address,
    device: Arc<Mutex<Device>>,
    display: Result<VirtioGpu, ProbeError>,
}

/// Probes a device that responds.
fn probed(device: Device) -> Rig {
    let (machine, function) = testing::machine(testing::function(0x1050), OFFERED, 2);
    let (address, device) = (function.address(), Arc::new(Mutex::new(device)));
    let (fake, other) = (Arc::downgrade(&machine), device.clone());
    machine.on_tick(move || {
        if let Some(machine) = fake.upgrade() {
            other.lock().expect("no panic").act(&machine, address);
        }
    });
    let display = VirtioGpu::probe(function);
    Rig { machine, address, device, display }
}

fn with_displays(displays: &[Option<(u32, u32)>]) -> Rig {
    probed(Device { displays: displays.to_vec(), ..Device::default() })
}

impl Rig {
    /// Has the display show what was written. Returns the commands that it took.
    fn show(&mut self) -> (Result<(), DisplayError>, Commands) {
        let display = self.display.as_mut().expect("a display");
        let (machine, device, address) = (&self.machine, &self.device, self.address);
        device.lock().expect("no panic").commands.clear();
        let shown = testing::run(poll_fn(|context| display.poll_show(context)), || {
            assert_ne!(device.lock().expect("no panic").act(machine, address), 0, "it waits for a command");
            machine.send(address, 0).expect("messages are on");
        });
        (shown, core::mem::take(&mut device.lock().expect("no panic").commands))
    }
}

#[test]
fn the_first_display_that_is_connected_shows_the_picture() {
    let mut rig = with_displays(&[None, Some((1280, 800))]);
    let commands = core::mem::take(&mut rig.device.lock().expect("no panic").commands);
    let kinds: Vec<u32> = commands.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [0x0100, 0x0101, 0x0106, 0x0103]);
    assert_eq!(commands[1].1, [1, 2, 1280, 800], "resource 1, of 32-bit pixels");
    assert_eq!(commands[3].1, [0, 0, 1280, 800, 1, 1], "the second display shows resource 1");
    // The blocks: an address, a length and padding each.
    let attached = &commands[2].1;
    let lengths: u32 = attached[2..].chunks_exact(4).map(|entry| entry[2]).sum();
    assert_eq!((attached[0], attached[1] as usize, lengths), (1, (attached.len() - 2) / 4, 4 * 1280 * 800));
    assert_eq!(rig.display.as_ref().expect("a display").size(), (1280, 800));

    // Black at first, all of it; then what is written.
    let whole = vec![(0x0105, vec![0, 0, 1280, 800, 0, 0, 1, 0]), (0x0104, vec![0, 0, 1280, 800, 1, 0])];
    assert_eq!(rig.show(), (Ok(()), whole));
    assert_eq!(rig.show(), (Ok(()), Vec::new()), "nothing has changed");
    let display = rig.display.as_mut().expect("a display");
    display.write(10, 20, &[0xff_0000; 5]);
    display.write(1278, 21, &[0x00_ff00; 5]);
    display.write(0, 800, &[1]);
    display.write(1280, 0, &[1]);
    let offset = 4 * (20 * 1280 + 10);
    let changed = vec![(0x0105, vec![10, 20, 1270, 2, offset, 0, 1, 0]), (0x0104, vec![10, 20, 1270, 2, 1, 0])];
    assert_eq!(rig.show(), (Ok(()), changed));

    // Where the device reads them: row 21 is in the second block of twelve rows.
    let block = |row: usize| {
        let entry = 2 + 4 * (row / 12);
        u64::from(attached[entry]) | u64::from(attached[entry + 1]) << 32
    };
    let pixel = |x: usize, row: usize| {
        let bytes = rig.machine.dma_read(block(row) + 4 * (row % 12 * 1280 + x) as u64, 4).expect("DMA memory");
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    };
    assert_eq!([9, 10, 14, 15].map(|x| pixel(x, 20)), [0, 0xff_0000, 0xff_0000, 0]);
    assert_eq!([1277, 1278, 1279].map(|x| pixel(x, 21)), [0, 0x00_ff00, 0x00_ff00]);
    rig.display = Err(ProbeError::Device("dropped"));
    assert_eq!(rig.machine.dma_pages(), 0);
}

#[test]
fn sizes_that_are_not_supported_are_those_that_fit() {
    let size = |display| with_displays(&[Some(display)]).display.map(|display| display.size());
    assert_eq!(size((8192, 4096)).ok(), Some((1920, 1200)));
    assert_eq!(size((u32::MAX, u32::MAX)).ok(), Some((1920, 1200)));
    assert!(matches!(size((0, 800)), Err(ProbeError::Device(reason)) if reason.contains("size")));
    assert!(matches!(with_displays(&[None]).display, Err(ProbeError::LeftAlone(_))));
}

#[test]
fn without_memory_for_the_size_the_picture_is_smaller() {
    assert_eq!(sizes((1280, 800)).collect::<Vec<_>>(), [(1280, 800), (800, 600), (640, 480)]);
    assert_eq!(sizes((640, 480)).collect::<Vec<_>>(), [(640, 480)]);
    assert_eq!(sizes((0, 0)).count(), 0);
}

#[test]
fn a_device_that_refuses_is_no_violation() {
    let mut rig = with_displays(&[Some((640, 480))]);
    assert_eq!(rig.show().0, Ok(()));
    rig.display.as_mut().expect("a display").write(0, 0, &[1]);
    rig.device.lock().expect("no panic").wrong = Some((0x0105, 0x1201, 24));
    assert_eq!(rig.show().0, Err(DisplayError::Refused { response: 0x1201 }));
    rig.display.as_mut().expect("a display").write(0, 0, &[1]);
    assert_eq!(rig.show().0, Ok(()));
}

#[test]
fn a_device_that_lies_is_quarantined() {
    for length in [23, 409] {
        let mut rig = with_displays(&[Some((640, 480))]);
        rig.device.lock().expect("no panic").wrong = Some((0x0104, OK, length));
        assert_eq!(rig.show().0, Err(DisplayError::Quarantined), "{length} bytes");
        assert_eq!(rig.machine.read_register(rig.address, 0, COMMON + 20) & 0xff, 0, "it was reset");
        let display = rig.display.as_mut().expect("a display");
        let again = testing::run(poll_fn(|context| display.poll_show(context)), || unreachable!("asleep"));
        assert_eq!(again, Err(DisplayError::Quarantined));
    }
}

#[test]
fn a_probe_ends_with_what_was_expected_and_found() {
    for (kind, wrong, length) in [(0x0100, OK, 24), (0x0101, 0x1205, 24), (0x0106, 0x1200, 24), (0x0103, OK, 4)] {
        let device =
            Device { displays: vec![Some((640, 480))], wrong: Some((kind, wrong, length)), ..Device::default() };
        let rig = probed(device);
        let found = if length < 24 { 0 } else { u64::from(wrong) };
        assert!(
            matches!(rig.display, Err(ProbeError::Unexpected { found: is, .. }) if is == found),
            "{kind:#x}: {:?}",
            rig.display.map(drop)
        );
        assert_eq!(rig.machine.dma_pages(), 0);
    }
    // One that does not respond.
    let (machine, function) = testing::machine(testing::function(0x1050), OFFERED, 2);
    assert!(matches!(VirtioGpu::probe(function), Err(ProbeError::Device(reason)) if reason.contains("respond")));
    assert_eq!(machine.dma_pages(), 0);
}
