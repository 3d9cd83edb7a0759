//! A device under fire: it interrupts by itself, and its handler knows when it must no longer be called.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr, MessageSet, Mode};
use switchboard::mmio::UnmappedBar;

/// A page, so that memory for DMA comes and goes with the registration.
const BUFFER_SIZE: usize = 4096;
/// The fewest address bits that a device here drives: edu's.
const ADDRESS_BITS: u8 = 28;

/// A device that, once started, interrupts without end and without the CPU's doing.
pub(super) trait Weapon<const N: usize>: Sized + Send + Sync + 'static {
    const NAME: &'static str;
    const MATCHES: &'static [Id];
    type Message: MessageSet<N>;

    /// Maps what it needs. The function interrupts nobody yet.
    fn new(resources: Parts) -> Result<Self, ProbeError>;

    /// Lets it interrupt, from now on. `entry` says where in the device each message is.
    fn start(&self, entry: impl Fn(Self::Message) -> Option<u16>);

    /// Interrupts now.
    fn fire(&self);

    /// The handler's part: takes back the interrupt and provokes the next. Whether there was one.
    fn answer(&self) -> bool;

    /// Ends it.
    fn cease(&self);
}

/// The BARs that a weapon may be reached by.
pub(super) struct Parts {
    pub(super) bar0: UnmappedBar,
    pub(super) bar2: UnmappedBar,
}

/// What outlives a registration, and says whether its handler was called too late.
#[derive(Debug, Default)]
pub(super) struct Witness {
    is_dropped: AtomicBool,
    calls: AtomicU64,
    late: AtomicU64,
}

impl Witness {
    /// Called first of all, before it is known whose interrupt it is: a call too late is too late for anybody.
    pub(super) fn called(&self) {
        if self.is_dropped.load(Ordering::SeqCst) {
            self.late.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn served(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    /// From here on, every call is late.
    pub(super) fn dropped(&self) {
        self.is_dropped.store(true, Ordering::SeqCst);
    }

    /// Calls that were the device's own.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn late(&self) -> u64 {
        self.late.load(Ordering::SeqCst)
    }
}

/// The handler's context. The registration alone holds it, so that it is freed with it.
struct Watched<const N: usize, W> {
    weapon: Arc<W>,
    witness: Arc<Witness>,
}

impl<const N: usize, W: Weapon<N>> MessageIsr<N> for Watched<N, W> {
    type Message = W::Message;

    fn on_message(&self, _message: W::Message, _isr: &InIsr<'_>) {
        self.serve();
    }
}

impl<const N: usize, W: Weapon<N>> LineIsr for Watched<N, W> {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        if self.serve() { Claim::Mine } else { Claim::NotMine }
    }
}

impl<const N: usize, W: Weapon<N>> Watched<N, W> {
    fn serve(&self) -> bool {
        self.witness.called();
        let is_mine = self.weapon.answer();
        if is_mine {
            self.witness.served();
        }
        is_mine
    }
}

/// The device with its handler.
pub(super) struct Target<const N: usize, W: Weapon<N>> {
    interrupts: Interrupts<N, Watched<N, W>, Live>,
    witness: Arc<Witness>,
    device: Disarmed<N, W>,
}

/// The device without a handler, for as long as it is held.
pub(super) struct Disarmed<const N: usize, W: Weapon<N>> {
    weapon: Arc<W>,
    _buffer: DmaBuffer,
}

impl<const N: usize, W: Weapon<N>> Driver for Target<N, W> {
    const NAME: &'static str = W::NAME;
    const MATCHES: &'static [Id] = W::MATCHES;

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, bar2, irq, dma, .. } = function.claim()?;
        let weapon = Arc::new(W::new(Parts { bar0, bar2 })?);
        let device =
            Disarmed { weapon: weapon.clone(), _buffer: dma.limit_address_bits(ADDRESS_BITS).buffer(BUFFER_SIZE)? };
        let witness = Arc::new(Witness::default());
        let context = Arc::new(Watched { weapon, witness: witness.clone() });
        let interrupts = irq.grant()?.register(context).unmask();
        device.weapon.start(|message| interrupts.entry(message));
        Ok(Self { interrupts, witness, device })
    }
}

impl<const N: usize, W: Weapon<N>> Target<N, W> {
    pub(super) fn witness(&self) -> Arc<Witness> {
        self.witness.clone()
    }

    pub(super) fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    pub(super) fn fire(&self) {
        self.device.weapon.fire();
    }

    /// Drops the registration, and nothing else: the device goes on.
    pub(super) fn drop_registration(self) -> Disarmed<N, W> {
        let Self { interrupts, witness, device } = self;
        drop(witness);
        drop(interrupts);
        device
    }
}

impl<const N: usize, W: Weapon<N>> Disarmed<N, W> {
    pub(super) fn fire(&self) {
        self.weapon.fire();
    }
}

impl<const N: usize, W: Weapon<N>> Drop for Disarmed<N, W> {
    fn drop(&mut self) {
        self.weapon.cease();
    }
}
