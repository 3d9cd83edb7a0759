//! Programs that must not compile (`fail`), with their pinned errors, and variants of them that do (`pass`). This crate is
//! their dependencies alone, without those of the other tests.
