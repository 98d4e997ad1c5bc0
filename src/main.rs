//! The binary: the kernel's entry point and the panic handler. Everything else is in the library.
#![no_std]
#![no_main]

#[path = "sys/freestanding/mod.rs"]
mod freestanding;

/// A panic is a bug. It ends this process alone, with one line and the code for "k8psh itself failed". Only a build with
/// debug assertions says where: the places and their files' names would be a thirtieth of the program.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    k8psh::applet::abort(info.location().filter(|_| cfg!(debug_assertions)))
}
