//! The client against a server that the test plays, with the time stepped from deadline to deadline.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use smoltcp::time::{Duration, Instant};

use super::options::{Options, code};
use super::*;
use crate::config::InterfaceConfig;
use crate::mac::Mac;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// A message that the client has sent.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    at: Instant,
    message_type: u8,
    transaction_id: [u8; 4],
    own: Ipv4Addr,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
}

struct Test {
    client: Client,
    now: Instant,
    sent: Vec<Sent>,
    config: Option<InterfaceConfig>,
    lost: usize,
    without_server: usize,
}

/// An answer to fill in: everything but the message's type is as a good server sends it.
#[derive(Clone)]
struct Answer {
    message_type: u8,
    address: Ipv4Addr,
    server: Ipv4Addr,
    seconds: Option<u32>,
    options: Vec<u8>,
}

impl Answer {
    fn new(message_type: u8) -> Self {
        Self { message_type, address: ADDRESS, server: SERVER, seconds: Some(3600), options: MASK_AND_ROUTERS.to_vec() }
    }

    fn seconds(self, seconds: u32) -> Self {
        Self { seconds: Some(seconds), ..self }
    }

    fn options(self, options: &[u8]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    fn to(&self, sent: &Sent) -> Vec<u8> {
        let mut message = vec![0; 240];
        message[..4].copy_from_slice(&[2, 1, 6, 0]);
        message[4..8].copy_from_slice(&sent.transaction_id);
        if self.message_type != NAK {
            message[16..20].copy_from_slice(&self.address.octets());
        }
        message[28..34].copy_from_slice(&MAC.0);
        message[236..240].copy_from_slice(&[99, 130, 83, 99]);
        message.extend([code::MESSAGE_TYPE, 1, self.message_type, code::SERVER_ID, 4]);
        message.extend(self.server.octets());
        if let Some(seconds) = self.seconds {
            message.extend([code::LEASE_TIME, 4]);
            message.extend(seconds.to_be_bytes());
        }
        message.extend(&self.options);
        message.push(code::END);
        message
    }
}

/// 255.255.255.0, and two routers.
const MASK_AND_ROUTERS: [u8; 16] = [code::SUBNET_MASK, 4, 255, 255, 255, 0, code::ROUTER, 8, 10, 0, 0, 1, 10, 0, 0, 2];

impl Test {
    fn new() -> Self {
        let now = Instant::from_secs(1000);
        let client = Client::new(MAC, Some("board".into()), 7, now);
        let mut test = Self { client, now, sent: Vec::new(), config: None, lost: 0, without_server: 0 };
        test.link(true);
        test
    }

    /// Bound to a lease of an hour.
    fn bound() -> Self {
        let mut test = Self::new();
        test.bind(&Answer::new(OFFER), &Answer::new(ACK));
        test
    }

    fn bind(&mut self, offer: &Answer, ack: &Answer) {
        self.answer(offer);
        self.answer(ack);
        assert!(self.config.is_some(), "{:?}", self.client);
    }

    fn link(&mut self, is_up: bool) {
        self.client.link_changed(is_up, self.now);
        self.poll();
    }

    /// Answers the last message.
    fn answer(&mut self, answer: &Answer) {
        self.receive(&answer.to(self.sent.last().expect("a message")));
    }

    fn receive(&mut self, message: &[u8]) {
        self.client.receive(message, self.now);
        self.poll();
    }

    fn poll(&mut self) {
        while let Some(action) = self.client.poll(self.now) {
            match action {
                Action::Send(datagram) => self.sent.push(parse(&datagram, self.now)),
                Action::Configure(config) => self.config = Some(config),
                Action::Deconfigure => {
                    assert!(self.config.take().is_some(), "lost what was not there");
                    self.lost += 1;
                }
                Action::NoServer => self.without_server += 1,
            }
        }
        assert!(self.client.deadline().is_none_or(|at| at > self.now), "{:?} at {}", self.client, self.now);
    }

    /// Lets time pass, from deadline to deadline. `answer` may answer each message.
    fn pass_answering(&mut self, duration: Duration, mut answer: impl FnMut(&Sent) -> Option<Answer>) {
        let until = self.now + duration;
        let mut answered = self.sent.len();
        loop {
            while answered < self.sent.len() {
                let sent = self.sent[answered].clone();
                answered += 1;
                if let Some(answer) = answer(&sent) {
                    self.receive(&answer.to(&sent));
                }
            }
            let Some(at) = self.client.deadline().filter(|at| *at <= until) else { break };
            self.now = at;
            self.poll();
        }
        self.now = until;
        self.poll();
    }

    fn pass(&mut self, seconds: u64) {
        self.pass_answering(Duration::from_secs(seconds), |_| None);
    }

    fn types(&self) -> Vec<u8> {
        self.sent.iter().map(|sent| sent.message_type).collect()
    }

    fn address(&self) -> Option<IpAddr> {
        self.config.as_ref().map(|config| config.addresses[0].address)
    }
}

fn parse(datagram: &Datagram, now: Instant) -> Sent {
    let message = datagram.payload();
    assert!(message.len() >= 300 && message[..3] == [1, 1, 6] && message[28..34] == MAC.0);
    let options = Options::of(message).expect("whole options");
    assert_eq!(options.get(code::CLIENT_ID).expect("an identifier"), [&[1][..], &MAC.0].concat());
    let message_type = options.u8(code::MESSAGE_TYPE).expect("a type");
    if message_type < 4 {
        let parameters = options.get(code::PARAMETER_LIST).expect("a list");
        assert!([1, 3, 6, 12, 15, 26, 42, 119, 121].iter().all(|code| parameters.contains(code)));
        assert_eq!(options.get(code::HOST_NAME).expect("a name"), b"board");
    }
    Sent {
        at: now,
        message_type,
        transaction_id: message[4..8].try_into().expect("4 bytes"),
        own: Ipv4Addr::from(<[u8; 4]>::try_from(&message[12..16]).expect("4 bytes")),
        source: datagram.source,
        destination: datagram.destination,
        requested: options.address(code::REQUESTED_ADDRESS),
        server: options.address(code::SERVER_ID),
    }
}

mod acquiring;
mod answers;
mod keeping;
mod rates;
