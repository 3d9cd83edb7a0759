//! The simple services of RFC 862 to 864: echo, discard and the character generator. They start only on request.

mod chargen;
mod discard;
mod echo;

use alloc::rc::Rc;

use switchboard_runtime::command_line::SimpleServices;
use switchboard_runtime::tasks::TaskGroup;

use crate::stack::Stack;

/// Starts those of the simple services that are selected, on one stack. Without the feature `services` it starts none.
///
/// [`Network`](crate::Network) does it for each interface, with the selection of the command line (`services=`).
///
/// ```
/// use switchboard_net::{SimpleServices, start_simple_services};
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let echo = SimpleServices { echo: true, ..SimpleServices::NONE };
/// start_simple_services(echo, network.group(), network.stack());
/// assert_eq!(network.exchange(7, b"abc"), b"abc");
/// ```
pub fn start_simple_services(services: SimpleServices, group: &Rc<TaskGroup>, stack: &Stack) {
    if !cfg!(feature = "services") {
        return;
    }
    let SimpleServices { echo, discard, chargen } = services;
    if echo {
        echo::start(group, stack);
    }
    if discard {
        discard::start(group, stack);
    }
    if chargen {
        chargen::start(group, stack);
    }
}
