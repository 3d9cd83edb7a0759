//! The entropy source: everything random comes from here, and it reports when it is not fit for keys.
//!
//! Raw sources are the CPU's instructions (RDSEED, RDRAND), random number devices (virtio-rng) and the jitter of the CPU's
//! timing. Each is health-tested while it is used, and all are mixed into one generator, ChaCha20, which replaces its
//! key with each request: what it returned earlier cannot be derived from its state. It is reseeded with every
//! [`System::random`](crate::system::System::random), and every [`RESEED_INTERVAL`] while an app waits in
//! [`System::change`](crate::system::System::change).
//!
//! [`state`] returns [`Entropy::Fit`] once sources that passed their tests have given 256 bits. Jitter is mixed in and
//! counts for nothing, as it cannot be distinguished from a pattern in an emulator. Without fit entropy the numbers still
//! differ from boot to boot, for ports and sequence numbers, but a key made of them may be guessed.
//!
//! Crates take the generator by the traits of `rand_core`:
//!
//! ```
//! use rand_core::Rng;
//! use switchboard_runtime::entropy::{self, Entropy, SystemRng, Unfit};
//!
//! fn make_token(rng: &mut impl rand_core::CryptoRng) -> u64 {
//!     rng.next_u64()
//! }
//!
//! assert_ne!(make_token(&mut SystemRng), make_token(&mut SystemRng));
//! assert_eq!(entropy::state(), Entropy::Unfit(Unfit::NoSource), "a test has no sources");
//! ```

mod generator;
mod health;
mod jitter;
mod rng;
mod source;

use embassy_time::Duration;
use switchboard::sync::IrqLock;

use self::generator::Generator;
use self::source::Sources;
use crate::hal;

pub use self::rng::SystemRng;
pub use self::source::{SourceReport, SourceState};

/// The interval at which the generator is reseeded while an app waits for a change of its devices.
pub const RESEED_INTERVAL: Duration = Duration::from_secs(300);

/// The bits of sources that count, from which on the generator is fit for keys.
const FIT_BITS: u32 = 256;
/// The words of each CPU instruction that go into a seed: a key's size.
const SEED_WORDS: usize = 4;

static POOL: IrqLock<Pool> = IrqLock::new(Pool { generator: Generator::new(), sources: Sources::new() });

/// Whether random numbers are fit for keys. Displays as a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entropy {
    /// They are.
    Fit,
    /// They can be guessed.
    Unfit(Unfit),
}

/// The reason why random numbers are not fit for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// No source has given bits: the CPU has no random numbers, and there is no random number device.
    #[error("no source: the CPU has neither RDRAND nor RDSEED, and there is no random number device")]
    NoSource,
    /// Sources have given bits, but not yet enough.
    #[error("{bits} bits of 256")]
    TooFew {
        /// The bits so far.
        bits: u32,
    },
    /// Each source has failed its health test.
    #[error("every source has failed its health test")]
    Failed,
}

impl core::fmt::Display for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Fit => f.write_str("fit for keys"),
            Self::Unfit(reason) => write!(f, "unfit for keys: {reason}"),
        }
    }
}

/// The generator, and what is known of its sources.
struct Pool {
    generator: Generator,
    sources: Sources,
}

/// Returns whether random numbers are fit for keys.
#[must_use]
pub fn state() -> Entropy {
    seed_once();
    POOL.lock().sources.state(FIT_BITS)
}

/// Returns the raw sources, with their states.
#[must_use]
pub fn sources() -> [SourceReport; 4] {
    seed_once();
    POOL.lock().sources.report()
}

/// Fills `bytes` with random bytes.
pub fn fill(bytes: &mut [u8]) {
    seed_once();
    // Only the key is made with the lock held, and so with interrupts off.
    let key = POOL.lock().generator.next_key();
    generator::expand(key, bytes);
}

/// Returns 64 random bits.
#[must_use]
pub fn random_u64() -> u64 {
    seed_once();
    // A key is random itself, and this one is used for nothing else.
    let [a, b, c, d, e, f, g, h, ..] = POOL.lock().generator.next_key();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Mixes new bits of the CPU into the generator: of its instructions, and of its timing.
pub fn reseed() {
    let Some(hal) = hal::get() else { return };
    for instruction in hal::RandomInstruction::ALL {
        let words = [(); SEED_WORDS].map(|()| hal.cpu_random(instruction));
        let pool = &mut *POOL.lock();
        let mut bytes = [0; 8 * SEED_WORDS];
        let mut room = bytes.chunks_exact_mut(8);
        for (word, place) in words.into_iter().flatten().zip(&mut room) {
            pool.sources.credit_word(instruction, word);
            place.copy_from_slice(&word.to_le_bytes());
        }
        // Once for all words: a mix takes as long as a block of the cipher for each.
        if room.len() < SEED_WORDS {
            pool.generator.mix(&bytes);
        }
    }
    let jitter = jitter::collect(|| hal.cycle_count());
    let pool = &mut *POOL.lock();
    pool.sources.note_jitter(&jitter);
    pool.generator.mix(&jitter.mixed);
}

/// Mixes bytes of a random number device into the generator.
pub fn add_device_bytes(bytes: &[u8]) {
    let pool = &mut *POOL.lock();
    pool.sources.credit_device_bytes(bytes);
    pool.generator.mix(bytes);
}

/// Seeds the generator before its first use.
fn seed_once() {
    if POOL.lock().generator.begin_seeding() {
        reseed();
    }
}
