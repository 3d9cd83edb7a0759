//! The arguments of the app: the limits of its servers.

use alloc::string::String;

use super::Site;
use switchboard_http::Server;

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is invalid: the arguments are connections N")]
pub(in crate::apps) struct Usage(String);

/// The limits of the servers, where they differ from the defaults of [`Server`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::apps) struct Limits {
    /// The most connections of a server at a time.
    connections: Option<usize>,
}

impl Limits {
    pub(super) fn parse(text: &str) -> Result<Self, Usage> {
        let usage = || Usage(text.into());
        let (mut limits, mut arguments) = (Self::default(), text.split_ascii_whitespace());
        while let Some(name) = arguments.next() {
            let number = arguments.next().and_then(|value| value.parse().ok()).filter(|number| *number > 0);
            match name {
                "connections" => limits.connections = Some(number.ok_or_else(usage)?),
                _ => return Err(usage()),
            }
        }
        Ok(limits)
    }

    /// Returns the server of a port.
    pub(super) fn server(self, port: u16, site: &'static Site) -> Server {
        let server = Server::new(port, site);
        self.connections.map_or(server, |connections| server.max_connections(connections))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_parsed_or_rejected() {
        let limits = |text| Limits::parse(text).map(|limits| limits.connections);
        assert!(matches!(limits(""), Ok(None)));
        assert!(matches!(limits("connections 2048"), Ok(Some(2048))));
        for text in ["connections", "connections 0", "connections many", "peers 3"] {
            assert_eq!(limits(text).expect_err(text).0, text);
        }
    }
}
