//! The entry point on 32-bit ARM (everything is on the stack, which is aligned already).

/// Where the kernel enters the program. Hands over the stack as it is, the address at which the file was loaded, and
/// what the layout tells of its relocations, all found relative to the program counter: nothing is relocated yet. The
/// program counter reads as the address of the instruction plus 8.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        ".hidden relocations",
        ".hidden __ehdr_start",
        "mov r11, #0",
        "mov lr, #0",
        "mov r0, sp",
        "ldr r1, 4f",
        "2: add r1, pc, r1",
        "ldr r2, 5f",
        "3: add r2, pc, r2",
        "bl {begin}",
        "udf #0",
        "4: .word __ehdr_start - (2b + 8)",
        "5: .word relocations - (3b + 8)",
        begin = sym super::start::begin,
    )
}

/// Named by the unwind tables of core and of the compiler's helpers, which are left out of the file (EHABI, "Personality
/// routine exception-handling table entries"); nothing unwinds, so nothing calls it.
#[unsafe(no_mangle)]
extern "C" fn __aeabi_unwind_cpp_pr0() {}

/// As [`__aeabi_unwind_cpp_pr0`].
#[unsafe(no_mangle)]
extern "C" fn __aeabi_unwind_cpp_pr1() {}
