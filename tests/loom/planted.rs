//! Bugs planted in the source, to see that the models catch them.

/// A small change to one file, behind a switch.
pub struct Planted {
    /// What is wrong.
    pub bug: &'static str,
    /// The file, below `framework/src`.
    pub file: &'static str,
    /// The statements or the expression that it changes, which the file has exactly once,
    pub from: &'static str,
    /// and what they become.
    pub to: &'static str,
    /// The model that must fail, and what of its message.
    pub caught: (&'static str, &'static str),
}

/// All of them.
pub const PLANTED: &[Planted] = &[
    Planted {
        bug: "the slot is marked running by a plain store, which the load behind it overtakes",
        file: "interrupt/slot.rs",
        from: "self.running.swap(crate::sync::stack_pointer(), Ordering::SeqCst);",
        to: "self.running.store(crate::sync::stack_pointer(), Ordering::Release);",
        caught: ("slot::replaced_under_fire", "Causality violation"),
    },
    Planted {
        bug: "the end of a dispatch does not publish what the handler did",
        file: "interrupt/slot.rs",
        from: "self.running.store(0, Ordering::Release);",
        to: "self.running.store(0, Ordering::Relaxed);",
        caught: ("slot::replaced_under_fire", "Causality violation"),
    },
    Planted {
        bug: "a handler is taken out without waiting for it",
        file: "interrupt/slot.rs",
        from: "_ => core::hint::spin_loop(),",
        to: "_ => return true,",
        caught: ("slot::taken_out_under_fire", "Causality violation"),
    },
    Planted {
        bug: "every caller takes itself for the handler",
        file: "interrupt/slot.rs",
        from: "(here..here + STACK).contains(&frame)",
        to: "frame != 0 || here == 0",
        caught: ("slot::taken_out_under_fire", "came back"),
    },
    Planted {
        bug: "a handler that takes itself out is not recognised",
        file: "interrupt/slot.rs",
        from: "(here..here + STACK).contains(&frame)",
        to: "frame == 0 && here == 0",
        caught: ("slot::takes_itself_out", "exceeded maximum number of branches"),
    },
    Planted {
        bug: "a handler that takes itself out is freed while it runs",
        file: "interrupt/slot.rs",
        from: "if self.wait_idle() {",
        to: "if self.wait_idle() || new.is_null() {",
        caught: ("slot::takes_itself_out", "it was freed and is used"),
    },
    Planted {
        bug: "no second look after the waker is registered",
        file: "sync/event.rs",
        from: "if self.take() { Poll::Ready(()) } else { Poll::Pending }",
        to: "Poll::Pending",
        caught: ("event::no_wake_up_is_lost", "deadlock"),
    },
    Planted {
        bug: "the task is woken before the event is raised",
        file: "sync/event.rs",
        from: "self.state.raised.store(true, Ordering::Release);\n        self.state.waker.wake();",
        to: "self.state.waker.wake();\n        self.state.raised.store(true, Ordering::Release);",
        caught: ("event::no_wake_up_is_lost", "deadlock"),
    },
    Planted {
        bug: "a look at the event does not acquire what was written before the raise",
        file: "sync/event.rs",
        from: "self.state.raised.swap(false, Ordering::AcqRel)",
        to: "self.state.raised.swap(false, Ordering::Relaxed)",
        caught: ("event::a_raise_publishes", "Causality violation"),
    },
    Planted {
        bug: "a look at the event does not take it",
        file: "sync/event.rs",
        from: "self.state.raised.swap(false, Ordering::AcqRel)",
        to: "self.state.raised.load(Ordering::Acquire)",
        caught: ("event::raised_once_seen_once", "seen twice"),
    },
    Planted {
        bug: "entries are masked without reading back",
        file: "interrupt/msix.rs",
        from: "let _: Option<u32> = self.table.read(VECTOR_CONTROL);",
        to: "",
        caught: ("mask::msix_entries", "ran while its source was masked"),
    },
    Planted {
        bug: "who polls a message unmasks it for its registration too",
        file: "interrupt/msix.rs",
        from: "entries[entry].is_held || entries[entry].is_polled || !entries[entry].is_taken",
        to: "entries[entry].is_polled",
        caught: ("mask::msix_entries", "ran while its source was masked"),
    },
    Planted {
        bug: "an ISR may come between what is known of an entry and its mask bit",
        file: "interrupt/msix.rs",
        from: "self.write(entry, VECTOR_CONTROL, if masked { MASKED } else { 0 });",
        to: "drop(entries);\n        self.write(entry, VECTOR_CONTROL, if masked { MASKED } else { 0 });",
        caught: ("mask::polled", "not as it is known"),
    },
    Planted {
        bug: "what MSI without mask bits swallowed is not made up for",
        file: "interrupt/grant.rs",
        from: "vectors.for_each(|vector| controller.raise(vector));",
        to: "drop(vectors);",
        caught: ("mask::msi_without_mask_bits", "was lost"),
    },
    Planted {
        bug: "unmasking programs MSI anew, which turns it off for a moment",
        file: "interrupt/msi.rs",
        from: "if was_off {",
        to: "if true {",
        caught: ("mask::msi_with_mask_bits", "was lost"),
    },
    Planted {
        bug: "a block of vectors is freed with its handlers in",
        file: "interrupt/vectors.rs",
        from: "drop(self.replace(index, None));",
        to: "",
        caught: ("mask::msix_entries", "kept its context"),
    },
];
