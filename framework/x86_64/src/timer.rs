//! Alarms: the local APIC's timer, one shot at a time, with no tick in between.

use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;

use super::apic::local;
use super::clock::{self, Ratio, SECOND};
use super::{calibrate, cpu};
use switchboard::sync::IrqLock;

/// No alarm.
pub const NEVER: u64 = u64::MAX;

static ALARM: AtomicU64 = AtomicU64::new(NEVER);
static HOOK: Once<fn()> = Once::new();
static TIMER: Once<Timer> = Once::new();
/// Keeps the alarm and what the timer was told in step.
static ARMING: IrqLock<()> = IrqLock::new(());

#[derive(Debug, Clone, Copy)]
enum Timer {
    /// The timer compares itself with the TSC.
    Deadline { to_tsc: Ratio },
    /// The timer counts down.
    Countdown { to_ticks: Ratio },
}

/// Sets the timer up; the clock runs already. Returns its kind and its frequency in Hz.
pub(super) fn init(tsc_frequency: u64) -> (&'static str, u64) {
    if cpu::has_tsc_deadline() {
        local::set_deadline_mode();
        TIMER.call_once(|| Timer::Deadline { to_tsc: Ratio::new(SECOND, tsc_frequency) });
        return ("TSC deadline", tsc_frequency);
    }
    local::set_one_shot_mode();
    local::start_countdown(u32::MAX);
    let mut elapsed = || u64::from(u32::MAX - local::countdown());
    let measured = calibrate::frequency(&mut elapsed, &mut clock::read_tsc, tsc_frequency);
    local::start_countdown(0);
    // A timer that does not count while the TSC does is broken beyond what guessing can mend.
    let frequency = measured.unwrap_or(SECOND);
    TIMER.call_once(|| Timer::Countdown { to_ticks: Ratio::new(SECOND, frequency) });
    ("one shot", frequency)
}

/// Names what is called at an alarm: in interrupt context, with interrupts off. The first call counts.
pub fn on_alarm(hook: fn()) {
    HOOK.call_once(|| hook);
}

/// Sets the one alarm of this CPU, in nanoseconds of the machine's clock, in place of the one before. A moment
/// that has passed rings at once; [`NEVER`] takes the alarm back.
pub fn set_alarm_ns(nanoseconds: u64) {
    let _arming = ARMING.lock();
    ALARM.store(nanoseconds, Ordering::Relaxed);
    arm(nanoseconds);
}

/// Serves the timer's vector.
pub(super) fn fire() {
    let alarm = ALARM.load(Ordering::Relaxed);
    // The timer cannot count far enough for a distant alarm: it rings on the way.
    if alarm > clock::now_ns() {
        return arm(alarm);
    }
    ALARM.store(NEVER, Ordering::Relaxed);
    if let Some(hook) = HOOK.get() {
        hook();
    }
}

fn arm(alarm: u64) {
    let left = alarm.saturating_sub(clock::now_ns());
    match TIMER.get() {
        None => {}
        Some(Timer::Deadline { .. }) if alarm == NEVER => local::set_deadline(0),
        // One tick ahead at least: a deadline of zero would mean none.
        Some(Timer::Deadline { to_tsc }) => {
            local::set_deadline(clock::read_tsc().saturating_add(to_tsc.apply(left)).max(1));
        }
        Some(Timer::Countdown { .. }) if alarm == NEVER => local::start_countdown(0),
        Some(Timer::Countdown { to_ticks }) => {
            // Rounded up, so that it does not ring a tick too early.
            let ticks = to_ticks.apply(left).saturating_add(1);
            local::start_countdown(u32::try_from(ticks).unwrap_or(u32::MAX));
        }
    }
}
