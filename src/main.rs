//! The binary: the kernel's entry point and the panic handler. Everything else is in the library.
#![no_std]
#![no_main]

#[path = "sys/freestanding/mod.rs"]
mod freestanding;

/// A panic is a bug. It ends this process alone, with one line that says where and the code for "k8psh itself failed".
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    k8psh::applet::abort(info.location())
}
