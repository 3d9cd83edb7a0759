//! Messages of a machine with two CPUs, one of which does nothing but take interrupts: they are moved and dropped under fire.

use alloc::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use crate::hardware::cpu;
use crate::hardware::device::{Device, Sends};
use crate::hardware::machine::with_cpus;
use crate::interrupt::{InIsr, MessageIsr, Messages};

/// Almost all bugs need two.
pub const PREEMPTIONS: Option<usize> = Some(2);

crate::messages! {
    /// There is one.
    enum Message { Event }
}

/// The first vector that a CPU allocates.
const FIRST_VECTOR: u8 = 32;

/// What happened on the device, and what its handler saw of it.
#[derive(Default)]
struct Context {
    happened: AtomicUsize,
    seen: AtomicUsize,
    is_inside: AtomicBool,
}

impl MessageIsr<1> for Context {
    type Message = Message;

    fn on_message(&self, Message::Event: Message, _: &InIsr<'_>) {
        assert!(!self.is_inside.swap(true, Ordering::AcqRel), "the handler runs on both CPUs at once");
        self.seen.store(self.happened.load(Ordering::Acquire), Ordering::Relaxed);
        self.is_inside.store(false, Ordering::Release);
    }
}

fn send_twice(device: &'static Device, context: Arc<Context>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for count in 1..=2 {
            context.happened.store(count, Ordering::Release);
            device.take_in();
            device.send();
        }
    })
}

/// A message moves to the other CPU, and perhaps comes back, while the device sends it: none is lost, and the handler never runs twice at
/// once.
fn steered(sends: Sends, comes_back: bool) {
    with_cpus::<2>(sends, move |[here, there], device, irq| {
        let mut cpus = irq.cpus();
        let (first, second) = (cpus.next().expect("two"), cpus.next().expect("two"));
        let messages: Messages<1, Context> = irq.grant_messages().expect("the device has what is asked for");
        let context = Arc::new(Context::default());
        let masked = messages.register(context.clone());
        here.run_here();
        let mut live = masked.unmask();
        let is_ended = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let is_ended = is_ended.clone();
            move || there.run_until(&is_ended)
        });
        let sender = send_twice(device, context.clone());
        let mut steer = |to| match live.as_msix() {
            Some(mut entries) => entries.steer(Message::Event, to),
            None => live.as_msi().expect("MSI").steer(to),
        };
        steer(second).expect("there are vectors");
        if comes_back {
            steer(first).expect("there are vectors");
        }
        sender.join().expect("no panic");
        device.take_in();
        there.drain(FIRST_VECTOR);
        cpu::boundary();
        assert_eq!(context.seen.load(Ordering::Acquire), 2, "a message was lost");
        is_ended.store(true, Ordering::Release);
        other.join().expect("no panic");
        drop(live);
        assert_eq!(Arc::strong_count(&context), 1, "the grant kept its context");
    });
}

/// By MSI-X.
pub fn steered_by_msix() {
    steered(Sends::Msix, true);
}

/// By MSI, as a block, with a call in place of what is sent while it is off.
pub fn steered_by_msi() {
    steered(Sends::Msi { is_maskable: false }, false);
}

/// A registration is dropped by a CPU while the other one serves it: what was sent before is served before.
pub fn dropped_by_another() {
    with_cpus::<2>(Sends::Msix, |[here, there], device, irq| {
        let second = irq.cpus().last().expect("two");
        let granted = irq.prefer_cpu(second).grant_messages();
        let messages: Messages<1, Context> = granted.expect("the device has what is asked for");
        let context = Arc::new(Context::default());
        here.run_here();
        let live = messages.register(context.clone()).unmask();
        let is_ended = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let is_ended = is_ended.clone();
            move || there.run_until(&is_ended)
        });
        let sender = send_twice(device, context.clone());
        drop(live);
        assert!(!context.is_inside.load(Ordering::Acquire), "a handler runs after the drop");
        assert_eq!(there.vectors.slot(FIRST_VECTOR).unexpected(), 0, "a message found no handler");
        sender.join().expect("no panic");
        is_ended.store(true, Ordering::Release);
        other.join().expect("no panic");
        assert_eq!(
            (Arc::strong_count(&context), there.vectors.slot(FIRST_VECTOR).unexpected()),
            (1, 0),
            "a message found no handler"
        );
    });
}
