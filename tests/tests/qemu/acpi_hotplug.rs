//! Hot-plug by ACPI, the default of QEMU's pc and q35: devices are added and removed ten times, and nothing is left of them.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::{Guest, Machine, Nic, Qemu, Qmp, QmpSession, serves_the_file};

const TIMEOUT: Duration = Duration::from_secs(30);
const ROUNDS: usize = 10;

struct Slots {
    guest: Guest,
    qmp: QmpSession,
}

/// What is in use: functions, free vectors, pages for DMA.
#[derive(Debug, PartialEq, Eq)]
struct Usage {
    functions: Vec<String>,
    vectors_free: String,
    dma_pages: String,
}

impl Slots {
    fn new(machine: Machine, bridges: &[&str]) -> Self {
        let qmp = Qmp::default();
        let qemu = Qemu::new(machine).nic(Nic::Virtio).files();
        let qemu = bridges.iter().fold(qemu, |qemu, bridge| qemu.bridge(bridge));
        let guest = qmp.attach(qemu).start();
        guest.wait_for("hot-plug by ACPI");
        serves_the_file(&guest);
        let qmp = qmp.connect();
        Self { guest, qmp }
    }

    fn usage(&self) -> Usage {
        let metrics = self.guest.client().get("/metrics").expect("metrics").body;
        let metrics = String::from_utf8(metrics).expect("text");
        let metric = |name: &str| metrics.lines().find(|line| line.starts_with(name)).expect("a metric").to_owned();
        Usage {
            functions: self.guest.functions().into_iter().map(|function| function.address).collect(),
            vectors_free: metric("switchboard_vectors_free"),
            dma_pages: metric("switchboard_dma_pages{state=\"used\"}"),
        }
    }

    /// Waits until a function with this driver is live, beside `others` of them, and returns its address.
    #[track_caller]
    fn wait_for_driver(&self, driver: &str, others: usize) -> String {
        let end = Instant::now() + TIMEOUT;
        while Instant::now() < end {
            let functions = self.guest.functions();
            let live = |function: &&switchboard_tests::FunctionReport| {
                function.driver.as_deref() == Some(driver) && function.state == "live"
            };
            if let Some(function) = functions.iter().filter(live).nth(others) {
                return function.address.clone();
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("no driver {driver}: {:#?}", self.guest.functions());
    }

    /// Adds and removes a device of each kind in turn.
    fn rounds(&mut self, bus: &str) {
        let functions = self.usage().functions;
        let mut before = None;
        for round in 0..ROUNDS {
            for (device, driver, others) in [("edu", "edu", 0), ("virtio-net-pci", "virtio-net", 1)] {
                let id = format!("{driver}-{round}");
                self.qmp.add(device, &id, &[("bus", bus)]);
                self.wait_for_driver(driver, others);
                self.qmp.request_removal(&id).expect("a device that can be removed");
                self.qmp.wait_until_deleted(&id);
            }
            // The first round leaves page tables for device memory at new addresses.
            assert_eq!(&self.usage(), before.get_or_insert_with(|| self.usage()));
        }
        assert_eq!(self.usage().functions, functions);
        serves_the_file(&self.guest);
    }
}

#[test]
fn devices_come_and_go_on_the_root_bus_of_pc() {
    Slots::new(Machine::Pc, &[]).rounds("pci.0");
}

#[test]
fn devices_come_and_go_behind_a_bridge_of_pc() {
    Slots::new(Machine::Pc, &["pci-bridge,id=bridge,chassis_nr=1,addr=8"]).rounds("bridge");
}

#[test]
fn devices_come_and_go_behind_a_root_port_of_q35() {
    Slots::new(Machine::Q35, &["pcie-root-port,id=bay,chassis=1,slot=7,addr=4"]).rounds("bay");
}
