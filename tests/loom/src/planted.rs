//! Bugs planted in the source, to see that the models catch them: `planted!` in the framework's files names the places.

use std::env;
use std::sync::LazyLock;

/// A bug.
#[derive(Debug)]
pub struct Planted {
    /// Its name in the source.
    pub name: &'static str,
    /// What is wrong with it.
    pub bug: &'static str,
    /// The model that must fail.
    pub model: &'static str,
    /// Part of the failure's message.
    pub message: &'static str,
}

/// All of them.
pub const PLANTED: &[Planted] = &[
    Planted {
        name: "marked-by-a-plain-store",
        bug: "the slot is marked running by a plain store, which the load behind it overtakes",
        model: "slot::replaced_under_fire",
        message: "Causality violation",
    },
    Planted {
        name: "end-not-published",
        bug: "the end of a dispatch does not publish what the handler did",
        model: "slot::replaced_under_fire",
        message: "Causality violation",
    },
    Planted {
        name: "taken-out-without-waiting",
        bug: "a handler is taken out without waiting for it",
        model: "slot::taken_out_under_fire",
        message: "Causality violation",
    },
    Planted {
        name: "all-taken-for-the-handler",
        bug: "every caller takes itself for the handler",
        model: "slot::taken_out_under_fire",
        message: "came back",
    },
    Planted {
        name: "handler-not-recognised",
        bug: "a handler that takes itself out is not recognised",
        model: "slot::takes_itself_out",
        message: "exceeded maximum number of branches",
    },
    Planted {
        name: "freed-while-it-runs",
        bug: "a handler that takes itself out is freed while it runs",
        model: "slot::takes_itself_out",
        message: "it was freed and is used",
    },
    Planted {
        name: "no-second-look",
        bug: "no second look after the waker is registered",
        model: "event::no_wake_up_is_lost",
        message: "deadlock",
    },
    Planted {
        name: "woken-before-raised",
        bug: "the task is woken before the event is raised",
        model: "event::no_wake_up_is_lost",
        message: "deadlock",
    },
    Planted {
        name: "look-does-not-acquire",
        bug: "a look at the event does not acquire what was written before the raise",
        model: "event::a_raise_publishes",
        message: "Causality violation",
    },
    Planted {
        name: "look-does-not-take",
        bug: "a look at the event does not take it",
        model: "event::raised_once_seen_once",
        message: "seen twice",
    },
    Planted {
        name: "no-read-back",
        bug: "entries are masked without reading back",
        model: "mask::msix_entries",
        message: "ran while its source was masked",
    },
    Planted {
        name: "polling-unmasks-for-all",
        bug: "polling a message unmasks it for its registration too",
        model: "mask::msix_entries",
        message: "ran while its source was masked",
    },
    Planted {
        name: "mask-bit-after-lock",
        bug: "an ISR may come between what is known of an entry and its mask bit",
        model: "mask::polled",
        message: "not as it is known",
    },
    Planted {
        name: "lost-messages-not-made-up",
        bug: "what MSI without mask bits loses while it is off is not made up for",
        model: "mask::msi_without_mask_bits",
        message: "was lost",
    },
    Planted {
        name: "unmask-programs-anew",
        bug: "unmasking programs MSI anew, which turns it off for a moment",
        model: "mask::msi_with_mask_bits",
        message: "was lost",
    },
    Planted {
        name: "freed-with-handlers",
        bug: "a block of vectors is freed with its handlers in",
        model: "mask::msix_entries",
        message: "kept its context",
    },
    Planted {
        name: "woken-without-the-flag",
        bug: "a CPU is interrupted before it halts, and its flag is not set",
        model: "wake::no_task_is_left_by_a_cpu_that_halts",
        message: "exceeded maximum number of branches",
    },
    Planted {
        name: "left-without-draining",
        bug: "a vector of another CPU is taken for served while a message is on its way to the handler",
        model: "cpus::dropped_by_another",
        message: "a message found no handler",
    },
    Planted {
        name: "steered-without-draining",
        bug: "a message is steered away while one that was sent before is pending",
        model: "cpus::steered_by_msix",
        message: "was lost",
    },
    Planted {
        name: "steered-unmasked",
        bug: "an entry is steered without being masked",
        model: "cpus::steered_by_msix",
        message: "was lost",
    },
    Planted {
        name: "block-without-its-address",
        bug: "the handlers of a block of MSI messages move, and its address does not",
        model: "cpus::steered_by_msi",
        message: "was lost",
    },
];

/// The environment variable with the name of the bug to plant.
pub const VARIABLE: &str = "SWITCHBOARD_PLANT";

static CHOSEN: LazyLock<Option<usize>> = LazyLock::new(|| env::var(VARIABLE).ok().map(|name| index(&name)));

/// Returns the place in [`PLANTED`] of the bug of that name.
///
/// # Panics
/// When there is none: at compile time, for names in the source.
pub(crate) const fn index(name: &str) -> usize {
    let mut index = 0;
    while index < PLANTED.len() {
        if is_same(PLANTED[index].name.as_bytes(), name.as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("PLANTED has no bug of that name")
}

const fn is_same(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}

/// Whether this run has that bug.
pub(crate) fn is_planted(index: usize) -> bool {
    *CHOSEN == Some(index)
}
