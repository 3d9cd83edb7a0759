//! The states of a granted line or of granted messages, as types.

/// The state after a grant: no context is registered.
#[derive(Debug)]
pub enum Granted {}
/// The state with a registered context, masked at the source.
#[derive(Debug)]
pub enum Masked {}
/// The state with a registered context, unmasked.
#[derive(Debug)]
pub enum Live {}
