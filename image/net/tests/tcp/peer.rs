//! A host whose every frame is the test's, at the other end of the link of a stack.

use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::pin::pin;
use std::rc::Rc;

use smoltcp::phy::{ChecksumCapabilities, Device, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol,
    Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};
use switchboard::config::Address;
use switchboard_net::{AddressSource, InterfaceState, Mac, Stack};
use switchboard_net_testing::{TestCard, TestNetwork};

pub(crate) const STACK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const PEER_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

/// A stack with a static address, and the peer's end of its link.
pub(crate) struct Lan {
    pub(crate) network: TestNetwork,
    pub(crate) stack: Stack,
    card: TestCard,
}

/// A TCP segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) host: Ipv4Addr,
    pub(crate) host_port: u16,
    pub(crate) stack_port: u16,
    pub(crate) control: TcpControl,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: Option<u32>,
    pub(crate) window: u16,
    pub(crate) mss: Option<u16>,
    pub(crate) data: Vec<u8>,
    /// The length of the IP packet, of received ones.
    pub(crate) packet_bytes: usize,
}

impl Segment {
    /// Returns a SYN of the host.
    pub(crate) fn syn(host: Ipv4Addr, host_port: u16, stack_port: u16, sequence: u32) -> Self {
        Self {
            host,
            host_port,
            stack_port,
            control: TcpControl::Syn,
            sequence,
            acknowledgement: None,
            window: 8192,
            mss: Some(1460),
            data: Vec::new(),
            packet_bytes: 0,
        }
    }

    /// Returns whether it is a reset.
    pub(crate) fn is_reset(&self) -> bool {
        self.control == TcpControl::Rst
    }
}

impl Lan {
    pub(crate) fn new() -> Self {
        let network = TestNetwork::new();
        let (card, peer) = TestCard::pair();
        let source = AddressSource::Static { address: STACK, prefix: 24, gateway: None };
        let state = InterfaceState::new(Address::new(0, 0, 2, 0), "test", Mac(MAC.0), source, 0);
        let (stack, runner) = Stack::new(Box::new(card), Rc::new(state), 1);
        network.group().add(async move {
            let mut runner = pin!(runner);
            poll_fn(|context| {
                context.waker().wake_by_ref();
                runner.as_mut().poll(context)
            })
            .await;
        });
        let mut lan = Self { network, stack, card: peer };
        while lan.stack.state().config().ipv4_address().is_none() {
            lan.step();
        }
        lan.run(10);
        lan
    }

    /// Lets a millisecond pass. Returns the segments that the stack has sent; the host answers ARP.
    pub(crate) fn step(&mut self) -> Vec<Segment> {
        self.network.step();
        let mut segments = Vec::new();
        while let Some((frame, _)) = self.card.receive(Instant::ZERO) {
            let frame = frame.consume(<[u8]>::to_vec);
            match EthernetFrame::new_unchecked(&frame).ethertype() {
                EthernetProtocol::Arp => self.answer_arp(&frame[14..]),
                EthernetProtocol::Ipv4 => segments.extend(parse(&frame[14..])),
                _ => {}
            }
        }
        segments
    }

    /// Lets time pass. Returns the segments that the stack has sent.
    pub(crate) fn run(&mut self, milliseconds: usize) -> Vec<Segment> {
        (0..milliseconds).flat_map(|_| self.step()).collect()
    }

    fn answer_arp(&mut self, packet: &[u8]) {
        let Ok(ArpRepr::EthernetIpv4 { operation: ArpOperation::Request, target_protocol_addr, .. }) =
            ArpRepr::parse(&ArpPacket::new_unchecked(packet))
        else {
            return;
        };
        if target_protocol_addr == STACK {
            return;
        }
        let answer = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: PEER_MAC,
            source_protocol_addr: target_protocol_addr,
            target_hardware_addr: MAC,
            target_protocol_addr: STACK,
        };
        let mut frame = vec![0; 14 + answer.buffer_len()];
        ethernet(EthernetProtocol::Arp, &mut frame);
        answer.emit(&mut ArpPacket::new_unchecked(&mut frame[14..]));
        self.send_frame(&frame);
    }

    pub(crate) fn send_frame(&mut self, frame: &[u8]) {
        let token = self.card.transmit(Instant::ZERO).expect("room for a frame");
        token.consume(frame.len(), |room| room.copy_from_slice(frame));
    }

    /// Sends an IPv4 packet with this payload.
    pub(crate) fn send_packet(&mut self, source: Ipv4Addr, protocol: IpProtocol, payload: &[u8]) {
        let ip = Ipv4Repr {
            src_addr: source,
            dst_addr: STACK,
            next_header: protocol,
            payload_len: payload.len(),
            hop_limit: 64,
        };
        let mut frame = vec![0; 34 + payload.len()];
        ethernet(EthernetProtocol::Ipv4, &mut frame);
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &ChecksumCapabilities::default());
        frame[34..].copy_from_slice(payload);
        self.send_frame(&frame);
    }

    pub(crate) fn send(&mut self, segment: &Segment) {
        let repr = TcpRepr {
            src_port: segment.host_port,
            dst_port: segment.stack_port,
            control: segment.control,
            seq_number: TcpSeqNumber(segment.sequence.cast_signed()),
            ack_number: segment.acknowledgement.map(|number| TcpSeqNumber(number.cast_signed())),
            window_len: segment.window,
            window_scale: None,
            max_seg_size: segment.mss,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &segment.data,
        };
        let mut bytes = vec![0; repr.buffer_len()];
        let checksums = ChecksumCapabilities::default();
        repr.emit(&mut TcpPacket::new_unchecked(&mut bytes), &segment.host.into(), &STACK.into(), &checksums);
        self.send_packet(segment.host, IpProtocol::Tcp, &bytes);
    }
}

