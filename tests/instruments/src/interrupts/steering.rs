//! Moves interrupts from CPU to CPU, each millisecond, while they are raised.

use alloc::vec::Vec;

use embassy_time::{Duration, Instant};
use switchboard::interrupt::{Cpu, SteerError};
use switchboard::machine::Machine;
use switchboard_runtime::say;

use crate::raise::Raise;

/// The interval of moves.
const INTERVAL: Duration = Duration::from_millis(1);

/// The moves so far, and the time of the next.
pub(super) struct Steering {
    cpus: Vec<Cpu>,
    next: Instant,
    moves: usize,
}

impl Steering {
    pub(super) fn new(machine: &Machine) -> Self {
        Self { cpus: machine.cpus().collect(), next: Instant::now(), moves: 0 }
    }

    /// Moves the interrupts of the next source of each device to the next CPU, if it is time.
    pub(super) fn steer<'a>(&mut self, devices: impl Iterator<Item = &'a mut dyn Raise>) -> Result<(), SteerError> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + INTERVAL;
        for device in devices {
            // A source comes around at another CPU each time.
            let sources = device.sources();
            let cpu = (self.moves + self.moves / sources + 1) % self.cpus.len();
            device.steer(self.moves % sources, self.cpus[cpu])?;
        }
        self.moves += 1;
        Ok(())
    }

    /// Prints the number of moves.
    pub(super) fn report(&self, machine: &Machine) {
        let (cpus, moves, unexpected) = (self.cpus.len(), self.moves, machine.unexpected_interrupts());
        say!("steered {moves} times among {cpus} CPUs, {unexpected} unexpected");
    }
}
