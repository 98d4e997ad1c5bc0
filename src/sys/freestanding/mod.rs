//! What a program without a C library has to bring along: the entry point and the memory functions.
//!
//! Part of the binary alone: tests of the library are ordinary programs, which have both from elsewhere.
#![allow(unsafe_code)]

mod memory;
mod start;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod entry;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod entry;
