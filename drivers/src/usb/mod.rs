//! USB devices: drivers of device classes, over what the driver of a host controller offers.
//!
//! A host controller's driver ([`xhci`](crate::xhci)) finds devices, and hands each out as a [`UsbDevice`]. The drivers here use
//! that trait and know no controller: [`storage`] for sticks and disks, [`keyboard`] for keyboards.

mod descriptor;
pub mod keyboard;
mod setup;
pub mod storage;

use core::future::poll_fn;
use core::pin::pin;

use atomic_waker::AtomicWaker;
use switchboard::dma::{DmaBuffer, DmaError};
use switchboard::platform::Clock;

pub use self::descriptor::{Configuration, Endpoint, Interface, Speed, TransferType};
pub(crate) use self::descriptor::{DeviceDescriptor, control_packet_bytes};
pub use self::setup::Setup;
pub(crate) use self::setup::{CONFIGURATION, DEVICE};

/// The end of a transfer that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsbError {
    /// The device refuses the request, or its endpoint is halted.
    #[error("the device refuses the request")]
    Stalled,
    /// The transfer has failed: the device does not respond, or responds in a way that USB excludes.
    #[error("a transfer has failed with completion code {code}")]
    Failed {
        /// The completion code of the controller (xHCI 1.2, 6.4.5).
        code: u8,
    },
    /// The device has not finished the transfer in time.
    #[error("the device does not finish a transfer in time")]
    TimedOut,
    /// The device was removed, or its controller was reset.
    #[error("the device was removed")]
    Gone,
    /// The controller was taken off the bus, since it does not work as specified.
    #[error("the controller is quarantined")]
    Quarantined,
    /// The device describes itself, or answers, in a way that its class excludes.
    #[error("{0}")]
    Protocol(&'static str),
    /// There is no memory for the transfer.
    #[error(transparent)]
    Memory(#[from] DmaError),
}

/// A finished transfer.
#[derive(Debug)]
pub struct Transferred {
    /// The memory of the transfer.
    pub buffer: DmaBuffer,
    /// The bytes that were transferred, at most as many as were requested.
    pub length: usize,
}

/// A device, as the driver of its controller offers it to the driver of its class.
///
/// The futures of transfers make progress when they are polled after the [waker](Self::waker) was woken; they register no waker
/// themselves. So a driver that serves many tasks decides which of them is woken.
pub trait UsbDevice: Send + Sync + 'static {
    /// Returns what is woken whenever a transfer of the device may have made progress.
    fn waker(&self) -> &AtomicWaker;

    /// Returns whether the device was removed.
    fn is_gone(&self) -> bool;

    /// Returns the machine's clock.
    fn clock(&self) -> &'static dyn Clock;

    /// Allocates memory for transfers.
    ///
    /// # Errors
    /// [`DmaError`].
    fn buffer(&self, bytes: usize) -> Result<DmaBuffer, DmaError>;

    /// Sends a request to the default control endpoint. Data are in `buffer`, which the request's length does not exceed.
    fn control(
        &self,
        setup: Setup,
        buffer: DmaBuffer,
    ) -> impl Future<Output = Result<Transferred, UsbError>> + Send + use<Self>;

    /// Transfers `length` bytes of `buffer` by a bulk or interrupt endpoint, one transfer at a time. After an error the endpoint
    /// takes transfers again; the device's side may be halted. Without a time limit, the transfer waits until it is dropped.
    fn transfer(
        &self,
        endpoint: u8,
        buffer: DmaBuffer,
        length: usize,
        timeout_ns: Option<u64>,
    ) -> impl Future<Output = Result<Transferred, UsbError>> + Send + use<Self>;
}

/// A class of interfaces that has a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Keyboard,
    Storage,
}

impl Class {
    /// Returns the class of an interface.
    pub(crate) fn of(interface: &Interface) -> Option<Self> {
        match interface.class {
            keyboard::CLASS => Some(Self::Keyboard),
            storage::CLASS => Some(Self::Storage),
            _ => None,
        }
    }

    /// Returns the endpoints that the driver of the class uses.
    pub(crate) fn endpoints(self, interface: &Interface) -> impl Iterator<Item = Endpoint> {
        let kinds: &[_] = match self {
            Self::Keyboard => &[(TransferType::Interrupt, true)],
            Self::Storage => &[(TransferType::Bulk, true), (TransferType::Bulk, false)],
        };
        kinds.iter().filter_map(|(transfer_type, is_in)| interface.endpoint(*transfer_type, *is_in)).copied()
    }
}

/// Sends a request without data.
pub(crate) async fn request(device: &impl UsbDevice, setup: Setup) -> Result<(), UsbError> {
    device.control(setup, device.buffer(8)?).await.map(drop)
}

/// Sends a request whose data come from the device. Returns the memory with them.
pub(crate) async fn read(device: &impl UsbDevice, setup: Setup) -> Result<Transferred, UsbError> {
    device.control(setup, device.buffer(usize::from(setup.length).max(8))?).await
}

/// Runs a future of one task, which the device's waker wakes.
pub(crate) async fn drive<T>(waker: &AtomicWaker, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        waker.register(context.waker());
        future.as_mut().poll(context)
    })
    .await
}
