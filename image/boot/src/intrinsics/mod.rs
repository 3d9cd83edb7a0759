//! The memory functions that the compiler calls implicitly: `memcpy` and its family.
//!
//! The stock target expects a C library to provide them. They are written in assembly, because the compiler turns a loop
//! that copies bytes into a call of `memcpy`, which would call itself. They move 16 bytes at a time in an unrolled loop,
//! because an emulated CPU runs `rep movsb` one byte at a time.
//!
//! Under `cfg(test)` they are not exported, so that a host test can compare them with the host's C library.

pub(crate) mod compare;
pub(crate) mod copy;
