//! Configuration spaces that break the rules: each is taken through the scan, claims and grants, and must come out as
//! it should; and whatever is there, nothing is done that must not be.

mod catalogue;
mod mcfg;
mod mutants;
mod reasons;
mod space;
mod trial;
mod verdict;
mod virtio;
