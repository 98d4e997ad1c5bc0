//! The entry point on x86_64 (System V ABI, "Process Initialization": everything is on the stack, rbp is unspecified).

/// Where the kernel enters the program. Hands over the stack as it is, the address at which the file was loaded, and
/// what the layout tells of its relocations, all found relative to the instruction pointer: nothing is relocated yet.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        ".hidden relocations",
        ".hidden __ehdr_start",
        "xor ebp, ebp",
        "mov rdi, rsp",
        "lea rsi, [rip + __ehdr_start]",
        "lea rdx, [rip + relocations]",
        "and rsp, -16",
        "call {begin}",
        "ud2",
        begin = sym super::start::begin,
    )
}
