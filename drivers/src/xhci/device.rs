//! A device: its slot, its endpoints, and transfers with recovery (xHCI 1.2, 4.3 and 4.6).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use atomic_waker::AtomicWaker;
use switchboard::dma::{DmaBuffer, DmaError};
use switchboard::platform::Clock;

use super::bus::Bus;
use super::context::{CONTROL_ENDPOINT, Contexts, HubFacts, Place, context_number, number_of};
use super::endpoint::EndpointQueue;
use super::ring::Ring;
use super::state::{Slot, State};
use super::trb::{Code, Entry, TrbType};
use crate::usb::{Endpoint, Setup, Speed, Transferred, UsbDevice, UsbError};

/// The limit for a request to the control endpoint (USB 2.0, 9.2.6.1).
const CONTROL_TIMEOUT_NS: u64 = 5_000_000_000;

/// A device of a controller. The device keeps its slot until it is unplugged.
#[derive(Debug, Clone)]
pub struct XhciDevice(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bus: Arc<Bus>,
    slot: u8,
    generation: u32,
    place: Place,
}

impl XhciDevice {
    /// Enables a slot for the device at a place, and gives the device its address.
    pub(super) async fn address(bus: &Arc<Bus>, place: Place) -> Result<Self, UsbError> {
        // Before the device is known, 8 bytes are what each full-speed device takes.
        let max_packet = match place.speed {
            Speed::Low | Speed::Full => 8,
            Speed::High => 64,
            Speed::Super | Speed::SuperPlus => 512,
        };
        let mut contexts = Contexts::new(&bus.dma, bus.are_contexts_64_bytes)?;
        let queue = EndpointQueue::new(Ring::new(&bus.dma)?, max_packet);
        contexts.begin_input(0b11, 0);
        contexts.set_slot(place, CONTROL_ENDPOINT, None);
        contexts.set_control_endpoint(max_packet, queue.start());
        let input = contexts.input();
        let slot = match bus.command(Entry::command(TrbType::EnableSlot, 0)).await? {
            it if it.code == Code::SUCCESS => it.slot,
            it if it.code == Code::NO_SLOTS => return Err(UsbError::Protocol("the controller has no slot left")),
            it => return Err(UsbError::Failed { code: it.code.get() }),
        };
        let generation = bus.state.lock().enable(slot, contexts, queue)?;
        let this = Self(Arc::new(Inner { bus: bus.clone(), slot, generation, place }));
        let command = Entry::address(TrbType::AddressDevice, input, 0, u32::from(slot) << 24);
        match bus.succeed(command, Code::SUCCESS).await {
            Ok(_) => Ok(this),
            Err(error) => {
                this.disable().await;
                Err(error)
            }
        }
    }

    /// Ends all transfers, and gives the slot back.
    pub(super) async fn disable(&self) {
        let Inner { bus, slot, generation, .. } = &*self.0;
        let (slot, generation) = (*slot, *generation);
        {
            let mut state = bus.state.lock();
            let Ok(entry) = state.slot(slot, generation) else { return };
            entry.is_gone = true;
        }
        self.waker().wake();
        let outcome = bus.command(Entry::command(TrbType::DisableSlot, slot)).await;
        let state = &mut *bus.state.lock();
        match outcome {
            Ok(_) => state.disable(slot),
            // The controller may still use the memory of the slot.
            Err(_) => state.fail("it does not disable a slot"),
        }
    }

    pub(super) fn speed(&self) -> Speed {
        self.0.place.speed
    }

    /// Sets the size of packets of the control endpoint.
    pub(super) async fn set_control_packet(&self, max_packet: u16) -> Result<(), UsbError> {
        self.evaluate(TrbType::EvaluateContext, |slot| {
            let ring = slot.endpoints[usize::from(CONTROL_ENDPOINT)].as_ref().ok_or(UsbError::Gone)?.start();
            slot.contexts.begin_input(0b10, 0);
            slot.contexts.set_control_endpoint(max_packet, ring);
            Ok(())
        })
        .await
    }

    /// Adds endpoints; for a hub also what the controller has to be given of it (4.6.6).
    pub(super) async fn configure(&self, endpoints: &[Endpoint], hub: Option<HubFacts>) -> Result<(), UsbError> {
        let Inner { bus, place, .. } = &*self.0;
        let mut rings = alloc::vec::Vec::with_capacity(endpoints.len());
        for _ in endpoints {
            rings.push(Ring::new(&bus.dma)?);
        }
        self.evaluate(TrbType::ConfigureEndpoint, |slot| {
            let add = endpoints.iter().fold(1, |bits, endpoint| bits | 1 << context_number(endpoint));
            slot.contexts.begin_input(add, 0);
            let last = endpoints.iter().map(context_number).max().unwrap_or(CONTROL_ENDPOINT);
            slot.contexts.set_slot(*place, last, hub);
            for (endpoint, ring) in endpoints.iter().zip(rings) {
                slot.contexts.set_endpoint(endpoint, place.speed, ring.start());
                let queue = EndpointQueue::new(ring, endpoint.max_packet);
                slot.endpoints[usize::from(context_number(endpoint))] = Some(Box::new(queue));
            }
            Ok(())
        })
        .await
    }

