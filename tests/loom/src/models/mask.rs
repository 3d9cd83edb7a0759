//! Masking with messages under way: one CPU, and a device that sends when it likes.

use alloc::sync::Arc;
use alloc::vec;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::models;
use crate::interrupt::{Bound, Claim, MessageGrant, MessageMask, Serve};
use crate::stand_in::cpu;
use crate::stand_in::device::{Device, Kind, VECTOR_CONTROL};
use crate::stand_in::function::with_function;

models!("mask", Some(5); msix_entries, msi_with_mask_bits, msi_without_mask_bits, polled);

/// What happened on the device, and what its handler saw of it.
struct Context {
    happened: AtomicUsize,
    seen: AtomicUsize,
    is_masked: AtomicBool,
}

struct Handler {
    context: Arc<Context>,
}

impl Serve for Handler {
    fn serve(&self) -> Claim {
        assert!(!self.context.is_masked.load(Ordering::Relaxed), "a handler ran while its source was masked");
        self.context.seen.store(self.context.happened.load(Ordering::Acquire), Ordering::Relaxed);
        Claim::Mine
    }
}

fn send_twice(device: &'static Device, context: &Arc<Context>) -> thread::JoinHandle<()> {
    let context = context.clone();
    thread::spawn(move || {
        for count in 1..=2 {
            context.happened.store(count, Ordering::Release);
            device.take_in();
            device.send();
        }
    })
}

/// While the source is masked no handler runs; what the device sends meanwhile is served afterwards; and the grant
/// leaves nothing behind.
fn nothing_is_lost(kind: Kind) {
    with_function(kind, |cpu, device, claimed| {
        let grant = match kind {
            Kind::Msix => MessageGrant::by_msix(&claimed, 1, 1),
            Kind::Msi { .. } => MessageGrant::by_msi(&claimed, 1, 1),
        };
        let mut grant = grant.expect("the device has what is asked for");
        let _row = grant.add_row(0, vec!["message"]);
        let [happened, seen] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let context = Arc::new(Context { happened, seen, is_masked: AtomicBool::new(true) });
        grant.bind(0, Bound::new(Handler { context: context.clone() }));
        cpu.run_here();
        context.is_masked.store(false, Ordering::Relaxed);
        grant.unmask();

        let sender = send_twice(device, &context);
        grant.mask();
        cpu::boundary();
        context.is_masked.store(true, Ordering::Relaxed);
        // Polling does not unmask for the registration.
        if let Some(mask) = grant.mask_of(0) {
            mask.unmask();
        }
        cpu::boundary();
        context.is_masked.store(false, Ordering::Relaxed);
        grant.unmask();
        sender.join().expect("no panic");
        device.take_in();
        cpu::boundary();
        assert_eq!(context.seen.load(Ordering::Relaxed), 2, "a message was lost");

        drop(grant);
        assert_eq!(Arc::strong_count(&context), 1, "the grant kept its context");
    });
}

/// A handler that masks its message, and leaves the rest to who polls.
struct Polled {
    context: Arc<Context>,
    mask: MessageMask,
}

impl Serve for Polled {
    fn serve(&self) -> Claim {
        self.mask.mask();
        self.context.is_masked.store(true, Ordering::Relaxed);
        Claim::Mine
    }
}

/// What happens between the last look and the unmask is served, and a mask bit is what was asked for last.
fn polled() {
    with_function(Kind::Msix, |cpu, device, claimed| {
        let grant = MessageGrant::by_msix(&claimed, 1, 1).expect("the device has what is asked for");
        let mask = || grant.mask_of(0).expect("an entry has a mask");
        let [happened, seen] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let context = Arc::new(Context { happened, seen, is_masked: AtomicBool::new(false) });
        grant.bind(0, Bound::new(Polled { context: context.clone(), mask: mask() }));
        let mask = mask();
        cpu.run_here();
        grant.unmask();

        let poll = || {
            cpu::boundary();
            if context.is_masked.swap(false, Ordering::Relaxed) {
                context.seen.store(context.happened.load(Ordering::Acquire), Ordering::Relaxed);
                mask.unmask();
            }
        };
        let sender = send_twice(device, &context);
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
        drop(grant);
    });
}

fn msix_entries() {
    nothing_is_lost(Kind::Msix);
}

fn msi_with_mask_bits() {
    nothing_is_lost(Kind::Msi { is_maskable: true });
}

fn msi_without_mask_bits() {
    nothing_is_lost(Kind::Msi { is_maskable: false });
}
