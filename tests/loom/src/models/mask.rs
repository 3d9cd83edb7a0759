//! Masking with messages under way: one CPU, and a device that sends when it likes.

use alloc::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use crate::hardware::cpu;
use crate::hardware::device::{Device, Sends, VECTOR_CONTROL};
use crate::hardware::machine::with_function;
use crate::interrupt::{InIsr, MessageIsr, MessageMask, Messages};

/// Almost all bugs need two.
pub const PREEMPTIONS: Option<usize> = Some(5);

crate::messages! {
    /// There is one.
    enum Message { Event }
}

/// What happened on the device, and what its handler saw of it.
struct Context {
    happened: AtomicUsize,
    seen: AtomicUsize,
    is_masked: AtomicBool,
}

impl Context {
    fn new(is_masked: bool) -> Self {
        let [happened, seen] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        Self { happened, seen, is_masked: AtomicBool::new(is_masked) }
    }

    /// Looks at what happened.
    fn look(&self) {
        self.seen.store(self.happened.load(Ordering::Acquire), Ordering::Relaxed);
    }
}

impl MessageIsr<1> for Context {
    type Message = Message;

    fn on_message(&self, Message::Event: Message, _: &InIsr<'_>) {
        assert!(!self.is_masked.load(Ordering::Relaxed), "a handler ran while its source was masked");
        self.look();
    }
}

fn send_twice(device: &'static Device, context: impl AsRef<Context> + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for count in 1..=2 {
            context.as_ref().happened.store(count, Ordering::Release);
            device.take_in();
            device.send();
        }
    })
}

/// While the source is masked no handler runs; what the device sends meanwhile is served afterwards; and the grant
/// leaves nothing behind.
fn nothing_is_lost(sends: Sends) {
    with_function(sends, |cpu, device, irq| {
        let messages: Messages<1, Context> = irq.grant_messages().expect("the device has what is asked for");
        let mask = messages.mask_of(Message::Event);
        let context = Arc::new(Context::new(true));
        let masked = messages.register(context.clone());
        cpu.run_here();
        context.is_masked.store(false, Ordering::Relaxed);
        let live = masked.unmask();

        let sender = send_twice(device, context.clone());
        let masked = live.mask();
        cpu::boundary();
        context.is_masked.store(true, Ordering::Relaxed);
        // Polling does not unmask for the registration.
        if let Some(mask) = mask {
            mask.unmask();
        }
        cpu::boundary();
        context.is_masked.store(false, Ordering::Relaxed);
        let live = masked.unmask();
        sender.join().expect("no panic");
        device.take_in();
        cpu::boundary();
        assert_eq!(context.seen.load(Ordering::Relaxed), 2, "a message was lost");

        drop(live);
        assert_eq!(Arc::strong_count(&context), 1, "the grant kept its context");
    });
}

/// A handler that masks its message, so that a task polls.
struct Polled {
    context: Context,
    mask: MessageMask,
}

impl AsRef<Context> for Arc<Polled> {
    fn as_ref(&self) -> &Context {
        &self.context
    }
}

impl MessageIsr<1> for Polled {
    type Message = Message;

    fn on_message(&self, Message::Event: Message, _: &InIsr<'_>) {
        self.mask.mask();
        self.context.is_masked.store(true, Ordering::Relaxed);
    }
}

/// What happens between the last poll and the unmask is served, and the mask bit has the value that was set last.
pub fn polled() {
    with_function(Sends::Msix, |cpu, device, irq| {
        let messages: Messages<1, Polled> = irq.grant_messages().expect("the device has what is asked for");
        let mask = messages.mask_of(Message::Event).expect("an entry has a mask");
        let polled = Arc::new(Polled { context: Context::new(false), mask });
        let masked = messages.register(polled.clone());
        cpu.run_here();
        let live = masked.unmask();

        let context = &polled.context;
        let poll = || {
            cpu::boundary();
            if context.is_masked.swap(false, Ordering::Relaxed) {
                context.look();
                polled.mask.unmask();
            }
        };
        let sender = send_twice(device, polled.clone());
        poll();
        sender.join().expect("no panic");
        device.take_in();
        cpu::boundary();
        let is_masked = device.read_bar(VECTOR_CONTROL) != 0;
        assert_eq!(is_masked, context.is_masked.load(Ordering::Relaxed), "the mask bit is not as it is known");
        poll();
        device.take_in();
        poll();
        assert_eq!(context.seen.load(Ordering::Relaxed), 2, "a message was lost");
        drop(live);
    });
}

/// By MSI-X.
pub fn msix_entries() {
    nothing_is_lost(Sends::Msix);
}

/// By MSI, which keeps pending what is masked.
pub fn msi_with_mask_bits() {
    nothing_is_lost(Sends::Msi { is_maskable: true });
}

/// By MSI, which loses what is sent while it is off.
pub fn msi_without_mask_bits() {
    nothing_is_lost(Sends::Msi { is_maskable: false });
}
