//! The simple services that the command line selects.

/// A selection of the simple services of RFC 862 to 864; by default none.
///
/// ```
/// use switchboard_runtime::command_line::{SimpleServices, parse};
///
/// let services = |line| parse(line, |warning| panic!("{warning}")).services;
/// assert_eq!(services(""), SimpleServices::NONE);
/// assert_eq!(services("services=all"), SimpleServices { echo: true, discard: true, chargen: true });
/// assert_eq!(services("services=echo"), SimpleServices { echo: true, ..SimpleServices::NONE });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimpleServices {
    /// Echo (RFC 862): TCP and UDP port 7.
    pub echo: bool,
    /// Discard (RFC 863): TCP port 9.
    pub discard: bool,
    /// Character generator (RFC 864): TCP port 19.
    pub chargen: bool,
}

impl SimpleServices {
    /// No service.
    pub const NONE: Self = Self { echo: false, discard: false, chargen: false };
    /// Every service.
    pub const ALL: Self = Self { echo: true, discard: true, chargen: true };

    pub(super) fn parse(value: &str) -> Option<Self> {
        match value {
            "none" => return Some(Self::NONE),
            "all" => return Some(Self::ALL),
            _ => {}
        }
        let mut services = Self::NONE;
        for name in value.split(',') {
            match name {
                "echo" => services.echo = true,
                "discard" => services.discard = true,
                "chargen" => services.chargen = true,
                _ => return None,
            }
        }
        Some(services)
    }
}
