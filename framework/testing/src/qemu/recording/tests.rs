//! Tests of the format: what is written can be read.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::event::{Change, Event};
use super::exchange::find;
use super::parse::Recording;

const EXAMPLE: &str = "switchboard-recording 1
# a comment
modes intx msix
read 00:01.0 config+0x0 4 0x11e81234
driver 0x200000 0102,00*512,ff
write 00:1f.7 bar0+0x8 1 0x05
read memory 0xfee00000 8 0x0000000000000001
write port 0x60 1 0xff
time 3
device 0x200010 00
interrupt line 23
  read 00:01.0 bar0+0x24 4 0x00000001
  fence 1
end
interrupt message 33
resumed
end
interrupt raised 34
end
refused 3
wait 700
stuck
";

fn events(text: &str) -> Vec<Event> {
    Recording::parse(text).expect("a recording").entries.into_iter().map(|entry| entry.event).collect()
}

#[test]
fn what_is_written_can_be_read() {
    let recording = Recording::parse(EXAMPLE).expect("a recording");
    let mut text = String::from("switchboard-recording 1\nmodes intx msix\n");
    for entry in &recording.entries {
        entry.by_driver.iter().for_each(|change| text.push_str(&format!("driver {change}\n")));
        text.push_str(&format!("{}\n", entry.event));
        entry.by_device.iter().for_each(|change| text.push_str(&format!("device {change}\n")));
    }
    assert_eq!(events(&text), events(EXAMPLE));
    assert_eq!(recording.entries[1].by_driver[0].data.len(), 2 + 512 + 1);
    assert_eq!((recording.entries[1].line, recording.entries[6].is_handler), (6, true));
}

#[test]
fn errors_name_the_line() {
    for (text, error) in [
        ("", "line 1: \"\": \"switchboard-recording 1\" was expected"),
        ("switchboard-recording 2\n", "line 1: \"switchboard-recording 2\": \"switchboard-recording 1\" was expected"),
        (
            "switchboard-recording 1\nread 00:20.0 bar0+0x0 4 0\n",
            "line 2: \"read 00:20.0 bar0+0x0 4 0\" is no line of a recording",
        ),
        ("switchboard-recording 1\ndevice 0x0 00\n", "line 2: \"device 0x0 00\" is no line of a recording"),
        (
            "switchboard-recording 1\nend\ndevice 0x3ffffff 00*2\n",
            "line 3: \"device 0x3ffffff 00*2\" is no line of a recording",
        ),
    ] {
        assert_eq!(Recording::parse(text).err().as_deref(), Some(error));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_back(data in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 1..200), bus in 0_usize..5000) {
        let change = Change { bus, data };
        let text = format!("switchboard-recording 1\nend\ndevice {change}\n");
        prop_assert_eq!(&Recording::parse(&text).expect("a recording").entries[0].by_device, &vec![change]);
    }

    #[test]
    fn changes_make_one_memory_the_other(before in prop::collection::vec(0_u8..3, 9000), places in prop::collection::vec((0_usize..9000, 0_u8..3), 0..50)) {
        let mut now = before.clone();
        places.into_iter().for_each(|(at, byte)| now[at] = byte);
        let (mut changes, mut copy) = (Vec::new(), before.clone());
        find(0x1000, &now, &before, &mut changes);
        for Change { bus, data } in changes {
            copy[bus - 0x1000..bus - 0x1000 + data.len()].copy_from_slice(&data);
        }
        prop_assert_eq!(copy, now);
    }

    #[test]
    fn any_text_is_read_or_refused(lines in prop::collection::vec("[ a-z0-9x*,:.+]{0,40}", 0..20)) {
        drop(Recording::parse(&format!("switchboard-recording 1\n{}", lines.join("\n"))));
    }
}
