//! The entry point on s390x (everything is on the stack, which is aligned already).

/// Where the kernel enters the program. Hands over the stack as it is, the address at which the file was loaded, and
/// what the layout tells of its relocations, found relative to the instruction: nothing is relocated yet. Below the
/// stack it leaves the 160 bytes in which a function may save its caller's registers (ELF ABI, "The Stack Frame"), with
/// the end of the chain of callers.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        ".hidden relocations",
        ".hidden __ehdr_start",
        "lgr %r2, %r15",
        "larl %r3, __ehdr_start",
        "larl %r4, relocations",
        "aghi %r15, -160",
        "xc 0(8,%r15), 0(%r15)",
        "brasl %r14, {begin}",
        "j .+2",
        begin = sym super::start::begin,
    )
}
