//! Arbitrary configuration space: the scan with bus numbers, BAR sizes and addresses, claims, grants, suspend and
//! reset.

mod space;

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, MessageIsr};
use switchboard::machine::Machine;
use switchboard::messages;
use switchboard::mmio::RegisterBlock;
use switchboard::platform::Clock;
use switchboard_drivers::virtio::Transport;
use switchboard_testing::{FakeFunction, FakeMachine};

use crate::input::Input;
use space::Space;

/// The size of the BAR of the fake machine.
const BAR_BYTES: u64 = 0x1_0000;

/// A clock that advances a millisecond at each reading, so that waits take little real time.
struct FastClock(AtomicU64);

impl Clock for FastClock {
    fn now_ns(&self) -> u64 {
        self.0.fetch_add(1_000_000, Ordering::Relaxed)
    }
}

static CLOCK: FastClock = FastClock(AtomicU64::new(0));
static SPACE: LazyLock<Space> = LazyLock::new(Space::default);

/// The machine, and the fake machine whose memory it shares.
static WORLD: LazyLock<Mutex<(FakeMachine, &'static Machine)>> = LazyLock::new(|| {
    let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, BAR_BYTES)]);
    let machine = fake.share().config(&*SPACE).clock(&CLOCK).build().machine();
    Mutex::new((fake, machine))
});

messages! {
    enum Message { First, Second, Third }
}

struct Handler;

impl MessageIsr<3> for Handler {
    type Message = Message;

    fn on_message(&self, _message: Message, _isr: &InIsr<'_>) {}
}

impl LineIsr for Handler {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

struct Block;

impl RegisterBlock for Block {
    const SIZE: u64 = 0x40;
}

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let (fake, machine) = &*world;
    let vectors = machine.free_vectors();
    SPACE.fill(&mut Input::new(data));
    machine.scan();
    // Functions may appear and vanish between scans.
    machine.scan();
    let found = machine.functions();
    for function in machine.take_all() {
        let address = function.address();
        // A driver decodes arbitrary virtio capabilities. It resets a device that it opens.
        let is_virtio = function.id().0 == 0x1af4;
        drop(is_virtio.then(|| Transport::open(function)));
        if let Some(function) = machine.take(address) {
            use_resources(function);
        }
        if let Some(function) = machine.take(address) {
            sleep_and_reset(function);
        }
    }
    for report in &found {
        let (address, offers) = (report.address, report.offers);
        assert!(offers.msi <= 32 && offers.msix <= 2048, "{address}: {offers:?}");
        for bar in &report.bars {
            assert!(bar.size.is_power_of_two(), "{address}: {bar:x?}");
        }
    }
    assert_eq!(machine.free_vectors(), vectors, "vectors are leaked");
    assert_eq!(fake.dma_pages(), 0, "DMA memory is leaked");
    SPACE.clear();
    machine.check_presence();
    assert!(machine.functions().is_empty(), "functions are still present");
}

/// Claims a function and uses all its resources, as a driver may.
fn use_resources(function: Function) {
    let Ok(resources) = function.claim() else { return };
    let Resources { bar0, bar1, bar2, bar3, bar4, bar5, irq, dma, bus, config, .. } = resources;
    for bar in [bar0, bar1, bar2, bar3, bar4, bar5] {
        let Ok(windows) = bar.windows() else { continue };
        for offset in [0, 0x800, BAR_BYTES - 0x20] {
            if let Ok(block) = windows.map::<Block>(offset, 0x40) {
                assert!(block.try_read::<u32>(0x3c).is_some(), "the end of a block that was mapped");
            }
        }
    }
    let _buffer = dma.buffer(64);
    let granted: Result<Interrupts<3, Handler>, _> = irq.grant();
    if let Ok(interrupts) = granted {
        let interrupts = interrupts.register(std::sync::Arc::new(Handler)).unmask();
        bus.isolate();
        drop(interrupts.mask().unmask());
    }
    assert!(!SPACE.masters_bus(config.address()) || !bus.is_isolated(), "an isolated function masters the bus");
}

/// Suspends, resumes and resets a function.
fn sleep_and_reset(function: Function) {
    let function = match function.suspend() {
        Ok(sleeping) => match sleeping.resume().wait() {
            Ok(function) => function,
            Err(_) => return,
        },
        Err((_, function)) => function,
    };
    if let Ok(settling) = function.reset()
        && let Ok(function) = settling.wait()
    {
        let address = function.address();
        drop(function.claim());
        assert!(!SPACE.masters_bus(address), "bus mastering is enabled after a reset");
    }
}
