//! The smallest app: prints how many functions there are and how many have a driver, and ends.

use switchboard::function::FunctionState;

use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

pub(super) async fn run(system: System) -> Outcome {
    let functions = system.machine.functions();
    let live = functions.iter().filter(|function| function.state == FunctionState::Live).count();
    say!("hello from Switchboard: {} functions, {live} with a driver", functions.len());
    Ok(())
}
