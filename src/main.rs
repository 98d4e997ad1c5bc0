//! The binary: the kernel's entry point and the panic handler. Everything else is in the library.
#![no_std]
#![no_main]

#[path = "sys/freestanding/mod.rs"]
mod freestanding;

use k8psh::sys::program::Program;

/// Called by the entry point with what the kernel handed over.
fn run(program: Program) -> ! {
    k8psh::cli::main(program)
}

/// A panic is a bug. It ends this process alone, with one line and the code for "k8psh itself failed". Only a build with
/// debug assertions says where: the places and their files' names would be a thirtieth of the program.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    k8psh::diag::abort(info.location().filter(|_| cfg!(debug_assertions)))
}
