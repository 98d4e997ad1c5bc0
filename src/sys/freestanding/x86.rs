//! The entry point on i386 (System V ABI, "Process Initialization": everything is on the stack, ebp is unspecified).

/// Where the kernel enters the program. Hands over the stack as it is, the address at which the file was loaded, and
/// what the layout tells of its relocations, found relative to the address that a call leaves behind: nothing is
/// relocated yet. Arguments are passed on the stack, which is aligned at the call.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        ".hidden relocations",
        ".hidden __ehdr_start",
        "xorl %ebp, %ebp",
        "movl %esp, %eax",
        "andl $-16, %esp",
        "call 2f",
        "2: popl %ecx",
        "leal __ehdr_start - 2b(%ecx), %edx",
        "leal relocations - 2b(%ecx), %ecx",
        "subl $4, %esp",
        "pushl %ecx",
        "pushl %edx",
        "pushl %eax",
        "call {begin}",
        "ud2",
        begin = sym super::start::begin,
        options(att_syntax),
    )
}
