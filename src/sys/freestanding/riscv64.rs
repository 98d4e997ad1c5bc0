//! The entry point on riscv64 (everything is on the stack, which is aligned already).

/// Where the kernel enters the program. Hands over the stack as it is, the address at which the file was loaded, and
/// what the layout tells of its relocations, all found relative to the program counter: nothing is relocated yet. The
/// global pointer stays as it is: the layout defines no `__global_pointer$`, so the linker shortens no access by it.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        ".hidden relocations",
        ".hidden __ehdr_start",
        "li fp, 0",
        "li ra, 0",
        "mv a0, sp",
        "lla a1, __ehdr_start",
        "lla a2, relocations",
        "call {begin}",
        "ebreak",
        begin = sym super::start::begin,
    )
}