    /// Carries out a command with an input, which `prepare` writes.
    async fn evaluate(
        &self,
        command: TrbType,
        prepare: impl FnOnce(&mut Slot) -> Result<(), UsbError>,
    ) -> Result<(), UsbError> {
        let Inner { bus, slot, generation, .. } = &*self.0;
        let input = {
            let mut state = bus.state.lock();
            let entry = state.slot(*slot, *generation)?;
            prepare(entry)?;
            entry.contexts.input()
        };
        let command = Entry::address(command, input, 0, u32::from(*slot) << 24);
        bus.succeed(command, Code::SUCCESS).await.map(drop)
    }

    /// Submits a transfer by `submit`, waits for its end, and makes the endpoint usable again after an error.
    async fn carry_out(
        self,
        endpoint: u8,
        timeout_ns: Option<u64>,
        submit: impl FnOnce(&mut EndpointQueue) -> Result<u32, UsbError>,
    ) -> Result<Transferred, UsbError> {
        let Inner { bus, slot, generation, .. } = &*self.0;
        let (slot, generation) = (*slot, *generation);
        let number = submit(bus.state.lock().endpoint(slot, generation, endpoint)?)?;
        bus.ring(slot, endpoint);
        let deadline_ns = timeout_ns.map(|timeout_ns| bus.clock.now_ns().saturating_add(timeout_ns));
        let take = |state: &mut State| match state.endpoint(slot, generation, endpoint) {
            Ok(queue) => queue.take(number),
            Err(error) => Some(Err(error)),
        };
        let outcome = bus.wait(deadline_ns, take).await;
        match &outcome {
            Err(UsbError::TimedOut) => self.recover(endpoint, TrbType::StopEndpoint).await?,
            Err(UsbError::Stalled | UsbError::Failed { .. }) => self.recover(endpoint, TrbType::ResetEndpoint).await?,
            _ => {}
        }
        outcome
    }

    /// Stops or resets an endpoint, and lets it begin with an empty ring (4.6.8 to 4.6.10).
    async fn recover(&self, endpoint: u8, command: TrbType) -> Result<(), UsbError> {
        let Inner { bus, slot, generation, .. } = &*self.0;
        // An endpoint that is in no such state has stopped already.
        bus.succeed(Entry::endpoint_command(command, *slot, endpoint), Code::CONTEXT_STATE).await?;
        let start = {
            let mut state = bus.state.lock();
            let queue = state.endpoint(*slot, *generation, endpoint)?;
            queue.reset();
            queue.start()
        };
        let flags = u32::from(*slot) << 24 | u32::from(endpoint) << 16;
        let command = Entry::address(TrbType::SetTrDequeue, start, 0, flags);
        bus.succeed(command, Code::SUCCESS).await.map(drop)
    }
}

impl UsbDevice for XhciDevice {
    fn waker(&self) -> &AtomicWaker {
        let wakers = &self.0.bus.shared.wakers;
        wakers.get(usize::from(self.0.slot)).unwrap_or(&wakers[0])
    }

    fn is_gone(&self) -> bool {
        self.0.bus.collect();
        matches!(self.0.bus.state.lock().slot(self.0.slot, self.0.generation), Err(UsbError::Gone))
    }

    fn clock(&self) -> &'static dyn Clock {
        self.0.bus.clock
    }

    fn buffer(&self, bytes: usize) -> Result<DmaBuffer, DmaError> {
        self.0.bus.dma.buffer(bytes)
    }

    fn control(
        &self,
        setup: Setup,
        buffer: DmaBuffer,
    ) -> impl Future<Output = Result<Transferred, UsbError>> + Send + use<> {
        let submit = move |queue: &mut EndpointQueue| queue.submit_control(setup, buffer);
        self.clone().carry_out(CONTROL_ENDPOINT, Some(CONTROL_TIMEOUT_NS), submit)
    }

    fn transfer(
        &self,
        endpoint: u8,
        buffer: DmaBuffer,
        length: usize,
        timeout_ns: Option<u64>,
    ) -> impl Future<Output = Result<Transferred, UsbError>> + Send + use<> {
        let submit = move |queue: &mut EndpointQueue| queue.submit_normal(buffer, length);
        self.clone().carry_out(number_of(endpoint), timeout_ns, submit)
    }
}

impl fmt::Display for XhciDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: xhci: port {}", self.0.bus.address, self.0.place.root_port)
    }
}
