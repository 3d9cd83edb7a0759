//! The states of a grant, as types.

/// Granted: nothing is registered, nothing can be called.
#[derive(Debug)]
pub enum Granted {}
/// Registered, and masked at the source.
#[derive(Debug)]
pub enum Masked {}
/// Registered, and delivered.
#[derive(Debug)]
pub enum Live {}
