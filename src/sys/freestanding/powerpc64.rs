//! The entry point on powerpc64 (ELFv2 ABI, "Process Initialization": r12 has the entry point's address, the stack is
//! aligned already).

/// Where the kernel enters the program. Hands over the stack as it is, the address at which the file was loaded, and
/// what the layout tells of its relocations, found by the table of contents, whose place is known relative to this
/// function's own: nothing is relocated yet. Below the stack it leaves a caller's frame with the end of the chain of
/// callers.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        ".hidden relocations",
        ".hidden __ehdr_start",
        "addis 2, 12, .TOC. - _start@ha",
        "addi 2, 2, .TOC. - _start@l",
        "mr 3, 1",
        "addis 4, 2, __ehdr_start@toc@ha",
        "addi 4, 4, __ehdr_start@toc@l",
        "addis 5, 2, relocations@toc@ha",
        "addi 5, 5, relocations@toc@l",
        "li 0, 0",
        "mtlr 0",
        "stdu 0, -32(1)",
        "bl {begin}",
        "nop",
        "trap",
        begin = sym super::start::begin,
    )
}
