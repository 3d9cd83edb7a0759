//! What is reported about options that are ignored.

use core::fmt;

/// The options with their allowed values, for warnings.
pub(super) const OPTIONS: [(&str, &str); 20] = [
    ("irq", "auto, msix, msi or intx"),
    ("log", "off, error, warn, info, debug or trace"),
    ("log-time", "boot or utc: the time of log lines"),
    ("console", "serial or virtio: the console that gets what is printed, too"),
    ("shell", "serial: a shell on the serial port"),
    ("app", "the name of an app"),
    (
        "ip",
        "dhcp, linklocal, off4 or A.B.C.D/N[,GATEWAY] with N from 0 to 32, and X:X::X/N, GATEWAY, auto6 or off6 for IPv6, \
         and routes NET/N>GATEWAY, with commas between them (ip1= to ip7= for further interfaces)",
    ),
    ("dns", "addresses of DNS servers, with commas between them"),
    ("search", "domains, with commas between them, that names without a dot are looked up in"),
    ("hostname", "a name of letters, digits and hyphens, up to 63, which is also announced as NAME.local"),
    ("ntp", "addresses of NTP servers, with commas between them"),
    ("gsi", "BUS:DEVICE.FUNCTION>GSI, with commas between: interrupt lines instead of those that were found"),
    ("cpus", "the number of CPUs that run, at most, from 1 on"),
    ("irqcpus", "boot or all"),
    ("vectors", "a number of interrupt vectors"),
    ("grace", "milliseconds within which a second press of a slot's attention button cancels the first"),
    ("spin", "microseconds that an idle CPU may poll before it halts, up to 1000"),
    ("poll", "microseconds to poll a device for after an event, up to 10000, while that is faster than interrupts"),
    ("services", "none, all, or a list of echo, discard and chargen with commas between"),
    ("root", "diskN, diskNpM, shareN or @NAME: the volume that is written"),
];

/// An option that was ignored. Displays as one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning<'a> {
    /// There is no such option.
    Unknown {
        /// The option as it was written.
        word: &'a str,
    },
    /// The option does not take this value.
    BadValue {
        /// The option as it was written.
        word: &'a str,
        /// The allowed values.
        allowed: &'static str,
    },
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadValue { word, allowed } => {
                write!(f, "kernel option `{word}` is ignored: it takes {allowed}")
            }
            Self::Unknown { word } => {
                write!(f, "kernel option `{word}` is unknown and ignored: the options are")?;
                for (index, (name, allowed)) in OPTIONS.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ";" };
                    write!(f, "{separator} {name}= {allowed}")?;
                }
                Ok(())
            }
        }
    }
}
