//! A proxied function: the thread that serves it, and the test's access to it.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::bar_map::BarMap;
use super::log::{Access, ConfigWrite, Log};
use super::registers::{Ones, Registers};
use super::space::Space;
use super::wire::{Request, answer, receive};
use crate::{Qemu, qemu_major_version};

/// A function of the guest that is implemented by the test. The guest needs [shared memory](Qemu::shared_memory).
#[derive(Debug)]
pub struct Proxy {
    state: Arc<Mutex<ProxyState>>,
    /// This end of the connection; shutting it down ends the thread.
    stream: UnixStream,
    thread: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Debug)]
struct ProxyState {
    phase: Phase,
    space: Space,
    bars: BarMap,
    registers: Box<dyn Registers>,
    log: Log,
}

/// The originator of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// QEMU, which sizes the BARs when it starts.
    Qemu,
    /// The firmware.
    Firmware,
    /// The image.
    Image,
}

impl Proxy {
    /// Returns whether the QEMU of the tests can have such functions. QEMU 10 and 11 crash when they start with one.
    #[must_use]
    pub fn is_supported() -> bool {
        const FIRST_THAT_CRASHES: u32 = 10;
        let major = qemu_major_version();
        if major >= FIRST_THAT_CRASHES {
            eprintln!("skipped: QEMU {major} crashes at start with x-pci-proxy-dev");
        }
        major < FIRST_THAT_CRASHES
    }

    /// Adds a function with this space and these registers to the guest, at `place`, as `addr=5`.
    ///
    /// # Panics
    /// Panics when the host is out of descriptors.
    #[must_use]
    pub fn attach(qemu: Qemu, place: &str, space: Space, registers: Box<dyn Registers>) -> (Self, Qemu) {
        let (stream, remote) = UnixStream::pair().expect("a pair of sockets");
        let bars = BarMap::new(space.readbacks());
        let state = ProxyState { phase: Phase::Qemu, space, bars, registers, log: Log::default() };
        let state = Arc::new(Mutex::new(state));
        let (mut serving, shared) = (stream.try_clone().expect("a second descriptor"), Arc::clone(&state));
        let thread = thread::spawn(move || {
            while let Some(request) = receive(&mut serving)? {
                let value = lock(&shared).execute(request);
                answer(&mut serving, value)?;
            }
            Ok(())
        });
        let (number, qemu) = qemu.inherit(OwnedFd::from(remote));
        (Self { state, stream, thread: Some(thread) }, qemu.device(&format!("x-pci-proxy-dev,fd={number},{place}")))
    }

    /// Ends the firmware's phase: accesses logged before are dropped, and the counts of [`Behaviour`](super::Behaviour)
    /// begin.
    pub fn hand_over(&self) {
        let mut state = lock(&self.state);
        state.phase = Phase::Image;
        state.space.hand_over();
        state.log = Log::default();
    }

    /// Removes the function by surprise: from now on it reads all ones.
    pub fn remove(&self) {
        let mut state = lock(&self.state);
        state.space.remove();
        state.registers = Box::new(Ones);
    }

    /// Returns the image's accesses to the function, in order.
    ///
    /// # Panics
    /// Panics when there were more than are kept.
    #[must_use]
    #[track_caller]
    pub fn accesses(&self) -> Vec<Access> {
        let state = lock(&self.state);
        assert_eq!(state.phase, Phase::Image, "the image has not been handed the function");
        assert_eq!(state.log.dropped, 0, "more accesses than are kept");
        state.log.accesses.clone()
    }

    /// Returns the image's writes to configuration space, in order.
    #[must_use]
    #[track_caller]
    pub fn config_writes(&self) -> Vec<ConfigWrite> {
        let write = |access| if let Access::ConfigWrite(write) = access { Some(write) } else { None };
        self.accesses().into_iter().filter_map(write).collect()
    }

    /// Returns the number of the image's accesses, kept or not.
    #[must_use]
    pub fn access_count(&self) -> u64 {
        let state = lock(&self.state);
        state.log.accesses.len() as u64 + state.log.dropped
    }

    /// Returns a copy of its configuration space as it is now.
    #[must_use]
    pub fn space(&self) -> Space {
        lock(&self.state).space.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // QEMU may have exited already, and then the thread too.
        drop(self.stream.shutdown(Shutdown::Both));
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(_))), "the thread of a proxied function panicked");
        }
    }
}

impl ProxyState {
    fn execute(&mut self, request: Request) -> u64 {
        match request {
            Request::ConfigRead { offset, width } => self.read_config(offset, width).into(),
            Request::ConfigWrite { offset, width, value } => {
                self.bars.write(offset, width, value);
                if self.phase != Phase::Qemu {
                    self.space.write(offset, width, value);
                    self.log_access(Access::ConfigWrite(ConfigWrite { offset, width, value }));
                }
                0
            }
            Request::BarRead { address, width, is_memory } => {
                let Some((bar, offset)) = self.bars.find(address, is_memory) else { return u64::MAX };
                let value = if self.space.is_gone() { u64::MAX } else { self.registers.read(bar, offset, width) };
                self.log_access(Access::BarRead { bar, offset, width, value });
                value
            }
            Request::BarWrite { address, width, value, is_memory } => {
                if let Some((bar, offset)) = self.bars.find(address, is_memory) {
                    if !self.space.is_gone() {
                        self.registers.write(bar, offset, width, value);
                    }
                    self.log_access(Access::BarWrite { bar, offset, width, value });
                }
                0
            }
            Request::Reset => {
                if self.phase == Phase::Qemu {
                    self.phase = Phase::Firmware;
                }
                self.space.reset();
                0
            }
        }
    }

    fn read_config(&mut self, offset: usize, width: usize) -> u32 {
        let value = match self.phase {
            Phase::Qemu => self.bars.read(offset).unwrap_or_else(|| self.space.read(offset, width)),
            Phase::Firmware => self.space.read_by_firmware(offset, width),
            Phase::Image => self.space.read(offset, width),
        };
        self.log_access(Access::ConfigRead { offset, width, value });
        value
    }

    fn log_access(&mut self, access: Access) {
        if self.phase == Phase::Image {
            self.log.push(access);
        }
    }
}

/// Ignores poisoning: a panicking test must not hide the log.
fn lock(state: &Mutex<ProxyState>) -> MutexGuard<'_, ProxyState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
