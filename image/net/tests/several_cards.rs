//! A host with two cards: connections leave by the best route, by name and by address.

use core::task::Context;
use std::rc::Rc;

use embassy_futures::join::join;
use switchboard::config::Address;
use switchboard_net::{
    AddressSource, Capabilities, ConnectError, FrameHandler, Interface, InterfaceState, LinkStatus, Mac, Network, Nic,
    Service, Services, TcpConfig, TcpError, TcpStream,
};
use switchboard_net_testing::{TestCard, TestNetwork};
use switchboard_runtime::system::Subsystem;

/// A card that has its stack polled always.
struct AwakeCard(TestCard);

impl Nic for AwakeCard {
    fn mac(&self) -> Mac {
        Nic::mac(&self.0)
    }
    fn capabilities(&self) -> Capabilities {
        Nic::capabilities(&self.0)
    }
    fn set_polled(&mut self, is_polled: bool) {
        Nic::set_polled(&mut self.0, is_polled);
    }
    fn receive(&mut self, context: &mut Context<'_>, handle: &mut FrameHandler<'_>) -> bool {
        context.waker().wake_by_ref();
        Nic::receive(&mut self.0, context, handle)
    }
    fn can_send(&mut self, context: &mut Context<'_>) -> bool {
        Nic::can_send(&mut self.0, context)
    }
    fn send(&mut self, context: &mut Context<'_>, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        Nic::send(&mut self.0, context, length, fill);
    }
    fn set_groups(&mut self, groups: &[Mac]) {
        Nic::set_groups(&mut self.0, groups);
    }
    fn end_poll(&mut self, context: &mut Context<'_>) -> LinkStatus {
        Nic::end_poll(&mut self.0, context)
    }
}

fn start(host: &TestNetwork, card: TestCard, address: [u8; 4], gateway: Option<[u8; 4]>, greets: bool) -> Interface {
    let source = AddressSource::Static { address: address.into(), prefix: 24, gateway: gateway.map(Into::into) };
    let function = Address::new(0, 0, address[2], 0);
    let state = InterfaceState::new(function, "test", Nic::mac(&card), source, 0);
    let services: Services = Rc::new(move |group, stack| {
        let service = Service { port: 80, receive_bytes: 64, transmit_bytes: 64, backlog: 2, max_connections: 4 };
        if greets {
            service.start(group, stack, async move |stream: &Rc<TcpStream>| {
                let _ = stream.write(&address).await;
                while matches!(stream.read(&mut [0; 8]).await, Ok(1..)) {}
            });
        }
    });
    Interface::start(host.tasks(), state, Box::new(AwakeCard(card)), u64::from(address[3]), &services)
}

/// A host with a card on each of two networks, and a server on each.
fn network(second: [u8; 4], server: [u8; 4]) -> (TestNetwork, Rc<Network>, Vec<Interface>) {
    let mut host = TestNetwork::new();
    let [(ours_a, theirs_a), (ours_b, theirs_b)] = [TestCard::pair(), TestCard::pair()];
    let own =
        [start(&host, ours_a, [10, 1, 2, 9], Some([10, 1, 2, 1]), false), start(&host, ours_b, second, None, false)];
    let servers = vec![start(&host, theirs_a, [10, 1, 2, 1], None, true), start(&host, theirs_b, server, None, true)];
    (0..50).for_each(|_| host.step());
    (host, Network::of_interfaces(own.into()), servers)
}

fn greeting(host: &mut TestNetwork, network: &Rc<Network>, name: &'static str) -> Result<Vec<u8>, ConnectError> {
    let network = network.clone();
    host.wait(async move {
        let stream = network.connect(name, 80, TcpConfig::default()).await?;
        let mut buffer = [0; 4];
        let length = stream.read(&mut buffer).await?;
        Ok(buffer[..length].to_vec())
    })
}

#[test]
fn connections_leave_on_the_card_whose_route_is_the_best() {
    let (mut host, network, _servers) = network([10, 1, 3, 9], [10, 1, 3, 1]);
    assert_eq!(greeting(&mut host, &network, "10.1.2.1"), Ok(vec![10, 1, 2, 1]));
    assert_eq!(greeting(&mut host, &network, "10.1.3.1"), Ok(vec![10, 1, 3, 1]));
    assert_eq!(greeting(&mut host, &network, "2001:db8::1"), Err(TcpError::Unreachable.into()));
    let stack = network.stack_for([192, 0, 2, 1].into()).expect("the default route");
    assert_eq!(stack.state().function, Address::new(0, 0, 2, 0));
}

#[test]
fn connections_of_a_card_that_is_removed_end() {
    let (mut host, network, _servers) = network([10, 1, 3, 9], [10, 1, 3, 1]);
    let error = host.wait(async move {
        let stream = network.connect("10.1.3.1", 80, TcpConfig::default()).await.expect("a connection");
        let read = async {
            loop {
                if let Err(error) = stream.read(&mut [0; 8]).await {
                    return error;
                }
            }
        };
        let (error, is_detached) = join(read, network.detach(Address::new(0, 0, 3, 0))).await;
        assert!(
            is_detached
                && network
                    .stack_for([10, 1, 3, 1].into())
                    .is_some_and(|stack| { stack.state().function == Address::new(0, 0, 2, 0) })
        );
        error
    });
    assert_eq!(error, TcpError::Unreachable);
}
