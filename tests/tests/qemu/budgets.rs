//! Budgets: for the cost of an interrupt in instructions, counted exactly by `-icount shift=0`, and for the size of the image.

use std::fs;

use switchboard_tests::{Exit, Machine, Qemu, built_image};

/// The most bytes that the image for tests takes, with every driver, app and instrument; `make size` has the sizes without.
const MAX_IMAGE_BYTES: usize = 2816 * 1024;

#[test]
fn the_image_stays_within_its_size() {
    let image = fs::read(built_image()).expect("the image");
    let word =
        |at: usize, bytes: usize| image[at..at + bytes].iter().rfold(0, |word, byte| word << 8 | usize::from(*byte));
    // The offset of the program headers, the bytes of each, and their number.
    let (table, entry, count) = (word(0x20, 8), word(0x36, 2), word(0x38, 2));
    // What is loaded (`PT_LOAD`): the rest is symbols and lines.
    let headers = (0..count).map(|index| table + index * entry).filter(|at| word(*at, 4) == 1);
    let bytes: usize = headers.map(|at| word(at + 0x20, 8)).sum();
    assert!((500_000..=MAX_IMAGE_BYTES).contains(&bytes), "{bytes} bytes");
}

/// Parses the numbers of one line of the app, as in `message: 30 to the handler, 52 around it`.
fn figures(line: &str) -> Vec<u64> {
    let (_, figures) = line.split_once(": ").expect("a label and figures");
    figures.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_message_is_steered_within_its_budget() {
    let qemu = ["3", "7", "0xb"].iter().fold(Qemu::new(Machine::Q35), |qemu, slot| {
        // Three slots whose pins are routed to one line.
        qemu.device(&format!("edu,addr={slot}"))
    });
    let qemu = qemu.device("nec-usb-xhci").argument("-smp", "2");
    let guest = qemu.cpu("max,-x2apic").argument("-icount", "shift=0").option("app=bench-interrupts").start();
    // Those of both CPUs: the one that is left answers that it has served what was sent.
    let steer = figures(&guest.wait_for("steer: "));
    assert!(steer.len() == 2 && steer.iter().all(|count| *count <= 1_400), "{steer:?} instructions to steer a message");
    assert_eq!(guest.exit(), Exit::Success);
}

#[test]
fn interrupts_stay_within_their_budgets() {
    let qemu = ["3", "7", "0xb"].iter().fold(Qemu::new(Machine::Q35), |qemu, slot| {
        // Three slots whose pins are routed to one line.
        qemu.device(&format!("edu,addr={slot}"))
    });
    let guest = qemu.cpu("max,-x2apic").argument("-icount", "shift=0").option("app=bench-interrupts").start();
    let message = figures(&guest.wait_for("message: "));
    assert!(message[0] <= 32, "{} instructions from the vector to a message handler", message[0]);
    assert!(message[1] <= 64, "{} instructions around a message handler", message[1]);
    let lines = ["line with 1: ", "line with 2: ", "line with 3: "].map(|label| figures(&guest.wait_for(label))[1]);
    assert!(lines[0] <= 90, "{} instructions around a line handler", lines[0]);
    for pair in lines.windows(2) {
        assert!(pair[1] - pair[0] <= 15, "{} instructions for one more sharer", pair[1] - pair[0]);
    }
    let event = figures(&guest.wait_for("event: "))[0];
    assert!(event <= 400, "{event} instructions from a notification to the task");
    assert_eq!(guest.exit(), Exit::Success);
}