fn ethernet(ethertype: EthernetProtocol, frame: &mut [u8]) {
    EthernetRepr { src_addr: PEER_MAC, dst_addr: MAC, ethertype }.emit(&mut EthernetFrame::new_unchecked(frame));
}

/// Returns the length of data in sequence numbers.
pub(crate) fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).expect("a short segment")
}

fn parse(packet: &[u8]) -> Option<Segment> {
    let checksums = ChecksumCapabilities::default();
    let ip = Ipv4Packet::new_checked(packet).expect("a whole packet");
    let header = Ipv4Repr::parse(&ip, &checksums).expect("a valid header");
    if header.next_header != IpProtocol::Tcp {
        return None;
    }
    let tcp = TcpPacket::new_checked(ip.payload()).expect("a whole segment");
    let (source, destination) = (header.src_addr.into(), header.dst_addr.into());
    let repr = TcpRepr::parse(&tcp, &source, &destination, &checksums).expect("a valid segment");
    Some(Segment {
        host: header.dst_addr,
        host_port: repr.dst_port,
        stack_port: repr.src_port,
        control: if repr.control == TcpControl::Psh { TcpControl::None } else { repr.control },
        sequence: repr.seq_number.0.cast_unsigned(),
        acknowledgement: repr.ack_number.map(|number| number.0.cast_unsigned()),
        window: repr.window_len,
        mss: repr.max_seg_size,
        data: repr.payload.to_vec(),
        packet_bytes: usize::from(ip.total_len()),
    })
}

/// A connection of the host, by hand: it acknowledges what arrives in order.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) next: Segment,
    pub(crate) received: Vec<u8>,
    pub(crate) has_fin: bool,
    pub(crate) is_reset: bool,
    /// Whether data is acknowledged.
    pub(crate) acknowledges: bool,
}

impl Conn {
    /// Opens a connection.
    pub(crate) fn open(lan: &mut Lan, host: Ipv4Addr, host_port: u16, stack_port: u16) -> Self {
        Self::open_with(lan, Segment::syn(host, host_port, stack_port, 1000))
    }

    /// Opens a connection by this SYN.
    pub(crate) fn open_with(lan: &mut Lan, syn: Segment) -> Self {
        lan.send(&syn);
        let is_answer = |segment: &Segment| segment.control == TcpControl::Syn && segment.host_port == syn.host_port;
        let answer = lan.run(50).into_iter().find(is_answer).expect("an answer");
        assert_eq!(answer.acknowledgement, Some(1001));
        let acknowledgement = Some(answer.sequence.wrapping_add(1));
        let next = Segment { control: TcpControl::None, sequence: 1001, acknowledgement, mss: None, ..syn };
        let conn = Self { next, received: Vec::new(), has_fin: false, is_reset: false, acknowledges: true };
        lan.send(&conn.next);
        conn
    }

    /// Sends data.
    pub(crate) fn send(&mut self, lan: &mut Lan, data: &[u8]) {
        lan.send(&Segment { data: data.to_vec(), ..self.next.clone() });
        self.next.sequence = self.next.sequence.wrapping_add(length(data));
    }

    /// Sends a segment without data, with a sequence number at this distance from the expected one.
    pub(crate) fn send_control(&self, lan: &mut Lan, control: TcpControl, distance: u32) {
        let sequence = self.next.sequence.wrapping_add(distance);
        lan.send(&Segment { control, sequence, ..self.next.clone() });
    }

    /// Takes what is for this connection. Returns it.
    pub(crate) fn run(&mut self, lan: &mut Lan, milliseconds: usize) -> Vec<Segment> {
        let mut taken = Vec::new();
        for _ in 0..milliseconds {
            for segment in lan.step() {
                if segment.host_port == self.next.host_port && segment.host == self.next.host {
                    self.take(lan, &segment);
                    taken.push(segment);
                }
            }
        }
        taken
    }

    pub(crate) fn take(&mut self, lan: &mut Lan, segment: &Segment) {
        self.is_reset |= segment.is_reset();
        let expected = self.next.acknowledgement.expect("it is open");
        let has_fin = segment.control == TcpControl::Fin;
        if segment.is_reset() || (segment.data.is_empty() && !has_fin) || !self.acknowledges {
            return;
        }
        if segment.sequence == expected {
            self.received.extend(&segment.data);
            self.has_fin |= has_fin;
            let length = length(&segment.data) + u32::from(has_fin);
            self.next.acknowledgement = Some(expected.wrapping_add(length));
        }
        lan.send(&self.next);
    }
}
