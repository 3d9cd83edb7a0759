//! Tests of lines: sharers, storms, routes.

use core::pin::pin;
use core::sync::atomic::Ordering;
use core::task::{Context, Waker};
use std::sync::Arc;

use switchboard_testing::FakeMachine;

use crate::{Counting, Shared, nic, port};

#[test]
fn a_line_handler_may_have_state_of_its_own() {
    let fake = FakeMachine::new([nic()]);
    let granted = port(&fake, 3).grant_line().unwrap();
    let mut live = granted.register_exclusive(Counting { calls: 0 }).unmask();
    assert!(fake.assert_line(11) && fake.assert_line(11));
    assert_eq!(live.with_state(|counting| core::mem::take(&mut counting.calls)), 2);
    assert!(fake.assert_line(11));
    assert_eq!(live.with_state(|counting| counting.calls), 1);
    assert_eq!(fake.machine().interrupt_report()[0].unclaimed, 1);
}

#[test]
fn every_sharer_is_called_and_has_its_own_counters() {
    let functions = ["00:03.0", "00:07.0", "00:0b.0"].map(|at| nic().at(at));
    let fake = FakeMachine::new(functions);
    let shared = [Shared::raising(5), Shared::raising(0), Shared::raising(2)];
    let live = [3, 7, 11].map(|device| {
        let place = usize::from(device / 4);
        port(&fake, device).grant_line().unwrap().register(shared[place].clone()).unmask()
    });
    for _ in 0..5 {
        assert!(fake.assert_line(11));
    }
    let reports = fake.machine().interrupt_report();
    assert_eq!(
        reports.iter().map(|report| (report.count, report.unclaimed)).collect::<Vec<_>>(),
        [(5, 0), (5, 5), (5, 3)]
    );
    assert!(reports.iter().all(|report| report.vector == reports[0].vector && report.gsi == Some(live[0].gsi())));
    let [first, second, third] = live;
    drop(second);
    fake.assert_line(11);
    assert_eq!(shared.each_ref().map(|shared| shared.calls()), [6, 5, 6]);
    drop(first);
    assert!(fake.assert_line(11), "a sharer is left");
    drop(third);
    assert!(!fake.assert_line(11), "no sharer is left");
}

#[test]
fn a_storm_masks_the_line_and_a_new_sharer_unmasks_it() {
    let fake = FakeMachine::new([nic(), nic().at("00:07.0")]);
    let shared = Shared::raising(1);
    let _live = port(&fake, 3).grant_line().unwrap().register(shared.clone()).unmask();
    let mut context = Context::from_waker(Waker::noop());
    let mut storm = pin!(fake.machine().storm());
    assert!(storm.as_mut().poll(&mut context).is_pending() && !fake.machine().has_storm());
    let delivered = (0..10_000).take_while(|_| fake.assert_line(11)).count();
    assert_eq!((delivered, shared.calls()), (1_001, 1_001), "one claimed, then a thousand unclaimed");
    assert_eq!(fake.machine().storms(), 1);
    assert!(storm.as_mut().poll(&mut context).is_ready());
    for _ in 0..5 {
        fake.machine().retry_stormed_lines();
        assert_eq!((0..100).take_while(|_| fake.assert_line(11)).count(), 10, "polled slowly");
    }
    fake.machine().retry_stormed_lines();
    assert!(fake.machine().has_storm(), "it is on probation");
    fake.machine().retry_stormed_lines();
    assert!(!fake.machine().has_storm());
    assert_eq!((0..100).take_while(|_| fake.assert_line(11)).count(), 100, "the storm is over");
    assert_eq!(fake.machine().storms(), 1, "reported once");
    let _ = (0..10_000).take_while(|_| fake.assert_line(11)).count();
    let _other = port(&fake, 7).grant_line().unwrap().register(Shared::raising(1)).unmask();
    assert!(fake.assert_line(11));
}

#[test]
fn a_sharer_that_leaves_in_a_storm_leaves_the_line_unmasked() {
    let fake = FakeMachine::new([nic(), nic().at("00:07.0")]);
    let stays = Shared::raising(1);
    let _live = port(&fake, 3).grant_line().unwrap().register(stays.clone()).unmask();
    let leaves = port(&fake, 7).grant_line().unwrap().register(Shared::raising(0)).unmask();
    let _ = (0..10_000).take_while(|_| fake.assert_line(11)).count();
    assert!(!fake.assert_line(11), "the storm masked the line");
    drop(leaves);
    let calls = stays.calls();
    assert!(fake.assert_line(11), "a sharer is left");
    assert_eq!(stays.calls(), calls + 1);
}

#[test]
fn a_line_without_a_route_is_an_error() {
    let fake = FakeMachine::new([nic().pin(1, 255), nic().at("00:07.0").pin(0, 11), nic().at("00:09.0").pin(1, 99)]);
    let error = |device| port(&fake, device).grant_line::<Shared>().unwrap_err().0.to_string();
    assert_eq!(
        error(3),
        "no route for INTA of 0000:00:03.0: nothing is known of the chipset's wires at 0000:00:03.0; firmware's \
         Interrupt Line is 255; the I/O APICs have 24 inputs"
    );
    assert!(error(7).starts_with("no interrupt mode fits: the function offers no pin"));
    assert_eq!(error(9), "no I/O APIC has an input for GSI 99");
}

#[test]
fn handlers_come_and_go_while_a_line_fires() {
    let fake = FakeMachine::new([nic(), nic().at("00:07.0")]);
    let stays = Shared::raising(usize::MAX);
    let _live = port(&fake, 3).grant_line().unwrap().register(stays.clone()).unmask();
    let done = core::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let device = scope.spawn(|| {
            let mut pulled = 0;
            while !done.load(Ordering::Relaxed) {
                pulled += usize::from(fake.assert_line(11));
            }
            pulled
        });
        for _ in 0..2_000 {
            let shared = Shared::raising(0);
            let live = port(&fake, 7).grant_line().unwrap().register(shared.clone()).unmask();
            drop(live);
            let calls = shared.calls();
            assert_eq!(Arc::strong_count(&shared), 1);
            core::hint::spin_loop();
            assert_eq!(shared.calls(), calls, "called after it was removed");
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(device.join().expect("no panic"), stays.calls(), "none lost");
    });
}
