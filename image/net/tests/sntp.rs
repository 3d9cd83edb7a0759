//! The wall clock by a time server that the test plays. The clock is one of the whole program, so this is one test.

use core::cell::{Cell, RefCell};
use core::net::IpAddr;
use std::rc::Rc;

use embassy_time::{Duration, Instant, Timer};
use switchboard_net::{InterfaceConfig, keep_time};
use switchboard_net_testing::TestNetwork;
use switchboard_runtime::wall_clock;

/// From 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;
/// The time of the server, when the test's clock is at 0.
const SERVER_SECONDS: u64 = 1_800_000_000;

/// The answer of a server with the right time.
fn answer(request: &[u8]) -> Vec<u8> {
    assert_eq!((request.len(), request[0]), (48, 0x23), "version 4, client");
    let micros = Instant::now().as_micros();
    let seconds = NTP_EPOCH + SERVER_SECONDS + micros / 1_000_000;
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    let now = ((seconds << 32) | fraction).to_be_bytes();
    let mut answer = vec![0; 48];
    // Version 4, server; stratum 2; its reference, the request's time, and the time of arrival and of departure.
    answer[..2].copy_from_slice(&[0x24, 2]);
    answer[16..24].copy_from_slice(&now);
    answer[24..32].copy_from_slice(&request[40..48]);
    answer[32..40].copy_from_slice(&now);
    answer[40..48].copy_from_slice(&now);
    answer
}

/// Returns by how many milliseconds the wall clock differs from the server's.
fn error_ms() -> Option<u64> {
    let right = SERVER_SECONDS * 1000 + Instant::now().as_millis();
    wall_clock::now().map(|now| (now.nanoseconds() / 1_000_000).abs_diff(right))
}

/// A change of an answer.
type Edit = Box<dyn Fn(&mut Vec<u8>)>;

#[test]
fn the_clock_follows_the_server_and_refuses_wrong_answers() {
    let mut config = InterfaceConfig::default();
    let silent: IpAddr = [10, 0, 0, 3].into();
    config.ntp_servers = vec![silent, [10, 0, 0, 2].into()];
    let mut network = TestNetwork::with_config(config);
    let requests = Rc::new(Cell::new(0));
    let edit: Rc<RefCell<Edit>> = Rc::new(RefCell::new(Box::new(|answer| answer[24] ^= 1)));
    let (count, edited) = (requests.clone(), edit.clone());
    network.serve_datagrams(123, move |request| {
        count.set(count.get() + 1);
        let mut answer = answer(request);
        edited.borrow()(&mut answer);
        vec![answer]
    });
    network.group().add(keep_time(network.stack().clone()));

    // Another exchange, no synchronised clock, a request, no time of departure, truncated: none sets the clock.
    let wrong: [fn(&mut Vec<u8>); 5] = [
        |answer| answer[24] ^= 1,
        |answer| answer[0] |= 0xc0,
        |answer| answer[0] = 0x23,
        |answer| answer[40..48].fill(0),
        |answer| answer.truncate(47),
    ];
    for edited in wrong {
        *edit.borrow_mut() = Box::new(edited);
        let before = requests.get();
        while requests.get() == before {
            network.wait(Timer::after(Duration::from_secs(1)));
        }
        network.wait(Timer::after(Duration::from_secs(1)));
        assert_eq!(wall_clock::now(), None);
    }
    // Each time the wait is longer, from sixteen seconds on.
    assert!(requests.get() == 5 && (200..400).contains(&Instant::now().as_secs()), "{}", Instant::now().as_secs());

    *edit.borrow_mut() = Box::new(|_| {});
    network.wait(Timer::after(Duration::from_secs(300)));
    assert!(error_ms().expect("a time") <= 2, "{:?} ms off", error_ms());
    // The server that has answered is asked again, every quarter of an hour.
    let before = requests.get();
    wall_clock::discipline(50_000_000_000);
    network.wait(Timer::after(Duration::from_secs(500)));
    network.wait(Timer::after(Duration::from_secs(500)));
    assert!(error_ms().expect("a time") <= 2, "{:?} ms off", error_ms());
    assert_eq!(requests.get(), before + 1);
}
