//! A DHCP server by script (RFC 2131).

use core::net::{Ipv4Addr, SocketAddr};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::frame::Frame;
use super::link::Link;
use super::packet::{BROADCAST, IPV4, Mac, ethernet, udp};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Type of a DHCP message (RFC 2132, 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFC")]
pub enum MessageType {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

/// A message of the guest's client.
#[derive(Debug, Clone)]
pub struct DhcpRequest {
    /// Its type.
    pub kind: MessageType,
    /// Transaction.
    pub xid: [u8; 4],
    /// The address that the client has, or 0.0.0.0.
    pub client: Ipv4Addr,
    /// Hardware address field.
    hardware: [u8; 16],
    /// Source of the IP packet.
    pub source: Ipv4Addr,
    /// Destination of the IP packet; the broadcast address unless it renews.
    pub destination: Ipv4Addr,
    /// Options by their number.
    pub options: BTreeMap<u8, Vec<u8>>,
}

impl DhcpRequest {
    /// Parses the message, if the frame carries one.
    #[must_use]
    pub fn parse(frame: &Frame) -> Option<Self> {
        let (SocketAddr::V4(from), SocketAddr::V4(to), data) = frame.udp()? else { return None };
        if to.port() != SERVER_PORT || data.get(236..240)? != COOKIE {
            return None;
        }
        let mut options = BTreeMap::new();
        let mut rest = &data[240..];
        while let [code, tail @ ..] = rest {
            match code {
                0 => rest = tail,
                255 => break,
                _ => {
                    let (length, tail) = tail.split_first()?;
                    let (value, tail) = tail.split_at_checked(usize::from(*length))?;
                    options.insert(*code, value.to_vec());
                    rest = tail;
                }
            }
        }
        use MessageType::{Ack, Decline, Discover, Inform, Nak, Offer, Release, Request};
        let kinds = [Discover, Offer, Request, Decline, Ack, Nak, Release, Inform];
        let kind = *options.get(&53)?.first()?;
        Some(Self {
            kind: kinds.into_iter().find(|known| *known as u8 == kind)?,
            xid: data[4..8].try_into().ok()?,
            client: Ipv4Addr::from(<[u8; 4]>::try_from(&data[12..16]).ok()?),
            hardware: data[28..44].try_into().ok()?,
            source: *from.ip(),
            destination: *to.ip(),
            options,
        })
    }

    /// Returns whether the client extends a lease that it has (RFC 2131, 4.3.2: `ciaddr` is filled in).
    #[must_use]
    pub fn is_renewal(&self) -> bool {
        self.kind == MessageType::Request && !self.client.is_unspecified()
    }

    /// Returns an answer without options.
    #[must_use]
    pub fn reply(&self, kind: MessageType) -> DhcpReply {
        DhcpReply { request: self.clone(), kind, address: Ipv4Addr::UNSPECIFIED, options: Vec::new(), xid: self.xid }
    }

    /// Returns an offer for a DISCOVER and an acknowledgement for a REQUEST, with a lease of these seconds; `None` for
    /// other messages.
    #[must_use]
    pub fn grant(&self, address: Ipv4Addr, seconds: u32) -> Option<DhcpReply> {
        let kind = match self.kind {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request => MessageType::Ack,
            _ => return None,
        };
        Some(self.reply(kind).address(address).option(51, &seconds.to_be_bytes()))
    }
}

/// An answer of the server.
#[derive(Debug, Clone)]
pub struct DhcpReply {
    request: DhcpRequest,
    kind: MessageType,
    address: Ipv4Addr,
    options: Vec<u8>,
    xid: [u8; 4],
}

impl DhcpReply {
    /// Sets the address that is given (`yiaddr`).
    #[must_use]
    pub fn address(self, address: Ipv4Addr) -> Self {
        Self { address, ..self }
    }

    /// Sets the transaction, which is that of the request otherwise.
    #[must_use]
    pub fn xid(self, xid: [u8; 4]) -> Self {
        Self { xid, ..self }
    }

    /// Adds an option.
    ///
    /// # Panics
    /// Panics for a value of more than 255 bytes.
    #[must_use]
    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        self.options.extend([code, u8::try_from(value.len()).expect("a short value")]);
        self.options.extend_from_slice(value);
        self
    }

    /// Adds an option of addresses: 1 mask, 3 routers, 6 DNS servers, 42 NTP servers.
    #[must_use]
    pub fn addresses(self, code: u8, addresses: &[[u8; 4]]) -> Self {
        self.option(code, &addresses.concat())
    }

    /// Adds a mask of 24 bits and this router.
    #[must_use]
    pub fn network(self, router: [u8; 4]) -> Self {
        self.addresses(1, &[[255, 255, 255, 0]]).addresses(3, &[router])
    }

    /// Returns the frame.
    fn frame(&self, server: (Mac, Ipv4Addr), guest: Mac) -> Vec<u8> {
        let DhcpRequest { client, hardware, .. } = &self.request;
        let is_unicast = !client.is_unspecified() && self.kind != MessageType::Nak;
        let mut message = vec![2, 1, 6, 0];
        message.extend(self.xid);
        message.extend([0; 4]);
        message.extend(if is_unicast { client.octets() } else { [0; 4] });
        message.extend(self.address.octets());
        message.extend([0; 8]);
        message.extend(hardware);
        message.extend([0; 192]);
        message.extend(COOKIE);
        message.extend([53, 1, self.kind as u8, 54, 4]);
        message.extend(server.1.octets());
        message.extend(&self.options);
        message.push(255);
        message.resize(message.len().max(300), 0);
        let (destination, mac) = if is_unicast { (*client, guest) } else { (Ipv4Addr::BROADCAST, BROADCAST) };
        let (from, to) = ((server.1, SERVER_PORT).into(), (destination, CLIENT_PORT).into());
        ethernet(mac, server.0, IPV4, &udp(from, to, &message))
    }
}

/// A server whose answers are a function of the client's messages. It remembers all of them.
#[derive(Debug, Clone)]
pub struct DhcpServer {
    requests: Arc<Mutex<Vec<DhcpRequest>>>,
}

impl DhcpServer {
    /// Starts a server; `answer` is called for each message, with the number of messages before it.
    pub fn start(
        link: &Link,
        (mac, address): (Mac, Ipv4Addr),
        mut answer: impl FnMut(&DhcpRequest, usize) -> Vec<DhcpReply> + Send + 'static,
    ) -> Self {
        let requests = Arc::<Mutex<Vec<DhcpRequest>>>::default();
        let all = requests.clone();
        link.lock().neighbours.set(address.into(), Some(mac));
        link.respond(move |frame| {
            let Some(request) = DhcpRequest::parse(frame) else { return Vec::new() };
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            let answers = answer(&request, all.len());
            all.push(request);
            answers.iter().map(|reply| reply.frame((mac, address), frame.source)).collect()
        });
        Self { requests }
    }

    /// Returns all messages so far.
    #[must_use]
    pub fn requests(&self) -> Vec<DhcpRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many messages of a type came.
    #[must_use]
    pub fn count(&self, kind: MessageType) -> usize {
        self.requests().iter().filter(|request| request.kind == kind).count()
    }
}
