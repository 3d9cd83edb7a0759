//! The device under test: it interrupts without end, and its handler records whether it is called too late.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr, MessageSet, Mode};
use switchboard::mmio::UnmappedBar;

/// A page, so that DMA memory is allocated and freed in each round, too.
const BUFFER_SIZE: usize = 4096;
/// The smallest number of address bits that any of the devices has: edu's.
const ADDRESS_BITS: u8 = 28;

/// A device that interrupts without end once it is started: each interrupt that is served causes the next.
pub(super) trait InterruptGenerator<const N: usize>: Sized + Send + Sync + 'static {
    const NAME: &'static str;
    const MATCHES: &'static [Id];
    type Message: MessageSet<N>;

    /// Maps the registers. The device does not interrupt yet.
    fn new(bars: GeneratorBars) -> Result<Self, ProbeError>;

    /// Starts to interrupt. `entry` returns the MSI-X entry of each message.
    fn start(&self, entry: impl Fn(Self::Message) -> Option<u16>);

    /// Raises an interrupt at once.
    fn trigger(&self);

    /// Acknowledges the interrupt and causes the next one; returns `false` if none is pending. Called by the handler.
    fn acknowledge(&self) -> bool;

    /// Stops interrupting.
    fn stop(&self);
}

/// The BARs that a generator may use.
pub(super) struct GeneratorBars {
    pub(super) bar0: UnmappedBar,
    pub(super) bar2: UnmappedBar,
}

/// The record of a handler's calls, which outlives the registration.
#[derive(Debug, Default)]
pub(super) struct CallRecord {
    is_dropped: AtomicBool,
    calls: AtomicU64,
    late: AtomicU64,
}

impl CallRecord {
    /// Records a call. Must be first in the handler, before the device is read: any call after the drop is an error.
    pub(super) fn record_call(&self) {
        if self.is_dropped.load(Ordering::SeqCst) {
            self.late.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Records that the interrupt was the device's own.
    pub(super) fn record_served(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    /// Marks the registration as dropped: every later call is late.
    pub(super) fn mark_dropped(&self) {
        self.is_dropped.store(true, Ordering::SeqCst);
    }

    /// Returns the number of calls for the device's own interrupts.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Returns the number of calls after the registration was dropped.
    pub(super) fn late(&self) -> u64 {
        self.late.load(Ordering::SeqCst)
    }
}

/// The handler's context. Only the registration has a reference, so that dropping it frees the context.
struct RecordingHandler<const N: usize, G> {
    generator: Arc<G>,
    record: Arc<CallRecord>,
}

impl<const N: usize, G: InterruptGenerator<N>> MessageIsr<N> for RecordingHandler<N, G> {
    type Message = G::Message;

    fn on_message(&self, _message: G::Message, _isr: &InIsr<'_>) {
        self.serve();
    }
}

impl<const N: usize, G: InterruptGenerator<N>> LineIsr for RecordingHandler<N, G> {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        if self.serve() { Claim::Mine } else { Claim::NotMine }
    }
}

impl<const N: usize, G: InterruptGenerator<N>> RecordingHandler<N, G> {
    fn serve(&self) -> bool {
        self.record.record_call();
        let is_mine = self.generator.acknowledge();
        if is_mine {
            self.record.record_served();
        }
        is_mine
    }
}

/// The device with its registered handler.
pub(super) struct DeviceUnderTest<const N: usize, G: InterruptGenerator<N>> {
    interrupts: Interrupts<N, RecordingHandler<N, G>, Live>,
    record: Arc<CallRecord>,
    device: UnregisteredDevice<N, G>,
}

/// The device after its registration was dropped. It goes on interrupting until this is dropped.
pub(super) struct UnregisteredDevice<const N: usize, G: InterruptGenerator<N>> {
    generator: Arc<G>,
    _buffer: DmaBuffer,
}

impl<const N: usize, G: InterruptGenerator<N>> Driver for DeviceUnderTest<N, G> {
    const NAME: &'static str = G::NAME;
    const MATCHES: &'static [Id] = G::MATCHES;

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, bar2, irq, dma, .. } = function.claim()?;
        let generator = Arc::new(G::new(GeneratorBars { bar0, bar2 })?);
        let device = UnregisteredDevice {
            generator: generator.clone(),
            _buffer: dma.limit_address_bits(ADDRESS_BITS).buffer(BUFFER_SIZE)?,
        };
        let record = Arc::new(CallRecord::default());
        let context = Arc::new(RecordingHandler { generator, record: record.clone() });
        let interrupts = irq.grant()?.register(context).unmask();
        device.generator.start(|message| interrupts.entry(message));
        Ok(Self { interrupts, record, device })
    }
}

impl<const N: usize, G: InterruptGenerator<N>> DeviceUnderTest<N, G> {
    pub(super) fn record(&self) -> Arc<CallRecord> {
        self.record.clone()
    }

    pub(super) fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    pub(super) fn trigger(&self) {
        self.device.generator.trigger();
    }

    /// Drops only the registration. The device goes on interrupting.
    pub(super) fn drop_registration(self) -> UnregisteredDevice<N, G> {
        let Self { interrupts, record, device } = self;
        drop(record);
        drop(interrupts);
        device
    }
}

impl<const N: usize, G: InterruptGenerator<N>> UnregisteredDevice<N, G> {
    pub(super) fn trigger(&self) {
        self.generator.trigger();
    }
}

impl<const N: usize, G: InterruptGenerator<N>> Drop for UnregisteredDevice<N, G> {
    fn drop(&mut self) {
        self.generator.stop();
    }
}
