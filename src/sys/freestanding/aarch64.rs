//! The entry point on aarch64 (everything is on the stack, which is aligned already).

/// Where the kernel enters the program. Hands over the stack as it is, the address at which the file was loaded, and
/// what the layout tells of its relocations, all found relative to the program counter: nothing is relocated yet.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        ".hidden relocations",
        ".hidden __ehdr_start",
        "mov x29, xzr",
        "mov x30, xzr",
        "mov x0, sp",
        "adrp x1, __ehdr_start",
        "add x1, x1, :lo12:__ehdr_start",
        "adrp x2, relocations",
        "add x2, x2, :lo12:relocations",
        "bl {begin}",
        "brk 1",
        begin = sym super::start::begin,
    )
}
