//! The alarm: one shot of the local APIC timer, without a periodic tick.

use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;

use super::apic::local;
use super::clock::{self, Ratio, SECOND_NS};
use super::{calibrate, cpu};
use switchboard::sync::IrqLock;

/// The time at which no alarm fires, in nanoseconds.
pub const NEVER_NS: u64 = u64::MAX;

static ALARM: AtomicU64 = AtomicU64::new(NEVER_NS);
static HOOK: Once<fn()> = Once::new();
static TIMER: Once<Timer> = Once::new();
/// Makes a change of the alarm and of the timer's registers one step.
static ARMING: IrqLock<()> = IrqLock::new(());

#[derive(Debug, Clone, Copy)]
enum Timer {
    /// The timer is compared with the TSC.
    Deadline { to_tsc: Ratio },
    /// The timer counts down.
    Countdown { to_ticks: Ratio },
}

/// Initialises the timer, after the clock. Returns its mode and its frequency in Hz.
pub(super) fn init(tsc_frequency: u64) -> (&'static str, u64) {
    if cpu::has_tsc_deadline() {
        local::set_deadline_mode();
        TIMER.call_once(|| Timer::Deadline { to_tsc: Ratio::new(SECOND_NS, tsc_frequency) });
        return ("TSC deadline", tsc_frequency);
    }
    local::set_one_shot_mode();
    local::start_countdown(u32::MAX);
    let mut elapsed = || u64::from(u32::MAX - local::countdown());
    let measured = calibrate::frequency(&mut elapsed, &mut clock::read_tsc, tsc_frequency);
    local::start_countdown(0);
    // A timer that does not count cannot be calibrated.
    let frequency = measured.unwrap_or(SECOND_NS);
    TIMER.call_once(|| Timer::Countdown { to_ticks: Ratio::new(SECOND_NS, frequency) });
    ("one shot", frequency)
}

/// Initialises the timer of a further CPU, as that of the boot CPU.
pub(super) fn init_further() {
    match TIMER.get() {
        Some(Timer::Deadline { .. }) => local::set_deadline_mode(),
        Some(Timer::Countdown { .. }) => local::set_one_shot_mode(),
        None => {}
    }
}

/// Sets the function that is called at an alarm, in interrupt context with interrupts disabled. Only the first call has
/// an effect.
pub fn on_alarm(hook: fn()) {
    HOOK.call_once(|| hook);
}

/// Sets the alarm of the machine to a time of [`now_ns`](crate::now_ns), in place of the one before. A time in the past
/// fires at once. [`NEVER_NS`] clears the alarm. It is the timer of
/// the CPU that calls which fires.
///
/// ```no_run
/// use switchboard_x86_64::{now_ns, timer};
///
/// timer::on_alarm(|| log::info!("a second has passed"));
/// timer::set_alarm_ns(now_ns() + 1_000_000_000);
/// ```
pub fn set_alarm_ns(at_ns: u64) {
    let _arming = ARMING.lock();
    ALARM.store(at_ns, Ordering::Relaxed);
    arm(at_ns);
}

/// Serves the vector of the timer.
pub(super) fn fire() {
    let alarm = ALARM.load(Ordering::Relaxed);
    // A countdown is shorter than the time to a distant alarm: the timer fires before, and is armed again.
    if alarm > clock::now_ns() {
        return arm(alarm);
    }
    ALARM.store(NEVER_NS, Ordering::Relaxed);
    if let Some(hook) = HOOK.get() {
        hook();
    }
}

/// Arms the timer for an alarm.
fn arm(alarm: u64) {
    let left = alarm.saturating_sub(clock::now_ns());
    match TIMER.get() {
        None => {}
        Some(Timer::Deadline { .. }) if alarm == NEVER_NS => local::set_deadline(0),
        // At least one: a deadline of zero disarms the timer.
        Some(Timer::Deadline { to_tsc }) => {
            local::set_deadline(clock::read_tsc().saturating_add(to_tsc.apply(left)).max(1));
        }
        Some(Timer::Countdown { .. }) if alarm == NEVER_NS => local::start_countdown(0),
        Some(Timer::Countdown { to_ticks }) => {
            // Rounded up, so that the alarm is not a tick early.
            let ticks = to_ticks.apply(left).saturating_add(1);
            local::start_countdown(u32::try_from(ticks).unwrap_or(u32::MAX));
        }
    }
}
