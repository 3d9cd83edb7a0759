//! Configuration spaces that break the rules: each is passed through the scan, claims and grants, must have its
//! required outcome, and must not make the framework do an access that is forbidden.

mod catalogue;
mod exceptions;
mod mcfg;
mod mutants;
mod space;
mod trial;
mod verdict;
mod virtio;
