//! USB host controllers by xHCI: devices at their ports, which come and go at any time, with the drivers of their classes.
//!
//! Section numbers are those of the xHCI specification 1.2, unless another one is named. With QEMU: `-device qemu-xhci`, and
//! `-device usb-kbd` for a keyboard, `-drive if=none,id=d,.. -device usb-storage,drive=d` for a stick.
//!
//! ```no_run
//! use switchboard::driver::attach;
//! use switchboard::function::Function;
//! use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
//! use switchboard_drivers::xhci::Xhci;
//!
//! async fn first_sector(function: Function) -> Result<Option<[u8; 512]>, BlockError> {
//!     let mut controller: Xhci = attach(function).expect("a controller");
//!     let Some(stick) = controller.next_disk() else { return Ok(None) };
//!     let mut sector = [0; 512];
//!     stick.read(0, &mut sector).await?;
//!     Ok(Some(sector))
//! }
//! ```

mod bus;
mod context;
mod controller;
mod device;
mod endpoint;
mod events;
mod found;
mod interrupt;
mod memory;
mod port;
mod registers;
mod ring;
mod runner;
mod state;
mod trb;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};

use spin::Mutex;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::Mode;

pub use self::device::XhciDevice;
pub use self::interrupt::XhciMessage;

use self::bus::Bus;
use self::controller::Registers;
use self::events::EventRing;
use self::found::Found;
use self::interrupt::Shared;
use self::memory::ControllerMemory;
use self::registers::Parameters;
use self::ring::Ring;
use self::state::{Commands, Life, State};
use crate::interfaces::block::DiskController;
use crate::interfaces::keyboard::KeyboardController;
use crate::usb::keyboard::UsbKeyboard;
use crate::usb::storage::UsbDisk;

/// The most devices.
const MAX_SLOTS: u8 = 32;
/// The limit for the devices that are connected at the start. Later ones are found when they are ready.
const PROBE_TIMEOUT_NS: u64 = 5_000_000_000;
/// The interval at which the driver is polled while it waits for a device.
const STEP_INTERVAL_NS: u64 = 5_000_000;

/// A USB stick or disk of a controller.
pub type XhciDisk = UsbDisk<XhciDevice>;
/// A USB keyboard of a controller.
pub type XhciKeyboard = UsbKeyboard<XhciDevice>;

type Runner = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A USB host controller. The [module](self) has an example.
pub struct Xhci {
    runner: Option<Runner>,
    found: Arc<Found>,
    bus: Arc<Bus>,
}

impl Driver for Xhci {
    const NAME: &'static str = "xhci";
    /// USB controllers with the programming interface of xHCI.
    const MATCHES: &'static [Id] = &[Id::class(0x0c, 0x03).interface(0x30)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let bus = Arc::new(open(function)?);
        bus.start();
        let found = Arc::new(Found::default());
        let runner: Runner = Box::pin(runner::run(bus.clone(), found.clone()));
        let mut this = Self { runner: Some(runner), found, bus };
        let (mut is_present, mut checked_ns) = (true, this.bus.clock.now_ns());
        // Without interrupts, in case they do not arrive.
        this.bus.clock.wait_until(PROBE_TIMEOUT_NS, || {
            this.step(&mut Context::from_waker(Waker::noop()));
            let now_ns = this.bus.clock.now_ns();
            if now_ns.saturating_sub(checked_ns) > STEP_INTERVAL_NS {
                (is_present, checked_ns) = (this.bus.shared.status().is_some(), now_ns);
            }
            !is_present || !this.is_working()
        });
        if !is_present || this.bus.state.lock().life == Life::Quarantined {
            return Err(ProbeError::Device("the controller does not work"));
        }
        Ok(this)
    }
}

/// Claims a controller and resets it.
fn open(function: Function) -> Result<Bus, ProbeError> {
    let (clock, address) = (function.clock(), function.address());
    let Resources { bar0, irq, dma, bus, presence, .. } = function.claim()?;
    let Registers { operational, interrupter, doorbells, ports, parameters, slots, scratchpads } =
        Registers::map(bar0, clock)?;
    controller::reset(&operational, clock)?;
    let dma = if parameters.contains(Parameters::ADDRESSES_64BIT) { dma } else { dma.limit_address_bits(32) };
    let slots = slots.min(MAX_SLOTS);
    let entries = usize::from(slots) + 1;
    let events = EventRing::new(&dma)?;
    let shared = Arc::new(Shared {
        operational,
        interrupter,
        presence,
        wakers: (0..entries).map(|_| Default::default()).collect(),
        is_busy: AtomicBool::new(false),
        has_error: AtomicBool::new(false),
        events: events.reader(),
        position: AtomicU32::new(events.position()),
    });
    let state = State {
        events,
        commands: Commands::new(Ring::for_commands(&dma)?),
        memory: ControllerMemory::new(&dma, slots, scratchpads)?,
        slots: (0..entries).map(|_| None).collect::<Vec<_>>(),
        generation: 0,
        changed_ports: [0; 4],
        life: Life::Running,
    };
    let interrupts = irq.grant()?.register(shared.clone()).unmask();
    Ok(Bus {
        shared,
        interrupts,
        state: Mutex::new(state),
        doorbells,
        ports,
        slots,
        are_contexts_64_bytes: parameters.contains(Parameters::CONTEXTS_64_BYTES),
        is_working: AtomicBool::new(true),
        dma,
        bus,
        clock,
        address,
    })
}

impl Xhci {
    /// Returns the interrupt mode that was granted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.bus.interrupts.mode()
    }

    fn is_working(&self) -> bool {
        self.runner.is_some() && self.bus.is_working.load(Ordering::Acquire)
    }

    /// Polls what looks after the ports.
    fn step(&mut self, context: &mut Context<'_>) {
        if let Some(runner) = &mut self.runner
            && runner.as_mut().poll(context).is_ready()
        {
            self.runner = None;
            self.found.report_change();
        }
    }
}

impl DiskController for Xhci {
    type Disk = XhciDisk;

    fn next_disk(&mut self) -> Option<XhciDisk> {
        self.step(&mut Context::from_waker(Waker::noop()));
        self.found.disks.lock().pop_front()
    }

    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<u64> {
        self.found.watcher.register(context.waker());
        self.step(context);
        if self.found.take_change() {
            return Poll::Ready(0);
        }
        if self.is_working() { Poll::Ready(STEP_INTERVAL_NS) } else { Poll::Pending }
    }
}

impl KeyboardController for Xhci {
    type Keyboard = XhciKeyboard;

    fn next_keyboard(&mut self) -> Option<XhciKeyboard> {
        self.step(&mut Context::from_waker(Waker::noop()));
        self.found.keyboards.lock().pop_front()
    }
}

impl fmt::Debug for Xhci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xhci").field("bus", &self.bus).finish_non_exhaustive()
    }
}
