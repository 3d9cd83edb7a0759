//! The parts of an interrupt's path, by the functions that their instructions are from.

use core::fmt;
use std::io;

use super::names::Names;

/// A part of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Stub,
    Save,
    FindSlot,
    CallHandler,
    Counters,
    Sharers,
    Handler,
    ReturnToSlot,
    LeaveSlot,
    EndOfInterrupt,
    Restore,
    Return,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stub => "stub of the vector",
            Self::Save => "saving registers and SSE state",
            Self::FindSlot => "finding the slot, marking it as running, calling what is in it",
            Self::CallHandler => "from the slot to the handler",
            Self::Counters => "counters, and the clock for the longest call",
            Self::Sharers => "calling the sharers of the line, their claims, the storm detector",
            Self::Handler => "(the handler)",
            Self::ReturnToSlot => "from the handler back to the slot",
            Self::LeaveSlot => "leaving the slot, returning to the stub",
            Self::EndOfInterrupt => "end of interrupt",
            Self::Restore => "restoring SSE state and registers",
            Self::Return => "iretq",
        })
    }
}

/// The parts of the path to a handler and back, but for those that only lines have.
pub(super) const PARTS: [Part; 11] = [
    Part::Stub,
    Part::Save,
    Part::FindSlot,
    Part::CallHandler,
    Part::Counters,
    Part::Handler,
    Part::ReturnToSlot,
    Part::LeaveSlot,
    Part::EndOfInterrupt,
    Part::Restore,
    Part::Return,
];

/// The entry that calls what is in the slot, with all that is inlined into it.
const ENTRY: &str = "switchboard_x86_64::entry::interrupt";
/// The function by which a slot calls a handler. There is a copy of it for each type of handler, with all that is inlined into it.
const SERVE_NODE: &str = "switchboard::vector::slot::serve_node";
/// The type of handler that calls the sharers of a line, and the method that does.
const LIST: (&str, &str) = ("List", "serve");
/// Functions that count and look at the clock, wherever they are inlined.
const COUNTERS: [&str; 3] = ["count", "ticks", "record_duration"];
const END_OF_INTERRUPT: &str = "end_of_interrupt";

/// Returns the part of an instruction outside the handler, before it or after.
///
/// # Errors
/// Returns an error when the instruction is of a function that is not known here.
pub(super) fn part(names: &Names<'_>, address: u64, is_after: bool) -> io::Result<Part> {
    let chain = names.functions(address)?;
    let times = |name: &str| chain.iter().filter(|function| without_types(function) == name).count();
    let symbol = names.symbol(address).map_or("", |symbol| symbol.name.as_str());
    Ok(match symbol {
        "switchboard_interrupt_stubs" => Part::Stub,
        "switchboard_save_for_interrupt" => Part::Save,
        "switchboard_restore_from_interrupt" => Part::Restore,
        ENTRY if times(END_OF_INTERRUPT) > 0 => Part::EndOfInterrupt,
        ENTRY if is_after => Part::LeaveSlot,
        ENTRY => Part::FindSlot,
        SERVE_NODE => {
            // The list calls its handlers as the slot does, by a method of the same name that is inlined into its own.
            let is_list = chain.last().is_some_and(|copy| type_of(copy) == Some(LIST.0));
            match times(LIST.1) {
                _ if COUNTERS.into_iter().any(|name| times(name) > 0) => Part::Counters,
                1 if is_list => Part::Sharers,
                _ if is_after => Part::ReturnToSlot,
                _ => Part::CallHandler,
            }
        }
        _ => {
            let error =
                format!("the instruction at {address:#x} is of `{symbol}`, which is no known part: see parts.rs");
            return Err(io::Error::other(error));
        }
    })
}

/// Returns the name of a function without its generic arguments.
fn without_types(function: &str) -> &str {
    function.split_once('<').map_or(function, |(name, _)| name)
}

/// Returns the type in `function<path::of::Type>` without its path and its own arguments.
fn type_of(function: &str) -> Option<&str> {
    let (_, arguments) = function.split_once('<')?;
    without_types(arguments.trim_end_matches('>')).rsplit("::").next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_functions_have_a_name_and_a_type() {
        let copies = ["serve_node<a::lines::List>", "serve_node<a::One<1, b::Stopwatch>>", "serve"];
        assert_eq!(copies.map(without_types), ["serve_node", "serve_node", "serve"]);
        assert_eq!(copies.map(type_of), [Some("List"), Some("One"), None]);
    }
}
