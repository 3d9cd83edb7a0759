//! USB keyboards, by the boot protocol that all of them have (HID 1.11, 7.2 and appendix B).

mod report;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;

use self::report::{Keys, REPORT_BYTES};
use super::{Interface, Setup, TransferType, Transferred, UsbDevice, UsbError, drive, request};
use crate::interfaces::keyboard::{KeyEvent, KeyboardDevice};

/// Class, subclass and protocol of an interface: HID, boot, keyboard.
pub(super) const CLASS: [u8; 3] = [3, 1, 1];
/// Requests (HID 1.11, 7.2).
const SET_REPORT: u8 = 0x09;
const SET_IDLE: u8 = 0x0a;
const SET_PROTOCOL: u8 = 0x0b;
const BOOT_PROTOCOL: u16 = 0;
/// The value of SET_REPORT: an output report.
const OUTPUT: u16 = 2 << 8;
/// Transfers that fail in a row, after which the keyboard is given up.
const MAX_FAILURES: u8 = 3;

type Transfer = Pin<Box<dyn Future<Output = Result<Transferred, UsbError>> + Send>>;

/// A keyboard. Its keys are not repeated while they are held.
pub struct UsbKeyboard<D> {
    device: D,
    interface: u8,
    endpoint: u8,
    /// The transfer that waits for a report. It stays when the future of an event is dropped.
    report: Option<Transfer>,
    /// The request that sets the lights.
    lights: Option<Transfer>,
    keys: Keys,
    /// The events of the last report.
    events: VecDeque<KeyEvent>,
}

impl<D: UsbDevice> UsbKeyboard<D> {
    /// Sets up the keyboard of an interface.
    pub(crate) async fn open(device: D, interface: &Interface) -> Result<Self, UsbError> {
        let endpoint = interface.endpoint(TransferType::Interrupt, true);
        let endpoint = endpoint.ok_or(UsbError::Protocol("a keyboard without an endpoint for its reports"))?.address;
        let number = interface.number;
        request(&device, Setup::class_out(number, SET_PROTOCOL, BOOT_PROTOCOL, 0)).await?;
        // Reports only for changes. Some keyboards have no such request.
        match request(&device, Setup::class_out(number, SET_IDLE, 0, 0)).await {
            Ok(()) | Err(UsbError::Stalled) => {}
            Err(error) => return Err(error),
        }
        let (keys, events) = Default::default();
        Ok(Self { device, interface: number, endpoint, report: None, lights: None, keys, events })
    }

    /// Waits for a report. The transfer stays when this is dropped.
    async fn report(&mut self) -> Result<Transferred, UsbError> {
        let Self { device, endpoint, report, lights, .. } = self;
        let transfer = match report {
            Some(transfer) => transfer,
            None => {
                let buffer = device.buffer(REPORT_BYTES)?;
                report.insert(Box::pin(device.transfer(*endpoint, buffer, REPORT_BYTES, None)))
            }
        };
        let both = poll_fn(|context| {
            if lights.as_mut().is_some_and(|request| request.as_mut().poll(context).is_ready()) {
                *lights = None;
            }
            transfer.as_mut().poll(context)
        });
        let outcome = drive(device.waker(), both).await;
        *report = None;
        outcome
    }

    /// Sets the lights of the keyboard to the locks. A keyboard that refuses that has none.
    fn set_lights(&mut self) -> Result<(), UsbError> {
        // While an earlier request is in flight, the next change sets them.
        if self.lights.is_none() {
            let mut buffer = self.device.buffer(8)?;
            buffer[0] = self.keys.lights();
            let setup = Setup::class_out(self.interface, SET_REPORT, OUTPUT, 1);
            self.lights = Some(Box::pin(self.device.control(setup, buffer)));
        }
        Ok(())
    }
}

impl<D: UsbDevice> KeyboardDevice for UsbKeyboard<D> {
    type Error = UsbError;

    fn is_gone(&self) -> bool {
        self.device.is_gone()
    }

    async fn next_event(&mut self) -> Result<KeyEvent, UsbError> {
        let mut failures = 0;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            match self.report().await {
                Ok(Transferred { buffer, length }) => {
                    let locks = self.keys.locks;
                    let Self { keys, events, .. } = self;
                    keys.take(&buffer[..length], |event| events.push_back(event));
                    if self.keys.locks != locks {
                        self.set_lights()?;
                    }
                }
                Err(UsbError::Stalled | UsbError::Failed { .. }) if failures < MAX_FAILURES => {
                    failures += 1;
                    // Not while the lights are set, which is another request.
                    self.lights = None;
                    drive(self.device.waker(), request(&self.device, Setup::clear_halt(self.endpoint))).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl<D> fmt::Debug for UsbKeyboard<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbKeyboard").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
