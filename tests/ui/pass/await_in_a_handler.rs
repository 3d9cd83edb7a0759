//! The handler notifies a task, and the task waits.

#![allow(dead_code, unused_imports)]

use switchboard::interrupt::{Claim, InIsr, LineIsr};
use switchboard::event::{Notifier, Waiter};

struct Shared {
    done: Notifier,
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.done.notify(isr);
        Claim::Mine
    }
}

async fn task(mut done: Waiter) {
    done.wait().await;
}

fn main() {
    let _ = task;
}
