//! The watch of interrupts and requests: a line that is routed wrongly, DMA that an IOMMU blocks.

use core::time::Duration;

use switchboard_tests::{Exit, Irq, Machine, Nic, Qemu, ScratchDisk, serves_the_file};

/// The slots of the card and of the disk, by which their lines are 20 to 23 on q35.
const CARD: &str = "e1000,addr=6";
const CARD_ROUTE: &str = "gsi=00:06.0>19";
const ROUTE: &str = "gsi=00:05.0>19";

fn scratch() -> ScratchDisk {
    ScratchDisk::new(64, |sector| u8::try_from(sector).expect("fewer than 256 sectors"))
}

#[test]
fn a_card_whose_line_is_routed_wrongly_serves_by_polling() {
    let guest = Qemu::new(Machine::Q35).nic_device(CARD).files().irq(Irq::Intx).option(CARD_ROUTE).start();
    // Timers of the network stack look at the card, too, so that it may take some requests until a frame waits.
    for _ in 0..20 {
        serves_the_file(&guest);
        std::thread::sleep(Duration::from_millis(700));
        if guest.console().text().contains("interrupts do not arrive") {
            break;
        }
    }
    guest.wait_for("00:06.0: e1000: interrupts do not arrive (intx, line, GSI 19 by option)");
    let functions = guest.functions();
    let card = functions.iter().find(|function| function.address.ends_with("00:06.0")).expect("the card");
    assert_eq!(card.faults, ["interrupts do not arrive (line): polled"]);
    assert_eq!(card.route.as_ref().map(|route| (route.gsi, route.source.as_str())), Some((19, "option")));
    let polled: u64 = guest.interrupts().of("e1000").map(|row| row.polled).sum();
    assert!(polled > 0);
    let metrics = guest.client().get("/metrics").expect("metrics").body;
    let metrics = String::from_utf8(metrics).expect("text");
    let lost = metrics.lines().find(|line| line.starts_with("switchboard_interrupts_lost") && line.contains("e1000"));
    assert!(lost.is_some_and(|line| line.ends_with(" 1")), "{lost:?}");
}

#[test]
fn a_disk_whose_line_is_routed_wrongly_is_read_by_polling() {
    let disk = scratch();
    // So slow that no request is finished when its task looks, before it waits for the interrupt.
    let drive = format!("format=raw,throttling.iops-total=20,file={}", disk.path().display());
    let qemu = Qemu::new(Machine::Q35).drive(&drive, "virtio-blk-pci,addr=5").irq(Irq::Intx).option(ROUTE);
    let requests = format!("read 0 ; read 5 ; write 7 good morning ; read 7{}", " ; read 9".repeat(20));
    let guest = qemu.option(&format!("poll=0 app=disk -- {requests}")).start();
    let (ended, text) = (guest.exit(), guest.console().clone().text());
    assert_eq!(ended, Exit::Success, "{text}");
    assert!(text.contains("00:05.0: virtio-blk: interrupts do not arrive (intx, line, GSI 19 by option)"), "{text}");
    assert!(text.contains("read 5: sum 2560") && text.contains("`good morning`"), "{text}");
}

#[test]
fn requests_that_an_iommu_blocks_are_reported_with_what_to_try() {
    let disk = scratch();
    let drive = format!("format=raw,file={}", disk.path().display());
    let qemu = Qemu::new(Machine::Q35).bridge("virtio-iommu-pci,boot-bypass=off,addr=6");
    let qemu = qemu.drive(&drive, "virtio-blk-pci,addr=5,iommu_platform=on,disable-legacy=on");
    let guest = qemu.option("app=disk -- read 0").start();
    let limit = Duration::from_secs(60);
    let line = guest.console().wait_for("request does not finish", limit).expect("a line about the request");
    assert!(line.contains("00:05.0: virtio-blk: 1 request does not finish (Done), for 5 s now"), "{line}");
    assert!(line.ends_with("the IOMMU 0000:00:06.0 may block its DMA: boot-bypass=on"), "{line}");
}

#[test]
fn interrupts_of_healthy_devices_are_not_suspected() {
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).files().start();
    for _ in 0..3 {
        serves_the_file(&guest);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(!guest.console().text().contains("do not arrive"));
    assert!(guest.functions().iter().all(|function| function.faults.is_empty()));
}
