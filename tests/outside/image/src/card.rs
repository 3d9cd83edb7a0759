//! A driver for QEMU's edu device and its device class, both defined by this image.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::pin::Pin;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::{Notifier, Waiter, event};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::messages;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};
use switchboard_runtime::devices::{DeviceClass, DeviceOptions, FromDriver};

/// The interface of the drivers of this class.
pub(crate) trait Compute {
    fn factorial(&mut self, n: u32) -> Pin<Box<dyn Future<Output = u32> + '_>>;
}

/// The device class: a device that computes, with any driver.
pub(crate) struct Calculator(Box<dyn Compute>);

impl Calculator {
    pub(crate) async fn factorial(&mut self, n: u32) -> u32 {
        self.0.factorial(n).await
    }
}

impl DeviceClass for Calculator {}

impl<D: Compute + 'static> FromDriver<D> for Calculator {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x100;
    const ALIGN: u64 = 8;
}

const FACTORIAL: Reg<Registers, u32> = Reg::at(0x08);
const STATUS: Reg<Registers, u32> = Reg::at(0x20);
const CAUSES: Reg<Registers, u32, ReadOnly> = Reg::at(0x24);
const ACKNOWLEDGE: Reg<Registers, u32, WriteOnly> = Reg::at(0x64);

const COMPUTING: u32 = 0x01;
const INTERRUPT_WHEN_COMPUTED: u32 = 0x80;

messages! {
    pub(crate) enum CardMessage { Done }
}

struct Shared {
    registers: Bar<Registers>,
    done: Notifier,
}

impl MessageIsr<1> for Shared {
    type Message = CardMessage;

    fn on_message(&self, CardMessage::Done: CardMessage, isr: &InIsr<'_>) {
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
        self.done.notify(isr);
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        if matches!(self.registers.read(&CAUSES), 0 | u32::MAX) {
            return Claim::NotMine;
        }
        self.on_message(CardMessage::Done, isr);
        Claim::Mine
    }
}

pub(crate) struct FactorialCard {
    shared: Arc<Shared>,
    done: Waiter,
    _interrupts: Interrupts<1, Shared, Live>,
}

impl Driver for FactorialCard {
    const NAME: &'static str = "factorial";
    const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x11e8)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, irq, .. } = function.claim()?;
        let (notifier, done) = event();
        let shared = Arc::new(Shared { registers: bar0.map()?, done: notifier });
        let interrupts = irq.grant()?.register(shared.clone()).unmask();
        shared.registers.write(&STATUS, INTERRUPT_WHEN_COMPUTED);
        Ok(Self { shared, done, _interrupts: interrupts })
    }
}

impl Compute for FactorialCard {
    fn factorial(&mut self, n: u32) -> Pin<Box<dyn Future<Output = u32> + '_>> {
        Box::pin(async move {
            self.shared.registers.write(&FACTORIAL, n);
            while self.shared.registers.read(&STATUS) & COMPUTING != 0 {
                self.done.wait().await;
            }
            self.shared.registers.read(&FACTORIAL)
        })
    }
}
